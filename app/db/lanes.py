"""Statements on lanes and deliveries that the API and the workers share.

Whoever adds a delivery touches its lane in the same transaction, and whoever reckons a lane's next due time has locked
it in an earlier statement: then no delivery can be missed between the two. Lock order: lane, endpoint, delivery.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

from app.db.session import Transaction

MESSAGE_ID: Final = "substr(f.body, 8, 30)"
"""The event's public id as it stands at the head of every body (`{"id":"evt_...`), for a row `f` of the feed."""
TEST_TYPE: Final = "endpoint.test"
"""The one type that a parked lane delivers."""
ROUND: Final = 100
"""A re-queued delivery counts its attempts from the next multiple of this, so that its schedule starts anew."""
_LOCK = "select parked from baton.lane where tenant_id = $1 and id = $2 for no key update"
_CREATE = """
insert into baton.lane (tenant_id, id, organization_id, profile, parked, failures) values ($1, $2, $3, $4, $5, 0)
"""
_ENQUEUE = """
with put as (
  insert into baton.delivery
    (tenant_id, id, lane_id, organization_id, message_id, event_id, type, body, state, attempts, due_at, created_at)
  values ($1, $3, $2, $4, $5, $6, $7, $8, 'pending', 0, now(), now())
)
update baton.lane set next_due_at = least(next_due_at, now()), open_until = null where tenant_id = $1 and id = $2
"""
_MAKE_DUE = """
update baton.lane set next_due_at = least(next_due_at, now()), open_until = null where tenant_id = $1 and id = $2
"""


@dataclass(frozen=True, slots=True)
class Test:
    """A rendered test message for one lane."""

    tenant_id: UUID
    lane_id: UUID
    organization_id: UUID
    event_id: UUID
    message_id: str
    body: str


async def create(tx: Transaction, tenant_id: UUID, lane_id: UUID, organization_id: UUID, profile: str) -> None:
    """Create the lane of an endpoint (`feed`, parked until its first test passed) or of a destination (`page`)."""
    await tx.execute(_CREATE, tenant_id, lane_id, organization_id, profile, profile == "feed")


async def lock(tx: Transaction, tenant_id: UUID, lane_id: UUID) -> bool:
    """Lock a lane until the transaction ends; False where the caller has none of that id."""
    return await tx.fetchrow(_LOCK, tenant_id, lane_id) is not None


async def make_due(tx: Transaction, tenant_id: UUID, lane_id: UUID) -> None:
    """Have the workers look at a lane at once, also where its breaker was open."""
    await tx.execute(_MAKE_DUE, tenant_id, lane_id)
    tx.wake_workers()


async def enqueue_test(tx: Transaction, test: Test) -> UUID:
    """Put a test into its lane, to be sent at once, and return the delivery's id."""
    delivery_id = uuid4()
    await tx.execute(
        _ENQUEUE,
        test.tenant_id,
        test.lane_id,
        delivery_id,
        test.organization_id,
        test.message_id,
        test.event_id,
        TEST_TYPE,
        test.body,
    )
    tx.wake_workers()
    return delivery_id
