"""The egress client against real listeners: what it sends, what it reports and how it keeps its bounds."""

import asyncio
import gzip
import socket
import struct
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_network

import pytest
import uvloop

from app.delivery.client import BODY_LIMIT, Egress
from app.delivery.names import Names

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LOOPBACK = (ip_network("127.0.0.0/8"),)


async def post(url, body=b"{}", headers=None, **options):
    async with Egress(LOOPBACK, **options) as egress:
        return await egress.post(url, headers or {}, body)


def at(receiver, path="/hook"):
    return f"http://127.0.0.1:{receiver.port}{path}"


async def test_a_body_arrives_as_given_over_one_kept_connection(receive):
    receiver = await receive()
    async with Egress(LOOPBACK) as egress:
        first, second, third = [
            await egress.post(at(receiver), {"webhook-id": "evt_1", "Content-Type": "application/json"}, b'{"a":1}')
            for _ in range(3)
        ]
    assert (first.status, first.ok, first.error, first.response_head) == (200, True, None, b"ok")
    assert [first.reused, second.reused, third.reused] == [False, True, True]
    assert receiver.connections == 1
    assert first.remote_ip == third.remote_ip == "127.0.0.1"
    line, headers, body = receiver.requests[2]
    assert (line, body) == ("POST /hook HTTP/1.1", b'{"a":1}')
    assert headers.pop("host") == f"127.0.0.1:{receiver.port}"
    assert headers == {
        "webhook-id": "evt_1",
        "content-type": "application/json",
        "user-agent": "Baton/0.1",
        "accept": "*/*",
        "accept-encoding": "identity",
        "content-length": "7",
    }


async def test_phases_are_timed_and_a_kept_connection_has_none_to_open(receive):
    async def slowly(writer, _):
        await asyncio.sleep(0.05)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    receiver = await receive(slowly)

    async def lookup(host):
        await asyncio.sleep(0.03)
        return ("127.0.0.1",)

    async with Egress(LOOPBACK, names=Names(lookup)) as egress:
        fresh = await egress.post(f"http://hooks.example.com:{receiver.port}/", {}, b"")
        kept = await egress.post(f"http://hooks.example.com:{receiver.port}/", {}, b"")
    assert 25 < fresh.timings.dns < fresh.timings.total
    assert 0 < fresh.timings.connect < fresh.timings.total
    assert 45 < fresh.timings.ttfb < fresh.timings.total
    assert fresh.timings.tls is None
    assert (kept.timings.dns, kept.timings.connect) == (None, None)


async def test_a_redirect_to_the_metadata_address_is_a_failure_and_is_not_followed(receive):
    answer = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest/\r\nContent-Length: 0\r\n\r\n"
    receiver = await receive(answer)
    reply = await post(at(receiver))
    assert (reply.status, reply.ok, reply.error) == (302, False, None)
    assert reply.location == "http://169.254.169.254/latest/"
    assert len(receiver.requests) == 1


async def test_a_redirect_to_another_listener_leaves_that_one_alone(receive):
    inner = await receive()
    for status in (301, 302, 303, 307, 308):
        head = b"HTTP/1.1 %d X\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % (status, at(inner).encode())
        outer = await receive(head)
        assert (await post(at(outer))).status == status
        assert len(outer.requests) == 1
    assert inner.connections == 0


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"])
async def test_a_slow_loris_is_left_at_the_deadline(receive, head):
    async def drip(writer, _):
        writer.write(head)
        for _ in range(200):
            writer.write(b"x: y\r\n" if not head.endswith(b"\r\n\r\n") and head else b"H")
            await writer.drain()
            await asyncio.sleep(0.05)

    receiver = await receive(drip if head else _silence)
    async with asyncio.timeout(5):  # the receiver drips for ten
        reply = await post(at(receiver), total_seconds=0.4)
    assert (reply.error, reply.ok) == ("timeout", False)
    assert reply.timings.total > 390


async def _silence(writer, _):
    await asyncio.sleep(5)


async def test_a_gigabyte_is_cut_after_sixteen_kibibytes(receive):
    sent = 0

    async def flood(writer, _):
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
        for _ in range(16384):
            writer.write(b"a" * 65536)
            sent += 65536
            await writer.drain()

    receiver = await receive(flood)
    reply = await post(at(receiver))
    assert (reply.status, reply.error, reply.response_cut) == (200, None, True)
    assert reply.response_head == b"a" * 16384
    await asyncio.sleep(0.05)
    assert sent < 32 * 1024 * 1024


