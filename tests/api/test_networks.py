"""A client that is held to networks: no token from elsewhere, and no use of one."""

import pytest

from tests.api.identity_world import REFUSED, a_vendor, slug

HOME, ABROAD = "203.0.113.7", "198.51.100.7"
NETWORKS = ["203.0.113.0/24", "2001:db8::/32"]


def from_(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


async def log_in(api, client: dict, address: str):
    form = {"grant_type": "client_credentials"}
    credentials = (client["client_id"], client["client_secret"])
    return await api.http.post("/oauth/token", data=form, auth=credentials, headers=from_(address))


@pytest.mark.parametrize("home", [HOME, "2001:db8::1", f"{ABROAD}, {HOME}", f"::ffff:{HOME}"])
async def test_a_token_is_given_and_used_from_home_alone(api, admin, home):
    _, vendor = await a_vendor(api, admin, networks=NETWORKS)
    assert vendor["networks"] == NETWORKS
    for abroad in (ABROAD, f"{HOME}, {ABROAD}", "2001:db9::1", "nonsense"):
        answer = await log_in(api, vendor, abroad)
        assert (answer.status_code, answer.json()) == (401, REFUSED)
    token = (await log_in(api, vendor, home)).json()["access_token"]
    sent = {"Authorization": f"Bearer {token}"}
    assert (await api.http.get("/v1/me", headers=sent | from_(home))).status_code == 200
    strange = await api.http.get("/v1/me", headers=sent | from_(ABROAD))
    bad = await api.http.get("/v1/me", headers={"Authorization": "Bearer nonsense"} | from_(home))
    assert slug(strange) == (401, "unauthenticated")
    assert strange.json() | {"request_id": ""} == bad.json() | {"request_id": ""}
    # What a verifier remembers for one address, it does not grant to the next.
    assert (await api.http.get("/v1/me", headers=sent | from_(home))).status_code == 200


async def test_without_networks_a_client_comes_from_anywhere_and_a_new_list_ends_its_tokens(api, admin):
    _, vendor = await a_vendor(api, admin)
    token = (await log_in(api, vendor, ABROAD)).json()["access_token"]
    path = f"/v1/clients/{vendor['client_id']}"
    patched = await api.call(admin, "PATCH", path, {"networks": ["203.0.113.7"]}, If_Match=vendor["etag"])
    assert patched.json()["networks"] == ["203.0.113.7/32"]
    assert (await log_in(api, vendor, ABROAD)).json() == REFUSED
    api.clock.now += 25
    answer = await api.http.get("/v1/me", headers={"Authorization": f"Bearer {token}"} | from_(ABROAD))
    assert slug(answer) == (401, "unauthenticated")
    await api.call(admin, "PATCH", path, {"networks": []}, If_Match=patched.headers["etag"])
    assert (await log_in(api, vendor, ABROAD)).status_code == 200


async def test_an_admin_does_not_shut_itself_out(api, admin):
    path = f"/v1/clients/{admin['client_id']}"
    tag = (await api.call(admin, "GET", path)).headers["etag"]
    answer = await api.call(admin, "PATCH", path, {"networks": NETWORKS}, If_Match=tag, X_Forwarded_For=ABROAD)
    assert slug(answer) == (409, "conflict")
    assert (await api.token(admin)).status_code == 200


@pytest.mark.parametrize(
    ("networks", "pointer"),
    [
        (["203.0.113.7/24"], "/networks/0"),
        (["203.0.113.0/33"], "/networks/0"),
        (["10.0.0.0/8", "home"], "/networks/1"),
        ([""], "/networks/0"),
        (["::ffff:203.0.113.0/120"], "/networks/0"),
        ([f"203.0.113.{n}" for n in range(17)], "/networks"),
        ("203.0.113.0/24", "/networks"),
    ],
)
async def test_what_is_no_list_of_networks_is_refused(api, admin, networks, pointer):
    body = {"name": "x", "roles": ["manager"], "networks": networks}
    answer = await api.call(admin, "POST", "/v1/clients", body)
    assert slug(answer) == (422, "validation-failed")
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
