"""What the OpenAPI document says about the edge, so that no router repeats it."""

from collections.abc import Mapping
from typing import Any, Final, cast

from fastapi import FastAPI

from app.domain.errors import (
    BatonError,
    IdempotencyInFlightError,
    IdempotencyKeyReusedError,
    InsufficientScopeError,
    InvalidRequestError,
    MalformedBodyError,
    NotFoundError,
    OverloadedError,
    PayloadTooLargeError,
    PreconditionRequiredError,
    RateLimitedError,
    StaleVersionError,
    UnauthenticatedError,
    UnsupportedMediaTypeError,
    ValidationFailedError,
)
from app.routers import problems
from app.routers.edge.declaration import BodyKind, Declaration
from app.routers.edge.preconditions import GUARDED_METHODS
from app.routers.refusals import (
    HeadersTooLargeError,
    InternalError,
    NotAcceptableError,
    SlowBodyError,
    UriTooLongError,
)

Responses = dict[int | str, dict[str, Any]]

_SCHEME: Final = "oauth2"
_MEDIA_TYPE: Final = "application/problem+json"
_REFERENCE: Final = {"$ref": "#/components/schemas/Problem"}

_PROBLEM: Final[Mapping[str, Any]] = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457. Further members depend on `type`, whose page explains them.",
    "required": ["type", "title", "status", "detail", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "description": "`/problems/{slug}`, a page."},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "request_id": {"type": "string", "pattern": "^req_[0-9a-f]{32}$"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "message"],
                "properties": {
                    "pointer": {"type": "string", "description": "RFC 6901, into the body unless `in` says otherwise."},
                    "in": {"type": "string", "enum": ["path", "query", "header"]},
                    "code": {"type": "string"},
                    "message": {"type": "string"},
                },
            },
        },
    },
}


def document(*errors: type[BatonError]) -> Responses:
    """Return FastAPI's `responses` for the refusals that an endpoint's service raises."""
    found: Responses = {}
    for error in errors:
        kind = problems.KINDS[error.slug]
        entry = found.setdefault(kind.status, {"description": "", "content": {_MEDIA_TYPE: {"schema": _REFERENCE}}})
        entry["description"] = "; ".join(part for part in (entry["description"], kind.title) if part)
        example = {
            "type": f"/problems/{error.slug}",
            "title": kind.title,
            "status": kind.status,
            "detail": f"{kind.title}.",
            "request_id": "req_0123456789abcdef0123456789abcdef",
        }
        entry["content"][_MEDIA_TYPE].setdefault("examples", {})[error.slug] = {"value": example}
    return found


def responses(declared: Declaration, methods: frozenset[str], own: Responses | None) -> Responses:
    """Return the refusals of the edge for one route, with those that the route documents itself."""
    own = own or {}
    merged: Responses = dict(own)
    for status, entry in document(*_edge_errors(declared, methods)).items():
        merged[status] = _both(entry, merged[status]) if status in merged else entry
    return merged


def operation(declared: Declaration, methods: frozenset[str], own: dict[str, Any] | None) -> dict[str, Any]:
    """Return the operation's security and the headers that the edge reads, with the route's own additions."""
    described: dict[str, Any] = dict(own or {})
    if declared.deprecated:
        described["deprecated"] = True
    if declared.public:
        described.setdefault("security", [])
        return described
    described["security"] = [{_SCHEME: [scope]} for scope in sorted(declared.scopes)] or [{_SCHEME: []}]
    parameters: list[dict[str, Any]] = list(described.get("parameters", []))
    if "POST" in methods and declared.body is not BodyKind.STREAM:
        schema = {"type": "string", "minLength": 1, "maxLength": 255}
        about = "Optional. The same key answers the same, for 72 hours; secrets are null in a replay."
        parameters.append({"name": "Idempotency-Key", "in": "header", "schema": schema, "description": about})
    if methods & GUARDED_METHODS:
        about = "The ETag that was read, strong and quoted."
        tag = {"name": "If-Match", "in": "header", "required": True, "schema": {"type": "string"}, "description": about}
        parameters.append(tag)
    if parameters:
        described["parameters"] = parameters
    return described


def complete(app: FastAPI) -> None:
    """Add the schema of problems and the security scheme to what `app` says of itself."""
    bare = app.openapi

    def openapi() -> dict[str, Any]:
        described = bare()
        components = cast("dict[str, dict[str, Any]]", described.setdefault("components", {}))
        components.setdefault("schemas", {}).setdefault("Problem", dict(_PROBLEM))
        flow = {"tokenUrl": "/oauth/token", "scopes": _scopes(described)}
        scheme = {"type": "oauth2", "flows": {"clientCredentials": flow}}
        components.setdefault("securitySchemes", {}).setdefault(_SCHEME, scheme)
        return described

    app.openapi = openapi


def _scopes(described: Mapping[str, Any]) -> dict[str, str]:
    names: set[str] = set()
    for path in described.get("paths", {}).values():
        for operation in path.values():
            for requirement in operation.get("security", ()):
                names.update(requirement.get(_SCHEME, ()))
    return {name: f"Opens what needs {name}" for name in sorted(names)}


def _edge_errors(declared: Declaration, methods: frozenset[str]) -> list[type[BatonError]]:
    errors: list[type[BatonError]] = [InvalidRequestError, NotAcceptableError, ValidationFailedError]
    if not declared.public:
        errors += [UnauthenticatedError, InsufficientScopeError]
    if methods & {"POST", "PUT", "PATCH"}:
        errors += [MalformedBodyError, PayloadTooLargeError, SlowBodyError, UnsupportedMediaTypeError]
    if "POST" in methods and not declared.public:
        errors += [IdempotencyInFlightError, IdempotencyKeyReusedError]
    if methods & GUARDED_METHODS and not declared.public:
        errors += [NotFoundError, StaleVersionError, PreconditionRequiredError]
    if not declared.public or declared.policy is not None:
        errors.append(RateLimitedError)
    return [*errors, UriTooLongError, HeadersTooLargeError, InternalError, OverloadedError]


def _both(edge: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Return one entry for a status that both the edge and the route document."""
    merged = {**edge, **own}
    merged["description"] = "; ".join(part for part in (own.get("description"), edge["description"]) if part)
    content = {**edge["content"], **own.get("content", {})}
    examples = {
        **edge["content"][_MEDIA_TYPE].get("examples", {}),
        **own.get("content", {}).get(_MEDIA_TYPE, {}).get("examples", {}),
    }
    content[_MEDIA_TYPE] = {**content[_MEDIA_TYPE], "examples": examples}
    merged["content"] = content
    return merged
