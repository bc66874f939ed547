"""The real application on a real server and a fresh database: two tenants, seeded and logged in as callers would be.

Tenant 1 has the partners A and B, tenant 2 one partner. Nothing here reaches past the application, except `admin`, the
superuser's connection, which counts rows and plants what no login may write.
"""

import asyncio
import math
import socket
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_network
from typing import Any, Final
from uuid import uuid4

import asyncpg
import httpx2
import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr

from app.db.session import Address, Database, Login
from app.domain.ids import Prefix, show
from app.domain.limits import MOST_PER_MINUTE, Policy
from app.main import create_app, passwords
from app.security.keyring import MasterKeys
from app.seed import PROGRAM, seed
from app.settings import Settings
from app.workers.adjudicator import Adjudicator
from app.workers.publisher import Publisher
from app.workers.timekeeper import Timekeeper

PROVENANCE: Final = {
    "source_kind": "outbound_list",
    "acquired_on": "2026-11-01",
    "appi_relation": "entrustment",
    "basis": "legitimate_interest",
}
CONTEXT: Final = {
    "pain_points": [{"category": "process", "note": "引き継ぎが属人化している"}],
    "expectations": "商談前に経緯を知りたい",
    "temperature": "hot",
    "temperature_basis": "来月予算化と発言",
    "bant": {
        "budget": {"value": "planned"},
        "authority": {"value": "decision_maker"},
        "need": {"value": "recognised"},
        "timeline": {"value": "3_6m"},
    },
    "personality": "数字で判断される",
    "concerns": ["導入負荷"],
    "next_step": {"what": "初回商談", "due_on": "2026-12-01"},
}
"""The context of contract 4, word by word: nothing that any stage of the default playbook needs is missing."""
CALL: Final = {"kind": "call", "at": "2026-11-02T01:00:00Z", "disposition": "connected", "contact_role": "user"}
MEETING: Final = {"kind": "meeting", "at": "2026-11-03T01:00:00Z", "disposition": "held"}
LOST: Final = {"result": "lost", "reason": "price", "stated_by": "customer_stated"}


def lead_body(external_id: str, **more: Any) -> dict[str, Any]:
    """Return a lead that a partner posts; `more` replaces members."""
    body = {
        "program": PROGRAM,
        "external_id": external_id,
        "company": {"name": f"株式会社{external_id}"},
        "provenance": PROVENANCE,
        "context": CONTEXT,
    }
    return {**deepcopy(body), **more}


def random_id(like: str) -> str:
    """Return an id of the same kind that names nothing."""
    return show(Prefix(like.partition("_")[0]), uuid4())


class _Server(uvicorn.Server):
    def capture_signals(self) -> Any:
        """Leave Ctrl-C to pytest."""
        return nullcontext()


