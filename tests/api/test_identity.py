"""Identity over HTTP on a real database: tokens, keys, partners, clients, and how soon a suspension is felt."""

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx2
import jwt
import pytest

from app.db.session import Login
from app.domain.errors import ConflictError, OverloadedError
from app.domain.ids import Prefix, read, show
from app.routers import clients, organizations
from app.security.signing_keys import SigningKey, public_jwk
from tests.api.identity_world import (
    REFUSED,
    URL,
    Process,
    a_client,
    a_partner,
    a_tenant,
    a_vendor,
    running,
    slug,
    unique,
)


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


async def test_a_token_may_be_narrowed_and_never_widened(api, admin):
    _, vendor = await a_vendor(api, admin, scopes=["leads:read", "events:read"])
    narrow = (await api.token(vendor, scope="leads:read")).json()
    assert narrow["scope"] == "leads:read"
    for wider in ("leads:read leads:write", "admin", "nonsense", " "):
        answer = await api.token(vendor, scope=wider)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")
    me = await api.http.get("/v1/me", headers={"Authorization": f"Bearer {narrow['access_token']}"})
    assert [entry["scope"] for entry in me.json()["scopes"]] == ["leads:read"]


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("body", "content_type", "status", "error"),
    [
        ("", FORM, 400, "invalid_request"),
        ("scope=leads%3Aread", FORM, 400, "invalid_request"),
        ("grant_type=", FORM, 400, "invalid_request"),
        ("grant_type=password&username=a&password=b", FORM, 400, "unsupported_grant_type"),
        ("grant_type=client_credentials", FORM, 401, "invalid_client"),
        ("grant_type=client_credentials&client_id={id}", FORM, 401, "invalid_client"),
        (
            "grant_type=client_credentials&client_id={id}&client_id={id}&client_secret={secret}",
            FORM,
            400,
            "invalid_request",
        ),
        ("grant_type=client_credentials&client_id={id}&client_secret=%ff", FORM, 400, "invalid_request"),
        ("grant_type=client_credentials&client_id={id}&client_secret=a%00b", FORM, 401, "invalid_client"),
        ("grant_type=client_credentials&client_id=%00&client_secret={secret}", FORM, 401, "invalid_client"),
        ("&".join(f"f{n}=1" for n in range(40)), FORM, 400, "invalid_request"),
        ("x" * 20_000, FORM, 413, "invalid_request"),
        ('{"grant_type": "client_credentials"}', "application/json", 400, "invalid_request"),
    ],
)
async def test_what_the_token_endpoint_refuses_it_refuses_by_rfc_6749(api, admin, body, content_type, status, error):
    sent = body.replace("{id}", admin["client_id"]).replace("{secret}", admin["client_secret"])
    answer = await api.http.post("/oauth/token", content=sent, headers={"Content-Type": content_type})
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert set(answer.json()) == {"error", "error_description"}
    assert ("www-authenticate" in answer.headers) == (status == 401)
    assert answer.headers["cache-control"] == "no-store"


async def test_a_client_authenticates_by_header_or_form_and_not_by_both(api, admin):
    given = {"client_id": admin["client_id"], "client_secret": admin["client_secret"]}
    form = {"grant_type": "client_credentials", **given}
    assert (await api.http.post("/oauth/token", data=form)).status_code == 200
    assert (await api.token(admin, client_id=admin["client_id"])).status_code == 200
    for extra in ({"client_secret": admin["client_secret"]}, {"client_id": "cli_other"}, {"client_assertion": "x"}):
        answer = await api.token(admin, **extra)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    for header in ("Basic !!!", "Basic " + base64.b64encode(b"nocolon").decode(), "Bearer abc"):
        answer = await api.http.post(
            "/oauth/token", data={"grant_type": "client_credentials"}, headers={"Authorization": header}
        )
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_an_unknown_client_is_not_told_from_a_wrong_or_expired_secret(api, admin, sql):
    _, expired = await a_vendor(api, admin)
    _, gone = await a_vendor(api, admin)
    _, wrong = await a_vendor(api, admin)
    secret = expired["secrets"][0]["id"]
    digest = "update baton.client_secret set expires_at = now() where id = $1"
    await sql.execute(digest, read(Prefix.SECRET, secret))
    await api.call(admin, "DELETE", f"/v1/clients/{gone['client_id']}", If_Match=gone["etag"])
    stranger = {"client_id": show(Prefix.CLIENT, uuid4()), "client_secret": expired["client_secret"]}
    for client in (expired, gone, stranger, wrong | {"client_secret": expired["client_secret"]}):
        answer = await api.token(client)
        assert (answer.status_code, answer.json()) == (401, REFUSED)


