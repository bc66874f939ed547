"""A tenant with two partners and a second tenant, read over HTTP as the application's own logins."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID, uuid4

import asyncpg
import httpx2
import yaml
from fastapi import APIRouter, FastAPI

from app.db.session import Database
from app.domain.actor import Actor, Side
from app.domain.errors import UnauthenticatedError
from app.domain.ids import Prefix, show
from app.routers import consultations, kpis, leads_read, programs_read, work
from app.routers.edge import Services, include, install
from app.schemas.leads import LeadIn
from app.security.cursors import CursorSealer
from app.services import intake
from app.services.kit import Kit

EXAMPLES = Path(__file__).parents[2] / "examples"
PROGRAM = "smb-inside-sales"
SCOPES = frozenset({"leads:read", "leads:write", "kpis:read", "escalations:read", "playbooks:read", "admin"})
PROVENANCE = {
    "source_kind": "outbound_list",
    "acquired_on": "2026-11-01",
    "appi_relation": "entrustment",
    "basis": "legitimate_interest",
}
ROUTERS: tuple[APIRouter, ...] = (
    leads_read.router,
    consultations.router,
    kpis.router,
    work.router,
    programs_read.router,
)


def example(name: str) -> dict:
    document = json.loads(json.dumps(yaml.safe_load((EXAMPLES / name).read_text("utf-8")), default=str))
    document.pop("key", None)
    return document


@dataclass
class Tokens:
    """Every actor of the world is its own token."""

    actors: dict[str, Actor] = field(default_factory=dict)

    def verify(self, token: str) -> SimpleNamespace:
        if token not in self.actors:
            raise UnauthenticatedError("no such token")
        return SimpleNamespace(actor=self.actors[token], networks=())


@dataclass
class World:
    """`admin` is the administrator's connection and sees everything; the callers do not."""

    admin: asyncpg.Connection
    database: Database
    http: httpx2.AsyncClient
    tokens: Tokens
    tenant: UUID = field(default_factory=uuid4)
    partner_a: UUID = field(default_factory=uuid4)
    partner_b: UUID = field(default_factory=uuid4)
    program: UUID = field(default_factory=uuid4)
    playbook: UUID = field(default_factory=uuid4)
    calendar: UUID = field(default_factory=uuid4)

    async def insert(self, table: str, **row) -> None:
        row = {"tenant_id": self.tenant, **row}
        values = {name: json.dumps(value) if isinstance(value, dict | list) and name != "roles" else value
                  for name, value in row.items()}  # fmt: skip
        places = ", ".join(f"${n}" for n in range(1, len(row) + 1))
        await self.admin.execute(f"insert into baton.{table} ({', '.join(row)}) values ({places})", *values.values())

    async def seed(self) -> None:
        at = datetime.fromisoformat("2026-01-05T00:00:00Z")
        touched = {"version": 1, "created_at": at, "updated_at": at}
        await self.insert("tenant", key=self.tenant.hex, name="T", hmac_key=b"0", created_at=at)
        await self.insert(
            "calendar", id=self.calendar, key="tokyo", version=1, document=example("calendar.yaml"), created_at=at
        )
        for organization, kind in (
            (self.tenant, "internal"), (self.partner_a, "partner"), (self.partner_b, "partner"),
        ):  # fmt: skip
            await self.insert(
                "organization", id=organization, kind=kind, key=organization.hex, name="O", status="active", **touched
            )
        await self.insert(
            "program", id=self.program, key=PROGRAM, name="P", status="active", calendar_id=self.calendar, **touched
        )
        await self.insert(
            "playbook", id=self.playbook, program_id=self.program, version=1, status="in_force",
            document=example("playbook.yaml"), comment="", proposed_by=self.tenant, proposed_at=at, in_force_at=at,
        )  # fmt: skip
        await self.admin.execute("update baton.program set playbook_id = $1 where id = $2", self.playbook, self.program)
        for partner in (self.partner_a, self.partner_b):
            await self.insert(
                "enrolment", program_id=self.program, partner_id=partner, provenance_defaults={}, created_at=at
            )

    def actor(self, organization: UUID | None = None, *roles: str, test: bool = False) -> Actor:
        """Return a new client of an organisation; without one, of the tenant's own."""
        held = organization or self.tenant
        side = Side.INTERNAL if held == self.tenant else Side.PARTNER
        default = "internal_sales" if side is Side.INTERNAL else "partner"
        actor = Actor(self.tenant, held, uuid4(), side, frozenset(roles or (default,)), SCOPES, test)
        self.tokens.actors[str(actor.client_id)] = actor
        return actor

    async def send(self, by: Actor, method: str, path: str, **options) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {by.client_id}", **options.pop("headers", {})}
        return await self.http.request(method, path, headers=headers, **options)

    async def get(self, by: Actor, path: str, **params) -> dict:
        answer = await self.send(by, "GET", path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def pages(self, by: Actor, path: str, **params) -> list[dict]:
        """Walk a list to its end by `next_cursor`."""
        items: list[dict] = []
        cursor: dict[str, str] = {}
        while True:
            page = await self.get(by, path, **params, **cursor)
            items += page["items"]
            if page["next_cursor"] is None:
                return items
            cursor = {"cursor": page["next_cursor"]}

    async def post(
        self, by: Actor, external_id: str, *, name: str = "株式会社サンプル", test: bool = False, **more
    ) -> UUID:
        body = {
            "program": PROGRAM, "external_id": external_id, "company": {"name": name, **more.pop("company", {})},
            "provenance": PROVENANCE, "test": test, **more,
        }  # fmt: skip
        async with self.database.transaction(by) as tx:
            taken = await intake.take(tx, by, LeadIn.model_validate(body))
        return taken.row["id"]


def lead(identity: UUID) -> str:
    return show(Prefix.LEAD, identity)


@asynccontextmanager
async def a_world(database: Database, database_url: str) -> AsyncIterator[World]:
    app, tokens = FastAPI(), Tokens()
    app.state.kit = Kit(None, CursorSealer(b"k" * 32), (), "https://baton.test")  # type: ignore[arg-type]
    install(app, Services(tokens, database))  # type: ignore[arg-type]
    include(app, *ROUTERS)
    admin = await asyncpg.connect(database_url)
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://baton.test") as http:
        world = World(admin, database, http, tokens)
        await world.seed()
        yield world
    await admin.close()
