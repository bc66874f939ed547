"""Owns the opaque form of list cursors: encrypted, authenticated and bound to who asked for what.

Never authorises: an opened cursor says where a list goes on, the query decides again what may be seen.

AES-SIV needs no nonce: the same place in the same list gives the same text, so a page keeps its ETag, and no count of
cursors wears the key out (random nonces of AES-GCM would, in days of full load).
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as MalformedError
from collections.abc import Mapping
from typing import Final

import jiter
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from app.domain.errors import InvalidCursorError

MAX_LENGTH: Final = 1024  # characters; a cursor of two ids and a time has about 150
_KEY_BYTES: Final = 32
_CONTEXT: Final = b"baton/cursor/1"
_REFUSAL: Final = "The cursor is not valid for this list."

Scalar = str | int | float | bool | None


class CursorSealer:
    """Seals and opens cursors under one 32-byte key, equal on every machine."""

    __slots__ = ("_cipher",)

    def __init__(self, key: bytes) -> None:
        if len(key) != _KEY_BYTES:
            raise ValueError(f"the cursor key must be {_KEY_BYTES} bytes")
        self._cipher = AESSIV(HKDFExpand(algorithm=SHA256(), length=64, info=_CONTEXT).derive(key))

    def seal(self, payload: Mapping[str, Scalar], *, bound_to: bytes) -> str:
        """Return `payload` as URL-safe text that opens only with the same `bound_to` (client and filter).

        ValueError if the text would be longer than `MAX_LENGTH`.
        """
        plain = json.dumps(payload, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
        text = urlsafe_b64encode(self._cipher.encrypt(plain, [bound_to])).rstrip(b"=").decode()
        if len(text) > MAX_LENGTH:
            raise ValueError("the cursor carries too much")
        return text

    def open(self, text: str, *, bound_to: bytes) -> dict[str, Scalar]:
        """Return what was sealed, or raise InvalidCursorError, with one message for every reason."""
        if not text or len(text) > MAX_LENGTH:
            raise InvalidCursorError(_REFUSAL)
        try:
            sealed = urlsafe_b64decode(text + "=" * (-len(text) % 4))
            # The decoder skips foreign characters and the last character's spare bits: one cursor, one text.
            if urlsafe_b64encode(sealed).rstrip(b"=").decode() != text:
                raise InvalidCursorError(_REFUSAL)
            return jiter.from_json(self._cipher.decrypt(sealed, [bound_to]))
        except (InvalidTag, MalformedError, ValueError):
            raise InvalidCursorError(_REFUSAL) from None
