"""Reads request bodies within a limit, and refuses those that no route could read.

The limit holds while the body arrives: a Content-Length is believed only where it is already too large.
"""

import asyncio
from collections.abc import AsyncIterator
from functools import lru_cache
from typing import Final, cast

from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

from app.domain.errors import InvalidRequestError, PayloadTooLargeError
from app.routers.edge.exchange import Exchange
from app.routers.refusals import MediaTypeRefusedError, SlowBodyError

WAIT_S: Final = 10.0  # for a whole body, or for the next part of a stream (security.md 4, API4)
STREAM_WAIT_S: Final = 300.0  # for all parts of a stream together; the work between them does not count
_MERGE_PATCH = "application/merge-patch+json"  # RFC 7396


def refuse_announced(exchange: Exchange, limit: int) -> None:
    """Refuse at once a body whose Content-Length is over `limit` bytes."""
    if b"content-length" in exchange.repeated:
        raise InvalidRequestError("Content-Length stands twice.")
    announced = exchange.headers.get(b"content-length", b"0")
    if not announced.isdigit():
        raise InvalidRequestError("Content-Length is not a number.")
    if len(announced) > 18 or int(announced) > limit:
        raise _too_large(limit)


async def read(receive: Receive, limit: int) -> bytes:
    """Return the whole body of at most `limit` bytes."""
    clock = asyncio.get_running_loop().time
    until = clock() + WAIT_S
    message = await _next(receive, WAIT_S)
    body: bytes = message.get("body", b"")
    if len(body) > limit:
        raise _too_large(limit)
    if not message.get("more_body", False):
        return body
    parts, taken, more = [body], len(body), True
    while more:
        message = await _next(receive, until - clock())
        part: bytes = message.get("body", b"")
        taken += len(part)
        if taken > limit:
            raise _too_large(limit)
        parts.append(part)
        more = message.get("more_body", False)
    return b"".join(parts)


async def stream(receive: Receive, limit: int) -> AsyncIterator[bytes]:
    """Yield the body while it arrives; `limit` is in bytes."""
    clock = asyncio.get_running_loop().time
    taken, left, more = 0, STREAM_WAIT_S, True
    while more:
        asked_at = clock()
        message = await _next(receive, min(WAIT_S, left))
        left -= clock() - asked_at
        part: bytes = message.get("body", b"")
        taken += len(part)
        if taken > limit:
            raise _too_large(limit)
        if part:
            yield part
        more = message.get("more_body", False)


async def _next(receive: Receive, patience_s: float) -> Message:
    """Return the next part. Raises SlowBodyError where it does not come in time."""
    task = cast("asyncio.Task[object]", asyncio.current_task())
    late = False

    def give_up() -> None:
        nonlocal late
        late = True
        task.cancel()

    # What asyncio.timeout does, at a fifth of its 10 us: every body passes here, and nearly all have arrived already.
    alarm = asyncio.get_running_loop().call_later(patience_s, give_up)
    try:
        message = await receive()
    except asyncio.CancelledError:
        if not late or task.uncancel() > 0:
            raise
        detail = "The body did not arrive in time; send it without pauses."
        raise SlowBodyError(detail, headers={"Connection": "close"}) from None
    finally:
        alarm.cancel()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return message


def refuse_encoding(exchange: Exchange) -> None:
    """Refuse compressed bodies: what Baton counts is what it parses."""
    encoding = exchange.headers.get(b"content-encoding", b"identity")
    if b"content-encoding" in exchange.repeated or encoding.strip().lower() not in {b"", b"identity"}:
        raise MediaTypeRefusedError("Compressed request bodies are not taken.", headers={"Accept-Encoding": "identity"})


def refuse_media_type(exchange: Exchange, method: str, takes: tuple[str, ...]) -> None:
    """Refuse a body of another media type than the route `takes`; PATCH also takes a merge patch."""
    if method == "PATCH" and "application/json" in takes and _MERGE_PATCH not in takes:
        takes = (*takes, _MERGE_PATCH)
    if b"content-type" in exchange.repeated or not _taken(exchange.headers.get(b"content-type", b""), takes):
        name = "Accept-Patch" if method == "PATCH" else "Accept-Post"
        raise MediaTypeRefusedError("The media type of the body is not taken here.", headers={name: ", ".join(takes)})


@lru_cache(maxsize=64)
def _taken(content_type: bytes, takes: tuple[str, ...]) -> bool:
    media_type, _, parameters = content_type.decode("latin-1").lower().partition(";")
    if media_type.strip() not in takes:
        return False
    for parameter in parameters.split(";"):
        name, _, value = parameter.strip().partition("=")
        if name == "charset" and value.strip('"') not in {"utf-8", "utf8"}:
            return False
    return True


def _too_large(limit: int) -> PayloadTooLargeError:
    return PayloadTooLargeError(f"The body may have at most {limit} bytes.", max_bytes=limit)
