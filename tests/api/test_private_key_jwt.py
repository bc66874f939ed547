"""private_key_jwt over HTTP: keys registered by API, assertions forged by hand, each good for one token anywhere."""

import asyncio
import json
import time
from base64 import urlsafe_b64encode
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from app.domain.ids import Prefix, read, show
from tests.api.identity_world import REFUSED, URL, a_client, a_vendor, slug

KEY, NEXT, STRANGER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def jwk(key: ec.EllipticCurvePrivateKey = KEY, **more: object) -> dict[str, object]:
    numbers = key.public_key().public_numbers()
    return {"kty": "EC", "crv": "P-256", "x": b64(numbers.x.to_bytes(32)), "y": b64(numbers.y.to_bytes(32)), **more}


def sign(claims: dict[str, object], key: ec.EllipticCurvePrivateKey = KEY, **header: object) -> str:
    head = json.dumps({"alg": "ES256", **header}).encode()
    signed = f"{b64(head)}.{b64(json.dumps(claims).encode())}"
    r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(SHA256())))
    return f"{signed}.{b64(r.to_bytes(32) + s.to_bytes(32))}"


def claims(client: dict, **changes: object) -> dict[str, object]:
    name = client["client_id"]
    return {"iss": name, "sub": name, "aud": URL, "exp": int(time.time()) + 60, "jti": uuid4().hex, **changes}


def assertion(client: dict, **changes: object) -> str:
    return sign(claims(client, **changes))


@pytest.fixture(scope="module")
def known() -> dict:
    """The client of the module, made once."""
    return {}


@pytest.fixture
async def signer(api, admin, known) -> dict:
    if not known:
        _, made = await a_vendor(api, admin, keys=[jwk()])
        known.update(made)
    return known


async def test_a_client_with_keys_has_no_secret_and_logs_in_by_signing(api, admin, signer):
    assert (signer["client_secret"], signer["secrets"]) == (None, [])
    answer = await api.sign_in(assertion(signer))
    assert answer.status_code == 200, answer.text
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert (await api.http.get("/v1/me", headers=headers)).json()["client_id"] == signer["client_id"]
    shown = (await api.call(admin, "GET", f"/v1/clients/{signer['client_id']}")).json()
    assert [key["last_used_at"] is not None for key in shown["keys"]] == [True]
    assert shown["last_used_at"] is not None
    named = await api.sign_in(assertion(signer), client_id=signer["client_id"], scope="leads:read")
    assert named.json()["scope"] == "leads:read"


async def test_an_assertion_is_good_for_one_token_over_all_processes(api, second, signer):
    one = assertion(signer)
    answers = await asyncio.gather(*(process.sign_in(one) for process in (api, second) * 8))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 15
    assert all(answer.json() == REFUSED for answer in answers if answer.status_code == 401)
    assert (await second.sign_in(one)).json() == REFUSED
    # Another client's ids are its own: the same one is no replay.
    assert (await api.sign_in(assertion(signer, jti="x"))).status_code == 200


async def test_two_clients_may_use_the_same_assertion_id(api, admin, signer):
    _, other = await a_vendor(api, admin, keys=[jwk()])
    for client in (signer, other):
        assert (await api.sign_in(assertion(client, jti="shared"))).status_code == 200


async def test_what_is_remembered_goes_once_nobody_would_accept_it(api, signer, sql):
    await api.sign_in(assertion(signer))
    await sql.execute("update baton.spent_assertion set expires_at = now() - interval '1 second'")
    await api.sign_in(assertion(signer))
    assert await sql.fetchval("select count(*) from baton.spent_assertion where expires_at < now()") == 0


BAD = {
    "token endpoint as audience": {"aud": f"{URL}/oauth/token"},
    "issuer and another as audience": {"aud": [URL, "https://other.example"]},
    "no audience": {"aud": None},
    "another issuer": {"iss": "cli_aaaaaaaaaaaaaaaaaaaaaaaaaa"},
    "lives six minutes": {"exp": int(time.time()) + 3600},
    "expired": {"exp": int(time.time()) - 31},
    "no expiry": {"exp": None},
    "no id": {"jti": None},
    "from the future": {"iat": int(time.time()) + 3600},
}


@pytest.mark.parametrize("change", BAD.values(), ids=BAD.keys())
async def test_a_bad_assertion_is_refused_like_a_wrong_secret(api, signer, change):
    answer = await api.sign_in(assertion(signer, **change))
    assert (answer.status_code, answer.json()) == (401, REFUSED)
    assert answer.headers["cache-control"] == "no-store"


async def test_only_a_live_registered_key_and_the_right_type_count(api, admin, signer):
    _, keyless = await a_vendor(api, admin)
    unknown = {"client_id": show(Prefix.CLIENT, uuid4())}
    access = (await api.token(keyless)).json()["access_token"]
    refused = [
        sign(claims(signer), STRANGER),
        sign(claims(signer), typ="at+jwt"),
        sign(claims(signer), typ="dpop+jwt"),
        sign(claims(signer), alg="none"),
        sign(claims(signer), STRANGER, jwk=jwk(STRANGER)),
        assertion(keyless),
        assertion(unknown),
        access,
        "a.b.c",
        "",
    ]
    answers = [await api.sign_in(text) for text in refused]
    good = sign(claims(signer), typ="client-authentication+jwt")
    assert (await api.sign_in(good)).status_code == 200
    assert {answer.status_code for answer in answers[:-1]} == {401}
    assert all(answer.json() == REFUSED for answer in answers[:-1])
    assert slug_of(answers[-1]) == (400, "invalid_request")  # an empty field counts as none (RFC 6749, 3.2)


def slug_of(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]


