"""Completes the document: examples, headers of answers, media types of bodies, scopes in words, tags, webhooks."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from fastapi import FastAPI
from fastapi.routing import APIRoute

from app.domain.access import OPENS
from app.routers.edge.declaration import BodyKind, Declaration, declaration_of
from app.routers.reference import webhooks, words
from app.schemas.examples import example

Node = dict[str, Any]

_JSON: Final = "application/json"
_PROBLEM: Final = "application/problem+json"
_METHODS: Final = frozenset({"get", "post", "put", "patch", "delete"})


def describe(app: FastAPI) -> None:
    """Have `app.openapi()` return the completed document; call it once, after the last router was included."""
    bare = app.openapi

    def openapi() -> Node:
        if app.openapi_schema is None or "webhooks" not in app.openapi_schema:
            document = bare()
            _complete(document, {(route.path_format, method.lower()): route for route, method in _routes(app)})
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi


def _routes(app: FastAPI) -> Iterator[tuple[APIRoute, str]]:
    for route in app.router.routes:
        if isinstance(route, APIRoute):
            for method in route.methods or ():
                yield route, method


def _complete(document: Node, routes: Mapping[tuple[str, str], APIRoute]) -> None:
    document["info"] |= {"description": words.ABOUT, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}}
    document["servers"] = [{"url": "/", "description": "The address that the document was read from."}]
    document["tags"] = [{"name": name, "description": about} for name, about in words.TAGS.items()]
    parts: Node = document["components"]
    flows = parts["securitySchemes"]["oauth2"]["flows"]
    flows["clientCredentials"]["scopes"] = {scope.value: about for scope, about in OPENS.items()}
    parts["securitySchemes"]["oauth2"]["description"] = words.TOKENS
    schemas: Node = parts["schemas"]
    for name, held in webhooks.components().items():
        schemas.setdefault(name, held)
    parts["headers"] = dict(words.HEADERS)
    for path, held in document["paths"].items():
        for method in _METHODS & held.keys():
            _operation(held[method], method, routes[path, method], schemas)
    _share_refusals(document["paths"], parts)
    document["webhooks"] = webhooks.section()
    _open_answers(document, schemas)


def _operation(operation: Node, method: str, route: APIRoute, schemas: Node) -> None:
    _bodies(operation, route, schemas)
    for parameter in operation.get("parameters", ()):
        about = words.PARAMETERS.get(parameter["name"])
        if about is not None:
            parameter.setdefault("description", about)
    if "oauth" in operation.get("tags", ()):
        _forget_problems(operation["responses"])
    guarded = any(_schema_name(answer) in words.TAGGED for answer in operation["responses"].values())
    repeats = any(parameter["name"] == "Idempotency-Key" for parameter in operation.get("parameters", ()))
    for status, answer in operation["responses"].items():
        _answer(status, answer, schemas, repeats=repeats)
    _edge_headers(operation, declaration_of(route.endpoint))
    if method == "get" and guarded:
        headers = {"ETag": _header("ETag"), "Request-Id": _header("RequestId"), **_COUNTED}
        operation["responses"]["304"] = {"description": "The caller has this version already.", "headers": headers}
        operation.setdefault("parameters", []).append(dict(words.IF_NONE_MATCH))
    if operation["operationId"] in words.REPEATABLE:
        first = operation["responses"]["201"]
        operation["responses"]["200"] = {
            **first,
            "description": "It was sent before with an equal body: the same again.",
        }
    operation["responses"] = dict(sorted(operation["responses"].items()))


def _bodies(operation: Node, route: APIRoute, schemas: Node) -> None:
    """Give the request body its media types and an example."""
    declared = declaration_of(route.endpoint)
    if declared.body is BodyKind.STREAM:
        own: Node = operation.get("requestBody", {}).get("content", {})
        content = {
            kind: own.get(kind) or {"schema": {"type": "string"}, "example": words.STREAMS[kind]}
            for kind in declared.takes
        }
        operation["requestBody"] = {"required": True, "content": content}
        return
    content = operation.get("requestBody", {}).get("content", {})
    form = content.get("application/x-www-form-urlencoded")
    if form is not None:
        form["example"] = words.FORMS[operation["operationId"]]
    if _JSON in content:
        content[_JSON].setdefault("example", example(content[_JSON]["schema"], schemas))
        for kind in declared.takes:
            content.setdefault(kind, content[_JSON])


def _answer(status: str, answer: Node, schemas: Node, *, repeats: bool) -> None:
    """Give one answer its example and the headers that it carries."""
    _example(answer.get("content", {}), schemas)
    headers: Node = answer.setdefault("headers", {})
    headers["Request-Id"] = _header("RequestId")
    if status.startswith("2"):
        answer["description"] = words.SUCCESS[status]
        for name, held in _of_success(status, _schema_name(answer), schemas):
            headers[name] = _header(held)
        if repeats:
            headers["Idempotent-Replayed"] = _header("IdempotentReplayed")
    if status == "401":
        headers["WWW-Authenticate"] = _header("WWWAuthenticate")
    if status in {"429", "503"}:
        headers["Retry-After"] = _header("RetryAfter")


def _edge_headers(operation: Node, declared: Declaration) -> None:
    """Name what the edge sends with every answer of a route: the caller's count, and that the operation goes away."""
    for status, answer in operation["responses"].items():
        if not declared.public and status not in _UNCOUNTED:
            answer["headers"] |= _COUNTED
        if declared.deprecated:
            answer["headers"] |= {name: _header(name) for name in ("Deprecation", "Sunset", "Link")}


