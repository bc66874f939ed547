"""The matrix: every route, every actor, every ownership, and the answer that each cell must get.

What is expected follows from the table of routes and from who the actor is, never from the application. A caller is
refused, in this order, for its token (401), for its scopes (403 `insufficient-scope`), for its side or role (403
`not-permitted`), and for the object (404). What gets past all of them is `OPENED`: reads answer, and what would change
something is stopped by a request that does not fit (an old tag, an unknown field), so that no cell changes a row.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

import httpx2

from tests.isolation.actors import ACTORS, Actor
from tests.isolation.attacks import PARAMETER, nothing, send, told
from tests.isolation.population import Population
from tests.isolation.routes import ENTRIES, KINDS, PLAIN, Entry, Key, Who

_IN_TENANT: Final = {"endpoint", "delivery", "destination", "client", "secret", "public_key"}
"""Kinds of which an organisation of the tenant holds its own."""


class Ownership(Enum):
    """Whose the object in the path is, as the actor sees it."""

    NONE = "the path names no object"
    OWN = "own"
    SIBLING = "of another organisation of the tenant"
    FOREIGN = "of another tenant"
    RANDOM = "of nobody"


class Answer(Enum):
    """The class of an answer: its status, and its problem type where the status alone would not tell."""

    REFUSED = "401"
    NO_SCOPE = "403 /problems/insufficient-scope"
    NO_ROLE = "403 /problems/not-permitted"
    NOTHING = "404 /problems/not-found"
    OPENED = "opened"
    PUBLIC = "public"


def _inside_with(*roles: str) -> Callable[[Actor], bool]:
    return lambda actor: not actor.is_partner and actor.holds(*roles)


_BY_WHO: Final[Mapping[Who, Callable[[Actor], bool]]] = {
    Who.MEMBER: lambda _: True,
    Who.ADMIN: _inside_with("admin"),
    Who.OWN_ADMIN: lambda actor: actor.holds("admin"),
    Who.MANAGER: lambda actor: actor.holds("manager"),
    Who.PARTNER: lambda actor: actor.is_partner,
}
_BY_ROUTE: Final[Mapping[Key, Callable[[Actor], bool]]] = {
    ("POST", "/v1/programs"): _inside_with("manager", "admin"),
    ("PATCH", "/v1/programs/{program}"): _inside_with("manager", "admin"),
    ("GET", "/v1/assurance/ownership"): lambda actor: actor.is_partner or actor.holds("manager", "admin"),
    ("POST", "/v1/lead-imports"): lambda actor: actor.is_partner,
}
"""Who may use a route, where that is not one of the usual answers."""


def may(key: Key, entry: Entry, actor: Actor) -> bool:
    """Return whether side and roles of an actor let it use a route."""
    return _BY_ROUTE.get(key, _BY_WHO.get(entry.who, lambda _: True))(actor)


@dataclass(frozen=True, slots=True)
class Cell:
    """One route, one actor, one ownership. `kind` is that of the object, `owner` whose it is in the population."""

    key: Key
    actor: Actor
    ownership: Ownership
    kind: str
    owner: str

    def __str__(self) -> str:
        return f"{self.actor.name} -> {' '.join(self.key)} ({self.ownership.value} {self.kind} {self.owner})"

    @property
    def entry(self) -> Entry:
        return ENTRIES[self.key]

    @property
    def expected(self) -> Answer:
        """Return what this cell must be answered."""
        if self.entry.who is Who.EVERYBODY:
            return Answer.PUBLIC
        if self.actor.refused:
            return Answer.REFUSED
        scopes = self.entry.scopes.split()
        if scopes and self.actor.scopes.isdisjoint(scopes):
            return Answer.NO_SCOPE
        if not may(self.key, self.entry, self.actor):
            return Answer.NO_ROLE
        return Answer.OPENED if self.ownership in {Ownership.NONE, Ownership.OWN} else Answer.NOTHING


def cells(people: Population, keys: Mapping[Key, object]) -> list[Cell]:
    """Return every cell of the routes `keys`."""
    return [cell for key in keys for actor in ACTORS for cell in _cells(people, key, actor)]


def _cells(people: Population, key: Key, actor: Actor) -> Iterator[Cell]:
    names = [name for name in PARAMETER.findall(key[1]) if name not in PLAIN]
    if not names:
        yield Cell(key, actor, Ownership.NONE, "", "")
        return
    kind = KINDS[names[0]][0]
    own = actor.own[:1] if actor.is_partner or kind in _IN_TENANT else actor.own[-1:]
    others = [(Ownership.SIBLING, owner) for owner in actor.sibling if not _sees(actor, kind)]
    others += [(Ownership.FOREIGN, owner) for owner in actor.foreign]
    first = {ownership: owner for ownership, owner in reversed(others) if people.of(owner, kind)}
    held = sorted(first.items(), key=lambda one: one[0].value)
    for owner in own:
        if people.of(owner, kind):
            yield Cell(key, actor, Ownership.OWN, kind, owner)
    random = Cell(key, actor, Ownership.RANDOM, kind, "")
    looks = random.expected is Answer.NOTHING  # whoever is refused before is refused whatever it names
    for ownership, owner in held if looks else held[:1]:
        yield Cell(key, actor, ownership, kind, owner)
    yield random


def _sees(actor: Actor, kind: str) -> bool:
    """Return whether the tenant's own organisation sees such objects of its partners: all but endpoints, deliveries."""
    return not actor.is_partner and kind not in {"endpoint", "delivery"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A cell with its answer; what is wrong with it is one line, empty where nothing is."""

    cell: Cell
    answer: httpx2.Response

    @property
    def wrong(self) -> str:
        found = _found(self.cell, self.answer)
        if found is self.cell.expected:
            return ""
        return f"{self.cell}: {self.answer.status_code} {self.answer.text[:200]} is not {self.cell.expected.value}"


def _found(cell: Cell, answer: httpx2.Response) -> Answer | None:
    expected, status = cell.expected, answer.status_code
    if expected is Answer.PUBLIC:
        proof = {400, 401} if cell.key[1].startswith("/oauth/") else {404} if cell.key[1].endswith("/redeem") else set()
        fine = status in {200, *proof}
        return Answer.PUBLIC if fine else None
    if expected is Answer.OPENED:
        stopped = {"GET": {200}, "PATCH": {412, 422}, "DELETE": {412}}.get(cell.key[0], {415, 422})
        return Answer.OPENED if status in stopped else None
    problem = answer.headers.get("content-type", "").startswith("application/problem+json")
    slug = answer.json()["type"] if problem else ""
    return next((one for one in Answer if one.value in {str(status), f"{status} {slug}"}), None)


async def ask(people: Population, cell: Cell) -> Asked:
    """Send the request of a cell."""
    return Asked(cell, await _sent(people, cell))


async def _sent(people: Population, cell: Cell) -> httpx2.Response:
    world, (method, path) = people.world, cell.key
    ids: dict[str, str] = {}
    for name in PARAMETER.findall(path):
        if name not in PLAIN:
            kind = KINDS[name][0]
            like = people.objects["a"].get(kind) or people.objects["i"][kind]
            ids[f"path:{name}"] = people.of(cell.owner, kind) or "" if cell.owner else nothing(kind, like)
    if cell.actor.name == "anonymous" or (cell.expected is Answer.OPENED and method in {"POST", "PUT"}):
        path = PARAMETER.sub(lambda match: PLAIN.get(match[1]) or ids[f"path:{match[1]}"], path)
        options = _unfit(cell.entry) if method in {"POST", "PUT", "PATCH"} else {}
        if cell.actor.name == "anonymous":
            return await world.http.request(method, path, **options)
        return await world.call(cell.actor.name, method, path, **options)
    entry = Entry(cell.entry.scopes, cell.entry.who, cell.entry.body, {}, cell.entry.content, cell.entry.media_type)
    own = {f"body:{name}": held for name, held in people.objects["a"].items()}
    return await send(world, cell.actor.name, cell.key, entry, ids | own)


def _unfit(entry: Entry) -> dict[str, Any]:
    """Return a body that no route takes, so that a caller who may do something does nothing."""
    if entry.content is not None:
        form = "application/x-www-form-urlencoded"
        return {"content": "x=1", "headers": {"content-type": form if entry.media_type == form else "text/plain"}}
    if entry.who is Who.EVERYBODY:
        return {"json": entry.body}
    return {"json": {"zz-no-such-field": 1}}


def told_apart(asked: list[Asked]) -> list[str]:
    """Return where an actor is told about an object of others anything else than about one of nobody."""
    unknown = {(one.cell.key, one.cell.actor.name, one.cell.kind): one for one in asked if _is(one, Ownership.RANDOM)}
    return [
        f"{one.cell}: {told(one.answer)} is not {told(other.answer)}"
        for one in asked
        if _is(one, Ownership.SIBLING) or _is(one, Ownership.FOREIGN)
        for other in [unknown[one.cell.key, one.cell.actor.name, one.cell.kind]]
        if told(one.answer) != told(other.answer)
    ]


def _is(one: Asked, ownership: Ownership) -> bool:
    return one.cell.ownership is ownership
