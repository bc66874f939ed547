"""A scripted receiver, endpoints made by hand, and outbox rows as a request would write them."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_network
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.db import lanes
from app.db.session import Address, Database, Login
from app.delivery.client import Egress
from app.domain.actor import Actor, Side
from app.domain.events import body
from app.domain.signing import show_secret
from app.security.keyring import MasterKeys, make_master_key
from app.workers.main import Surroundings, run
from app.workers.publisher import Publisher

LOOPBACK = (ip_network("127.0.0.0/8"),)
SECRET = bytes(range(32))


@dataclass
class Request:
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


Answer = Callable[[Request], Awaitable[bytes]]


def reply(status: int, *headers: str, text: bytes = b"ok") -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(text)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + text


@dataclass
class Receiver:
    """Answers every post by `answer`, and keeps what it got."""

    answer: Answer | None = None
    requests: list[Request] = field(default_factory=list)
    port: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    side_by_side: int = 0
    most_side_by_side: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def ids(self) -> list[str]:
        return [request.id for request in self.requests]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                _, *rest = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
                content = await reader.readexactly(int(headers.get("content-length", 0)))
                request = Request(headers, content, asyncio.get_running_loop().time())
                self.requests.append(request)
                self.arrived.set()
                self.side_by_side += 1
                self.most_side_by_side = max(self.side_by_side, self.most_side_by_side)
                try:
                    writer.write(await self.answer(request) if self.answer else reply(200))
                finally:
                    self.side_by_side -= 1
                await writer.drain()
        with suppress(RuntimeError):
            writer.transport.abort()

    async def until(self, count: int, within: float = 10.0) -> None:
        async with asyncio.timeout(within):
            while len(self.requests) < count:
                self.arrived.clear()
                await self.arrived.wait()


@pytest.fixture
async def receive() -> AsyncIterator[Callable[..., Awaitable[Receiver]]]:
    servers: list[asyncio.Server] = []

    async def open_one(answer: Answer | None = None, port: int = 0) -> Receiver:
        receiver = Receiver(answer)
        server = await asyncio.start_server(receiver.serve, "127.0.0.1", port)
        receiver.port = server.sockets[0].getsockname()[1]
        servers.append(server)
        return receiver

    yield open_one
    for server in servers:
        server.close()


@pytest.fixture(scope="module")
def master_key() -> str:
    return make_master_key()


@pytest.fixture(scope="module")
def keys(master_key: str) -> MasterKeys:
    return MasterKeys.read(master_key)


@dataclass
class Bench:
    """One database with hand-made organisations and endpoints, written to as the administrator."""

    admin: "asyncpg.Pool[asyncpg.Record]"
    url: str
    passwords: dict[Login, str]
    database: Database
    keys: MasterKeys

    async def endpoint(
        self, url: str, tenant: UUID, organization: UUID | None = None, *, status: str = "active", **columns
    ) -> UUID:
        """Insert an endpoint and its lane; `active` ones are not parked."""
        endpoint = uuid4()
        row = {
            "tenant_id": tenant,
            "id": endpoint,
            "organization_id": organization or tenant,
            "url": url,
            "event_types": ["*"],
            "signature": "v1",
            "ordering": "none",
            "status": status,
            "secret": self.keys.seal(SECRET, tenant=tenant, table="endpoint", column="secret", row=endpoint),
            "version": 1,
            "created_at": datetime.now(UTC),
            "updated_at": datetime.now(UTC),
        } | columns
        await self.insert("endpoint", row)
        await self._lane(tenant, endpoint, organization or tenant, "feed", parked=status != "active")
        return endpoint

    async def destination(self, url: str, tenant: UUID) -> UUID:
        """Insert a generic on-call webhook and its lane."""
        tool = uuid4()
        config = json.dumps({"url": url, "secret": show_secret(SECRET)}).encode()
        row = {
            "tenant_id": tenant,
            "id": tool,
            "kind": "webhook",
            "name": str(tool),
            "config": self.keys.seal(config, tenant=tenant, table="destination", column="config", row=tool),
            "shown": "{}",
            "key_mode": "escalation",
            "status": "active",
            "version": 1,
            "created_at": datetime.now(UTC),
            "updated_at": datetime.now(UTC),
        }
        await self.insert("destination", row)
        await self._lane(tenant, tool, tenant, "page", parked=False)
        return tool

    async def _lane(self, tenant: UUID, lane: UUID, organization: UUID, profile: str, *, parked: bool) -> None:
        row = {"tenant_id": tenant, "id": lane, "organization_id": organization, "profile": profile}
        await self.insert("lane", row | {"parked": parked, "failures": 0})

    async def insert(self, table: str, row: dict) -> None:
        places = ", ".join(f"${n}" for n in range(1, len(row) + 1))
        await self.admin.execute(f"insert into baton.{table} ({', '.join(row)}) values ({places})", *row.values())

    async def emit(
        self,
        tenant: UUID,
        organization: UUID | None = None,
        *,
        count: int = 1,
        kind: str = "lead.updated",
        lead: UUID | None = None,
        page: bool = False,
        connection=None,
    ) -> list[UUID]:
        """Write outbox rows as a request would."""
        events = []
        for n in range(count):
            event = uuid4()
            text = body(event, kind, datetime.now(UTC), tenant, {"n": n, "note": "引き継ぎ"})
            await (connection or self.admin).execute(
                "insert into baton.outbox (tenant_id, organization_id, lead_id, event_id, type, at, page, splice, body)"
                " values ($1, $2, $3, $4, $5, now(), $6, $7, $8)",
                tenant,
                organization or tenant,
                lead,
                event,
                kind,
                page,
                text.splice,
                text.text,
            )
            events.append(event)
        return events

    async def emit_and_wake(self, *args, **options) -> list[UUID]:
        events = await self.emit(*args, **options)
        await self.admin.execute("notify baton_wake")
        return events

    async def publish(self) -> None:
        publisher = Publisher(self.database)
        while await publisher.cycle() is not None:
            pass

    async def test(self, tenant: UUID, lane: UUID) -> None:
        """Send a test to an endpoint of the tenant's own organisation, as a request would."""
        by = Actor(tenant, tenant, uuid4(), Side.INTERNAL, frozenset(), frozenset())
        async with self.database.transaction(by) as tx:
            await lanes.enqueue_test(tx, by, lane, {})

    async def rush(self) -> None:
        """Make everything that waits for its next attempt due now."""
        await self.admin.execute("update baton.delivery set due_at = now() where state = 'pending'")
        await self.admin.execute("update baton.lane set next_due_at = now(), open_until = null")
        await self.admin.execute("notify baton_wake")

    async def lose_leases(self) -> None:
        """Let every lease run out."""
        await self.admin.execute("update baton.delivery set lease_until = now() where state = 'leased'")
        await self.admin.execute("notify baton_wake")

    async def status(self, endpoint: UUID) -> str:
        return await self.admin.fetchval("select status from baton.endpoint where id = $1", endpoint)

    async def states(self, lane: UUID) -> list[str]:
        rows = await self.admin.fetch("select state from baton.delivery where lane_id = $1 order by sequence", lane)
        return [row["state"] for row in rows]

    async def attempts(self, lane: UUID) -> list[asyncpg.Record]:
        return await self.admin.fetch(
            "select a.* from baton.attempt a join baton.delivery d on d.id = a.delivery_id"
            " where d.lane_id = $1 order by a.started_at, a.n",
            lane,
        )

    async def settled(self, within: float = 10.0) -> None:
        """Wait until nothing is waiting to be published, and nothing due waits to be sent."""
        await self.until(
            "not exists (select from baton.outbox) and not exists (select from baton.delivery d join baton.lane l"
            " on l.id = d.lane_id where d.state = 'leased' or (d.state = 'pending' and not l.parked"
            " and d.due_at <= now()))",
            within=within,
        )

    async def until(self, condition: str, *args, within: float = 10.0) -> None:
        """Wait until an SQL condition holds."""
        async with asyncio.timeout(within):
            while not await self.admin.fetchval(f"select {condition}", *args):  # noqa: ASYNC110 - it is in the database
                await asyncio.sleep(0.02)

    async def idle(self, lane: UUID) -> None:
        """Wait until nothing is under way in a lane."""
        await self.until("not exists (select from baton.delivery where state = 'leased' and lane_id = $1)", lane)

    @asynccontextmanager
    async def worker(self, **options) -> AsyncIterator[None]:
        """Run one worker's loops in this event loop."""
        database = Database(Address(self.url, self.passwords), {Login.WORKER: 6})
        await database.start()
        stop = asyncio.Event()
        around = Surroundings(database, Address(self.url, self.passwords), self.keys, LOOPBACK, **options)
        running = asyncio.create_task(run(around, stop))
        try:
            yield
        finally:
            stop.set()
            await running
            await database.stop()


@pytest.fixture
async def egress() -> AsyncIterator[Egress]:
    async with Egress(LOOPBACK) as held:
        yield held


@pytest.fixture
async def bench(database_url: str, passwords, database: Database, keys: MasterKeys) -> AsyncIterator[Bench]:
    admin = await asyncpg.create_pool(database_url, min_size=1, max_size=20)
    yield Bench(admin, database_url, passwords, database, keys)
    async with admin.acquire() as connection:
        tables = await connection.fetch(
            "select format('baton.%I', relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace"
            " where nspname = 'baton' and relkind in ('r', 'p') and not relispartition"
            " and relname not in ('alembic_version', 'test_clock')"
        )
        await connection.execute(f"truncate {', '.join(row['name'] for row in tables)} cascade")
    await admin.close()
