"""A partner's admin manages its organisation's people and machines; the tenant sees and commands none of them.

Company to company, never company to person: the tenant gives a partner its first client and may suspend the whole
organisation, and that is all.
"""

import asyncio
from uuid import uuid4

import asyncpg
import pytest

from app.db.session import Address, Database, Identity, Login
from app.domain.access import Role, Scope
from app.domain.actor import Actor, Side
from app.domain.errors import NotFoundError
from app.domain.ids import Prefix, read, show
from app.schemas.identity import ClientPatch
from app.services import clients
from tests.api.identity_world import REFUSED, a_client, a_vendor, slug

NAME = "田中 太郎"


@pytest.fixture
async def vendor(api, admin) -> tuple[dict, dict]:
    """A partner and its first client, an admin that the tenant made."""
    return await a_vendor(api, admin, roles=["admin"])


async def a_worker(api, boss: dict, **body: object) -> dict:
    return await a_client(api, boss, "/v1/clients", **{"name": NAME, "roles": ["partner"], **body})


async def test_a_partner_makes_changes_and_ends_its_own_clients(api, vendor):
    partner, boss = vendor
    worker = await a_worker(api, boss)
    assert (worker["organization_id"], worker["managed_by"], worker["name"]) == (partner["id"], "partner", NAME)
    assert (await api.call(worker, "GET", "/v1/me")).json()["organization"]["id"] == partner["id"]
    path = f"/v1/clients/{worker['client_id']}"
    names = [one["name"] for one in (await api.call(boss, "GET", "/v1/clients")).json()["items"]]
    assert names == ["system", NAME]
    patched = await api.call(boss, "PATCH", path, {"roles": ["partner", "manager"]}, If_Match=worker["etag"])
    assert patched.json()["roles"] == ["manager", "partner"]
    second = await api.call(boss, "POST", f"{path}/secrets", {})
    assert second.status_code == 201
    assert (await api.token(worker | {"client_secret": second.json()["client_secret"]})).status_code == 200
    tag = (await api.call(boss, "GET", path)).headers["etag"]
    first = f"{path}/secrets/{worker['secrets'][0]['id']}"
    assert (await api.call(boss, "DELETE", first, If_Match=tag)).status_code == 204
    assert (await api.token(worker)).json() == REFUSED
    tag = (await api.call(boss, "GET", path)).headers["etag"]
    assert (await api.call(boss, "DELETE", path, If_Match=tag)).status_code == 204
    assert (await api.token(worker | {"client_secret": second.json()["client_secret"]})).json() == REFUSED


async def test_the_tenant_neither_sees_nor_commands_what_a_partner_made(api, admin, vendor):
    partner, boss = vendor
    worker = await a_worker(api, boss)
    random = show(Prefix.CLIENT, uuid4())
    secret = worker["secrets"][0]["id"]
    for method, tail, body in (
        ("GET", "", None),
        ("PATCH", "", {"status": "suspended"}),
        ("DELETE", "", None),
        ("POST", "/secrets", {}),
        ("DELETE", f"/secrets/{secret}", None),
    ):
        tag = {"If_Match": worker["etag"]} if method in {"PATCH", "DELETE"} else {}
        told = []
        for client in (worker["client_id"], random):
            answer = await api.call(admin, method, f"/v1/clients/{client}{tail}", body, **tag)
            assert slug(answer) == (404, "not-found"), (method, tail)
            told.append(answer.json() | {"request_id": ""})
        assert told[0] == told[1]
    assert (await api.token(worker)).status_code == 200
    listed = await api.call(admin, "GET", f"/v1/partners/{partner['id']}/clients")
    assert [one["client_id"] for one in listed.json()["items"]] == [boss["client_id"]]
    shown = await api.call(admin, "GET", f"/v1/partners/{partner['id']}")
    assert set(shown.json()) == {"id", "key", "name", "status", "limits", "created_at", "updated_at"}
    for answer in (listed, shown, await api.call(admin, "GET", "/v1/partners"), await api.call(admin, "GET", "/v1/me")):
        assert NAME not in answer.text
        assert worker["client_id"] not in answer.text


