"""Name look-up for egress: bounded, coalesced and kept for a short time. Judges no address."""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress

Lookup = Callable[[str], Awaitable[tuple[str, ...]]]

KEEP_SECONDS = 30.0
"""getaddrinfo tells no TTL; security.md 4.1 bounds the cache at 60 s."""
PATIENCE_SECONDS = 3.0
_KEPT_LIMIT = 4096
_THREADS = 64


class Names:
    """The addresses of host names, each looked up once at a time and kept `keep_seconds`.

    A look-up that outlasts `patience_seconds` fails for those who wait; the next caller joins the one
    still running, so that a name whose server never answers holds one thread and not one per delivery.
    """

    def __init__(
        self,
        lookup: Lookup | None = None,
        keep_seconds: float = KEEP_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._lookup = lookup or _ask_system
        self._keep_seconds = keep_seconds
        self._patience_seconds = patience_seconds
        self._room = asyncio.Semaphore(_THREADS)
        self._kept: dict[str, tuple[float, tuple[str, ...]]] = {}
        self._running: dict[str, asyncio.Task[tuple[str, ...]]] = {}

    async def addresses(self, host: str) -> tuple[str, ...]:
        """Return every A and AAAA answer for `host`, at least one; OSError where there is none in time."""
        kept = self._kept.get(host)
        if kept is not None and kept[0] > asyncio.get_running_loop().time():
            return kept[1]
        running = self._running.get(host)
        if running is None:
            running = self._running[host] = asyncio.create_task(self._find(host))
            running.add_done_callback(_mark_seen)
        try:
            async with asyncio.timeout(self._patience_seconds):
                return await asyncio.shield(running)
        except TimeoutError:
            raise OSError(socket.EAI_AGAIN, "name look-up timed out") from None

    def forget(self, host: str) -> None:
        """Drop what is kept for `host`, so that the next connection asks again."""
        self._kept.pop(host, None)

    async def stop(self) -> None:
        """Give up the look-ups still running; their threads end with the process."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _find(self, host: str) -> tuple[str, ...]:
        try:
            async with self._room:
                found = await self._lookup(host)
            if not found:
                raise OSError(socket.EAI_NONAME, "the name has no address")
            while len(self._kept) >= _KEPT_LIMIT:
                del self._kept[next(iter(self._kept))]
            self._kept[host] = (asyncio.get_running_loop().time() + self._keep_seconds, found)
            return found
        finally:
            del self._running[host]


def _mark_seen(task: asyncio.Task[tuple[str, ...]]) -> None:
    # Those who waited may all have given up; an exception that nobody fetched would be logged as a leak.
    if not task.cancelled():
        task.exception()


async def _ask_system(host: str) -> tuple[str, ...]:
    """getaddrinfo in a daemon thread.

    The loops' own pools hold 4 to 6 threads, shared with everything else, and an executor's threads are
    joined when the process ends: one silent name server would stall all deliveries, and the stop as well.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[tuple[str, ...]] = loop.create_future()

    def settle(found: tuple[str, ...] | None, error: Exception | None) -> None:
        if answer.done():
            return
        if found is None:
            answer.set_exception(error or OSError(socket.EAI_FAIL, "name look-up failed"))
        else:
            answer.set_result(found)

    def ask() -> None:
        found: tuple[str, ...] | None = None
        error: Exception | None = None
        try:
            rows = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            found = tuple(dict.fromkeys(str(row[4][0]) for row in rows))
        except (OSError, UnicodeError) as trouble:
            error = trouble if isinstance(trouble, OSError) else OSError(socket.EAI_NONAME, "not a name")
        with suppress(RuntimeError):  # the loop closed meanwhile
            loop.call_soon_threadsafe(settle, found, error)

    threading.Thread(target=ask, name="baton-name-lookup", daemon=True).start()
    return await answer
