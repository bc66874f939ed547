"""Statements on lanes and deliveries that the API and the workers share.

Whoever adds a delivery touches its lane in the same transaction, and whoever reckons a lane's next due time has locked
it in an earlier statement: then no delivery can be missed between the two. Lock order: lane, endpoint, delivery.
"""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID, uuid4

from app.db.session import Transaction
from app.domain.actor import Actor
from app.domain.events import body
from app.domain.ids import Prefix, show

MESSAGE_ID: Final = "substr(f.body, 8, 30)"
"""The event's public id as it stands at the head of every body (`{"id":"evt_...`), for a row `f` of the feed."""
TEST_TYPE: Final = "endpoint.test"
"""The one type that a parked lane delivers."""
ROUND: Final = 100
"""A delivery sent again on request counts its attempts from the next multiple of this: its schedule starts anew."""
_LOCK = "select from baton.lane where tenant_id = $1 and id = $2 for no key update"
_CREATE = """
insert into baton.lane (tenant_id, id, organization_id, profile, parked, failures, suspended)
values ($1, $2, $3, $4, $5, 0,
  exists (select from baton.organization where tenant_id = $1 and id = $3 and status = 'suspended'))
"""
_ENQUEUE = """
insert into baton.delivery
  (tenant_id, id, lane_id, organization_id, message_id, event_id, type, body, state, attempts, due_at, created_at,
   test)
values ($1, $2, $3, $4, $5, $6, $7, $8, 'pending', 0, now(), now(), $9)
"""
_MAKE_DUE = """
update baton.lane set next_due_at = least(next_due_at, now()), open_until = null where tenant_id = $1 and id = $2
"""


async def create(tx: Transaction, tenant_id: UUID, lane_id: UUID, organization_id: UUID, profile: str) -> None:
    """Create the lane of an endpoint (`feed`, parked until its first test passed) or of a destination (`page`)."""
    await tx.execute(_CREATE, tenant_id, lane_id, organization_id, profile, profile == "feed")


async def lock(tx: Transaction, tenant_id: UUID, lane_id: UUID) -> None:
    """Lock a lane until the transaction ends."""
    await tx.execute(_LOCK, tenant_id, lane_id)


async def make_due(tx: Transaction, tenant_id: UUID, lane_id: UUID) -> None:
    """Have the workers look at a lane at once, also where its breaker was open."""
    await tx.execute(_MAKE_DUE, tenant_id, lane_id)
    tx.wake_workers()


async def enqueue_test(
    tx: Transaction, by: Actor, lane_id: UUID, data: Mapping[str, Any], *, sandbox: bool = False
) -> UUID:
    """Put a test into one of the caller's own lanes, to be sent at once, and return the delivery's id.

    `sandbox` says whether it is the lane of an endpoint for test leads.

    A test is no part of the feed. Its sequence is 0, which every reader that compares sequences has had already.
    """
    event_id, delivery_id = uuid4(), uuid4()
    rendered = body(event_id, TEST_TYPE, await tx.now(), by.tenant_id, data)
    text = f'{rendered.text[: rendered.splice]}"sequence":0,{rendered.text[rendered.splice :]}'
    message_id = show(Prefix.EVENT, event_id)
    own = (by.tenant_id, delivery_id, lane_id, by.organization_id)
    await tx.execute(_ENQUEUE, *own, message_id, event_id, TEST_TYPE, text, sandbox)
    await make_due(tx, by.tenant_id, lane_id)
    return delivery_id
