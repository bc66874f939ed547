"""The loops: quiet when idle, awake at once, not to be stopped by a broken database or a broken loop."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from app.db.session import Address
from app.db.watch import Watch
from app.workers.loops import AT_ONCE, SOON, Loop, Runner

REPORTED_S = 10.5
"""An idle connection of PostgreSQL reports what it did at most 10 s late (PGSTAT_IDLE_INTERVAL): the start is over."""


async def transactions(postgres, bench) -> int:
    """Count the statements that the database has run; each stands alone, so each is a transaction."""
    connection = await asyncpg.connect(postgres.admin_url())
    try:
        name = bench.url.rpartition("/")[2].partition("?")[0]
        return await connection.fetchval(
            "select xact_commit + xact_rollback from pg_stat_database where datname = $1", name
        )
    finally:
        await connection.close()


@pytest.fixture
async def no_autovacuum(postgres):
    """Autovacuum's transactions would be counted too."""
    connection = await asyncpg.connect(postgres.admin_url())
    await connection.execute("alter system set autovacuum = off")
    await connection.execute("select pg_reload_conf()")
    yield
    await connection.execute("alter system reset autovacuum")
    await connection.execute("select pg_reload_conf()")
    await connection.close()


@pytest.mark.usefixtures("no_autovacuum")
async def test_an_idle_worker_sends_at_most_one_statement_a_second(bench, postgres):
    async with bench.worker():
        await asyncio.sleep(REPORTED_S)
        await bench.admin.expire_connections()
        began, before = asyncio.get_running_loop().time(), await transactions(postgres, bench)
        await asyncio.sleep(6)
        after, took = await transactions(postgres, bench), asyncio.get_running_loop().time() - began

    # The server reports its counts up to a second late.
    assert 3 <= after - before <= took + 2


async def test_what_a_request_commits_is_sent_long_before_the_next_poll(bench, receive, monkeypatch):
    tenant, receiver = uuid4(), await receive()
    await bench.endpoint(receiver.url, tenant)
    monkeypatch.setattr("app.workers.loops.POLL_S", 60.0)
    async with bench.worker():
        await asyncio.sleep(0.3)
        for n in range(1, 11):
            await bench.emit_and_wake(tenant)
            await receiver.until(n, within=10)
            await asyncio.sleep(0.05)


async def test_without_wake_ups_the_poll_carries_on(bench, receive, monkeypatch):
    monkeypatch.setattr("app.db.watch.WAKE_CHANNEL", "nobody_notifies_this")
    monkeypatch.setattr("app.db.session.WAKE_CHANNEL", "nobody_listens_to_this")
    tenant, receiver = uuid4(), await receive()
    await bench.endpoint(receiver.url, tenant)
    async with bench.worker():
        await asyncio.sleep(0.3)
        await bench.emit(tenant)
        await receiver.until(1, within=3)


async def test_a_worker_whose_connections_are_cut_again_and_again_loses_nothing(bench, receive):
    tenant, receiver = uuid4(), await receive()
    lane = await bench.endpoint(receiver.url, tenant)
    cut = "select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = 'baton_worker'"
    async with bench.worker():
        for _ in range(6):
            await bench.emit_and_wake(tenant, count=20)
            await asyncio.sleep(0.05)
            await bench.admin.fetchval(cut)
            await asyncio.sleep(0.2)
        await bench.until("not exists (select from baton.outbox)", within=20)
        await bench.lose_leases()
        await bench.until("count(*) = 120 from baton.delivery where state = 'delivered'", within=30)

    assert await bench.states(lane) == ["delivered"] * 120
    assert set(receiver.ids) == {
        row["message_id"] for row in await bench.admin.fetch("select message_id from baton.delivery")
    }


class Scripted:
    """A loop that does what it is told and counts its cycles."""

    name = "scripted"

    def __init__(self, due: str, script=()) -> None:
        self.due, self.script, self.cycles = due, list(script), 0

    async def cycle(self):
        self.cycles += 1
        step = self.script.pop(0) if self.script else None
        if isinstance(step, Exception):
            raise step
        return step() if callable(step) else step


