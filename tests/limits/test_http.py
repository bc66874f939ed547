"""What callers see of the limits: fields, refusals, whose count it is, and what a stranger can do about it."""

import asyncio
import math
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_network
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest

from app.domain.ids import Prefix, read, show
from app.security.keyring import MasterKeys
from tests.world import World, a_world, lead_body, random_id

FIELD = re.compile(r'"(\w+)";r=(\d+);t=(\d+)')
PROBLEM = "application/problem+json; charset=utf-8"


@pytest.fixture(scope="module")
async def world(database_url: str, master_keys: MasterKeys) -> AsyncIterator[World]:
    quotas = {"rate_default": 40, "rate_write": 30, "rate_bulk": 2, "rate_token": 20, "rate_address": 25}
    async with a_world(database_url, master_keys, **quotas) as held:
        yield held


@pytest.fixture(autouse=True)
async def fresh(world: World) -> None:
    """Begin every test with tokens in hand and all counts restored, here and in the database."""
    for who in ("partner_a", "partner_b", "admin"):
        await world.token(who)
    await world.admin.execute("delete from baton.client_limit; delete from baton.organization_limit")
    await restore(world)


async def restore(world: World) -> None:
    await world.admin.execute("truncate baton.permit")
    limiter = world.app.state.limiter
    limiter._held.clear()
    limiter._failed_until = -math.inf


def client_uuid(world: World, who: str) -> UUID:
    found = read(Prefix.CLIENT, world.clients[who]["client_id"])
    assert found is not None
    return found


def left(answer: httpx2.Response) -> tuple[str, int, int]:
    found = FIELD.fullmatch(answer.headers["RateLimit"])
    assert found, answer.headers
    return found[1], int(found[2]), int(found[3])


def limited(answer: httpx2.Response) -> bool:
    if answer.status_code != 429:
        return False
    assert answer.headers["content-type"] == PROBLEM
    assert answer.json()["type"] == "/problems/rate-limited"
    assert int(answer.headers["Retry-After"]) >= 1
    return True


async def test_answers_tell_a_client_its_own_count_by_draft_11(world: World) -> None:
    first = await world.call("partner_a", "GET", "/v1/me")
    assert first.headers["RateLimit-Policy"] == '"default";q=40;w=60'
    assert left(first) == ("default", 39, 2)
    refused = await world.call("partner_a", "GET", "/v1/partners")  # 403 counts as well
    assert (refused.status_code, left(refused)) == (403, ("default", 38, 3))
    invalid = await world.call("partner_a", "POST", "/v1/leads", {"program": "none"})
    assert (invalid.status_code, left(invalid)[:2]) == (422, ("write", 29))
    assert invalid.headers["RateLimit-Policy"] == '"write";q=30;w=60'


async def test_whoever_is_not_known_is_told_nothing(world: World) -> None:
    for answer in (
        await world.http.get("/v1/me"),
        await world.http.get("/v1/me", headers={"Authorization": "Bearer x"}),
        await world.http.get("/health/live"),
        await world.log_in("partner_a"),
        await world.http.post("/oauth/token", data={"grant_type": "client_credentials"}),
    ):
        assert not {"ratelimit", "ratelimit-policy"} & set(answer.headers)


async def test_beyond_the_quota_is_429_for_this_client_and_policy_alone(world: World) -> None:
    answers = [await world.call("partner_a", "GET", "/v1/me") for _ in range(45)]
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(200) in (40, 41)  # one may be restored meanwhile
    refused = next(answer for answer in answers if limited(answer))
    assert left(refused) == ("default", 0, 60)
    assert refused.headers["RateLimit-Policy"] == '"default";q=40;w=60'
    assert int(refused.headers["Retry-After"]) <= 2
    assert refused.headers["Cache-Control"] == "no-store"
    other = await world.call("partner_b", "GET", "/v1/me")
    assert left(other) == ("default", 39, 2)  # of the same tenant, and nothing of A's shows
    assert (await world.call("partner_a", "POST", "/v1/leads", {"program": "x"})).status_code == 422


async def test_a_refused_request_changes_nothing_and_its_key_stays_free(world: World) -> None:
    body, headers = lead_body("L-1"), {"Idempotency-Key": "limited"}
    for _ in range(31):
        await world.call("partner_a", "POST", "/v1/leads", {"program": "x"})
    before = await world.rows()
    assert limited(await world.call("partner_a", "POST", "/v1/leads", body, headers=headers))
    assert await world.rows() == before
    await restore(world)
    again = await world.call("partner_a", "POST", "/v1/leads", body, headers=headers)
    assert (again.status_code, again.headers.get("Idempotent-Replayed")) == (201, None)


