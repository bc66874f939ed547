"""What the edge knows about one request; lives in the ASGI scope until the answer is sent."""

from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any

from app.domain.actor import Actor
from app.routers.edge.ports import Services, Transaction
from app.routers.problems import request_id_of

SCOPE_KEY = "baton.exchange"

# Several of these in one request mean that two readers could read two requests.
_SINGULAR = frozenset(
    {
        b"authorization",
        b"content-length",
        b"content-type",
        b"content-encoding",
        b"idempotency-key",
        b"if-match",
        b"if-none-match",
    }
)


@dataclass(slots=True)
class Exchange:
    """One request on its way: what it said, who said it, and its transaction once that is open."""

    request_id: str
    services: Services
    headers: dict[bytes, bytes]
    repeated: frozenset[bytes]
    actor: Actor | None = None
    transaction: Transaction | None = None
    body: bytes = b""
    max_body: int = 0
    if_match: str | None = None
    value: object = field(default=None, repr=False)

    @property
    def traceparent(self) -> str | None:
        """Return the W3C trace context of the caller, unchecked, or None."""
        value = self.headers.get(b"traceparent")
        return None if value is None else value.decode("latin-1")


def begin(scope: MutableMapping[str, Any]) -> Exchange:
    """Read the headers of a request once and keep what they say in its scope."""
    headers: dict[bytes, bytes] = {}
    repeated: set[bytes] = set()
    for name, value in scope["headers"]:
        if name in headers and name in _SINGULAR:
            repeated.add(name)
        headers[name] = value
    exchange = Exchange(request_id_of(scope), scope["app"].state.edge, headers, frozenset(repeated))
    scope[SCOPE_KEY] = exchange
    return exchange
