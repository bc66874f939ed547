"""Turns what Pydantic found into `errors` of a problem document: where, which kind, and never what was sent."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

MAX_ERRORS: Final = 50

# A misspelt field is worth naming; what is not spelt like one, such as a key of a map, may be anything, and is not
# repeated.
_FIELD = re.compile(r"[a-z][a-z_]{0,63}")
_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,63}")

_CODES: Final[Mapping[str, str]] = {
    "missing": "required",
    "union_tag_not_found": "required",
    "extra_forbidden": "unknown_field",
    "greater_than": "range",
    "greater_than_equal": "range",
    "less_than": "range",
    "less_than_equal": "range",
    "multiple_of": "range",
    "finite_number": "range",
    "int_parsing_size": "range",
    "decimal_max_digits": "range",
    "decimal_max_places": "range",
    "decimal_whole_digits": "range",
    "too_long": "length",
    "too_short": "length",
    "string_too_long": "length",
    "string_too_short": "length",
    "enum": "enum",
    "literal_error": "enum",
    "union_tag_invalid": "enum",
    "int_parsing": "type",
    "float_parsing": "type",
    "bool_parsing": "type",
    "int_from_float": "type",
    "value_error": "value",
    "assertion_error": "value",
}

_MESSAGES: Final[Mapping[str, str]] = {
    "required": "This is required.",
    "unknown_field": "There is no such field.",
    "type": "This is of another type.",
    "format": "This is not of the documented form.",
    "range": "This is out of range.",
    "length": "This is too long or too short.",
    "enum": "This is not one of the allowed values.",
    "value": "This is not valid.",
}

# What these say comes from the schema, never from the request.
_BOUNDS: Final[Mapping[str, str]] = {
    "ge": "At least {}.",
    "gt": "More than {}.",
    "le": "At most {}.",
    "lt": "Less than {}.",
    "multiple_of": "A multiple of {}.",
    "min_length": "At least {} long.",
    "max_length": "At most {} long.",
    "max_digits": "At most {} digits.",
    "decimal_places": "At most {} decimal places.",
    "whole_digits": "At most {} digits before the point.",
    "expected": "One of {}.",
    "expected_tags": "One of {}.",
}


def errors_of(found: Sequence[Mapping[str, Any]], body: object) -> list[dict[str, str]]:
    """Return at most MAX_ERRORS entries of pointer (RFC 6901), code and message; `in` where it is not the body."""
    return [_entry(error, body) for error in found[:MAX_ERRORS]]


def concerns_the_path(found: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether a path parameter is malformed: such a path names nothing."""
    return any(error["loc"][:1] == ("path",) for error in found)


def _entry(error: Mapping[str, Any], body: object) -> dict[str, str]:
    code = _code(error["type"])
    place, *parts = error["loc"]
    pointer = _pointer(parts, body, code) if place == "body" else "".join(_step(part, _PARAMETER) for part in parts[:1])
    entry = {"pointer": pointer, "code": code, "message": _message(error, code)}
    return entry if place == "body" else {"in": str(place), **entry}


def _code(kind: str) -> str:
    if kind in _MESSAGES:  # raised under a code of this table by a validator of ours
        return kind
    return _CODES.get(kind) or ("type" if kind.endswith("_type") else "format")


def _message(error: Mapping[str, Any], code: str) -> str:
    context: Mapping[str, Any] = error.get("ctx") or {}
    if error["type"] in _MESSAGES and not context:
        return error["msg"]  # a fixed sentence of PydanticCustomError: without a context it quotes nothing
    for name, sentence in _BOUNDS.items():
        if name in context:
            return sentence.format(context[name])
    return _MESSAGES[code]


def _pointer(parts: Sequence[str | int], body: object, code: str) -> str:
    """Return the way through `body`; Pydantic's names of union members and validators are no part of it."""
    pointer = ""
    current = body
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if isinstance(current, dict) and part in current:
            current = cast("dict[str | int, object]", current)[part]
        elif isinstance(current, list) and isinstance(part, int):
            items = cast("list[object]", current)
            current = items[part] if part < len(items) else None
        elif not (last and code == "required"):
            continue
        pointer += _step(part, _FIELD)
    return pointer


def _step(part: str | int, spelling: re.Pattern[str]) -> str:
    return f"/{part}" if isinstance(part, int) or spelling.fullmatch(part) else ""
