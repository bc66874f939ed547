"""The three passes: with both locks, with the application's conditions alone, with row-level security alone.

In each of them every foreign id is answered as one that names nothing, nobody meets a mark, an id or a name of others,
nothing changes, and everybody is answered exactly as with both locks.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from tests.isolation.attacks import attacks, launch
from tests.isolation.marks import Answers, read_all, reads
from tests.isolation.passes import application_only, database_only
from tests.isolation.population import Population
from tests.world import World

OUTSIDERS = ("b_all", "p2_all", "i2_all")


@asynccontextmanager
async def both_locks(world: World) -> AsyncGenerator[None]:
    yield


@asynccontextmanager
async def database_alone(world: World) -> AsyncGenerator[None]:
    with database_only():
        yield


@pytest.fixture(scope="module")
async def answers(people: Population) -> Answers:
    """What everybody is answered with both locks."""
    return await read_all(people, reads(people))


PASSES = {"both locks": both_locks, "application only": application_only, "database only": database_alone}


@pytest.mark.parametrize("name", PASSES)
async def test_each_lock_holds_alone(people: Population, answers: Answers, name: str) -> None:
    world, opened = people.world, PASSES[name]
    before = await world.tables()
    async with opened(world):
        tried, wrong = await launch(attacks(people, OUTSIDERS))
        now = await read_all(people, list(answers))
    assert "\n".join(wrong) == ""
    assert tried > 200
    assert [read for read in answers if answers[read] != now[read]] == []
    after = await world.tables()
    assert [table for table in before if before[table] != after[table]] == []
