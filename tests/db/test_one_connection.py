"""One server connection for two tenants: whatever ends a transaction, nothing of it reaches the next.

Twice: a pool of one connection, and Debian's PgBouncer in transaction mode with a pool of one.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from uuid import UUID

import asyncpg
import pytest

from app.db.logins import refuse_powerful
from app.db.session import Address, Database, Identity, Login
from app.db.watch import Watch
from app.domain.ids import Prefix, read
from app.workers.adjudicator import Adjudicator
from app.workers.publisher import Publisher
from tests.api.identity_world import a_client, a_partner, a_tenant, running, unique
from tests.db.pooler import ABSENT, BINARY, a_pooler
from tests.world import a_world, lead_body

pytestmark = pytest.mark.database
TRANSACTIONS = 1000


@pytest.fixture(scope="module")
def pooler(database_url, passwords) -> Iterator[str]:
    if BINARY is None:
        pytest.skip(ABSENT)
    with a_pooler(database_url, passwords) as url:
        yield url


@pytest.fixture(params=["a pool of one", "PgBouncer"])
def place(request, database_url) -> tuple[str, bool]:
    """Where the database is reached, and whether through a pooler."""
    pooled = request.param == "PgBouncer"
    return request.getfixturevalue("pooler") if pooled else database_url, pooled


@pytest.fixture
async def database(place, passwords) -> AsyncIterator[Database]:
    """Transactions of every login, all of one login on the same server connection."""
    url, pooled = place
    sizes = dict.fromkeys(Login, 8 if pooled else 1)
    held = Database(Address(url, passwords), sizes, prepared_statements=not pooled)
    await held.start()
    yield held
    await held.stop()


@pytest.fixture(scope="module")
async def tenants(database_url, passwords, master_keys) -> list[Identity]:
    """Two tenants, as the login of each one's own people sees itself."""
    made = [await a_tenant(database_url, passwords, master_keys, unique()) for _ in range(2)]
    ids = [known(Prefix.TENANT, one["tenant_id"]) for one in made]
    return [Identity(Login.INTERNAL, tenant, tenant) for tenant in ids]


def known(prefix: Prefix, text: str) -> UUID:
    found = read(prefix, text)
    assert found is not None
    return found


class PlannedError(Exception):
    """An exception of the work itself."""


async def look(database: Database, identity: Identity, n: int) -> None:
    """One transaction that ends as its number says, and has seen no row of another tenant."""
    async with database.begin(identity) as tx:
        for table in ("client", "organization", "client_secret"):
            columns = "tenant_id, id" if table == "client_secret" else "*"
            rows = await tx.fetch(f"select {columns} from baton.{table} where $1::int is not null", n)
            assert rows
            assert {row["tenant_id"] for row in rows} == {identity.tenant_id}
        if n % 7 == 0:
            raise PlannedError
        if n % 11 == 0:
            await tx.execute("select 1 / (length($1) - length($1))", str(n))
        if n % 13 == 0:
            await tx.fetchval("select pg_sleep(30)")  # until somebody cancels it
        if n % 17 == 0:
            await tx.execute("select set_config('baton.tenant_id', gen_random_uuid()::text, true)")
        elif n % 19 == 0:
            name = await tx.fetchval("update baton.organization set name = $1 returning name", f"n{n}")
            assert name == f"n{n}"


async def one(database: Database, identity: Identity, n: int) -> str:
    task = asyncio.create_task(look(database, identity, n))
    if n % 13 == 0 and n % 7 and n % 11:
        done, _ = await asyncio.wait([task], timeout=0.02 + n % 5 / 100)
        if not done:
            task.cancel()
    try:
        await task
    except PlannedError:
        return "failed"
    except asyncpg.DivisionByZeroError:
        return "refused"
    except asyncio.CancelledError:
        return "cancelled"
    return "ended"


async def test_two_tenants_take_turns_on_one_connection(database, tenants):
    ends: dict[str, int] = {}
    for n in range(TRANSACTIONS):
        end = await one(database, tenants[n % 2], n)
        ends[end] = ends.get(end, 0) + 1
        if n % 10 == 0:
            await nobody(database)
    assert set(ends) == {"ended", "failed", "refused", "cancelled"}
    assert ends["cancelled"] >= 50
    assert ends["ended"] > 600


