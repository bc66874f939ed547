"""Every row of the HTTP contract (security.md 1.3, 1.4) that the edge decides, on a small application without database."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Literal
from uuid import UUID

import httpx2
import pytest
from fastapi import APIRouter, FastAPI, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from app.db import idempotency
from app.domain.actor import Actor, Side
from app.domain.errors import (
    BatonError,
    HandoverPendingError,
    NotOwnerError,
    RateLimitedError,
    UnauthenticatedError,
)
from app.routers import problems
from app.routers.edge import (
    BatonRoute,
    BodyStream,
    Caller,
    IfMatch,
    JSONBytes,
    RawBody,
    Services,
    Tx,
    install,
    opens,
    public,
)
from app.routers.edge.declaration import BodyKind, UndeclaredRouteError
from app.routers.edge.document import document

CANARY = "zebra-7731"
TENANT = UUID(int=1)


def an_actor(client: int, *scopes: str) -> Actor:
    return Actor(TENANT, UUID(int=2), UUID(int=client), Side.PARTNER, frozenset({"partner"}), frozenset(scopes))


TOKENS = {
    "writer": an_actor(10, "leads:read", "leads:write"),
    "reader": an_actor(11, "leads:read"),
    "second": an_actor(12, "leads:write"),
}


@dataclass(frozen=True)
class FakeClaims:
    actor: Actor


class FakeVerifier:
    def verify(self, token: str) -> FakeClaims:
        if token not in TOKENS:
            raise UnauthenticatedError(f"refused {token}")
        return FakeClaims(TOKENS[token])


@dataclass
class FakeDatabase:
    """Keeps the rows and locks of idempotency keys as PostgreSQL would; all else is a list of committed notes."""

    kept: dict[tuple, tuple] = field(default_factory=dict)
    locks: dict[int, object] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    commit_error: Exception | None = None

    @asynccontextmanager
    async def transaction(self, actor: Actor) -> AsyncIterator["FakeTransaction"]:
        tx = FakeTransaction(self)
        try:
            yield tx
            if self.commit_error is not None:
                raise self.commit_error
            self.kept.update(tx.kept)
            self.notes.extend(tx.notes)
            self.log.append("commit")
        except BaseException:
            self.log.append("rollback")
            raise
        finally:
            self.locks = {lock: owner for lock, owner in self.locks.items() if owner is not tx}


@dataclass(eq=False)
class FakeTransaction:
    database: FakeDatabase
    kept: dict[tuple, tuple] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    async def fetchrow(self, sql: str, *args):
        if sql == idempotency.CLAIM:
            lock, *key = args
            locked = self.database.locks.setdefault(lock, self) is self
            row = self.database.kept.get(tuple(key)) or (None, None, None, None)
            return dict(zip(("fingerprint", "status", "headers", "body"), row, strict=True)) | {"locked": locked}
        assert sql == idempotency.KEEP
        key, row = args[:3], args[3:]
        if key in self.database.kept:
            return None
        self.kept[key] = row
        return {"?column?": True}

    async def fetch(self, sql: str, *args):
        return []

    async def fetchval(self, sql: str, *args):
        return None

    async def execute(self, sql: str, *args):
        self.notes.append(sql)


class ContactIn(BaseModel):
    model_config = ConfigDict(extra="forbid")
    email: str = Field(pattern=r"^[^@]+@[^@]+$", max_length=40)
    age: int | None = Field(None, ge=0, le=150)


class LeadIn(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=1, max_length=100)
    contact: ContactIn | None = None
    temperature: Literal["hot", "cold"] | None = None
    tags: list[str] = []


class NoteIn(BaseModel):
    model_config = ConfigDict(extra="forbid")
    note: str | None = None


class Gate:
    """Holds one endpoint in the middle of its work."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.go = asyncio.Event()


