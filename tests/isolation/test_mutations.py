"""A few planted mutations of every kind turn the passes red; `python -m tests.isolation.mutations` plants all of them."""

import pytest

from tests.isolation import plants
from tests.isolation.mutations import Campaign, suite_of
from tests.isolation.population import Population

MOST = {"policy": 300, "where": 120, "permission": 100}
"""Fewer than there are: so many are found at least, or the search for them has rotted."""


@pytest.fixture(scope="module")
async def campaign(people: Population) -> Campaign:
    """A campaign in the world of all modules: nothing that it plants is let change a row."""
    kept, people.heard = people.heard, {}
    suite = await suite_of(people, recorded=False)
    people.heard = kept
    return Campaign(suite)


@pytest.mark.parametrize("kind", ["policy", "permission"])
async def test_a_sample_of_mutations_is_caught(campaign: Campaign, kind: str) -> None:
    campaign.sample, campaign.survivors = 8, []
    await campaign.run(kind)
    assert campaign.survivors == []
    assert campaign.count[kind, "caught"] >= 5


async def test_as_many_are_found_as_there_are(people: Population) -> None:
    policies = await plants.policies(people.world)
    permissions = [*plants.scopes(people.world), *plants.administrators(people.world), *plants.checks()]
    assert len(policies) > MOST["policy"]
    assert len(permissions) > MOST["permission"]