async def test_a_suspension_is_felt_within_30_seconds_by_a_process_that_did_not_hear_of_it(api, second, admin):
    partner, vendor = await a_vendor(api, admin)
    assert (await second.call(vendor, "GET", "/v1/me")).status_code == 200
    path = f"/v1/partners/{partner['id']}"
    patched = await api.call(admin, "PATCH", path, {"status": "suspended"}, If_Match=partner["etag"])
    assert patched.json()["status"] == "suspended"
    assert (await second.token(vendor)).json()["error"] == "unauthorized_client"
    second.clock.now += 25
    assert slug(await second.call(vendor, "GET", "/v1/me")) == (403, "partner-suspended")
    # Nothing that the suspension ended comes back with the reactivation.
    await api.call(admin, "PATCH", path, {"status": "active"}, If_Match=patched.headers["etag"])
    second.clock.now += 25
    assert slug(await second.call(vendor, "GET", "/v1/me")) == (401, "unauthenticated")
    second.tokens.clear()
    assert (await second.call(vendor, "GET", "/v1/me")).status_code == 200


@pytest.mark.parametrize(
    "change", [{"status": "suspended"}, {"roles": ["manager"]}, {"scopes": ["leads:read"]}, None], ids=str
)
async def test_a_token_that_says_too_much_ends_with_the_change(api, second, admin, change):
    _, vendor = await a_vendor(api, admin)
    assert (await second.call(vendor, "GET", "/v1/me")).status_code == 200
    path = f"/v1/clients/{vendor['client_id']}"
    method = "PATCH" if change else "DELETE"
    assert (await api.call(admin, method, path, change, If_Match=vendor["etag"])).status_code in {200, 204}
    second.clock.now += 25
    assert slug(await second.call(vendor, "GET", "/v1/me")) == (401, "unauthenticated")


async def test_a_token_issued_while_the_suspension_was_being_written_ends_too(api, admin, sql):
    _, vendor = await a_vendor(api, admin)
    assert (await api.call(vendor, "GET", "/v1/me")).status_code == 200
    earlier = "update baton.client set status = 'suspended', not_before = now() - interval '1 minute' where id = $1"
    await sql.execute(earlier, read(Prefix.CLIENT, vendor["client_id"]))
    api.clock.now += 25
    assert slug(await api.call(vendor, "GET", "/v1/me")) == (401, "unauthenticated")


async def test_a_client_works_again_in_the_very_second_of_its_reactivation(api, admin):
    _, vendor = await a_vendor(api, admin)
    path = f"/v1/clients/{vendor['client_id']}"
    tag = vendor["etag"]
    for status in ("suspended", "active"):
        tag = (await api.call(admin, "PATCH", path, {"status": status}, If_Match=tag)).headers["etag"]
    assert (await api.call(vendor, "GET", "/v1/me")).status_code == 200
    api.clock.now += 25
    assert (await api.call(vendor, "GET", "/v1/me")).status_code == 200


async def test_an_idle_process_sends_nothing_and_a_burst_asks_once(api, admin):
    await api.call(admin, "GET", "/v1/me")
    api.database.begun.clear()
    api.clock.now += 3600
    await asyncio.sleep(0.1)
    assert api.database.begun == []
    answers = await asyncio.gather(*(api.call(admin, "GET", "/v1/me") for _ in range(30)))
    assert {answer.status_code for answer in answers} == {200}
    assert api.database.begun.count(Login.AUTH) == 1


async def test_more_token_requests_than_connections_wake_a_process_up(api, admin):
    api.clock.now += 3600
    answers = await asyncio.gather(*(api.token(admin) for _ in range(12)))
    assert {answer.status_code for answer in answers} == {200}


