"""The one transaction handle. Nothing else begins, commits or rolls back.

A transaction is lazy: BEGIN and the caller's identity travel with its first statement, so a request that is refused
before it touches the database costs it nothing. The identity is transaction-local (`set_config(..., true)`), which is
what row-level security reads and what survives a pooler in transaction mode. A wake-up for the workers is sent after
the commit, on a connection of its own, never inside a business transaction (design 7.10).
"""

import asyncio
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, cast
from uuid import UUID

import asyncpg  # pyright: ignore[reportMissingTypeStubs]  # the driver ships none

from app.db.connections import Connection, Connections, Row
from app.domain.actor import Actor, Side

WAKE_CHANNEL = "baton_wake"
_WAKE_GAP_S = 0.05
"""At most one wake-up per 50 ms and process: a loop that worked rests as long (design 7.10 allows one per 10 ms)."""
_PATIENCE_S = 2
"""How long a free connection is waited for, and the answer to a ping."""
_SNAPSHOT = "begin isolation level repeatable read read only"


class NothingCommittedError(RuntimeError):
    """COMMIT of a failed transaction does not raise, it rolls back: nothing may be answered as done."""


class Login(StrEnum):
    """A database login; each has its own pool and its own policies."""

    PARTNER = "partner"
    INTERNAL = "internal"
    AUTH = "auth"
    WORKER = "worker"

    @property
    def user(self) -> str:
        """The PostgreSQL role of this login."""
        return f"baton_{self.value}"


@dataclass(frozen=True, slots=True)
class Identity:
    """What row-level security is told about the caller; all None for work across tenants (auth, worker).

    Of a test client it is told so: it sees and writes nothing but tests.
    """

    login: Login
    tenant_id: UUID | None = None
    organization_id: UUID | None = None
    client_id: UUID | None = None
    test: bool = False

    @classmethod
    def of(cls, actor: Actor) -> "Identity":
        """Return the identity of an API caller: its organisation's kind picks the login."""
        login = Login.PARTNER if actor.side is Side.PARTNER else Login.INTERNAL
        return cls(login, actor.tenant_id, actor.organization_id, actor.client_id, actor.test)

    def binding(self, begin: str = "begin") -> str:
        """Return the statements that open a transaction for this identity. UUIDs and one word: nothing to escape."""
        settings = {
            "tenant_id": self.tenant_id,
            "organization_id": self.organization_id,
            "client_id": self.client_id,
            "test": "on" if self.test else None,
        }
        bound = ", ".join(f"set_config('baton.{key}', '{value}', true)" for key, value in settings.items() if value)
        return f"{begin}; select {bound}" if bound else begin


class Transaction:
    """Statements of one unit of work, run on one asyncpg connection as one login."""

    __slots__ = (
        *("_begin", "_connection", "_connections", "_now", "_wakes"),
        *("identity", "played", "request_id", "traceparent"),
    )

    def __init__(self, connections: Connections, identity: Identity, begin: str = "begin") -> None:
        self.identity = identity
        self._begin = begin
        self._connections = connections
        self._connection: Connection | None = None
        self.request_id = ""
        self.traceparent: str | None = None
        self.played = False
        self._now: datetime | None = None
        self._wakes = False

    @property
    def begun(self) -> bool:
        """Whether a statement has been sent."""
        return self._connection is not None

    async def _open(self) -> Connection:
        if self._connection is None:
            connection = await self._connections.take(_PATIENCE_S)
            try:
                await connection.execute(self.identity.binding(self._begin))
            except BaseException:
                await self._connections.give(connection, fit=False)
                raise
            self._connection = connection
        return self._connection

    async def fetch(self, sql: str, *args: object) -> list[Row]:
        """Return all rows."""
        return await (await self._open()).fetch(sql, *args)

    async def fetchrow(self, sql: str, *args: object) -> Row | None:
        """Return the first row or None."""
        return await (await self._open()).fetchrow(sql, *args)

    async def fetchval(self, sql: str, *args: object) -> Any:  # noqa: ANN401
        """Return the first column of the first row or None."""
        return await (await self._open()).fetchval(sql, *args)

    async def execute(self, sql: str, *args: object) -> str:
        """Run a statement and return its command tag."""
        return await (await self._open()).execute(sql, *args)

    async def now(self) -> datetime:
        """Return Baton's clock, fixed for this transaction (`baton.now()`, contract 1)."""
        if self._now is None:
            self._now = cast("datetime", await self.fetchval("select baton.now()"))
        return self._now

    def wake_workers(self) -> None:
        """Ask for a wake-up of the worker loops once this transaction has committed."""
        self._wakes = True

    @property
    def wakes(self) -> bool:
        """Whether the commit should be followed by a wake-up."""
        return self._wakes

    async def finish(self, *, commit: bool) -> None:
        """End the transaction; only `Database.transaction` calls this."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        done = ""
        try:
            done = await connection.execute("commit" if commit else "rollback")
        finally:
            await self._connections.give(connection, fit=bool(done))
        if commit and done != "COMMIT":
            raise NothingCommittedError("the transaction had failed before its commit")


@dataclass(frozen=True, slots=True)
class Address:
    """Where the database is: a URL without login, completed by a login's name and password."""

    url: str
    passwords: Mapping[Login, str]


