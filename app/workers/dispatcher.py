"""Sends deliveries: claims them with a lease, posts them side by side, gives them back in batches.

No transaction is open while a request is under way. A dispatcher that dies loses nothing: its leases run out, the
reaper returns them, and a late answer of a stalled one is refused by the lease's token.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

import asyncpg  # pyright: ignore[reportMissingTypeStubs] - the driver ships none

from app.db import leases
from app.db.endpoint_state import activate, disable
from app.db.lanes import TEST_TYPE
from app.db.leases import Finished, Job
from app.db.session import Database, Identity, Login, Transaction
from app.db.watch import LOST
from app.delivery.reply import Reply
from app.security.keyring import MasterKeys
from app.workers.loops import AT_ONCE
from app.workers.sending import Decision, Disabling, decide, message, unsent

SLOTS: Final = 256
"""Requests of one process under way at once."""
FOR_PAGES: Final = 16
"""Slots that only on-call messages may take, however many webhook receivers hang."""
LANES: Final = 64
"""Lanes that one claim looks at."""
FAILING_FOR: Final = timedelta(days=5)
FAILING_TIMES: Final = 10
"""An endpoint is disabled when it has failed this often, for this long, without one success (webhooks.md 8.11)."""
_FINISH_BATCH = 100
_WORKER: Final = Identity(Login.WORKER)

_log = logging.getLogger(__name__)


class Poster(Protocol):
    """The part of the egress client that the dispatcher uses."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Post and return what came of it; trouble of the network does not raise."""
        ...