async def test_between_15_and_25_seconds_nobody_waits_for_the_renewal(api, admin):
    await api.call(admin, "GET", "/v1/me")
    api.clock.now += 14.9
    api.database.begun.clear()
    await api.issuer.fresh()
    await asyncio.sleep(0)
    assert api.database.begun == []
    api.clock.now += 0.1
    await api.issuer.fresh()
    assert api.database.begun == []
    await asyncio.sleep(0.2)
    assert api.database.begun == [Login.AUTH]
    await api.issuer.fresh()
    assert api.database.begun == [Login.AUTH]


async def test_who_cannot_learn_of_suspensions_lets_nobody_in(api, admin):
    assert (await api.call(admin, "GET", "/v1/me")).status_code == 200
    api.database.gone = True
    api.clock.now += 25
    with pytest.raises(OverloadedError):
        await api.issuer.fresh()
    assert slug(await api.call(admin, "GET", "/v1/me")) == (503, "overloaded")
    api.database.gone = False
    assert (await api.call(admin, "GET", "/v1/me")).status_code == 200


async def test_a_revoked_token_ends_here_at_once_and_elsewhere_soon(api, second, admin):
    _, vendor = await a_vendor(api, admin)
    _, stranger = await a_vendor(api, admin)
    await api.call(vendor, "GET", "/v1/me")
    token = second.tokens[vendor["client_id"]] = api.tokens[vendor["client_id"]]
    assert (await second.call(vendor, "GET", "/v1/me")).status_code == 200

    async def revoke(client: dict, text: str) -> httpx2.Response:
        credentials = (client["client_id"], client["client_secret"])
        return await api.http.post("/oauth/revoke", data={"token": text}, auth=credentials)

    for client, text in ((stranger, token), (vendor, "nonsense"), (vendor, token + "x")):
        answer = await revoke(client, text)
        assert (answer.status_code, answer.content) == (200, b"")
    assert (await api.call(vendor, "GET", "/v1/me")).status_code == 200
    assert (await revoke(vendor, token)).status_code == 200
    assert slug(await api.call(vendor, "GET", "/v1/me")) == (401, "unauthenticated")
    second.clock.now += 25
    assert slug(await second.call(vendor, "GET", "/v1/me")) == (401, "unauthenticated")
    assert (await revoke({"client_id": "x", "client_secret": "y"}, token)).status_code == 401


async def test_introspection_shows_a_token_to_its_own_organisation_alone(api, admin):
    partner, vendor = await a_vendor(api, admin)
    colleague = await a_client(api, admin, f"/v1/partners/{partner['id']}/clients", roles=["manager"])
    _, stranger = await a_vendor(api, admin)
    token = (await api.token(vendor, scope="leads:read")).json()["access_token"]

    async def introspect(client: dict, text: str) -> dict:
        credentials = (client["client_id"], client["client_secret"])
        answer = await api.http.post("/oauth/introspect", data={"token": text}, auth=credentials)
        assert answer.status_code == 200
        return answer.json()

    shown = await introspect(colleague, token)
    assert shown["active"] is True
    assert (shown["client_id"], shown["scope"], shown["org"]) == (vendor["client_id"], "leads:read", partner["id"])
    for client, text in ((stranger, token), (admin, token), (vendor, "nonsense")):
        assert await introspect(client, text) == {"active": False}
    await api.http.post("/oauth/revoke", data={"token": token}, auth=(vendor["client_id"], vendor["client_secret"]))
    assert await introspect(vendor, token) == {"active": False}


async def test_metadata_names_what_there_is(api):
    answer = await api.http.get("/.well-known/oauth-authorization-server")
    shown = answer.json()
    assert shown["issuer"] == URL
    assert shown["token_endpoint"] == f"{URL}/oauth/token"
    assert shown["jwks_uri"] == f"{URL}/.well-known/jwks.json"
    assert shown["grant_types_supported"] == ["client_credentials"]
    assert shown["response_types_supported"] == []
    assert "leads:write" in shown["scopes_supported"]
    for name in ("token", "revocation", "introspection"):
        methods = ["client_secret_basic", "client_secret_post", "private_key_jwt"]
        assert shown[f"{name}_endpoint_auth_methods_supported"] == methods
        assert shown[f"{name}_endpoint_auth_signing_alg_values_supported"] == ["ES256"]
    assert answer.headers["cache-control"] == "public, max-age=300"


