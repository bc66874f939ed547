"""Identity over HTTP on a real database: API processes with clocks of their own, tenants, partners and clients."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from uuid import uuid4

import httpx2
from fastapi import FastAPI

from app.db.session import Address, Database, Login
from app.routers import clients, invitations, me, oauth, organizations
from app.routers.edge import Services, include, install
from app.security.cursors import CursorSealer
from app.security.keyring import MasterKeys
from app.services import tenants
from app.services.issuer import Issuer
from app.services.kit import Kit

URL = "https://baton.example"
REFUSED = {"error": "invalid_client", "error_description": "The client could not be authenticated."}
PROXY = "10.0.0.1"
"""Where requests come from, unless said otherwise: a proxy that is trusted."""


class Clock:
    """A monotonic clock that only moves when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class CountingDatabase(Database):
    """Knows which logins began a transaction, and can be cut off."""

    begun: list[Login]
    gone = False

    def begin(self, identity, *, snapshot=False):
        if self.gone:
            raise ConnectionResetError
        self.begun.append(identity.login)
        return super().begin(identity, snapshot=snapshot)


@dataclass
class Process:
    """One API process: an application with an issuer and pools of its own."""

    http: httpx2.AsyncClient
    issuer: Issuer
    clock: Clock
    database: CountingDatabase
    tokens: dict[str, str] = field(default_factory=dict)

    async def token(self, client: dict, **form: str) -> httpx2.Response:
        credentials = (client["client_id"], client["client_secret"])
        return await self.http.post("/oauth/token", data={"grant_type": "client_credentials", **form}, auth=credentials)

    async def sign_in(self, assertion: str, **form: str) -> httpx2.Response:
        """Ask for a token by private_key_jwt."""
        kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        given = {"client_assertion_type": kind, "client_assertion": assertion, **form}
        return await self.http.post("/oauth/token", data={"grant_type": "client_credentials", **given})

    async def call(self, client: dict, method: str, path: str, json: object = None, **headers: str) -> httpx2.Response:
        if client["client_id"] not in self.tokens:
            self.tokens[client["client_id"]] = (await self.token(client)).json()["access_token"]
        sent = {"Authorization": f"Bearer {self.tokens[client['client_id']]}"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.request(method, path, json=json, headers=sent)


@asynccontextmanager
async def running(url: str, passwords: dict[Login, str], keys: MasterKeys, **options: bool) -> AsyncIterator[Process]:
    logins = dict.fromkeys((Login.PARTNER, Login.INTERNAL, Login.AUTH), 4)
    database = CountingDatabase(Address(url, passwords), logins, **options)
    database.begun = []
    await database.start()
    clock = Clock()
    issuer = Issuer(database, keys, url=URL, audience=URL, clock=clock)
    await issuer.start()
    app = FastAPI()
    app.state.issuer = issuer
    app.state.kit = Kit(keys, CursorSealer(keys.derive(b"cursors")), (), URL)
    install(app, Services(issuer.verifier, database, issuer.fresh, (ip_network(PROXY),)))
    include(app, oauth.router, organizations.router, clients.router, invitations.router, me.router)
    transport = httpx2.ASGITransport(app=app, client=(PROXY, 4711))
    async with httpx2.AsyncClient(transport=transport, base_url=URL) as http:
        yield Process(http, issuer, clock, database)
    await issuer.stop()
    await database.stop()


async def a_tenant(url: str, passwords: dict[Login, str], keys: MasterKeys, key: str) -> dict:
    database = Database(Address(url, passwords), {Login.INTERNAL: 1})
    await database.start()
    async with database.begin(tenants.new_identity()) as tx:
        made = await tenants.create(tx, keys, key=key, name=key.title())
    await database.stop()
    return made.shown()


async def a_partner(api: Process, admin: dict, key: str) -> dict:
    answer = await api.call(admin, "POST", "/v1/partners", {"key": key, "name": key.title()})
    assert answer.status_code == 201, answer.text
    return answer.json() | {"etag": answer.headers["etag"]}


async def a_client(api: Process, admin: dict, path: str, **body: object) -> dict:
    answer = await api.call(admin, "POST", path, {"name": "system", **body})
    assert answer.status_code == 201, answer.text
    return answer.json() | {"etag": answer.headers["etag"]}


async def a_vendor(api: Process, admin: dict, **body: object) -> tuple[dict, dict]:
    """A partner and one client of it."""
    partner = await a_partner(api, admin, unique())
    return partner, await a_client(
        api, admin, f"/v1/partners/{partner['id']}/clients", **{"roles": ["partner"], **body}
    )


def slug(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("/problems/")


def unique() -> str:
    return f"v-{uuid4().hex[:12]}"
