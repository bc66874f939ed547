"""The queue of received leads and the keys under which claims hold companies. Only the adjudicator writes here.

One transaction per tenant at a time decides (an advisory lock, taken in a statement of its own so that every later one
sees what the last one committed). So a batch may read the held keys once and keep them up to date in memory; the
unique key of `claim_key` would stop a second holder even without it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from jiter import from_json

from app.db import playbooks
from app.db.cases import Case, for_engine, known_in, lead_row, party
from app.db.session import Transaction
from app.domain.adjudication import Holding
from app.domain.lead import Lead
from app.domain.matching import KeyKind, MatchKey, keys_of

LOCK_SPACE = 7_201_956
"""The first half of the two-part advisory locks of adjudication; the second is a hash of the tenant."""

# From tenant to tenant by the index of the queue: what is asked costs the same, however long the queues are.
_QUEUES = """
with recursive head as (
  (select tenant_id from baton.adjudication order by tenant_id limit 1)
  union all
  select (select tenant_id from baton.adjudication where tenant_id > head.tenant_id order by tenant_id limit 1)
  from head where tenant_id is not null
), queue as (
  select tenant_id from head where tenant_id is not null
)
"""
_FIRST = """
(select queued_at from baton.adjudication
  where tenant_id = queue.tenant_id and queued_at <= baton.now() order by n limit 1)
"""
_NEXT = "(select min(queued_at) from baton.adjudication where tenant_id = queue.tenant_id)"
QUEUE_DUE = f"({_QUEUES} select min(coalesce({_FIRST}, {_NEXT})) - (baton.now() - now()) from queue)"  # noqa: S608  # constants only
"""When leads may be decided, in real time; only what was set aside is due later than now."""

TENANTS = f"{_QUEUES} select array_agg(tenant_id) as tenants from queue where {_FIRST} is not null"  # noqa: S608
"""The tenants that have leads to decide, or null."""

_TAKE_TURN = "select pg_try_advisory_xact_lock($1, hashtext($2::uuid::text))"
_WAITING = """
select a.lead_id, l.n, l.program_id, l.test, l.company
from baton.adjudication a
join baton.lead l on l.tenant_id = a.tenant_id and l.id = a.lead_id and l.partner_id = a.partner_id
where a.tenant_id = $1 and a.queued_at <= baton.now() and ($3::uuid is null or a.lead_id = $3)
order by a.n limit $2
"""
_LOCK = """
select l.* from baton.adjudication a
join baton.lead l on l.tenant_id = a.tenant_id and l.id = a.lead_id and l.partner_id = a.partner_id
where a.tenant_id = $1 and a.lead_id = any($2::uuid[]) for no key update of l, a skip locked
"""
_PROGRAMS = """
select p.id, p.playbook_id, p.calendar_id, baton.now() as now,
  (select jsonb_object_agg(o.id, o.calendar_id) from baton.organization o
    where o.tenant_id = p.tenant_id and o.id = any($3::uuid[]) and o.calendar_id is not null) as calendars
from baton.program p where p.tenant_id = $1 and p.id = any($2::uuid[])
"""
_CLOCKS = """
select * from baton.clock
where tenant_id = $1 and lead_id = any($2::uuid[]) and state in ('running', 'breached') order by due_at, n
"""
_HELD = """
with wanted as (
  select * from unnest($2::uuid[], $3::text[], $4::text[]) as w(program_id, kind, value)
), found as (
  select k.program_id, k.kind, k.value, k.claim_id, k.partner_id,
    c.status = 'held' and c.expires_at > baton.now() as live
  from wanted w
  join baton.claim_key k on k.tenant_id = $1 and k.program_id = w.program_id and k.kind = w.kind and k.value = w.value
  join baton.claim c on c.tenant_id = k.tenant_id and c.id = k.claim_id and c.partner_id = k.partner_id
), released as (
  delete from baton.claim_key k using found f
  where not f.live and k.tenant_id = $1 and k.program_id = f.program_id and k.kind = f.kind and k.value = f.value
)
select program_id, kind, value, claim_id, partner_id from found where live
"""
_POSTPONE = """
update baton.adjudication set queued_at = baton.now() + $3::interval where tenant_id = $1 and lead_id = $2
"""

ProgramKey = tuple[UUID, MatchKey]
"""A key counts within its program: another collaboration may hold the same company."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A lead in the queue as it stands before its lock is got."""

    lead_id: UUID
    keys: frozenset[ProgramKey]


def lead_keys(company: Mapping[str, Any], *, test: bool) -> tuple[MatchKey, ...]:
    """Return the keys of a lead's company, strongest first; a test lead makes and sees no claims."""
    if test:
        return ()
    return keys_of(company.get("corporate_number"), company.get("name"), company.get("domain"), company.get("phone"))


async def take_turn(tx: Transaction, tenant_id: UUID) -> bool:
    """Return whether this transaction alone may decide for the tenant. Does not wait."""
    return bool(await tx.fetchval(_TAKE_TURN, LOCK_SPACE, tenant_id))


