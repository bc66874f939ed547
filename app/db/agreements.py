"""Reads programs and the versions of their playbooks with who said what; as far as the caller may see them."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from jiter import from_json

from app.db import playbooks
from app.db.session import Transaction
from app.domain import ids
from app.domain.actor import Actor
from app.domain.agreements import Said
from app.domain.errors import NotFoundError
from app.domain.ids import Prefix, show
from app.domain.playbook import Playbook

_PROGRAM = """
select p.*, (select key from baton.calendar c where c.tenant_id = p.tenant_id and c.id = p.calendar_id) as calendar,
  (select coalesce(array_agg(e.partner_id order by e.partner_id), '{}') from baton.enrolment e
    where e.tenant_id = p.tenant_id and e.program_id = p.id and ($4::uuid is null or e.partner_id = $4)) as partners
from baton.program p where p.tenant_id = $1 and (p.id = $2 or p.key = $3) and ($4::uuid is null or exists (
  select from baton.enrolment m where m.tenant_id = p.tenant_id and m.program_id = p.id and m.partner_id = $4))
"""
_LOCK = """
select 1 from baton.program p where p.tenant_id = $1 and (p.id = $2 or p.key = $3) and ($4::uuid is null or exists (
  select from baton.enrolment m where m.tenant_id = p.tenant_id and m.program_id = p.id and m.partner_id = $4))
for no key update
"""
_VERSIONS = """
select v.id, v.version, v.status, v.comment, v.proposed_by, v.proposed_at, v.in_force_at, v.answers_id, v.review_on,
  v.document_hash, v.document->'purpose' as purpose, d.organization_id as declined_by, d.client_id as declined_client,
  d.comment as declined_comment, d.declined_at,
  (select coalesce(jsonb_agg(jsonb_build_object('organization', a.organization_id, 'client', a.client_id,
      'at', to_char(a.agreed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) order by a.agreed_at), '[]')
    from baton.agreement a where a.tenant_id = v.tenant_id and a.playbook_id = v.id
      and ($4::uuid is null or a.organization_id in ($1, $4))) as agreements
from baton.playbook v
left join baton.declination d on d.tenant_id = v.tenant_id and d.playbook_id = v.id
  and ($4::uuid is null or coalesce(d.organization_id, $1) in ($1, $4))
where v.tenant_id = $1 and v.program_id = $2 and ($3::uuid is null or v.id = $3) order by v.version desc
"""
_PROGRAM_OF = """
select v.program_id from baton.playbook v where v.tenant_id = $1 and v.id = $2 and ($3::uuid is null or exists (
  select from baton.enrolment m where m.tenant_id = v.tenant_id and m.program_id = v.program_id and m.partner_id = $3))
"""
# The tenant's own organisation has the tenant's id; of the others a partner knows itself.
_NAMES = "select id, name from baton.organization where tenant_id = $1 and ($2::uuid is null or id in ($1, $2))"
_NEXT_VERSION = "select coalesce(max(version), 0) + 1 from baton.playbook where tenant_id = $1 and program_id = $2"
_OPEN = "select id from baton.playbook where tenant_id = $1 and program_id = $2 and status = 'proposed'"
_FORMER = """
select distinct s->>'key' as key from baton.playbook v, json_array_elements(v.document->'stages') s
where v.tenant_id = $1 and v.program_id = $2 and v.status in ('in_force', 'superseded')
"""
_STANDING = """
select former.key from unnest($3::text[]) as former(key) where exists (
  select 1 from baton.lead l where l.tenant_id = $1 and l.program_id = $2 and l.stage = former.key
    and ($5::uuid is null or l.partner_id = $5)
    and (l.status in ('received', 'open') or (l.status = 'closed' and l.outcome->>'result' <> all($4::text[]))))
"""


async def program(tx: Transaction, actor: Actor, name: str) -> Mapping[str, Any] | None:
    """Return a program by id or key, with its calendar's key and those of its partners that the caller may see."""
    return await tx.fetchrow(_PROGRAM, actor.tenant_id, ids.read(Prefix.PROGRAM, name), name, actor.partner_id)


async def find_program(tx: Transaction, actor: Actor, name: str, *, lock: bool = False) -> Mapping[str, Any]:
    """Return a program by id or key, read after its lock was got where it is asked for. Raises NotFoundError."""
    if lock:
        await tx.fetchval(_LOCK, actor.tenant_id, ids.read(Prefix.PROGRAM, name), name, actor.partner_id)
    row = await program(tx, actor, name)
    if row is None:
        raise NotFoundError("There is no such program.")
    return row


async def versions(
    tx: Transaction, actor: Actor, program_id: UUID, playbook_id: UUID | None = None
) -> list[Mapping[str, Any]]:
    """Return the versions of a program, the newest first, or one of them, each with its agreements."""
    args = (actor.tenant_id, program_id, playbook_id, actor.partner_id)
    return [_parsed(row) for row in await tx.fetch(_VERSIONS, *args)]


def _parsed(row: Mapping[str, Any]) -> Mapping[str, Any]:
    held: list[dict[str, str]] = from_json(row["agreements"].encode())
    agreements = [
        Said(UUID(one["organization"]), UUID(one["client"]), datetime.fromisoformat(one["at"])) for one in held
    ]
    return {**dict(row), "purpose": from_json(row["purpose"].encode()), "agreements": agreements}


async def find_version(
    tx: Transaction, actor: Actor, playbook_id: UUID, *, lock: bool = False
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return (program, version); under the program's lock where something is to be said. Raises NotFoundError."""
    program_id = await tx.fetchval(_PROGRAM_OF, actor.tenant_id, playbook_id, actor.partner_id)
    if program_id is None:
        raise NotFoundError("There is no such playbook.")
    found = await find_program(tx, actor, show(Prefix.PROGRAM, program_id), lock=lock)
    (row,) = await versions(tx, actor, program_id, playbook_id)
    return found, row


async def next_version(tx: Transaction, tenant_id: UUID, program_id: UUID) -> int:
    """Return the number of the next version; the program is locked."""
    return await tx.fetchval(_NEXT_VERSION, tenant_id, program_id)


async def open_versions(tx: Transaction, tenant_id: UUID, program_id: UUID) -> list[UUID]:
    """Return the versions that wait for agreement."""
    return [row["id"] for row in await tx.fetch(_OPEN, tenant_id, program_id)]


async def names(tx: Transaction, actor: Actor) -> dict[UUID, str]:
    """Return the names of the organisations that the caller may see."""
    return {row["id"]: row["name"] for row in await tx.fetch(_NAMES, actor.tenant_id, actor.partner_id)}


async def abandoned(
    tx: Transaction, program_row: Mapping[str, Any], proposed: Playbook, partner_id: UUID | None
) -> Collection[str]:
    """Return the stages in which live leads stand, of one partner or of all, and that `proposed` does not continue.

    A lead is live while it may still move: until it is closed with an outcome that is final.
    """
    if program_row["playbook_id"] is None:
        return ()
    tenant_id, program_id = program_row["tenant_id"], program_row["id"]
    former = {row["key"] for row in await tx.fetch(_FORMER, tenant_id, program_id)}
    lost = [key for key in former if proposed.heir(key) is None]
    if not lost:
        return ()
    current = await playbooks.playbook(tx, tenant_id, program_row["playbook_id"])
    final = [key for key, rule in current.outcomes.items() if rule.final]
    rows = await tx.fetch(_STANDING, tenant_id, program_id, lost, final, partner_id)
    return [row["key"] for row in rows]
