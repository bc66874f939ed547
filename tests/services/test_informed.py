"""A playbook that keeps the client out of a stage: what it is told all the same, and what it is not."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from app.db.cases import LeadRef
from app.db.pages import Wanted
from app.db.session import Database
from app.domain.actor import Actor
from app.schemas.leads import LeadPatch, NoteIn
from app.schemas.outcomes import OutcomeIn
from app.security.cursors import CursorSealer
from app.services import amendments, lead_reads, outcomes, progress
from app.workers.adjudicator import Adjudicator
from app.workers.loops import AT_ONCE
from app.workers.timekeeper import Timekeeper
from tests.workers.journeys import KIT, Journeys, example, journeys


@pytest.fixture
async def world(database: Database, database_url: str) -> AsyncIterator[Journeys]:
    playbook = example("playbook.yaml")
    playbook["stages"][0] |= {"accountable": ["partner"], "consulted": [], "informed": []}
    async with journeys(database, database_url) as held:
        await held.seed(playbook)
        await held.at("2026-11-30T23:30:00Z")
        yield held
        await held.admin.execute("update baton.clock set state = 'cancelled' where state = 'running'")
        await held.admin.execute("update baton.escalation set next_at = null")


async def an_open_lead(world: Journeys) -> UUID:
    lead_id = await world.post(world.partner())
    loop = Adjudicator(world.database)
    while await loop.cycle() == AT_ONCE:
        pass
    return lead_id


async def told(world: Journeys, lead_id: UUID) -> dict[str, str]:
    rows = await world.admin.fetch("select type, sides from baton.event where lead_id = $1 order by n", lead_id)
    return {row["type"]: row["sides"] for row in rows}


async def outbox(world: Journeys, lead_id: UUID, organization_id: UUID) -> list[str]:
    rows = await world.admin.fetch(
        "select type from baton.outbox where lead_id = $1 and organization_id = $2 order by id",
        lead_id,
        organization_id,
    )
    return [row["type"] for row in rows]


async def test_a_side_without_part_in_a_stage_is_not_told_of_the_work_in_it(world: Journeys) -> None:
    lead_id = await an_open_lead(world)
    await world.call(world.partner(), lead_id)
    actor = world.partner()
    async with world.acting(actor) as tx:
        note = NoteIn.model_validate({"kind": "context", "body": "経緯", "visibility": "shared"})
        await progress.note(tx, actor, KIT, LeadRef(id=lead_id), note)
    assert await told(world, lead_id) == {
        "lead.received": "both", "lead.accepted": "both", "activity.logged": "partner", "note.added": "partner",
    }  # fmt: skip
    assert await outbox(world, lead_id, world.tenant_id) == ["lead.received", "lead.accepted"]
    lead = await world.lead(lead_id)
    assert (lead["version_internal"], lead["version_partner"]) == (2, 4), "a view's version counts what it saw"


async def read(world: Journeys, actor: Actor, lead_id: UUID) -> lead_reads.Found:
    async with world.acting(actor) as tx:
        return await lead_reads.lead(tx, actor, LeadRef(id=lead_id), frozenset({"notes", "activities"}))


async def test_a_side_without_part_in_a_stage_reads_where_the_lead_stands_and_what_it_wrote_itself(world: Journeys):
    lead_id = await an_open_lead(world)
    await world.call(world.partner(), lead_id)
    await world.call(world.internal("technical"), lead_id)
    partner = (await read(world, world.partner(), lead_id)).shown
    before = await read(world, world.internal(), lead_id)
    hidden = {"contact": None, "provenance": None, "context": None, "due": []}
    assert {name: before.shown[name] for name in hidden} == hidden
    assert all(partner[name] for name in ("provenance", "context", "due"))
    assert before.shown["company"] == partner["company"]
    assert [row["by_role"] for row in partner["activities"]] == ["partner", "technical"]
    assert [row["by_role"] for row in before.shown["activities"]] == ["technical"]
    async with world.acting(internal := world.internal()) as tx:
        page = await lead_reads.activities(
            tx, internal, LeadRef(id=lead_id), Wanted(100, None, b"", CursorSealer(b"k" * 32))
        )
    assert [row["by_role"] for row in page.items] == ["technical"]

    await change(world, lead_id, {"context": {"expectations": "納期の短縮"}})
    after = await read(world, world.internal(), lead_id)
    assert (after.tag, after.shown) == (before.tag, before.shown), "what it is not told moves nothing that it reads"
    await change(world, lead_id, {"company": {"phone": "03-1234-5678"}})
    assert (await read(world, world.internal(), lead_id)).tag != before.tag

    await world.offer(world.partner(), lead_id)
    asked = (await read(world, world.internal(), lead_id)).shown
    assert asked["context"]["expectations"] == "納期の短縮", "whoever is asked must know what about"
    assert [row["by_role"] for row in asked["activities"]] == ["partner", "technical"]


async def change(world: Journeys, lead_id: UUID, body: dict[str, Any]) -> None:
    tag = (await read(world, actor := world.partner(), lead_id)).tag
    async with world.acting(actor) as tx:
        await amendments.patch(tx, actor, KIT, LeadRef(id=lead_id), LeadPatch.model_validate(body), str(tag))


async def test_a_change_of_ones_own_metadata_is_told_to_nobody_else(world: Journeys) -> None:
    lead_id = await an_open_lead(world)
    await change(world, lead_id, {"metadata": {"caller": "佐藤"}})
    assert (await told(world, lead_id))["lead.updated"] == "partner"


async def test_an_offer_is_told_to_whom_it_is_made_and_so_is_all_that_follows(world: Journeys) -> None:
    lead_id = await an_open_lead(world)
    await world.accept(world.internal(), await world.offer(world.partner(), lead_id))
    await world.call(world.internal(), lead_id)
    assert set((await told(world, lead_id)).values()) == {"both"}


async def test_the_end_and_what_was_missed_are_told_to_both(world: Journeys) -> None:
    lead_id = await an_open_lead(world)
    await world.at("2026-12-01T18:00:01+09:00")
    loop = Timekeeper(world.database, "https://baton.example")
    while await loop.cycle() == AT_ONCE:
        pass
    actor = world.partner()
    body = OutcomeIn.model_validate({"result": "disqualified", "reason": "no_fit", "stated_by": "customer_stated"})
    async with world.acting(actor) as tx:
        await outcomes.close(tx, actor, KIT, LeadRef(id=lead_id), body)
    assert await told(world, lead_id) == {
        "lead.received": "both", "lead.accepted": "both", "clock.breached": "both", "escalation.opened": "both",
        "outcome.closed": "both", "escalation.resolved": "both",
    }  # fmt: skip


async def test_who_acts_in_a_stage_sees_what_it_did(world: Journeys) -> None:
    lead_id = await an_open_lead(world)
    await world.call(world.internal("technical"), lead_id)
    assert (await told(world, lead_id))["activity.logged"] == "both"
