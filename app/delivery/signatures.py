"""The `webhook-signature` header by Standard Webhooks: `v1` with a shared secret, `v1a` with an Ed25519 key pair.

Keeps no key. A `v1a` secret is the 32-byte private key; receivers verify with its public half and share nothing.
"""

from base64 import b64encode
from collections.abc import Sequence
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.domain.signing import sign_v1

SECRET_BYTES: Final = 32
"""Of either scheme: within the 24 to 64 of `v1`, and exactly an Ed25519 private key."""


def sign(scheme: str, secrets: Sequence[bytes], message_id: str, timestamp: int, body: bytes) -> str:
    """Return one signature per secret, separated by spaces; `timestamp` in Unix seconds."""
    one = _sign_v1a if scheme == "v1a" else sign_v1
    return " ".join(one(secret, message_id, timestamp, body) for secret in secrets)


def public_key(secret: bytes) -> str:
    """Return `whpk_` and the base64 public key of a `v1a` secret."""
    return "whpk_" + b64encode(Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()).decode()


def _sign_v1a(secret: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    content = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    return "v1a," + b64encode(Ed25519PrivateKey.from_private_bytes(secret).sign(content)).decode()
