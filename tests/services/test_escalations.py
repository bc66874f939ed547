"""Who may answer an escalation, and what an answer stops."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from app.db.session import Database
from app.domain.actor import Actor
from app.domain.errors import NotFoundError, NotPermittedError, ObligationOpenError, ValidationFailedError
from app.domain.ids import Prefix, show
from app.schemas.escalations import ResolveIn, SnoozeIn, TakeUpIn, WaiveIn
from app.services import escalations
from app.workers.adjudicator import Adjudicator
from app.workers.loops import AT_ONCE
from app.workers.timekeeper import Timekeeper
from tests.workers.journeys import KIT, Journeys, journeys, utc

LATE = "2026-12-01T18:30:00+09:00"
"""Half an hour after the first contact was due; the next step is due on Wednesday 14:00."""


@pytest.fixture
async def world(database: Database, database_url: str) -> AsyncIterator[Journeys]:
    async with journeys(database, database_url) as held:
        await held.seed()
        await held.at("2026-11-30T23:30:00Z")
        yield held
        await held.admin.execute("update baton.clock set state = 'cancelled' where state = 'running'")
        await held.admin.execute("update baton.escalation set next_at = null")


async def keep_time(world: Journeys) -> None:
    loop = Timekeeper(world.database, "https://baton.example")
    while await loop.cycle() == AT_ONCE:
        pass


async def an_open_lead(world: Journeys, n: int = 1) -> UUID:
    lead_id = await world.post(world.partner(), {"name": f"会社{n}", "domain": f"c{n}.example"})
    loop = Adjudicator(world.database)
    while await loop.cycle() == AT_ONCE:
        pass
    return lead_id


async def a_late_first_contact(world: Journeys) -> tuple[UUID, UUID]:
    lead_id = await an_open_lead(world)
    await world.at(LATE)
    await keep_time(world)
    return lead_id, (await world.escalation(lead_id))["id"]


async def a_late_answer(world: Journeys) -> tuple[UUID, UUID]:
    """Internal sales owes the partner an answer, and its ladder is at the second step."""
    lead_id = await an_open_lead(world)
    await world.offer(world.partner(), lead_id)
    for moment in ("14:00:01", "15:00:01"):
        await world.at(f"2026-12-01T{moment}+09:00")
        await keep_time(world)
    return lead_id, (await world.escalation(lead_id))["id"]


async def acknowledge(world: Journeys, actor: Actor, escalation_id: UUID, note: str | None = None) -> dict[str, Any]:
    async with world.acting(actor) as tx:
        return await escalations.acknowledge(tx, actor, KIT, escalation_id, TakeUpIn(note=note))


async def resolve(world: Journeys, actor: Actor, escalation_id: UUID) -> dict[str, Any]:
    async with world.acting(actor) as tx:
        return await escalations.resolve(tx, actor, KIT, escalation_id, ResolveIn(note="済"))


async def waive(world: Journeys, actor: Actor, escalation_id: UUID) -> dict[str, Any]:
    async with world.acting(actor) as tx:
        return await escalations.waive(tx, actor, KIT, escalation_id, WaiveIn(reason="顧客が休業中"))


async def snooze(world: Journeys, actor: Actor, escalation_id: UUID, until: str) -> dict[str, Any]:
    async with world.acting(actor) as tx:
        return await escalations.snooze(
            tx, actor, KIT, escalation_id, SnoozeIn.model_validate({"until": until, "reason": "明日連絡する"})
        )


async def test_an_acknowledgement_stops_the_ladder_and_said_twice_changes_nothing(world: Journeys) -> None:
    lead_id, escalation_id = await a_late_first_contact(world)
    first = await acknowledge(world, world.partner(), escalation_id, "折り返し待ち")
    again = await acknowledge(world, world.internal("manager"), escalation_id)
    assert (first["status"], first["step"]["next_at"]) == ("acknowledged", None)
    assert again["acknowledged_by"] == first["acknowledged_by"]
    assert first["acknowledged_by"]["role"] == "partner"
    assert again["timeline"] == first["timeline"]
    await world.at("2026-12-09T14:00:00+09:00")
    await keep_time(world)
    assert await world.pages(lead_id) == ["escalation.opened", "escalation.acknowledged"]
    (theirs,) = await world.bodies(lead_id, "escalation.acknowledged", world.partner_a)
    assert theirs["status"] == "acknowledged"


async def test_what_people_write_stays_out_of_the_ledger(world: Journeys) -> None:
    lead_id, escalation_id = await a_late_first_contact(world)
    await acknowledge(world, world.partner(), escalation_id, "田中さんに折り返し")
    ledger = await world.admin.fetch("select data from baton.event where lead_id = $1", lead_id)
    assert not [row for row in ledger if "田中" in row["data"]]


ANSWERS = [
    pytest.param("partner", "partner", True, id="who owes"),
    pytest.param("partner", "manager", True, id="its manager"),
    pytest.param("internal", "manager", True, id="the other manager, here also the fallback"),
    pytest.param("internal", "technical", False, id="a role that neither owes nor waits"),
    pytest.param("internal", "internal_sales", False, id="sales, which does not wait for a first contact"),
]


@pytest.mark.parametrize(("side", "role", "allowed"), ANSWERS)
async def test_only_those_whom_it_concerns_and_managers_acknowledge(
    world: Journeys, side: str, role: str, allowed: bool
) -> None:
    _, escalation_id = await a_late_first_contact(world)
    actor = world.partner(None, role) if side == "partner" else world.internal(role)
    if allowed:
        assert (await acknowledge(world, actor, escalation_id))["acknowledged_by"]["role"] == role
        return
    with pytest.raises(NotPermittedError) as refusal:
        await acknowledge(world, actor, escalation_id)
    assert refusal.value.members["playbook"] == {
        "program": "smb-inside-sales",
        "version": 1,
        "rule": "clocks.first_contact",
    }
    assert (await world.admin.fetchval("select status from baton.escalation where id = $1", escalation_id)) == "open"


async def test_an_escalation_of_others_is_not_there(world: Journeys) -> None:
    _, escalation_id = await a_late_first_contact(world)
    stranger = Journeys(world.database, world.admin)
    await stranger.seed()
    for actor in (world.partner(world.partner_b, "partner", "manager"), stranger.internal("manager")):
        with pytest.raises(NotFoundError):
            await acknowledge(world, actor, escalation_id)
        with pytest.raises(NotFoundError):
            await waive(world, actor, escalation_id)
    for text in ("esc_x", show(Prefix.LEAD, escalation_id)):
        with pytest.raises(NotFoundError):
            escalations.read_id(text)


async def test_what_is_still_owed_cannot_be_resolved_away(world: Journeys) -> None:
    lead_id, escalation_id = await a_late_first_contact(world)
    with pytest.raises(ObligationOpenError):
        await resolve(world, world.partner(), escalation_id)
    await acknowledge(world, world.partner(), escalation_id)
    with pytest.raises(ObligationOpenError):
        await resolve(world, world.internal("manager"), escalation_id)
    await world.call(world.partner(), lead_id)
    shown = await resolve(world, world.partner(), escalation_id)
    assert (shown["status"], shown["actions"]) == ("resolved", [])
    assert await world.pages(lead_id) == ["escalation.opened", "escalation.acknowledged", "escalation.resolved"]


async def test_a_timed_out_handover_is_over_when_the_fallback_says_so(world: Journeys) -> None:
    lead_id, escalation_id = await a_late_answer(world)
    await world.at("2026-12-01T17:00:01+09:00")
    await keep_time(world)
    shown = await acknowledge(world, world.internal("manager"), escalation_id)
    assert shown["owed_by"] == {"organization": show(Prefix.ORGANIZATION, world.tenant_id), "role": "manager"}
    assert (await resolve(world, world.internal("manager"), escalation_id))["status"] == "resolved"
    assert (await world.events(lead_id))[-2:] == ["escalation.acknowledged", "escalation.resolved"]


WAIVERS = [
    pytest.param("answer", "partner", "partner", True, id="the giver waits for the answer"),
    pytest.param("answer", "partner", "manager", True, id="the giver's manager"),
    pytest.param("answer", "internal", "internal_sales", False, id="the receiver owes the answer"),
    pytest.param("answer", "internal", "manager", False, id="the receiver's manager"),
    pytest.param("contact", "internal", "manager", True, id="the client's manager, for the client waits"),
    pytest.param("contact", "partner", "partner", False, id="the partner owes the first contact"),
    pytest.param("contact", "partner", "manager", False, id="the partner's manager"),
    pytest.param("contact", "internal", "internal_sales", False, id="a role of the client that does not decide this"),
]


@pytest.mark.parametrize(("owed", "side", "role", "allowed"), WAIVERS)
async def test_only_the_side_that_waits_waives(world: Journeys, owed: str, side: str, role: str, allowed: bool) -> None:
    lead_id, escalation_id = await (a_late_answer(world) if owed == "answer" else a_late_first_contact(world))
    name = "handover_response" if owed == "answer" else "first_contact"
    actor = world.partner(None, role) if side == "partner" else world.internal(role)
    if not allowed:
        with pytest.raises(NotPermittedError):
            await waive(world, actor, escalation_id)
        assert (await world.clock(lead_id, name))["state"] == "breached"
        return
    assert (await waive(world, actor, escalation_id))["status"] == "resolved"
    assert (await waive(world, actor, escalation_id))["status"] == "resolved"
    assert (await world.clock(lead_id, name))["state"] == "cancelled"
    assert name not in [due["clock"] for due in (await world.lead(lead_id))["due"]]
    assert (await world.pages(lead_id))[-1] == "escalation.resolved"
    assert (await world.events(lead_id)).count("escalation.resolved") == 1
    await world.at("2026-12-03T14:00:00+09:00")
    await keep_time(world)
    assert (await world.lead(lead_id))["owner_role"] == "partner"


async def test_a_snoozed_step_fires_at_its_new_time_and_the_ladder_goes_on_from_there(world: Journeys) -> None:
    lead_id, escalation_id = await a_late_first_contact(world)
    shown = await snooze(world, world.partner(), escalation_id, "2026-12-03T10:00:00+09:00")
    assert shown["step"]["next_at"] == "2026-12-03T01:00:00Z"
    assert shown["timeline"][-1]["what"] == "snoozed"
    await world.at("2026-12-03T09:59:00+09:00")
    await keep_time(world)
    assert await world.pages(lead_id) == ["escalation.opened"]
    await world.at("2026-12-03T10:00:01+09:00")
    await keep_time(world)
    assert await world.pages(lead_id) == ["escalation.opened", "escalation.stepped"]
    # 480 business minutes after Thursday 10:00.
    assert (await world.escalation(lead_id))["next_at"] == utc("2026-12-04T10:00:00+09:00")


@pytest.mark.parametrize(
    ("until", "code"),
    [
        pytest.param("2026-12-02T14:00:00+09:00", "too_early", id="when it is due anyway"),
        pytest.param("2026-11-01T14:00:00+09:00", "too_early", id="in the past"),
        # Tuesday 18:30 is after closing: three business days end on Friday at 18:00.
        pytest.param("2026-12-04T18:00:01+09:00", "too_late", id="beyond three business days"),
        pytest.param("2026-12-04T18:00:00+09:00", None, id="three business days"),
    ],
)
async def test_a_ladder_is_put_off_within_bounds(world: Journeys, until: str, code: str | None) -> None:
    _, escalation_id = await a_late_first_contact(world)
    if code is None:
        assert (await snooze(world, world.partner(), escalation_id, until))["status"] == "open"
        return
    with pytest.raises(ValidationFailedError) as refusal:
        await snooze(world, world.partner(), escalation_id, until)
    (error,) = refusal.value.members["errors"]  # type: ignore[misc]
    assert error["code"] == code


async def test_what_was_taken_up_cannot_be_snoozed(world: Journeys) -> None:
    _, escalation_id = await a_late_first_contact(world)
    await acknowledge(world, world.partner(), escalation_id)
    with pytest.raises(ValidationFailedError):
        await snooze(world, world.partner(), escalation_id, "2026-12-03T10:00:00+09:00")


async def test_no_step_follows_a_committed_acknowledgement(world: Journeys) -> None:
    leads = [await an_open_lead(world, n) for n in range(60)]
    await world.at(LATE)
    await keep_time(world)
    await world.at("2026-12-02T14:00:01+09:00")
    actor = world.internal("manager")

    found = {lead_id: (await world.escalation(lead_id))["id"] for lead_id in leads}

    async def race(lead_id: UUID) -> None:
        await asyncio.sleep(random.random() / 2)
        await acknowledge(world, actor, found[lead_id])

    answers = asyncio.gather(*(race(lead_id) for lead_id in leads))

    async def watch() -> None:
        await asyncio.sleep(0.1)
        while not answers.done():
            await keep_time(world)
            await asyncio.sleep(0.005)

    await asyncio.gather(answers, watch(), watch())
    await world.ahead(days=7)
    await keep_time(world)
    stepped = 0
    for lead_id in leads:
        pages = await world.pages(lead_id)
        stepped += len(pages) == 3
        assert pages in (
            ["escalation.opened", "escalation.acknowledged"],
            ["escalation.opened", "escalation.stepped", "escalation.acknowledged"],
        )
    assert 0 < stepped < len(leads)
