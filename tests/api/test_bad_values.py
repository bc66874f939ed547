"""A wrong, a lenient and an extreme value in every member of every body, generated from the OpenAPI document."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import Any, Final

import httpx2
import pytest

from app.security.keyring import MasterKeys
from tests.api.refusals import (
    CANARY,
    KEY_CANARY,
    PARAMETER,
    Case,
    addressed,
    faults,
    named,
    no_trace,
    refused,
    send,
    writing,
)
from tests.isolation.population import Population, populate
from tests.isolation.routes import ENTRIES, KINDS, PLAIN, Key
from tests.world import a_world, lead_body


@pytest.fixture(scope="module")
async def people(database_url: str, master_keys: MasterKeys) -> AsyncIterator[Population]:
    async with a_world(database_url, master_keys) as world:
        yield await populate(world)


@pytest.fixture
async def untouched(people: Population) -> AsyncIterator[None]:
    async with no_trace(people):
        yield


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def _branches(document: dict[str, Any], schema: dict[str, Any]) -> list[dict[str, Any]]:
    schema = _resolved(document, schema)
    several = schema.get("anyOf") or schema.get("oneOf")
    return [one for part in several for one in _branches(document, part)] if several else [schema]


_SAMPLES: Final[dict[str, list[Any]]] = {
    "string": [CANARY], "integer": [12345], "number": [1.5], "boolean": [True], "array": [[CANARY]],
    "object": [{KEY_CANARY: CANARY}],
}  # fmt: skip
_COERCIBLE: Final[dict[str, list[Any]]] = {
    "integer": ["1", True], "number": ["1", True], "boolean": ["true", "yes", 1, 0], "string": [1, True],
    "array": ["a", {}], "object": [[]],
}  # fmt: skip
"""For each type, values of another that a lenient reader takes for it."""


def _types(branches: list[dict[str, Any]]) -> set[str]:
    found: set[str] = set()
    for branch in branches:
        kind = branch.get("type")
        found |= (
            {"string"} if "enum" in branch or "const" in branch else {kind} if isinstance(kind, str) else set(_SAMPLES)
        )
    return found | ({"integer"} if "number" in found else set())


def _fields(
    document: dict[str, Any], schema: dict[str, Any], depth: int = 0
) -> Iterator[tuple[tuple[str, ...], list[dict[str, Any]]]]:
    """Yield every member of a body, as a way of names, with the schemas that it may follow."""
    for branch in _branches(document, schema):
        for name, member in branch.get("properties", {}).items():
            branches = _branches(document, member)
            yield (name,), branches
            if depth < 3:
                for way, found in _fields(document, member, depth + 1):
                    yield (name, *way), found
        if branch.get("type") == "array" and depth < 4:
            for way, found in _fields(document, branch["items"], depth + 1):
                yield ("[]", *way), found


def _holding(way: tuple[str, ...], value: Any) -> Any:
    for name in reversed(way):
        value = [value] if name == "[]" else {name: value}
    return value


def bodies(people: Population, document: dict[str, Any]) -> Iterator[tuple[Key, tuple[str, ...], list[dict[str, Any]]]]:
    for key, _ in writing(people):
        operation = document["paths"][key[1]][key[0].lower()]
        content = operation.get("requestBody", {}).get("content", {})
        if content:
            for way, branches in _fields(document, next(iter(content.values()))["schema"]):
                yield key, way, branches


def valid(people: Population, key: Key) -> Any:
    """Return the body of the table with ids of A's objects."""
    text = json.dumps(ENTRIES[key].body)
    return json.loads(re.sub(r'"\$(\w+)"', lambda match: f'"{people.objects["a"][match[1]]}"', text))


async def _points_at(way: tuple[str, ...], request: Awaitable[httpx2.Response]) -> httpx2.Response:
    """Return the answer if it refuses the member at `way`; one that refuses something else counts as none."""
    answer = await request
    pointer = "/" + "/".join("0" if name == "[]" else name for name in way)
    pointed = [error["pointer"] for error in answer.json().get("errors", ())]
    if answer.status_code != 422 or any(one.startswith(pointer) for one in pointed):
        return answer
    return httpx2.Response(599, text=f"{pointer} is not among {pointed}")


def mistyped(people: Population, samples: dict[str, list[Any]], *, other: bool) -> list[Case]:
    """Return a request for every member of every body, with each sample of a type that is not (or is) the member's."""
    cases: list[Case] = []
    for key, way, branches in bodies(people, people.world.app.openapi()):
        allowed = _types(branches)
        for kind, values in samples.items():
            if (kind in allowed) == other or not (other or len(allowed - {"null"}) == 1):
                continue
            for value in values:
                content = json.dumps(_with(valid(people, key), way, value)).encode()
                request = _points_at(way, send(people, key, content))
                cases.append((named(key, f"{'/'.join(way)} = {value!r}"), request, {422}, "validation-failed"))
    return cases


