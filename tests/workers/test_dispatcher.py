"""Deliveries arrive signed, unchanged and in spite of everything: dead receivers, killed and stalled workers."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from base64 import b64decode
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from standardwebhooks.webhooks import Webhook

from app.db.session import Identity, Login
from app.domain.signing import show_secret
from app.workers.dispatcher import Dispatcher, Reaper
from tests.workers.conftest import SECRET, Bench, reply

WORKER = Identity(Login.WORKER)
PROCESS = Path(__file__).with_name("worker_process.py")


def verify(request, secret: bytes = SECRET) -> dict:
    """Verify as a receiver would: with the public library, on the bytes that came."""
    return Webhook(show_secret(secret)).verify(request.body, request.headers)


async def test_every_delivery_is_verified_by_the_public_library_and_carries_the_bytes_of_the_feed(bench, receive):
    tenant, receiver = uuid4(), await receive()
    await bench.endpoint(receiver.url, tenant)
    async with bench.worker():
        await bench.emit_and_wake(tenant, count=30)
        await receiver.until(30)
        await bench.settled()

    feed = await bench.admin.fetch("select body from baton.feed order by sequence")
    assert sorted(verify(request)["sequence"] for request in receiver.requests) == list(range(1, 31))
    assert {request.body for request in receiver.requests} == {row["body"].encode() for row in feed}
    assert all(request.id == json.loads(request.body)["id"] for request in receiver.requests)
    assert all(request.headers["content-type"] == "application/json" for request in receiver.requests)


async def test_both_secrets_sign_until_the_overlap_has_passed(bench, receive):
    tenant, receiver, old = uuid4(), await receive(), bytes(reversed(range(32)))
    lane = await bench.endpoint(receiver.url, tenant)
    sealed = bench.keys.seal(old, tenant=tenant, table="endpoint", column="previous_secret", row=lane)
    overlap = "update baton.endpoint set previous_secret = $1, previous_until = now() + $2::interval"
    async with bench.worker():
        await bench.admin.execute(overlap, sealed, timedelta(minutes=1))
        await bench.emit_and_wake(tenant)
        await receiver.until(1)
        await bench.admin.execute(overlap, sealed, timedelta(seconds=-1))
        await bench.emit_and_wake(tenant)
        await receiver.until(2)

    during, after = receiver.requests
    assert verify(during, SECRET) == verify(during, old)
    assert len(after.headers["webhook-signature"].split()) == 1
    verify(after, SECRET)


async def test_an_asymmetric_signature_is_verified_with_the_public_key(bench, receive):
    tenant, receiver = uuid4(), await receive()
    await bench.endpoint(receiver.url, tenant, signature="v1a")
    async with bench.worker():
        await bench.emit_and_wake(tenant)
        await receiver.until(1)

    request = receiver.requests[0]
    scheme, _, signature = request.headers["webhook-signature"].partition(",")
    signed = f"{request.id}.{request.headers['webhook-timestamp']}.".encode() + request.body
    assert scheme == "v1a"
    Ed25519PrivateKey.from_private_bytes(SECRET).public_key().verify(b64decode(signature), signed)


def start_worker(bench: Bench, master_key: str) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen([sys.executable, str(PROCESS)], stdin=subprocess.PIPE)
    passwords = {login.value: word for login, word in bench.passwords.items()}
    given = {"url": bench.url, "passwords": passwords, "master_key": master_key}
    assert process.stdin is not None
    with process.stdin as pipe:
        pipe.write(json.dumps(given).encode())
    return process


async def test_a_worker_killed_between_claim_and_answer_loses_nothing(bench, receive, master_key):
    tenant, hold = uuid4(), asyncio.Event()

    async def answer(_) -> bytes:
        await hold.wait()
        return reply(200)

    receiver = await receive(answer)
    lane = await bench.endpoint(receiver.url, tenant)
    await bench.emit(tenant, count=6)
    process = start_worker(bench, master_key)
    try:
        await receiver.until(4, within=20)  # as many as may be under way for one endpoint
    finally:
        os.kill(process.pid, signal.SIGKILL)
        await asyncio.to_thread(process.wait)
    killed = list(receiver.requests)
    assert Counter(await bench.states(lane)) == {"leased": 4, "pending": 2}

    hold.set()
    await bench.lose_leases()
    async with bench.worker():
        await receiver.until(10)
        await bench.settled()

    assert await bench.states(lane) == ["delivered"] * 6
    again = {request.id: request for request in receiver.requests[4:]}
    assert len(again) == 6
    for request in killed:
        assert again[request.id].body == request.body
        verify(again[request.id])
    tries = [(row["n"], row["status"], row["error"]) for row in await bench.attempts(lane)]
    assert Counter(tries) == {(1, None, "worker_lost"): 4, (2, 200, None): 4, (1, 200, None): 2}


class Stalled:
    """An egress client whose answer comes when it is told to."""

    def __init__(self, egress) -> None:
        self.egress, self.go, self.posted = egress, asyncio.Event(), asyncio.Event()

    async def post(self, url, headers, body):
        result = await self.egress.post(url, headers, body)
        self.posted.set()
        await self.go.wait()
        return result


async def test_the_late_answer_of_a_stalled_worker_changes_nothing(bench, receive, egress, caplog):
    tenant, answers = uuid4(), iter([reply(500), reply(200)])

    async def answer(_) -> bytes:
        return next(answers)

    receiver = await receive(answer)
    lane = await bench.endpoint(receiver.url, tenant)
    await bench.emit(tenant)
    await bench.publish()
    stalled = Stalled(egress)
    slow = Dispatcher(bench.database, stalled, bench.keys)
    await slow.start()
    await slow.cycle()
    await stalled.posted.wait()
    await bench.lose_leases()

    async with bench.worker():
        await receiver.until(2)
        await bench.settled()
    stalled.go.set()
    await slow.stop()

    assert await bench.states(lane) == ["delivered"]
    assert [(row["n"], row["status"]) for row in await bench.attempts(lane)] == [(1, None), (2, 200)]
    assert await bench.admin.fetchval("select failures from baton.lane where id = $1", lane) == 0
    assert "1 leases were lost" in caplog.text


async def test_the_late_answer_of_a_stalled_worker_does_not_end_the_lease_of_another(bench, receive, egress):
    tenant, answers = uuid4(), iter([reply(500), reply(200)])

    async def answer(_) -> bytes:
        return next(answers)

    receiver = await receive(answer)
    lane = await bench.endpoint(receiver.url, tenant)
    await bench.emit(tenant)
    await bench.publish()
    clients = [Stalled(egress), Stalled(egress)]
    first, second = (Dispatcher(bench.database, client, bench.keys) for client in clients)
    for dispatcher, client in zip((first, second), clients, strict=True):
        await dispatcher.start()
        await dispatcher.cycle()
        await client.posted.wait()
        if dispatcher is first:
            await bench.lose_leases()
            await Reaper(bench.database).cycle()

    clients[0].go.set()
    await first.stop()
    assert await bench.states(lane) == ["leased"]
    assert [row["n"] for row in await bench.attempts(lane)] == [1]
    clients[1].go.set()
    await second.stop()

    assert await bench.states(lane) == ["delivered"]
    assert [(row["n"], row["error"], row["status"]) for row in await bench.attempts(lane)] == [
        (1, "worker_lost", None),
        (2, None, 200),
    ]


async def test_several_workers_send_each_delivery_once_and_no_endpoint_gets_more_than_four_at_a_time(bench, receive):
    tenant = uuid4()

    async def answer(_) -> bytes:
        await asyncio.sleep(0.002)
        return reply(200)

    receivers = [await receive(answer) for _ in range(3)]
    for receiver in receivers:
        await bench.endpoint(receiver.url, tenant)
    async with bench.worker(), bench.worker(), bench.worker():
        await bench.emit_and_wake(tenant, count=100)
        await asyncio.gather(*(receiver.until(100, within=20) for receiver in receivers))
        await bench.settled()

    for receiver in receivers:
        assert len(receiver.ids) == len(set(receiver.ids)) == 100
        assert receiver.most_side_by_side <= 4


async def test_a_dead_endpoint_does_not_delay_a_healthy_one(bench, receive):
    tenant, hold = uuid4(), asyncio.Event()

    async def never(_) -> bytes:
        await hold.wait()
        return reply(200)

    dead = [await receive(never) for _ in range(8)]
    healthy = await receive()
    for receiver in (*dead, healthy):
        await bench.endpoint(receiver.url, tenant)
    async with bench.worker(slots=64):
        await bench.emit_and_wake(tenant, count=25)
        await healthy.until(25, within=10)  # a dead receiver is given up after 15 s at the earliest
        hold.set()

    assert [receiver.most_side_by_side for receiver in dead] == [4] * 8


async def test_hanging_webhook_receivers_leave_room_for_an_on_call_message(bench, receive):
    tenant, hold = uuid4(), asyncio.Event()

    async def never(_) -> bytes:
        await hold.wait()
        return reply(200)

    hanging, tool = [await receive(never) for _ in range(8)], await receive()
    for receiver in hanging:
        await bench.endpoint(receiver.url, tenant)
    await bench.destination(tool.url, tenant)
    async with bench.worker(slots=36):
        await bench.emit_and_wake(tenant, count=9)
        await bench.until("count(*) = 20 from baton.delivery where state = 'leased'")
        await bench.emit_and_wake(tenant, kind="escalation.opened", page=True)
        await tool.until(1, within=3)
        assert await bench.admin.fetchval("select count(*) from baton.delivery where state = 'leased'") <= 21
        hold.set()
        await bench.settled()


@pytest.mark.parametrize(
    ("answer", "least", "most"),
    [
        (reply(500), 5, 6),
        (reply(301, "Location: https://other.example/"), 5, 6),
        (reply(404), 5, 6),
        (reply(429, "Retry-After: 90"), 90, 90),
        (reply(503, "Retry-After: 1"), 5, 6),
    ],
)
async def test_a_failed_delivery_is_due_again_after_the_schedule_or_as_the_receiver_asks(
    bench, receive, answer, least, most
):
    tenant = uuid4()

    async def refuse(_) -> bytes:
        return answer

    receiver = await receive(refuse)
    lane = await bench.endpoint(receiver.url, tenant)
    async with bench.worker():
        await bench.emit_and_wake(tenant)
        await receiver.until(1)
        await bench.settled()

    row = await bench.admin.fetchrow(
        "select d.state, d.attempts, extract(epoch from d.due_at - d.created_at)::float8 as wait,"
        " extract(epoch from l.next_due_at - d.created_at)::float8 as lane_wait"
        " from baton.delivery d join baton.lane l on l.id = d.lane_id where l.id = $1",
        lane,
    )
    assert (row["state"], row["attempts"]) == ("pending", 1)
    assert least <= row["wait"] <= most + 1
    assert row["lane_wait"] >= row["wait"]


async def test_a_throttling_receiver_rests_with_all_that_waits_for_it(bench, receive):
    tenant = uuid4()

    async def throttle(_) -> bytes:
        return reply(429, "Retry-After: 60")

    receiver = await receive(throttle)
    lane = await bench.endpoint(receiver.url, tenant)
    async with bench.worker():
        await bench.emit_and_wake(tenant, count=20)
        await receiver.until(4)
        await bench.until("open_until > now() + interval '50 s' from baton.lane where id = $1", lane)
        await bench.emit_and_wake(tenant, count=20)
        await asyncio.sleep(0.3)

    assert len(receiver.requests) == 4


async def test_a_failing_receiver_is_probed_by_one_delivery_at_a_time(bench, receive):
    tenant, well = uuid4(), asyncio.Event()

    async def answer(_) -> bytes:
        return reply(200 if well.is_set() else 500)

    receiver = await receive(answer)
    lane = await bench.endpoint(receiver.url, tenant)
    probe = "update baton.lane set open_until = now(), next_due_at = now()"
    async with bench.worker():
        await bench.emit_and_wake(tenant, count=30)
        await bench.until("open_until > now() from baton.lane where id = $1", lane)
        await bench.idle(lane)
        tried = len(receiver.requests)
        await bench.admin.execute(probe)
        await receiver.until(tried + 1)
        await bench.idle(lane)
        assert len(receiver.requests) == tried + 1
        well.set()
        await bench.rush()
        await receiver.until(30 + tried + 1)
        await bench.settled()

    assert tried <= 8
    assert await bench.states(lane) == ["delivered"] * 30
    assert await bench.admin.fetchval("select failures from baton.lane where id = $1", lane) == 0


async def test_an_exhausted_delivery_has_failed_after_eleven_attempts(bench, receive):
    tenant = uuid4()

    async def refuse(_) -> bytes:
        return reply(500)

    receiver = await receive(refuse)
    lane = await bench.endpoint(receiver.url, tenant)
    async with bench.worker():
        await bench.emit_and_wake(tenant)
        for attempt in range(1, 12):
            await receiver.until(attempt)
            await bench.until("not exists (select from baton.delivery where state = 'leased')")
            await bench.rush()

    assert await bench.states(lane) == ["failed"]
    assert [row["n"] for row in await bench.attempts(lane)] == list(range(1, 12))
    assert len({(request.id, request.body) for request in receiver.requests}) == 1
    assert [request.headers["webhook-attempt"] for request in receiver.requests] == [str(n) for n in range(1, 12)]


async def test_gone_disables_the_endpoint_parks_the_rest_and_tells_its_organisation(bench, receive):
    tenant, partner = uuid4(), uuid4()

    async def gone(_) -> bytes:
        return reply(410)

    leaving, other = await receive(gone), await receive()
    lane = await bench.endpoint(leaving.url, tenant, partner)
    await bench.endpoint(other.url, tenant, partner, event_types=["endpoint.disabled"])
    async with bench.worker():
        await bench.emit_and_wake(tenant, partner, count=9)
        await other.until(1)
        await bench.emit_and_wake(tenant, partner, count=2)
        await bench.settled()

    assert len(leaving.requests) <= 4
    assert set(await bench.states(lane)) == {"pending"}
    endpoint = await bench.admin.fetchrow("select status, disabled_reason from baton.endpoint where id = $1", lane)
    assert tuple(endpoint) == ("disabled", "gone")
    told = verify(other.requests[0])
    assert (told["type"], told["data"]["reason"], told["data"]["url"]) == ("endpoint.disabled", "gone", leaving.url)
    event = await bench.admin.fetchrow("select type, sides, partner_id from baton.event")
    assert tuple(event) == ("endpoint.disabled", "partner", partner)


async def test_an_endpoint_that_failed_for_five_days_is_disabled(bench, receive):
    tenant = uuid4()

    async def refuse(_) -> bytes:
        return reply(500)

    receiver = await receive(refuse)
    lane = await bench.endpoint(receiver.url, tenant)
    long_ago = datetime.now(UTC) - timedelta(days=5)
    await bench.admin.execute("update baton.lane set failures = 8, failing_since = $1", long_ago)
    async with bench.worker():
        await bench.emit_and_wake(tenant)
        await receiver.until(1)
        await bench.settled()
        assert await bench.status(lane) == "active"
        await bench.rush()
        await receiver.until(2)
        await bench.until("status = 'disabled' and disabled_reason = 'failing' from baton.endpoint where id = $1", lane)
        await bench.settled()

    # The event that tells of it waits here too.
    assert await bench.states(lane) == ["pending", "pending"]


async def test_a_parked_endpoint_gets_nothing_but_its_test_and_everything_once_that_has_passed(bench, receive):
    tenant, well = uuid4(), asyncio.Event()

    async def answer(_) -> bytes:
        return reply(200 if well.is_set() else 500)

    receiver = await receive(answer)
    lane = await bench.endpoint(receiver.url, tenant, status="pending")
    async with bench.worker():
        await bench.emit_and_wake(tenant, count=12)
        await bench.test(tenant, lane)
        await receiver.until(1)
        await bench.settled()
        assert [verify(request)["type"] for request in receiver.requests] == ["endpoint.test"]
        well.set()
        await bench.rush()
        await receiver.until(14)
        await bench.settled()

    assert await bench.status(lane) == "active"
    assert [verify(request)["type"] for request in receiver.requests[:2]] == ["endpoint.test"] * 2
    assert sorted(verify(request)["sequence"] for request in receiver.requests[2:]) == list(range(1, 13))


async def test_in_the_order_of_leads_a_failing_delivery_holds_back_its_lead_and_no_other(bench, receive):
    tenant, stuck, free, well = uuid4(), uuid4(), uuid4(), asyncio.Event()
    refused: list[int] = []

    async def answer(request) -> bytes:
        sequence = json.loads(request.body)["sequence"]
        if sequence == 1 and not well.is_set():
            refused.append(sequence)
            return reply(500)
        return reply(200)

    receiver = await receive(answer)
    lane = await bench.endpoint(receiver.url, tenant, ordering="lead")
    for _ in range(5):
        await bench.emit(tenant, lead=stuck)
        await bench.emit(tenant, lead=free)
    async with bench.worker():
        await receiver.until(6)
        await asyncio.sleep(0.2)
        assert len(receiver.requests) == 6
        well.set()
        await bench.rush()
        await receiver.until(11)
        await bench.settled()

    order = [json.loads(request.body)["sequence"] for request in receiver.requests]
    assert [sequence for sequence in order if sequence % 2 == 0] == [2, 4, 6, 8, 10]
    assert [sequence for sequence in order if sequence % 2] == [1, 1, 3, 5, 7, 9]
    assert await bench.states(lane) == ["delivered"] * 10


async def test_an_endpoint_gets_no_more_a_minute_than_its_rate(bench, receive):
    tenant, receiver = uuid4(), await receive()
    await bench.endpoint(receiver.url, tenant, rate=600)  # ten a second
    async with bench.worker():
        await bench.emit_and_wake(tenant, count=20)
        await receiver.until(14)

    span = receiver.requests[13].at - receiver.requests[0].at
    # The first four may come at once, the other ten at ten a second.
    assert 0.9 < span < 4


async def test_a_page_is_signed_with_the_destinations_own_secret_and_not_tried_again_after_a_refusal(bench, receive):
    tenant = uuid4()

    async def refuse(_) -> bytes:
        return reply(400)

    good, bad = await receive(), await receive(refuse)
    tools = [await bench.destination(receiver.url, tenant) for receiver in (good, bad)]
    async with bench.worker():
        await bench.emit_and_wake(tenant, kind="escalation.opened", page=True)
        await good.until(1)
        await bad.until(1)
        await bench.settled()

    assert verify(good.requests[0])["type"] == "escalation.opened"
    assert [await bench.states(tool) for tool in tools] == [["delivered"], ["failed"]]


async def test_an_attempt_tells_what_came_of_it(bench, receive):
    tenant = uuid4()

    async def redirect(_) -> bytes:
        return reply(302, "Location: https://other.example/", text=b"<b>moved \x00\xff</b>")

    receiver = await receive(redirect)
    lane = await bench.endpoint(receiver.url, tenant)
    refused = await bench.endpoint("http://10.1.2.3/", tenant)
    closed = await bench.endpoint("http://127.0.0.1:9/", tenant)
    async with bench.worker():
        await bench.emit_and_wake(tenant)
        await bench.until("count(*) = 3 from baton.attempt")

    (attempt,) = await bench.attempts(lane)
    assert (attempt["status"], attempt["error"], attempt["remote_ip"]) == (302, None, "127.0.0.1")
    assert attempt["response_head"] == b"<b>moved \x00\xff</b>"
    assert json.loads(attempt["timings"])["location"] == "https://other.example/"
    assert [(await bench.attempts(one))[0]["error"] for one in (refused, closed)] == ["refused_url", "connect"]


async def test_a_secret_that_cannot_be_opened_fails_its_own_deliveries_only(bench, receive):
    tenant, receiver = uuid4(), await receive()
    await bench.endpoint(receiver.url, tenant)
    broken = await bench.endpoint(receiver.url, tenant, secret=b"nonsense")
    async with bench.worker():
        await bench.emit_and_wake(tenant, count=3)
        await receiver.until(3)
        await bench.until("count(*) = 6 from baton.attempt")

    assert {row["error"] for row in await bench.attempts(broken)} == {"internal"}
    assert await bench.states(broken) == ["pending"] * 3


async def test_a_delivery_that_loses_worker_after_worker_is_given_up_in_the_end(bench):
    tenant = uuid4()
    lane = await bench.endpoint("https://a.example/", tenant)
    await bench.emit(tenant)
    await bench.publish()
    leased = (
        "update baton.delivery set state = 'leased', attempts = attempts + 1, lease_until = now() - interval '1 s',"
        " lease_token = gen_random_uuid()"
    )
    for _ in range(20):
        await bench.admin.execute(leased)
        await Reaper(bench.database).cycle()

    assert await bench.states(lane) == ["failed"]
    assert {row["error"] for row in await bench.attempts(lane)} == {"worker_lost"}


async def test_the_worker_can_neither_read_leads_nor_change_the_ledger(bench):
    refused = "permission denied"
    async with bench.database.begin(WORKER) as tx:
        assert await tx.fetchval("select count(*) from baton.lead") == 0
    for statement in ("select from baton.contact", "delete from baton.event", "update baton.feed set body = ''"):
        with pytest.raises(Exception, match=refused):
            async with bench.database.begin(WORKER) as tx:
                await tx.execute(statement)
