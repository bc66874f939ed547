"""Public identifiers: a typed prefix and the 128 bits of a UUID as 26 base32 characters (RFC 4648, lower case).

Ids are random (uuid4) and made by the caller before the statement that stores them. A malformed id is
indistinguishable from one that does not exist.
"""

from base64 import b32decode
from binascii import Error as MalformedError
from enum import StrEnum
from uuid import UUID

_LENGTH = 26
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
"""Two characters at a time, written out below: a page of leads shows hundreds of ids, and base64's own loop is slow."""
_PADDING = "======"


class Prefix(StrEnum):
    """The kind of object an id names; stands before the underscore."""

    TENANT = "ten"
    ORGANIZATION = "org"
    CLIENT = "cli"
    SECRET = "sec"  # noqa: S105  # a prefix, not a secret
    CLIENT_KEY = "key"
    INVITATION = "inv"
    PROGRAM = "prg"
    PLAYBOOK = "pbk"
    LEAD = "lead"
    NOTE = "note"
    ACTIVITY = "act"
    HANDOVER = "hov"
    QUESTION = "qst"
    CONSULTATION = "con"
    OUTCOME = "out"
    FEEDBACK = "fbk"
    EVENT = "evt"
    ENDPOINT = "whe"
    DELIVERY = "dlv"
    DESTINATION = "dst"
    CLOCK = "clk"
    ESCALATION = "esc"
    IMPORT = "imp"
    CLAIM = "clm"


def show(prefix: Prefix, value: UUID) -> str:
    """Return the public form of `value`, such as `lead_` and 26 characters."""
    n, pair = value.int << 2, _PAIRS  # 130 bits: thirteen pairs
    return (
        f"{prefix}_{pair[n >> 120]}{pair[n >> 110 & 1023]}{pair[n >> 100 & 1023]}{pair[n >> 90 & 1023]}"
        f"{pair[n >> 80 & 1023]}{pair[n >> 70 & 1023]}{pair[n >> 60 & 1023]}{pair[n >> 50 & 1023]}"
        f"{pair[n >> 40 & 1023]}{pair[n >> 30 & 1023]}{pair[n >> 20 & 1023]}{pair[n >> 10 & 1023]}{pair[n & 1023]}"
    )


def read(prefix: Prefix, text: str) -> UUID | None:
    """Return the UUID that `text` shows, or None unless it is exactly what `show` would print."""
    head, _, tail = text.partition("_")
    if head != prefix or len(tail) != _LENGTH or not tail.isascii() or tail != tail.lower():
        return None
    try:
        value = UUID(bytes=b32decode(tail.upper() + _PADDING))
    except (MalformedError, ValueError):
        return None
    return value if show(prefix, value) == text else None
