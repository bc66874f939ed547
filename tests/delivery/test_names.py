"""Name look-up: shared, kept for a short time, dropped when it led nowhere."""

import asyncio
import socket
from ipaddress import ip_network

import pytest

from app.delivery.client import Egress
from app.delivery.names import Names

LOOPBACK = (ip_network("127.0.0.0/8"),)


class Server:
    """A name server that counts."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, _host):
        self.asked += 1
        await asyncio.sleep(0.01)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, OSError):
            raise answer
        return answer


async def test_callers_at_the_same_time_share_one_look_up_and_later_ones_its_answer():
    server = Server(("192.0.2.1",))
    names = Names(server)
    found = await asyncio.gather(*(names.addresses("a.example") for _ in range(20)))
    found.append(await names.addresses("a.example"))
    assert found == [("192.0.2.1",)] * 21
    assert server.asked == 1


async def test_one_caller_that_gives_up_takes_the_answer_from_nobody():
    names = Names(Server(("192.0.2.1",)))
    impatient = asyncio.create_task(names.addresses("a.example"))
    await asyncio.sleep(0)
    patient = asyncio.create_task(names.addresses("a.example"))
    await asyncio.sleep(0)
    impatient.cancel()
    assert await patient == ("192.0.2.1",)


async def test_an_answer_is_kept_only_so_long():
    server = Server(("192.0.2.1",), ("192.0.2.2",))
    names = Names(server, keep_seconds=0.05)
    first = await names.addresses("a.example")
    await asyncio.sleep(0.06)
    assert (first, await names.addresses("a.example")) == (("192.0.2.1",), ("192.0.2.2",))


async def test_a_failure_is_not_kept_and_an_empty_answer_is_a_failure():
    names = Names(Server(OSError("no such name"), (), ("192.0.2.1",)))
    for _ in range(2):
        with pytest.raises(OSError):  # noqa: PT011
            await names.addresses("a.example")
    assert await names.addresses("a.example") == ("192.0.2.1",)


async def test_an_address_that_did_not_answer_is_asked_for_again():
    server = Server(("127.0.0.1",))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://hooks.example.com:{free.getsockname()[1]}/"
        async with Egress(LOOPBACK, names=Names(server)) as egress:
            replies = [await egress.post(url, {}, b"") for _ in range(2)]
    assert [reply.error for reply in replies] == ["connect"] * 2
    assert server.asked == 2


async def test_the_systems_own_names_are_found():
    assert "127.0.0.1" in await Names().addresses("localhost")


async def test_a_name_that_the_system_does_not_know_is_an_error():
    with pytest.raises(OSError):  # noqa: PT011
        await Names(patience_seconds=1).addresses("no-such-host.invalid")
