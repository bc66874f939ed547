"""Lists handovers as work: what waits for an organisation, and what came back to it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from app.db.cases import REACH
from app.db.expansions import METADATA, STEPS, handover_shown
from app.db.pages import Key, Listing, Order, Page, Wanted, read, shaped
from app.db.session import Transaction
from app.domain.actor import Actor
from app.domain.errors import NotFoundError
from app.domain.view import marked
from app.schemas.queries import HandoverFilter

_FROM = f"""
from baton.handover x
join baton.lead l on l.tenant_id = x.tenant_id and l.id = x.lead_id and l.partner_id = x.partner_id
{METADATA}
"""
_COLUMNS = f"x.*, l.external_id, l.test, m.document as metadata, {STEPS}"
# What is due comes first; what has been decided follows, the newest first.
_ORDER = Order(
    (
        Key("coalesce(x.due_at, '9000-01-01 00:00:00+00'::timestamptz)", "placed_at", datetime),
        Key("case when x.due_at is null then -x.n else x.n end", "placed_n", int),
    )
)
_PLACES = ", ".join(f"{key.expression} as {key.column}" for key in _ORDER.keys)
_LIST = Listing(
    f"""
select {_COLUMNS}, {_PLACES} {_FROM}
where x.tenant_id = $1 and l.test = $3 and ($4::uuid is null or x.partner_id = $4)
  and ($5::text is null or case $5 when 'giver' then x.from_organization_id else x.to_organization_id end = $2)
  and ($6::text is null or x.status = $6) and ($7::text is null or x.to_role = $7)
  and ($8::timestamptz is null or x.due_at < $8)
""",
    _ORDER,
)
_ONE = f"select {_COLUMNS} {_FROM} where x.tenant_id = $1 and x.id = $3 and {REACH.format('$4', '$5')}"


async def handovers(tx: Transaction, actor: Actor, asked: HandoverFilter, wanted: Wanted) -> Page[dict[str, Any]]:
    """Return a page of the handovers that the caller's organisation gives, receives or may see."""
    page = await read(
        tx,
        wanted,
        _LIST,
        (
            actor.tenant_id,
            actor.organization_id,
            asked.test or actor.test,
            actor.partner_id,
            asked.side,
            asked.status,
            asked.to_role,
            asked.due_before,
        ),
    )
    return shaped(page, _shown)


async def handover(tx: Transaction, actor: Actor, handover_id: UUID) -> dict[str, Any]:
    """Return one handover. Raises NotFoundError."""
    row = await tx.fetchrow(_ONE, actor.tenant_id, actor.organization_id, handover_id, actor.partner_id, actor.test)
    if row is None:
        raise NotFoundError("There is no such handover.")
    return _shown(dict(row))


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return marked(handover_shown(row, row["external_id"]), test=row["test"])