async def waiting(tx: Transaction, tenant_id: UUID, limit: int, only: UUID | None = None) -> list[Waiting]:
    """Return the first leads of the queue in the order of their numbers, unlocked."""
    rows = await tx.fetch(_WAITING, tenant_id, limit, only)
    return [
        Waiting(
            row["lead_id"],
            frozenset(
                (row["program_id"], key) for key in lead_keys(from_json(row["company"].encode()), test=row["test"])
            ),
        )
        for row in sorted(rows, key=lambda row: row["n"])
    ]


async def lock(tx: Transaction, tenant_id: UUID, leads: Iterable[UUID]) -> dict[UUID, dict[str, Any]]:
    """Lock those of the leads that nobody else has locked, and return their rows."""
    return {row["id"]: lead_row(row) for row in await tx.fetch(_LOCK, tenant_id, list(leads))}


async def load(tx: Transaction, tenant_id: UUID, rows: Sequence[dict[str, Any]]) -> list[Case]:
    """Return the cases of locked leads, in their order: a few statements for all of them.

    A lead that waits for its decision has no escalation, and a handover only where the tenant posted it; its
    activities are left out, no rule here reads them.
    """
    partners = {row["partner_id"] for row in rows}
    found = await tx.fetch(_PROGRAMS, tenant_id, list({row["program_id"] for row in rows}), [tenant_id, *partners])
    programs = {row["id"]: row for row in found}
    clocks: dict[UUID, list[dict[str, Any]]] = {}
    for clock in await tx.fetch(_CLOCKS, tenant_id, [row["id"] for row in rows]):
        clocks.setdefault(clock["lead_id"], []).append(dict(clock))
    return [
        await for_engine(tx, tenant_id, row["id"])
        if row["writer_id"] == tenant_id
        else await _case(tx, row, programs[row["program_id"]], clocks.get(row["id"], []))
        for row in rows
    ]


async def _case(tx: Transaction, row: dict[str, Any], program: Mapping[str, Any], clocks: list[dict[str, Any]]) -> Case:
    tenant_id, partner_id = row["tenant_id"], row["partner_id"]
    own: dict[str, str] = from_json(program["calendars"].encode()) if program["calendars"] else {}
    calendar_ids = {
        organization_id: UUID(own[str(organization_id)]) if str(organization_id) in own else program["calendar_id"]
        for organization_id in (tenant_id, partner_id)
    }
    return Case(
        tx=tx,
        now=program["now"],
        row=row,
        lead=Lead(
            id=row["id"],
            tenant_id=tenant_id,
            partner_id=partner_id,
            status=row["status"],
            stage=row["stage"],
            owner=party(row, "owner"),
            known=known_in(row),
            completeness=row["completeness"],
            activities=frozenset(),
            handover=None,
            outcome=None,
            test=row["test"],
        ),
        playbook=await playbooks.playbook(tx, tenant_id, row["playbook_id"]),
        in_force=await playbooks.playbook(tx, tenant_id, program["playbook_id"]),
        handover=None,
        steps=[],
        clocks=clocks,
        escalations=[],
        calendar_ids=calendar_ids,
        calendars=await playbooks.calendars(tx, tenant_id, calendar_ids.values()),
    )


async def held(tx: Transaction, tenant_id: UUID, wanted: Iterable[ProgramKey]) -> dict[ProgramKey, Holding]:
    """Return who holds the wanted keys, and release those of claims that have ended: they hold nothing."""
    keys = list(wanted)
    rows = await tx.fetch(
        _HELD,
        tenant_id,
        [program_id for program_id, _ in keys],
        [key.kind for _, key in keys],
        [key.value for _, key in keys],
    )
    return {
        (row["program_id"], MatchKey(KeyKind(row["kind"]), row["value"])): Holding(row["claim_id"], row["partner_id"])
        for row in rows
    }


async def postpone(tx: Transaction, tenant_id: UUID, lead_id: UUID, by: timedelta) -> None:
    """Put a lead that cannot be decided aside for a while."""
    await tx.execute(_POSTPONE, tenant_id, lead_id, by)


def claim_rows(
    row: Mapping[str, Any], holding: Holding, keys: Iterable[MatchKey], expires_at: datetime | None, now: datetime
) -> list[tuple[str, dict[str, Any]]]:
    """Return the rows that put a lead under a claim; with `expires_at` the claim itself is new."""
    tenant_id, partner_id, claim_id = row["tenant_id"], row["partner_id"], holding.claim_id
    key_of_claim = {"tenant_id": tenant_id, "partner_id": partner_id, "claim_id": claim_id}
    rows: list[tuple[str, dict[str, Any]]] = []
    if expires_at is not None:
        rows.append(
            (
                "claim",
                {
                    "tenant_id": tenant_id,
                    "partner_id": partner_id,
                    "id": claim_id,
                    "program_id": row["program_id"],
                    "lead_id": row["id"],
                    "status": "held",
                    "claimed_at": now,
                    "expires_at": expires_at,
                },
            )
        )
    rows += [
        ("claim_key", {**key_of_claim, "program_id": row["program_id"], "kind": key.kind, "value": key.value})
        for key in keys
    ]
    rows.append(("claimed_lead", {**key_of_claim, "lead_id": row["id"]}))
    return rows