async def test_a_rotation_refuses_no_token_and_a_retired_key_signs_for_nobody(no_keys, api, second, admin, sql):
    old = (await api.token(admin)).json()["access_token"]

    async def accepted(process: Process, token: str) -> bool:
        answer = await process.http.get("/v1/me", headers={"Authorization": f"Bearer {token}"})
        return answer.status_code == 200

    def kid(token: str) -> str:
        return jwt.get_unverified_header(token)["kid"]

    assert await accepted(second, old)
    published = [key["kid"] for key in (await api.http.get("/.well-known/jwks.json")).json()["keys"]]
    assert published[0] == kid(old)
    assert len(published) == 2
    await sql.execute("update baton.signing_key set active_from = now() where active_from > now()")
    api.clock.now += 25
    new = (await api.token(admin)).json()["access_token"]
    assert kid(new) == published[1]
    assert await accepted(second, new)  # published a period ago: no renewal needed
    second.clock.now += 25
    assert await accepted(second, new)
    assert await accepted(second, old)
    keys = [key["kid"] for key in (await second.http.get("/.well-known/jwks.json")).json()["keys"]]
    assert keys[:2] == published
    assert len(keys) == 3
    retires = await sql.fetchval("select retires_at - now() from baton.signing_key where kid = $1", published[0])
    assert retires.days == 90
    await sql.execute("update baton.signing_key set retires_at = now() where kid = $1", published[0])
    second.clock.now += 25
    assert not await accepted(second, old)
    assert await accepted(second, new)


async def test_processes_that_start_together_make_one_set_of_keys(no_keys, database_url, passwords, master_keys):

    async def sets() -> list[str]:
        async with running(database_url, passwords, master_keys) as process:
            return [key["kid"] for key in (await process.http.get("/.well-known/jwks.json")).json()["keys"]]

    found = await asyncio.gather(*(sets() for _ in range(5)))
    assert len(found[0]) == 2
    assert all(kids == found[0] for kids in found)


async def test_a_stolen_key_that_is_retired_by_hand_is_replaced_at_once(api, admin, sql):
    stolen = (await api.token(admin)).json()["access_token"]
    await sql.execute("update baton.signing_key set retires_at = now() where active_from <= now()")
    api.clock.now += 25
    answer = await api.http.get("/v1/me", headers={"Authorization": f"Bearer {stolen}"})
    assert answer.status_code == 401
    assert (await api.call(admin, "GET", "/v1/me")).status_code == 200


async def test_a_key_that_somebody_wrote_into_the_table_is_not_trusted(api, database_url, passwords, master_keys, sql):
    forged = SigningKey.make()
    public = json.dumps(public_jwk(forged.public))
    row = await sql.fetchrow("select kid, public from baton.signing_key where active_from <= now() limit 1")
    await sql.execute("update baton.signing_key set public = $1::text::jsonb where kid = $2", public, row["kid"])
    async with running(database_url, passwords, master_keys) as process:
        keys = (await process.http.get("/.well-known/jwks.json")).json()["keys"]
    assert forged.kid not in [key["kid"] for key in keys]
    await sql.execute("update baton.signing_key set public = $1::text::jsonb where kid = $2", row["public"], row["kid"])


async def test_roles_and_scopes_keep_to_the_kind_of_the_organisation(api, admin):
    partner, _ = await a_vendor(api, admin)
    theirs = f"/v1/partners/{partner['id']}/clients"
    cases = [
        (theirs, {"roles": ["internal_sales"]}, "/roles"),
        (theirs, {"roles": ["partner", "customer_success"]}, "/roles"),
        (theirs, {"roles": ["partner"], "scopes": ["audit:read"]}, "/scopes"),
        (theirs, {"roles": []}, "/roles"),
        (theirs, {"roles": ["partner"], "scopes": []}, "/scopes"),
        (theirs, {"roles": ["king"]}, "/roles/0"),
        ("/v1/clients", {"roles": ["partner"]}, "/roles"),
        ("/v1/clients", {"roles": ["admin"], "scopes": ["leads:steal"]}, "/scopes/0"),
        ("/v1/clients", {"roles": ["admin"], "organization_id": partner["id"]}, "/organization_id"),
    ]
    for path, body, pointer in cases:
        answer = await api.call(admin, "POST", path, {"name": "x", **body})
        assert slug(answer) == (422, "validation-failed"), body
        assert [entry["pointer"] for entry in answer.json()["errors"]] == [pointer]
    for path, role in ((theirs, "partner"), (theirs, "manager"), (theirs, "admin"), ("/v1/clients", "technical")):
        made = await a_client(api, admin, path, roles=[role])
        assert "leads:read" in made["scopes"]
        assert ("audit:read" in made["scopes"]) is False