class Database:
    """The pools of one process. `logins` names the ones it may use; each login has a pool of its own.

    Without `prepared_statements` it works through a pooler in transaction mode, such as PgBouncer: nothing is prepared
    beyond a transaction, and what a session would be told at its start travels with each BEGIN.
    """

    def __init__(self, address: Address, logins: Mapping[Login, int], *, prepared_statements: bool = True) -> None:
        self._address = address
        self._sizes = logins
        self._prepared = prepared_statements
        self._pools: dict[Login, Connections] = {}
        self._wake_task: asyncio.Task[None] | None = None
        self._wake_again = False

    async def start(self) -> None:
        """Open the pools (lazily filled)."""
        for login, size in self._sizes.items():
            self._pools[login] = await Connections.open(
                self._address.url,
                user=login.user,
                password=self._address.passwords[login],
                min_size=0,
                max_size=size,
                statement_cache_size=512 if self._prepared else 0,
                max_inactive_connection_lifetime=300,
                max_queries=sys.maxsize,  # or the pool closes its busiest connections, all at once, when it is full
                command_timeout=30,
                reset=_keep,
                server_settings={"application_name": f"baton {login.value}"} | (told(login) if self._prepared else {}),
            )

    async def stop(self) -> None:
        """Close the pools, waiting for running statements at most 5 s."""
        if self._wake_task is not None:
            self._wake_task.cancel()
        for pool in self._pools.values():
            try:
                await asyncio.wait_for(pool.close(), 5)
            except TimeoutError:
                pool.terminate()
        self._pools.clear()

    @asynccontextmanager
    async def begin(self, identity: Identity, *, snapshot: bool = False) -> AsyncGenerator[Transaction]:
        """Run one transaction: commit on a normal end, roll back on any exception.

        A snapshot writes nothing, and all its statements see the database as it was at the first.
        """
        begin = _SNAPSHOT if snapshot else "begin"
        if not self._prepared:
            begin += "".join(f"; set local {name} = {value}" for name, value in told(identity.login).items())
        transaction = Transaction(self._pools[identity.login], identity, begin)
        try:
            yield transaction
        except BaseException:
            await transaction.finish(commit=False)
            raise
        await transaction.finish(commit=True)
        if transaction.wakes:
            self.wake_workers()

    def transaction(self, actor: Actor, *, snapshot: bool = False) -> AbstractAsyncContextManager[Transaction]:
        """Run one transaction as an API caller."""
        return self.begin(Identity.of(actor), snapshot=snapshot)

    async def single(self, login: Login, patience_s: float, sql: str, *args: object) -> Row:
        """Run one statement that answers one row, as a transaction of its own: a single round trip, without identity.

        Raises TimeoutError after `patience_s` seconds, the wait for a connection included.
        """
        async with asyncio.timeout(patience_s), _borrowed(self._pools[login], patience_s) as connection:
            row = await connection.fetchrow(sql, *args)
        if row is None:
            raise LookupError("the statement answers one row")
        return row

    def wake_workers(self) -> None:
        """Notify the workers, at most once per 50 ms; a lost wake-up costs at most their next poll."""
        if self._wake_task is not None and not self._wake_task.done():
            self._wake_again = True
            return
        self._wake_task = asyncio.get_running_loop().create_task(self._wake())

    async def _wake(self) -> None:
        pool = next(iter(self._pools.values()))
        while True:
            self._wake_again = False
            try:
                async with _borrowed(pool, _PATIENCE_S) as connection:
                    await connection.execute(f"notify {WAKE_CHANNEL}")
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
                return  # the workers' own poll carries on
            await asyncio.sleep(_WAKE_GAP_S)
            if not self._wake_again:
                return

    def open_connections(self) -> dict[str, int]:
        """Return how many connections are open, by login."""
        return {login.value: pool.size() for login, pool in self._pools.items()}

    async def ping(self) -> None:
        """Raise when the database does not answer within 2 s."""
        pool = next(iter(self._pools.values()))
        async with _borrowed(pool, _PATIENCE_S) as connection:
            await connection.execute("select 1", timeout=_PATIENCE_S)  # one message: a pooler cannot part it


def told(login: Login) -> dict[str, str]:
    """Return what each session of a login is told at its start, by setting.

    Statements of the API end after 5 s (security.md 4, API4); none is long enough for compiling to pay.
    """
    held = {"jit": "off"}
    return held if login is Login.WORKER else {**held, "statement_timeout": "5000"}


@asynccontextmanager
async def _borrowed(connections: Connections, patience_s: float) -> AsyncGenerator[Connection]:
    """Lend a connection for statements that are transactions of their own."""
    connection = await connections.take(patience_s)
    fit = False
    try:
        yield connection
        fit = True
    finally:
        await connections.give(connection, fit=fit)


async def _keep(_: object) -> None:
    """Send no reset query: identities are transaction-local and nothing else is set on a session (design 2)."""
