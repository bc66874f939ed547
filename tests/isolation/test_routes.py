"""Every route against every kind of outsider: a foreign id is answered as one that names nothing, and nothing changes."""

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import httpx2
import pytest

from app.routers.edge.query import known_names
from tests.isolation.population import INTERNAL_ROLES, PARTNER_ROLES, Population
from tests.isolation.routes import ENTRIES, KINDS, PLAIN, Entry, Key, Who, guarded, routes_of
from tests.world import World, random_id

ATTACKS = {
    "b_all": ("a", "i", "p2"),
    "p2_all": ("a", "i"),
    "i2_all": ("a", "b", "i"),
    "suspended": ("a",),
}
"""Who asks for whose objects. Each caller but the suspended one has every role and scope that its side may hold."""
OWN = {"b_all": "b", "p2_all": "p2", "i2_all": "i2", "suspended": "a", "i_all": "i"}
_PARAMETER = re.compile(r"\{(\w+)\}")


def nothing(kind: str, real: str) -> str:
    """Return an id of the form of `real` that names nothing."""
    if kind == "lead_external":
        return "external:zz-names.nothing"
    return "zz-names-nothing" if kind == "program_key" else random_id(real)


def slots(key: Key, entry: Entry) -> list[tuple[str, str, tuple[str, ...]]]:
    """Return every place of a request where an id stands: (where, name, kinds)."""
    found = [("path", name, KINDS[name]) for name in _PARAMETER.findall(key[1]) if name not in PLAIN]
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
    path = _PARAMETER.sub(lambda match: PLAIN.get(match[1]) or ids[f"path:{match[1]}"], path)
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


@pytest.fixture(scope="module", autouse=True)
async def outsiders(people: Population) -> None:
    """Add a client of partner A that has been suspended since it got its token."""
    world = people.world
    await world.add_client("suspended", partner_of="a_all", roles=PARTNER_ROLES, by="i_all")
    await world.token("suspended")
    path = f"/v1/clients/{world.clients['suspended']['client_id']}"
    tag = (await world.call("i_all", "GET", path)).headers["etag"]
    answer = await world.call("i_all", "PATCH", path, {"status": "suspended"}, headers={"If-Match": tag})
    assert answer.status_code == 200, answer.text
    await world.app.state.issuer._renew()  # what every process does within 30 s


async def test_every_route_is_in_the_table_and_opens_by_the_scopes_that_stand_there(people: Population) -> None:
    routes = routes_of(people.world.app)
    assert sorted(routes.keys() - ENTRIES.keys()) == []
    assert sorted(ENTRIES.keys() - routes.keys()) == []
    for key, route in routes.items():
        if route is not None:
            assert route.declaration.scopes == frozenset(ENTRIES[key].scopes.split()), key
            assert bool(route.declaration.public) == (ENTRIES[key].who is Who.EVERYBODY), key
            named = {name for name in known_names(route.dependant) if name in KINDS}
            assert named <= ENTRIES[key].query.keys(), key


@dataclass
class Attack:
    """One caller, one place of one route: what it is told about foreign ids and about one that names nothing."""

    people: Population
    who: str
    key: Key
    entry: Entry
    place: tuple[str, str, tuple[str, ...]]

    async def run(self) -> tuple[int, list[str]]:
        """Return how many foreign ids were tried, and what was wrong."""
        place, _, kinds = self.place
        unknown: dict[str, Any] = {}
        tried, wrong = 0, []
        for kind, victim in product(kinds, ATTACKS[self.who]):
            real = self.people.of(victim, kind)
            if real is None:
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
            if place != "query"
        }
        return await send(
            self.people.world, self.who, self.key, self.entry, {**usual, f"{self.place[0]}:{self.place[1]}": id_}
        )


async def test_a_foreign_id_is_answered_as_one_that_names_nothing_and_nothing_changes(people: Population) -> None:
    world = people.world
    attacks = [
        Attack(people, who, key, entry, place)
        for (key, entry), who in product(guarded(world.app), ATTACKS)
        for place in slots(key, entry)
    ]
    before = await world.tables()
    at_once = asyncio.Semaphore(8)

    async def run(attack: Attack) -> tuple[int, list[str]]:
        async with at_once:
            return await attack.run()

    results = await asyncio.gather(*map(run, attacks))
    assert [line for _, wrong in results for line in wrong] == []
    assert sum(tried for tried, _ in results) > 300
    after = await world.tables()
    assert [table for table in before if before[table] != after[table]] == []


async def test_its_owner_is_answered_otherwise(people: Population) -> None:
    """Or the answers about foreign ids would prove nothing. What posts do to an owner's object is tried elsewhere."""
    world = people.world
    for key, entry in guarded(world.app):
        names = [name for name in _PARAMETER.findall(key[1]) if name not in PLAIN]
        if key[0] not in {"GET", "PATCH", "DELETE"} or not names:
            continue
        who = "a_all" if entry.who is Who.MEMBER else "i_all"
        held = people.objects["a"] if who == "a_all" else {**people.objects["a"], **people.objects["i"]}
        for kind in KINDS[names[0]]:
            others = {f"path:{name}": held[KINDS[name][0]] for name in names[1:] if name not in PLAIN}
            answer = await send(world, who, key, entry, {f"path:{names[0]}": held[kind], **others})
            assert answer.status_code in ({200} if key[0] == "GET" else {412, 422}), (key, kind, answer.text)