async def test_only_an_admin_manages_and_is_asked_before_its_fields_are(api, admin):
    partner, vendor = await a_vendor(api, admin, roles=["admin", "partner"])
    _, subject = await a_vendor(api, admin)
    assert "partners:manage" in vendor["scopes"]
    manager = await a_client(api, admin, "/v1/clients", roles=["manager"], scopes=["partners:manage", "admin"])
    reader = await a_client(api, admin, "/v1/clients", roles=["admin"], scopes=["leads:read"])
    seen = 0
    names = {"partner": partner["id"], "client": subject["client_id"], "secret": "sec_x", "public_key": "key_x"}
    for route in (*organizations.router.routes, *clients.router.routes):
        path = route.path.format(**names)
        # A partner's admin manages its own clients, and of the tenant's partners none.
        outsiders = (manager, vendor) if path.startswith("/v1/partners") else (manager,)
        for method in route.methods:
            tag = {"If_Match": '"1"'} if method in {"PATCH", "DELETE"} else {}
            body = {"nonsense": 1} if method in {"POST", "PATCH"} else None
            for client in outsiders:
                assert slug(await api.call(client, method, path, body, **tag)) == (403, "not-permitted"), path
            assert slug(await api.call(reader, method, path, body, **tag)) == (403, "insufficient-scope"), path
            seen += 1
    assert seen == 15


async def test_another_tenants_partner_and_client_do_not_exist(api, admin, other_admin):
    partner, vendor = await a_vendor(api, admin)
    own = show(Prefix.ORGANIZATION, read(Prefix.TENANT, admin["tenant_id"]))
    partners = [partner["id"], show(Prefix.ORGANIZATION, uuid4()), own, "org_x", "lead_x", vendor["client_id"]]
    clients = [vendor["client_id"], show(Prefix.CLIENT, uuid4()), "cli_x", partner["id"]]
    valid = {"PATCH": {"name": "Mine"}, "GET": None, "POST": {"name": "x", "roles": ["partner"]}, "DELETE": None}
    asked = [(f"/v1/partners/{one}", method) for one in partners for method in ("GET", "PATCH")]
    asked += [(f"/v1/partners/{one}/clients", method) for one in partners for method in ("GET", "POST")]
    asked += [(f"/v1/clients/{one}", method) for one in clients for method in ("GET", "PATCH", "DELETE")]
    for path, method in asked:
        tag = {"If_Match": '"1"'} if method in {"PATCH", "DELETE"} else {}
        answer = await api.call(other_admin, method, path, valid[method], **tag)
        assert slug(answer) == (404, "not-found"), (method, path)
    for one in clients:
        answer = await api.call(other_admin, "POST", f"/v1/clients/{one}/secrets", {})
        assert slug(answer) == (404, "not-found")
    assert (await api.token(vendor)).status_code == 200
    listed = (await api.call(other_admin, "GET", "/v1/partners")).json()["items"]
    assert partner["id"] not in [item["id"] for item in listed]
    # The tenant's own organisation is no partner of it either.
    assert slug(await api.call(admin, "GET", f"/v1/partners/{own}")) == (404, "not-found")


async def test_a_change_needs_the_version_that_was_read(api, admin):
    partner, vendor = await a_vendor(api, admin)
    for path, tag in (
        (f"/v1/partners/{partner['id']}", partner["etag"]),
        (f"/v1/clients/{vendor['client_id']}", vendor["etag"]),
    ):
        assert slug(await api.call(admin, "PATCH", path, {"name": "New"})) == (428, "precondition-required")
        assert slug(await api.call(admin, "PATCH", path, {"name": "New"}, If_Match='"9"')) == (412, "stale-version")
        assert slug(await api.call(admin, "PATCH", path, {"name": None}, If_Match=tag)) == (422, "validation-failed")
        same = await api.call(admin, "PATCH", path, {}, If_Match=tag)
        assert (same.status_code, same.headers["etag"]) == (200, tag)
        changed = await api.call(admin, "PATCH", path, {"name": "New"}, If_Match=tag)
        assert changed.json()["name"] == "New"
        assert changed.headers["etag"] != tag
        read_again = await api.call(admin, "GET", path)
        assert (read_again.json(), read_again.headers["etag"]) == (changed.json(), changed.headers["etag"])
        assert slug(await api.call(admin, "PATCH", path, {"name": "Old"}, If_Match=tag)) == (412, "stale-version")


