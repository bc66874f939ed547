"""A small application behind the edge, with a database that is a dictionary and a verifier that knows three tokens."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Literal
from uuid import UUID

import httpx2
from fastapi import APIRouter, FastAPI, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from app.db import idempotency
from app.domain.actor import Actor, Side
from app.domain.errors import HandoverPendingError, NotOwnerError, RateLimitedError, UnauthenticatedError
from app.routers.edge import (
    BatonRoute,
    BodyKind,
    BodyStream,
    Caller,
    IfMatch,
    JSONBytes,
    RawBody,
    Services,
    Tx,
    document,
    include,
    install,
    opens,
    public,
)

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
    networks: tuple[()] = ()


class FakeVerifier:
    def verify(self, token: str) -> FakeClaims:
        if token not in TOKENS:
            raise UnauthenticatedError(f"refused {token}")
        return FakeClaims(TOKENS[token])

    def refuse_revoked(self, claims: FakeClaims) -> None:
        """Nobody is revoked here."""


@dataclass
class FakeDatabase:
    """Keeps the rows and locks of idempotency keys as PostgreSQL would; all else is a list of committed notes."""

    kept: dict[tuple, tuple] = field(default_factory=dict)
    locks: dict[int, object] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    commit_error: Exception | None = None
    latest: "FakeTransaction | None" = None

    @asynccontextmanager
    async def transaction(self, _: Actor) -> AsyncIterator["FakeTransaction"]:
        tx = self.latest = FakeTransaction(self)
        try:
            yield tx
            self._commit()
            self.kept.update(tx.kept)
            self.notes.extend(tx.notes)
            self.log.append("commit")
        except BaseException:
            self.log.append("rollback")
            raise
        finally:
            self.locks = {lock: owner for lock, owner in self.locks.items() if owner is not tx}

    def _commit(self) -> None:
        if self.commit_error is not None:
            raise self.commit_error


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

    async def execute(self, sql: str):
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


router = APIRouter(prefix="/v1", route_class=BatonRoute)


@router.get("/leads")
@opens("leads:read")
async def list_leads(limit: Annotated[int, Query(ge=1, le=1000)] = 10, q: str | None = None) -> JSONBytes:
    return JSONBytes({"limit": limit, "q": q})


@router.post("/leads", status_code=201, responses=document(HandoverPendingError))
@opens("leads:write", redact=("secret",))
async def post_lead(body: LeadIn, tx: Tx, request: Request) -> Response:
    gate = request.app.state.gate
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


@asynccontextmanager
async def a_world() -> AsyncIterator[World]:
    gate, database = Gate(), FakeDatabase()
    app = FastAPI()
    app.state.gate = gate
    install(app, Services(FakeVerifier(), database))
    include(app, router)
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://baton.test") as client:
        yield World(client, app, database, gate)
