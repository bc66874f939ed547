"""What an outsider sends: every route with ids of others, and what its answers tell."""

import asyncio
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import httpx2

from tests.isolation.population import Population
from tests.isolation.routes import KINDS, PLAIN, Entry, Key, Who, guarded
from tests.world import World, random_id

ATTACKS = {
    "b_all": ("a", "i", "p2"),
    "p2_all": ("a", "b", "i"),
    "i2_all": ("a", "b", "i"),
    "suspended": ("a",),
}
"""Who asks for whose objects. Each caller but the suspended one has every role and scope that its side may hold."""
OWN = {"b_all": "b", "p2_all": "p2", "i2_all": "i2", "suspended": "a", "i_all": "i"}
PARAMETER = re.compile(r"\{(\w+)\}")


def nothing(kind: str, real: str) -> str:
    """Return an id of the form of `real` that names nothing."""
    if kind == "lead_external":
        return "external:zz-names.nothing"
    return "zz-names-nothing" if kind == "program_key" else random_id(real)


def slots(key: Key, entry: Entry) -> list[tuple[str, str, tuple[str, ...]]]:
    """Return every place of a request where an id stands: (where, name, kinds)."""
    found = [("path", name, KINDS[name]) for name in PARAMETER.findall(key[1]) if name not in PLAIN]
    found += [("query", name, KINDS[name]) for name in entry.query]
    found += [("body", text[1:], (text[1:],)) for text in _placeholders(entry.body)]
    return found


def _placeholders(body: Any) -> Iterator[str]:
    if isinstance(body, str) and body.startswith("$"):
        yield body
    for part in body.values() if isinstance(body, dict) else body if isinstance(body, list) else ():
        yield from _placeholders(part)


def _filled(body: Any, ids: Mapping[str, str]) -> Any:
    """Return `body` with ids in their places; members whose id is not given are left out."""
    if isinstance(body, dict):
        return {
            name: _filled(part, ids)
            for name, part in body.items()
            if not (isinstance(part, str) and part.startswith("$") and part[1:] not in ids)
        }
    if isinstance(body, list):
        return [_filled(part, ids) for part in body]
    return ids[body[1:]] if isinstance(body, str) and body.startswith("$") else body


async def send(world: World, who: str, key: Key, entry: Entry, ids: Mapping[str, str]) -> httpx2.Response:
    """Send the request of an entry; `ids` maps `path:lead`, `query:program` and `body:partner` to what stands there."""
    method, path = key
    headers = {"If-Match": '"no-such-version"'} if method in {"PATCH", "DELETE"} else {}
    path = PARAMETER.sub(lambda match: PLAIN.get(match[1]) or ids[f"path:{match[1]}"], path)
    options: dict[str, Any] = {}
    if query := {name.removeprefix("query:"): id_ for name, id_ in ids.items() if name.startswith("query:")}:
        options["params"] = query
    if entry.content is not None:
        options["content"] = entry.content
        headers["content-type"] = entry.media_type
    elif entry.body is not None:
        options["content"] = json.dumps(
            _filled(entry.body, {name[5:]: id_ for name, id_ in ids.items() if name.startswith("body:")})
        )
        headers["content-type"] = "application/json"
    return await world.call(who, method, path, headers=headers, **options)


def told(answer: httpx2.Response) -> tuple[int, object, list[tuple[str, str]]]:
    """Return everything that an answer tells, less what no two answers share."""
    body: Any = answer.json() if "json" in answer.headers.get("content-type", "") else answer.text
    if isinstance(body, dict):
        body = {name: value for name, value in body.items() if name not in {"request_id", "as_of"}}
    own = {"request-id", "date", "ratelimit"}  # the caller's own count goes on whatever it asks for
    headers = [(name, value) for name, value in answer.headers.items() if name not in own]
    return answer.status_code, body, headers


@dataclass
class Attack:
    """One caller, one place of one route: what it is told about foreign ids and about one that names nothing."""

    people: Population
    who: str
    key: Key
    entry: Entry
    place: tuple[str, str, tuple[str, ...]]
    brief: bool = False
    """Try one kind and one victim only."""

    async def run(self) -> tuple[int, list[str]]:
        """Return how many foreign ids were tried, and what was wrong."""
        place, _, kinds = self.place
        unknown: dict[str, Any] = {}
        tried, wrong = 0, []
        for kind, victim in product(kinds, ATTACKS[self.who]):
            real = self.people.of(victim, kind)
            if real is None or (self.brief and tried) or self._has_its_twin(victim):
                continue
            if kind not in unknown:
                unknown[kind] = told(await self._send(nothing(kind, real)))
            foreign = await self._send(real)
            tried += 1
            if told(foreign) != unknown[kind]:
                wrong.append(f"{self} {kind} of {victim}: {told(foreign)} is not {unknown[kind]}")
            elif place == "path" and foreign.status_code not in self._expected:
                wrong.append(f"{self} {kind} of {victim}: {foreign.status_code} {foreign.text}")
        return tried, wrong

    def __str__(self) -> str:
        return f"{self.who} -> {' '.join(self.key)} {self.place[0]} {self.place[1]}"

    def _has_its_twin(self, victim: str) -> bool:
        return victim == "a" and "twin" in self.people.objects and self.who in {"p2_all", "i2_all"}

    @property
    def _is_partner(self) -> bool:
        """A partner that names one, be it itself, is refused before anything is looked up."""
        return self.who not in {"i_all", "i2_all"}

    @property
    def _expected(self) -> set[int]:
        if self.who == "suspended":
            return {401}
        return {404} if self.entry.who is Who.MEMBER else {403, 404}

    async def _send(self, id_: str) -> httpx2.Response:
        own = self.people.objects[OWN[self.who]]
        usual = {
            f"{place}:{name}": own.get(kinds[0]) or random_id(self.people.objects["a"].get(kinds[0], "lead_"))
            for place, name, kinds in slots(self.key, self.entry)
            if place != "query" and not (name == "partner" and self.key == ("POST", "/v1/leads") and self._is_partner)
        }
        return await send(
            self.people.world, self.who, self.key, self.entry, {**usual, f"{self.place[0]}:{self.place[1]}": id_}
        )


def attacks(people: Population, whos: Collection[str] = tuple(ATTACKS), *, brief: bool = False) -> list[Attack]:
    """Return every caller of `whos` at every place of every route where an id stands."""
    return [
        Attack(people, who, key, entry, place, brief)
        for (key, entry), who in product(guarded(people.world.app), whos)
        for place in slots(key, entry)
    ]


async def launch(attacks: Collection[Attack], *, at_once: int = 8) -> tuple[int, list[str]]:
    """Run attacks; return how many foreign ids were tried, and what was wrong."""
    places = asyncio.Semaphore(at_once)

    async def run(attack: Attack) -> tuple[int, list[str]]:
        async with places:
            return await attack.run()

    results = await asyncio.gather(*map(run, attacks))
    return sum(tried for tried, _ in results), [line for _, wrong in results for line in wrong]