async def test_a_value_of_the_wrong_type_is_not_valid_wherever_it_stands(people: Population, untouched: None) -> None:
    cases = mistyped(people, _SAMPLES, other=True)
    assert len(cases) > 600
    await refused(cases)


async def test_a_value_that_only_a_lenient_reader_takes_is_not_valid(people: Population, untouched: None) -> None:
    await refused(mistyped(people, _COERCIBLE, other=False))


_EXTREMES: Final = {
    "date": ["0001-01-01", "9999-12-31", "2026-02-30", f"2026-{CANARY}"],
    "date-time": [
        "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59Z", "2026-01-01T00:00:00",
        f"2026-{CANARY}", "2026-01-01T00:00:60Z",
    ],
    "integer": [2**63, -(2**63) - 1, 10**40, 0, -1],
    "number": [1e308, -1e308, 0],
    "array": [[], [None], [[]], [{}] * 300],
}  # fmt: skip
_TEXTS: Final = ["", "x" * 5_000, "\u202e\ufeff\u0001\x7f", "\U0010ffff", "../../etc/passwd", "America", "' or 1=1 --"]


def _extremes(branches: list[dict[str, Any]]) -> Iterator[Any]:
    for branch in branches:
        kind = branch.get("format") if branch.get("format") in _EXTREMES else branch.get("type")
        if kind == "string":
            yield from _TEXTS
        yield from _EXTREMES.get(str(kind), ())


def _with(body: Any, way: tuple[str, ...], value: Any) -> Any:
    """Return a valid body in which one member is replaced."""
    if not way:
        return value
    if way[0] == "[]":
        return [_with(body[0] if isinstance(body, list) and body else None, way[1:], value)]
    return {**(body if isinstance(body, dict) else {}), way[0]: _with((body or {}).get(way[0]), way[1:], value)}


async def test_what_is_refused_here_is_open_to_somebody(people: Population) -> None:
    """Or all these refusals would prove nothing."""
    shut: list[str] = []
    played = await people.world.post("a_all", "/v1/leads", lead_body("played", test=True), status=201)
    for key, _ in writing(people):
        if key[0] != "POST" or "{" not in key[1]:
            continue
        held = {**people.objects["i"], **people.objects["a"]}
        if "{endpoint}" in key[1] or "{delivery}" in key[1]:
            held = people.objects["a"]
        if key[1].startswith("/v1/test/"):
            held = {**held, "lead": played["id"]}
        path = PARAMETER.sub(lambda match, held=held: PLAIN.get(match[1]) or held[KINDS[match[1]][0]], key[1])
        body = valid(people, key)
        statuses = [(await people.world.call(who, "POST", path, body)).status_code for who in ("a_all", "i_all")]
        if set(statuses) <= {401, 403, 404}:
            shut.append(f"{named(key, '')}{statuses}")
    assert not shut, "\n".join(shut)


async def test_an_extreme_value_is_taken_or_refused_but_never_breaks_anything(people: Population) -> None:
    """Taken ones change something; what is refused is held to leave no trace by the other tests."""
    document = people.world.app.openapi()
    at_once = asyncio.Semaphore(8)

    async def run(key: Key, way: tuple[str, ...], value: Any) -> str | None:
        body = json.loads(
            re.sub(r'"\$(\w+)"', lambda match: f'"{people.objects["a"][match[1]]}"', json.dumps(ENTRIES[key].body))
        )
        async with at_once:
            content = json.dumps(_with(body, way, value)).encode()
            answer = await send(people, key, content, headers=await _tag(people, key))
        if answer.is_success:
            return None
        wrong = faults(answer, {400, 403, 404, 409, 412, 413, 422}, "")
        return f"{named(key, '/'.join(way))} = {str(value)[:40]}: {'; '.join(wrong)}" if wrong else None

    cases = [
        (key, way, value)
        for key, way, branches in bodies(people, document)
        for value in _extremes(branches)
        if not (key[1].startswith("/v1/clients") or key[1].startswith("/v1/partners"))
    ]
    assert len(cases) > 400
    wrong = sorted({line for line in await asyncio.gather(*(run(*case) for case in cases)) if line})
    assert not wrong, "\n".join(wrong)


async def _tag(people: Population, key: Key) -> dict[str, str]:
    """Return the If-Match that lets a PATCH through to its fields."""
    if key[0] != "PATCH":
        return {}
    who, path = addressed(people, key)
    return {"If-Match": (await people.world.call(who, "GET", path)).headers.get("etag", '"1"')}