async def test_many_at_once_share_one_connection(database, tenants):
    """Also with clients waiting for the connection, some of which give up."""
    for start in range(0, 200, 8):
        ends = await asyncio.gather(*(one(database, tenants[n % 2], n) for n in range(start, start + 8) if n % 13))
        assert set(ends) <= {"ended", "failed", "refused"}
    await nobody(database)


async def nobody(database: Database) -> None:
    """A transaction without an identity, on the same connection, sees nothing of anybody."""
    async with database.begin(Identity(Login.INTERNAL)) as tx:
        for table in ("client", "organization", "lead", "event", "tenant"):
            columns = "tenant_id" if table == "tenant" else "*"
            assert await tx.fetch(f"select {columns} from baton.{table}") == []


async def test_statements_have_their_time_limit_behind_a_pooler_too(database, tenants):
    async with database.begin(tenants[0]) as tx:
        assert await tx.fetchval("show statement_timeout") == "5s"
        assert await tx.fetchval("show jit") == "off"
    async with database.begin(Identity(Login.WORKER)) as tx:
        assert await tx.fetchval("show statement_timeout") == "0"


async def test_a_thousand_requests_of_two_tenants_through_a_pooler(pooler, database_url, passwords, master_keys):
    """Tokens, idempotency, lists and refusals: the whole API, its database behind PgBouncer."""
    made = [await a_tenant(database_url, passwords, master_keys, unique()) for _ in range(2)]
    names = [unique() for _ in made]
    async with running(pooler, passwords, master_keys, prepared_statements=False) as api:
        for admin, name in zip(made, names, strict=True):
            partner = await a_partner(api, admin, name)
            await a_client(api, admin, f"/v1/partners/{partner['id']}/clients", roles=["partner"], name=name)

        async def ask(n: int) -> None:
            admin, own, other = made[n % 2], names[n % 2], names[1 - n % 2]
            path = ("/v1/partners", "/v1/me", "/v1/clients", f"/v1/partners?limit={n % 100 + 1}")[n // 2 % 4]
            if n % 9 == 0:
                body = {"key": own, "name": own}  # which exists: the transaction is rolled back
                answer = await api.call(admin, "POST", "/v1/partners", body, Idempotency_Key=f"k{n % 27}")
                assert answer.status_code == 409, answer.text
            else:
                answer = await api.call(admin, "GET", path)
                assert answer.status_code == 200, answer.text
            assert other not in answer.text
            if "partners" in path and n % 9:
                assert own in answer.text

        for start in range(0, TRANSACTIONS, 5):
            await asyncio.gather(*(ask(n) for n in range(start, start + 5)))


async def test_workers_find_and_do_their_work_through_a_pooler(pooler, database_url, passwords, master_keys):
    heard = asyncio.Event()
    address = Address(pooler, passwords)
    await refuse_powerful(address, Login)
    watch = Watch(address, heard.set, pooled=True)
    pooled = Database(address, {Login.WORKER: 8}, prepared_statements=False)
    await pooled.start()
    async with a_world(database_url, master_keys) as world:
        posted = await world.post("partner_a", "/v1/leads", lead_body("P-1"), status=201)
        question = f"select ({Adjudicator(pooled).due}) <= now() as due"
        assert (await watch.ask(question))["due"] is True
        await asyncio.gather(
            Adjudicator(pooled).cycle(), ask_again_and_again(watch), *(others(pooled) for _ in range(3))
        )
        lead = await world.get("partner_a", f"/v1/leads/{posted['id']}")
        assert lead["status"] == "open"
        while await Publisher(pooled).cycle() is not None:
            pass
        told = [event["type"] for event in (await world.get("partner_a", "/v1/events"))["items"]]
        assert "lead.accepted" in told
    await watch.stop()
    await pooled.stop()


async def ask_again_and_again(watch: Watch) -> None:
    for n in range(150):
        assert (await watch.ask(f"select {n} as due"))["due"] == n


async def others(database: Database) -> None:
    """Others' statements on the same connection, which come between whatever a pooler may part."""
    for n in range(150):
        async with database.begin(Identity(Login.WORKER)) as tx:
            assert await tx.fetchval("select $1::text", f"n{n}") == f"n{n}"