@dataclass
class World:
    """One running API. Callers go by name: those of `demo.json`, and those that `add_client` made."""

    app: FastAPI
    http: httpx2.AsyncClient
    admin: asyncpg.Connection
    database: Database
    keys: MasterKeys
    tenant: dict[str, str]
    clients: dict[str, dict[str, str]]
    tokens: dict[str, str] = field(default_factory=dict)
    fresh_until: dict[str, float] = field(default_factory=dict)
    organizations: dict[str, str] = field(default_factory=dict)
    """The public id of the organisation of each caller."""

    async def log_in(self, who: str, **form: str) -> httpx2.Response:
        """Ask the token endpoint for a token of `who`."""
        client = self.clients[who]
        credentials = (client["client_id"], client["client_secret"])
        return await self.http.post("/oauth/token", data={"grant_type": "client_credentials", **form}, auth=credentials)

    async def token(self, who: str) -> str:
        """Return a token of `who` with all of its scopes; asked for again before it runs out."""
        now = asyncio.get_running_loop().time()
        if who not in self.tokens or now > self.fresh_until.get(who, math.inf):
            self.fresh_until[who] = now + 480  # of its ten minutes
            answer = await self.log_in(who)
            assert answer.status_code == 200, answer.text
            self.tokens[who] = answer.json()["access_token"]
        return self.tokens[who]

    async def call(self, who: str, method: str, path: str, json: Any = None, **options: Any) -> httpx2.Response:
        """Send one request as `who`; `headers`, `content` and `params` go through as they are."""
        headers = {"Authorization": f"Bearer {await self.token(who)}", **(options.pop("headers", None) or {})}
        if json is not None:
            options["json"] = json
        return await self.http.request(method, path, headers=headers, **options)

    async def get(self, who: str, path: str, **params: Any) -> Any:
        """Read as `who`, where 200 is the one answer that the test can go on with."""
        answer = await self.call(who, "GET", path, params=params or None)  # {} would drop a query of the path
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, who: str, path: str, json: Any = None, *, status: int | None = None) -> Any:
        """Post as `who`, where success (or `status`) is the one answer that the test can go on with."""
        answer = await self.call(who, "POST", path, {} if json is None else json)
        assert answer.status_code == status if status else answer.is_success, answer.text
        return answer.json()

    async def add_client(self, name: str, *, by: str = "admin", partner_of: str | None = None, **body: Any) -> None:
        """Make the client `name`; of the organisation of `by`, or of the partner that the caller `partner_of` is of."""
        path = f"/v1/partners/{await self.organization(partner_of)}/clients" if partner_of else "/v1/clients"
        shown = await self.post(by, path, {"name": name, **body})
        self.clients[name] = {"client_id": shown["client_id"], "client_secret": shown["client_secret"]}

    async def organization(self, who: str) -> str:
        """Return the public id of a caller's organisation."""
        if who not in self.organizations:
            self.organizations[who] = (await self.get(who, "/v1/me"))["organization"]["id"]
        return self.organizations[who]

    async def adjudicate(self) -> None:
        """Decide every lead that waits."""
        while await Adjudicator(self.database).cycle() is not None:
            pass

    async def publish(self) -> None:
        """Bring every committed body into the feeds."""
        while await Publisher(self.database).cycle() is not None:
            pass

    async def pass_time(self, **duration: float) -> None:
        """Move Baton's clock forward, and let what has been missed meanwhile be noticed."""
        seconds = timedelta(**duration).total_seconds()
        moved = await self.http.post("/test/clock/advance", json={"seconds": seconds})
        assert moved.status_code == 200, moved.text
        keeper = Timekeeper(self.database, str(self.http.base_url))
        while await keeper.cycle() is not None:
            pass

    async def open_lead(self, external_id: str, who: str = "partner_a", **more: Any) -> dict[str, Any]:
        """Return a lead of `who` that has been accepted and has everything a handover needs."""
        lead = await self.post(who, "/v1/leads", lead_body(external_id, **more), status=201)
        await self.adjudicate()
        lead = await self.get(who, f"/v1/leads/{lead['id']}")
        assert lead["status"] == "open", lead
        return lead

    async def offered(self, external_id: str, who: str = "partner_a", **more: Any) -> dict[str, Any]:
        """Return a handover to internal sales that waits for its answer."""
        lead = await self.open_lead(external_id, who)
        body = {"to_role": "internal_sales", "summary": "初回商談の引き継ぎ", **more}
        return await self.post(who, f"/v1/leads/{lead['id']}/handovers", body, status=201)

    async def taken_over(self, external_id: str, who: str = "partner_a", by: str = "sales") -> dict[str, Any]:
        """Return an accepted handover: internal sales owns the lead, in `evaluation`."""
        handover = await self.offered(external_id, who)
        return await self.post(by, f"/v1/handovers/{handover['id']}/accept", status=200)

    async def rows(self) -> dict[str, int]:
        """Return how many rows each table holds. Keys and counts of requests are no trace of one."""
        tables = await self.admin.fetch(
            "select c.relname from pg_class c where c.relnamespace = 'baton'::regnamespace and c.relkind in ('r', 'p')"
            " and not c.relispartition and c.relname not in ('signing_key', 'alembic_version', 'permit') order by 1"
        )
        counts = " union all ".join(
            f"select '{row['relname']}' as name, count(*) as n from baton.{row['relname']}" for row in tables
        )
        return {row["name"]: row["n"] for row in await self.admin.fetch(counts)}

    async def tables(self) -> Mapping[str, str]:
        """Return a digest of what each table holds, so that a change of a single value shows."""
        names = await self.rows()
        digests = " union all ".join(
            f"select '{name}' as name, md5(coalesce(string_agg(t::text, '|' order by t::text), '')) as digest"
            f" from baton.{name} t"
            for name in names
            if name
            not in {"client", "client_secret", "client_key"}  # to the minute they hold when a token was asked for
        )
        return {row["name"]: row["digest"] for row in await self.admin.fetch(digests)}


def spelled(keys: MasterKeys) -> str:
    """Return the ring's first key in the form of the setting: the run's logins have passwords derived from it."""
    return f"{keys._head[2:].decode()}:{b64encode(keys._first).decode()}"


UNLIMITED: Final = {f"rate_{policy.value}": MOST_PER_MINUTE for policy in Policy}
"""No test meets a rate limit that it does not ask for."""


@asynccontextmanager
async def a_world(database_url: str, keys: MasterKeys, **set_: Any) -> AsyncIterator[World]:
    """Run the application against a fresh, migrated database, seeded through the services; `set_` are settings."""
    listener = socket.socket(proto=socket.IPPROTO_TCP)  # of any other, asyncio leaves Nagle's delay of 40 ms on
    listener.bind(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    settings = Settings(
        database_url=SecretStr(database_url),
        master_key=SecretStr(spelled(keys)),
        public_url=url,
        egress_allow=(ip_network("127.0.0.0/8"),),
        test_clock=True,
        **{**UNLIMITED, **set_},
    )
    address = Address(database_url, passwords(keys))
    demo = await seed(address, keys, url, None)
    app = create_app(settings)
    server = _Server(uvicorn.Config(app, log_config=None, access_log=False, server_header=False, proxy_headers=False))
    serving = asyncio.create_task(server.serve([listener]))
    database = Database(address, dict.fromkeys(Login, 8))
    await database.start()
    admin = await asyncpg.connect(database_url)
    limits = httpx2.Limits(max_connections=40, max_keepalive_connections=40)
    async with httpx2.AsyncClient(base_url=url, limits=limits, timeout=20) as http:
        while not server.started:
            assert not serving.done(), "the API did not start"
            await asyncio.sleep(0.01)
        yield World(app, http, admin, database, keys, demo["tenant"], demo["clients"])
    await admin.close()
    await database.stop()
    server.should_exit = True
    await serving