def build(gate: Gate) -> APIRouter:
    router = APIRouter(prefix="/v1", route_class=BatonRoute)

    @router.get("/leads")
    @opens("leads:read")
    async def list_leads(limit: Annotated[int, Query(ge=1, le=1000)] = 10, q: str | None = None) -> JSONBytes:
        return JSONBytes({"limit": limit, "q": q})

    @router.post("/leads", status_code=201, responses=document(HandoverPendingError))
    @opens("leads:write", redact=("secret",))
    async def post_lead(body: LeadIn, tx: Tx, by: Caller) -> Response:
        if body.name == "slow":
            gate.entered.set()
            await gate.go.wait()
        await tx.execute(f"note {body.name}")
        if body.name == "conflict":
            raise HandoverPendingError("A handover is pending.")
        if body.name == "forbidden":
            raise NotOwnerError("Not yours.")
        if body.name == "limited":
            raise RateLimitedError("Slow down.", retry_after=7)
        if body.name == "bug":
            raise RuntimeError(f"oops {body.contact}")
        if body.name == "lost":
            raise ConnectionResetError(CANARY)
        return JSONBytes({"name": body.name, "secret": "s3cret"}, 201, {"Location": "/v1/leads/lead_1", "ETag": '"1"'})

    @router.get("/leads/{lead}")
    @opens("leads:read")
    async def get_lead(lead: str) -> Response:
        return JSONBytes({"id": lead}, headers={"ETag": '"7"'})

    @router.get("/days/{number}")
    @opens("leads:read")
    async def get_day(number: int) -> dict[str, int]:
        return {"number": number}

    @router.patch("/leads/{lead}")
    @opens("leads:write")
    async def patch_lead(lead: str, body: NoteIn, tag: IfMatch) -> dict[str, str]:
        return {"tag": tag}

    @router.delete("/leads/{lead}", status_code=204)
    @opens("leads:write")
    async def delete_lead(lead: str, tag: IfMatch) -> Response:
        return Response(status_code=204)

    @router.post("/leads/{lead}/withdraw")
    @opens("leads:write")
    async def withdraw(lead: str) -> dict[str, str]:
        return {"id": lead}

    @router.post("/leads/{lead}/accept")
    @opens("leads:write")
    async def accept(lead: str, body: NoteIn | None = None) -> dict[str, object]:
        return {"note": body and body.note}

    @router.post("/imports")
    @opens("leads:write", body=BodyKind.STREAM, takes=("text/csv",), max_body=1_000_000)
    async def import_leads(stream: BodyStream) -> dict[str, int]:
        return {"bytes": sum([len(part) async for part in stream])}

    @router.post("/hooks")
    @public("the tool signs its body", body=BodyKind.RAW, takes=("text/plain",), max_body=8)
    async def hook(body: RawBody) -> dict[str, int]:
        return {"bytes": len(body)}

    @router.get("/me")
    @opens()
    async def me(by: Caller) -> dict[str, str]:
        return {"client": str(by.client_id)}

    return router


@dataclass
class World:
    client: httpx2.AsyncClient
    app: FastAPI
    database: FakeDatabase
    gate: Gate

    async def send(self, method: str, path: str, token: str | None = "writer", **options) -> httpx2.Response:
        headers = dict(options.pop("headers", {}))
        if token is not None:
            headers.setdefault("Authorization", f"Bearer {token}")
        return await self.client.request(method, path, headers=headers, **options)

    async def post(self, name: str = "acme", key: str | None = None, token: str = "writer", **options):
        headers = {} if key is None else {"Idempotency-Key": key}
        return await self.send("POST", "/v1/leads", token, json={"name": name}, headers=headers, **options)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    gate, database = Gate(), FakeDatabase()
    app = FastAPI()
    app.include_router(build(gate))
    install(app, Services(FakeVerifier(), database))
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://baton.test") as client:
        yield World(client, app, database, gate)


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
    Row("an integer over 64 bits", 422, "validation-failed", content=b'{"name":"a","contact":{"email":"a@b","age":99999999999999999999}}'),
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
        "another media type on PATCH", 415, "unsupported-media-type", method="PATCH", path="/v1/leads/x", json_type=False,
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
    Row("a weak tag", 412, "stale-version", method="PATCH", path="/v1/leads/x", headers=(("If-Match", f'W/"{CANARY}"'),)),
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


ERRORS = [
    ({}, [("/name", "required")]),
    ({"name": "a", "nmae": 1}, [("/nmae", "unknown_field")]),
    ({"name": "a", "not a name": 1}, [("", "unknown_field")]),
    ({"name": 5}, [("/name", "type")]),
    ({"name": "a" * 101}, [("/name", "length")]),
    ({"name": "a", "contact": {"email": "no"}}, [("/contact/email", "format")]),
    ({"name": "a", "contact": {"email": "a@b", "age": 151}}, [("/contact/age", "range")]),
    ({"name": "a", "temperature": "warm"}, [("/temperature", "enum")]),
    ({"name": "a", "tags": ["x", 1]}, [("/tags/1", "type")]),
    ({"contact": {}}, [("/name", "required"), ("/contact/email", "required")]),
]


@pytest.mark.parametrize(("sent", "expected"), ERRORS, ids=lambda value: json.dumps(value)[:50])
async def test_each_invalid_field_is_pointed_at_by_a_known_code(world: World, sent: dict, expected: list):
    answer = await world.send("POST", "/v1/leads", json=sent)

    errors = answer.json()["errors"]
    assert [(error["pointer"], error["code"]) for error in errors] == expected
    assert all(set(error) == {"pointer", "code", "message"} for error in errors)


