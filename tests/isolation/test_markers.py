"""Every text of every side is marked, everything is read as everybody, and nobody meets a mark of others."""

import asyncio
import re
from itertools import product

import pytest

from tests.isolation.population import MARKERS, Population
from tests.isolation.routes import KINDS, PLAIN, guarded

_PARAMETER = re.compile(r"\{(\w+)\}")
_QUERIES = {
    "/v1/leads/{lead}": ["expand=notes,activities,handovers,outcome,clocks,company,related"],
    "/v1/leads": [
        "expand=notes,activities,handovers,outcome,clocks,company,related", "sort=due_at", "sort=-updated_at",
        *(f"q={mark}" for mark in MARKERS), *(f"company={mark}" for mark in MARKERS),
        *(f"external_id={mark}.0" for mark in MARKERS),
    ],
    "/v1/clocks": ["state=breached", "state=met", "state=cancelled", "owed_by=me"],
    "/v1/consultations": ["side=asker", "side=asked"],
    "/v1/handovers": ["side=giver", "side=receiver"],
    "/v1/programs/{program}/playbook": ["lang=ja", "lang=en"],
    "/v1/playbooks/{playbook}/diff": ["lang=ja"],
}  # fmt: skip
"""What is asked besides the plain path."""


async def names(people: Population) -> dict[str, set[str]]:
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


OBJECTS_OF = {
    "a_all": ("a",), "b_all": ("b",), "i_all": ("a", "b", "i"), "p2_all": ("p2",), "i2_all": ("p2", "i2"),
}  # fmt: skip
"""Whose objects each caller reads; that ids of others tell nothing is tried route by route elsewhere."""


async def read_everything(people: Population) -> None:
    """Let every caller read every route, with every id that it may know."""
    world = people.world
    at_once = asyncio.Semaphore(8)

    async def read(who: str, path: str) -> None:
        async with at_once:
            answer = await world.call(who, "GET", path)
            assert answer.status_code < 500, (path, answer.text)

    reads: list[tuple[str, str]] = []
    for ((method, path), _), (who, owners) in product(guarded(world.app), OBJECTS_OF.items()):
        if method != "GET":
            continue
        paths = [path]
        for name in _PARAMETER.findall(path):
            kinds = (*KINDS[name], "lead_closed") if name == "lead" else KINDS.get(name, ())
            held = [people.objects[owner] for owner in owners]
            ids = {one[kind] for one in held for kind in kinds if kind in one} or {PLAIN.get(name, "smb-inside-sales")}
            paths = [one.replace(f"{{{name}}}", id_) for one in paths for id_ in ids]
        for one, query in product(paths, ["", *_QUERIES.get(path, [])]):
            reads.append((who, f"{one}?{query}" if query else one))
    await asyncio.gather(*(read(*one) for one in reads))


@pytest.fixture(scope="module")
async def heard(people: Population) -> dict[str, str]:
    """Return all that each caller was answered, while the world was filled and when it read everything."""
    await read_everything(people)
    return {who: "\n".join(texts) for who, texts in people.heard.items()}


def stripped(text: str) -> str:
    """Return the answers without the first line of each, which repeats what the caller itself asked."""
    return re.sub(r"(?m)^(GET|POST|PATCH|PUT|DELETE) http\S+$", "", text)


async def test_nobody_meets_a_mark_of_others(heard: dict[str, str]) -> None:
    met = {who: {mark for mark in MARKERS if mark in stripped(text)} for who, text in heard.items()}
    for who in ("a_all", "b_all", "i_all", "p2_all", "i2_all"):
        assert met[who] <= {mark for mark, readers in MARKERS.items() if who in readers}, who


async def test_every_mark_is_met_by_everybody_that_may_see_it(heard: dict[str, str]) -> None:
    for mark, readers in MARKERS.items():
        for who in readers:
            assert mark in stripped(heard[who]), (mark, who)


async def test_nobody_meets_an_id_or_a_name_of_others(people: Population, heard: dict[str, str]) -> None:
    for name, readers in (await names(people)).items():
        for who in {"a_all", "b_all", "i_all", "p2_all", "i2_all"} - readers:
            assert name not in stripped(heard[who]), (name, who)


async def test_a_count_or_a_figure_of_one_partner_is_not_moved_by_another(people: Population) -> None:
    world = people.world
    paths = ("funnel?view=period", "funnel", "reasons", "feedback-debt")
    before = [await world.get("b_all", f"/v1/kpis/{path}") for path in paths]
    await world.taken_over("A-FIGURE", "a_all", "i_all")
    await world.publish()
    after = [await world.get("b_all", f"/v1/kpis/{path}") for path in paths]
    for first, second in zip(before, after, strict=True):
        assert first | {"as_of": None} == second | {"as_of": None}
