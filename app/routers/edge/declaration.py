"""What a route says about itself: who may enter and what body it takes. A route that says nothing does not start."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from enum import Enum
from typing import TypeVar
from uuid import UUID

from app.domain.limits import Policy
from app.routers.edge.exchange import Exchange

KIB = 1024
DEFAULT_MAX_BODY = 256 * KIB  # security.md 1.4

_ATTRIBUTE = "__baton_declaration__"

Endpoint = TypeVar("Endpoint", bound=Callable[..., object])


class BodyKind(Enum):
    """Who reads the body of a route."""

    JSON = "json"  # the edge parses it, its model validates it
    RAW = "raw"  # the edge reads it, the endpoint gets the bytes
    STREAM = "stream"  # the endpoint reads it, and opens transactions of its own


class UndeclaredRouteError(TypeError):
    """A route without a declaration, or one that asks for what its declaration does not give."""


LEAST_NOTICE = timedelta(days=365)  # security.md 8.6


@dataclass(frozen=True, slots=True)
class Deprecation:
    """That an operation goes away: since when callers are told, when it ends, and the page that says what to use.

    Both times have a zone, and are at least a year apart.
    """

    since: datetime
    sunset: datetime
    page: str

    def __post_init__(self) -> None:
        if self.since.tzinfo is None or self.sunset.tzinfo is None:
            raise UndeclaredRouteError("a deprecation has times with a zone")
        if self.sunset - self.since < LEAST_NOTICE:
            raise UndeclaredRouteError("an operation ends a year after its deprecation at the earliest")

    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """Return the fields of RFC 9745 and RFC 8594."""
        return (
            (b"deprecation", f"@{int(self.since.timestamp())}".encode()),
            (b"sunset", format_datetime(self.sunset.astimezone(UTC), usegmt=True).encode()),
            (b"link", f'<{self.page}>; rel="deprecation"; type="text/html"'.encode()),
            (b"link", f'<{self.page}>; rel="sunset"; type="text/html"'.encode()),
        )


@dataclass(frozen=True, slots=True)
class Declaration:
    """How the edge treats one route.

    `scopes` are alternatives, any one of them opens the route; empty means that every valid token does. `public` is
    the reason why no token is needed, empty where one is. `max_body` is in bytes, inclusive. `takes` are the media
    types of the body, `produces` those of the answer. `redact` names the fields that are null in a replay. `policy` is
    what its requests count against: by default `default` for a GET and `write` for all else, and nothing where no token
    is needed. `claimed` reads which client an unauthenticated request names.
    """

    scopes: frozenset[str] = frozenset()
    public: str = ""
    max_body: int = DEFAULT_MAX_BODY
    body: BodyKind = BodyKind.JSON
    takes: tuple[str, ...] = ("application/json",)
    produces: tuple[str, ...] = ("application/json",)
    redact: frozenset[str] = frozenset()
    policy: Policy | None = None
    claimed: Callable[[Exchange], UUID | None] | None = None
    deprecated: Deprecation | None = None


def opens(
    *scopes: str,
    max_body: int = DEFAULT_MAX_BODY,
    body: BodyKind = BodyKind.JSON,
    takes: tuple[str, ...] = ("application/json",),
    produces: tuple[str, ...] = ("application/json",),
    redact: tuple[str, ...] = (),
    policy: Policy | None = None,
    deprecated: Deprecation | None = None,
) -> Callable[[Endpoint], Endpoint]:
    """Declare the scopes that open an endpoint; goes below the router's decorator."""
    declared = Declaration(
        scopes=frozenset(scopes),
        max_body=max_body,
        body=body,
        takes=takes,
        produces=produces,
        redact=frozenset(redact),
        policy=policy,
        deprecated=deprecated,
    )
    return _declare(declared)


def public(
    reason: str,
    *,
    max_body: int = DEFAULT_MAX_BODY,
    body: BodyKind = BodyKind.JSON,
    takes: tuple[str, ...] = ("application/json",),
    produces: tuple[str, ...] = ("application/json",),
    policy: Policy | None = None,
    claimed: Callable[[Exchange], UUID | None] | None = None,
) -> Callable[[Endpoint], Endpoint]:
    """Declare that an endpoint needs no token, and why; it gets no caller and no transaction.

    With a `policy` its requests are counted by address, and by the client that they claim to come from.
    """
    if not reason:
        raise UndeclaredRouteError("a public route states its reason")
    declared = Declaration(
        public=reason,
        max_body=max_body,
        body=body,
        takes=takes,
        produces=produces,
        policy=policy,
        claimed=claimed,
    )
    return _declare(declared)


def declaration_of(endpoint: Callable[..., object]) -> Declaration:
    """Return what `endpoint` declared, or raise UndeclaredRouteError."""
    declared = getattr(endpoint, _ATTRIBUTE, None)
    if not isinstance(declared, Declaration):
        name = getattr(endpoint, "__qualname__", repr(endpoint))
        raise UndeclaredRouteError(f"{name} declares neither `opens` nor `public`")
    return declared


def _declare(declared: Declaration) -> Callable[[Endpoint], Endpoint]:
    def mark(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _ATTRIBUTE, declared)
        return endpoint

    return mark
