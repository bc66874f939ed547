"""Bad tokens over HTTP: whatever is wrong with one, the answer is the same 401 with the same body.

Each is forged from a token that holds, with the key that really signs, so that nothing else is wrong with it.
"""

import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from hmac import digest as hmac_digest

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.security.signing_keys import SigningKey, public_jwk
from tests.api.identity_world import URL, Process, a_vendor

STRANGER = SigningKey.make()
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
Sign = Callable[[bytes], bytes]


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def parsed(part: str) -> dict[str, object]:
    return json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def es256(key: SigningKey) -> Sign:
    def sign(data: bytes) -> bytes:
        r, s = decode_dss_signature(key.private.sign(data, ec.ECDSA(SHA256())))
        return r.to_bytes(32) + s.to_bytes(32)

    return sign


class Forge:
    """Makes tokens that differ from one that holds in the one thing that is asked for."""

    def __init__(self, token: str, key: SigningKey) -> None:
        head, body, _ = token.split(".")
        self.token, self.key = token, key
        self.header, self.claims = parsed(head), parsed(body)
        self.sign = es256(key)

    def made(self, header: object = None, claims: object = None, sign: Sign | None = None) -> str:
        parts = (header or self.header, claims or self.claims)
        texts = [part if isinstance(part, str) else json.dumps(part) for part in parts]
        signed = ".".join(b64(text.encode()) for text in texts)
        return f"{signed}.{b64((sign or self.sign)(signed.encode()))}"

    def saying(self, **changes: object) -> str:
        return self.made(claims={**self.claims, **changes})

    def headed(self, sign: Sign | None = None, **changes: object) -> str:
        return self.made(header={**self.header, **changes}, sign=sign)

    def without(self, name: str) -> str:
        return self.made(claims={key: value for key, value in self.claims.items() if key != name})


