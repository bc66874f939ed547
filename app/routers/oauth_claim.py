"""Which client an OAuth request claims to come from, read before anything is proved: good for counting alone."""

from base64 import b64decode
from urllib.parse import parse_qsl, unquote_plus
from uuid import UUID

from app.domain import ids
from app.routers.edge.exchange import Exchange
from app.security.tokens import client_named_by

_MAX_FIELDS = 32


def claimed_client(current: Exchange) -> UUID | None:
    """Return the client that the Authorization header, the form or a client assertion names; None where none does."""
    try:
        named = _of_header(current.headers.get(b"authorization", b"")) or _of_form(current.body)
    except ValueError:
        return None
    return ids.read(ids.Prefix.CLIENT, named) if named else None


def _of_header(value: bytes) -> str | None:
    scheme, _, encoded = value.strip().partition(b" ")
    if scheme.lower() != b"basic":
        return None
    return unquote_plus(b64decode(encoded.strip(), validate=True).decode().partition(":")[0])


def _of_form(body: bytes) -> str | None:
    fields = dict(parse_qsl(body.decode("ascii"), max_num_fields=_MAX_FIELDS))
    if "client_id" in fields:
        return fields["client_id"]
    return client_named_by(fields["client_assertion"]) if "client_assertion" in fields else None
