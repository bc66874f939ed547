"""The second example playbook over the services and the database: back to the partner, through the gate, won."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from app.db.session import Database
from app.domain.actor import Actor
from app.domain.errors import BatonError, HandoverIncompleteError, StageRefusedError
from app.domain.view import etag
from app.schemas.leads import ActivityIn, LeadPatch
from app.schemas.outcomes import AdvanceIn, OutcomeIn
from app.services import amendments, assurance, outcomes, progress
from app.workers.adjudicator import Adjudicator
from app.workers.loops import AT_ONCE
from tests.workers.journeys import COMPANY, KIT, Journeys, LeadRef, example, journeys


@pytest.fixture
async def world(database: Database, database_url: str) -> AsyncIterator[Journeys]:
    async with journeys(database, database_url) as held:
        await held.seed(example("playbook-technical-gate.yaml"))
        yield held


async def using(world: Journeys, by: Actor, use: Any, lead_id: UUID, *body: Any) -> None:
    async with world.acting(by) as tx:
        await use(tx, by, KIT, LeadRef(id=lead_id), *body)


async def log(world: Journeys, by: Actor, lead_id: UUID, kind: str, disposition: str) -> None:
    body = ActivityIn.model_validate({"kind": kind, "at": "2026-11-20T00:00:00Z", "disposition": disposition})
    await using(world, by, progress.activity, lead_id, body)


async def learn(world: Journeys, by: Actor, lead_id: UUID, **context: Any) -> None:
    tag = etag(await world.lead(lead_id), by.side)
    await using(world, by, amendments.patch, lead_id, LeadPatch.model_validate({"context": context}), tag)


async def passed(world: Journeys, giver: Actor, lead_id: UUID, to_role: str, receiver: Actor) -> tuple[str, str]:
    """Hand the lead over, have it accepted; returns where it stands now."""
    await world.accept(receiver, await world.offer(giver, lead_id, to_role))
    lead = await world.lead(lead_id)
    return lead["stage"], lead["owner_role"]


async def test_a_lead_runs_through_another_playbook_to_its_outcome(world: Journeys):
    vendor, sales, technician = world.partner(), world.internal(), world.internal("technical")
    lead_id = await world.post(vendor, {**COMPANY, "industry": "manufacturing"})
    loop = Adjudicator(world.database)
    while await loop.cycle() == AT_ONCE:
        pass
    with pytest.raises(HandoverIncompleteError) as refusal:
        await world.offer(vendor, lead_id)
    assert refusal.value.members == {
        "playbook": {
            "program": "smb-inside-sales", "version": 1, "rule": "stages.prospecting.handovers.partner.internal_sales",
        },
        "missing": ["activity:conversation"],
    }  # fmt: skip
    await log(world, vendor, lead_id, "call", "connected")
    assert await passed(world, vendor, lead_id, "internal_sales", sales) == ("discovery", "internal_sales")
    assert await passed(world, sales, lead_id, "partner", vendor) == ("nurturing", "partner")
    await learn(world, vendor, lead_id, next_step={"what": "工場見学", "due_on": "2026-12-10"})
    assert await passed(world, vendor, lead_id, "internal_sales", sales) == ("discovery", "internal_sales")
    await log(world, sales, lead_id, "meeting", "held")
    with pytest.raises(StageRefusedError):
        await using(world, sales, progress.advance, lead_id, AdvanceIn(to="proposal"))
    await using(world, sales, progress.advance, lead_id, AdvanceIn(to="technical_review"))
    assert await passed(world, sales, lead_id, "technical", technician) == ("technical_review", "technical")
    assert (await world.clock(lead_id, "review_owed"))["owed_role"] == "technical"
    with pytest.raises(BatonError) as refusal:
        await world.offer(technician, lead_id, "internal_sales")
    assert refusal.value.members["missing"] == ["/context/concerns", "activity:site_survey"]
    await learn(world, technician, lead_id, concerns=["搬入経路"])
    await log(world, technician, lead_id, "visit", "held")
    assert await passed(world, technician, lead_id, "internal_sales", sales) == ("proposal", "internal_sales")
    assert (await world.clock(lead_id, "review_owed"))["state"] == "met"
    won = {"result": "won", "reason": "feature_fit", "stated_by": "customer_stated"}
    await using(world, sales, outcomes.close, lead_id, OutcomeIn.model_validate(won))
    lead = await world.lead(lead_id)
    assert (lead["status"], lead["stage"], lead["due"]) == ("closed", "proposal", [])
    events = await world.events(lead_id)
    assert [events.count(kind) for kind in ("handover.accepted", "ownership.changed", "outcome.closed")] == [5, 5, 1]
    (told,) = await world.bodies(lead_id, "outcome.closed", world.partner_a)
    assert told["outcome"]["reason"] == {"code": "feature_fit", "label_en": "Feature fit", "label_ja": "機能の適合"}
    async with world.acting(world.internal("manager")) as tx:
        checked = await assurance.ownership(tx, world.internal("manager"))
    assert (checked["leads"], checked["ownerless"], checked["gaps"], checked["disagreements"]) == (1, 0, [], [])