async def test_a_reply_of_exactly_the_limit_is_whole_and_keeps_its_connection(receive):
    receiver = await receive(b"HTTP/1.1 200 OK\r\nContent-Length: 16384\r\n\r\n" + b"b" * BODY_LIMIT)
    async with Egress(LOOPBACK) as egress:
        replies = [await egress.post(at(receiver), {}, b"") for _ in range(2)]
    assert [(len(reply.response_head), reply.response_cut) for reply in replies] == [(16384, False)] * 2
    assert receiver.connections == 1


async def test_a_gzip_bomb_stays_packed(receive):
    bomb = gzip.compress(bytes(8 * 1024 * 1024))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    receiver = await receive(head + bomb)
    reply = await post(at(receiver))
    assert reply.response_head == bomb[:16384]
    assert reply.status == 200


async def test_a_kept_connection_that_died_is_replaced_once_and_at_once(receive):
    async def close_after_first(writer, number):
        if number == 2:
            writer.transport.abort()
            return
        writer.write(OK)

    receiver = await receive(close_after_first)
    async with Egress(LOOPBACK) as egress:
        await egress.post(at(receiver), {}, b"1")
        reply = await egress.post(at(receiver), {}, b"2")
    assert (reply.ok, reply.reused) == (True, False)
    assert [body for _, _, body in receiver.requests] == [b"1", b"2", b"2"]
    assert receiver.connections == 2


@pytest.mark.parametrize("partial", [b"", b"HTTP/1.1 200 OK\r\nA: b\r\n"])
async def test_a_fresh_connection_or_a_begun_reply_is_not_tried_again(receive, partial):
    async def break_off(writer, number):
        if partial and number == 1:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            return
        writer.write(partial)
        await writer.drain()
        writer.close()

    receiver = await receive(break_off)
    async with Egress(LOOPBACK) as egress:
        for _ in range(2 if partial else 1):
            reply = await egress.post(at(receiver), {}, b"")
    assert (reply.error, reply.status) == ("reset", None)
    assert len(receiver.requests) == (2 if partial else 1)


