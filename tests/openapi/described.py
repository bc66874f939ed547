"""The document with its references resolved by the reference library, and its operations found by path."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

ROOT = "urn:openapi"
METHODS = ("get", "put", "post", "delete", "patch")


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield (method, path or event type, operation) of paths and webhooks."""
    for section in ("paths", "webhooks"):
        for path, item in document[section].items():
            for method in METHODS:
                if method in item:
                    yield method, path, item[method]


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolve(document: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """Return what a node refers to, or the node itself."""
    while "$ref" in node:
        found: Any = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part.replace("~1", "/").replace("~0", "~")]
        node = found
    return node


def _rooted(node: Any) -> Any:
    if isinstance(node, dict):
        return {
            key: f"{ROOT}{value}" if key == "$ref" and isinstance(value, str) else _rooted(value)
            for key, value in node.items()
        }
    return [_rooted(value) for value in node] if isinstance(node, list) else node


def _closed(node: Any) -> Any:
    """Refuse members that an object schema does not name: what is answered and not described is found."""
    if isinstance(node, dict):
        held = {key: _closed(value) for key, value in node.items()}
        if isinstance(held.get("properties"), dict) and held.get("type") == "object":
            held.setdefault("additionalProperties", False)
        return held
    return [_closed(value) for value in node] if isinstance(node, list) else node


class Validator:
    """Holds values against schemas of the document; `closed` also refuses members that are not described."""

    def __init__(self, document: dict[str, Any], *, closed: bool = False) -> None:
        components = {"components": {"schemas": document["components"]["schemas"]}}
        self._shape = _closed if closed else lambda node: node
        resource = Resource.from_contents(self._shape(components), default_specification=DRAFT202012)
        self._registry = Registry().with_resource(ROOT, resource)

    def faults(self, schema: dict[str, Any], value: Any) -> list[str]:
        held = Draft202012Validator(
            _rooted(self._shape(schema)), registry=self._registry, format_checker=Draft202012Validator.FORMAT_CHECKER
        )
        return [f"{'/'.join(map(str, one.absolute_path))}: {one.message[:300]}" for one in held.iter_errors(value)]


@cache
def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{[^}]+\}", template)
    return re.compile("[^/]+".join(re.escape(part) for part in parts))


def operation_of(document: dict[str, Any], method: str, path: str) -> dict[str, Any] | None:
    """Return the operation that a request reached; a literal segment wins over a variable one."""
    found = [template for template in document["paths"] if _pattern(template).fullmatch(path)]
    found.sort(key=lambda template: template.count("{"))
    for template in found:
        if method.lower() in document["paths"][template]:
            return document["paths"][template][method.lower()]
    return None
