"""What becomes of an endpoint by the answers of its receiver: let in after its first test, shut out when it is gone.

Runs in the dispatcher's transaction, whose lanes are locked.
"""

from typing import Final
from uuid import UUID, uuid4

from pydantic_core import to_json

from app.db.leases import LaneKey
from app.db.session import Transaction
from app.domain.actor import Side
from app.domain.events import body
from app.domain.ids import Prefix, show

_ACTIVATE: Final = """
with let_in as (
  update baton.endpoint set status = 'active', disabled_reason = null, version = version + 1, updated_at = baton.now()
  where tenant_id = $1 and id = $2 and status = 'pending'
  returning tenant_id, id
)
update baton.lane as l set parked = false from let_in where l.tenant_id = let_in.tenant_id and l.id = let_in.id
"""
_DISABLE: Final = """
with shut_out as (
  update baton.endpoint set status = 'disabled', disabled_reason = $3, version = version + 1, updated_at = baton.now()
  where tenant_id = $1 and id = $2 and status in ('pending', 'active')
  returning tenant_id, id, url, test
), parked as (
  update baton.lane as l set parked = true from shut_out where l.tenant_id = shut_out.tenant_id and l.id = shut_out.id
)
select url, test from shut_out
"""
_BIND: Final = "select set_config('baton.tenant_id', $1, true)"
_PUBLISH: Final = """
insert into baton.outbox (tenant_id, organization_id, partner_id, event_id, type, at, splice, body, test)
values ($1, $2, $3, $4, 'endpoint.disabled', $5, $6, $7, $8)
"""
_LEDGER: Final = """
insert into baton.event (tenant_id, id, at, type, actor_role, request_id, partner_id, sides, data, test)
values ($1, $2, $3, 'endpoint.disabled', 'engine', '', $4, $5, $6::text::jsonb, $7)
"""


async def activate(tx: Transaction, lane: LaneKey) -> None:
    """Let a pending endpoint in: what was parked for it becomes deliverable."""
    await tx.execute(_ACTIVATE, *lane)


async def disable(tx: Transaction, lane: LaneKey, organization_id: UUID, reason: str) -> None:
    """Shut an endpoint out, once, and tell its organisation; its deliveries are parked, not dropped."""
    row = await tx.fetchrow(_DISABLE, *lane, reason)
    if row is None:
        return
    tenant_id, endpoint_id = lane
    event_id, at = uuid4(), await tx.now()
    side = Side.INTERNAL if organization_id == tenant_id else Side.PARTNER
    partner_id = None if side is Side.INTERNAL else organization_id
    facts = {"endpoint_id": show(Prefix.ENDPOINT, endpoint_id), "reason": reason}
    rendered = body(event_id, "endpoint.disabled", at, tenant_id, {**facts, "url": row["url"]})
    await tx.execute(_BIND, str(tenant_id))  # the ledger is bound to a tenant for the worker too
    place = (rendered.splice, rendered.text)
    await tx.execute(_PUBLISH, tenant_id, organization_id, partner_id, event_id, at, *place, row["test"])
    await tx.execute(_LEDGER, tenant_id, event_id, at, partner_id, side.value, to_json(facts).decode(), row["test"])
    tx.wake_workers()
