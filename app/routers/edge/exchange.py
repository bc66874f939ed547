"""What the edge knows about one request; lives in the ASGI scope until the answer is sent."""

import re
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any

from app.db.session import Transaction
from app.domain.actor import Actor
from app.routers.edge.services import Services
from app.routers.problems import request_id_of
from app.security.tokens import Claims
from app.services.limiter import Standing

SCOPE_KEY = "baton.exchange"

_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

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
    claims: Claims | None = None
    actor: Actor | None = None
    transaction: Transaction | None = None
    body: bytes = b""
    max_body: int = 0
    if_match: str | None = None
    value: object = field(default=None, repr=False)
    standing: Standing | None = None
    fields: tuple[tuple[bytes, bytes], ...] = ()

    def give(self, transaction: Transaction) -> None:
        """Lend this request the transaction of its work, which from here on knows what it is for."""
        transaction.request_id, transaction.traceparent = self.request_id, self.traceparent
        self.transaction = transaction

    @property
    def traceparent(self) -> str | None:
        """Return the trace context that the caller sent (W3C Trace Context, version 00), or None."""
        value = self.headers.get(b"traceparent", b"").decode("latin-1")
        return value if _TRACEPARENT.fullmatch(value) else None


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