async def test_what_a_partner_touches_is_its_own_from_then_on(api, admin, vendor):
    partner, boss = vendor
    path = f"/v1/clients/{boss['client_id']}"
    assert (await api.call(admin, "GET", path)).json()["managed_by"] == "internal"
    renamed = await api.call(boss, "PATCH", path, {"name": NAME}, If_Match=boss["etag"])
    assert renamed.json()["managed_by"] == "partner"
    assert slug(await api.call(admin, "GET", path)) == (404, "not-found")
    assert (await api.call(admin, "GET", f"/v1/partners/{partner['id']}/clients")).json()["items"] == []
    # Its access lost, the partner gets a new first client, and sees that it did.
    rescue = await a_client(api, admin, f"/v1/partners/{partner['id']}/clients", name="rescue", roles=["admin"])
    mine = (await api.call(boss, "GET", "/v1/clients")).json()["items"]
    assert [(one["name"], one["managed_by"]) for one in mine] == [(NAME, "partner"), ("rescue", "internal")]
    ended = await api.call(boss, "DELETE", f"/v1/clients/{rescue['client_id']}", If_Match=rescue["etag"])
    assert ended.status_code == 204


async def test_the_tenant_suspends_the_whole_organisation_and_hidden_clients_with_it(api, second, admin, vendor):
    partner, boss = vendor
    worker = await a_worker(api, boss)
    for client in (boss, worker):
        assert (await second.call(client, "GET", "/v1/me")).status_code == 200
    path = f"/v1/partners/{partner['id']}"
    patched = await api.call(admin, "PATCH", path, {"status": "suspended"}, If_Match=partner["etag"])
    second.clock.now += 25
    for client in (boss, worker):
        assert slug(await second.call(client, "GET", "/v1/me")) == (403, "partner-suspended")
        assert (await api.token(client)).json()["error"] == "unauthorized_client"
    await api.call(admin, "PATCH", path, {"status": "active"}, If_Match=patched.headers["etag"])
    second.clock.now += 25
    for client in (boss, worker):  # nothing that the suspension ended comes back
        assert slug(await second.call(client, "GET", "/v1/me")) == (401, "unauthenticated")
        assert (await second.token(client)).status_code == 200


async def test_nobody_gives_what_it_does_not_have(api, admin, vendor):
    _, boss = vendor
    cases = [
        ({"roles": ["internal_sales"]}, "/roles"),
        ({"roles": ["customer_success", "partner"]}, "/roles"),
        ({"roles": ["partner"], "scopes": ["admin"]}, "/scopes"),
        ({"roles": ["partner"], "scopes": ["audit:read"]}, "/scopes"),
        ({"roles": ["partner"], "organization_id": "org_x"}, "/organization_id"),
    ]
    for body, pointer in cases:
        answer = await api.call(boss, "POST", "/v1/clients", {"name": "x", **body})
        assert slug(answer) == (422, "validation-failed"), body
        assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    clerk = await a_worker(api, boss, roles=["admin"], scopes=["partners:manage", "leads:read"])
    plain = await a_worker(api, clerk)
    assert plain["scopes"] == ["leads:read"]  # of those of its role, what the clerk itself has
    answer = await api.call(
        clerk, "POST", "/v1/clients", {"name": "x", "roles": ["partner"], "scopes": ["leads:write"]}
    )
    assert slug(answer) == (422, "validation-failed")
    path = f"/v1/clients/{plain['client_id']}"
    wider = {"scopes": ["leads:read", "webhooks:manage"]}
    assert slug(await api.call(clerk, "PATCH", path, wider, If_Match=plain["etag"])) == (422, "validation-failed")
    # Nor does it get the credential of a client that may do more.
    assert slug(await api.call(clerk, "POST", f"/v1/clients/{boss['client_id']}/secrets", {})) == (403, "not-permitted")
    patched = await api.call(boss, "PATCH", path, wider, If_Match=plain["etag"])
    assert patched.json()["scopes"] == sorted(wider["scopes"])
    assert slug(await api.call(clerk, "POST", f"{path}/secrets", {})) == (403, "not-permitted")
    lesser = await api.call(clerk, "PATCH", path, {"scopes": ["leads:read"]}, If_Match=patched.headers["etag"])
    assert lesser.json()["scopes"] == ["leads:read"]  # taking away is no giving


