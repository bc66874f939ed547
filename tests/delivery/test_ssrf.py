"""No spelling, answer or trick lets a request reach a listener outside the allowed networks.

Each listener is real, on this machine's loopback; 127.0.0.2 plays the one network that is allowed.
"""

import asyncio
from contextlib import suppress
from ipaddress import ip_network

import pytest

from app.delivery import client
from app.delivery.client import Egress
from app.delivery.names import Names

ONE_ADDRESS = (ip_network("127.0.0.2/32"),)
HOSTS = """
127.0.0.1 127.1 127.0.1 2130706433 017700000001 0177.0.0.1 0x7f.1 0x7f000001 0x7f.0.0.1 0 0.0.0.0 00.0.0.0
127.0.0.01 127.0.0.1. [::1] [::] [::ffff:127.0.0.1] [::ffff:7f00:1] [::127.0.0.1] [::ffff:0:7f00:1]
[64:ff9b::7f00:1] [64:ff9b:1::7f00:1] [2002:7f00:1::] [0:0:0:0:0:0:0:1] [::1%25lo] １２７.0.0.1 127。0。0。1 ①27.0.0.1
localhost localhost. LOCALHOST user@127.0.0.1 127.0.0.2@127.0.0.1 127.0.0.2:80@127.0.0.1 127.0.0.2#@127.0.0.1
127.0.0.2\\@127.0.0.1 127.0.0.3 127.255.255.254
"""
ANSWERS = """
127.0.0.1 127.0.0.3 0.0.0.0 10.0.0.1 169.254.169.254 168.63.129.16 192.0.0.8 192.0.0.192 192.88.99.1 100.100.100.200
224.0.0.1 255.255.255.255 ::1 :: ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:0:7f00:1 64:ff9b::7f00:1 64:ff9b:1::1
2002:7f00:1:: 2001:0:7f00:1:: 5f00::1 3fff::1 fec0::1 fe80::1%lo fd00:ec2::254 ff02::1 nonsense
"""


@pytest.fixture
async def inner(receive):
    """The listener that nobody may reach, on several loopback addresses but the allowed one."""
    receiver = await receive()
    others = []
    for host in ("127.0.0.3", "::1"):
        with suppress(OSError):  # a machine without IPv6
            others.append(await asyncio.start_server(receiver.serve, host, receiver.port))
    yield receiver
    for other in others:
        other.close()
    assert receiver.connections == 0


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", HOSTS.split())
async def test_no_spelling_of_loopback_reaches_a_listener(inner, scheme, host):
    async with Egress(ONE_ADDRESS) as egress:
        reply = await egress.post(f"{scheme}://{host}:{inner.port}/hook", {}, b"{}")
    assert reply.error in ("refused_url", "refused_address")
    assert (reply.status, reply.remote_ip, reply.ok) == (None, None, False)


@pytest.mark.parametrize("answer", ANSWERS.split())
async def test_no_answer_of_a_name_server_reaches_a_listener(inner, answer):
    async def lookup(host):
        return (answer,)

    async with Egress(ONE_ADDRESS, names=Names(lookup)) as egress:
        restricted = await egress.post(f"http://hooks.example.com:{inner.port}/", {}, b"{}")
        ordinary = await egress.post("https://hooks.example.com/", {}, b"{}")
    assert [restricted.error, ordinary.error] == ["refused_address"] * 2


@pytest.mark.parametrize(
    "answers", [("127.0.0.2", "127.0.0.1"), ("127.0.0.1", "127.0.0.2"), ("127.0.0.2", "::1"), ("127.0.0.2", "8.8.8.8")]
)
async def test_one_bad_answer_among_good_ones_refuses_them_all(receive, inner, answers):
    allowed = await receive(host="127.0.0.2", port=inner.port)

    async def lookup(host):
        return answers

    async with Egress(ONE_ADDRESS, names=Names(lookup)) as egress:
        reply = await egress.post(f"http://hooks.example.com:{inner.port}/", {}, b"{}")
    assert reply.error == "refused_address"
    assert allowed.connections == 0


async def test_a_name_that_turns_to_loopback_after_its_first_good_answer_is_refused(receive, inner):
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    allowed = await receive(closing, host="127.0.0.2", port=inner.port)
    answers = iter(["127.0.0.2", "127.0.0.1", "127.0.0.1"])

    async def lookup(host):
        return (next(answers),)

    async with Egress(ONE_ADDRESS, names=Names(lookup, keep_seconds=0)) as egress:
        replies = [await egress.post(f"http://hooks.example.com:{inner.port}/", {}, b"{}") for _ in range(3)]
    assert [reply.error for reply in replies] == [None, "refused_address", "refused_address"]
    assert allowed.connections == 1


async def test_the_name_is_asked_once_per_connection_so_check_and_use_cannot_differ(receive, inner):
    allowed = await receive(host="127.0.0.2", port=inner.port)
    asked = []

    async def lookup(host):
        asked.append(host)
        return ("127.0.0.2",) if len(asked) == 1 else ("127.0.0.1",)

    async with Egress(ONE_ADDRESS, names=Names(lookup, keep_seconds=0)) as egress:
        reply = await egress.post(f"http://hooks.example.com:{inner.port}/", {}, b"{}")
    assert (reply.ok, reply.remote_ip, len(asked)) == (True, "127.0.0.2", 1)
    assert allowed.connections == 1


async def test_the_socket_factory_refuses_what_a_broken_resolver_lets_through(inner, monkeypatch):
    async def unchecked(self, host, port=0, family=0):
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": family, "proto": 0, "flags": 0}]

    monkeypatch.setattr(client._CheckedResolver, "resolve", unchecked)
    async with Egress(ONE_ADDRESS) as egress:
        reply = await egress.post(f"http://hooks.example.com:{inner.port}/", {}, b"{}")
    assert reply.error == "refused_address"


async def test_the_socket_factory_refuses_what_a_broken_parser_lets_through(inner, monkeypatch):
    monkeypatch.setattr("app.delivery.urls.is_within", lambda *_: True)
    async with Egress(ONE_ADDRESS) as egress:
        for host in ("127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"):
            # a path of its own, because the parser remembers what it has read
            reply = await egress.post(f"http://{host}:{inner.port}/broken-parser", {}, b"{}")
            assert reply.error == "refused_address"
