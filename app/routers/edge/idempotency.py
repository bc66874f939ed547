"""Idempotency-Key on POST: one request, one effect, one answer (draft-ietf-httpapi-idempotency-key-header).

The kept answer is written in the transaction of the work that it reports. A refusal has no work: that transaction is
rolled back, and the refusal is kept in one of its own, which claims the key again. The price of a savepoint is
so not paid by the requests that succeed.
"""

import hashlib
import re
from typing import cast

from pydantic_core import from_json, to_json
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from app.db import idempotency
from app.db.idempotency import KeptAnswer
from app.db.session import Transaction
from app.domain.actor import Actor
from app.domain.errors import IdempotencyInFlightError, IdempotencyKeyReusedError, InvalidRequestError
from app.routers.edge.exchange import Exchange

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_KEPT_HEADERS = ("content-type", "etag", "location")

# A retry of these may succeed, and what is refused before the work begins is not reached here at all.
_NEVER_KEPT = frozenset({401, 403, 413, 415, 429})

_RETRY_AFTER_SECONDS = 1


def key_of(exchange: Exchange) -> str | None:
    """Return the Idempotency-Key of a request, bare or quoted on the wire, or None without one."""
    value = exchange.headers.get(b"idempotency-key")
    if value is None:
        return None
    text = value.decode("latin-1").strip(" \t")
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = text[1:-1]
    if b"idempotency-key" in exchange.repeated or not _KEY.fullmatch(text):
        raise InvalidRequestError("An Idempotency-Key is 1 to 255 visible ASCII characters, and stands once.")
    return text


def fingerprint(request: Request, body: bytes) -> bytes:
    """Return what makes two requests under one key the same request."""
    scope = request.scope
    digest = hashlib.sha256()
    for part in (scope["method"].encode(), scope["path"].encode(), scope["query_string"], body):
        digest.update(len(part).to_bytes(8))
        digest.update(part)
    return digest.digest()


async def answered(tx: Transaction, by: Actor, key: str, print_: bytes) -> Response | None:
    """Claim `key`; return the answer to replay, or None where the work is still to be done."""
    claim = await idempotency.claim(tx, by, key)
    if claim.kept is not None:
        if claim.kept.fingerprint != print_:
            raise IdempotencyKeyReusedError("This Idempotency-Key was used for another request.")
        headers = {**claim.kept.headers, "Idempotent-Replayed": "true"}
        return Response(claim.kept.body, claim.kept.status, headers)
    if not claim.held:
        raise _in_flight()
    return None


async def keep(tx: Transaction, by: Actor, key: str, print_: bytes, response: Response, redact: frozenset[str]) -> None:
    """Keep `response` under a claimed key, with the fields named in `redact` nulled."""
    headers = Headers(raw=response.raw_headers)
    kept = KeptAnswer(
        fingerprint=print_,
        status=response.status_code,
        headers={name: headers[name] for name in _KEPT_HEADERS if name in headers},
        body=_redacted(bytes(response.body), redact),
    )
    if not await idempotency.keep(tx, by, key, kept):
        raise _in_flight()


def is_kept(status: int) -> bool:
    """Return whether an answer given after the work began is kept."""
    return status < 500 and status not in _NEVER_KEPT


def _in_flight() -> IdempotencyInFlightError:
    detail = "A request with this Idempotency-Key is still running."
    return IdempotencyInFlightError(detail, retry_after=_RETRY_AFTER_SECONDS)


def _redacted(body: bytes, names: frozenset[str]) -> bytes:
    if not names or not body:
        return body
    return to_json(_blank(from_json(body), names))


def _blank(value: object, names: frozenset[str]) -> object:
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        return {name: None if name in names else _blank(item, names) for name, item in members.items()}
    if isinstance(value, list):
        return [_blank(item, names) for item in cast("list[object]", value)]
    return value
