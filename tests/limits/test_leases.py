"""All processes together never let more pass than the policy says: GCRA whose permits are leased in small blocks."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.db.session import Address, Database, Login
from app.domain.errors import OverloadedError, RateLimitedError
from app.domain.limits import Policy
from app.services.limiter import Limiter

pytestmark = pytest.mark.database

ROOT = Path(__file__).parents[2]


def quotas(per_minute: int) -> dict[Policy, int]:
    return dict.fromkeys(Policy, per_minute)


@pytest.fixture
async def databases(database_url: str, passwords: dict[Login, str]) -> AsyncIterator[list[Database]]:
    """The pools of four processes."""
    held = [Database(Address(database_url, passwords), {Login.AUTH: 4}) for _ in range(4)]
    for one in held:
        await one.start()
    yield held
    for one in held:
        await one.stop()


@pytest.fixture
async def admin(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def send(limiter: Limiter, client: UUID, policy: Policy = Policy.WRITE) -> bool:
    """Send one request; return whether it passed."""
    if limiter.spend(policy, client) is None:
        try:
            await limiter.ask(policy, client)
        except RateLimitedError:
            return False
    return True


async def hammer(limiter: Limiter, client: UUID, until: float) -> int:
    """Send until `until`, by the monotonic clock, without a pause; return how many passed."""
    passed = 0
    while time.monotonic() < until:
        passed += await send(limiter, client)
        await asyncio.sleep(0.0005)
    return passed


@pytest.mark.parametrize("quota", [3, 60, 599, 1200])
async def test_exactly_the_burst_passes_over_four_processes_at_once(databases: list[Database], quota: int) -> None:
    limiters = [Limiter(one, quotas(quota)) for one in databases]
    client, began = uuid4(), time.monotonic()

    async def rush(limiter: Limiter) -> int:
        return sum([await send(limiter, client) for _ in range(quota)])

    passed = sum(await asyncio.gather(*(rush(limiter) for limiter in limiters for _ in range(3))))
    restored = (time.monotonic() - began) * quota / 60
    assert quota <= passed <= quota + restored + 1e-6


async def test_after_the_burst_exactly_the_rate_passes_over_four_processes(databases: list[Database]) -> None:
    quota = 3000  # 50 a second
    limiters = [Limiter(one, quotas(quota)) for one in databases]
    client, began = uuid4(), time.monotonic()
    counts = await asyncio.gather(*(hammer(limiter, client, began + 1) for limiter in limiters))
    while any([await send(limiter, client) for limiter in limiters]):
        pass
    drained = time.monotonic()
    assert sum(counts) > 0
    passed = sum(await asyncio.gather(*(hammer(limiter, client, drained + 3) for limiter in limiters)))
    most = (time.monotonic() - drained) * quota / 60 + 1
    assert 0.97 * most - 2 <= passed <= most


async def test_real_processes_share_one_burst(database_url: str, passwords: dict[Login, str]) -> None:
    at = time.time() + 2
    given = {"url": database_url, "password": passwords[Login.AUTH], "client": str(uuid4()), "quota": 6000, "at": at}

    async def run() -> int:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.limits.spender"),
            cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, _ = await process.communicate(json.dumps(given).encode())
        assert process.returncode == 0
        return int(out)

    passed = await asyncio.gather(*(run() for _ in range(3)))
    restored = (time.time() - at) * 100
    assert 6000 <= sum(passed) <= 6000 + restored
    assert all(passed), passed


async def test_what_one_process_holds_is_never_restored_for_another(
    databases: list[Database], admin: asyncpg.Connection
) -> None:
    """A lease that is spent late must not come on top of a count that time has restored meanwhile."""
    first, second = (Limiter(one, quotas(6000)) for one in databases[:2])
    client = uuid4()
    assert await send(first, client)
    await asyncio.sleep(1)  # a hundred permits, had there been anything to restore
    drawn = 0
    while await send(second, client):
        drawn += 1
    late = 0
    while await send(first, client):
        late += 1
    row = await admin.fetchrow(
        "select held, tat > clock_timestamp() as full from baton.permit where subject = $1", str(client)
    )
    assert late >= 20  # what it had leased is still its own
    assert 1 + drawn + late <= 6000 + 150
    assert row["full"]


async def test_most_requests_need_no_round_trip(databases: list[Database]) -> None:
    calls = 0

    class Counting(Database):
        __slots__ = ()

        async def single(self, *args, **options):
            nonlocal calls
            calls += 1
            return await super().single(*args, **options)

    databases[0].__class__ = Counting
    limiter = Limiter(databases[0], quotas(6000))
    client = uuid4()
    for _ in range(2000):
        assert await send(limiter, client)
    await limiter.stop()
    assert calls <= 100


async def test_a_lease_of_a_process_that_died_counts_as_spent_when_it_ends(
    databases: list[Database], admin: asyncpg.Connection
) -> None:
    client = uuid4()
    dead = Limiter(databases[0], quotas(1200))
    assert await send(dead, client)
    past = "update baton.permit set tat = tat - interval '1 hour', until = array[clock_timestamp()] where subject = $1"
    await admin.execute(past, str(client))
    alive = Limiter(databases[1], quotas(1200))
    assert await send(alive, client)
    standing = alive.known(Policy.WRITE, client)
    assert standing is not None
    assert 1200 - 6 - 1 <= standing.remaining <= 1200 - 6 + 1


async def test_counts_of_clients_and_policies_are_apart(databases: list[Database]) -> None:
    limiter = Limiter(databases[0], quotas(2))
    one, other = uuid4(), uuid4()
    assert [await send(limiter, one) for _ in range(3)] == [True, True, False]
    assert await send(limiter, other)
    assert await send(limiter, one, Policy.BULK)
    assert await limiter.ask(Policy.ADDRESS, "192.0.2.1") is not None


class Broken(Database):
    """A database that does not answer."""

    async def single(self, *_, **__):
        raise ConnectionResetError


async def test_a_limiter_without_its_database_lets_reads_and_writes_pass_and_refuses_the_rest(
    passwords: dict[Login, str], caplog: pytest.LogCaptureFixture
) -> None:
    limiter = Limiter(Broken(Address("postgresql:///none", passwords), {}), quotas(60))
    client = uuid4()
    assert await limiter.ask(Policy.DEFAULT, client) is None
    assert await limiter.ask(Policy.WRITE, client) is None
    for policy, subject in ((Policy.BULK, client), (Policy.TOKEN, client), (Policy.ADDRESS, "192.0.2.1")):
        with pytest.raises(OverloadedError) as refused:
            await limiter.ask(policy, subject)
        assert refused.value.members["retry_after"] == 2
    assert caplog.text.count("rate limits cannot be counted") == 1
    assert str(client) not in caplog.text


async def test_a_limiter_counts_again_once_its_database_answers(databases: list[Database], monkeypatch) -> None:
    now = [1000.0]
    limiter = Limiter(databases[0], quotas(3), clock=lambda: now[0])
    client = uuid4()
    with monkeypatch.context() as patched:
        patched.setattr(databases[0], "single", Broken.single.__get__(databases[0]))
        assert await limiter.ask(Policy.WRITE, client) is None
    assert await limiter.ask(Policy.WRITE, client) is None  # not asked again at once
    now[0] += 1.1
    assert await limiter.ask(Policy.WRITE, client) is not None


async def test_strangers_cannot_fill_the_memory(databases: list[Database], monkeypatch) -> None:
    monkeypatch.setattr("app.services.limiter.MOST_HELD", 5)
    limiter = Limiter(databases[0], quotas(60))
    for _ in range(12):
        await limiter.ask(Policy.TOKEN, uuid4())
    assert len(limiter._held) == 5


async def test_whoever_is_forgotten_while_it_asks_is_answered_all_the_same(
    databases: list[Database], monkeypatch
) -> None:
    monkeypatch.setattr("app.services.limiter.MOST_HELD", 2)
    limiter = Limiter(databases[0], quotas(60))
    async with asyncio.timeout(10):
        asked = await asyncio.gather(*(limiter.ask(Policy.WRITE, uuid4()) for _ in range(30)))
    assert all(standing is not None for standing in asked)
