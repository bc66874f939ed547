"""Who may post a lead, and for whom, where another playbook says so."""

from collections.abc import AsyncIterator

import pytest

from app.db.session import Database
from app.domain.errors import NotPermittedError
from tests.workers.journeys import Journeys, example, journeys


@pytest.fixture
async def world(database: Database, database_url: str) -> AsyncIterator[Journeys]:
    async with journeys(database, database_url) as held:
        yield held


async def test_a_role_without_a_way_to_the_partner_posts_for_none(world: Journeys):
    document = example("playbook.yaml")
    entry = next(stage for stage in document["stages"] if stage["key"] == "awareness")
    entry["handovers"] = [way for way in entry["handovers"] if way["to"] != "partner" or way["from"] == "manager"]
    await world.seed(document)
    with pytest.raises(NotPermittedError) as refusal:
        await world.post(world.internal("internal_sales"))
    assert refusal.value.members["playbook"]["rule"] == "stages.awareness.handovers"
    assert await world.admin.fetchval("select count(*) from baton.lead") == 0
    await world.post(world.internal("manager"))
    assert await world.admin.fetchval("select count(*) from baton.handover where status = 'requested'") == 1