async def test_an_admin_of_the_tenant_gives_no_more_than_it_has_either(api, admin):
    clerk = await a_client(api, admin, "/v1/clients", roles=["admin"], scopes=["partners:manage", "leads:read"])
    body = {"name": "x", "roles": ["admin"], "scopes": ["admin"]}
    assert slug(await api.call(clerk, "POST", "/v1/clients", body)) == (422, "validation-failed")
    path = f"/v1/clients/{admin['client_id']}/secrets"
    assert slug(await api.call(clerk, "POST", path, {})) == (403, "not-permitted")


async def test_a_test_client_administers_nobody(api, vendor):
    _, boss = vendor
    tester = await a_worker(api, boss, roles=["admin"], test=True)
    path = f"/v1/clients/{boss['client_id']}"
    for method, tail, body in (
        ("GET", "", None),
        ("PATCH", "", {"name": "x"}),
        ("DELETE", "", None),
        ("POST", "/secrets", {}),
        ("DELETE", f"/secrets/{boss['secrets'][0]['id']}", None),
    ):
        sent = {"If_Match": boss["etag"]} if method in {"PATCH", "DELETE"} else {}
        answer = await api.call(tester, method, path + tail, body, **sent)
        assert slug(answer) == (403, "insufficient-scope"), method
    assert slug(await api.call(tester, "POST", "/v1/clients", {"name": "x"})) == (403, "insufficient-scope")


async def test_another_partners_clients_do_not_exist(api, admin, other_admin, vendor):
    _, boss = vendor
    _, rival = await a_vendor(api, admin, roles=["admin"])
    _, abroad = await a_vendor(api, other_admin, roles=["admin"])
    worker = await a_worker(api, boss)
    for stranger in (rival, abroad):
        for client in (boss, worker, admin):
            path = f"/v1/clients/{client['client_id']}"
            assert slug(await api.call(stranger, "GET", path)) == (404, "not-found")
            assert slug(await api.call(stranger, "DELETE", path, If_Match='"1"')) == (404, "not-found")
            assert slug(await api.call(stranger, "POST", f"{path}/secrets", {})) == (404, "not-found")
        listed = (await api.call(stranger, "GET", "/v1/clients")).json()["items"]
        assert [one["client_id"] for one in listed] == [stranger["client_id"]]
    # A secret of one client is none of another.
    path = f"/v1/clients/{worker['client_id']}/secrets/{boss['secrets'][0]['id']}"
    assert slug(await api.call(boss, "DELETE", path, If_Match=worker["etag"])) == (404, "not-found")


async def test_an_organisation_does_not_lose_its_last_access_by_its_own_hand(api, vendor):
    _, boss = vendor
    path = f"/v1/clients/{boss['client_id']}"
    tag = boss["etag"]
    for change in ({"status": "suspended"}, {"roles": ["partner"]}, {"scopes": ["leads:read"]}):
        assert slug(await api.call(boss, "PATCH", path, change, If_Match=tag)) == (409, "conflict")
    last = f"{path}/secrets/{boss['secrets'][0]['id']}"
    for gone in (path, last):
        assert slug(await api.call(boss, "DELETE", gone, If_Match=tag)) == (409, "conflict")
    assert (await api.token(boss)).status_code == 200
    second = (await api.call(boss, "POST", f"{path}/secrets", {})).json()
    tag = (await api.call(boss, "GET", path)).headers["etag"]
    assert (await api.call(boss, "DELETE", last, If_Match=tag)).status_code == 204
    assert (await api.token(boss | {"client_secret": second["client_secret"]})).status_code == 200


