"""Reads escalations, as both sides and on-call tools see them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from jiter import from_json

from app.db import playbooks
from app.db.cases import REACH, escalation_row
from app.db.pages import Key, Listing, Order, Page, Wanted, read
from app.db.session import Transaction
from app.domain.actor import Actor
from app.domain.errors import NotFoundError
from app.domain.escalations import escalation_view
from app.schemas.queries import EscalationFilter

_SELECT = f"""
select x.*, l.external_id, l.company, baton.now() as now, c.handover_id, c.consultation_id,
  c.owed_organization_id, c.owed_role, c.waiting_organization_id, c.waiting_role, c.started_at
from baton.escalation x
join baton.clock c on c.tenant_id = x.tenant_id and c.id = x.clock_id and c.partner_id = x.partner_id
join baton.lead l on l.tenant_id = x.tenant_id and l.id = x.lead_id and l.partner_id = x.partner_id
where x.tenant_id = $1 and {REACH.format("$2", "$3")}
"""  # noqa: S608  # constants only
_LIST = Listing(
    f"{_SELECT} and x.test = $4 and ($5::text is null or x.status = $5)",
    Order((Key("x.opened_at", "opened_at", datetime), Key("x.n", "n", int)), descending=True),
)
_ONE = f"{_SELECT} and x.id = $4"


async def _shown(tx: Transaction, public_url: str, row: Mapping[str, Any]) -> dict[str, Any]:
    held = {**escalation_row(row), "company": from_json(row["company"].encode())}
    playbook = await playbooks.playbook(tx, row["tenant_id"], row["playbook_id"])
    return escalation_view(held, held, held, playbook, public_url=public_url, now=row["now"])


async def escalations(
    tx: Transaction, actor: Actor, asked: EscalationFilter, wanted: Wanted, *, public_url: str
) -> Page[dict[str, Any]]:
    """Return a page of escalations, the newest first."""
    args = (actor.tenant_id, actor.partner_id, actor.test, asked.test or actor.test, asked.status)
    page = await read(tx, wanted, _LIST, args)
    return Page([await _shown(tx, public_url, row) for row in page.items], page.next_cursor)


async def escalation(tx: Transaction, actor: Actor, escalation_id: UUID, *, public_url: str) -> dict[str, Any]:
    """Return one escalation. Raises NotFoundError."""
    row = await tx.fetchrow(_ONE, actor.tenant_id, actor.partner_id, actor.test, escalation_id)
    if row is None:
        raise NotFoundError("There is no such escalation.")
    return await _shown(tx, public_url, dict(row))
