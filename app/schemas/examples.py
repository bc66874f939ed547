"""Examples for the document: whole bodies where the words matter, else one that follows from a schema.

A schema names its parts by `$ref`; `defs` holds them by name. Nothing here knows HTTP.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, cast

from app.schemas.example_values import BODIES, IDS, NAMED, OWN, example_id

Schema = Mapping[str, Any]


def example(schema: Schema, defs: Mapping[str, Schema], name: str = "", owner: str = "") -> Any:  # noqa: ANN401  # JSON
    """Return an example of `schema`, which is the field `name` of the schema `owner`."""
    if "$ref" in schema and name not in OWN.get(owner, {}):
        owner = schema["$ref"].rpartition("/")[2]
        return BODIES[owner] if owner in BODIES else example(defs[owner], defs, owner=owner)
    given = [*_stated(schema, name, owner)]
    if given:
        return given[0]
    if branches := schema.get("anyOf"):
        return example(_first(branches), defs, name, owner)
    return _of_type(schema, defs, name, owner)


def _stated(schema: Schema, name: str, owner: str) -> Iterator[Any]:
    """Yield what is said of a field, the most particular first."""
    if name in OWN.get(owner, {}):
        yield OWN[owner][name]
    if name == "id" and owner in IDS:
        yield example_id(IDS[owner])
    yield from schema.get("examples", ())
    if "const" in schema:
        yield schema["const"]
    yield from schema.get("enum", ())
    if name in NAMED and _fits(NAMED[name], schema):
        yield NAMED[name]


def _first(branches: list[Schema]) -> Schema:
    return next((branch for branch in branches if branch.get("type") != "null"), branches[0])


_TYPES: Final[Mapping[type, str]] = MappingProxyType(
    {str: "string", int: "integer", float: "number", dict: "object", bool: "boolean", type(None): "null"}
)


def _fits(value: object, schema: Schema) -> bool:
    """Return whether a value is of one of the types that the schema names; lists are of texts."""
    branches: list[Schema] = schema.get("anyOf", [schema])
    if isinstance(value, list):
        return any(branch.get("items", {}).get("type") == "string" for branch in branches)
    return _TYPES[type(value)] in [branch.get("type") for branch in branches]


def _of_type(schema: Schema, defs: Mapping[str, Schema], name: str, owner: str) -> Any:  # noqa: ANN401
    kind = schema.get("type", "object")
    if kind == "object":
        fields = cast("Mapping[str, Schema]", schema.get("properties", {}))
        needed = {*schema.get("required", ()), *OWN.get(owner, {})}
        return {key: example(held, defs, key, owner) for key, held in fields.items() if key in needed}
    if kind == "array":
        return [example(schema["items"], defs, name.removesuffix("s"), owner)] if "items" in schema else []
    plain: Mapping[str, Any] = {
        "integer": schema.get("minimum", 1),
        "number": float(schema.get("minimum", 1)),
        "boolean": False,
        "null": None,
        "string": _TIMES.get(schema.get("format", ""), name.replace("_", " ") or "text"),
    }
    return plain[kind]


_TIMES: Final[Mapping[str, str]] = MappingProxyType({"date-time": "2026-11-20T01:30:00Z", "date": "2026-12-01"})
