"""Row-level security alone: what each login could do to the rows of others if nothing but the policies stood there."""

import pytest

from tests.isolation.logins import catalogue, faults, intruders
from tests.isolation.population import Population

pytestmark = pytest.mark.database


@pytest.mark.parametrize(
    "place", range(5), ids=["a partner", "its test client", "inside", "a test client inside", "a worker"]
)
async def test_a_login_reads_changes_removes_and_writes_no_row_of_others(people: Population, place: int) -> None:
    intruder = (await intruders(people))[place]
    tables = await catalogue(people.world)
    found = [line for table in tables.values() for line in await faults(people.world, intruder, table)]
    assert found[:9] == []


async def test_no_table_is_empty_for_those_whose_rows_are_tried(people: Population) -> None:
    """Or nothing would be tried there."""
    world = people.world
    partner, _, inside, *_ = await intruders(people)
    empty = [
        f"{table.name} for {who.name}"
        for table in (await catalogue(world)).values()
        for who in (partner, inside)
        if not await world.admin.fetchval(
            f"select exists (select from baton.{table.name} t where {who.unwritable(table)})"
        )
    ]
    assert empty in (["calendar for partner B"], [])