class Dispatcher:
    """The loop that sends. Use it between `start` and `stop`."""

    name = "dispatcher"
    due = "select min(next_due_at) from baton.lane"

    def __init__(
        self,
        database: Database,
        egress: Poster,
        keys: MasterKeys,
        *,
        slots: int = SLOTS,
        finished: Callable[[], None] = lambda: None,
    ) -> None:
        """`finished` is called after answers were recorded, in the event loop."""
        self._database = database
        self._egress = egress
        self._keys = keys
        self._slots = slots
        self._on_finished = finished
        self._sending: set[asyncio.Task[None]] = set()
        self._answers: list[Decision] = []
        self._answered = asyncio.Event()
        self._freed = asyncio.Event()
        self._recorder: asyncio.Task[None] | None = None
        self._stopping = False

    async def start(self) -> None:
        """Begin to record answers."""
        self._stopping = False
        self._recorder = asyncio.create_task(self._record_answers(), name="recorder")

    async def stop(self, patience_s: float = 10.0) -> None:
        """Claim nothing more, wait `patience_s` at most for requests under way, and record what has come."""
        self._stopping = True
        self._freed.set()
        if self._sending:
            await asyncio.wait(set(self._sending), timeout=patience_s)
        for task in self._sending:
            task.cancel()
        if self._recorder is not None:
            self._recorder.cancel()
            with suppress(asyncio.CancelledError):
                await self._recorder
        while self._answers and await self._record(self._answers[:_FINISH_BATCH]):
            del self._answers[:_FINISH_BATCH]

    async def cycle(self) -> datetime | None:
        """Claim what is due and begin to send it, as far as slots are free; waits for one where none is."""
        while not (free := self._free()) and not self._stopping:
            self._freed.clear()
            await self._freed.wait()
        if self._stopping:
            return None
        pages_only = free <= FOR_PAGES
        async with self._database.begin(_WORKER) as tx:
            lanes = await leases.lock_due(tx, min(free, LANES), pages_only=pages_only)
            if not lanes:
                return None
            jobs = await leases.take(tx, lanes, free if pages_only else free - FOR_PAGES)
        self._send_all(jobs)
        return AT_ONCE if jobs else None

    def _free(self) -> int:
        return 0 if self._stopping else self._slots - len(self._sending)

    def _send_all(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            task = asyncio.create_task(self._send(job))
            self._sending.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        self._freed.set()

    async def _send(self, job: Job) -> None:
        started_at = datetime.now(UTC)
        try:
            letter = message(job, self._keys, int(time.time()))
            decision = decide(job, await self._egress.post(letter.url, letter.headers, letter.body), started_at)
        except Exception as error:  # noqa: BLE001 - one delivery that cannot be made must not stop the others
            _log.error("delivery %s could not be sent: %s", job.id, type(error).__name__)
            decision = unsent(job, "internal", started_at)
        self._answers.append(decision)
        self._answered.set()

    async def _record_answers(self) -> None:
        """Record whatever has come while the last batch was being recorded."""
        trouble = 0
        while True:
            await self._answered.wait()
            self._answered.clear()
            while self._answers:
                batch = self._answers[:_FINISH_BATCH]
                if await self._record(batch):
                    trouble = 0
                else:
                    trouble += 1
                    await asyncio.sleep(min(0.2 * 2**trouble, 5.0))
                    batch = [] if _worth_keeping(batch) else batch
                del self._answers[: len(batch)]

    async def _record(self, batch: Sequence[Decision]) -> bool:
        """Record a batch; False where the database is in trouble. An answer that it refuses is left to its lease."""
        try:
            await self._finish(batch)
        except (*LOST, asyncpg.PostgresError) as trouble:
            if not str(getattr(trouble, "sqlstate", "")).startswith(("22", "23")):
                _log.warning("answers cannot be recorded: %s", type(trouble).__name__)
                return False
            if len(batch) == 1:
                _log.error("the answer of delivery %s was refused: %s", batch[0].attempt.id, type(trouble).__name__)
                return True
            results = [await self._record([decision]) for decision in batch]
            return all(results)
        self._on_finished()
        return True

    async def _finish(self, batch: Sequence[Decision]) -> None:
        """Record a batch and take more from the same lanes, in one transaction."""
        attempts = [decision.attempt for decision in batch]
        disabling: dict[UUID, Disabling | None] = {one.attempt.id: one.disabling for one in batch}
        async with self._database.begin(_WORKER) as tx:
            await leases.lock(tx, list({decision.lane for decision in batch}))
            done = await leases.finish(tx, attempts)
            await self._follow_up(tx, done, disabling)
            lanes = sorted({(one.tenant_id, one.lane_id) for one in done})
            # A busy process leaves what is due here to the next claim, which serves on-call messages first.
            jobs = await leases.take(tx, lanes, max(0, self._free() - FOR_PAGES)) if lanes else []
        if len(done) < len(batch):
            _log.warning("%d leases were lost before their answers came", len(batch) - len(done))
        self._send_all(jobs)

    async def _follow_up(
        self, tx: Transaction, done: Sequence[Finished], disabling: Mapping[UUID, Disabling | None]
    ) -> None:
        """Let in the endpoints whose first test passed, and shut out those that are gone or have failed for days."""
        now = datetime.now(UTC)
        for one in done:
            lane = (one.tenant_id, one.lane_id)
            if one.type == TEST_TYPE and one.state == "delivered":
                await activate(tx, lane)
            elif reason := disabling.get(one.id) or _failing(one, now):
                await disable(tx, lane, one.organization_id, reason)


def _failing(one: Finished, now: datetime) -> Disabling | None:
    long = one.failing_since is not None and one.failing_since <= now - FAILING_FOR
    return "failing" if long and one.failures >= FAILING_TIMES else None


def _worth_keeping(batch: Sequence[Decision]) -> bool:
    """Whether a lease of the batch may still run; a younger answer keeps the older ones with it."""
    oldest = datetime.now(UTC) - timedelta(seconds=leases.LEASE_S)
    return any(decision.attempt.started_at > oldest for decision in batch)


class Reaper:
    """The loop that returns what lost workers held, once their leases have run out."""

    name = "reaper"
    due = "select min(lease_until) from baton.delivery where state = 'leased'"

    def __init__(self, database: Database, returned: Callable[[], None] = lambda: None) -> None:
        self._database = database
        self._returned = returned

    async def cycle(self) -> datetime | None:
        """Return the deliveries of lost leases to their lanes."""
        async with self._database.begin(_WORKER) as tx:
            lanes = await leases.lock_lost(tx)
            if not lanes:
                return None
            await leases.reap(tx, lanes)
            await leases.take(tx, lanes, 0)
        self._returned()
        return AT_ONCE