async def test_an_assertion_goes_alone_and_names_its_type(api, signer, admin):
    one = assertion(signer)
    form = {"grant_type": "client_credentials", "client_assertion": one}
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    basic = (admin["client_id"], admin["client_secret"])
    for extra, auth in (
        ({}, None),
        ({"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"}, None),
        ({"client_assertion_type": kind, "client_secret": "x"}, None),
        ({"client_assertion_type": kind, "client_id": admin["client_id"]}, None),
        ({"client_assertion_type": kind}, basic),
    ):
        answer = await api.http.post("/oauth/token", data=form | extra, auth=auth)
        assert slug_of(answer) == (400, "invalid_request"), extra
    assert (await api.sign_in(one)).status_code == 200  # none of these has spent it


async def test_it_proves_a_client_at_revocation_and_introspection_too(api, signer):
    token = (await api.sign_in(assertion(signer))).json()["access_token"]
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

    async def ask(path: str) -> object:
        form = {"token": token, "client_assertion_type": kind, "client_assertion": assertion(signer)}
        answer = await api.http.post(path, data=form)
        assert answer.status_code == 200
        return answer.json() if answer.content else None

    assert (await ask("/oauth/introspect"))["active"] is True
    await ask("/oauth/revoke")
    assert await ask("/oauth/introspect") == {"active": False}


async def test_keys_change_over_and_never_more_than_two_live(api, admin):
    _, client = await a_vendor(api, admin, keys=[jwk()])
    path = f"/v1/clients/{client['client_id']}"

    async def works(key: ec.EllipticCurvePrivateKey) -> bool:
        return (await api.sign_in(sign(claims(client), key))).status_code == 200

    made = await api.call(admin, "POST", f"{path}/keys", {"jwk": jwk(NEXT, kid="mine", use="sig", alg="ES256")})
    assert made.status_code == 201, made.text
    assert await works(KEY)
    assert await works(NEXT)
    assert slug(await api.call(admin, "POST", f"{path}/keys", {"jwk": jwk(NEXT)})) == (409, "conflict")
    third = ec.generate_private_key(ec.SECP256R1())
    await api.call(admin, "POST", f"{path}/keys", {"jwk": jwk(third)})
    assert [await works(key) for key in (KEY, NEXT, third)] == [False, True, True]
    shown = await api.call(admin, "GET", path)
    assert shown.json()["keys"][0]["id"] == made.json()["id"]
    assert len(shown.json()["keys"]) == 2
    one = f"{path}/keys/{made.json()['id']}"
    assert slug(await api.call(admin, "DELETE", one)) == (428, "precondition-required")
    assert slug(await api.call(admin, "DELETE", one, If_Match='"0"')) == (412, "stale-version")
    assert (await api.call(admin, "DELETE", one, If_Match=shown.headers["etag"])).status_code == 204
    assert [await works(key) for key in (NEXT, third)] == [False, True]
    tag = (await api.call(admin, "GET", path)).headers["etag"]
    assert slug(await api.call(admin, "DELETE", one, If_Match=tag)) == (404, "not-found")


async def test_a_leaked_key_ends_with_secrets_and_tokens(api, admin):
    _, client = await a_vendor(api, admin)
    path = f"/v1/clients/{client['client_id']}"
    await api.call(admin, "POST", f"{path}/keys", {"jwk": jwk()})
    assert (await api.call(client, "GET", "/v1/me")).status_code == 200
    answer = await api.call(admin, "POST", f"{path}/keys", {"jwk": jwk(NEXT), "end_others": True})
    assert answer.status_code == 201, answer.text
    assert (await api.token(client)).json() == REFUSED
    assert (await api.sign_in(assertion(client))).json() == REFUSED
    api.clock.now += 25
    assert slug(await api.call(client, "GET", "/v1/me")) == (401, "unauthenticated")
    assert (await api.sign_in(sign(claims(client), NEXT))).status_code == 200


async def test_an_expired_key_proves_nothing(api, admin, sql):
    _, client = await a_vendor(api, admin, keys=[jwk()])
    key = read(Prefix.CLIENT_KEY, client["keys"][0]["id"])
    await sql.execute("update baton.client_key set expires_at = now() where id = $1", key)
    assert (await api.sign_in(assertion(client))).json() == REFUSED


@pytest.mark.parametrize(
    ("key", "pointer"),
    [
        (jwk(d="AAAA"), "/jwk/d"),
        (jwk(kty="RSA"), "/jwk/kty"),
        (jwk(crv="P-384"), "/jwk/crv"),
        (jwk(x="AA"), "/jwk/x"),
        (jwk(alg="HS256"), "/jwk/alg"),
        (jwk(use="enc"), "/jwk/use"),
        (jwk(y="A" * 43), "/jwk"),
        ({"kty": "oct", "k": "AAAA"}, "/jwk/crv"),
    ],
)
async def test_what_is_no_public_p256_key_is_not_registered(api, admin, signer, key, pointer):
    path = f"/v1/clients/{signer['client_id']}/keys"
    answer = await api.call(admin, "POST", path, {"jwk": key})
    assert slug(answer) == (422, "validation-failed")
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]


async def test_keys_at_creation_are_two_different_ones_at_most(api, admin):
    for keys, pointer in (([jwk(), jwk()], "/keys"), ([jwk()] * 3, "/keys"), ([jwk(y="A" * 43)], "/keys/0")):
        body = {"name": "x", "roles": ["manager"], "keys": keys}
        answer = await api.call(admin, "POST", "/v1/clients", body)
        assert slug(answer) == (422, "validation-failed")
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    made = await a_client(api, admin, "/v1/clients", roles=["manager"], keys=[jwk(), jwk(NEXT)])
    assert len(made["keys"]) == 2
    assert [(await api.sign_in(sign(claims(made), key))).status_code for key in (KEY, NEXT)] == [200, 200]