async def test_a_client_has_two_live_secrets_at_most(api, admin):
    _, vendor = await a_vendor(api, admin)
    path = f"/v1/clients/{vendor['client_id']}/secrets"

    async def works(secret: str) -> bool:
        return (await api.token(vendor | {"client_secret": secret})).status_code == 200

    first = vendor["client_secret"]
    second = (await api.call(admin, "POST", path, {})).json()["client_secret"]
    assert await works(first)
    assert await works(second)
    third = (await api.call(admin, "POST", path, {})).json()
    assert not await works(first)
    assert await works(second)
    assert await works(third["client_secret"])
    shown = (await api.call(admin, "GET", f"/v1/clients/{vendor['client_id']}")).json()
    assert len(shown["secrets"]) == 2
    assert shown["secrets"][1]["id"] == third["id"]
    assert "client_secret" not in shown


async def test_a_leaked_secret_ends_with_the_others_and_with_its_tokens(api, admin):
    _, vendor = await a_vendor(api, admin)
    assert (await api.call(vendor, "GET", "/v1/me")).status_code == 200
    path = f"/v1/clients/{vendor['client_id']}/secrets"
    fresh = (await api.call(admin, "POST", path, {"end_others": True})).json()
    assert (await api.token(vendor)).json() == REFUSED
    api.clock.now += 25
    assert slug(await api.call(vendor, "GET", "/v1/me")) == (401, "unauthenticated")
    assert (await api.token(vendor | {"client_secret": fresh["client_secret"]})).status_code == 200


async def test_a_secret_lives_a_year_at_most(api, admin):
    _, vendor = await a_vendor(api, admin)
    path = f"/v1/clients/{vendor['client_id']}/secrets"
    now = datetime.now(UTC)
    for expires_at in (now - timedelta(minutes=1), now + timedelta(days=366)):
        answer = await api.call(admin, "POST", path, {"expires_at": expires_at.isoformat()})
        assert slug(answer) == (422, "validation-failed")
        assert answer.json()["errors"][0]["pointer"] == "/expires_at"
    wanted = (now + timedelta(days=30)).replace(microsecond=0)
    made = (await api.call(admin, "POST", path, {"expires_at": wanted.isoformat()})).json()
    assert datetime.fromisoformat(made["expires_at"]) == wanted
    default = (await api.call(admin, "POST", path, {})).json()
    assert timedelta(days=364) < datetime.fromisoformat(default["expires_at"]) - now <= timedelta(days=365, minutes=1)


async def test_a_replay_shows_no_secret(api, admin):
    body = {"name": "crm", "roles": ["internal_sales"]}
    first = await api.call(admin, "POST", "/v1/clients", body, Idempotency_Key="crm-1")
    again = await api.call(admin, "POST", "/v1/clients", body, Idempotency_Key="crm-1")
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json() == first.json() | {"client_secret": None}
    assert first.json()["client_secret"].startswith("bt_cs_")
    assert first.headers["location"] == f"/v1/clients/{first.json()['client_id']}"


async def test_a_partner_key_is_taken_once_in_a_tenant(api, admin, other_admin):
    key = unique()
    await a_partner(api, admin, key)
    assert slug(await api.call(admin, "POST", "/v1/partners", {"key": key, "name": "B"})) == (409, "conflict")
    assert slug(await api.call(admin, "POST", "/v1/partners", {"key": "acme", "name": "B"})) == (409, "conflict")
    await a_partner(api, other_admin, key)


