"""The context form of a playbook: what is asked, at which stage, and which boundaries an answer opens."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, cast

from app.domain.playbook import FormField, Playbook, Requirement

Schema = dict[str, Any]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def _asks(requires: Requirement, pointer: str) -> bool:
    """Return whether a boundary needs the answer, or a part of it."""
    return any(field == pointer or field.startswith(f"{pointer}/") for field in requires.fields)


def gates(playbook: Playbook, pointer: str) -> list[dict[str, str]]:
    """Return the boundaries that are closed while `pointer` is not known."""
    found: list[dict[str, str]] = []
    for stage in playbook.stages.values():
        found += [
            {"stage": stage.key, "command": "advance", "to": leaving.to}
            for leaving in stage.exits
            if _asks(leaving.requires, pointer)
        ]
        found += [
            {"stage": stage.key, "command": "handover", "from": way.giver, "to": way.receiver}
            for way in stage.handovers
            if _asks(way.requires, pointer)
        ]
    return found


def _choices(playbook: Playbook, field: FormField) -> list[dict[str, str]] | None:
    if field.choices is None:
        return None
    held = playbook.choices.get(field.choices, {})
    return [{"code": code, "label_en": label.en, "label_ja": label.ja} for code, label in held.items()]


def fields(playbook: Playbook) -> list[dict[str, Any]]:
    """Return the questions in the order in which they are asked."""
    return [
        {
            "pointer": field.pointer,
            "label_en": field.label.en,
            "label_ja": field.label.ja,
            "help_en": field.help.en if field.help else None,
            "help_ja": field.help.ja if field.help else None,
            "choices": _choices(playbook, field),
            "asked_in": field.stage,
            "gates": gates(playbook, field.pointer),
        }
        for field in playbook.form
    ]


def _resolved(schema: Schema, whole: Schema) -> Schema:
    """Return what a schema says once its references are followed and `or null` is left out."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return _resolved(whole["$defs"][name], whole)
    options = [option for option in cast("list[Schema]", schema.get("anyOf", [])) if option.get("type") != "null"]
    return _resolved(options[0], whole) if len(options) == 1 else schema


def _inlined(schema: Schema, whole: Schema) -> Schema:
    held = deepcopy(_resolved(schema, whole))
    if "properties" in held:
        held["properties"] = {name: _inlined(part, whole) for name, part in held["properties"].items()}
    if "items" in held:
        held["items"] = _inlined(held["items"], whole)
    return held


def _labelled(leaf: Schema, choices: list[dict[str, str]]) -> Schema:
    """Return the schema with its code narrowed to the labelled ones; a code stands in `value`, `category` or alone."""
    if leaf.get("type") == "array":
        return {**leaf, "items": _labelled(leaf["items"], choices)}
    for name in ("value", "category"):
        if name in leaf.get("properties", {}):
            properties = {**leaf["properties"], name: _labelled({}, choices)}
            return {**leaf, "properties": properties}
    return {
        "oneOf": [
            {"const": choice["code"], "title": choice["label_en"], "x-title-ja": choice["label_ja"]}
            for choice in choices
        ]
    }


def schema(playbook: Playbook, lead: Mapping[str, Any]) -> Schema:
    """Return the form as JSON Schema: the part of a lead's body that it asks for. `lead` is the schema of that body."""
    whole = dict(lead)
    form: Schema = {"$schema": _DIALECT, "title": playbook.program, "type": "object", "properties": {}}
    for field in fields(playbook):
        held, described = form, whole
        *parents, last = cast("str", field["pointer"]).strip("/").split("/")
        for part in parents:
            described = _resolved(described["properties"][part], whole)
            held = held["properties"].setdefault(part, {"type": "object", "properties": {}})
        leaf = _inlined(described["properties"][last], whole)
        if field["choices"] is not None:
            leaf = _labelled(leaf, field["choices"])
        said = {"title": field["label_en"], "x-title-ja": field["label_ja"], "x-asked-in": field["asked_in"]}
        help_ = {"description": field["help_en"], "x-description-ja": field["help_ja"]} if field["help_en"] else {}
        held["properties"][last] = {**leaf, **said, **help_, "x-gates": field["gates"]}
    return form
