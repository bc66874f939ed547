"""Every row of the HTTP contract (security.md 1.3, 1.4) that the edge decides, and the order in which it decides."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import httpx2
import pytest
from fastapi import FastAPI

from tests.api.edge_world import CANARY, World, a_world


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world() as made:
        yield made


JSON = {"Content-Type": "application/json"}
BEARER = 'Bearer realm="baton"'


@dataclass(frozen=True)
class Row:
    """One row of the table: a request, and the refusal that it meets."""

    about: str
    status: int
    slug: str
    method: str = "POST"
    path: str = "/v1/leads"
    token: str | None = "writer"
    content: bytes | None = b'{"name":"acme"}'
    headers: tuple[tuple[str, str], ...] = ()
    answers: tuple[tuple[str, str], ...] = ()
    json_type: bool = True


def body_row(about: str, content: bytes) -> Row:
    return Row(about, 400, "malformed-body", content=content)


def get_row(about: str, status: int, slug: str, path: str, **rest) -> Row:
    return Row(about, status, slug, method="GET", path=path, content=None, json_type=False, **rest)


NESTED = b'{"name":' + b"[" * 32 + b"]" * 32 + b"}"

ROWS = [
    Row("no credentials", 401, "unauthenticated", token=None, answers=(("WWW-Authenticate", BEARER),)),
    Row(
        "another scheme", 401, "unauthenticated", token=None,
        headers=(("Authorization", f"Basic {CANARY}"),), answers=(("WWW-Authenticate", BEARER),),
    ),
    Row(
        "a token that does not hold", 401, "unauthenticated", token=CANARY,
        answers=(("WWW-Authenticate", f'{BEARER}, error="invalid_token"'),),
    ),
    Row(
        "a bearer scheme without a token", 401, "unauthenticated", token=None,
        headers=(("Authorization", "Bearer "),), answers=(("WWW-Authenticate", f'{BEARER}, error="invalid_token"'),),
    ),
    Row(
        "a scope too few", 403, "insufficient-scope", token="reader",
        answers=(("WWW-Authenticate", f'{BEARER}, error="insufficient_scope", scope="leads:write"'),),
    ),
    Row(
        "a token in the query", 400, "invalid-request", path=f"/v1/leads?access_token={CANARY}",
        answers=(("WWW-Authenticate", f'{BEARER}, error="invalid_request"'),),
    ),
    Row("a token later in the query", 400, "invalid-request", path=f"/v1/leads?q=1&access_token={CANARY}"),
    Row(
        "two credentials", 400, "invalid-request", token=None,
        headers=(("Authorization", "Bearer writer"), ("Authorization", f"Bearer {CANARY}")),
    ),
    Row("a handler that refuses the caller", 403, "not-owner", content=b'{"name":"forbidden"}'),
    body_row("broken JSON", f'{{"{CANARY}'.encode()),
    body_row("text after the value", b'{"name":"a"} ' + CANARY.encode()),
    body_row("a NUL", f'{{"name":"{CANARY}\\u0000"}}'.encode()),
    body_row("a NUL in a key", f'{{"name":"a","{CANARY}\\u0000":1}}'.encode()),
    body_row("a literal NUL", b'{"name":"a\x00"}'),
    body_row("a lone surrogate", f'{{"name":"{CANARY}\\ud800"}}'.encode()),
    body_row("a lone low surrogate", b'{"name":"\\udc00"}'),
    body_row("NaN", b'{"name":NaN}'),
    body_row("an infinity", b'{"name":-Infinity}'),
    body_row("a number that becomes infinity", b'{"name":1e999}'),
    body_row("duplicate keys", f'{{"{CANARY}":1,"{CANARY}":2}}'.encode()),
    body_row("33 levels", NESTED),
    body_row("a thousand levels", b"[" * 1000 + b"]" * 1000),
    body_row("not UTF-8", b'{"name":"\xff"}'),
    body_row("a byte order mark", b'\xef\xbb\xbf{"name":"a"}'),
    body_row("no body", b""),
    Row("an empty name", 422, "validation-failed", content=b'{"name":""}'),
    Row("a missing name", 422, "validation-failed", content=b"{}"),
    Row("a value that is no object", 422, "validation-failed", content=b"[1]"),
    Row("an unknown field", 422, "validation-failed", content=b'{"name":"a","nmae":"zebra-7731"}'),
    Row("an integer over 64 bits", 422, "validation-failed",
        content=b'{"name":"a","contact":{"email":"a@b","age":%d}}' % 10**20),
    Row("fields for a route without any", 422, "validation-failed", path="/v1/leads/x/withdraw"),
    Row(
        "another media type", 415, "unsupported-media-type", headers=(("Content-Type", "text/plain"),), json_type=False,
        answers=(("Accept-Post", "application/json"),),
    ),
    Row("no media type", 415, "unsupported-media-type", json_type=False),
    Row(
        "another charset", 415, "unsupported-media-type", json_type=False,
        headers=(("Content-Type", "application/json; charset=shift_jis"),),
    ),
    Row(
        "another media type on PATCH", 415, "unsupported-media-type", method="PATCH",
        path="/v1/leads/x", json_type=False,
        headers=(("If-Match", '"1"'), ("Content-Type", "application/json-patch+json")),
        answers=(("Accept-Patch", "application/json, application/merge-patch+json"),),
    ),
    Row("a compressed body", 415, "unsupported-media-type", headers=(("Content-Encoding", "gzip"),)),
    Row("nothing acceptable", 406, "not-acceptable", headers=(("Accept", "image/png"),)),
    Row("JSON refused by weight", 406, "not-acceptable", headers=(("Accept", "application/json;q=0, */*;q=0.5"),)),
    Row("a large body", 413, "payload-too-large", content=b'{"name":"' + b"a" * 262_144 + b'"}'),
    Row("a large body without a token", 413, "payload-too-large", content=b"a" * 262_145, token=None),
    Row("a long address", 414, "uri-too-long", path="/v1/leads?q=" + "a" * 8200),
    Row("large headers", 431, "headers-too-large", headers=(("X-Large", "a" * 33_000),)),
    Row("an unknown method", 405, "method-not-allowed", method="PUT", answers=(("Allow", "GET, POST"),)),
    Row("an empty key", 400, "invalid-request", headers=(("Idempotency-Key", '""'),)),
    Row("a key with a space", 400, "invalid-request", headers=(("Idempotency-Key", f"{CANARY} x"),)),
    Row("a key that is too long", 400, "invalid-request", headers=(("Idempotency-Key", "k" * 256),)),
    Row("two keys", 400, "invalid-request", headers=(("Idempotency-Key", "a"), ("Idempotency-Key", "b"))),
    Row("PATCH without If-Match", 428, "precondition-required", method="PATCH", path="/v1/leads/x"),
    Row("DELETE without If-Match", 428, "precondition-required", method="DELETE", path="/v1/leads/x", content=None),
    Row(
        "a weak tag", 412, "stale-version", method="PATCH", path="/v1/leads/x",
        headers=(("If-Match", f'W/"{CANARY}"'),),
    ),
    Row("a star for a tag", 412, "stale-version", method="PATCH", path="/v1/leads/x", headers=(("If-Match", "*"),)),
    Row("a bare tag", 412, "stale-version", method="PATCH", path="/v1/leads/x", headers=(("If-Match", CANARY),)),
    Row("a rate limit", 429, "rate-limited", content=b'{"name":"limited"}', answers=(("Retry-After", "7"),)),
    Row("a lost database", 503, "overloaded", content=b'{"name":"lost"}', answers=(("Retry-After", "2"),)),
    Row("a bug", 500, "internal", content=f'{{"name":"bug","contact":{{"email":"{CANARY}@a"}}}}'.encode()),
    get_row("an unknown path", 404, "not-found", f"/v1/{CANARY}"),
    get_row("a path that is no id", 404, "not-found", f"/v1/days/{CANARY}"),
    get_row("a NUL in the path", 404, "not-found", "/v1/leads/a%00b"),
    get_row("a trailing slash", 404, "not-found", "/v1/leads/"),
    get_row("an unknown parameter", 422, "validation-failed", f"/v1/leads?{CANARY}=1"),
    get_row("a repeated parameter", 422, "validation-failed", "/v1/leads?q=1&q=2"),
    get_row("a NUL in a parameter", 422, "validation-failed", "/v1/leads?q=a%00b"),
    get_row("a parameter out of range", 422, "validation-failed", "/v1/leads?limit=0"),
    get_row("a parameter of another type", 422, "validation-failed", f"/v1/leads?limit={CANARY}"),
    get_row("too many parameters", 422, "validation-failed", "/v1/leads?" + "&".join("q=1" for _ in range(101))),
]  # fmt: skip


async def ask(world: World, row: Row) -> httpx2.Response:
    headers = list(row.headers)
    if row.json_type:
        headers.append(("Content-Type", "application/json"))
    if row.token is not None:
        headers.append(("Authorization", f"Bearer {row.token}"))
    return await world.client.request(row.method, row.path, content=row.content, headers=headers)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.about)
async def test_each_refusal_is_a_problem_that_echoes_nothing(world: World, row: Row, caplog):
    answer = await ask(world, row)

    assert (answer.status_code, answer.headers["Content-Type"]) == (
        row.status,
        "application/problem+json; charset=utf-8",
    )
    problem = answer.json()
    assert problem["type"] == f"/problems/{row.slug}"
    assert problem["status"] == row.status
    assert problem["request_id"] == answer.headers["Request-Id"]
    assert problem["title"]
    assert problem["detail"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    for name, value in row.answers:
        assert answer.headers[name] == value
    assert CANARY not in answer.text + str(answer.headers)
    assert CANARY not in caplog.text
    assert world.database.notes == []


async def test_all_bad_tokens_and_no_token_have_one_body(world: World):
    bodies = []
    for headers in ({}, {"Authorization": "Bearer no"}, {"Authorization": "Bearer"}, {"Authorization": "Basic x"}):
        problem = (await world.client.get("/v1/me", headers=headers)).json()
        problem.pop("request_id")
        bodies.append(problem)

    assert all(body == bodies[0] for body in bodies)


ORDER = [
    (413, {"content": b"a" * 300_000, "token": "no"}),
    (400, {"path": "/v1/leads?access_token=x", "token": "no"}),
    (401, {"token": "no", "content": b"{", "type": "text/plain"}),
    (403, {"token": "reader", "key": "bad key", "content": b"{"}),
    (400, {"key": "bad key", "content": b"{", "type": "text/plain", "accept": "image/png"}),
    (406, {"accept": "image/png", "content": b"{", "type": "text/plain"}),
    (415, {"content": b"{", "type": "text/plain", "path": "/v1/leads?x=1"}),
    (400, {"content": b"{", "path": "/v1/leads?x=1"}),
    (422, {"content": b'{"name":1}', "path": "/v1/leads?x=1"}),
]


@pytest.mark.parametrize(("status", "wrong"), ORDER, ids=lambda value: str(value)[:40])
async def test_the_first_wrong_thing_decides(world: World, status: int, wrong: dict):
    headers = {"Content-Type": wrong.get("type", "application/json"), "Accept": wrong.get("accept", "*/*")}
    if "key" in wrong:
        headers["Idempotency-Key"] = wrong["key"]
    content, token = wrong.get("content", b"{}"), wrong.get("token", "writer")

    answer = await world.send("POST", wrong.get("path", "/v1/leads"), token, content=content, headers=headers)

    assert answer.status_code == status


async def test_a_chunked_body_over_the_limit_is_refused_before_it_is_buffered(world: World):
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 65_536
            yield b"a" * 65_536

    answered = await drive(world.app, "/v1/leads", endless(), {b"authorization": b"Bearer writer"})

    assert answered == 413
    assert sent == 5 * 65_536


async def drive(
    app: FastAPI, path: str, parts: AsyncIterator[bytes], headers: dict[bytes, bytes], *, more: bool = True
) -> int:
    """Speak ASGI without a length; the client used elsewhere gathers a body before it sends."""
    statuses: list[int] = []

    async def receive():
        return {"type": "http.request", "body": await anext(parts), "more_body": more}

    async def send(message):
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": list(headers.items()), "root_path": "", "scheme": "http", "http_version": "1.1",
    }  # fmt: skip
    await app(scope, receive, send)
    return statuses[0]


async def test_a_body_in_one_part_without_length_is_counted(world: World):
    async def one_part() -> AsyncIterator[bytes]:
        yield b"a" * 262_145

    assert await drive(world.app, "/v1/leads", one_part(), {b"authorization": b"Bearer writer"}, more=False) == 413


async def test_a_caller_that_leaves_while_sending_gets_no_answer_and_changes_nothing(world: World):
    messages = []

    async def receive():
        return {"type": "http.disconnect"}

    async def send(message):
        messages.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/v1/leads", "raw_path": b"/v1/leads", "query_string": b"",
        "headers": [(b"authorization", b"Bearer writer")], "root_path": "", "scheme": "http", "http_version": "1.1",
    }  # fmt: skip
    await world.app(scope, receive, send)

    assert messages == []
    assert world.database.log == []


async def test_32_levels_are_taken(world: World):
    nested = b'{"note":' + b"[" * 31 + b"]" * 31 + b"}"

    answer = await world.send("POST", "/v1/leads/x/accept", content=nested, headers=JSON)

    assert answer.json()["errors"][0]["code"] == "type"


@pytest.mark.parametrize("content", [b"", b'{"note":null}', b"{}"])
async def test_an_optional_body_may_be_empty(world: World, content: bytes):
    answer = await world.send("POST", "/v1/leads/x/accept", content=content, headers=JSON if content else {})

    assert (answer.status_code, answer.json()) == (200, {"note": None})


async def test_a_route_without_fields_takes_no_body_or_an_empty_object(world: World):
    bare = await world.send("POST", "/v1/leads/x/withdraw")
    empty = await world.send("POST", "/v1/leads/x/withdraw", content=b"{}", headers=JSON)

    assert (bare.status_code, empty.status_code) == (200, 200)


async def test_an_escaped_backslash_before_u0000_is_no_nul(world: World):
    answer = await world.send("POST", "/v1/leads", content=b'{"name":"\\\\u0000"}', headers=JSON)

    assert answer.json()["name"] == "\\u0000"


async def test_a_streamed_body_is_read_by_its_endpoint_within_its_own_limit(world: World):
    csv = {"Content-Type": "text/csv"}
    taken = await world.send("POST", "/v1/imports", content=b"a" * 1_000_000, headers=csv)
    refused = await world.send("POST", "/v1/imports", content=b"a" * 1_000_001, headers=csv)
    other = await world.send("POST", "/v1/imports", content=b"a", headers=JSON)

    assert taken.json() == {"bytes": 1_000_000}
    assert (refused.status_code, other.status_code) == (413, 415)
    assert world.database.log == []


async def test_a_streamed_body_without_length_stops_at_its_limit(world: World):
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"a" * 65_536

    headers = {b"authorization": b"Bearer writer", b"content-type": b"text/csv"}

    assert await drive(world.app, "/v1/imports", endless(), headers) == 413


async def test_a_public_route_needs_no_token_but_keeps_its_limits(world: World):
    plain = {"Content-Type": "text/plain"}
    taken = await world.send("POST", "/v1/hooks", None, content=b"12345678", headers=plain)
    refused = await world.send("POST", "/v1/hooks", None, content=b"123456789", headers=plain)

    assert (taken.json(), refused.status_code) == ({"bytes": 8}, 413)


async def test_every_valid_token_opens_a_route_without_scopes(world: World):
    answer = await world.send("GET", "/v1/me", "reader")

    assert answer.json() == {"client": str(UUID(int=11))}


async def test_the_work_is_committed_before_the_answer_and_a_failing_commit_is_no_success(world: World):
    fine = await world.post("acme")
    world.database.commit_error = RuntimeError(CANARY)
    failed = await world.post("other")

    assert (fine.status_code, failed.status_code) == (201, 500)
    assert world.database.log == ["commit", "rollback"]
    assert world.database.notes == ["note acme"]
    assert CANARY not in failed.text


@pytest.mark.parametrize("name", ["conflict", "bug", "lost"])
async def test_a_refused_request_changes_nothing(world: World, name: str):
    await world.post(name)

    assert (world.database.notes, world.database.log) == ([], ["rollback"])


async def test_a_patch_takes_a_merge_patch_and_hands_on_the_tag(world: World):
    headers = {"Content-Type": "application/merge-patch+json", "If-Match": '"v-12"'}
    answer = await world.send("PATCH", "/v1/leads/x", content=b'{"note":null}', headers=headers)

    assert answer.json() == {"tag": "v-12"}


@pytest.mark.parametrize(
    ("tag", "status"), [('"7"', 304), ('W/"7"', 304), ('"6", "7"', 304), ("*", 304), ('"8"', 200), ("7", 200)]
)
async def test_a_known_tag_answers_304(world: World, tag: str, status: int):
    answer = await world.send("GET", "/v1/leads/x", headers={"If-None-Match": tag})

    assert answer.status_code == status
    assert (answer.headers["ETag"], answer.headers["Vary"]) == ('"7"', "Authorization")
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert bool(answer.content) == (status == 200)


async def test_the_transaction_knows_which_request_and_trace_it_serves(world: World):
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    traced = await world.send("GET", "/v1/leads", headers={"Traceparent": trace})
    first = world.database.latest
    await world.send("GET", "/v1/leads", headers={"Traceparent": CANARY})

    assert (first.request_id, first.traceparent) == (traced.headers["Request-Id"], trace)
    assert world.database.latest.traceparent is None