async def test_an_organisation_of_the_same_tenant_does_not_reach_a_partners_endpoints(people: Population) -> None:
    world = people.world
    for key, entry in guarded(people.world.app):
        for place, name, kinds in slots(key, entry):
            if place == "path" and name in {"endpoint", "delivery"}:
                real = people.objects["a"][kinds[0]]
                foreign = await send(world, "i_all", key, entry, {f"path:{name}": real})
                random = await send(world, "i_all", key, entry, {f"path:{name}": random_id(real)})
                assert told(foreign) == told(random), key
                assert foreign.status_code == 404, key


async def test_without_a_token_nothing_is_opened_and_nothing_is_said(people: Population) -> None:
    world = people.world
    for (method, path), _ in guarded(people.world.app):
        answer = await world.http.request(method, _PARAMETER.sub("x", path))
        assert answer.status_code == 401, (method, path)
        assert answer.headers["www-authenticate"] == 'Bearer realm="baton"', (method, path)


async def test_a_token_without_the_scope_opens_nothing(people: Population) -> None:
    world = people.world
    narrow = {
        name: (await world.log_in("i_all", scope=name)).json()["access_token"] for name in ("kpis:read", "audit:read")
    }
    for key, entry in guarded(people.world.app):
        if not entry.scopes:
            continue
        token = narrow["audit:read" if entry.scopes == "kpis:read" else "kpis:read"]
        path = _PARAMETER.sub("x", key[1])
        answer = await world.http.request(key[0], path, headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.json()["type"]) == (403, "/problems/insufficient-scope"), key
        assert 'error="insufficient_scope"' in answer.headers["www-authenticate"], key


async def test_administration_is_closed_to_everybody_but_an_admin_of_the_tenant(people: Population) -> None:
    world = people.world
    scopes = sorted({scope for _, entry in guarded(people.world.app) for scope in entry.scopes.split()})
    roles = [role for role in INTERNAL_ROLES if role != "admin"]
    await world.add_client("no_admin", by="i_all", roles=roles, scopes=scopes)
    before = await world.tables()
    for key, entry in guarded(people.world.app):
        if entry.who not in {Who.ADMIN, Who.OWN_ADMIN}:
            continue
        objects = {**people.objects["i"], **people.objects["a"]}
        ids = {f"path:{name}": objects[KINDS[name][0]] for name in _PARAMETER.findall(key[1]) if name not in PLAIN}
        for who in ("no_admin", "b_all") if entry.who is Who.ADMIN else ("no_admin",):
            answer = await send(world, who, key, entry, ids)
            slug = answer.json()["type"]
            allowed = {"/problems/not-permitted"} | ({"/problems/insufficient-scope"} if who == "b_all" else set())
            assert (answer.status_code, slug in allowed) == (403, True), (who, key, answer.text)
    after = await world.tables()
    assert [table for table in before if before[table] != after[table]] == []


async def test_a_method_is_the_one_of_the_request_line_and_no_header_overrides_it(people: Population) -> None:
    world = people.world
    path = f"/v1/leads/{people.objects['a']['lead']}"
    answer = await world.call("a_all", "GET", path, headers={"X-HTTP-Method-Override": "DELETE"})
    assert answer.status_code == 200
    for method in ("PUT", "DELETE", "POST"):
        answer = await world.call("a_all", method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, PATCH"), method
    assert (await world.call("a_all", "TRACE", path)).status_code == 405


async def test_an_idempotency_key_belongs_to_the_client_that_used_it(people: Population) -> None:
    world = people.world
    key = {"Idempotency-Key": "the-same"}
    body = {"kind": "context", "body": "x", "visibility": "shared"}
    ours = await world.call("a_all", "POST", f"/v1/leads/{people.objects['a']['lead']}/notes", body, headers=key)
    theirs = await world.call("b_all", "POST", f"/v1/leads/{people.objects['b']['lead']}/notes", body, headers=key)
    assert (ours.status_code, theirs.status_code) == (201, 201)
    assert "idempotent-replayed" not in theirs.headers
    assert ours.json()["id"] != theirs.json()["id"]


async def test_a_cursor_of_another_caller_is_no_better_than_a_made_up_one(people: Population) -> None:
    world = people.world
    tried = 0
    for key, entry in guarded(world.app):
        route = routes_of(world.app)[key]
        if route is None or "cursor" not in known_names(route.dependant) or entry.who is Who.ADMIN:
            continue
        ids = {name: people.objects["a"][KINDS[name][0]] for name in _PARAMETER.findall(key[1])}
        path = _PARAMETER.sub(lambda match, ids=ids: ids[match[1]], key[1])
        cursor = (await world.get("a_all", path, limit=1)).get("next_cursor")
        if cursor is None:
            continue
        foreign = await world.call("b_all", "GET", path, params={"limit": 1, "cursor": cursor})
        made_up = await world.call("b_all", "GET", path, params={"limit": 1, "cursor": cursor[::-1]})
        assert told(foreign) == told(made_up), key
        assert foreign.status_code == (404 if ids else 400), key
        tried += 1
    assert tried >= 3
