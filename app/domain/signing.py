"""Standard Webhooks 1.0.0, symmetric scheme `v1`: sign what is sent, verify what a tool sends back.

Holds no secret and no clock. The asymmetric scheme needs more than the standard library and is not here.
"""

import hmac
import re
from base64 import b64decode, b64encode
from binascii import Error as MalformedError
from collections.abc import Mapping, Sequence

TOLERANCE_SECONDS = 300
"""How far `webhook-timestamp` may lie from now, either way: what every Standard Webhooks library allows."""

_SECRET_PREFIX = "whsec_"  # noqa: S105 - the public prefix of every secret
_SECRET_BYTES = range(24, 65)
_TIMESTAMP = re.compile(r"[0-9]{1,12}")


class SignatureError(Exception):
    """The message is not proven to come from a holder of one of the secrets, or is too old or too new."""


def sign_v1(secret: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """Return `v1,` and the base64 HMAC-SHA256 of `{id}.{timestamp}.{body}`; `timestamp` in Unix seconds.

    ValueError for an id with a dot: the three parts could be cut in another way.
    """
    if "." in message_id:
        raise ValueError("message_id: must not contain a dot")
    content = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    return "v1," + b64encode(hmac.digest(secret, content, "sha256")).decode()


def show_secret(secret: bytes) -> str:
    """Return the public form of a signing secret of 24 to 64 bytes, `whsec_` and base64."""
    if len(secret) not in _SECRET_BYTES:
        raise ValueError("secret: 24 to 64 bytes")
    return _SECRET_PREFIX + b64encode(secret).decode()


def read_secret(text: str) -> bytes:
    """Return the bytes of `whsec_...`; ValueError for anything else, without repeating the text."""
    if not text.startswith(_SECRET_PREFIX):
        raise ValueError("secret: must start with whsec_")
    try:
        secret = b64decode(text.removeprefix(_SECRET_PREFIX), validate=True)
    except (MalformedError, ValueError):
        raise ValueError("secret: not base64") from None
    if len(secret) not in _SECRET_BYTES:
        raise ValueError("secret: 24 to 64 bytes")
    return secret


def verify(
    secrets: Sequence[bytes], headers: Mapping[str, str], body: bytes, now: int, tolerance: int = TOLERANCE_SECONDS
) -> None:
    """Return if one of `secrets` signed `body` under these headers within `tolerance` seconds of `now`.

    Header names in any case; several signatures may be listed. Whatever is wrong is a SignatureError that tells the
    reason, never the expected signature. The time taken does not depend on where signatures differ.
    """
    found = {name.lower(): value for name, value in headers.items()}
    message_id = found.get("webhook-id", "")
    timestamp = found.get("webhook-timestamp", "")
    if not message_id or not message_id.isascii() or "." in message_id:
        raise SignatureError("webhook-id is missing or malformed")
    if not _TIMESTAMP.fullmatch(timestamp):
        raise SignatureError("webhook-timestamp is missing or malformed")
    if abs(now - int(timestamp)) > tolerance:
        raise SignatureError("webhook-timestamp is too old or too new")
    given = [token.encode(errors="replace") for token in found.get("webhook-signature", "").split()]
    # No early exit: every given signature is compared with that of every secret.
    matches = 0
    for secret in secrets:
        expected = sign_v1(secret, message_id, int(timestamp), body).encode()
        matches += sum(hmac.compare_digest(expected, signature) for signature in given)
    if not matches:
        raise SignatureError("no signature matches")
