"""Every text of every side is marked, everything is read as everybody, and nobody meets a mark of others."""

import pytest

from tests.isolation.marks import met_by, names, read_all, reads, stripped
from tests.isolation.population import MARKERS, Population


@pytest.fixture(scope="module")
async def heard(people: Population) -> dict[str, str]:
    """Return all that each caller was answered, while the world was filled and when it read everything."""
    await read_all(people, reads(people))
    return {who: "\n".join(texts) for who, texts in people.heard.items()}


async def test_nobody_meets_a_mark_of_others(heard: dict[str, str]) -> None:
    assert met_by(heard, MARKERS) == []


async def test_every_mark_is_met_by_everybody_that_may_see_it(heard: dict[str, str]) -> None:
    for mark, readers in MARKERS.items():
        for who in readers:
            assert mark in stripped(heard[who]), (mark, who)


async def test_nobody_meets_an_id_or_a_name_of_others(people: Population, heard: dict[str, str]) -> None:
    assert met_by(heard, names(people)) == []


async def test_a_count_or_a_figure_of_one_partner_is_not_moved_by_another(people: Population) -> None:
    world = people.world
    paths = ("funnel?view=period", "funnel", "reasons", "feedback-debt")
    before = [await world.get("b_all", f"/v1/kpis/{path}") for path in paths]
    await world.taken_over("A-FIGURE", "a_all", "i_all")
    await world.publish()
    after = [await world.get("b_all", f"/v1/kpis/{path}") for path in paths]
    for first, second in zip(before, after, strict=True):
        assert first | {"as_of": None} == second | {"as_of": None}
