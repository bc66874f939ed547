"""A few planted mutations of every kind turn the passes red; `python -m tests.isolation.mutations` plants all of them."""

from collections.abc import Iterator

import pytest

from tests.isolation import plants
from tests.isolation.mutations import Campaign, suite_of
from tests.isolation.population import Population
from tests.isolation.remains import wait

LEAST = {"policy": 300, "permission": 100}
"""Fewer than there are: so many are found at least, or the search for them has rotted."""


@pytest.fixture(autouse=True)
def unheard(people: Population) -> Iterator[None]:
    """What is answered while a mutation is planted is none of what the application tells."""
    kept, people.heard = people.heard, {}
    yield
    people.heard = kept


@pytest.fixture(scope="module")
async def campaign(people: Population) -> Campaign:
    """A campaign in the world of all modules: nothing that it plants is let change a row."""
    await wait(people)
    kept, people.heard = people.heard, {}
    suite = await suite_of(people, recorded=False)
    await suite.record_reads({"/v1/leads", "/v1/leads/{lead}/notes", "/v1/webhook-endpoints", "/v1/programs"})
    people.heard = kept
    return Campaign(suite)


@pytest.mark.parametrize(
    ("kind", "match", "sample"),
    [("policy", "", 12), ("where", "", 12), ("permission", "GET", 6), ("permission", "calendars", 2)],
)
async def test_a_sample_of_mutations_is_caught(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch, kind: str, match: str, sample: int
) -> None:
    campaign.sample, campaign.match, campaign.survivors = sample, match, []
    campaign.count.clear()
    if match == "calendars":  # a check stands in no route: without this all cells would be asked until one is red
        near = [cell for cell in campaign.suite.cells if match in cell.key[1]]
        monkeypatch.setattr(campaign.suite, "cells", near)
    await campaign.run(kind)
    assert campaign.survivors == []
    assert campaign.count[kind, "caught"] * 2 >= sample


async def test_as_many_are_found_as_there_are(people: Population) -> None:
    policies = await plants.policies(people.world)
    permissions = [*plants.scopes(people.world), *plants.administrators(people.world), *plants.checks()]
    assert len(policies) > LEAST["policy"]
    assert len(permissions) > LEAST["permission"]
