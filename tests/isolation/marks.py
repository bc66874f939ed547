"""Reads every route as everybody, and searches what each was told for marks, ids and names of others."""

import asyncio
import re
from collections.abc import Collection, Mapping
from itertools import product
from typing import Final
from uuid import UUID

from app.domain.ids import Prefix, show
from app.seed import PROGRAM
from tests.isolation.attacks import PARAMETER, told
from tests.isolation.population import MARKERS, Population
from tests.isolation.routes import KINDS, PLAIN, Key, guarded

_PROGRAMS: Final = [f"program={PROGRAM}", "program=mk-a-shared-pilot"]
QUERIES: Final = {
    "/v1/leads/{lead}": ["expand=notes,activities,handovers,outcome,clocks,company,related"],
    "/v1/leads": [
        "expand=notes,activities,handovers,outcome,clocks,company,related", "sort=due_at", "sort=-updated_at",
        *(f"q={mark}" for mark in MARKERS), *(f"company={mark}" for mark in MARKERS),
        *(f"external_id={mark}.0" for mark in MARKERS), *_PROGRAMS,
    ],
    "/v1/clocks": [
        "state=breached", "state=met", "state=cancelled", "owed_by=me",
        *(f"lead=external:{mark}.0" for mark in MARKERS if mark.endswith("shared")),
    ],
    "/v1/deliveries": [f"destination_id={show(Prefix.DESTINATION, UUID(int=7))}"],
    "/v1/events": ["since=2026-01-01T00:00:00Z", "limit=500"],
    "/v1/kpis/reasons": _PROGRAMS,
    "/v1/kpis/feedback-debt": _PROGRAMS,
    "/v1/consultations": ["side=asker", "side=asked"],
    "/v1/handovers": ["side=giver", "side=receiver"],
    "/v1/kpis/funnel": ["group_by=partner", "group_by=playbook", "view=period", *_PROGRAMS],
    "/v1/programs/{program}/playbook": ["lang=ja", "lang=en"],
    "/v1/playbooks/{playbook}/diff": ["lang=ja"],
}  # fmt: skip
"""What is asked besides the plain path."""
READERS: Final = {
    "a_all": ("a",), "b_all": ("b",), "i_all": ("a", "b", "i"), "p2_all": ("p2", "twin"),
    "i2_all": ("p2", "i2", "twin"),
}  # fmt: skip
"""Whose objects each caller reads; that ids of others tell nothing is tried route by route elsewhere.

There are `twin` objects only where they were planted."""


def names(people: Population) -> dict[str, set[str]]:
    """Return what speaks of an organisation although nobody marked it: its ids and its name; with who may meet it."""
    found: dict[str, set[str]] = {}
    for owner, insider in (("a", "i_all"), ("b", "i_all"), ("p2", "i2_all")):
        for kind, id_ in people.objects[owner].items():
            readers = {f"{owner}_all"} if kind in {"endpoint", "delivery"} else {f"{owner}_all", insider}
            found[id_.removeprefix("external:")] = readers
    for owner in ("i", "i2"):
        found |= {id_: {f"{owner}_all"} for id_ in people.objects[owner].values()}
    return found | {
        "営業代行A": {"a_all", "i_all"},
        "営業代行B": {"b_all", "i_all"},
        "別パートナー": {"p2_all", "i2_all"},
        "株式会社デモ": {"a_all", "b_all", "i_all"},
        "別会社株式会社": {"p2_all", "i2_all"},
    }


def reads(people: Population, only: Collection[Key] | None = None) -> list[tuple[str, str]]:
    """Return (caller, path with query) of everything that everybody reads; `only` names the routes, else all."""
    found: list[tuple[str, str]] = []
    for (key, _), (who, owners) in product(guarded(people.world.app), READERS.items()):
        method, path = key
        if method != "GET" or (only is not None and key not in only):
            continue
        paths = [path]
        for name in PARAMETER.findall(path):
            kinds = (*KINDS[name], "lead_closed", "lead_plain", "lead_same") if name == "lead" else KINDS.get(name, ())
            held = [people.objects[owner] for owner in owners if owner in people.objects]
            ids = {one[kind] for one in held for kind in kinds if kind in one} or {PLAIN.get(name, "smb-inside-sales")}
            paths = [one.replace(f"{{{name}}}", id_) for one in paths for id_ in sorted(ids)]
        exactly = [f"limit={people.feeds[who]}"] if path == "/v1/events" and who in people.feeds else []
        for one, query in product(paths, ["", *QUERIES.get(path, []), *exactly]):
            found.append((who, f"{one}?{query}" if query else one))
    return found


Told = tuple[int, object, list[tuple[str, str]]]
Answers = dict[tuple[str, str], Told]


async def read_all(people: Population, wanted: Collection[tuple[str, str]], *, at_once: int = 8) -> Answers:
    """Send the reads and return what each is told; all that is answered is heard by the population, too."""
    places = asyncio.Semaphore(at_once)

    async def read(who: str, path: str) -> Told:
        async with places:
            answer = await people.world.call(who, "GET", path)
            assert answer.status_code < 500, (who, path, answer.text)
            return _lasting(told(answer))

    # All are waited for, also where one fails: an answer that comes later would be taken for one of another pass.
    found = await asyncio.gather(*(read(*one) for one in wanted), return_exceptions=True)
    for one in found:
        if isinstance(one, BaseException):
            raise one
    return dict(zip(wanted, found, strict=True))


_PASSING: Final = {"next_cursor", "last_used_at", "late_by_s", "as_of"}


def _lasting(answer: Told) -> Told:
    """Leave out what two equal reads are told differently: how a cursor is sealed, when a secret was used."""
    status, body, headers = answer
    return status, _without(body), [(name, value) for name, value in headers if name != "link"]


def _without(body: object) -> object:
    if isinstance(body, dict):
        return {name: _without(part) for name, part in body.items() if name not in _PASSING}
    return [_without(part) for part in body] if isinstance(body, list) else body


def stripped(text: str) -> str:
    """Return the answers without the first line of each, which repeats what the caller itself asked."""
    return re.sub(r"(?m)^(GET|POST|PATCH|PUT|DELETE) http\S+$", "", text)


def met_by(heard: Mapping[str, str], words: Mapping[str, set[str]]) -> list[str]:
    """Return who met which of `words` without being among those that may."""
    return [
        f"{who} met {word}"
        for who, text in heard.items()
        if who in READERS
        for told in [stripped(text)]
        for word, readers in words.items()
        if who not in readers and word in told
    ]