async def test_ids_that_vary_in_the_path_open_no_new_bucket(world: World) -> None:
    paths = [f"/v1/leads/{random_id('lead_x')}" for _ in range(60)]
    answers = [
        await world.call("partner_a", "GET", path, params={"expand": "notes"} if n % 2 else None)
        for n, path in enumerate(paths)
    ]
    assert sum(answer.status_code == 404 for answer in answers) in (40, 41)
    assert all(limited(answer) for answer in answers if answer.status_code != 404)
    figures = dict(
        line.rsplit(" ", 1) for line in (await world.http.get("/metrics")).text.splitlines() if line[0] != "#"
    )
    assert int(figures['baton_rate_limited_total{policy="default"}']) >= 19
    rows = await world.admin.fetchval("select count(*) from baton.permit")
    assert rows == 1


async def test_a_spoofed_forwarded_address_opens_no_new_bucket(world: World) -> None:
    answers = [
        await world.http.post(
            "/oauth/token",
            data={"grant_type": "client_credentials", "client_id": show(Prefix.CLIENT, uuid4()), "client_secret": "x"},
            headers={
                "X-Forwarded-For": f"198.51.100.{n}",
                "Forwarded": f"for=198.51.100.{n}",
                "X-Real-IP": f"198.51.100.{n}",
            },
        )
        for n in range(35)
    ]
    assert [answer.status_code for answer in answers].count(401) in range(25, 29)
    assert all(limited(answer) for answer in answers if answer.status_code != 401)
    assert await world.admin.fetchval("select array_agg(subject) from baton.permit where policy = 'address'") == [
        "127.0.0.1"
    ]


async def test_who_guesses_codes_of_invitations_is_counted_by_address(world: World) -> None:
    guesses = [await world.http.post("/v1/invitations/redeem", json={"code": f"bt_in_{n}"}) for n in range(35)]
    assert [answer.status_code for answer in guesses].count(404) in range(25, 29)
    assert all(limited(answer) for answer in guesses if answer.status_code != 404)


async def test_behind_a_trusted_proxy_each_caller_has_its_own_count(world: World) -> None:
    edge = world.app.state.edge
    world.app.state.edge = replace(edge, trusted_proxies=(ip_network("127.0.0.0/8"),))
    try:
        for hops in ("203.0.113.9", "6.6.6.6, 203.0.113.9", "7.7.7.7, 203.0.113.9"):
            await world.http.post("/oauth/token", data={"x": "y"}, headers={"X-Forwarded-For": hops})
        for last in ("2001:db8:1:2::1", "2001:db8:1:2:ffff::2"):
            await world.http.post("/oauth/token", data={"x": "y"}, headers={"X-Forwarded-For": last})
    finally:
        world.app.state.edge = edge
    subjects = await world.admin.fetchval(
        "select array_agg(subject order by subject) from baton.permit where policy = 'address'"
    )
    assert subjects == ["2001:db8:1:2::/64", "203.0.113.9"]


async def test_a_client_that_guesses_secrets_meets_429_wherever_it_writes_its_name(world: World) -> None:
    client = world.clients["partner_b"]
    await world.admin.execute("insert into baton.client_limit select tenant_id, id, 'token', 3 from baton.client where id = $1", client_uuid(world, "partner_b"))  # fmt: skip
    form = {"grant_type": "client_credentials", "client_secret": "guess"}
    guesses = [
        await world.http.post("/oauth/token", data={**form, "client_id": client["client_id"]}),
        await world.http.post(
            "/oauth/token", data={"grant_type": "client_credentials"}, auth=(client["client_id"], "guess")
        ),
        await world.http.post("/oauth/token", data={**form, "client_id": client["client_id"]}),
    ]
    assert [answer.status_code for answer in guesses] == [401, 401, 401]
    refused = await world.log_in("partner_b")
    assert limited(refused)
    assert int(refused.headers["Retry-After"]) <= 20
    assert (await world.log_in("partner_a")).status_code == 200


async def test_imports_have_a_count_of_their_own(world: World) -> None:
    headers = {"Content-Type": "application/x-ndjson"}
    answers = [
        await world.call("partner_a", "POST", "/v1/lead-imports", content=b"{}", headers=headers) for _ in range(3)
    ]
    assert [answer.status_code for answer in answers] == [201, 201, 429]
    assert answers[0].headers["RateLimit-Policy"] == '"bulk";q=2;w=60'
    assert 1 <= int(answers[2].headers["Retry-After"]) <= 30


async def test_an_outage_of_the_count_lets_reads_pass_and_stops_imports_and_tokens(world: World, monkeypatch) -> None:
    async def lost(*_, **__):
        raise asyncpg.ConnectionDoesNotExistError

    monkeypatch.setattr(world.app.state.database.__class__, "single", lost)
    read_ = await world.call("partner_a", "GET", "/v1/me")
    assert (read_.status_code, "RateLimit" in read_.headers) == (200, False)
    assert (await world.call("partner_a", "POST", "/v1/leads", lead_body("L-2"))).status_code == 201
    headers = {"Content-Type": "application/x-ndjson"}
    bulk = await world.call("partner_a", "POST", "/v1/lead-imports", content=b"{}", headers=headers)
    token = await world.log_in("partner_a")
    for answer in (bulk, token):
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        assert answer.json()["type"] == "/problems/overloaded"


