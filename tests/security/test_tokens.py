"""Tokens are forged here by hand, from RFC 7515 and the key alone, never by the code under test."""

import ast
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from hmac import digest as hmac_digest
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from app.domain.actor import Actor, Side
from app.domain.errors import UnauthenticatedError
from app.security.signing_keys import SigningKey, jwks, read_public_jwk
from app.security.tokens import Claims, Verifier, issue

NOW = 1_800_000_000
ISSUER = "https://baton.example"
AUDIENCE = "https://baton.example/v1"
KEY = SigningKey.make()
STRANGER = SigningKey.make()
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)

ACTOR = Actor(
    tenant_id=UUID(int=0),
    organization_id=UUID(int=32),
    client_id=UUID(bytes=b"\xff" * 16),
    side=Side.PARTNER,
    roles=frozenset({"partner", "manager"}),
    scopes=frozenset({"leads:read", "leads:write", "admin"}),
    test=True,
)
HEADER = {"typ": "at+jwt", "alg": "ES256", "kid": KEY.kid}
CLAIMS = {
    "iss": ISSUER,
    "sub": "cli_77777777777777777777777774",
    "client_id": "cli_77777777777777777777777774",
    "aud": AUDIENCE,
    "exp": NOW + 600,
    "iat": NOW,
    "jti": "0123456789abcdef0123456789abcdef",
    "scope": "admin leads:read leads:write",
    "tid": "ten_aaaaaaaaaaaaaaaaaaaaaaaaaa",
    "org": "org_aaaaaaaaaaaaaaaaaaaaaaaaea",
    "roles": ["manager", "partner"],
    "side": "partner",
    "test": True,
}


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def es256(data: bytes, key: SigningKey = KEY) -> bytes:
    r, s = decode_dss_signature(key.private.sign(data, ec.ECDSA(SHA256())))
    return r.to_bytes(32) + s.to_bytes(32)


def forge(
    claims: dict[str, object] | str = CLAIMS,
    header: dict[str, object] | str = HEADER,
    sign: Callable[[bytes], bytes] = es256,
) -> str:
    parts = (part if isinstance(part, str) else json.dumps(part) for part in (header, claims))
    signed = ".".join(b64(part.encode()) for part in parts)
    return f"{signed}.{b64(sign(signed.encode()))}"


def claims(**changes: object) -> str:
    return forge({**CLAIMS, **changes})


def header(**changes: object) -> str:
    return forge(header={**HEADER, **changes})


def without(name: str) -> str:
    return forge({key: value for key, value in CLAIMS.items() if key != name})


def with_public_key_as_hmac_secret(encoding: Encoding, shape: PublicFormat) -> str:
    secret = KEY.public.public_bytes(encoding, shape)
    return forge(header={**HEADER, "alg": "HS256"}, sign=lambda data: hmac_digest(secret, data, "sha256"))


def tampered() -> str:
    head, _, signature = forge().split(".")
    return f"{head}.{b64(json.dumps({**CLAIMS, 'side': 'internal'}).encode())}.{signature}"


def resigned(change: Callable[[str], str]) -> str:
    head, body, signature = forge().split(".")
    return f"{head}.{body}.{change(signature)}"


def duplicated(text: str, extra: str) -> str:
    return text[:-1] + extra + "}"


def verifier(clock: Callable[[], float] = lambda: NOW, **more: object) -> Verifier:
    return Verifier(ISSUER, AUDIENCE, {KEY.kid: KEY.public}, clock=clock, **more)  # type: ignore[arg-type]


class Clock:
    def __init__(self) -> None:
        self.now: float = NOW

    def __call__(self) -> float:
        return self.now


