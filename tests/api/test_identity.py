"""Identity over HTTP on a real database: tokens, keys, partners, clients, and how soon a suspension is felt."""

import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx2
import jwt
import pytest
from fastapi import FastAPI

from app.db.session import Address, Database, Login
from app.domain.actor import Side
from app.routers import me, oauth, organizations
from app.routers.edge import Services, include, install
from app.security.cursors import CursorSealer
from app.security.keyring import MasterKeys
from app.services import tenants
from app.services.issuer import Issuer
from app.services.kit import Kit

URL = "https://baton.example"
REFUSED = {"error": "invalid_client", "error_description": "The client could not be authenticated."}


class Clock:
    """A monotonic clock that only moves when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Process:
    """One API process: an application with an issuer and pools of its own."""

    http: httpx2.AsyncClient
    issuer: Issuer
    clock: Clock
    tokens: dict[str, str] = field(default_factory=dict)

    async def token(self, client: dict, **form: str) -> httpx2.Response:
        credentials = (client["client_id"], client["client_secret"])
        return await self.http.post("/oauth/token", data={"grant_type": "client_credentials", **form}, auth=credentials)

    async def call(self, client: dict, method: str, path: str, json: object = None, **headers: str) -> httpx2.Response:
        if client["client_id"] not in self.tokens:
            self.tokens[client["client_id"]] = (await self.token(client)).json()["access_token"]
        sent = {"Authorization": f"Bearer {self.tokens[client['client_id']]}"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.request(method, path, json=json, headers=sent)


@asynccontextmanager
async def running(url: str, passwords: dict[Login, str], keys: MasterKeys) -> AsyncIterator[Process]:
    database = Database(Address(url, passwords), dict.fromkeys((Login.PARTNER, Login.INTERNAL, Login.AUTH), 4))
    await database.start()
    clock = Clock()
    issuer = Issuer(database, keys, url=URL, audience=URL, clock=clock)
    await issuer.start()
    app = FastAPI()
    app.state.issuer = issuer
    app.state.kit = Kit(keys, CursorSealer(keys.derive(b"cursors")), (), URL)
    install(app, Services(issuer.verifier, database, issuer.fresh))
    include(app, oauth.router, organizations.router, me.router)
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url=URL) as http:
        yield Process(http, issuer, clock)
    await issuer.stop()
    await database.stop()


async def a_tenant(url: str, passwords: dict[Login, str], keys: MasterKeys, key: str) -> dict:
    database = Database(Address(url, passwords), {Login.INTERNAL: 1})
    await database.start()
    async with database.begin(tenants.new_identity()) as tx:
        made = await tenants.create(tx, keys, key=key, name=key.title())
    await database.stop()
    return made.shown()


@pytest.fixture(scope="module")
async def admin(database_url, passwords, master_keys) -> dict:
    return await a_tenant(database_url, passwords, master_keys, "acme")


@pytest.fixture(scope="module")
async def other_admin(database_url, passwords, master_keys) -> dict:
    return await a_tenant(database_url, passwords, master_keys, "other")


@pytest.fixture
async def api(database_url, passwords, master_keys, admin, other_admin) -> AsyncIterator[Process]:
    async with running(database_url, passwords, master_keys) as process:
        yield process


async def a_partner(api: Process, admin: dict, key: str) -> dict:
    answer = await api.call(admin, "POST", "/v1/partners", {"key": key, "name": key.title()})
    assert answer.status_code == 201, answer.text
    return answer.json() | {"etag": answer.headers["etag"]}


async def a_client(api: Process, admin: dict, path: str, **body: object) -> dict:
    answer = await api.call(admin, "POST", path, {"name": "system", **body})
    assert answer.status_code == 201, answer.text
    return answer.json() | {"etag": answer.headers["etag"]}


async def test_a_client_gets_a_token_that_the_published_key_verifies(api, admin):
    answer = await api.token(admin)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 600)
    published = (await api.http.get("/.well-known/jwks.json")).json()["keys"]
    kid = jwt.get_unverified_header(body["access_token"])["kid"]
    key = jwt.PyJWK(next(key for key in published if key["kid"] == kid))
    claims = jwt.decode(body["access_token"], key.key, algorithms=["ES256"], audience=URL, issuer=URL)
    assert claims["sub"] == claims["client_id"] == admin["client_id"]
    assert claims["tid"] == admin["tenant_id"]
    assert claims["org"] == admin["tenant_id"].replace("ten_", "org_")
    assert claims["roles"] == ["admin"]
    assert claims["exp"] - claims["iat"] == 600


async def test_partners_and_their_clients_are_made_by_api(api, admin):
    partner = await a_partner(api, admin, "vendor-a")
    client = await a_client(api, admin, f"/v1/partners/{partner['id']}/clients", roles=["partner"])
    me = (await api.call(client, "GET", "/v1/me")).json()
    assert me["organization"] == {"id": partner["id"], "kind": "partner", "name": "Vendor-A"}
    assert me["client_id"] == client["client_id"]
    assert me["mode"] == "live"
    assert "leads:write" in [entry["scope"] for entry in me["scopes"]]