async def test_invalid_parameters_say_that_they_stand_in_the_query(world: World):
    wrong = (await world.send("GET", "/v1/leads?limit=0")).json()["errors"]
    unknown = (await world.send("GET", "/v1/leads?lmit=1")).json()["errors"]

    assert wrong == [{"in": "query", "pointer": "/limit", "code": "range", "message": "At least 1."}]
    assert (unknown[0]["in"], unknown[0]["pointer"], unknown[0]["code"]) == ("query", "/lmit", "unknown_field")


async def test_at_most_fifty_errors_are_listed(world: World):
    answer = await world.send("POST", "/v1/leads", json={"name": "a", "tags": [1] * 80})

    assert len(answer.json()["errors"]) == 50


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


async def drive(app: FastAPI, path: str, parts: AsyncIterator[bytes], headers: dict[bytes, bytes]) -> int:
    """Speak ASGI without a length; the client used elsewhere gathers a body before it sends."""
    statuses: list[int] = []

    async def receive():
        return {"type": "http.request", "body": await anext(parts), "more_body": True}

    async def send(message):
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": list(headers.items()), "root_path": "", "scheme": "http", "http_version": "1.1",
    }  # fmt: skip
    await app(scope, receive, send)
    return statuses[0]


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


async def test_the_same_key_answers_the_same_without_the_secret(world: World):
    first = await world.post(key="k-1")
    again = await world.post(key='"k-1"')

    assert first.json() == {"name": "acme", "secret": "s3cret"}
    assert again.json() == {"name": "acme", "secret": None}
    assert again.status_code == 201
    assert (again.headers["Location"], again.headers["ETag"]) == ("/v1/leads/lead_1", '"1"')
    assert (again.headers["Idempotent-Replayed"], "Idempotent-Replayed" in first.headers) == ("true", False)
    assert again.headers["Content-Type"] == "application/json; charset=utf-8"
    assert again.headers["Request-Id"] != first.headers["Request-Id"]
    assert world.database.notes == ["note acme"]


async def test_a_key_used_for_another_request_is_refused_without_the_stored_answer(world: World):
    await world.post(key="k")
    body = await world.post("other", key="k")
    query = await world.send("POST", "/v1/leads?a=1", json={"name": "acme"}, headers={"Idempotency-Key": "k"})
    path = await world.send("POST", "/v1/leads/x/accept", json={"name": "acme"}, headers={"Idempotency-Key": "k"})

    for answer in (body, query, path):
        assert answer.status_code == 422
        assert answer.json()["type"] == "/problems/idempotency-key-reused"
        assert "acme" not in answer.text
    assert world.database.notes == ["note acme"]


async def test_the_same_key_of_another_client_is_independent(world: World):
    first = await world.post(key="k")
    other = await world.post(key="k", token="second")

    assert (first.status_code, other.status_code) == (201, 201)
    assert world.database.notes == ["note acme", "note acme"]


async def test_a_key_in_flight_answers_409_and_then_the_answer(world: World):
    running = asyncio.create_task(world.post("slow", key="k"))
    await world.gate.entered.wait()
    meanwhile = await world.post("slow", key="k")
    world.gate.go.set()
    first = await running
    after = await world.post("slow", key="k")

    assert (meanwhile.status_code, meanwhile.headers["Retry-After"]) == (409, "1")
    assert meanwhile.json()["type"] == "/problems/idempotency-key-in-flight"
    assert (first.status_code, after.headers["Idempotent-Replayed"]) == (201, "true")
    assert world.database.notes == ["note slow"]


async def test_an_answer_kept_between_look_up_and_claim_rolls_this_work_back(world: World):
    """The snapshot of the look-up may be older than the lock: only keeping the answer meets the other's row."""
    running = asyncio.create_task(world.post("slow", key="k"))
    await world.gate.entered.wait()
    world.database.kept[TENANT, UUID(int=10), "k"] = (b"", 201, "{}", b"{}")
    world.gate.go.set()
    answer = await running

    assert answer.json()["type"] == "/problems/idempotency-key-in-flight"
    assert world.database.notes == []


async def test_a_refusal_after_the_work_began_is_kept(world: World):
    first = await world.post("conflict", key="k")
    again = await world.post("conflict", key="k")

    assert (first.status_code, again.status_code) == (409, 409)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.content == first.content
    assert world.database.notes == []


@pytest.mark.parametrize("name", ["forbidden", "limited", "bug", "lost", ""])
async def test_a_refusal_that_a_retry_may_turn_is_not_kept(world: World, name: str):
    await world.post(name, key="k")
    again = await world.post(name, key="k")

    assert "Idempotent-Replayed" not in again.headers
    assert world.database.kept == {}


async def test_authorisation_comes_before_the_replay(world: World, monkeypatch):
    await world.post(key="k")
    monkeypatch.setitem(TOKENS, "writer", an_actor(10, "leads:read"))
    without_scope = await world.post(key="k")
    monkeypatch.delitem(TOKENS, "writer")
    suspended = await world.post(key="k")

    assert (without_scope.status_code, suspended.status_code) == (403, 401)


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


