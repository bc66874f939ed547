"""Connections that are kept for the next transaction: whoever waits gets one, the dead are replaced, the rest go back."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from app.db import connections as subject
from app.db.connections import Connection, Connections
from app.db.session import Address, Database, Identity, Login

pytestmark = pytest.mark.database
IDLE_S = 0.2
"""After this long the pool of these tests closes what lies in it."""


@pytest.fixture
async def two(database_url, passwords, monkeypatch) -> AsyncIterator[Connections]:
    """Two connections at most, kept for 50 ms."""
    monkeypatch.setattr(subject, "_KEPT_S", 0.05)
    held = await Connections.open(
        database_url,
        user=Login.PARTNER.user,
        password=passwords[Login.PARTNER],
        min_size=0,
        max_size=2,
        max_inactive_connection_lifetime=IDLE_S,
    )
    yield held
    held.terminate()


async def use(connections: Connections) -> int:
    """One statement on whatever connection comes; returns the process behind it."""
    connection = await connections.take(2)
    backend = await backend_of(connection)
    await connections.give(connection, fit=True)
    return backend


async def backend_of(connection: Connection) -> int:
    return await connection.fetchval("select pg_backend_pid()")


async def until(size: int, connections: Connections) -> bool:
    """Whether `size` connections are open within 3 s."""
    for _ in range(300):
        if connections.size() == size:
            return True
        await asyncio.sleep(0.01)
    return False


async def test_the_connection_that_was_used_last_is_taken_first(two: Connections):
    first, second = await two.take(2), await two.take(2)
    last = await backend_of(second)
    await two.give(first, fit=True)
    await two.give(second, fit=True)

    assert [await use(two) for _ in range(5)] == [last] * 5


async def test_who_waits_gets_the_connection_that_is_given_back_and_nobody_waits_longer_than_asked(two: Connections):
    held = [await two.take(2) for _ in range(2)]
    with pytest.raises(TimeoutError):
        await two.take(0.05)
    waiting = [asyncio.create_task(use(two)) for _ in range(6)]
    await asyncio.sleep(0.05)
    assert not any(task.done() for task in waiting)

    backend = await backend_of(held[0])
    await two.give(held[0], fit=True)

    assert await asyncio.wait_for(asyncio.gather(*waiting), 2) == [backend] * 6
    await two.give(held[1], fit=True)


async def test_who_gave_up_waiting_is_not_waited_for(two: Connections, monkeypatch):
    monkeypatch.setattr(subject, "_KEPT_S", 60)
    held = [await two.take(2) for _ in range(2)]
    waiting = asyncio.create_task(two.take(2))
    await asyncio.sleep(0.05)
    waiting.cancel()
    await asyncio.wait([waiting])
    last = await backend_of(held[1])

    for one in held:
        await two.give(one, fit=True)

    # Kept, and not lent by the pool, which wraps a connection anew each time.
    again = await two.take(2)
    assert again is held[1]
    assert await backend_of(again) == last
    await two.give(again, fit=True)


async def test_a_kept_connection_that_the_server_ended_is_replaced(two: Connections, database_url, monkeypatch):
    monkeypatch.setattr(subject, "_KEPT_S", 60)
    held = [await two.take(2) for _ in range(2)]
    ended = [await backend_of(one) for one in held]
    for one in held:
        await two.give(one, fit=True)
    admin = await asyncpg.connect(database_url)
    await admin.execute("select pg_terminate_backend(unnest($1::int[]), 2000)", ended)
    await admin.close()
    await asyncio.sleep(0.01)  # the process hears of it

    both = await asyncio.gather(two.take(2), two.take(2))

    assert not {await backend_of(one) for one in both} & set(ended)
    for one in both:
        await two.give(one, fit=True)


async def test_a_connection_that_is_not_fit_is_not_kept(two: Connections):
    connection = await two.take(2)
    await connection.execute("begin")
    with pytest.raises(asyncpg.PostgresError):
        await connection.execute("select 1 / 0")

    await two.give(connection, fit=False)

    connection = await two.take(2)
    assert await connection.fetchval("select 1") == 1
    await two.give(connection, fit=True)


async def test_what_is_not_needed_goes_back_and_is_closed_and_what_is_used_stays(two: Connections):
    for one in [await two.take(2) for _ in range(2)]:
        await two.give(one, fit=True)
    assert two.size() == 2

    used: set[int] = set()
    for _ in range(100):
        used.add(await use(two))
        await asyncio.sleep(0.01)

    assert len(used) == 1
    assert two.size() == 1
    assert await until(0, two)


async def test_the_end_waits_for_what_is_out_and_for_nothing_else(two: Connections, monkeypatch):
    monkeypatch.setattr(subject, "_KEPT_S", 60)
    out, kept = await two.take(2), await two.take(2)
    await two.give(kept, fit=True)

    closing = asyncio.create_task(two.close())
    await asyncio.sleep(0.05)
    assert not closing.done()
    await two.give(out, fit=True)

    await asyncio.wait_for(closing, 2)
    assert two.size() == 0


async def test_no_connection_is_closed_for_its_count_while_somebody_waits(database_url, passwords):
    """The pool's own limit is 50,000 statements, which under load all connections reach, and close, together."""
    database = Database(Address(database_url, passwords), {Login.WORKER: 1})
    await database.start()
    identity = Identity(Login.WORKER)

    async def backend() -> int:
        async with database.begin(identity) as tx:
            return await tx.fetchval("select pg_backend_pid()")

    async with database.begin(identity) as tx:
        first = await tx.fetchval("select pg_backend_pid()")
        for _ in range(50_000):
            await tx.execute("select")
        waiting = [asyncio.create_task(backend()) for _ in range(3)]
        await asyncio.sleep(0.05)

    assert await asyncio.gather(*waiting) == [first] * 3
    await database.stop()