@pytest.mark.parametrize(
    ("answer", "status", "error"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", None, "protocol"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", None, "protocol"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 9000 + b"\r\n\r\n", None, "too_large"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhello", 101, None),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, None),
        (b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n", 410, None),
    ],
)
async def test_odd_replies_have_a_name(receive, answer, status, error):
    receiver = await receive(answer)
    reply = await post(at(receiver), total_seconds=1)
    assert (reply.status, reply.error) == (status, error)


async def test_a_reply_that_breaks_off_is_no_success(receive):
    async def break_off(writer, _):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
        await writer.drain()
        await asyncio.sleep(0.02)
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()

    reply = await post(at(await receive(break_off)))
    assert (reply.status, reply.error, reply.ok, reply.response_head) == (200, "reset", False, b"abc")


async def test_nobody_listening_and_no_such_name_are_told_apart():
    async def nothing(host):
        raise OSError("no such name")

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
        assert (await post(url)).error == "connect"
    assert (await post("https://hooks.example.com/", names=Names(nothing))).error == "dns"
    assert (await post("https://127.1/")).error == "refused_url"


async def test_a_silent_name_server_costs_its_patience_and_one_look_up():
    asked = 0

    async def hang(host):
        nonlocal asked
        asked += 1
        await asyncio.sleep(60)
        return ("127.0.0.1",)

    async with Egress(names=Names(hang, patience_seconds=0.1)) as egress:
        posts = (egress.post("https://hooks.example.com/", {}, b"") for _ in range(5))
        replies = await asyncio.gather(*posts)
    assert [reply.error for reply in replies] == ["dns"] * 5
    assert asked == 1


async def test_an_address_that_swallows_packets_is_given_up_early():
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    fillers = [socket.socket() for _ in range(3)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(full.getsockname())
    reply = await post(f"http://127.0.0.1:{full.getsockname()[1]}/", connect_seconds=0.2)
    for each in (full, *fillers):
        each.close()
    assert (reply.error, reply.remote_ip) == ("timeout", None)
    assert reply.timings.total < 1000


async def test_cookies_and_proxies_of_the_environment_are_ignored(receive, monkeypatch):
    proxy = await receive()
    receiver = await receive(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n")
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, at(proxy, ""))
    async with Egress(LOOPBACK) as egress:
        for _ in range(2):
            await egress.post(at(receiver), {}, b"")
    assert proxy.connections == 0
    assert "cookie" not in receiver.requests[1][1]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("999999999", 86400.0),
        ("9" * 60, 86400.0),
        ("9" * 5000, None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Wed, 99 Oct 2015", None),
    ],
)
async def test_retry_after_is_read_and_bounded(receive, value, seconds):
    receiver = await receive(f"HTTP/1.1 429 X\r\nRetry-After: {value}\r\nContent-Length: 0\r\n\r\n".encode())
    assert (await post(at(receiver))).retry_after == seconds


async def test_retry_after_may_be_a_date(receive):
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    receiver = await receive(f"HTTP/1.1 503 X\r\nRetry-After: {later}\r\nContent-Length: 0\r\n\r\n".encode())
    assert 95 < (await post(at(receiver))).retry_after <= 100


async def test_a_receiver_can_ask_to_be_left_alone(receive):
    async def ask(writer, number):
        word = [b"abort-message", b"Disable", b"nonsense"][number - 1]
        writer.write(b"HTTP/1.1 400 X\r\nwebhook-delivery: %s\r\nContent-Length: 0\r\n\r\n" % word)

    receiver = await receive(ask)
    async with Egress(LOOPBACK) as egress:
        replies = [await egress.post(at(receiver), {}, b"") for _ in range(3)]
    assert [reply.directive for reply in replies] == ["abort-message", "disable", None]


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding", "COOKIE", "User-Agent"])
async def test_a_header_of_the_client_itself_is_a_mistake_of_the_caller(receive, name):
    receiver = await receive()
    with pytest.raises(ValueError, match="belongs to the egress client"):
        await post(at(receiver), headers={name: "x"})
    assert receiver.connections == 0


async def test_a_header_cannot_smuggle_a_second_one(receive):
    receiver = await receive()
    for value in ("a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\x00"):
        with pytest.raises(ValueError):  # noqa: PT011
            await post(at(receiver), headers={"webhook-id": value})
    assert receiver.requests == []


async def test_a_location_of_stray_bytes_can_be_stored(receive):
    head = b"HTTP/1.1 302 X\r\nLocation: https://a/\xff\xe5\x8f\x97" + b"x" * 3000 + b"\r\nContent-Length: 0\r\n\r\n"
    reply = await post(at(await receive(head)))
    assert reply.location == ("https://a/??" + "x" * 3000)[:2048]


async def test_many_posts_at_once_wait_for_no_slot(receive):
    everyone = asyncio.Event()

    async def answer_when_all_are_here(writer, number):
        if number == 150:
            everyone.set()
        await everyone.wait()
        writer.write(OK)

    receiver = await receive(answer_when_all_are_here)
    async with Egress(LOOPBACK) as egress:
        replies = await asyncio.gather(*(egress.post(at(receiver), {}, b"x") for _ in range(150)))
    assert all(reply.ok for reply in replies)


async def test_an_allowed_ipv6_network_works(receive):
    try:
        receiver = await receive(host="::1")
    except OSError:
        pytest.skip("no IPv6 on this machine")
    async with Egress((ip_network("::1/128"),)) as egress:
        reply = await egress.post(f"http://[::1]:{receiver.port}/", {}, b"")
    assert (reply.ok, reply.remote_ip) == (True, "::1")


async def test_posting_before_the_start_is_an_error():
    with pytest.raises(RuntimeError):
        await Egress().post("https://hooks.example.com/", {}, b"")


async def test_the_checks_hold_under_uvloop_too(receive):
    receiver = await receive()
    found = []

    async def lookup(host):
        return ("127.0.0.2", "127.0.0.1") if host.startswith("mixed") else ("127.0.0.1",)

    async def scene():
        async with Egress(LOOPBACK, names=Names(lookup)) as egress:
            good = await egress.post(f"http://localhost:{receiver.port}/", {}, b"x")
        async with Egress((ip_network("127.0.0.2/32"),), names=Names(lookup)) as egress:
            bad = await egress.post(f"http://mixed.example.com:{receiver.port}/", {}, b"x")
        found.extend([good, bad])

    def run():
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(scene())

    thread = threading.Thread(target=run)
    thread.start()
    await asyncio.to_thread(thread.join)
    good, bad = found
    assert (good.ok, good.remote_ip, good.reused) == (True, "127.0.0.1", False)
    assert bad.error == "refused_address"
    assert receiver.connections == 1
