"""Owns the text form of client secrets, their digest and comparison, and from where credentials hold.

Never stores or logs a secret.

`bt_cs_<secret id, 26>_<secret, 43><checksum, 6>`, which a scanner finds by `bt_cs_[a-z2-7]{26}_[0-9A-Za-z]{49}`. The
checksum tells a secret from a look-alike without asking the database. A plain SHA-256 is stored, no password hash: the
secret has 256 random bits, so there is nothing to guess, and a slow hash would only slow down the token endpoint.
"""

import re
import secrets
import zlib
from base64 import b32decode, b32encode
from collections.abc import Sequence
from hashlib import sha256
from hmac import compare_digest
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final, NamedTuple
from uuid import UUID

from app.domain.access import LIVE_SECRETS

Network = IPv4Network | IPv6Network

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_BITS: Final = 256
_SECRET_LENGTH: Final = 43  # 62**43 > 2**256
_CHECK_LENGTH: Final = 6  # 62**6 > 2**32
_SHAPE = re.compile(r"bt_cs_([a-z2-7]{26})_[0-9A-Za-z]{49}")
_NOBODY: Final = sha256(secrets.token_bytes(32)).digest()


class ClientSecret(NamedTuple):
    """A new secret: `text` is shown once, `digest` is kept."""

    text: str
    digest: bytes

    def __repr__(self) -> str:
        return "ClientSecret(...)"


def make_client_secret(secret_id: UUID) -> ClientSecret:
    """Return a new secret of 256 random bits that carries `secret_id`."""
    name = b32encode(secret_id.bytes)[:26].decode().lower()
    body = f"bt_cs_{name}_{_base62(secrets.randbits(_SECRET_BITS), _SECRET_LENGTH)}"
    text = body + _checksum(body)
    return ClientSecret(text, digest_of(text))


def secret_id_of(text: str) -> UUID | None:
    """Return the id that a well-formed secret carries, or None where shape or checksum are wrong."""
    shape = _SHAPE.fullmatch(text)
    if shape is None or _checksum(text[:-_CHECK_LENGTH]) != text[-_CHECK_LENGTH:]:
        return None
    return UUID(bytes=b32decode(shape[1].upper() + "======"))


def digest_of(text: str) -> bytes:
    """Return the SHA-256 that is stored for a secret, 32 bytes."""
    return sha256(text.encode(errors="surrogatepass")).digest()


def matches(text: str, stored: Sequence[bytes]) -> bool:
    """Tell whether `text` is one of the secrets whose digests are `stored`; empty for an unknown client.

    Takes the same time for none, one or two live secrets, so that it does not tell which clients exist.
    """
    given = digest_of(text)
    padded = (*stored, *[_NOBODY] * (LIVE_SECRETS - len(stored)))
    return sum([compare_digest(given, digest) for digest in padded]) > 0


def may_come_from(address: IPv4Address | IPv6Address | None, networks: Sequence[Network]) -> bool:
    """Tell whether a client that is held to `networks` may ask from `address`; without networks it may from anywhere.

    An address that is not known, as of a local socket, lies in no network.
    """
    return not networks or (address is not None and any(address in network for network in networks))


def _base62(number: int, length: int) -> str:
    digits: list[str] = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), _CHECK_LENGTH)
