"""Owns the text form of client secrets and invitations, their digest and comparison, and from where credentials hold.

Never stores or logs a secret.

`bt_cs_<id, 26>_<secret, 43><checksum, 6>` is the secret of a client, `bt_in_…` the code of an invitation; a scanner
finds both by `bt_(cs|in)_[a-z2-7]{26}_[0-9A-Za-z]{49}`. The checksum tells a secret from a look-alike without asking
the database. A plain SHA-256 is stored, no password hash: the secret has 256 random bits, so there is nothing to guess,
and a slow hash would only slow down the token endpoint.
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
_SHAPE = re.compile(r"bt_(cs|in)_([a-z2-7]{26})_[0-9A-Za-z]{49}")
_NOBODY: Final = sha256(secrets.token_bytes(32)).digest()


class Secret(NamedTuple):
    """A new secret: `text` is shown once, `digest` is kept."""

    text: str
    digest: bytes

    def __repr__(self) -> str:
        return "Secret(...)"


def make_client_secret(secret_id: UUID) -> Secret:
    """Return a new secret of 256 random bits that carries `secret_id`."""
    return _make("cs", secret_id)


def make_invitation_code(invitation_id: UUID) -> Secret:
    """Return a new code of 256 random bits that carries `invitation_id`."""
    return _make("in", invitation_id)


def secret_id_of(text: str) -> UUID | None:
    """Return the id that a well-formed client secret carries, or None where shape or checksum are wrong."""
    return _id_of("cs", text)


def invitation_id_of(text: str) -> UUID | None:
    """Return the id that a well-formed code of an invitation carries, or None where shape or checksum are wrong."""
    return _id_of("in", text)


def _make(kind: str, carried: UUID) -> Secret:
    name = b32encode(carried.bytes)[:26].decode().lower()
    body = f"bt_{kind}_{name}_{_base62(secrets.randbits(_SECRET_BITS), _SECRET_LENGTH)}"
    text = body + _checksum(body)
    return Secret(text, digest_of(text))


def _id_of(kind: str, text: str) -> UUID | None:
    shape = _SHAPE.fullmatch(text)
    if shape is None or shape[1] != kind or _checksum(text[:-_CHECK_LENGTH]) != text[-_CHECK_LENGTH:]:
        return None
    return UUID(bytes=b32decode(shape[2].upper() + "======"))


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