async def test_lists_go_on_where_they_stopped_and_for_the_same_client_only(api, admin, other_admin):
    partner = await a_partner(api, admin, unique())
    path = f"/v1/partners/{partner['id']}/clients"
    made = [(await a_client(api, admin, path, roles=["partner"]))["client_id"] for _ in range(5)]
    seen, url = [], f"{path}?limit=2"
    while url:
        answer = await api.call(admin, "GET", url)
        seen += [item["client_id"] for item in answer.json()["items"]]
        cursor = answer.json()["next_cursor"]
        assert ("link" in answer.headers) == (cursor is not None)
        url = f"{path}?limit=2&cursor={cursor}" if cursor else None
    assert seen == made
    colleague = await a_client(api, admin, "/v1/clients", roles=["admin"])
    cursor = (await api.call(admin, "GET", "/v1/clients?limit=1")).json()["next_cursor"]
    assert cursor is not None
    assert (await api.call(admin, "GET", f"/v1/clients?limit=1&cursor={cursor}")).status_code == 200
    for client, stolen in ((colleague, f"/v1/clients?limit=1&cursor={cursor}"), (admin, f"{path}?cursor={cursor}")):
        assert slug(await api.call(client, "GET", stolen)) == (400, "invalid-cursor")


async def test_a_suspended_client_gets_no_token(api, admin):
    _, vendor = await a_vendor(api, admin)
    path = f"/v1/clients/{vendor['client_id']}"
    patched = await api.call(admin, "PATCH", path, {"status": "suspended"}, If_Match=vendor["etag"])
    assert (await api.token(vendor)).json() == REFUSED
    await api.call(admin, "PATCH", path, {"status": "active"}, If_Match=patched.headers["etag"])
    assert (await api.token(vendor)).status_code == 200


async def test_a_deleted_client_is_gone_and_so_are_its_secrets(api, admin, sql):
    partner, vendor = await a_vendor(api, admin)
    path = f"/v1/clients/{vendor['client_id']}"
    assert slug(await api.call(admin, "DELETE", path)) == (428, "precondition-required")
    assert (await api.call(admin, "DELETE", path, If_Match=vendor["etag"])).status_code == 204
    assert slug(await api.call(admin, "GET", path)) == (404, "not-found")
    assert slug(await api.call(admin, "DELETE", path, If_Match='"2"')) == (404, "not-found")
    assert (await api.call(admin, "GET", f"/v1/partners/{partner['id']}/clients")).json()["items"] == []
    live = "select count(*) from baton.client_secret where client_id = $1 and expires_at > now()"
    assert await sql.fetchval(live, read(Prefix.CLIENT, vendor["client_id"])) == 0


async def test_an_admin_cannot_lock_itself_out(api, admin):
    path = f"/v1/clients/{admin['client_id']}"
    tag = (await api.call(admin, "GET", path)).headers["etag"]
    for change in ({"status": "suspended"}, {"roles": ["manager"]}, {"scopes": ["leads:read"]}):
        assert slug(await api.call(admin, "PATCH", path, change, If_Match=tag)) == (409, "conflict")
    assert slug(await api.call(admin, "DELETE", path, If_Match=tag)) == (409, "conflict")
    assert (await api.token(admin)).status_code == 200


async def test_a_test_client_says_so(api, admin):
    tester = await a_client(api, admin, "/v1/clients", roles=["manager"], test=True)
    me = (await api.call(tester, "GET", "/v1/me")).json()
    assert (me["mode"], me["organization"]["kind"], me["programs"]) == ("test", "internal", [])


async def test_use_is_noted_to_the_minute(api, admin, sql):
    _, vendor = await a_vendor(api, admin)
    assert vendor["last_used_at"] is None
    path = f"/v1/clients/{vendor['client_id']}"

    async def used() -> tuple[str, str]:
        shown = (await api.call(admin, "GET", path)).json()
        return shown["last_used_at"], shown["secrets"][0]["last_used_at"]

    await api.token(vendor)
    first = await used()
    assert None not in first
    await api.token(vendor)
    assert await used() == first
    client = read(Prefix.CLIENT, vendor["client_id"])
    await sql.execute("update baton.client set last_used_at = now() - interval '61 seconds' where id = $1", client)
    await api.token(vendor)
    assert (await used())[0] > first[0]


async def test_a_tenant_key_is_taken_once_and_a_refusal_leaves_nothing(
    database_url, passwords, master_keys, admin, sql
):
    before = await sql.fetchval("select count(*) from baton.organization")
    with pytest.raises(ConflictError):
        await a_tenant(database_url, passwords, master_keys, "acme")
    assert await sql.fetchval("select count(*) from baton.organization") == before
