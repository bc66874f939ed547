"""Owns ES256 key pairs and their public form (JWK, RFC 7517). Never stores a key and never signs by itself."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

ALGORITHM: Final = "ES256"
PublicKey = ec.EllipticCurvePublicKey

_COORDINATE_BYTES: Final = 32
_COORDINATE = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An ES256 key pair. `kid` is the thumbprint of the public key (RFC 7638), so it never names another key."""

    kid: str
    private: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def make(cls) -> Self:
        """Return a new random key."""
        return cls._of(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote. ValueError if it is no P-256 private key."""
        private = load_der_private_key(data, password=None)
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            raise ValueError("the signing key is not an elliptic-curve key")  # noqa: TRY004 - a bad value in storage
        return cls._of(private)

    def to_bytes(self) -> bytes:
        """Return the private key as PKCS #8 DER, in the clear: the caller seals it before it is stored."""
        return self.private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())

    @property
    def public(self) -> PublicKey:
        """Return the half that verifies."""
        return self.private.public_key()

    @classmethod
    def _of(cls, private: ec.EllipticCurvePrivateKey) -> Self:
        return cls(kid=public_jwk(private.public_key())["kid"], private=private)


def public_jwk(key: PublicKey) -> dict[str, str]:
    """Return the JWK of a P-256 public key, with its thumbprint as `kid`. ValueError for another curve."""
    if not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("ES256 needs a P-256 key")  # noqa: TRY004 - the curve is a value of the key
    numbers = key.public_numbers()
    x, y = (_encoded(part.to_bytes(_COORDINATE_BYTES)) for part in (numbers.x, numbers.y))
    thumbprint = sha256(f'{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}'.encode()).digest()
    return {
        "kty": "EC",
        "crv": "P-256",
        "x": x,
        "y": y,
        "kid": _encoded(thumbprint),
        "use": "sig",
        "alg": ALGORITHM,
    }


def read_public_jwk(jwk: Mapping[str, object]) -> PublicKey:
    """Return the P-256 key of a JWK. ValueError if it is malformed, of another kind, or holds a private part."""
    x, y = jwk.get("x"), jwk.get("y")
    if (jwk.get("kty"), jwk.get("crv")) != ("EC", "P-256") or "d" in jwk:
        raise ValueError("the key must be the public JWK of a P-256 key")
    if not (isinstance(x, str) and isinstance(y, str) and _COORDINATE.fullmatch(x) and _COORDINATE.fullmatch(y)):
        raise ValueError("x and y must be 32 bytes in base64url without padding")
    numbers = [int.from_bytes(urlsafe_b64decode(part + "=")) for part in (x, y)]
    return ec.EllipticCurvePublicNumbers(numbers[0], numbers[1], ec.SECP256R1()).public_key()


def jwks(keys: Iterable[PublicKey]) -> dict[str, list[dict[str, str]]]:
    """Return the key-set document (RFC 7517) of `keys`, in their order."""
    return {"keys": [public_jwk(key) for key in keys]}


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
