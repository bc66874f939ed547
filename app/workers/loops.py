"""Runs the loops of a worker process: one statement a second asks what is due, a wake-up asks at once.

A loop only knows its own cycle. When to run it, to back off from a broken database and to stop in time is decided here.
"""

import asyncio
import logging
import random
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import asyncpg  # pyright: ignore[reportMissingTypeStubs] - the driver ships none

from app.db.watch import LOST, Watch

AT_ONCE: Final = datetime.min.replace(tzinfo=UTC)
"""What a cycle returns that did a whole batch: there is likely more."""
SOON: Final = AT_ONCE + timedelta(seconds=1)
"""What a cycle returns that did all there was: what comes while it rests shares the cost of the next batch."""

POLL_S: Final = 1.0
"""The longest sleep, and so the longest delay of a lost wake-up (design 7.10)."""
STOP_S: Final = 10.0
"""How long running cycles may take after a stop (design 7.10); leases do the rest."""
_ASK_GAP_S = 0.02
"""How long a busy worker collects what comes before it looks again; an idle one looks at once."""
_REST_S = 0.05
"""How long a loop rests that did all there was: fewer and larger batches cost less, and what comes waits no longer."""
_FUTILE_LIMIT_S = 0.25
_BACKOFF_LIMIT_S = 30.0

_log = logging.getLogger(__name__)


class Loop(Protocol):
    """Work that recurs. Several processes run the same loop at once, so a cycle claims what it works on.

    `due` is an SQL expression: the real time at which the loop next has something to do, or null. An instant of Baton's
    clock is turned into real time by `at - (baton.now() - now())`. It has to be cheap, it is asked every second.
    """

    @property
    def name(self) -> str:
        """A word for the log."""
        ...

    @property
    def due(self) -> str:
        """The SQL expression described above."""
        ...

    async def cycle(self) -> datetime | None:
        """Do one batch. AT_ONCE or SOON when something was done; a later time to be run then, due or not; else None."""
        ...


@dataclass(slots=True)
class _Seat:
    """One loop and when it may run again; times are those of the event loop's clock."""

    loop: Loop
    task: asyncio.Task[None] | None = None
    not_before: float = 0.0
    appointed: float | None = 0.0
    futile: int = 0
    failures: int = 0


class Runner:
    """Runs loops until told to stop. `wake` may be called by anything in this process's event loop."""

    def __init__(self, watch: Watch, loops: Sequence[Loop], woken: asyncio.Event) -> None:
        """`woken` is the event that `watch` and the loops set when there may be something to do."""
        self._watch = watch
        self._seats = [_Seat(loop) for loop in loops]
        self._woken = woken
        self._question = _question(loops)

    async def run(self, stop: asyncio.Event) -> None:
        """Run every loop once and then whenever it is due, until `stop`; then wait for running cycles, at most 10 s."""
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                await self._turn(stop, stopping)
        finally:
            stopping.cancel()
            await self._finish()

    async def _turn(self, stop: asyncio.Event, stopping: asyncio.Task[bool]) -> None:
        clock = asyncio.get_running_loop().time
        self._woken.clear()
        asked = clock()
        waits = await self._ask(stop)
        now = clock()
        soonest = asked + POLL_S
        for seat, wait in zip(self._seats, waits, strict=True):
            if seat.task is not None:
                continue
            due = min(now + wait, now + POLL_S if seat.appointed is None else seat.appointed)
            if due > now:
                seat.futile = 0
            due = max(due, seat.not_before)
            if due <= now:
                seat.appointed = None
                seat.task = asyncio.create_task(self._drive(seat, stop), name=seat.loop.name)
            else:
                soonest = min(soonest, due)
        await self._sleep(max(0.0, soonest - clock()), stopping)
        await pause(max(0.0, asked + _ASK_GAP_S - clock()), stop)

    async def _ask(self, stop: asyncio.Event) -> list[float]:
        """Return the seconds until each loop is due; asks anew, ever more slowly, while there is no answer."""
        failures = 0
        while not stop.is_set():
            try:
                row = await self._watch.ask(self._question)
            except (*LOST, asyncpg.PostgresError) as trouble:
                failures += 1
                _log.warning("the database does not answer: %s", type(trouble).__name__)
                await pause(_backoff(failures, 0.1, 5.0), stop)
            else:
                return [POLL_S if wait is None else wait for wait in row.values()]
        return [POLL_S] * len(self._seats)

    async def _sleep(self, seconds: float, stopping: asyncio.Task[bool]) -> None:
        woken = asyncio.create_task(self._woken.wait())
        await asyncio.wait({woken, stopping}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        woken.cancel()

    async def _drive(self, seat: _Seat, stop: asyncio.Event) -> None:
        """Run a loop until it finds nothing more; note when it may run again."""
        clock = asyncio.get_running_loop().time
        worked = False
        following: datetime | None = None
        try:
            while not stop.is_set():
                following = await seat.loop.cycle()
                worked = worked or (following is not None and following <= datetime.now(UTC))
                if following is None or following is SOON or following > datetime.now(UTC):
                    break
        except (*LOST, asyncpg.PostgresError) as trouble:
            _log.warning("%s: the database is in trouble: %s", seat.loop.name, type(trouble).__name__)
            self._back_off(seat)
            return
        except Exception as error:  # noqa: BLE001 - a bug in one loop must not end the others
            # Type and place only: a message may quote a row.
            place = "".join(traceback.format_tb(error.__traceback__))
            _log.error("%s: a cycle failed: %s\n%s", seat.loop.name, type(error).__name__, place)
            self._back_off(seat)
            return
        finally:
            seat.task = None
            self._woken.set()
        seat.failures = 0
        # Due and yet nothing to do: another process is at it, or one row resists. Look again, but ever more slowly.
        seat.futile = 0 if worked else seat.futile + 1
        rest = 0.0
        if seat.futile > 1:
            rest = min(0.01 * 2 ** min(seat.futile - 2, 10), _FUTILE_LIMIT_S)
        elif following is SOON:
            rest = _REST_S
        seat.not_before = clock() + rest
        if following is not None and following > datetime.now(UTC):
            seat.appointed = clock() + (following - datetime.now(UTC)).total_seconds()

    def _back_off(self, seat: _Seat) -> None:
        seat.failures += 1
        seat.appointed = None
        seat.not_before = asyncio.get_running_loop().time() + _backoff(seat.failures, 0.5, _BACKOFF_LIMIT_S)

    async def _finish(self) -> None:
        running = [seat.task for seat in self._seats if seat.task is not None]
        if not running:
            return
        _, late = await asyncio.wait(running, timeout=STOP_S)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


async def pause(seconds: float, stop: asyncio.Event) -> None:
    """Sleep, but not beyond `stop`."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


def _question(loops: Sequence[Loop]) -> str:
    """Return the statement that asks for every loop's next due time, as seconds from now."""
    asked = ", ".join(
        f"extract(epoch from ({loop.due})::timestamptz - now())::float8 as w{n}" for n, loop in enumerate(loops)
    )
    return f"select {asked}"


def _backoff(failures: int, first: float, limit: float) -> float:
    # Spread, so that many processes do not come back in the same instant.
    return min(limit, first * 2 ** min(failures - 1, 16)) * (0.5 + random.random() / 2)  # noqa: S311
