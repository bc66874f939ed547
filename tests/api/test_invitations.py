"""A vendor fetches its own first credential with a one-time code; the tenant never holds it."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from app.domain.ids import Prefix, read, show
from app.security.credentials import make_client_secret, make_invitation_code
from tests.api.identity_world import a_partner, a_vendor, slug, unique
from tests.api.test_private_key_jwt import assertion, jwk

REDEEM = "/v1/invitations/redeem"


async def invited(api, admin, **body: object) -> tuple[dict, dict]:
    """A partner without a client, and the answer to its invitation."""
    partner = await a_partner(api, admin, unique())
    answer = await api.call(admin, "POST", f"/v1/partners/{partner['id']}/invitations", body)
    assert answer.status_code == 201, answer.text
    return partner, answer.json()


async def redeem(api, code: str, **body: object):
    return await api.http.post(REDEEM, json={"code": code, **body})


async def test_a_vendor_fetches_its_own_credential_and_runs_its_organisation_with_it(api, admin, sql):
    partner, invitation = await invited(api, admin)
    assert set(invitation) == {
        "id", "organization_id", "status", "name", "roles", "scopes", "test", "networks", "created_at", "expires_at",
        "redeemed_at", "code",
    }  # fmt: skip
    assert (invitation["status"], invitation["organization_id"]) == ("open", partner["id"])
    life = datetime.fromisoformat(invitation["expires_at"]) - datetime.fromisoformat(invitation["created_at"])
    assert life == timedelta(days=7)

    answer = await redeem(api, invitation["code"])
    assert answer.status_code == 201, answer.text
    client = answer.json()
    assert (client["organization_id"], client["managed_by"]) == (partner["id"], "partner")
    assert client["roles"] == ["admin", "manager", "partner"]
    assert answer.headers["location"] == f"/v1/clients/{client['client_id']}"
    me = (await api.call(client, "GET", "/v1/me")).json()
    assert (me["organization"]["id"], me["roles"]) == (partner["id"], ["admin", "manager", "partner"])
    worker = await api.call(client, "POST", "/v1/clients", {"name": "crm", "roles": ["partner", "manager"]})
    assert worker.status_code == 201, worker.text

    path = f"/v1/partners/{partner['id']}"
    assert (await api.call(admin, "GET", f"{path}/clients")).json()["items"] == []
    assert slug(await api.call(admin, "GET", f"/v1/clients/{client['client_id']}")) == (404, "not-found")
    [listed] = (await api.call(admin, "GET", f"{path}/invitations")).json()["items"]
    assert (listed["id"], listed["status"], "code" in listed) == (invitation["id"], "redeemed", False)
    kept = await sql.fetchval("select to_jsonb(i)::text from baton.invitation i where i.id = $1", uuid_of(invitation))
    assert invitation["code"] not in kept
    assert str(read(Prefix.CLIENT, client["client_id"])) not in kept

    again = await redeem(api, invitation["code"])
    assert slug(again) == (409, "conflict")
    assert "If that was not you" in again.json()["detail"]


def uuid_of(invitation: dict):
    return read(Prefix.INVITATION, invitation["id"])


async def test_with_a_key_of_its_own_no_secret_is_made_at_all(api, admin):
    _, invitation = await invited(api, admin, roles=["partner"], name="nightly push")
    client = (await redeem(api, invitation["code"], keys=[jwk()])).json()
    assert (client["client_secret"], client["secrets"], client["name"]) == (None, [], "nightly push")
    token = await api.sign_in(assertion(client))
    assert token.status_code == 200, token.text


async def test_of_many_who_redeem_at_once_one_gets_the_client(api, second, admin, sql):
    partner, invitation = await invited(api, admin)
    asked = [redeem((api, second)[n % 2], invitation["code"]) for n in range(20)]
    answers = Counter([answer.status_code for answer in await asyncio.gather(*asked)])
    assert answers == {201: 1, 409: 19}
    organization = read(Prefix.ORGANIZATION, partner["id"])
    assert await sql.fetchval("select count(*) from baton.client where organization_id = $1", organization) == 1


async def test_what_is_no_code_is_answered_as_one_that_names_nothing(api, admin):
    _, invitation = await invited(api, admin)
    code = invitation["code"]
    strangers = [
        make_invitation_code(uuid4()).text,
        make_invitation_code(uuid_of(invitation)).text,
        make_client_secret(uuid_of(invitation)).text,
        code[:-1] + ("A" if code[-1] != "A" else "B"),
        code.upper(),
        "",
        "x" * 100,
    ]
    answers = [await redeem(api, stranger) for stranger in strangers]
    assert {slug(answer) for answer in answers} == {(404, "not-found")}
    assert len({answer.json()["detail"] for answer in answers}) == 1
    assert (await redeem(api, code)).status_code == 201


async def test_who_holds_the_code_learns_why_it_does_not_open(api, admin, sql):
    partner, invitation = await invited(api, admin)
    path = f"/v1/partners/{partner['id']}/invitations"
    for _ in range(2):
        withdrawn = await api.call(admin, "POST", f"{path}/{invitation['id']}/withdraw", {})
        assert (withdrawn.status_code, withdrawn.json()["status"]) == (200, "withdrawn")
    refused = await redeem(api, invitation["code"])
    assert (slug(refused), refused.json()["detail"]) == ((409, "conflict"), "The invitation has been withdrawn.")

    late = (await api.call(admin, "POST", path, {})).json()
    await sql.execute("update baton.invitation set expires_at = now() where id = $1", uuid_of(late))
    refused = await redeem(api, late["code"])
    assert slug(refused) == (409, "conflict")
    assert refused.json()["detail"].startswith("The invitation has expired")
    statuses = [one["status"] for one in (await api.call(admin, "GET", path)).json()["items"]]
    assert statuses == ["withdrawn", "expired"]

    used = (await api.call(admin, "POST", path, {})).json()
    assert (await redeem(api, used["code"])).status_code == 201
    assert slug(await api.call(admin, "POST", f"{path}/{used['id']}/withdraw")) == (409, "conflict")


async def test_a_suspended_partner_is_let_in_by_no_code_until_it_is_back(api, admin):
    partner, invitation = await invited(api, admin)
    path = f"/v1/partners/{partner['id']}"
    tag = partner["etag"]
    for status, answers in (("suspended", (403, "partner-suspended")), ("active", None)):
        changed = await api.call(admin, "PATCH", path, {"status": status}, If_Match=tag)
        tag = changed.headers["etag"]
        answer = await redeem(api, invitation["code"])
        assert answer.status_code == 201 if answers is None else slug(answer) == answers, answer.text


async def test_a_wrong_body_is_told_each_fault_once(api):
    answer = await api.http.post(REDEEM, json={"code": 1, "x": 2})
    assert slug(answer) == (422, "validation-failed")
    faults = [(error["pointer"], error["code"]) for error in answer.json()["errors"]]
    assert sorted(faults) == [("/code", "type"), ("/x", "unknown_field")]


async def test_a_redemption_that_fails_leaves_the_code_unused(api, admin):
    _, invitation = await invited(api, admin)
    point = jwk()
    off_the_curve = {**point, "x": point["y"]}
    assert slug(await redeem(api, invitation["code"], keys=[off_the_curve])) == (422, "validation-failed")
    assert slug(await redeem(api, invitation["code"], keys=[jwk(), jwk()])) == (422, "validation-failed")
    assert (await redeem(api, invitation["code"], keys=[jwk()])).status_code == 201


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"roles": ["internal_sales"]}, "/roles"),
        ({"scopes": ["admin"]}, "/scopes"),
        ({"scopes": []}, "/scopes"),
        ({"test": True, "scopes": ["partners:manage"]}, "/scopes"),
        ({"expires_at": (datetime.now(UTC) + timedelta(days=31)).isoformat()}, "/expires_at"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"networks": ["10.0.0.0/99"]}, "/networks/0"),
        ({"keys": []}, "/keys"),
    ],
)
async def test_nobody_is_invited_to_what_does_not_fit(api, admin, sql, body, pointer):
    partner = await a_partner(api, admin, unique())
    answer = await api.call(admin, "POST", f"/v1/partners/{partner['id']}/invitations", body)
    assert slug(answer) == (422, "validation-failed")
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    organization = read(Prefix.ORGANIZATION, partner["id"])
    assert await sql.fetchval("select count(*) from baton.invitation where organization_id = $1", organization) == 0


async def test_a_code_lives_in_real_time_wherever_the_movable_clock_stands(api, admin, sql):
    await sql.execute("update baton.test_clock set ahead = interval '40 days'")
    try:
        ends = (datetime.now(UTC) + timedelta(days=5)).isoformat()
        _, invitation = await invited(api, admin, expires_at=ends)
        assert (await redeem(api, invitation["code"])).status_code == 201
    finally:
        await sql.execute("update baton.test_clock set ahead = interval '0'")


async def test_only_the_tenants_admin_invites_and_only_its_own_partners(api, admin, other_admin):
    partner, vendor = await a_vendor(api, admin, roles=["admin"])
    path = f"/v1/partners/{partner['id']}/invitations"
    assert slug(await api.call(vendor, "POST", path, {})) == (403, "not-permitted")
    assert slug(await api.call(other_admin, "POST", path, {})) == (404, "not-found")
    invitation = (await api.call(admin, "POST", path, {})).json()
    for who, owner, named in (
        (other_admin, partner["id"], invitation["id"]),
        (admin, (await a_partner(api, admin, unique()))["id"], invitation["id"]),
        (admin, partner["id"], show(Prefix.INVITATION, uuid4())),
        (admin, partner["id"], "inv_x"),
    ):
        answer = await api.call(who, "POST", f"/v1/partners/{owner}/invitations/{named}/withdraw", {})
        assert slug(answer) == (404, "not-found")
    assert (await redeem(api, invitation["code"])).status_code == 201


async def test_a_partner_has_at_most_twenty_open_invitations(api, admin):
    partner = await a_partner(api, admin, unique())
    path = f"/v1/partners/{partner['id']}/invitations"
    answers = await asyncio.gather(*(api.call(admin, "POST", path, {}) for _ in range(22)))
    assert Counter(answer.status_code for answer in answers) == {201: 20, 409: 2}
    made = next(answer.json() for answer in answers if answer.status_code == 201)
    await api.call(admin, "POST", f"{path}/{made['id']}/withdraw", {})
    assert (await api.call(admin, "POST", path, {})).status_code == 201


async def test_a_code_is_shown_once(api, admin):
    partner = await a_partner(api, admin, unique())
    path, key = f"/v1/partners/{partner['id']}/invitations", uuid4().hex
    first, again = [await api.call(admin, "POST", path, {}, Idempotency_Key=key) for _ in range(2)]
    assert first.json()["code"].startswith("bt_in_")
    assert again.json() == first.json() | {"code": None}
    [listed] = (await api.call(admin, "GET", path)).json()["items"]
    assert listed["id"] == first.json()["id"]
