"""Two API processes under constant requests while keys rotate, and while a partner is suspended."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import jwt
import pytest

from tests.api.identity_world import Process, a_vendor, slug
from tests.world import a_world, lead_body

REQUESTS_A_TOKEN = 7


@dataclass
class Caller:
    """Asks one process for a token, uses it at both, and asks for the next one."""

    client: dict
    processes: tuple[Process, Process]
    statuses: Counter[int] = field(default_factory=Counter)
    kids: list[str] = field(default_factory=list)
    stopped: bool = False

    async def run(self) -> None:
        turn = 0
        while not self.stopped:
            turn += 1
            answer = await self.processes[turn % 2].token(self.client)
            self.statuses[answer.status_code] += 1
            token = answer.json()["access_token"]
            self.kids.append(jwt.get_unverified_header(token)["kid"])
            for n in range(REQUESTS_A_TOKEN):
                headers = {"Authorization": f"Bearer {token}"}
                answer = await self.processes[n % 2].http.get("/v1/me", headers=headers)
                self.statuses[answer.status_code] += 1


async def until(condition, why: str) -> None:
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.005)
    pytest.fail(why)


async def test_keys_rotate_under_load_without_one_refusal(no_keys, api, second, admin, sql):
    processes = (api, second)
    callers = [Caller((await a_vendor(api, admin))[1], processes) for _ in range(6)]
    tasks = [asyncio.create_task(caller.run()) for caller in callers]
    await until(lambda: all(caller.kids for caller in callers), "the callers did not begin")
    used = set()
    for _ in range(5):
        old, new = await sql.fetch("select kid from baton.signing_key where retires_at is null or retires_at > now() "
                                   "order by active_from")  # fmt: skip
        # The period of the key that signs is over, as it would be after 90 days. One process hears of it first.
        await sql.execute("update baton.signing_key set active_from = now() where kid = $1", new["kid"])
        for process in processes:
            process.clock.now += 16
            await until(lambda p=process, k=new["kid"]: p.issuer._keys.active.kid == k, "a process did not change over")
        seen = [len(caller.kids) for caller in callers]
        await until(
            lambda seen=seen: all(len(c.kids) > n + 1 for c, n in zip(callers, seen, strict=True)),
            "the callers did not change over",
        )
        # Nobody holds a token of the old key any more, as nobody would after the overlap: now it goes for good.
        await sql.execute("update baton.signing_key set retires_at = now() where kid = $1", old["kid"])
        for process in processes:
            process.clock.now += 16
            await until(
                lambda p=process, k=old["kid"]: k not in p.issuer.verifier._keys, "a retired key is trusted still"
            )
        used |= {old["kid"], new["kid"]}
    for caller in callers:
        caller.stopped = True
    await asyncio.gather(*tasks)
    total = sum((caller.statuses for caller in callers), Counter())
    assert set(total) == {200}, total
    assert total[200] > 300
    assert set().union(*(caller.kids for caller in callers)) == used
    assert len(used) == 6


async def test_a_suspended_partner_is_out_everywhere_within_30_seconds(api, second, admin):
    partner, vendor = await a_vendor(api, admin, roles=["admin", "partner"])
    token = (await api.token(vendor)).json()["access_token"]
    sent = {"Authorization": f"Bearer {token}"}

    async def uses(process: Process) -> set[int]:
        """Ask for what a partner may do with its token, of every kind of route."""
        answers = [
            await process.http.get("/v1/me", headers=sent),
            await process.http.get("/v1/clients", headers=sent),
            await process.http.post("/v1/clients", json={"name": "x", "roles": ["partner"]}, headers=sent),
        ]
        return {answer.status_code for answer in answers}

    for process in (api, second):
        assert await uses(process) == {200, 201}
    path = f"/v1/partners/{partner['id']}"
    patched = await api.call(admin, "PATCH", path, {"status": "suspended"}, If_Match=partner["etag"])
    assert patched.status_code == 200
    out: dict[int, int] = {}
    for second_passed in range(1, 31):
        for number, process in enumerate((api, second)):
            process.clock.now += 1
            statuses = await uses(process)
            await asyncio.sleep(0.01)  # the renewal runs beside the requests
            if statuses == {403}:
                out.setdefault(number, second_passed)
            else:
                assert number not in out, "let in again"
    assert out.keys() == {0, 1}
    assert max(out.values()) <= 26
    for process in (api, second):
        assert (await process.token(vendor)).json()["error"] == "unauthorized_client"
        answer = await process.http.post("/oauth/introspect", data={"token": token}, auth=basic(admin))
        assert answer.json() == {"active": False}


def basic(client: dict) -> tuple[str, str]:
    return client["client_id"], client["client_secret"]


async def test_an_import_breaks_off_when_its_partner_is_suspended(database_url, master_keys):
    async with a_world(database_url, master_keys) as world:
        partner = await world.organization("partner_a")
        path = f"/v1/partners/{partner}"
        tag = (await world.call("admin", "GET", path)).headers["etag"]
        taken = "select count(*) from baton.lead where external_id like 'I-%'"

        async def rows() -> AsyncIterator[bytes]:
            for n in range(150):
                yield json.dumps(lead_body(f"I-{n}")).encode() + b"\n"
            while await world.admin.fetchval(taken) < 100:  # noqa: ASYNC110  # it is the database that knows
                await asyncio.sleep(0.01)
            headers = {"If-Match": tag}
            answer = await world.call("admin", "PATCH", path, {"status": "suspended"}, headers=headers)
            assert answer.status_code == 200, answer.text
            world.app.state.issuer._read_at -= 30  # as if half a minute had gone by
            for n in range(150, 400):
                yield json.dumps(lead_body(f"I-{n}")).encode() + b"\n"
                await asyncio.sleep(0)

        headers = {"Content-Type": "application/x-ndjson"}
        answer = await world.call("partner_a", "POST", "/v1/lead-imports", content=rows(), headers=headers)
        assert slug(answer) == (403, "partner-suspended")
        assert await world.admin.fetchval(taken) == 100
        assert await world.admin.fetchval("select status from baton.lead_import") == "aborted"