def _example(content: Node, schemas: Node) -> None:
    if content.get(_JSON, {}).get("schema"):
        content[_JSON].setdefault("example", example(content[_JSON]["schema"], schemas))
    for kind in words.TEXTS.keys() & content.keys():
        content[kind].setdefault("example", words.TEXTS[kind])


def _of_success(status: str, name: str, schemas: Node) -> Iterator[tuple[str, str]]:
    if name in words.TAGGED:
        yield "ETag", "ETag"
    if status == "201" and name in words.LOCATED:
        yield "Location", "Location"
    if "next_cursor" in schemas.get(name, {}).get("properties", {}):
        yield "Link", "Link"


def _share_refusals(paths: Node, parts: Node) -> None:
    """Move refusals that many operations answer alike to one place; each is named by its status and its problems."""
    answers: Node = {}
    examples: Node = {}
    for held in paths.values():
        for method in _METHODS & held.keys():
            responses: Node = held[method]["responses"]
            for status, answer in responses.items():
                named: Node = answer.get("content", {}).get(_PROBLEM, {}).get("examples", {})
                if not named:
                    continue
                examples |= named
                named |= {slug: {"$ref": f"#/components/examples/{slug}"} for slug in named}
                marks = [mark for mark in _MARKS if mark in answer.get("headers", {})]
                name = ".".join((status, *sorted(named), *marks))
                answers[name] = answer
                responses[status] = {"$ref": f"#/components/responses/{name}"}
    parts |= {"responses": answers, "examples": examples}


def _header(name: str) -> Node:
    return {"$ref": f"#/components/headers/{name}"}


_COUNTED: Final = {"RateLimit": _header("RateLimit"), "RateLimit-Policy": _header("RateLimitPolicy")}
_PROBLEMS: Final = frozenset({"408", "414", "429", "431"})
"""Refusals for which RFC 6749 has no code, or that come before the route is known."""
_UNCOUNTED: Final = frozenset({"401", "414", "431"})
"""Refusals that come before the caller is known."""
_MARKS: Final = ("RateLimit", "Deprecation")
"""Headers that tell apart refusals which are else the same."""


def _schema_name(answer: Mapping[str, Any]) -> str:
    reference: str = answer.get("content", {}).get(_JSON, {}).get("schema", {}).get("$ref", "")
    return reference.rpartition("/")[2]


def _forget_problems(responses: Node) -> None:
    """The OAuth endpoints answer refusals by RFC 6749; only limits and Baton's own failures are problem documents."""
    for status in [status for status in responses if status.startswith("4") and status not in _PROBLEMS]:
        content = responses[status].get("content", {})
        content.pop(_PROBLEM, None)
        if not content:
            del responses[status]
            continue
        responses[status]["description"] = responses[status]["description"].partition(";")[0]


def _open_answers(document: Node, schemas: Node) -> None:
    """Let schemas that no request takes grow: a caller must not break where an answer says more than it did."""
    taken: set[str] = set()
    waiting = [
        operation["requestBody"]
        for held in document["paths"].values()
        for method, operation in held.items()
        if method in _METHODS and "requestBody" in operation
    ]
    while waiting:
        for name in _references(waiting.pop()):
            if name not in taken:
                taken.add(name)
                waiting.append(schemas[name])
    for name, held in schemas.items():
        if name not in taken:
            held.pop("additionalProperties", None)


def _references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        held = cast("dict[str, object]", node)
        reference = held.get("$ref")
        if isinstance(reference, str) and reference.startswith("#/components/schemas/"):
            yield reference.rpartition("/")[2]
        for value in held.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in cast("list[object]", node):
            yield from _references(value)
