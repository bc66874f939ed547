"""Lets only so many requests of one tenant work at once, so that a busy one leaves room for the others.

Who comes when all places are taken waits its turn for at most two seconds, then is refused as overload: a short burst
is smoothed, a long one is told to come back.
"""

import asyncio
from collections import deque
from typing import Final
from uuid import UUID

from app.domain.errors import OverloadedError

WAIT_S: Final = 2.0  # as long as for a connection (security.md 4, API4)
MOST_WAITING: Final = 500  # of one tenant; each holds its body, 256 KiB at most
RETRY_AFTER_S: Final = 2

STREAM_SHARE: Final = 5
"""One organisation's streams at once: that part of a tenant's places. A slow sender holds up its own imports only."""

Place = tuple[UUID, UUID | None]
"""A tenant; and the organisation that sends a stream, which takes no place from its tenant's other requests."""


class Gate:
    """The places of one process and event loop: `at_once` for each tenant, a share of it for streams of one sender."""

    __slots__ = ("_at_once", "_inside", "_waiting", "refusals")

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._inside: dict[Place, int] = {}
        self._waiting: dict[Place, deque[asyncio.Future[None]]] = {}
        self.refusals = 0

    def take(self, place: Place) -> bool:
        """Take a place that is free now, which `leave` gives back; return whether there was one."""
        inside = self._inside.get(place, 0)
        if inside >= (self._at_once if place[1] is None else max(1, self._at_once // STREAM_SHARE)):
            return False
        self._inside[place] = inside + 1
        return True

    async def enter(self, place: Place) -> None:
        """Take a place, which `leave` gives back. Raises OverloadedError where none becomes free within WAIT_S."""
        if self.take(place):
            return
        queue = self._waiting.setdefault(place, deque())
        if len(queue) >= MOST_WAITING:
            self._refuse()
        turn = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            async with asyncio.timeout(WAIT_S):
                await turn
        except BaseException as error:
            if turn in queue:
                queue.remove(turn)
            elif not turn.cancelled():
                self.leave(place)  # it was given away in the instant in which the wait ended
            if isinstance(error, TimeoutError):
                self._refuse()
            raise

    def leave(self, place: Place) -> None:
        """Give a place back: to who has waited longest, or to nobody."""
        queue = self._waiting.get(place)
        while queue:
            turn = queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._waiting.pop(place, None)
        inside = self._inside[place] - 1
        if inside:
            self._inside[place] = inside
        else:
            del self._inside[place]

    def _refuse(self) -> None:
        self.refusals += 1
        raise OverloadedError("Too many requests of this tenant are at work.", retry_after=RETRY_AFTER_S)
