"""Refuses a change of openapi/openapi.json that would break a caller of the last release.

Compares with `git show <last tag v*>:openapi/openapi.json`; without such a tag there is nothing to break. Standard
library only. Exit status 1 and one line for each break.

    python .ci/openapi_breaking.py
"""  # a script, no package

import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

DOCUMENT = "openapi/openapi.json"
METHODS = ("get", "put", "post", "delete", "patch")
UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")

Node = dict[str, Any]


class Comparison:
    """Compares two documents; what a request may hold must not shrink, what an answer holds must not go away."""

    def __init__(self, old: Node, new: Node) -> None:
        self._old, self._new = old, new
        self._seen: set[tuple[str, str, bool]] = set()

    def breaks(self) -> Iterator[str]:
        """Yield every break as one line."""
        for section in ("paths", "webhooks"):
            for path, item in self._old.get(section, {}).items():
                for method in METHODS:
                    if method in item:
                        where = f"{method.upper()} {path}" if section == "paths" else f"webhook {path}"
                        now = self._new.get(section, {}).get(path, {}).get(method)
                        if now is None:
                            yield f"{where}: removed"
                        else:
                            yield from self._operation(where, item[method], now, sent=section == "webhooks")

    def _operation(self, where: str, old: Node, new: Node, *, sent: bool) -> Iterator[str]:
        """`sent`: Baton sends this request itself, so its body is read like an answer."""
        if old.get("operationId") != new.get("operationId"):
            yield f"{where}: operationId is {new.get('operationId')}, was {old.get('operationId')}"
        yield from self._security(where, old, new)
        yield from self._parameters(where, old, new, sent=sent)
        before, after = _at(self._old, old.get("requestBody")), _at(self._new, new.get("requestBody"))
        if after.get("required") and not before.get("required") and not sent:
            yield f"{where}: the request body is required now"
        yield from self._contents(f"{where} request", before, after, answer=sent)
        for status, answer in old.get("responses", {}).items():
            held = new.get("responses", {}).get(status)
            if not status.startswith("2"):
                continue  # refusals may come and go: callers read their `type`
            if held is None:
                yield f"{where} {status}: removed"
                continue
            before, after = _at(self._old, answer), _at(self._new, held)
            for name in before.get("headers", {}).keys() - after.get("headers", {}).keys():
                yield f"{where} {status}: header {name} removed"
            yield from self._contents(f"{where} {status}", before, after, answer=True)

    def _security(self, where: str, old: Node, new: Node) -> Iterator[str]:
        def alternatives(operation: Node) -> set[tuple[str, ...]]:
            return {tuple(sorted(chain.from_iterable(held.values()))) for held in operation.get("security", [])} or {()}

        for lost in alternatives(old) - alternatives(new):
            yield f"{where}: no longer opened by {' '.join(lost) or 'every caller'}"

    def _parameters(self, where: str, old: Node, new: Node, *, sent: bool) -> Iterator[str]:
        before = {(one["in"], one["name"]): one for one in old.get("parameters", [])}
        after = {(one["in"], one["name"]): one for one in new.get("parameters", [])}
        for key, one in before.items():
            if key not in after:
                yield f"{where}: {key[0]} parameter {key[1]} removed"
                continue
            if after[key].get("required") and not one.get("required") and not sent:
                yield f"{where}: {key[0]} parameter {key[1]} is required now"
            yield from self._schema(f"{where} {key[1]}", one.get("schema", {}), after[key].get("schema", {}), sent)
        for key in after.keys() - before.keys():
            if after[key].get("required") and not sent:
                yield f"{where}: {key[0]} parameter {key[1]} is new and required"

    def _contents(self, where: str, old: Node, new: Node, *, answer: bool) -> Iterator[str]:
        for kind, held in old.get("content", {}).items():
            if kind not in new.get("content", {}):
                yield f"{where}: {kind} removed"
            else:
                yield from self._schema(where, held.get("schema", {}), new["content"][kind].get("schema", {}), answer)

    def _schema(self, where: str, old: Node, new: Node, answer: bool) -> Iterator[str]:
        names = (old.get("$ref", ""), new.get("$ref", ""), answer)
        if names[0] and names in self._seen:
            return
        self._seen.add(names)
        before, after = _variants(self._old, old), _variants(self._new, new)
        was, now = {_type(one) for one in before}, {_type(one) for one in after}
        if answer and not now <= was and "any" not in was:
            yield f"{where}: may be {', '.join(sorted(now - was))} now"
        if not answer and not was <= now and "any" not in now:
            yield f"{where}: may not be {', '.join(sorted(was - now))} any more"
        for kind in sorted(was & now):
            ours = [one for one in before if _type(one) == kind]
            theirs = [one for one in after if _type(one) == kind]
            for index, one in enumerate(ours):
                yield from self._variant(where, one, theirs[min(index, len(theirs) - 1)], answer)

    def _variant(self, where: str, old: Node, new: Node, answer: bool) -> Iterator[str]:
        yield from _values(where, old, new, answer)
        if not answer:
            yield from _bounds(where, old, new)
        needed, needs = set(old.get("required", [])), set(new.get("required", []))
        fields, now = old.get("properties", {}), new.get("properties", {})
        for name, held in fields.items():
            if name not in now:
                yield f"{where}/{name}: removed"
                continue
            if answer and name in needed and name not in needs:
                yield f"{where}/{name}: may be absent now"
            yield from self._schema(f"{where}/{name}", held, now[name], answer)
        if not answer:
            for name in sorted(needs - needed):
                yield f"{where}/{name}: required now"
        if "items" in old and "items" in new:
            yield from self._schema(f"{where}[]", old["items"], new["items"], answer)