def by_algorithm(forge: Forge) -> Iterator[tuple[str, str]]:
    yield "alg none", forge.headed(lambda _: b"", alg="none")
    yield "alg none, signed", forge.headed(alg="none")
    for encoding, shape in (
        (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        (Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    ):
        secret = forge.key.public.public_bytes(encoding, shape)
        yield f"HS256 {encoding}", forge.headed(lambda data, s=secret: hmac_digest(s, data, "sha256"), alg="HS256")
    yield "RS256", forge.headed(lambda data: RSA.sign(data, padding.PKCS1v15(), SHA256()), alg="RS256")
    yield "no alg", forge.made(header={key: value for key, value in forge.header.items() if key != "alg"})


def by_header(forge: Forge) -> Iterator[tuple[str, str]]:
    stranger = es256(STRANGER)
    yield "kid traversal", forge.headed(kid="../../../../etc/passwd")
    yield "kid of SQL", forge.headed(kid="x' or '1'='1")
    yield "kid unknown", forge.headed(kid=STRANGER.kid)
    yield "kid too long", forge.headed(kid="k" * 65)
    yield "no kid", forge.made(header={key: value for key, value in forge.header.items() if key != "kid"})
    yield "a stranger's signature", forge.made(sign=stranger)
    yield "jwk brought along", forge.headed(stranger, jwk=public_jwk(STRANGER.public))
    yield "jwk and its kid", forge.headed(stranger, kid=STRANGER.kid, jwk=public_jwk(STRANGER.public))
    yield "jku brought along", forge.headed(stranger, kid="x", jku="https://attacker.example/jwks.json")
    yield "typ JWT", forge.headed(typ="JWT")
    yield "typ ID token", forge.headed(typ="id_token+jwt")
    yield "typ of an assertion", forge.headed(typ="client-authentication+jwt")
    yield "crit", forge.headed(crit=["exp"])
    yield "crit b64", forge.headed(crit=["b64"], b64=True)
    yield "kid twice", forge.made(header=json.dumps(forge.header)[:-1] + f', "kid": "{forge.key.kid}"}}')


def by_claim(forge: Forge) -> Iterator[tuple[str, str]]:
    now = int(time.time())
    yield "extra audience", forge.saying(aud=[URL, "https://other.example"])
    yield "audience in a list", forge.saying(aud=[URL])
    yield "another audience", forge.saying(aud="https://other.example")
    yield "the issuer of staging", forge.saying(iss="https://staging.baton.example")
    yield "the issuer with a slash", forge.saying(iss=f"{URL}/")
    yield "lives 16 minutes", forge.saying(exp=now + 960, iat=now)
    yield "expired by 31 s", forge.saying(iat=now - 631, exp=now - 31)
    yield "issued in a minute", forge.saying(iat=now + 60, exp=now + 600)
    yield "not before a minute", forge.saying(nbf=now + 60)
    yield "exp as text", forge.saying(exp=str(now + 600))
    yield "another's subject", forge.saying(sub="cli_aaaaaaaaaaaaaaaaaaaaaaaaaa")
    yield "side of both", forge.saying(side="both")
    yield "networks of nobody", forge.saying(networks=[])
    repeated = json.dumps(forge.claims)[:-1] + ', "side": "internal"}'
    yield "a claim twice", forge.made(claims=repeated)
    for name in sorted(forge.claims):
        yield f"without {name}", forge.without(name)


def by_text(forge: Forge) -> Iterator[tuple[str, str]]:
    head, body, signature = forge.token.split(".")
    yield "5 KiB", forge.saying(pad="x" * 3600)
    yield "another payload", f"{head}.{b64(json.dumps({**forge.claims, 'side': 'internal'}).encode())}.{signature}"
    yield "no signature", f"{head}.{body}."
    yield "signature of zeros", forge.made(sign=lambda _: bytes(64))
    yield "signature cut", forge.token[:-1]
    yield "signature padded", f"{forge.token}=="
    yield "signature in DER", forge.made(sign=lambda data: forge.key.private.sign(data, ec.ECDSA(SHA256())))
    yield "two parts", f"{head}.{body}"
    yield "four parts", f"{forge.token}.AAAA"
    yield "encrypted", ".".join(["AAAA"] * 5)
    yield "no token", "nonsense"


async def test_whatever_is_wrong_with_a_token_the_answer_is_the_same_401(api, admin):
    _, vendor = await a_vendor(api, admin)
    token = (await api.token(vendor)).json()["access_token"]
    forge = Forge(token, api.issuer._keys.active)
    kinds = (by_algorithm, by_header, by_claim, by_text)
    bad = dict(pair for kind in kinds for pair in kind(forge)) | await spoilt(api, admin)
    assert len(bad) == len(set(bad.values()))
    assert len(bad) >= 60

    async def ask(text: str):
        return await api.http.get("/v1/me", headers={"Authorization": f"Bearer {text}"})

    assert (await ask(forge.made())).status_code == 200  # the forge works: nothing is wrong with this one
    told = set()
    for name, text in bad.items():
        answer = await ask(text)
        assert answer.status_code == 401, name
        headers = {key: value for key, value in answer.headers.items() if key not in {"request-id", "date"}}
        assert headers["www-authenticate"].startswith('Bearer realm="baton", error="invalid_token"')
        told.add(json.dumps([{**answer.json(), "request_id": ""}, headers], sort_keys=True))
    assert len(told) == 1
    assert (await ask(token)).status_code == 200


async def spoilt(api: Process, admin: dict) -> dict[str, str]:
    """Tokens that held once, and credentials that are no tokens."""
    found = {}
    for name in ("revoked", "deleted client", "suspended client", "narrowed client"):
        _, client = await a_vendor(api, admin)
        found[name] = (await api.token(client)).json()["access_token"]
        path = f"/v1/clients/{client['client_id']}"
        if name == "revoked":
            credentials = (client["client_id"], client["client_secret"])
            await api.http.post("/oauth/revoke", data={"token": found[name]}, auth=credentials)
        elif name == "deleted client":
            await api.call(admin, "DELETE", path, If_Match=client["etag"])
        else:
            change = {"status": "suspended"} if name == "suspended client" else {"scopes": ["leads:read"]}
            await api.call(admin, "PATCH", path, change, If_Match=client["etag"])
    found["a client secret"] = admin["client_secret"]
    api.clock.now += 25
    return found