async def test_every_answer_has_a_fresh_request_id(world: World):
    ids = {(await world.send("GET", "/v1/leads")).headers["Request-Id"] for _ in range(5)}

    assert len(ids) == 5
    assert all(value.startswith("req_") and len(value) == 36 for value in ids)


@pytest.mark.parametrize(
    ("languages", "title", "language"),
    [
        ("", "There is nothing here that you may see", "en"),
        ("ja", "該当するものが見つかりません", "ja"),
        ("ja-JP,ja;q=0.9,en-US;q=0.8", "該当するものが見つかりません", "ja"),
        ("en;q=0.9, ja;q=0.8", "There is nothing here that you may see", "en"),
        ("fr", "There is nothing here that you may see", "en"),
    ],
)
async def test_titles_follow_the_language_of_the_caller(world: World, languages: str, title: str, language: str):
    answer = await world.send("GET", "/nowhere", headers={"Accept-Language": languages})

    assert (answer.json()["title"], answer.headers["Content-Language"]) == (title, language)


async def test_every_type_has_a_page_in_both_languages(world: World):
    for slug, kind in problems.KINDS.items():
        english = await world.client.get(f"/problems/{slug}")
        japanese = await world.client.get(f"/problems/{slug}", headers={"Accept-Language": "ja"})
        assert (english.status_code, japanese.status_code) == (200, 200)
        assert kind.title in english.text
        assert kind.title_ja in japanese.text
    assert (await world.client.get("/problems/none")).status_code == 404


# Contract 7 and security.md 1.3, typed again by hand so that the table is compared and not copied.
STATUSES = {
    400: "malformed-body invalid-request invalid-cursor",
    401: "unauthenticated",
    403: "insufficient-scope not-permitted not-owner partner-suspended",
    404: "not-found",
    405: "method-not-allowed",
    406: "not-acceptable",
    409: "conflict external-id-in-use idempotency-key-in-flight lead-not-open handover-pending handover-not-pending "
    "outcome-exists obligation-open playbook-not-agreed",
    412: "stale-version",
    413: "payload-too-large",
    414: "uri-too-long",
    415: "unsupported-media-type",
    422: "validation-failed idempotency-key-reused stage-refused handover-incomplete reason-not-allowed "
    "playbook-invalid url-refused",
    428: "precondition-required",
    429: "rate-limited",
    431: "headers-too-large",
    500: "internal",
    503: "overloaded",
}


def test_every_slug_has_the_status_of_the_contract():
    expected = {slug: status for status, slugs in STATUSES.items() for slug in slugs.split()}

    assert {slug: kind.status for slug, kind in problems.KINDS.items()} == expected


def test_a_refusal_without_a_status_stops_the_start():
    class StrayError(BatonError):
        slug = "stray"

    with pytest.raises(RuntimeError, match="stray"):
        install(FastAPI(), Services(FakeVerifier(), FakeDatabase()))
    StrayError.slug = "conflict"


def test_a_route_without_a_declaration_does_not_start():
    router = APIRouter(route_class=BatonRoute)

    with pytest.raises(UndeclaredRouteError, match="declares neither"):

        @router.get("/open")
        async def forgotten() -> None: ...


def test_a_public_route_that_asks_for_a_caller_does_not_start():
    router = APIRouter(route_class=BatonRoute)

    with pytest.raises(UndeclaredRouteError, match="current_actor"):

        @router.get("/open")
        @public("a reason")
        async def confused(by: Caller) -> None: ...


async def test_the_document_names_every_status_and_every_reference_resolves(world: World):
    described = world.app.openapi()
    operation = described["paths"]["/v1/leads"]["post"]

    assert set(operation["responses"]) >= {
        "201",
        "400",
        "401",
        "403",
        "406",
        "409",
        "413",
        "415",
        "422",
        "429",
        "500",
        "503",
    }
    conflict = operation["responses"]["409"]["content"]["application/problem+json"]
    assert set(conflict["examples"]) == {"handover-pending", "idempotency-key-in-flight", "idempotency-key-reused"} - {
        "idempotency-key-reused"
    }
    assert operation["security"] == [{"oauth2": ["leads:write"]}]
    assert [parameter["name"] for parameter in operation["parameters"]] == ["Idempotency-Key"]
    text = json.dumps(described)
    for name in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in described["components"]["schemas"]
    assert "HTTPValidationError" not in text


async def test_a_bug_is_logged_by_its_place_and_not_by_its_words(world: World, caplog):
    with caplog.at_level(logging.ERROR):
        await world.send("POST", "/v1/leads", json={"name": "bug", "contact": {"email": f"{CANARY}@a"}})

    assert "RuntimeError" in caplog.text
    assert "post_lead" in caplog.text
    assert CANARY not in caplog.text
