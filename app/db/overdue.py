"""Which clocks and ladder steps are due, claimed together with their lead.

Lead row and child are locked in one statement with SKIP LOCKED: the qualifications are checked again on the locked
rows, so what a request has just settled is not claimed, and nothing ever waits (design 7.8, escalation.md 4.1).
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, cast
from uuid import UUID

from app.db.cases import REACH, escalation_row
from app.db.session import Transaction
from app.domain.actor import Actor


class Due(NamedTuple):
    """A clock or an escalation that is due, and its lead."""

    id: UUID
    lead_id: UUID


@dataclass(frozen=True, slots=True)
class Agenda:
    """One kind of work: which tenants have some, and the claim of the first due of a tenant."""

    tenants: str
    claim: str


CLOCKS: Final = Agenda(
    tenants="""
select distinct tenant_id from baton.clock
where state = 'running' and due_at <= baton.now() and id <> all($1::uuid[])
""",
    claim="""
select c.id, c.lead_id from baton.clock c
join baton.lead l on l.tenant_id = c.tenant_id and l.id = c.lead_id and l.partner_id = c.partner_id
where c.tenant_id = $1 and c.state = 'running' and c.due_at <= baton.now() and c.id <> all($3::uuid[])
order by c.due_at limit $2 for no key update of l, c skip locked
""",
)
"""Clocks that ran out."""

STEPS: Final = Agenda(
    tenants="""
select distinct tenant_id from baton.escalation
where status = 'open' and next_at <= baton.now() and id <> all($1::uuid[])
""",
    claim="""
select e.id, e.lead_id from baton.escalation e
join baton.lead l on l.tenant_id = e.tenant_id and l.id = e.lead_id and l.partner_id = e.partner_id
where e.tenant_id = $1 and e.status = 'open' and e.next_at <= baton.now() and e.id <> all($3::uuid[])
order by e.next_at limit $2 for no key update of l, e skip locked
""",
)
"""Ladders whose next step is due."""

NEXT_DUE: Final = """
least(
  (select min(due_at) from baton.clock where state = 'running'),
  (select min(next_at) from baton.escalation where status = 'open' and next_at is not null)
) - (baton.now() - now())
"""
"""When the next clock or step falls due, in real time."""

_LOCK_LEAD = f"""
select l.id from baton.lead l join baton.escalation e
  on e.tenant_id = l.tenant_id and e.lead_id = l.id and e.partner_id = l.partner_id
where e.tenant_id = $1 and e.id = $2 and {REACH.format("$3", "$4")} for no key update of l
"""  # noqa: S608  # constants only
_ESCALATION = "select * from baton.escalation where tenant_id = $1 and id = $2"
_CLOCK = "select * from baton.clock where tenant_id = $1 and id = $2"


async def tenants(tx: Transaction, agenda: Agenda, aside: Collection[UUID]) -> list[UUID]:
    """Return the tenants that have something due; `tx` is the worker's, bound to no tenant."""
    return [row["tenant_id"] for row in await tx.fetch(agenda.tenants, list(aside))]


async def claim(tx: Transaction, agenda: Agenda, tenant_id: UUID, limit: int, aside: Collection[UUID]) -> list[Due]:
    """Lock and return the first due of a tenant, each with its lead; what others hold is left out."""
    rows = await tx.fetch(agenda.claim, tenant_id, limit, list(aside))
    return [Due(row["id"], row["lead_id"]) for row in rows]


async def lock_lead(tx: Transaction, actor: Actor, escalation_id: UUID) -> UUID | None:
    """Lock the lead of an escalation that the caller may see, and return it."""
    return cast(
        "UUID | None", await tx.fetchval(_LOCK_LEAD, actor.tenant_id, escalation_id, actor.partner_id, actor.test)
    )


async def escalation(tx: Transaction, tenant_id: UUID, escalation_id: UUID) -> dict[str, Any]:
    """Return an escalation as it stands. Raises LookupError."""
    row = await tx.fetchrow(_ESCALATION, tenant_id, escalation_id)
    if row is None:
        raise LookupError("no such escalation")
    return escalation_row(dict(row))


async def clock(tx: Transaction, tenant_id: UUID, clock_id: UUID) -> dict[str, Any]:
    """Return a clock in whatever state. Raises LookupError."""
    row = await tx.fetchrow(_CLOCK, tenant_id, clock_id)
    if row is None:
        raise LookupError("no such clock")
    return dict(row)