async def run_for(seconds: float, bench, *loops: Loop) -> None:
    woken, stop = asyncio.Event(), asyncio.Event()
    watch = Watch(Address(bench.url, bench.passwords), woken.set)
    running = asyncio.create_task(Runner(watch, loops, woken).run(stop))
    await asyncio.sleep(seconds)
    stop.set()
    await running
    await watch.stop()


async def test_the_question_is_never_compiled(bench):
    name = bench.url.rpartition("/")[2].partition("?")[0]
    await bench.admin.execute(f'alter database "{name}" set jit = on')  # PostgreSQL's own default, unlike ours
    watch = Watch(Address(bench.url, bench.passwords), lambda: None)

    row = await watch.ask("select current_setting('jit') as jit")

    await watch.stop()
    await bench.admin.execute(f'alter database "{name}" reset jit')
    assert row["jit"] == "off"


async def test_a_loop_goes_on_at_once_while_there_is_more(bench):
    loop = Scripted("null", [AT_ONCE] * 50)
    await run_for(0.5, bench, loop)

    assert loop.cycles == 51


async def test_a_loop_that_did_all_there_was_rests_before_the_next_batch(bench):
    loop = Scripted("now()", [SOON] * 100)
    await run_for(1.0, bench, loop)

    assert 3 <= loop.cycles <= 20


async def test_a_loop_that_keeps_its_appointment_runs_then_and_not_before(bench):
    loop = Scripted("null", [lambda: datetime.now(UTC) + timedelta(seconds=0.6)])
    await run_for(0.4, bench, loop)
    assert loop.cycles == 1

    loop = Scripted("null", [lambda: datetime.now(UTC) + timedelta(seconds=0.6)])
    await run_for(1.0, bench, loop)
    assert loop.cycles == 2


async def test_a_loop_that_is_due_and_can_do_nothing_does_not_spin(bench):
    stuck, other = Scripted("now() - interval '1 h'"), Scripted("null")
    await run_for(2, bench, stuck, other)

    assert 5 <= stuck.cycles <= 25
    assert other.cycles == 1


@pytest.mark.parametrize("trouble", [RuntimeError("a secret value"), asyncpg.InternalClientError("lost"), OSError()])
async def test_a_loop_that_fails_rests_and_stops_no_other(bench, caplog, trouble):
    failing, other = Scripted("now()", [trouble] * 9), Scripted("now()", [AT_ONCE] * 3)
    with caplog.at_level(logging.WARNING):
        await run_for(1.2, bench, failing, other)

    assert 1 <= failing.cycles <= 3
    assert other.cycles > 3
    assert "scripted" in caplog.text
    assert "a secret value" not in caplog.text


async def test_stopping_finishes_the_cycle_under_way(bench):
    done: list[str] = []

    class Slow(Scripted):
        async def cycle(self):
            await asyncio.sleep(0.4)
            done.append("finished")

    await run_for(0.2, bench, Slow("null"))

    assert done == ["finished"]


async def test_what_has_outlived_its_promise_is_purged_and_tomorrows_partitions_are_made(bench):
    tenant = uuid4()
    lane = await bench.endpoint("https://a.example/", tenant)
    await bench.emit(tenant, count=4)
    await bench.publish()
    await bench.admin.execute(
        "update baton.delivery set state = 'delivered', finished_at = now() - interval '31 days' where sequence < 3"
    )
    key = "insert into baton.idempotency values ($1, $1, $2, '', 200, '{}', '', now() - $3::interval)"
    await bench.admin.execute(key, tenant, "old", timedelta(hours=73))
    await bench.admin.execute(key, tenant, "young", timedelta(hours=71))
    tomorrow = await bench.admin.fetchval("select 'baton.feed_' || to_char(current_date + 1, 'YYYYMMDD')")
    await bench.admin.execute(f"drop table {tomorrow}")
    async with bench.worker():
        # Where somebody holds the table for two seconds, the loop rests and comes back.
        await bench.until("to_regclass($1) is not null", tomorrow, within=60)
        await bench.until("count(*) = 1 from baton.idempotency", within=60)
        await bench.until("count(*) = 2 from baton.delivery where lane_id = $1", lane, within=60)

    assert await bench.admin.fetchval("select key from baton.idempotency") == "young"
