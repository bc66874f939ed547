"""Reads a request body as JSON that every other reader would read the same way."""

import math
from typing import cast

import jiter

from app.domain.errors import MalformedBodyError

MAX_DEPTH = 32  # containers inside each other, the outermost counted; security.md 1.3


def parse(body: bytes) -> object:
    """Return the value of `body`, or raise MalformedBodyError.

    Refused: invalid UTF-8, NaN, infinity and numbers that overflow to it, duplicate keys, lone surrogates, text after
    the value, NUL in a string or key, and more than MAX_DEPTH containers inside each other.
    """
    try:
        # Only keys are interned across requests: values are other people's data.
        value = jiter.from_json(body, allow_inf_nan=False, catch_duplicate_keys=True, cache_mode="keys")
    except ValueError:
        # From None: the parser's message may quote a key of the body.
        raise MalformedBodyError("The body is not valid JSON, or one of its objects repeats a key.") from None
    # An escaped NUL is spelled in full, a literal one is refused by the parser; so most bodies skip the comparison.
    _inspect(value, may_hold_nul=b"\\u0000" in body)
    return value


def _inspect(value: object, *, may_hold_nul: bool) -> None:
    """Walk level by level, so that depth needs no recursion."""
    level: list[object] = [value]
    depth = 0
    while level:
        children: list[object] = []
        containers = False
        for item in level:
            if isinstance(item, dict):
                containers = True
                children.extend(cast("dict[str, object]", item).values())
                if may_hold_nul:
                    children.extend(cast("dict[str, object]", item))
            elif isinstance(item, list):
                containers = True
                children.extend(cast("list[object]", item))
            elif isinstance(item, float):
                if not math.isfinite(item):
                    raise MalformedBodyError("A number in the body is too large.")
            elif may_hold_nul and isinstance(item, str) and "\0" in item:
                raise MalformedBodyError("A string in the body holds a NUL character.")
        depth += containers
        if depth > MAX_DEPTH:
            raise MalformedBodyError(f"The body is nested more than {MAX_DEPTH} levels deep.")
        level = children
