"""Every route × every actor × every ownership: each cell is answered as the table of routes says, and changes nothing."""

import asyncio
from collections import Counter

from tests.isolation.actors import ACTORS
from tests.isolation.matrix import Answer, Cell, Ownership, ask, cells, told_apart
from tests.isolation.overreach import gone_through
from tests.isolation.population import Population
from tests.isolation.routes import ENTRIES, routes_of


async def test_each_cell_is_answered_as_the_table_says_and_changes_nothing(people: Population) -> None:
    places = asyncio.Semaphore(8)

    async def one(cell: Cell):
        async with places:
            return await ask(people, cell)

    before = await people.world.tables()
    asked = await asyncio.gather(*map(one, cells(people, routes_of(people.world.app))))
    after = await people.world.tables()
    assert [one.wrong for one in asked if one.wrong][:9] == []
    assert told_apart(list(asked))[:9] == []
    assert [table for table in before if before[table] != after[table]] == []
    count = Counter(one.cell.expected for one in asked)
    print(f"{len(asked)} cells: " + ", ".join(f"{count[answer]} {answer.value}" for answer in Answer))


async def test_who_reaches_too_far_is_refused_and_changes_nothing(people: Population) -> None:
    before = await people.world.tables()
    assert await gone_through(people) == []
    after = await people.world.tables()
    assert [table for table in before if before[table] != after[table]] == []


async def test_every_route_has_cells_for_every_actor_and_every_ownership(people: Population) -> None:
    routes = routes_of(people.world.app)
    found = cells(people, routes)
    assert {(cell.key, cell.actor.name) for cell in found} == {(key, who.name) for key in routes for who in ACTORS}
    for key in routes:
        ownerships = {cell.ownership for cell in found if cell.key == key}
        whole = {Ownership.OWN, Ownership.SIBLING, Ownership.FOREIGN, Ownership.RANDOM}
        assert ownerships in ({Ownership.NONE}, whole, whole - {Ownership.SIBLING}), key
    assert len(found) > 2000


async def test_every_route_is_opened_to_somebody_and_closed_to_somebody_for_each_reason_it_has(
    people: Population,
) -> None:
    for key, entry in ENTRIES.items():
        expected = {cell.expected for cell in cells(people, {key: None})}
        if Answer.PUBLIC in expected:
            continue
        assert {Answer.REFUSED, Answer.OPENED} <= expected, key
        assert (Answer.NO_SCOPE in expected) == bool(entry.scopes), key


async def test_an_actor_holds_what_the_matrix_thinks_it_holds(people: Population) -> None:
    for actor in ACTORS:
        if not actor.refused:
            shown = await people.world.get(actor.name, "/v1/me")
            assert set(shown["roles"]) == actor.roles, actor
            assert {one["scope"] for one in shown["scopes"]} == actor.scopes, actor