async def test_the_database_hides_them_too(api, admin, vendor, database_url, passwords):
    """Of the tenant's login alone, without the application: what a partner manages is neither read nor written."""
    partner, boss = vendor
    worker = await a_worker(api, boss)
    tenant = read(Prefix.TENANT, admin["tenant_id"])
    hidden, shown = (read(Prefix.CLIENT, one["client_id"]) for one in (worker, boss))
    database = Database(Address(database_url, passwords), {Login.INTERNAL: 1, Login.PARTNER: 1})
    await database.start()
    async with database.begin(Identity(Login.INTERNAL, tenant, tenant)) as tx:
        seen = await tx.fetch("select id from baton.client where id = any($1::uuid[])", [hidden, shown])
        assert [row["id"] for row in seen] == [shown]
        assert await tx.execute("update baton.client set name = 'x' where id = $1", hidden) == "UPDATE 0"
        assert await tx.fetch("select id from baton.client_secret where client_id = $1", hidden) == []
        ended = "update baton.client_secret set expires_at = now() where client_id = $1"
        assert await tx.execute(ended, hidden) == "UPDATE 0"
    planted = "insert into baton.client_secret values ($1, gen_random_uuid(), $2, 'x', now() + '1 day', now(), null)"
    marked = "update baton.client set self_managed = true where id = $1"
    organization = read(Prefix.ORGANIZATION, partner["id"])
    unmarked = "update baton.client set self_managed = false where id = $1"
    for identity, statement, values in (
        (Identity(Login.INTERNAL, tenant, tenant), planted, (tenant, hidden)),
        (Identity(Login.INTERNAL, tenant, tenant), marked, (shown,)),
        (Identity(Login.PARTNER, tenant, organization), unmarked, (hidden,)),
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with database.begin(identity) as tx:
                await tx.execute(statement, *values)
    await database.stop()


async def test_no_client_is_made_that_could_not_get_a_token(api, vendor):
    _, boss = vendor
    refused = await api.call(
        boss, "POST", "/v1/clients", {"name": "x", "roles": ["admin"], "scopes": ["partners:manage"], "test": True}
    )
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/scopes")
    narrow = (await api.token(boss, scope="partners:manage")).json()["access_token"]
    headers = {"Authorization": f"Bearer {narrow}"}
    refused = await api.http.post("/v1/clients", json={"name": "x", "roles": ["partner"]}, headers=headers)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/scopes")


async def test_an_organisation_cannot_multiply_its_limits_by_making_clients(api, vendor, monkeypatch):
    _, boss = vendor
    monkeypatch.setattr("app.services.clients.MOST_CLIENTS", 3)
    for _ in range(2):
        await a_worker(api, boss)
    refused = await api.call(boss, "POST", "/v1/clients", {"name": "one more", "roles": ["partner"]})
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/conflict")


async def test_no_token_outlives_the_change_that_was_under_way_when_it_was_signed(api, admin, database_url, passwords):
    _, vendor = await a_vendor(api, admin, scopes=["leads:read", "events:read"])
    tenant = read(Prefix.TENANT, admin["tenant_id"])
    by = Actor(tenant, tenant, uuid4(), Side.INTERNAL, frozenset(Role) - {Role.PARTNER}, frozenset(Scope))
    client, narrower = read(Prefix.CLIENT, vendor["client_id"]), ClientPatch(scopes={Scope.LEADS_READ})
    database = Database(Address(database_url, passwords), {Login.INTERNAL: 1})
    await database.start()
    async with database.begin(Identity.of(by)) as tx:
        await tx.now()  # the change has begun, and its clock stands
        await asyncio.sleep(1.1)  # tokens tell whole seconds
        early = (await api.token(vendor)).json()
        await clients.change_client(tx, by, client, narrower, vendor["etag"].strip('"'), None)
        asked = asyncio.create_task(api.token(vendor))
        await asyncio.sleep(0.2)
        assert not asked.done(), "a token was signed for what is being taken away"
    late = (await asked).json()
    await database.stop()
    assert (set(early["scope"].split()), late["scope"]) == ({"leads:read", "events:read"}, "leads:read")

    async def status(token: dict) -> int:
        sent = {"Authorization": f"Bearer {token['access_token']}"}
        return (await api.http.get("/v1/me", headers=sent)).status_code

    for _ in range(30):
        api.clock.now += 1
        await status(late)
        await asyncio.sleep(0.01)  # the renewal runs beside the requests
    assert (await status(early), await status(late)) == (401, 200)


async def test_who_does_not_manage_a_client_holds_up_no_token_of_it(api, admin, other_admin, database_url, passwords):
    _, vendor = await a_vendor(api, admin)
    tenant = read(Prefix.TENANT, other_admin["tenant_id"])
    by = Actor(tenant, tenant, uuid4(), Side.INTERNAL, frozenset(Role) - {Role.PARTNER}, frozenset(Scope))
    database = Database(Address(database_url, passwords), {Login.INTERNAL: 1})
    await database.start()
    async with database.begin(Identity.of(by)) as tx:
        with pytest.raises(NotFoundError):
            await clients.delete_client(tx, by, read(Prefix.CLIENT, vendor["client_id"]), "1")
        answer = await asyncio.wait_for(api.token(vendor), 5)  # while that transaction is still open
    await database.stop()
    assert answer.status_code == 200
