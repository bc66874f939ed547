"""The connections of one login: asyncpg's pool and, before it, those that the next transaction takes at once.

Taking a connection from the pool costs a timeout, giving it back a task and a pass of the event loop; together as much
as the four statements of a short transaction (measured: 300 us of the process's time with both, 110 without). So a
connection that is fit for the next transaction is kept here, and goes back when somebody waits at the pool or when it
was not needed for a while.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final, Protocol, cast

import asyncpg  # pyright: ignore[reportMissingTypeStubs]  # the driver ships none

_KEPT_S: Final = 5.0
"""How long a connection lies here at least before the pool gets it, whose own idle time begins then; twice at most."""

Row = Mapping[str, Any]
"""A row by column name. Iterating the driver's own record gives values: take `dict(row)` to pass it on as a mapping."""


class Connection(Protocol):
    """What is used of asyncpg's connection, which has no types of its own."""

    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str:  # noqa: ASYNC109  # asyncpg's
        """Run one statement, or several without arguments; return the last one's command tag."""
        ...

    async def fetch(self, query: str, *args: object) -> list[Row]:
        """Return all rows."""
        ...

    async def fetchrow(self, query: str, *args: object) -> Row | None:
        """Return the first row or None."""
        ...

    async def fetchval(self, query: str, *args: object) -> Any:  # noqa: ANN401  # of any type
        """Return the first column of the first row or None."""
        ...

    def is_closed(self) -> bool:
        """Return whether it is known to have ended. Raises InterfaceError where the pool has taken it away."""
        ...


class _Pool(Protocol):
    def acquire(self, *, timeout: float) -> Any: ...  # noqa: ANN401  # awaitable and context manager in one
    async def release(self, connection: Connection) -> None: ...
    async def close(self) -> None: ...
    def terminate(self) -> None: ...
    def get_size(self) -> int: ...


class Connections:
    """At most as many connections as the pool may open; the one that was used last is taken first."""

    def __init__(self, pool: _Pool) -> None:
        self._pool = pool
        self._kept: list[Connection] = []
        self._waiting = 0
        self._untaken = 0
        self._closing = False
        self._review: asyncio.TimerHandle | None = None
        self._returning: set[asyncio.Task[None]] = set()

    @classmethod
    async def open(cls, url: str, **options: object) -> "Connections":
        """Return connections that are opened as they are needed; `options` are those of asyncpg's pool."""
        return cls(cast("_Pool", await asyncpg.create_pool(url, **options)))  # pyright: ignore[reportUnknownMemberType, reportArgumentType]  # untyped

    async def take(self, patience_s: float) -> Connection:
        """Return a connection. Raises TimeoutError where none is free for `patience_s` seconds."""
        while self._kept:
            connection = self._kept.pop()
            self._untaken = min(self._untaken, len(self._kept))
            if not _is_lost(connection):
                return connection
            await self._pool.release(connection)
        self._waiting += 1
        try:
            return await self._pool.acquire(timeout=patience_s)
        finally:
            self._waiting -= 1

    async def give(self, connection: Connection, *, fit: bool) -> None:
        """Take a connection back from who uses it no more; `fit` says that a transaction can begin on it as it is."""
        if not fit or self._waiting or self._closing:
            await self._pool.release(connection)
            return
        self._kept.append(connection)
        if self._review is None:
            self._untaken = 0
            self._review = asyncio.get_running_loop().call_later(_KEPT_S, self._return_untaken)

    def size(self) -> int:
        """Return how many connections are open."""
        return self._pool.get_size()

    async def close(self) -> None:
        """Close them all, waiting for those that are out."""
        self._closing = True
        self._end_review()
        while self._kept:
            await self._pool.release(self._kept.pop())
        await self._pool.close()

    def terminate(self) -> None:
        """Cut them all off."""
        self._end_review()
        self._kept.clear()
        self._pool.terminate()

    def _return_untaken(self) -> None:
        """Return to the pool what nobody took since the last look, and look again while there is something to see."""
        returned, self._kept = self._kept[: self._untaken], self._kept[self._untaken :]
        for connection in returned:
            task = asyncio.get_running_loop().create_task(self._pool.release(connection))
            self._returning.add(task)
            task.add_done_callback(self._returning.discard)
        self._untaken = len(self._kept)
        self._review = None
        if self._kept:
            self._review = asyncio.get_running_loop().call_later(_KEPT_S, self._return_untaken)

    def _end_review(self) -> None:
        if self._review is not None:
            self._review.cancel()
            self._review = None


def _is_lost(connection: Connection) -> bool:
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:  # the pool has heard of its end before, and taken it away
        return True
