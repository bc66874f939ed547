"""Every row of the HTTP contract (security.md 1.3 and 1.4) against the running application, each as its callers meet it."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx2
import pytest
from fastapi import APIRouter

from app.routers.edge import BatonRoute, Deprecation, JSONBytes, UndeclaredRouteError, document, include, opens
from app.routers.refusals import InternalError
from app.security.keyring import MasterKeys
from app.security.tokens import issue
from tests.world import World, a_world, lead_body, random_id

PROBLEM: Final = "application/problem+json; charset=utf-8"
JSON: Final = {"Content-Type": "application/json"}
REALM: Final = 'Bearer realm="baton"'
CANARY: Final = "kanarienvogel"
ALIVE: Final = {"If-Match": '"1"'}

SINCE: Final = datetime(2027, 1, 1, tzinfo=UTC)
SUNSET: Final = datetime(2028, 3, 1, tzinfo=UTC)
PAGE: Final = "https://baton.example/changes#old"

retired = APIRouter(prefix="/v1/rows", route_class=BatonRoute)


@retired.get("/old", responses=document())
@opens("leads:read", deprecated=Deprecation(since=SINCE, sunset=SUNSET, page=PAGE))
async def read_old() -> JSONBytes:
    return JSONBytes({"old": True})


@retired.get("/broken")
@opens("leads:read")
async def read_broken() -> JSONBytes:
    raise RuntimeError(CANARY)


@pytest.fixture(scope="module")
async def world(database_url: str, master_keys: MasterKeys) -> AsyncIterator[World]:
    async with a_world(database_url, master_keys) as held:
        include(held.app, retired)
        await held.add_client("reader", partner_of="partner_a", roles=["partner"], scopes=["leads:read"])
        lead = await held.post("partner_a", "/v1/leads", lead_body("ROW-1"), status=201)
        held.tokens["_lead"] = lead["id"]
        yield held


@dataclass(frozen=True)
class Row:
    """A request, the refusal that it meets and what stands in its headers."""

    about: str
    status: int
    slug: str
    method: str = "GET"
    path: str = "/v1/me"
    who: str | None = "partner_a"
    content: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()
    answers: Mapping[str, str] = field(default_factory=dict)


def post(
    about: str, status: int, slug: str, content: bytes | None = b"{}", path: str = "/v1/leads", **more: Any
) -> Row:
    headers = more.pop("headers", tuple(JSON.items()))
    return Row(about, status, slug, "POST", path, content=content, headers=headers, **more)


def patch(about: str, status: int, slug: str, tag: str | None) -> Row:
    headers = (*JSON.items(), *((("If-Match", tag),) if tag is not None else ()))
    return Row(about, status, slug, "PATCH", "/v1/leads/$lead", content=b'{"context":{}}', headers=headers)


def malformed(about: str, content: bytes) -> Row:
    return post(about, 400, "malformed-body", content)


INVALID: Final = {"WWW-Authenticate": f'{REALM}, error="invalid_token"'}
MISPLACED: Final = {"WWW-Authenticate": f'{REALM}, error="invalid_request"'}

ROWS: Final = [
    Row("no credentials", 401, "unauthenticated", who=None, answers={"WWW-Authenticate": REALM}),
    Row("a scheme that is not Bearer", 401, "unauthenticated", who=None, headers=(("Authorization", "Basic eDp4"),), answers={"WWW-Authenticate": REALM}),
    Row("a malformed token", 401, "unauthenticated", who=None, headers=(("Authorization", f"Bearer {CANARY}"),), answers=INVALID),
    Row("a token of 5 KiB", 401, "unauthenticated", who=None, headers=(("Authorization", "Bearer " + "e" * 5120),), answers=INVALID),
    post("a scope too few", 403, "insufficient-scope", who="reader", answers={"WWW-Authenticate": f'{REALM}, error="insufficient_scope", scope="leads:write"'}),
    Row("a token in the query", 400, "invalid-request", path=f"/v1/me?access_token={CANARY}", answers=MISPLACED),
    Row("a token in the query and none in the header", 400, "invalid-request", who=None, path=f"/v1/me?access_token={CANARY}", answers=MISPLACED),
    Row("two credentials", 400, "invalid-request", headers=(("Authorization", f"Bearer {CANARY}"),), answers=MISPLACED),
    Row("an unknown id", 404, "not-found", path="/v1/leads/$random"),
    Row("an object of another partner", 404, "not-found", path="/v1/leads/$lead", who="partner_b"),
    Row("an object of another tenant", 404, "not-found", path="/v1/leads/$lead", who="other_tenant_partner"),
    Row("no id at all", 404, "not-found", path=f"/v1/leads/{CANARY}"),
    Row("an unknown path", 404, "not-found", path=f"/v1/{CANARY}"),
    Row("a slash at the end", 404, "not-found", path="/v1/me/"),
    Row("a function that is not for the role", 403, "not-permitted", path="/v1/assurance/ownership", who="sales"),
    malformed("broken JSON", f'{{"{CANARY}'.encode()),
    malformed("an escaped NUL", f'{{"name":"{CANARY}\\u0000"}}'.encode()),
    malformed("a lone surrogate", f'{{"name":"{CANARY}\\ud800"}}'.encode()),
    malformed("NaN", b'{"name":NaN}'),
    malformed("duplicate keys", f'{{"{CANARY}":1,"{CANARY}":2}}'.encode()),
    malformed("33 levels", b"[" * 33 + b"]" * 33),
    malformed("no body", b""),
    post("an unknown field", 422, "validation-failed", f'{{"{CANARY} key!":1}}'.encode()),
    post("a missing field", 422, "validation-failed", b"{}"),
    post("an integer over 64 bits", 422, "validation-failed", b'{"to_role":"technical","limit":18446744073709551616}', "/v1/handovers/pull", who="sales"),
    post("another media type", 415, "unsupported-media-type", CANARY.encode(), headers=(("Content-Type", "text/plain"),), answers={"Accept-Post": "application/json"}),
    Row("another media type of a patch", 415, "unsupported-media-type", "PATCH", "/v1/leads/$lead", content=b"x", headers=(("Content-Type", "text/plain"), ("If-Match", '"x"')), answers={"Accept-Patch": "application/merge-patch+json, application/json"}),
    post("a compressed body", 415, "unsupported-media-type", b"\x1f\x8b", headers=(*JSON.items(), ("Content-Encoding", "gzip"))),
    Row("nothing acceptable", 406, "not-acceptable", headers=(("Accept", "image/png"),)),
    post("a body of 256 KiB and a byte", 413, "payload-too-large", b" " * (256 * 1024 + 1)),
    post("an import of 5 MiB and a byte", 413, "payload-too-large", b"\n" * (5 * 1024 * 1024 + 1), "/v1/lead-imports", headers=(("Content-Type", "application/x-ndjson"),)),
    Row("a long address", 414, "uri-too-long", path="/v1/leads?q=" + "x" * 8200),
    Row("large headers", 431, "headers-too-large", headers=(("X-Large", "x" * 33_000),)),
    Row("a method that is not defined", 405, "method-not-allowed", "PUT", "/v1/leads", content=b"{}", answers={"Allow": "GET, POST"}),
    Row("DELETE where there is only a list", 405, "method-not-allowed", "DELETE", "/v1/events", answers={"Allow": "GET"}),
    Row("TRACE", 405, "method-not-allowed", "TRACE", "/v1/me", answers={"Allow": "GET"}),
    post("a method of another header", 422, "validation-failed", b'{"x":1}', headers=(*JSON.items(), ("X-HTTP-Method-Override", "GET"))),
    post("an empty key", 400, "invalid-request", headers=(*JSON.items(), ("Idempotency-Key", '""'))),
    post("a key with a space", 400, "invalid-request", headers=(*JSON.items(), ("Idempotency-Key", "a b"))),
    post("a key of 256", 400, "invalid-request", headers=(*JSON.items(), ("Idempotency-Key", "k" * 256))),
    post("two keys", 400, "invalid-request", headers=(*JSON.items(), ("Idempotency-Key", "a"), ("Idempotency-Key", "b"))),
    patch("no If-Match", 428, "precondition-required", None),
    Row("no If-Match of DELETE", 428, "precondition-required", "DELETE", "/v1/webhook-endpoints/whe_x"),
    patch("a stale tag", 412, "stale-version", '"p0"'),
    patch("a weak tag", 412, "stale-version", 'W/"p1"'),
    patch("a star", 412, "stale-version", "*"),
    patch("two tags", 412, "stale-version", '"p1", "p2"'),
    Row("a cursor that was made up", 400, "invalid-cursor", path=f"/v1/leads?cursor={CANARY}"),
    Row("a page of none", 422, "validation-failed", path="/v1/leads?limit=0"),
    Row("a page of less than none", 422, "validation-failed", path="/v1/leads?limit=-1"),
    Row("an unknown parameter", 422, "validation-failed", path=f"/v1/leads?{CANARY}-7=1"),
    Row("a repeated parameter", 422, "validation-failed", path="/v1/leads?limit=1&limit=2"),
    Row("a bug", 500, "internal", path="/v1/rows/broken"),
]  # fmt: skip


async def send(world: World, row: Row) -> httpx2.Response:
    path = row.path.replace("$lead", world.tokens["_lead"]).replace("$random", random_id("lead_x"))
    headers = list(row.headers)
    if row.who is not None:
        headers.append(("Authorization", f"Bearer {await world.token(row.who)}"))
    return await world.http.request(row.method, path, content=row.content, headers=headers)


def holds_always(answer: httpx2.Response) -> None:
    """Hold what the contract wants of every response."""
    assert re.fullmatch(r"req_[0-9a-f]{32}", answer.headers["Request-Id"])
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"]
    if answer.content:
        assert "charset=utf-8" in answer.headers["Content-Type"].lower()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.about)
async def test_each_refusal_is_the_one_of_its_row(world: World, row: Row, caplog: pytest.LogCaptureFixture) -> None:
    answer = await send(world, row)
    holds_always(answer)
    assert (answer.status_code, answer.headers["Content-Type"]) == (row.status, PROBLEM), answer.text
    problem = answer.json()
    assert problem["type"] == f"/problems/{row.slug}"
    assert (problem["status"], problem["request_id"]) == (row.status, answer.headers["Request-Id"])
    assert (bool(problem["title"]), bool(problem["detail"])) == (True, True)
    for name, value in row.answers.items():
        assert answer.headers[name] == value
    assert answer.headers["Cache-Control"] == "no-store"
    assert CANARY not in answer.text + str(answer.headers) + caplog.text
    assert not set(problem) & {"input", "ctx", "loc"}


async def test_expired_revoked_malformed_and_foreign_tokens_have_one_body(world: World) -> None:
    issuer = world.app.state.issuer
    key, url = issuer._keys.active, issuer.url
    claims = issuer.verifier.verify(await world.token("partner_a"))
    now = claims.issued_at
    tokens = {
        "expired": issue(key, claims.actor, issuer=url, audience=url, now=now - 3600),
        "another audience": issue(key, claims.actor, issuer=url, audience="https://elsewhere.example", now=now),
        "another issuer": issue(key, claims.actor, issuer="https://elsewhere.example", audience=url, now=now),
        "malformed": "a.b.c",
        "nothing like one": "x" * 5000,
    }
    revoked = (await world.log_in("partner_a")).json()["access_token"]
    client = world.clients["partner_a"]
    ended = await world.http.post(
        "/oauth/revoke", data={"token": revoked}, auth=(client["client_id"], client["client_secret"])
    )
    assert ended.status_code == 200
    bodies = []
    for token in (*tokens.values(), revoked):
        answer = await world.http.get("/v1/me", headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, INVALID["WWW-Authenticate"])
        bodies.append({name: value for name, value in answer.json().items() if name != "request_id"})
    assert all(body == bodies[0] for body in bodies)
    assert "error" not in (await world.http.get("/v1/me")).headers["WWW-Authenticate"]


async def test_foreign_and_random_ids_differ_in_nothing(world: World) -> None:
    def shown(answer: httpx2.Response) -> tuple[Any, ...]:
        own = {"request-id", "date", "ratelimit"}
        headers = {name: value for name, value in answer.headers.items() if name not in own}
        return answer.status_code, headers, {**answer.json(), "request_id": ""}

    for who in ("partner_b", "other_tenant_partner", "other_tenant_admin"):
        for method, headers in (("GET", {}), ("PATCH", {**JSON, "If-Match": '"p1"'})):
            content = b'{"context":{}}' if method == "PATCH" else None
            foreign = await world.call(
                who, method, f"/v1/leads/{world.tokens['_lead']}", headers=headers, content=content
            )
            unknown = await world.call(
                who, method, f"/v1/leads/{random_id('lead_x')}", headers=headers, content=content
            )
            assert shown(foreign) == shown(unknown)


async def test_an_unhandled_error_says_nothing_but_where_the_log_has_it(world: World) -> None:
    answer = await world.call("partner_a", "GET", "/v1/rows/broken")
    problem = answer.json()
    assert set(problem) == {"type", "title", "status", "detail", "request_id"}
    assert problem["detail"] == "Something unforeseen happened; the request_id finds it in Baton's log."
    assert InternalError.slug in problem["type"]


# --- Idempotency-Key


async def keyed(world: World, key: str, body: Any, who: str = "partner_a", path: str = "/v1/leads") -> httpx2.Response:
    return await world.call(who, "POST", path, body, headers={"Idempotency-Key": key})


async def test_the_same_key_answers_the_same_bare_or_quoted(world: World) -> None:
    first = await keyed(world, "row-key", lead_body("ROW-2"))
    again = await keyed(world, '"row-key"', lead_body("ROW-2"))
    assert (first.status_code, again.status_code, again.content) == (201, 201, first.content)
    assert [again.headers[name] for name in ("Location", "ETag")] == [
        first.headers[name] for name in ("Location", "ETag")
    ]
    assert (first.headers.get("Idempotent-Replayed"), again.headers["Idempotent-Replayed"]) == (None, "true")
    assert first.headers["Request-Id"] != again.headers["Request-Id"]
    holds_always(again)


async def test_a_key_with_another_body_path_or_query_is_422_without_the_stored_answer(world: World) -> None:
    await keyed(world, "row-other", lead_body("ROW-3"))
    place = f"/v1/leads/{world.tokens['_lead']}"
    for answer in (
        await keyed(world, "row-other", lead_body("ROW-4")),
        await keyed(world, "row-other", {"assignee": "x"}, path=f"{place}/assign"),
        await keyed(world, "row-other", lead_body("ROW-3"), path="/v1/leads?x=1"),
    ):
        assert (answer.status_code, answer.json()["type"]) == (422, "/problems/idempotency-key-reused")
        assert "ROW-3" not in answer.text


async def test_a_key_of_another_client_is_another_key(world: World) -> None:
    first = await keyed(world, "row-shared", lead_body("ROW-5"))
    other = await keyed(world, "row-shared", lead_body("ROW-5"), who="partner_b")
    assert (first.status_code, other.status_code) == (201, 201)
    assert first.json()["id"] != other.json()["id"]
    assert "Idempotent-Replayed" not in other.headers


async def test_of_fifty_equal_requests_at_once_one_creates(world: World) -> None:
    answers = await asyncio.gather(*(keyed(world, "row-many", lead_body("ROW-6")) for _ in range(50)))
    fresh = [one for one in answers if one.status_code == 201 and "Idempotent-Replayed" not in one.headers]
    assert len(fresh) == 1
    for answer in answers:
        if answer.status_code == 409:
            assert answer.json()["type"] == "/problems/idempotency-key-in-flight"
            assert answer.headers["Retry-After"] == "1"
        else:
            assert answer.json() == fresh[0].json()
    assert {answer.status_code for answer in answers} <= {201, 409}


async def test_without_a_key_a_post_is_taken(world: World) -> None:
    """Contract 3: optional on every POST, where security.md 1.3 would want 400 on a route that requires it."""
    assert (await world.call("partner_a", "POST", "/v1/leads", lead_body("ROW-7"))).status_code == 201


async def test_a_lost_scope_comes_before_the_replay(world: World) -> None:
    await world.add_client("narrowed", partner_of="partner_a", roles=["partner"])
    assert (await keyed(world, "row-scope", lead_body("ROW-8"), who="narrowed")).status_code == 201
    narrow = await world.log_in("narrowed", scope="leads:read")
    world.tokens["narrowed"] = narrow.json()["access_token"]
    assert (await keyed(world, "row-scope", lead_body("ROW-8"), who="narrowed")).status_code == 403


# --- preconditions, lists, deprecation


async def test_a_known_tag_is_304_with_the_headers_of_the_answer(world: World) -> None:
    path = f"/v1/leads/{world.tokens['_lead']}"
    first = await world.call("partner_a", "GET", path)
    tag = first.headers["ETag"]
    for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        answer = await world.call("partner_a", "GET", path, headers={"If-None-Match": known})
        assert (answer.status_code, answer.content) == (304, b"")
        assert (answer.headers["ETag"], answer.headers["Vary"]) == (tag, "Authorization")
        assert answer.headers["Cache-Control"] == "private, no-cache"
        holds_always(answer)
    assert (first.headers["Cache-Control"], first.headers["Vary"]) == ("private, no-cache", "Authorization")
    assert (await world.call("partner_a", "GET", path, headers={"If-None-Match": '"x"'})).status_code == 200


async def test_a_list_names_its_next_page_and_no_total(world: World) -> None:
    for n in range(3):
        await world.call("partner_a", "POST", "/v1/leads", lead_body(f"ROW-L{n}"))
    page = await world.call("partner_a", "GET", "/v1/leads?limit=2&sort=created_at")
    assert set(page.json()) == {"items", "next_cursor"}
    link = re.fullmatch(r'<(/v1/leads\?[^>]+)>; rel="next"', page.headers["Link"])
    assert link
    assert not {"x-total-count", "content-range"} & set(page.headers)
    following = await world.get("partner_a", link[1])
    seen = {item["id"] for item in page.json()["items"]}
    assert len(following["items"]) == 2
    assert not seen & {item["id"] for item in following["items"]}
    whole = await world.call("partner_a", "GET", "/v1/leads?limit=100000")
    assert (whole.status_code, "Link" in whole.headers) == (200, False)


async def test_a_cursor_opens_for_its_client_its_filter_and_its_bytes_only(world: World) -> None:
    for n in range(2):
        await world.post("partner_a", "/v1/leads", lead_body(f"ROW-C{n}"), status=201)
    first = await world.get("partner_a", "/v1/leads", limit=1)
    cursor = first["next_cursor"]
    flipped = ("A" if cursor[0] != "A" else "B") + cursor[1:]
    refused = [
        await world.call("partner_a", "GET", "/v1/leads", params={"cursor": flipped}),
        await world.call("partner_a", "GET", "/v1/leads", params={"cursor": cursor[:-2]}),
        await world.call("partner_a", "GET", "/v1/leads", params={"cursor": cursor, "status": "open"}),
        await world.call("partner_a", "GET", "/v1/handovers", params={"cursor": cursor}),
        await world.call("partner_b", "GET", "/v1/leads", params={"cursor": cursor}),
        await world.call("partner_a_manager", "GET", "/v1/leads", params={"cursor": cursor}),
    ]
    for answer in refused:
        assert (answer.status_code, answer.json()["type"]) == (400, "/problems/invalid-cursor")
    assert (await world.call("partner_a", "GET", "/v1/leads", params={"cursor": cursor, "limit": 3})).status_code == 200


async def test_a_deprecated_operation_says_since_when_until_when_and_where_to_read(world: World) -> None:
    for who, status in (("partner_a", 200), ("admin", 200)):
        answer = await world.call(who, "GET", "/v1/rows/old")
        assert answer.status_code == status
        assert answer.headers["Deprecation"] == "@1798761600"
        assert answer.headers["Sunset"] == "Wed, 01 Mar 2028 00:00:00 GMT"
        links = answer.headers.get_list("Link")
        assert links == [f'<{PAGE}>; rel="deprecation"; type="text/html"', f'<{PAGE}>; rel="sunset"; type="text/html"']
    described = (await world.http.get("/openapi.json")).json()["paths"]["/v1/rows/old"]["get"]
    assert described["deprecated"] is True
    assert {"Deprecation", "Sunset", "Link"} <= set(described["responses"]["200"]["headers"])
    assert "Deprecation" not in (await world.call("partner_a", "GET", "/v1/me")).headers


def test_a_deprecation_gives_a_year_of_notice() -> None:
    with pytest.raises(UndeclaredRouteError):
        Deprecation(since=SINCE, sunset=SINCE + timedelta(days=364), page=PAGE)
    with pytest.raises(UndeclaredRouteError):
        Deprecation(since=datetime(2027, 1, 1), sunset=SUNSET, page=PAGE)  # noqa: DTZ001  # what is refused


# --- problem pages and every response


@pytest.mark.parametrize(
    ("accept", "language"), [("ja", "ja"), ("ja-JP, en;q=0.5", "ja"), ("en, ja;q=0.9", "en"), ("fr", "en"), ("", "en")]
)
async def test_every_type_leads_to_a_page_in_english_or_japanese(world: World, accept: str, language: str) -> None:
    headers = {"Accept-Language": accept}
    refusal = await world.http.get("/v1/me", headers=headers)
    assert (refusal.headers["Content-Language"], refusal.headers["Vary"]) == (language, "Accept-Language")
    described = json.loads((await world.http.get("/openapi.json")).text)
    slugs = set(described["components"]["examples"])
    assert {"rate-limited", "overloaded", "request-timeout"} <= slugs
    for slug in slugs:
        page = await world.http.get(f"/problems/{slug}", headers=headers)
        assert (page.status_code, page.headers["Content-Language"]) == (200, language), slug
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert f'lang="{language}"' in page.text
        holds_always(page)
    assert refusal.json()["title"] == (
        "有効なアクセストークンが必要です" if language == "ja" else "A valid access token is needed"
    )


async def test_every_response_carries_what_the_contract_wants_of_all(world: World) -> None:
    tried = [
        await world.http.get(path)
        for path in (
            "/health/live",
            "/health/ready",
            "/metrics",
            "/openapi.json",
            "/.well-known/jwks.json",
            "/problems/not-found",
            "/nowhere",
        )
    ]
    tried += [await world.log_in("partner_a"), await world.call("partner_a", "GET", "/v1/me")]
    tried += [await world.call("partner_a", "POST", "/v1/leads", lead_body("ROW-9"))]
    tried += [await world.http.post("/oauth/token", data={"grant_type": "password"})]
    for answer in tried:
        holds_always(answer)
    ids = {answer.headers["Request-Id"] for answer in tried}
    assert len(ids) == len(tried)


async def test_no_route_redirects(world: World) -> None:
    for path in ("/v1/leads/", "/v1//leads", "/", "/health/live/", "/openapi.json/"):
        answer = await world.http.get(path, follow_redirects=False)
        assert (answer.status_code, "Location" in answer.headers) == (404, False), path
