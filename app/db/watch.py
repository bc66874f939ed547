"""The one connection on which a worker process waits: it asks what is due and hears wake-ups. It writes nothing."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import asyncpg  # pyright: ignore[reportMissingTypeStubs] - the driver ships none

from app.db.session import WAKE_CHANNEL, Address, Login, told

# InternalClientError is what asyncpg raises when a connection dies in the middle of its protocol.
LOST: Final = (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What a lost connection looks like; a PostgresError is the server's own word and not among them."""
_PATIENCE_S = 5


class Watch:
    """Connects when first asked and anew after every loss. Without LISTEN (a pooler) only the wake-ups are missing."""

    def __init__(self, address: Address, heard: Callable[[], None], *, pooled: bool = False) -> None:
        """`heard` is called for each wake-up, in the event loop. Where it is `pooled`, nothing is listened for."""
        self._address = address
        self._heard = heard
        self._pooled = pooled
        self._connection: Any = None

    async def ask(self, sql: str) -> asyncpg.Record:
        """Return the one row of `sql`; the connection is given up on any trouble, which is raised."""
        try:
            connection: Any = self._connection or await self._connect()
            if not self._pooled:
                return await connection.fetchrow(sql, timeout=_PATIENCE_S)
            async with connection.transaction():  # or a pooler may prepare on one server and run on another
                return await connection.fetchrow(sql, timeout=_PATIENCE_S)
        except BaseException:
            self._drop()
            raise

    async def stop(self) -> None:
        """Close the connection, waiting a second at most."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(*LOST, asyncpg.PostgresError):
                await connection.close(timeout=1)

    async def _connect(self) -> Any:  # noqa: ANN401  # the driver ships no types
        connect: Any = asyncpg.connect  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        connection = await connect(
            self._address.url,
            user=Login.WORKER.user,
            password=self._address.passwords[Login.WORKER],
            timeout=_PATIENCE_S,
            statement_cache_size=0 if self._pooled else 16,
            server_settings={"application_name": "baton worker watch"} | ({} if self._pooled else told(Login.WORKER)),
        )
        self._connection = connection
        if not self._pooled:  # LISTEN would stay with a server connection that the next client gets
            with suppress(asyncpg.PostgresError):
                await connection.add_listener(WAKE_CHANNEL, self._on_wake)
        # What came between the last question and this LISTEN was heard by nobody.
        self._heard()
        return connection

    def _on_wake(self, *_: object) -> None:
        self._heard()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(*LOST):
                connection.terminate()
