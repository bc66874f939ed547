"""The outermost layer: a request id, the headers that every answer has, and an answer where all else failed."""

from collections.abc import Sequence
from secrets import token_hex

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.domain.errors import BatonError
from app.routers import problems
from app.routers.edge import limits, trouble
from app.routers.edge.exchange import SCOPE_KEY, Exchange
from app.routers.refusals import HeadersTooLargeError, UriTooLongError

MAX_URI = 8 * 1024  # bytes of path and query
MAX_HEADERS = 32 * 1024  # bytes of all names and values

_JSON = (b"application/json", b"application/problem+json")


class Envelope:
    """A plain ASGI layer; costs a few microseconds a request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens below."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = scope[problems.REQUEST_ID_KEY] = f"req_{token_hex(16)}"
        started = False

        async def finish(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = _completed(message.get("headers", ()), request_id, scope.get(SCOPE_KEY))
            await send(message)

        try:
            _refuse_long(scope)
            await self.app(scope, receive, finish)
        except ClientDisconnect:
            return
        except BatonError as refusal:
            await problems.render(refusal, scope)(scope, receive, finish)
        except Exception as error:  # noqa: BLE001 - nothing else stands between a bug and the caller
            if started:
                trouble.log_unforeseen(error, request_id)
                # From None: the server logs what leaves here, and the message may quote the request.
                raise RuntimeError("an answer broke off") from None
            await problems.render(trouble.refusal_of(error, request_id), scope)(scope, receive, finish)


def _completed(
    headers: Sequence[tuple[bytes, bytes]], request_id: str, current: Exchange | None
) -> list[tuple[bytes, bytes]]:
    complete = [(b"request-id", request_id.encode()), (b"x-content-type-options", b"nosniff")]
    if current is not None:
        complete.extend(current.fields)
        if current.standing is not None:
            complete.extend(limits.fields(current.standing))
    cached = False
    for name, value in headers:
        if name == b"cache-control":
            cached = True
        elif name == b"content-type" and value in _JSON:
            complete.append((name, value + b"; charset=utf-8"))
            continue
        complete.append((name, value))
    if not cached:
        complete.append((b"cache-control", b"no-store"))
    return complete


def _refuse_long(scope: Scope) -> None:
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MAX_URI:
        raise UriTooLongError(f"Path and query may have at most {MAX_URI} bytes.")
    if sum(len(name) + len(value) for name, value in scope["headers"]) > MAX_HEADERS:
        raise HeadersTooLargeError(f"The headers may have at most {MAX_HEADERS} bytes.")
