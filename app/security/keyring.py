"""Owns the master keys: sealing of columns at rest and every key or password derived from them.

Never stores a key, never shows one in an error or a repr, and never decides which columns are sealed.
"""

import re
import secrets
from base64 import b64decode, b64encode, urlsafe_b64encode
from binascii import Error as MalformedError
from typing import Final, Self
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES: Final = 32
_FORMAT: Final = 1
_NONCE_BYTES: Final = 12  # NIST SP 800-38D 5.2.1.1; random nonces bound one key to 2**32 seals
_TAG_BYTES: Final = 16
_KID = re.compile(r"[A-Za-z0-9_-]{1,32}")
# Each use has its own HKDF context, so no derived key can stand in for another or reveal the master key.
_SEAL_CONTEXT: Final = b"baton/seal/1"
_PURPOSE_CONTEXT: Final = b"baton/purpose/1/"
_LOGIN_CONTEXT: Final = b"baton/login/1/"


class UnsealError(Exception):
    """A sealed value that was changed, moved to another place, or sealed under a key that is not in the ring."""


def make_master_key() -> str:
    """Return one new random master key in the form that `MasterKeys.read` takes."""
    return f"k{secrets.token_hex(4)}:{b64encode(secrets.token_bytes(KEY_BYTES)).decode()}"


class MasterKeys:
    """The ring of master keys. The first seals and derives, all of them open: that is how a key is rotated."""

    __slots__ = ("_first", "_head", "_sealers")

    def __init__(self, keys: dict[str, bytes]) -> None:
        """Take keys of 32 bytes by key id, the sealing one first. ValueError if there is none or one is malformed."""
        if not keys:
            raise ValueError("the master key is empty")
        for number, (kid, key) in enumerate(keys.items(), start=1):
            if not _KID.fullmatch(kid):
                raise ValueError(f"master key {number}: the key id must be 1 to 32 of A-Z a-z 0-9 _ -")
            if len(key) != KEY_BYTES:
                raise ValueError(f"master key {number}: must be {KEY_BYTES} bytes, has {len(key)}")
        kid, self._first = next(iter(keys.items()))
        self._head = bytes([_FORMAT, len(kid)]) + kid.encode()
        self._sealers = {kid.encode(): AESGCM(_hkdf(key, _SEAL_CONTEXT)) for kid, key in keys.items()}

    @classmethod
    def read(cls, text: str) -> Self:
        """Read `kid:base64 of 32 bytes`, several separated by commas. ValueError names the position, never the key."""
        keys: dict[str, bytes] = {}
        for number, part in enumerate(text.strip().split(","), start=1):
            kid, colon, encoded = part.strip().partition(":")
            if not colon:
                raise ValueError(f"master key {number}: expected kid:base64 of {KEY_BYTES} bytes")
            if kid in keys:
                raise ValueError(f"master key {number}: its key id was used before")
            try:
                keys[kid] = b64decode(encoded, validate=True)
            except (MalformedError, ValueError):
                raise ValueError(f"master key {number}: not base64") from None
        return cls(keys)

    def __repr__(self) -> str:
        return f"MasterKeys({', '.join(kid.decode() for kid in self._sealers)})"

    def seal(self, plain: bytes, *, tenant: UUID | None, table: str, column: str, row: UUID | str) -> bytes:
        """Encrypt `plain` for exactly one place. `tenant` is None for rows that belong to no tenant.

        Adds at most 62 bytes. ValueError if a part of the place contains the separator.
        """
        nonce = secrets.token_bytes(_NONCE_BYTES)
        bound = self._head + _place(tenant, table, column, row)
        sealer = self._sealers[self._head[2:]]
        return self._head + nonce + sealer.encrypt(nonce, plain, bound)

    def open(self, blob: bytes, *, tenant: UUID | None, table: str, column: str, row: UUID | str) -> bytes:
        """Return what was sealed for this place, or raise UnsealError, which does not tell why."""
        start = 2 + (blob[1] if len(blob) > 1 else 0)
        head, nonce, sealed = blob[:start], blob[start : start + _NONCE_BYTES], blob[start + _NONCE_BYTES :]
        sealer = self._sealers.get(head[2:])
        if sealer is None or len(sealed) < _TAG_BYTES:
            raise UnsealError("the sealed value cannot be opened")
        try:
            return sealer.decrypt(nonce, sealed, head + _place(tenant, table, column, row))
        except InvalidTag:
            raise UnsealError("the sealed value cannot be opened") from None

    def derive(self, purpose: bytes) -> bytes:
        """Return the 32-byte key of `purpose`, equal on every machine with the same first master key."""
        return _hkdf(self._first, _PURPOSE_CONTEXT + purpose)

    def derive_password(self, login: str) -> str:
        """Return the PostgreSQL password of `login`: 43 URL-safe characters, equal on every machine.

        It follows the first master key: after a rotation the passwords have to be set again.
        """
        return urlsafe_b64encode(_hkdf(self._first, _LOGIN_CONTEXT + login.encode())).rstrip(b"=").decode()


def _hkdf(key: bytes, context: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=context).derive(key)


def _place(tenant: UUID | None, table: str, column: str, row: UUID | str) -> bytes:
    parts = ("" if tenant is None else str(tenant), table, column, str(row))
    if any("|" in part for part in parts):
        raise ValueError("a part of the sealed place contains the separator")
    return "|".join(parts).encode()
