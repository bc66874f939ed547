"""The check for breaking changes finds each kind of break and lets additions pass."""

import importlib.util
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

_SPEC = importlib.util.spec_from_file_location(
    "openapi_breaking", Path(__file__).parents[2] / ".ci" / "openapi_breaking.py"
)
assert _SPEC is not None
assert _SPEC.loader is not None
breaking = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(breaking)

RELEASED: dict[str, Any] = {
    "paths": {
        "/v1/leads": {
            "post": {
                "operationId": "post_lead",
                "security": [{"oauth2": ["leads:write"]}],
                "parameters": [{"name": "test", "in": "query", "schema": {"type": "boolean"}}],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/In"}}}},
                "responses": {
                    "201": {
                        "headers": {"ETag": {}},
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Out"}}},
                    },
                    "404": {},
                },
            }
        }
    },
    "webhooks": {
        "lead.received": {
            "post": {
                "operationId": "on_lead_received",
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Out"}}}},
                "responses": {"2XX": {}},
            }
        }
    },
    "components": {
        "schemas": {
            "In": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string", "maxLength": 200},
                    "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                    "kind": {"type": "string", "enum": ["call", "mail"]},
                },
            },
            "Out": {
                "type": "object",
                "required": ["id", "status"],
                "properties": {
                    "id": {"type": "string"},
                    "status": {"type": "string", "enum": ["open", "closed"]},
                    "parent": {"$ref": "#/components/schemas/Out"},
                },
            },
        }
    },
}

Edit = Callable[[dict[str, Any]], object]


def _post(document: dict[str, Any]) -> dict[str, Any]:
    return document["paths"]["/v1/leads"]["post"]


def _in(document: dict[str, Any]) -> dict[str, Any]:
    return document["components"]["schemas"]["In"]


def _out(document: dict[str, Any]) -> dict[str, Any]:
    return document["components"]["schemas"]["Out"]


BREAKS: list[tuple[str, Edit]] = [
    ("removed", lambda d: d["paths"].clear()),
    ("webhook lead.received: removed", lambda d: d["webhooks"].clear()),
    ("operationId", lambda d: _post(d).update(operationId="create_lead")),
    ("no longer opened by leads:write", lambda d: _post(d).update(security=[{"oauth2": ["admin"]}])),
    ("parameter test removed", lambda d: _post(d)["parameters"].clear()),
    (
        "parameter mode is new and required",
        lambda d: _post(d)["parameters"].append({"name": "mode", "in": "query", "required": True, "schema": {}}),
    ),
    ("body is required now", lambda d: _post(d)["requestBody"].update(required=True)),
    ("201: removed", lambda d: _post(d)["responses"].pop("201")),
    ("header ETag removed", lambda d: _post(d)["responses"]["201"]["headers"].clear()),
    ("/kind: required now", lambda d: _in(d)["required"].append("kind")),
    ("/note: removed", lambda d: _in(d)["properties"].pop("note")),
    ("may not be null any more", lambda d: _in(d)["properties"].update(note={"type": "string"})),
    ("maxLength is 100, was 200", lambda d: _in(d)["properties"]["name"].update(maxLength=100)),
    ("pattern is ^a$", lambda d: _in(d)["properties"]["name"].update(pattern="^a$")),
    ("value mail removed", lambda d: _in(d)["properties"]["kind"].update(enum=["call"])),
    ("unknown fields are refused now", lambda d: _in(d).update(additionalProperties=False)),
    ("201/id: removed", lambda d: _out(d)["properties"].pop("id")),
    ("201/status: may be absent now", lambda d: _out(d)["required"].remove("status")),
    ("value closed removed", lambda d: _out(d)["properties"]["status"].update(enum=["open"])),
    ("201/id: may be null now", lambda d: _out(d)["properties"].update(id={"type": "null"})),
]
ADDITIONS: list[Edit] = [
    lambda d: d["paths"].update({"/v1/other": {"get": {}}}),
    lambda d: _in(d)["properties"].update(more={"type": "string"}),
    lambda d: _in(d)["properties"]["kind"]["enum"].append("visit"),
    lambda d: _in(d)["properties"]["name"].update(maxLength=400),
    lambda d: _out(d)["properties"].update(more={"type": "string"}),
    lambda d: _out(d)["properties"]["status"]["enum"].append("received"),
    lambda d: _post(d)["parameters"].append({"name": "mode", "in": "query", "schema": {}}),
    lambda d: _post(d)["security"].append({"oauth2": ["admin"]}),
    lambda d: _post(d)["responses"].pop("404"),
]


def found_after(edit: Edit) -> list[str]:
    changed = deepcopy(RELEASED)
    edit(changed)
    return list(breaking.Comparison(RELEASED, changed).breaks())


@pytest.mark.parametrize(("line", "edit"), BREAKS, ids=[line for line, _ in BREAKS])
def test_a_break_is_named(line: str, edit: Edit):
    assert any(line in one for one in found_after(edit)), found_after(edit)


@pytest.mark.parametrize("edit", ADDITIONS)
def test_an_addition_breaks_nobody(edit: Edit):
    assert found_after(edit) == []


def test_the_same_document_breaks_nobody():
    assert found_after(lambda _: None) == []
