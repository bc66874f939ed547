"""A tenant with two partners under the example playbook, acted on through the services as the API does."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import asyncpg
import yaml

from app.db.cases import LeadRef
from app.db.session import Database, Transaction
from app.domain.actor import Actor, Side
from app.domain.ids import Prefix, show
from app.schemas.handovers import AcceptIn, HandoverIn, ReturnIn
from app.schemas.leads import ActivityIn, LeadIn
from app.services import handovers, intake, progress
from app.services.kit import Kit

EXAMPLES = Path(__file__).parents[2] / "examples"
PROGRAM = "smb-inside-sales"
KIT = cast("Kit", type("KitOfTests", (), {"public_url": "https://baton.example"})())
COMPANY = {"name": "株式会社サンプル商事", "corporate_number": "7999901000001"}
PROVENANCE = {
    "source_kind": "outbound_list",
    "acquired_on": "2026-11-01",
    "appi_relation": "entrustment",
    "basis": "legitimate_interest",
}
CONTEXT = {
    "pain_points": [{"category": "process"}],
    "expectations": "経緯を知りたい",
    "temperature": "hot",
    "bant": {
        "budget": {"value": "planned"},
        "authority": {"value": "decision_maker"},
        "need": {"value": "recognised"},
        "timeline": {"value": "3_6m"},
    },
}


def example(name: str) -> dict[str, Any]:
    document = yaml.safe_load((EXAMPLES / name).read_text("utf-8"))
    return cast("dict[str, Any]", json.loads(json.dumps(document, default=str)))


@dataclass
class Journeys:
    """One seeded tenant. `admin` bypasses every policy; the actors do not."""

    database: Database
    admin: asyncpg.Connection
    tenant_id: UUID = field(default_factory=uuid4)
    partner_a: UUID = field(default_factory=uuid4)
    partner_b: UUID = field(default_factory=uuid4)
    program_id: UUID = field(default_factory=uuid4)
    posted: int = 0

    async def seed(self, playbook: dict[str, Any] | None = None, calendar: dict[str, Any] | None = None) -> None:
        calendar_id, playbook_id = uuid4(), uuid4()
        held = calendar or example("calendar.yaml")
        held = {key: value for key, value in held.items() if key != "key"}
        run = self.admin.execute
        await run(
            "insert into baton.tenant (tenant_id, key, name, hmac_key, created_at) values ($1, $2, 'T', '\\x00', now())",
            self.tenant_id,
            f"t-{self.tenant_id.hex[:8]}",
        )
        await run(
            "insert into baton.calendar (tenant_id, id, key, version, document, created_at)"
            " values ($1, $2, 'tokyo', 1, $3, now())",
            self.tenant_id,
            calendar_id,
            json.dumps(held),
        )
        for organization_id, kind in (
            (self.tenant_id, "internal"),
            (self.partner_a, "partner"),
            (self.partner_b, "partner"),
        ):
            await run(
                "insert into baton.organization (tenant_id, id, kind, key, name, status, version, created_at, updated_at)"
                " values ($1, $2, $3, $4, 'O', 'active', 1, now(), now())",
                self.tenant_id,
                organization_id,
                kind,
                organization_id.hex,
            )
        await run(
            "insert into baton.program (tenant_id, id, key, name, status, calendar_id, version, created_at, updated_at)"
            " values ($1, $2, $3, 'P', 'active', $4, 1, now(), now())",
            self.tenant_id,
            self.program_id,
            PROGRAM,
            calendar_id,
        )
        await run(
            "insert into baton.playbook (tenant_id, id, program_id, version, status, document, comment, proposed_by,"
            " proposed_at, in_force_at) values ($1, $2, $3, 1, 'in_force', $4, '', $1, now(), now())",
            self.tenant_id,
            playbook_id,
            self.program_id,
            json.dumps(playbook or example("playbook.yaml")),
        )
        await run("update baton.program set playbook_id = $2 where tenant_id = $1", self.tenant_id, playbook_id)
        for partner_id in (self.partner_a, self.partner_b):
            await run(
                "insert into baton.enrolment (tenant_id, program_id, partner_id, provenance_defaults, created_at)"
                " values ($1, $2, $3, '{}', now())",
                self.tenant_id,
                self.program_id,
                partner_id,
            )

    def partner(self, organization_id: UUID | None = None, *roles: str) -> Actor:
        return Actor(
            self.tenant_id,
            organization_id or self.partner_a,
            uuid4(),
            Side.PARTNER,
            frozenset(roles or ("partner",)),
            frozenset(),
        )

    def internal(self, *roles: str) -> Actor:
        return Actor(
            self.tenant_id,
            self.tenant_id,
            uuid4(),
            Side.INTERNAL,
            frozenset(roles or ("internal_sales",)),
            frozenset(),
        )

    async def at(self, moment: str) -> datetime:
        """Set Baton's clock; it runs on from there."""
        await self.admin.execute("update baton.test_clock set ahead = $1 - now()", datetime.fromisoformat(moment))
        return datetime.fromisoformat(moment)

    async def ahead(self, **span: float) -> None:
        """Move Baton's clock forward."""
        text = " ".join(f"{amount} {unit}" for unit, amount in span.items())
        await self.admin.execute("update baton.test_clock set ahead = ahead + $1::text::interval", text)

    @asynccontextmanager
    async def acting(self, actor: Actor) -> AsyncIterator[Transaction]:
        async with self.database.transaction(actor) as tx:
            yield tx

    async def post(
        self, actor: Actor, company: dict[str, Any] | None = None, *, test: bool = False, external_id: str | None = None
    ) -> UUID:
        self.posted += 1
        body: dict[str, Any] = {
            "program": PROGRAM,
            "external_id": external_id or f"L-{self.posted}-{uuid4().hex[:8]}",
            "company": company or COMPANY,
            "provenance": PROVENANCE,
            "context": CONTEXT,
            "test": test,
        }
        if actor.side is Side.INTERNAL:
            body["partner"] = show(Prefix.ORGANIZATION, self.partner_a)
        async with self.acting(actor) as tx:
            taken = await intake.take(tx, actor, LeadIn.model_validate(body))
        return cast("UUID", taken.row["id"])

    async def offer(self, actor: Actor, lead_id: UUID, to_role: str = "internal_sales") -> UUID:
        async with self.acting(actor) as tx:
            case = await handovers.request(
                tx, actor, KIT, LeadRef(id=lead_id), HandoverIn(to_role=to_role, summary="初回商談の依頼")
            )
        assert case.handover is not None
        return cast("UUID", case.handover["id"])

    async def accept(self, actor: Actor, handover_id: UUID) -> None:
        async with self.acting(actor) as tx:
            await handovers.accept(tx, actor, KIT, handover_id, AcceptIn())

    async def send_back(self, actor: Actor, handover_id: UUID) -> None:
        body = ReturnIn.model_validate({"questions": [{"text": "予算は?"}]})
        async with self.acting(actor) as tx:
            await handovers.send_back(tx, actor, KIT, handover_id, body)

    async def call(self, actor: Actor, lead_id: UUID) -> None:
        body = ActivityIn.model_validate({"kind": "call", "at": "2026-12-01T00:00:00Z", "disposition": "connected"})
        async with self.acting(actor) as tx:
            await progress.activity(tx, actor, KIT, LeadRef(id=lead_id), body)

    async def lead(self, lead_id: UUID) -> dict[str, Any]:
        row = await self.admin.fetchrow("select * from baton.lead where id = $1", lead_id)
        assert row is not None
        return {
            name: json.loads(value) if name in ("due", "decision", "company") and value else value
            for name, value in row.items()
        }

    async def clock(self, lead_id: UUID, name: str) -> asyncpg.Record:
        row = await self.admin.fetchrow(
            "select * from baton.clock where lead_id = $1 and name = $2 order by n desc limit 1", lead_id, name
        )
        assert row is not None
        return row

    async def escalation(self, lead_id: UUID) -> dict[str, Any]:
        row = await self.admin.fetchrow(
            "select * from baton.escalation where lead_id = $1 order by n desc limit 1", lead_id
        )
        assert row is not None
        held = dict(row)
        for name in ("ladder", "timeline", "acknowledged_by"):
            held[name] = json.loads(held[name]) if held[name] else held[name]
        return held

    async def events(self, lead_id: UUID) -> list[str]:
        rows = await self.admin.fetch("select type from baton.event where lead_id = $1 order by n", lead_id)
        return [row["type"] for row in rows]

    async def pages(self, lead_id: UUID) -> list[str]:
        rows = await self.admin.fetch("select type from baton.outbox where lead_id = $1 and page order by id", lead_id)
        return [row["type"] for row in rows]

    async def bodies(self, lead_id: UUID, kind: str, organization_id: UUID) -> list[dict[str, Any]]:
        rows = await self.admin.fetch(
            "select body from baton.outbox where lead_id = $1 and type = $2 and organization_id = $3 order by id",
            lead_id,
            kind,
            organization_id,
        )
        return [json.loads(row["body"])["data"] for row in rows]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@asynccontextmanager
async def journeys(database: Database, database_url: str) -> AsyncIterator[Journeys]:
    admin = await asyncpg.connect(database_url)
    try:
        yield Journeys(database, admin)
    finally:
        await admin.close()
