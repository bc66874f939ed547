"""Too much at once is refused with 503 in time, harms nobody else, and is over as soon as the load is."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg
import httpx2
import pytest

from app.domain.errors import OverloadedError
from app.routers.edge import body
from app.routers.edge.gate import Gate
from app.security.keyring import MasterKeys
from tests.world import World, a_world, lead_body

PLACE = (None, None)


@pytest.fixture(scope="module")
async def world(database_url: str, master_keys: MasterKeys) -> AsyncIterator[World]:
    async with a_world(database_url, master_keys) as held:
        yield held


@asynccontextmanager
async def slowed(database_url: str) -> AsyncIterator[None]:
    """Let no statement on leads end."""
    connection = await asyncpg.connect(database_url)
    async with connection.transaction():
        await connection.execute("lock table baton.lead in access exclusive mode")
        yield
    await connection.close()


async def timed(request) -> tuple[httpx2.Response, float]:
    began = time.monotonic()
    answer = await request
    return answer, time.monotonic() - began


async def test_a_slow_database_is_answered_503_and_then_200_again(world: World, database_url: str) -> None:
    for who in ("partner_a", "other_tenant_partner", "sales"):
        await world.token(who)
    refused_before = world.app.state.gate.refusals
    async with slowed(database_url):
        flood = [asyncio.create_task(world.call("partner_a", "GET", "/v1/leads")) for _ in range(38)]
        await asyncio.sleep(0.5)
        neighbour = await world.call("other_tenant_partner", "GET", "/v1/me")
        assert neighbour.status_code == 200
        answered = await asyncio.gather(*flood)
    assert {answer.status_code for answer in answered} == {503}
    for answer in answered:
        assert answer.json()["type"] == "/problems/overloaded"
        assert answer.headers["Retry-After"] == "2"
    assert world.app.state.gate.refusals - refused_before == 38 - 20  # who found no place within two seconds
    assert (await world.call("partner_a", "GET", "/v1/leads")).status_code == 200
    many = await asyncio.gather(*(world.call("partner_a", "GET", "/v1/leads") for _ in range(38)))
    assert {answer.status_code for answer in many} == {200}


async def test_a_statement_of_the_api_ends_after_five_seconds(world: World, database_url: str) -> None:
    async with slowed(database_url):
        answer, took = await timed(world.call("partner_b", "POST", "/v1/leads", lead_body("S-1")))
    assert answer.status_code == 503
    assert took > 4.5
    assert (await world.call("partner_b", "POST", "/v1/leads", lead_body("S-1"))).status_code == 201


async def test_fifty_at_once_of_one_tenant_wait_their_turn_and_all_pass(world: World) -> None:
    answers = await asyncio.gather(
        *(world.call("partner_a", "POST", "/v1/leads", lead_body(f"F-{n}")) for n in range(50))
    )
    assert {answer.status_code for answer in answers} == {201}


async def test_the_gate_lets_in_as_many_as_it_has_places_in_their_order() -> None:
    gate, order, inside, most = Gate(2), [], 0, 0

    async def work(n: int) -> None:
        nonlocal inside, most
        await gate.enter(PLACE)
        order.append(n)
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0.01)
        inside -= 1
        gate.leave(PLACE)

    await asyncio.gather(*(work(n) for n in range(8)))
    assert (order, most) == (list(range(8)), 2)
    assert (gate._inside, gate._waiting) == ({}, {})


async def test_who_gives_up_waiting_keeps_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.routers.edge.gate.WAIT_S", 0.02)
    gate = Gate(1)
    await gate.enter(PLACE)
    with pytest.raises(OverloadedError) as refused:
        await gate.enter(PLACE)
    assert refused.value.members == {"retry_after": 2}
    left = asyncio.create_task(gate.enter(PLACE))
    await asyncio.sleep(0)
    left.cancel()
    await asyncio.gather(left, return_exceptions=True)
    handed = asyncio.create_task(gate.enter(PLACE))
    await asyncio.sleep(0)
    gate.leave(PLACE)
    handed.cancel()  # in the very instant in which it was given the place
    await asyncio.gather(handed, return_exceptions=True)
    await gate.enter(PLACE)
    await gate.enter(("another", None))
    gate.leave(PLACE)
    gate.leave(("another", None))
    assert gate._inside == {}
    assert gate.refusals == 1


async def test_a_long_queue_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.routers.edge.gate.MOST_WAITING", 3)
    gate = Gate(1)
    await gate.enter(PLACE)
    waiting = [asyncio.create_task(gate.enter(PLACE)) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(OverloadedError):
        await asyncio.wait_for(gate.enter(PLACE), 0.1)
    for _ in range(4):
        gate.leave(PLACE)
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    assert gate._inside == {}


async def raw(world: World, head: str, *parts: tuple[float, bytes]) -> bytes:
    """Send bytes over a socket of their own, each after a pause, and return all that comes back."""
    port = int(str(world.http.base_url).rpartition(":")[2].strip("/"))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(head.encode())
        for pause, part in parts:
            await asyncio.sleep(pause)
            writer.write(part)
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def test_a_body_that_trickles_is_408_and_the_connection_ends(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (body.WAIT_S, body.STREAM_WAIT_S) == (10, 300)
    monkeypatch.setattr(body, "WAIT_S", 0.3)
    bearer = f"Authorization: Bearer {await world.token('partner_a')}\r\n"
    head = (
        f"POST /v1/leads HTTP/1.1\r\nHost: x\r\n{bearer}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n"
    )
    never = await raw(world, head, (0, b'{"a"'))
    trickling = await raw(world, head, *((0.05, b" ") for _ in range(4)))
    stream = head.replace("/v1/leads", "/v1/lead-imports").replace("application/json", "application/x-ndjson")
    paused = await raw(world, stream, (0, b"{}\n"))
    form = head.replace("/v1/leads", "/oauth/token").replace("application/json", "application/x-www-form-urlencoded")
    stranger = await raw(world, form.replace(bearer, ""), (0, b"grant_type"))
    for answer in (never, trickling, paused):
        assert answer.startswith(b"HTTP/1.1 408 "), answer
        assert b"/problems/request-timeout" in answer
        assert b"connection: close" in answer.lower()
    assert stranger.split()[1][:1] == b"4", stranger


async def test_a_slow_import_takes_no_place_from_other_requests(
    database_url: str, master_keys: MasterKeys, world: World
) -> None:
    gate = world.app.state.gate
    bearer = f"Authorization: Bearer {await world.token('partner_a')}\r\n"
    head = f"POST /v1/lead-imports HTTP/1.1\r\nHost: x\r\n{bearer}Content-Type: application/x-ndjson\r\nContent-Length: 3\r\n\r\n"
    slow = [asyncio.create_task(raw(world, head + "", (1.0, b"{}\n"))) for _ in range(25)]
    await asyncio.sleep(0.4)
    assert [inside for (_, sender), inside in gate._inside.items() if sender] == [4]
    other = await world.call(
        "partner_b", "POST", "/v1/lead-imports", content="", headers={"content-type": "application/x-ndjson"}
    )
    assert other.status_code != 503, "another organisation's imports have places of their own"
    assert (await world.call("partner_a", "GET", "/v1/leads")).status_code == 200
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)
