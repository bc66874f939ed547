"""Sends one bad request after another and says what is wrong with the refusals: the ground of the bad-input tests."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx2

from app.routers.edge import BodyKind
from tests.isolation.population import Population
from tests.isolation.routes import ENTRIES, KINDS, PLAIN, Key, Who, routes_of

CANARY: Final = "kanarienvogel"
KEY_CANARY: Final = "kanarienvogel key!"
PARAMETER: Final = re.compile(r"\{(\w+)\}")

Case = tuple[str, Awaitable[httpx2.Response], set[int], str]
"""What it is, the request, the statuses that are right, and the slug of the problem."""


@asynccontextmanager
async def no_trace(people: Population) -> AsyncIterator[None]:
    """Hold that what happens inside leaves no trace in any table."""
    before = await people.world.tables()
    yield
    after = await people.world.tables()
    assert [table for table in before if before[table] != after[table]] == []


def addressed(people: Population, key: Key) -> tuple[str, str]:
    """Return a caller that a route is open to, and the route's path with ids of that caller's objects."""
    who = {Who.ADMIN: "i_all", Who.MANAGER: "i_all"}.get(ENTRIES[key].who, "a_all")
    held = {**people.objects["i"], **people.objects["a"]} if who == "i_all" else people.objects["a"]
    return who, PARAMETER.sub(lambda match: PLAIN.get(match[1]) or held[KINDS[match[1]][0]], key[1])


def writing(people: Population) -> list[tuple[Key, Any]]:
    """Return every route that takes a JSON body and needs a token."""
    return [
        (key, route)
        for key, route in routes_of(people.world.app).items()
        if route is not None
        and key[0] in {"POST", "PATCH", "PUT"}
        and not route.declaration.public
        and route.declaration.body is BodyKind.JSON
    ]


async def send(people: Population, key: Key, content: Any, **options: Any) -> httpx2.Response:
    """Send raw bytes as the caller of a route, as JSON unless `options` say otherwise."""
    who, path = addressed(people, key)
    headers = {"content-type": "application/json"}
    if key[0] == "PATCH":
        headers["If-Match"] = '"1"'
    headers |= options.pop("headers", {})
    return await people.world.call(who, key[0], path, content=content, headers=headers, **options)


def faults(answer: httpx2.Response, statuses: set[int], slug: str) -> list[str]:
    """Return what is wrong with a refusal."""
    wrong = []
    if answer.status_code not in statuses:
        wrong.append(f"status {answer.status_code}")
    if answer.headers.get("content-type") != "application/problem+json; charset=utf-8":
        wrong.append(f"content type {answer.headers.get('content-type')}")
    elif slug and answer.json()["type"] != f"/problems/{slug}":
        wrong.append(answer.json()["type"])
    elif answer.json()["request_id"] != answer.headers["request-id"]:
        wrong.append("request_id")
    if CANARY in answer.text or CANARY in repr(answer.headers):
        wrong.append("the input is repeated")
    return [*wrong, answer.text[:300]] if wrong else []


async def refused(cases: list[Case]) -> None:
    """Send every case, eight at a time, and hold that each is refused as it should be."""
    at_once = asyncio.Semaphore(8)

    async def run(case: Case) -> str | None:
        name, request, statuses, slug = case
        async with at_once:
            wrong = faults(await request, statuses, slug)
        return f"{name}: {'; '.join(wrong)}" if wrong else None

    wrong = [line for line in await asyncio.gather(*map(run, cases)) if line]
    assert not wrong, "\n".join(wrong)


def named(key: Key, what: str) -> str:
    return f"{key[0]} {key[1]} {what}"
