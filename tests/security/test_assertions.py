"""Client assertions (private_key_jwt) are forged by hand, as a client's own library would make them."""

import json
from base64 import urlsafe_b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from app.domain.errors import UnauthenticatedError
from app.security.tokens import Assertion, client_named_by, verify_assertion

NOW = 1_800_000_000
ISSUER = "https://baton.example"
CLIENT = "cli_77777777777777777777777774"
KEY, NEXT, STRANGER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
REGISTERED = [KEY.public_key(), NEXT.public_key()]
HEADER: dict[str, object] = {"alg": "ES256"}
CLAIMS: dict[str, object] = {"iss": CLIENT, "sub": CLIENT, "aud": ISSUER, "exp": NOW + 60, "jti": "a"}


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def forge(claims: dict[str, object] | str, header: dict[str, object], key: ec.EllipticCurvePrivateKey) -> str:
    body = claims if isinstance(claims, str) else json.dumps(claims)
    signed = f"{b64(json.dumps(header).encode())}.{b64(body.encode())}"
    r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(SHA256())))
    return f"{signed}.{b64(r.to_bytes(32) + s.to_bytes(32))}"


def claims(**changes: object) -> str:
    return forge({**CLAIMS, **changes}, HEADER, KEY)


def header(**changes: object) -> str:
    return forge(CLAIMS, {**HEADER, **changes}, KEY)


def without(name: str) -> str:
    return forge({key: value for key, value in CLAIMS.items() if key != name}, HEADER, KEY)


def verify(assertion: str) -> Assertion:
    return verify_assertion(assertion, client=CLIENT, keys=REGISTERED, issuer=ISSUER, now=NOW)


GOOD = {
    "no type": claims(),
    "JWT": header(typ="JWT"),
    "explicit type": header(typ="client-authentication+jwt"),
    "any kid": header(kid="../../etc/passwd"),
    "second key": forge(CLAIMS, HEADER, NEXT),
    "sole audience in a list": claims(aud=[ISSUER]),
    "longest": claims(exp=NOW + 330),
    "just expired": claims(exp=NOW - 29),
    "fast clock": claims(iat=NOW + 30, nbf=NOW + 30),
}
BAD = {
    **{f"without {name}": without(name) for name in CLAIMS},
    **{f"{name} null": claims(**{name: None}) for name in CLAIMS},
    "access token": header(typ="at+jwt"),
    "typ null": header(typ=None),
    "alg none": header(alg="none"),
    "alg HS256": header(alg="HS256"),
    "crit": header(crit=["x"], x=1),
    "stranger": forge(CLAIMS, HEADER, STRANGER),
    "token endpoint as audience": claims(aud=ISSUER + "/oauth/token"),
    "two audiences": claims(aud=[ISSUER, "https://other.example"]),
    "audience twice": claims(aud=[ISSUER, ISSUER]),
    "other issuer": claims(iss="cli_aaaaaaaaaaaaaaaaaaaaaaaaaa"),
    "other subject": claims(sub="cli_aaaaaaaaaaaaaaaaaaaaaaaaaa"),
    "expired": claims(exp=NOW - 30),
    "lives too long": claims(exp=NOW + 331),
    "exp as text": claims(exp=str(NOW + 60)),
    "iat ahead": claims(iat=NOW + 31),
    "iat null": claims(iat=None),
    "nbf ahead": claims(nbf=NOW + 31),
    "jti number": claims(jti=1),
    "jti empty": claims(jti=""),
    "jti too long": claims(jti="a" * 256),
    "jti with a blank": claims(jti="a b"),
    "claim repeated": forge(json.dumps(CLAIMS)[:-1] + f', "sub": "{CLIENT}"}}', HEADER, KEY),
    "too long": claims(pad="x" * 4000),
    "empty": "",
}


@pytest.mark.parametrize("assertion", GOOD.values(), ids=GOOD.keys())
def test_a_good_assertion_proves_the_client(assertion: str) -> None:
    assert verify(assertion).token_id == "a"
    assert client_named_by(assertion) == CLIENT


@pytest.mark.parametrize("assertion", BAD.values(), ids=BAD.keys())
def test_a_bad_assertion_is_refused_without_a_reason(assertion: str) -> None:
    with pytest.raises(UnauthenticatedError) as refusal:
        verify(assertion)
    assert refusal.value.detail == "The client could not be authenticated."
    assert refusal.value.__suppress_context__


def test_an_unknown_client_without_keys_is_refused_alike() -> None:
    with pytest.raises(UnauthenticatedError, match="The client could not be authenticated"):
        verify_assertion(claims(), client=CLIENT, keys=[], issuer=ISSUER, now=NOW)


def test_the_expiry_says_how_long_the_id_must_be_remembered() -> None:
    held = verify(claims(exp=NOW + 299))
    assert (held.token_id, held.expires_at) == ("a", NOW + 299)
    assert held.signed_by.public_numbers() == KEY.public_key().public_numbers()
    assert verify(forge(CLAIMS, HEADER, NEXT)).signed_by.public_numbers() == NEXT.public_key().public_numbers()


@pytest.mark.parametrize("assertion", ["", "a.b.c", claims(sub=1), claims(sub=None), header(alg="none")])
def test_what_names_no_client_is_not_looked_up(assertion: str) -> None:
    assert client_named_by(assertion) is None
