"""Moves committed outbox rows into the feed: numbers them, freezes their bytes and fans them out into deliveries.

One publisher works at a time, however many run: an advisory lock of the transaction decides, taken in a statement of
its own, so that the batch's snapshot is younger than the last publisher's commit. Nothing is published from memory.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final

import asyncpg  # pyright: ignore[reportMissingTypeStubs] - the driver ships none

from app.db.lanes import MESSAGE_ID
from app.db.session import Database, Identity, Login
from app.workers.loops import AT_ONCE, SOON

BATCH: Final = 500
"""Rows moved by one statement (design 2)."""
_LOCK: Final = 7_201_955_002
_SET_ASIDE_S: Final = 60.0
_SET_ASIDE_LIMIT: Final = 100
_WORKER: Final = Identity(Login.WORKER)

_log = logging.getLogger(__name__)


# A body's `sequence` stands right after its head. Numbers are drawn from the counter row of each organisation, in the
# order of the outbox ids: of one lead that is the order of its facts, since ids are drawn under the lead's lock. Tests
# are numbered apart: neither feed has gaps where the other one goes on. No test is a page for anybody. The rows are
# removed where the index found them: a join would walk through all that was published since the last vacuum.
def _statement(limit: int) -> str:
    # The limit stands in the text: for a parameter the planner would make a new plan at every call.
    return f"""
with gone as (
  delete from baton.outbox where ctid = any(array(
    select ctid from baton.outbox where id <> all($1::bigint[]) order by id limit {limit}
  ))
  returning *
), counted as (
  select tenant_id, organization_id, test, count(*) as n from gone group by tenant_id, organization_id, test
), counter as (
  insert into baton.feed_counter as c (tenant_id, organization_id, test, last)
  select tenant_id, organization_id, test, n from counted
  on conflict (tenant_id, organization_id, test) do update set last = c.last + excluded.last
  returning c.tenant_id, c.organization_id, c.test, c.last
), numbered as (
  select gone.*, counter.last - counted.n
      + row_number() over (partition by gone.tenant_id, gone.organization_id, gone.test order by gone.id) as sequence
  from gone
  join counted using (tenant_id, organization_id, test)
  join counter using (tenant_id, organization_id, test)
), frozen as (
  select tenant_id, organization_id, lead_id, event_id, type, at, test, page, sequence,
    left(body, splice) || '"sequence":' || sequence || ',' || substr(body, splice + 1) as body
  from numbered
), fed as (
  insert into baton.feed
    (tenant_id, organization_id, sequence, published_on, event_id, lead_id, type, at, test, body)
  select tenant_id, organization_id, sequence, current_date, event_id, lead_id, type, at, test, body from frozen
), sent as (
  insert into baton.delivery
    (tenant_id, id, lane_id, organization_id, message_id, event_id, lead_id, type, sequence, body, state, attempts,
     due_at, created_at, test)
  select f.tenant_id, gen_random_uuid(), e.id, f.organization_id, {MESSAGE_ID}, f.event_id, f.lead_id, f.type,
    f.sequence, f.body, 'pending', 0, now(), now(), f.test
  from frozen as f
  join baton.endpoint as e on e.tenant_id = f.tenant_id and e.organization_id = f.organization_id
    and e.test = f.test and e.status <> 'deleted' and e.event_types && array[f.type, '*']
  union all
  select f.tenant_id, gen_random_uuid(), d.id, f.tenant_id,
    'page_' || substr({MESSAGE_ID}, 5) || '_' || replace(d.id::text, '-', ''), f.event_id, f.lead_id, f.type,
    f.sequence, f.body, 'pending', 0, now(), now(), f.test
  from frozen as f
  join baton.destination as d on d.tenant_id = f.tenant_id and d.status = 'active'
  where f.page and not f.test
  on conflict (tenant_id, lane_id, message_id) do nothing
  returning tenant_id, lane_id
), lane as (
  -- Parked lanes are locked too: whoever unparks one then either sees these deliveries or waits for them.
  select l.tenant_id, l.id, l.parked from baton.lane as l
  where (l.tenant_id, l.id) in (select tenant_id, lane_id from sent)
  order by l.tenant_id, l.id
  for no key update
), due as (
  update baton.lane as l set next_due_at = least(l.next_due_at, now()) from lane
  where l.tenant_id = lane.tenant_id and l.id = lane.id and not lane.parked and not l.suspended
)
select count(*) from gone
"""  # noqa: S608 - a constant and a number


_FIRST: Final = "select id from baton.outbox where id <> all($1::bigint[]) order by id limit 1"


class Publisher:
    """The loop that publishes. Rows that the database refuses are set aside for a minute and never block the others."""

    name = "publisher"
    # By the index: what was published leaves dead rows, which a look at the whole table would walk through.
    due = "select now() from baton.outbox order by id limit 1"

    def __init__(self, database: Database, published: Callable[[], None] = lambda: None) -> None:
        """`published` is called after each batch, in the event loop."""
        self._database = database
        self._published = published
        self._aside: dict[int, float] = {}

    async def cycle(self) -> datetime | None:
        """Publish one batch; None where the outbox is empty or another publisher is at it."""
        now = asyncio.get_running_loop().time()
        self._aside = {row: until for row, until in self._aside.items() if until > now}
        try:
            moved = await self._publish(BATCH)
        except asyncpg.PostgresError as trouble:
            if not _concerns_a_row(trouble):
                raise
            moved = await self._publish_singly()
        if not moved:
            return None
        self._published()
        return AT_ONCE if moved >= BATCH else SOON

    async def _publish(self, limit: int) -> int:
        async with self._database.begin(_WORKER) as tx:
            if not await tx.fetchval("select pg_try_advisory_xact_lock($1)", _LOCK):
                return 0
            moved: int = await tx.fetchval(_statement(limit), list(self._aside))
            return moved

    async def _publish_singly(self) -> int:
        """Publish row by row and set aside those that are refused."""
        moved = 0
        while moved < BATCH:
            async with self._database.begin(_WORKER) as tx:
                first: int | None = await tx.fetchval(_FIRST, list(self._aside))
            if first is None:
                break
            try:
                if not await self._publish(1):
                    break
            except asyncpg.PostgresError as trouble:
                if not _concerns_a_row(trouble) or len(self._aside) >= _SET_ASIDE_LIMIT:
                    raise
                _log.critical("outbox row %d cannot be published: %s", first, type(trouble).__name__)
                self._aside[first] = asyncio.get_running_loop().time() + _SET_ASIDE_S
            moved += 1
        return moved


def _concerns_a_row(trouble: asyncpg.PostgresError) -> bool:
    """Data exceptions (22) and violated constraints (23) are of a row; a missing partition (23514) is not."""
    state = str(getattr(trouble, "sqlstate", ""))
    return state.startswith(("22", "23")) and state != "23514"
