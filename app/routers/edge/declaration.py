"""What a route says about itself: who may enter and what body it takes. A route that says nothing does not start."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

KIB = 1024
DEFAULT_MAX_BODY = 256 * KIB  # security.md 1.4

_ATTRIBUTE = "__baton_declaration__"

Endpoint = TypeVar("Endpoint", bound=Callable[..., object])


class BodyKind(Enum):
    """Who reads the body of a route."""

    JSON = "json"  # the edge parses it, FastAPI validates it
    RAW = "raw"  # the edge reads it, the endpoint gets the bytes
    STREAM = "stream"  # the endpoint reads it, and opens transactions of its own


class UndeclaredRouteError(TypeError):
    """A route without a declaration, or one that asks for what its declaration does not give."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """How the edge treats one route.

    `scopes` are alternatives, any one of them opens the route; empty means that every valid token does. `public` is
    the reason why no token is needed, empty where one is. `max_body` is in bytes, inclusive. `takes` are the media
    types of the body, `produces` those of the answer. `redact` names the fields that are null in a replay.
    """

    scopes: frozenset[str] = frozenset()
    public: str = ""
    max_body: int = DEFAULT_MAX_BODY
    body: BodyKind = BodyKind.JSON
    takes: tuple[str, ...] = ("application/json",)
    produces: tuple[str, ...] = ("application/json",)
    redact: frozenset[str] = frozenset()


def opens(
    *scopes: str,
    max_body: int = DEFAULT_MAX_BODY,
    body: BodyKind = BodyKind.JSON,
    takes: tuple[str, ...] = ("application/json",),
    produces: tuple[str, ...] = ("application/json",),
    redact: tuple[str, ...] = (),
) -> Callable[[Endpoint], Endpoint]:
    """Declare the scopes that open an endpoint; goes below the router's decorator."""
    declared = Declaration(
        scopes=frozenset(scopes),
        max_body=max_body,
        body=body,
        takes=takes,
        produces=produces,
        redact=frozenset(redact),
    )
    return _declare(declared)


def public(
    reason: str,
    *,
    max_body: int = DEFAULT_MAX_BODY,
    body: BodyKind = BodyKind.JSON,
    takes: tuple[str, ...] = ("application/json",),
    produces: tuple[str, ...] = ("application/json",),
) -> Callable[[Endpoint], Endpoint]:
    """Declare that an endpoint needs no token, and why; it gets no caller and no transaction."""
    if not reason:
        raise UndeclaredRouteError("a public route states its reason")
    return _declare(Declaration(public=reason, max_body=max_body, body=body, takes=takes, produces=produces))


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
