"""Reads past leads with their facts, batch by batch: for the replay of a playbook and for the check of ownership.

Batches go by (created_at, id), so that a long range holds no more than one of them in memory. Of each lead stand here
the facts that the caller's side sees.
"""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from jiter import from_json

from app.db.session import Transaction
from app.domain.assurance import Interval, Owner, Record, Told
from app.domain.deeds import Fact
from app.domain.ids import Prefix, read
from app.domain.simulation import History

BATCH: Final = 200
"""Leads that one statement reads."""

_START = datetime(1970, 1, 1, tzinfo=UTC)
_ZERO = UUID(int=0)

_RANGE = """
from baton.lead l
where l.tenant_id = $1 and l.program_id = $2 and ($3::uuid is null or l.partner_id = $3) and l.test = $4
  and l.created_at >= $5 and ($6::timestamptz is null or l.created_at < $6)
"""
_COUNT = "select count(*)" + _RANGE
_LEADS = (
    "select l.id, l.partner_id, l.created_at"
    + _RANGE
    + "and (l.created_at, l.id) > ($7, $8) order by l.created_at, l.id limit $9"
)
_FACTS = """
select e.lead_id, e.type, e.at, e.actor_role, e.request_id, e.data from baton.event e
where e.tenant_id = $1 and e.lead_id = any($2::uuid[]) and ($3::timestamptz is null or e.at < $3)
  and e.sides <> case when $4::uuid is null then 'partner' else 'internal' end
order by e.lead_id, e.n
"""
# One statement: lead, chain and ledger are compared as they stood at one moment, also while others write.
_RECORDS = """
select l.id, l.created_at, l.owner_organization_id, l.owner_role,
  (select coalesce(jsonb_agg(jsonb_build_object('organization_id', o.organization_id, 'role', o.role,
      'since', o.from_at, 'until', nullif(o.until_at, 'infinity')) order by o.n), '[]')
    from baton.ownership o where o.tenant_id = l.tenant_id and o.lead_id = l.id) as chain,
  (select coalesce(jsonb_agg(jsonb_build_object('at', e.at, 'owner', e.data->'owner', 'previous', e.data->'previous')
      order by e.n), '[]')
    from baton.event e where e.tenant_id = l.tenant_id and e.lead_id = l.id
      and e.type in ('lead.received', 'ownership.changed')) as told
from baton.lead l
where l.tenant_id = $1 and ($2::uuid is null or l.partner_id = $2) and l.test = $3
  and (l.created_at, l.id) > ($4, $5) order by l.created_at, l.id limit $6
"""


@dataclass(frozen=True, slots=True)
class Range:
    """Leads of one program that were received from `since` on and before `until`, and what happened before `until`."""

    tenant_id: UUID
    program_id: UUID
    partner_id: UUID | None
    test: bool
    since: datetime | None
    until: datetime | None

    @property
    def args(self) -> tuple[object, ...]:
        """The parameters that every statement on it begins with."""
        return self.tenant_id, self.program_id, self.partner_id, self.test, self.since or _START, self.until


async def count(tx: Transaction, wanted: Range) -> int:
    """Return how many leads the range holds."""
    found: int = await tx.fetchval(_COUNT, *wanted.args)
    return found


async def histories(tx: Transaction, wanted: Range) -> AsyncGenerator[list[History]]:
    """Yield the leads of the range with their facts, a batch at a time, in the order in which they were received."""
    after: tuple[datetime, UUID] = (_START, _ZERO)
    while True:
        leads = await tx.fetch(_LEADS, *wanted.args, *after, BATCH)
        if not leads:
            return
        facts: dict[UUID, list[Fact]] = {row["id"]: [] for row in leads}
        for row in await tx.fetch(_FACTS, wanted.tenant_id, list(facts), wanted.until, wanted.partner_id):
            facts[row["lead_id"]].append(_fact(row))
        yield [History(row["id"], wanted.tenant_id, row["partner_id"], tuple(facts[row["id"]])) for row in leads]
        after = (leads[-1]["created_at"], leads[-1]["id"])


def _fact(row: Mapping[str, Any]) -> Fact:
    data: dict[str, Any] = from_json(row["data"].encode())
    return Fact(row["type"], row["at"], row["actor_role"], row["request_id"], data)


async def records(tx: Transaction, tenant_id: UUID, partner_id: UUID | None, *, test: bool) -> AsyncGenerator[Record]:
    """Yield every lead with its chain of owners and what the ledger tells of it, in the order of their posting."""
    after: tuple[datetime, UUID] = (_START, _ZERO)
    while True:
        rows = await tx.fetch(_RECORDS, tenant_id, partner_id, test, *after, BATCH)
        for row in rows:
            yield _record(row)
        if len(rows) < BATCH:
            return
        after = (rows[-1]["created_at"], rows[-1]["id"])


def _record(row: Mapping[str, Any]) -> Record:
    chain: list[dict[str, Any]] = from_json(row["chain"].encode())
    told: list[dict[str, Any]] = from_json(row["told"].encode())
    return Record(
        lead_id=row["id"],
        created_at=row["created_at"],
        owner=Owner(row["owner_organization_id"], row["owner_role"]),
        chain=tuple(
            Interval(
                Owner(UUID(link["organization_id"]), link["role"]),
                datetime.fromisoformat(link["since"]),
                datetime.fromisoformat(link["until"]) if link["until"] else None,
            )
            for link in chain
        ),
        told=tuple(
            Told(
                datetime.fromisoformat(one["at"]),
                _owner(one["owner"]),
                _owner(one["previous"]) if one["previous"] else None,
            )
            for one in told
        ),
    )


def _owner(said: Mapping[str, str]) -> Owner:
    return Owner(read(Prefix.ORGANIZATION, said["organization_id"]) or _ZERO, said["role"])