def _at(document: Node, node: Node | None) -> Node:
    """Return what a node refers to; an absent one is empty."""
    while node and "$ref" in node:
        found: Any = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node or {}


def _variants(document: Node, schema: Node) -> list[Node]:
    held = _at(document, schema)
    branches = held.get("anyOf") or held.get("oneOf")
    return [one for branch in branches for one in _variants(document, branch)] if branches else [held]


def _type(schema: Node) -> str:
    if "type" in schema:
        return str(schema["type"])
    if "const" in schema or "enum" in schema:
        return "string"
    return "object" if "properties" in schema else "any"


def _values(where: str, old: Node, new: Node, answer: bool) -> Iterator[str]:
    """A value that callers know must not go; a request must not be narrowed to a set."""
    before = set(old.get("enum", [old["const"]] if "const" in old else []))
    after = set(new.get("enum", [new["const"]] if "const" in new else []))
    if after and not before and not answer:
        yield f"{where}: only {', '.join(sorted(map(str, after)))} now"
    elif after or not answer:
        for value in sorted(map(str, before - after) if after else []):
            yield f"{where}: value {value} removed"


def _bounds(where: str, old: Node, new: Node) -> Iterator[str]:
    for name in UPPER:
        if name in new and new[name] < old.get(name, float("inf")):
            yield f"{where}: {name} is {new[name]}, was {old.get(name, 'none')}"
    for name in LOWER:
        if name in new and new[name] > old.get(name, float("-inf")) and (name in old or new[name] > 0):
            yield f"{where}: {name} is {new[name]}, was {old.get(name, 'none')}"
    for name in ("pattern", "format", "multipleOf"):
        if new.get(name) is not None and new.get(name) != old.get(name):
            yield f"{where}: {name} is {new[name]}, was {old.get(name, 'none')}"
    if new.get("additionalProperties") is False and old.get("additionalProperties") is not False:
        yield f"{where}: unknown fields are refused now"


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)  # noqa: S603, S607
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def main() -> int:
    """Compare with the last release and return the exit status."""
    tag = (_git("describe", "--tags", "--abbrev=0", "--match", "v*") or "").strip()
    released = _git("show", f"{tag}:{DOCUMENT}") if tag else None
    if released is None:
        print(f"{DOCUMENT}: no release to compare with")
        return 0
    current = json.loads(Path(DOCUMENT).read_text("utf-8"))
    found = list(dict.fromkeys(Comparison(json.loads(released), current).breaks()))
    for line in found:
        print(f"breaks callers of {tag}: {line}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