async def test_requests_at_once_pass_exactly_as_often_as_the_policy_says(world: World) -> None:
    answers = await asyncio.gather(*(world.call("partner_a", "GET", "/v1/me") for _ in range(80)))
    assert sum(answer.status_code == 200 for answer in answers) in (40, 41)
    assert all(limited(answer) for answer in answers if answer.status_code != 200)


async def set_limits(world: World, path: str, limits: object, who: str = "admin") -> httpx2.Response:
    tag = (await world.call(who, "GET", path)).headers["ETag"]
    return await world.call(who, "PATCH", path, {"limits": limits}, headers={"If-Match": tag})


async def test_an_admin_sets_and_reads_the_figures_of_a_client(world: World) -> None:
    path = f"/v1/clients/{world.clients['partner_a']['client_id']}"
    shown = (await world.get("admin", path))["limits"]
    assert shown == {"default": None, "write": None, "bulk": None, "token": None}
    set_ = await set_limits(world, path, {"default": 7, "bulk": 9})
    assert (set_.status_code, set_.json()["limits"]) == (200, {"default": 7, "write": None, "bulk": 9, "token": None})
    assert (await world.get("admin", path))["limits"] == set_.json()["limits"]
    listed = await world.get("admin", f"/v1/partners/{await world.organization('partner_a')}/clients")
    held = {item["client_id"]: item["limits"] for item in listed["items"]}
    assert held[world.clients["partner_a"]["client_id"]] == set_.json()["limits"]
    await restore(world)
    answers = [await world.call("partner_a", "GET", "/v1/me") for _ in range(9)]
    assert [answer.status_code for answer in answers] == [200] * 7 + [429] * 2
    assert answers[0].headers["RateLimit-Policy"] == '"default";q=7;w=60'
    assert (await world.call("partner_b", "GET", "/v1/me")).headers["RateLimit-Policy"] == '"default";q=40;w=60'
    back = await set_limits(world, path, {"default": None})
    assert back.json()["limits"] == {"default": None, "write": None, "bulk": 9, "token": None}
    same = await set_limits(world, path, {"bulk": 9})
    assert same.headers["ETag"] == back.headers["ETag"]


async def test_a_figure_is_felt_by_a_process_that_holds_a_lease_of_the_old_one(world: World) -> None:
    path = f"/v1/clients/{world.clients['partner_a']['client_id']}"
    await world.call("partner_a", "GET", "/v1/me")
    await set_limits(world, path, {"default": 2})
    answers = [await world.call("partner_a", "GET", "/v1/me") for _ in range(4)]
    assert [answer.status_code for answer in answers].count(200) <= 2


async def test_a_partners_figures_hold_for_its_clients_without_their_own(world: World) -> None:
    partner = f"/v1/partners/{await world.organization('partner_b')}"
    set_ = await set_limits(world, partner, {"default": 11, "write": 12})
    assert set_.json()["limits"] == {"default": 11, "write": 12, "bulk": None, "token": None}
    await set_limits(world, f"/v1/clients/{world.clients['partner_b']['client_id']}", {"write": 13})
    await restore(world)
    reading = await world.call("partner_b", "GET", "/v1/me")
    writing = await world.call("partner_b", "POST", "/v1/leads", {})
    assert reading.headers["RateLimit-Policy"] == '"default";q=11;w=60'
    assert writing.headers["RateLimit-Policy"] == '"write";q=13;w=60'
    assert (await world.call("partner_a", "GET", "/v1/me")).headers["RateLimit-Policy"] == '"default";q=40;w=60'
    await set_limits(world, partner, {"default": None, "write": None})
    assert (await world.get("admin", partner))["limits"]["default"] is None


@pytest.mark.parametrize(
    "limits",
    [{"default": 0}, {"write": 600_001}, {"bulk": "9"}, {"token": 1.5}, {"address": 5}, None, 5, {"default": True}],
)
async def test_a_figure_out_of_bounds_is_refused(world: World, limits: object) -> None:
    for path in (
        f"/v1/clients/{world.clients['partner_a']['client_id']}",
        f"/v1/partners/{await world.organization('partner_a')}",
    ):
        refused = await set_limits(world, path, limits)
        assert refused.status_code == 422, refused.text
        assert refused.json()["errors"][0]["pointer"].startswith("/limits")


async def test_a_partner_cannot_raise_its_own_figures(world: World) -> None:
    await world.add_client("a_admin", partner_of="partner_a", roles=["partner", "admin"])
    await restore(world)
    made = await world.post("a_admin", "/v1/clients", {"name": "own", "roles": ["partner"]}, status=201)
    refused = await set_limits(world, f"/v1/clients/{made['client_id']}", {"write": 600_000}, who="a_admin")
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/not-permitted")
    count = await world.admin.fetchval("select count(*) from baton.client_limit")
    assert count == 0