BAD: dict[str, str] = {
    # algorithm
    "alg none": forge(header={**HEADER, "alg": "none"}, sign=lambda _: b""),
    "alg none with a signature": header(alg="none"),
    "alg None": header(alg=None),
    "alg missing": forge(header={"typ": "at+jwt", "kid": KEY.kid}),
    "alg list": header(alg=["ES256"]),
    "alg lower case": header(alg="es256"),
    "HS256 with the PEM public key": with_public_key_as_hmac_secret(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    "HS256 with the DER public key": with_public_key_as_hmac_secret(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    "HS256 with the raw public key": with_public_key_as_hmac_secret(Encoding.X962, PublicFormat.UncompressedPoint),
    "RS256": forge(
        header={**HEADER, "alg": "RS256"}, sign=lambda data: RSA_KEY.sign(data, padding.PKCS1v15(), SHA256())
    ),
    "ES384 header": header(alg="ES384"),
    # key
    "kid traversal": header(kid="../../../../dev/null"),
    "kid unknown": header(kid=STRANGER.kid),
    "kid too long": header(kid="k" * 65),
    "kid missing": forge(header={"typ": "at+jwt", "alg": "ES256"}),
    "kid null": header(kid=None),
    "kid number": header(kid=1),
    "kid list": header(kid=[KEY.kid]),
    "signed by a stranger": forge(sign=lambda data: es256(data, STRANGER)),
    "stranger's key brought along": forge(
        header={**HEADER, "kid": STRANGER.kid, "jwk": jwks([STRANGER.public])["keys"][0]},
        sign=lambda data: es256(data, STRANGER),
    ),
    "jku": header(kid="x", jku="https://attacker.example/jwks.json"),
    # header
    "typ JWT": header(typ="JWT"),
    "typ missing": forge(header={"alg": "ES256", "kid": KEY.kid}),
    "typ client assertion": header(typ="client-authentication+jwt"),
    "typ list": header(typ=["at+jwt"]),
    "crit unknown": header(crit=["exp"], exp=NOW),
    "crit empty": header(crit=[]),
    "crit b64": header(crit=["b64"], b64=True),
    "b64 false": header(crit=["b64"], b64=False),
    "header is a list": forge(header="[]"),
    "header repeats kid": forge(header=duplicated(json.dumps(HEADER), f', "kid": "{KEY.kid}"')),
    "header repeats alg": forge(header=duplicated(json.dumps(HEADER), ', "alg": "none"')),
    # audience and issuer
    "aud list of ours": claims(aud=[AUDIENCE]),
    "aud extra": claims(aud=[AUDIENCE, "https://other.example"]),
    "aud other": claims(aud="https://other.example"),
    "aud prefix": claims(aud=AUDIENCE[:-1]),
    "aud object": claims(aud={AUDIENCE: True}),
    "iss other": claims(iss="https://attacker.example"),
    "iss part of ours": claims(iss="https://baton"),
    "iss list": claims(iss=[ISSUER]),
    "iss with a slash": claims(iss=ISSUER + "/"),
    # time
    "expired 31 s ago": claims(iat=NOW - 631, exp=NOW - 31),
    "expired 30 s ago": claims(iat=NOW - 630, exp=NOW - 30),
    "lives 901 s": claims(exp=NOW + 901),
    "lives for ever": claims(exp=2**62),
    "exp before iat": claims(iat=NOW + 10, exp=NOW + 5),
    "exp as text": claims(exp=str(NOW + 600)),
    "exp fractional": claims(exp=NOW + 0.5),
    "exp true": claims(exp=True),
    "exp infinite": forge(json.dumps({**CLAIMS, "exp": float("inf")})),
    "iat 31 s ahead": claims(iat=NOW + 31),
    "iat as text": claims(iat=str(NOW)),
    "nbf 31 s ahead": claims(nbf=NOW + 31),
    "iat 31 s ahead, nbf past": claims(iat=NOW + 31, nbf=NOW),
    "nbf true": claims(nbf=True),
    "nbf as text": claims(nbf="0"),
    # who
    **{f"without {name}": without(name) for name in CLAIMS},
    **{f"{name} null": claims(**{name: None}) for name in CLAIMS},
    "sub is another client": claims(sub="cli_aaaaaaaaaaaaaaaaaaaaaaaaaa"),
    "tid of another kind": claims(tid="org_aaaaaaaaaaaaaaaaaaaaaaaaaa"),
    "tid malformed": claims(tid="ten_" + "1" * 26),
    "org list": claims(org=[CLAIMS["org"]]),
    "side unknown": claims(side="both"),
    "side list": claims(side=["internal"]),
    "test as text": claims(test="false"),
    "test number": claims(test=0),
    "roles empty": claims(roles=[]),
    "roles text": claims(roles="manager"),
    "roles repeated": claims(roles=["manager", "manager"]),
    "roles nested": claims(roles=[["manager"]]),
    "roles too many": claims(roles=[f"role_{chr(97 + n)}" for n in range(17)]),
    "scope empty": claims(scope=""),
    "scope list": claims(scope=["admin"]),
    "scope with a tab": claims(scope="leads:read\tadmin"),
    "networks empty": claims(networks=[]),
    "networks null": claims(networks=None),
    "networks text": claims(networks="203.0.113.0/24"),
    "network malformed": claims(networks=["203.0.113.1/24"]),
    "network number": claims(networks=[1]),
    "networks too many": claims(networks=[f"203.0.113.{n}" for n in range(17)]),
    "jti number": claims(jti=1),
    "jti short": claims(jti="1"),
    # text
    "payload tampered": tampered(),
    "claim repeated": forge(duplicated(json.dumps(CLAIMS), ', "side": "internal"')),
    "claim repeated with an escape": forge(duplicated(json.dumps(CLAIMS), ', "si\\u0064e": "internal"')),
    "payload is a list": forge("[]"),
    "payload is not JSON": forge("{"),
    "not a number": forge(json.dumps({**CLAIMS, "later": float("nan")})),
    "payload has a tail": forge(json.dumps(CLAIMS) + "{}"),
    "payload too deep": forge("[" * 2000 + "]" * 2000),
    "signature missing": forge(sign=lambda _: b""),
    "signature of zeros": forge(sign=lambda _: bytes(64)),
    "signature cut": resigned(lambda signature: signature[:-1]),
    "signature padded": resigned(lambda signature: signature + "=="),
    "signature in DER": forge(sign=lambda data: KEY.private.sign(data, ec.ECDSA(SHA256()))),
    "5 KiB": claims(pad="x" * 3500),
    "4097 characters": claims(pad="x" * 2500) + "." * 4097,
    "empty": "",
    "one part": "token",
    "two parts": forge().rsplit(".", 1)[0],
    "four parts": forge() + ".AAAA",
    "five parts, encrypted": ".".join(["AAAA"] * 5),
    "line break at the end": forge() + "\n",
    "blank before": " " + forge(),
    "not ASCII": forge() + "é",
    "lone surrogate": "\ud800" + forge(),
}


@pytest.mark.parametrize("token", BAD.values(), ids=BAD.keys())
def test_a_bad_token_is_refused_without_a_reason(token: str) -> None:
    with pytest.raises(UnauthenticatedError) as refusal:
        verifier().verify(token)
    assert refusal.value.detail == "The access token is not valid."
    assert refusal.value.members == {}
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__


@given(st.text(max_size=200) | st.binary(max_size=300).map(lambda data: f"{b64(data)}.{b64(data)}.{'A' * 86}"))
def test_arbitrary_text_is_refused(token: str) -> None:
    with pytest.raises(UnauthenticatedError):
        verifier().verify(token)


@given(
    st.dictionaries(st.sampled_from([*CLAIMS, "nbf"]), st.none() | st.lists(st.integers()) | st.floats(), min_size=1)
)
def test_claims_of_a_wrong_type_are_refused_even_when_signed(changes: dict[str, object]) -> None:
    with pytest.raises(UnauthenticatedError):
        verifier().verify(claims(**changes))


def test_every_single_bit_of_a_token_matters() -> None:
    token = forge()
    check = verifier()
    for position, character in enumerate(token):
        for bit in range(7):
            with pytest.raises(UnauthenticatedError):
                check.verify(token[:position] + chr(ord(character) ^ 1 << bit) + token[position + 1 :])
            if position % 40:
                break


@pytest.mark.parametrize(
    "token",
    [
        forge(),
        header(typ="AT+JWT"),
        header(typ="application/at+jwt"),
        claims(iat=NOW + 30, exp=NOW + 930),
        claims(iat=NOW - 629, exp=NOW - 29),
        claims(nbf=NOW + 30),
        claims(a_claim_of_a_later_version={"x": 1}),
    ],
)
def test_a_good_token_names_its_actor(token: str) -> None:
    found = verifier().verify(token)
    assert found.actor == ACTOR
    assert found.actor.partner_id == UUID(int=32)
    assert (found.token_id, found.key_id) == ("0123456789abcdef0123456789abcdef", KEY.kid)


def test_an_issued_token_says_exactly_what_the_contract_lists() -> None:
    token = issue(KEY, ACTOR, issuer=ISSUER, audience=AUDIENCE, now=NOW + 0.9)
    head, body, signature = token.split(".")
    said = json.loads(unb64(body))
    assert json.loads(unb64(head)) == HEADER
    assert len(said.pop("jti")) == 32
    assert said == {key: value for key, value in CLAIMS.items() if key != "jti"}
    assert len(unb64(signature)) == 64
    assert verifier().verify(token) == Claims(
        token_id=json.loads(unb64(body))["jti"], key_id=KEY.kid, issued_at=NOW, expires_at=NOW + 600, actor=ACTOR
    )


def test_no_two_tokens_share_an_id() -> None:
    tokens = [issue(KEY, ACTOR, issuer=ISSUER, audience=AUDIENCE, now=NOW) for _ in range(50)]
    check = verifier()
    assert len({check.verify(token).token_id for token in tokens}) == 50


@pytest.mark.parametrize(
    ("actor", "lifetime"),
    [
        (ACTOR, 0),
        (ACTOR, 901),
        (Actor(UUID(int=0), UUID(int=1), UUID(int=2), Side.PARTNER, frozenset(), frozenset({"admin"})), 600),
        (Actor(UUID(int=0), UUID(int=1), UUID(int=2), Side.PARTNER, frozenset({"partner"}), frozenset()), 600),
        (Actor(UUID(int=0), UUID(int=1), UUID(int=2), Side.PARTNER, frozenset({"x y"}), frozenset({"admin"})), 600),
    ],
)
def test_a_token_that_could_not_be_verified_is_not_issued(actor: Actor, lifetime: int) -> None:
    with pytest.raises(ValueError, match=r"must be 1 to 900|at least one scope"):
        issue(KEY, actor, issuer=ISSUER, audience=AUDIENCE, now=NOW, lifetime=lifetime)


def test_a_remembered_token_does_not_outlive_its_expiry() -> None:
    clock = Clock()
    check = verifier(clock)
    token = forge()
    first = check.verify(token)
    clock.now = NOW + 599.9
    assert check.verify(token) is first
    clock.now = NOW + 600
    assert check.verify(token) is not first
    assert check.drop(lambda _: True) == 0
    clock.now = NOW + 630
    with pytest.raises(UnauthenticatedError):
        check.verify(token)


def test_a_dropped_token_is_checked_again_and_a_revoked_one_refused() -> None:
    revoked: set[str] = set()
    check = verifier(refuses=lambda found: found.token_id in revoked)
    mine, other = forge(), claims(jti="f" * 32)
    held = check.verify(other)
    check.verify(mine)
    revoked.add(CLAIMS["jti"])  # type: ignore[arg-type]
    assert check.drop(lambda found: found.token_id in revoked) == 1
    for _ in range(2):
        with pytest.raises(UnauthenticatedError, match="The access token is not valid"):
            check.verify(mine)
    assert check.verify(other) is held
    check.clear()
    assert check.verify(other) is not held


def test_the_memory_is_bounded_and_keeps_what_was_used_last() -> None:
    check = verifier(cache_size=2)
    a, b, c = (claims(jti=letter * 32) for letter in "abc")
    held_a, held_b = check.verify(a), check.verify(b)
    check.verify(a)
    check.verify(c)
    assert check.verify(a) is held_a
    assert check.verify(b) is not held_b


def test_a_bad_token_is_never_remembered() -> None:
    check = verifier()
    for token in BAD.values():
        with pytest.raises(UnauthenticatedError):
            check.verify(token)
    assert check.drop(lambda _: True) == 0


def test_rotation_takes_the_next_key_and_forgets_the_retired_one() -> None:
    check = Verifier(ISSUER, AUDIENCE, {KEY.kid: KEY.public, STRANGER.kid: STRANGER.public}, clock=lambda: NOW)
    old = forge()
    new = forge(header={**HEADER, "kid": STRANGER.kid}, sign=lambda data: es256(data, STRANGER))
    check.verify(old)
    held = check.verify(new)
    check.trust({STRANGER.kid: STRANGER.public})
    assert check.verify(new) is held
    with pytest.raises(UnauthenticatedError):
        check.verify(old)


def test_a_key_of_another_curve_is_never_trusted() -> None:
    with pytest.raises(ValueError, match="P-256"):
        Verifier(ISSUER, AUDIENCE, {"k": ec.generate_private_key(ec.SECP384R1()).public_key()})
    with pytest.raises(ValueError, match="1 to 64"):
        Verifier(ISSUER, AUDIENCE, {"k" * 65: KEY.public})


def test_a_signing_key_survives_storage_and_hides_itself() -> None:
    restored = SigningKey.from_bytes(KEY.to_bytes())
    assert restored.kid == KEY.kid
    token = issue(restored, ACTOR, issuer=ISSUER, audience=AUDIENCE, now=NOW)
    assert verifier().verify(token).actor == ACTOR
    assert repr(KEY) == f"SigningKey(kid='{KEY.kid}')"


def test_what_is_no_p256_private_key_is_not_read_as_a_signing_key() -> None:
    as_stored = (Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    other_curve = ec.generate_private_key(ec.SECP384R1()).private_bytes(*as_stored)
    for data in (other_curve, RSA_KEY.private_bytes(*as_stored), b"", KEY.to_bytes()[:-1]):
        with pytest.raises(ValueError, match=r"."):
            SigningKey.from_bytes(data)


def test_the_key_set_shows_the_public_half_only_under_its_thumbprint() -> None:
    # Key and thumbprint of RFC 9449, figures 2 and 16.
    x, y = "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs", "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA"
    kid = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
    numbers = ec.EllipticCurvePublicNumbers(int.from_bytes(unb64(x)), int.from_bytes(unb64(y)), ec.SECP256R1())
    assert jwks([numbers.public_key()]) == {
        "keys": [{"kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": kid, "use": "sig", "alg": "ES256"}]
    }
    assert read_public_jwk({"kty": "EC", "crv": "P-256", "x": x, "y": y}).public_numbers() == numbers


@pytest.mark.parametrize(
    "change",
    [
        {"kty": "oct"},
        {"crv": "P-384"},
        {"d": "AAAA"},
        {"x": None},
        {"x": "AAAA"},
        {"x": "A" * 43},
        {"y": "!" * 43},
        {"y": "A" * 42 + "="},
    ],
)
def test_what_is_no_public_p256_key_is_not_registered(change: dict[str, object]) -> None:
    good = dict(jwks([KEY.public])["keys"][0])
    assert read_public_jwk(good).public_numbers() == KEY.public.public_numbers()
    with pytest.raises(ValueError, match=r"."):
        read_public_jwk({**good, **change})


def test_only_the_token_module_imports_jwt() -> None:
    root = Path(__file__).parents[2]
    importing = {
        path.relative_to(root).as_posix()
        for folder in ("app", "alembic", "bench", "examples")
        for path in (root / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        for name in imported_names(node)
        if name.split(".")[0] in {"jwt", "jose", "authlib", "joserfc"}
    }
    assert importing == {"app/security/tokens.py"}


def imported_names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    if isinstance(node, ast.Call) and ast.unparse(node.func).rsplit(".", 1)[-1] in {"import_module", "__import__"}:
        return [
            argument.value
            for argument in node.args
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
        ]
    return []
