"""Questions on PostgreSQL: each on its own clock, owed by the role that was asked, while the owner stays accountable."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from app.db.cases import LeadRef
from app.db.pages import Wanted
from app.db.session import Database
from app.domain.actor import Actor
from app.domain.errors import (
    ConsultationNotOpenError,
    NotFoundError,
    NotOwnerError,
    NotPermittedError,
    ValidationFailedError,
)
from app.domain.ids import Prefix, show
from app.schemas.consultations import ConsultationAnswerIn, ConsultationDeclineIn, ConsultationIn
from app.schemas.outcomes import OutcomeIn
from app.schemas.queries import ConsultationFilter
from app.security.cursors import CursorSealer
from app.services import consultations, outcomes
from app.workers.adjudicator import Adjudicator
from app.workers.loops import AT_ONCE
from app.workers.timekeeper import Timekeeper
from tests.workers.journeys import KIT, Journeys, example, journeys

PURPOSE = (
    "More customers who chose well. Both sides share what they learn, losses as promptly as wins."
    " / 納得して選んだ顧客を増やす。双方が学びを共有し、失注も受注と同じ速さで伝える。"
)
CLOCK = "consultation_response"


@pytest.fixture
async def world(database: Database, database_url: str) -> AsyncIterator[Journeys]:
    async with journeys(database, database_url) as held:
        await held.seed()
        await held.at("2026-11-30T23:30:00Z")  # Tuesday 08:30 in Tokyo: what starts now runs from 09:00
        yield held
        await held.admin.execute("update baton.clock set state = 'cancelled' where state = 'running'")
        await held.admin.execute("update baton.escalation set next_at = null")


async def keep_time(world: Journeys) -> None:
    loop = Timekeeper(world.database, "https://baton.example")
    while await loop.cycle() == AT_ONCE:
        pass


async def an_open_lead(world: Journeys, by: Actor | None = None) -> UUID:
    lead_id = await world.post(by or world.partner(), {"name": "株式会社相談", "domain": f"c{world.posted}.example"})
    loop = Adjudicator(world.database)
    while await loop.cycle() == AT_ONCE:
        pass
    return lead_id


async def ask(world: Journeys, lead_id: UUID, by: Actor | None = None, **more: Any) -> dict[str, Any]:
    actor = by or world.partner()
    body = ConsultationIn.model_validate({"role": "technical", "question": "連携できますか", **more})
    async with world.acting(actor) as tx:
        return await consultations.ask(tx, actor, KIT, LeadRef(id=lead_id), body)


async def answer(world: Journeys, asked: dict[str, Any], by: Actor | None = None) -> dict[str, Any]:
    actor = by or world.internal("technical")
    async with world.acting(actor) as tx:
        body = ConsultationAnswerIn(text="標準機能で対応できます")
        return await consultations.answer(tx, actor, KIT, consultations.read_id(asked["id"]), body)


async def decline(world: Journeys, asked: dict[str, Any], by: Actor | None = None) -> dict[str, Any]:
    actor = by or world.internal("technical")
    body = ConsultationDeclineIn(reason="今週は見積れない", alternative="標準の範囲は本日答えられる")
    async with world.acting(actor) as tx:
        return await consultations.decline(tx, actor, KIT, consultations.read_id(asked["id"]), body)


async def withdraw(world: Journeys, asked: dict[str, Any], by: Actor) -> dict[str, Any]:
    async with world.acting(by) as tx:
        return await consultations.withdraw(tx, by, KIT, consultations.read_id(asked["id"]))


async def listed(world: Journeys, by: Actor, **asked: Any) -> list[dict[str, Any]]:
    wanted = Wanted(50, None, b"", CursorSealer(b"k" * 32))
    async with world.acting(by) as tx:
        return (await consultations.consultations(tx, by, ConsultationFilter(**asked), wanted)).items


async def clocks(world: Journeys, lead_id: UUID) -> list[tuple[str, str]]:
    """Return (consultation, state) of every clock of a consultation, in the order in which they started."""
    rows = await world.admin.fetch(
        "select consultation_id, state from baton.clock where lead_id = $1 and name = $2 order by n", lead_id, CLOCK
    )
    return [(show(Prefix.CONSULTATION, row["consultation_id"]), row["state"]) for row in rows]


async def test_the_shared_purpose_stands_first_and_roles_stand_where_people_might(world: Journeys) -> None:
    lead_id = await an_open_lead(world)
    asked = await ask(world, lead_id)
    assert next(iter(asked.items())) == ("purpose", PURPOSE)
    assert asked["asker"] == {"organization_id": show(Prefix.ORGANIZATION, world.partner_a), "role": "partner"}
    assert asked["asked"] == {"organization_id": show(Prefix.ORGANIZATION, world.tenant_id), "role": "technical"}
    # 240 business minutes from Tuesday 09:00, without the hour of lunch.
    assert asked["due_at"] == "2026-12-01T05:00:00Z"
    own = await ask(world, lead_id, purpose="初回商談で即答するため")
    assert next(iter(own.items())) == ("purpose", "初回商談で即答するため")


async def test_an_answer_stops_its_own_clock_alone(world: Journeys) -> None:
    lead_id = await an_open_lead(world)
    first, second, third = [await ask(world, lead_id, question=f"質問{n}") for n in range(3)]
    answered = await answer(world, second)
    assert (answered["status"], answered["due_at"]) == ("answered", None)
    assert (answered["decision"]["text"], answered["decision"]["by_role"]) == ("標準機能で対応できます", "technical")
    assert await clocks(world, lead_id) == [
        (first["id"], "running"),
        (second["id"], "met"),
        (third["id"], "running"),
    ]
    declined = await decline(world, third)
    assert declined["decision"]["alternative"] == "標準の範囲は本日答えられる"
    await withdraw(world, first, world.partner())
    assert [state for _, state in await clocks(world, lead_id)] == ["cancelled", "met", "met"]
    lead = await world.lead(lead_id)
    assert [due["clock"] for due in lead["due"]] == ["first_contact"], "the owner's own clock ran on"
    assert (lead["owner_role"], lead["owner_organization_id"], lead["owner_n"]) == ("partner", world.partner_a, 1)
    assert await world.events(lead_id) == [
        "lead.received", "lead.accepted", *["consultation.requested"] * 3,
        "consultation.answered", "consultation.declined", "consultation.withdrawn",
    ]  # fmt: skip


async def test_an_unanswered_question_climbs_its_ladder_and_ends_with_its_answer(world: Journeys) -> None:
    lead_id = await an_open_lead(world)
    await world.call(world.partner(), lead_id)
    late, later = await ask(world, lead_id), await ask(world, lead_id, due="2026-12-03T10:00:00+09:00")
    assert later["due_at"] == "2026-12-03T01:00:00Z"
    await world.at("2026-12-01T14:00:01+09:00")
    await keep_time(world)
    escalation = await world.escalation(lead_id)
    assert (escalation["trigger"], escalation["status"], escalation["severity"]) == (CLOCK, "open", "warning")
    technical = {"organization": show(Prefix.ORGANIZATION, world.tenant_id), "role": "technical"}
    assert escalation["timeline"][1]["notified"] == [technical]
    (told,) = await world.bodies(lead_id, "escalation.opened", world.partner_a)
    assert (told["subject"]["kind"], told["subject"]["id"]) == ("consultation", late["id"])
    assert told["owed_by"] == technical
    assert told["waiting"]["role"] == "partner"
    await world.at("2026-12-02T10:00:01+09:00")  # 240 business minutes later: who waits and the manager are told
    await keep_time(world)
    assert (await world.escalation(lead_id))["step"] == 2
    await answer(world, late)
    assert (await world.escalation(lead_id))["status"] == "resolved"
    assert [state for _, state in await clocks(world, lead_id)] == ["met", "running"]
    assert (await world.lead(lead_id))["owner_role"] == "partner"


async def test_a_ladder_of_a_question_never_moves_the_lead(world: Journeys) -> None:
    lead_id = await an_open_lead(world)
    await world.call(world.partner(), lead_id)
    await ask(world, lead_id)
    await world.at("2026-12-08T18:00:00+09:00")
    await keep_time(world)
    assert (await world.escalation(lead_id))["step"] == 3
    assert (await world.lead(lead_id))["owner_role"] == "partner"


async def test_who_may_not_ask_or_answer_is_told_the_rule(world: Journeys) -> None:
    lead_id = await an_open_lead(world)
    with pytest.raises(NotOwnerError) as refusal:
        await ask(world, lead_id, world.internal())
    assert refusal.value.members["playbook"]["rule"] == "stages.awareness.may.consult"  # type: ignore[index]
    with pytest.raises(NotPermittedError) as refusal:
        await ask(world, lead_id, role="customer_success")
    assert refusal.value.members["playbook"] == {
        "program": "smb-inside-sales", "version": 1, "rule": "stages.awareness.consulted",
    }  # fmt: skip
    asked = await ask(world, lead_id)
    for actor in (world.partner(), world.internal("internal_sales"), world.internal("manager")):
        with pytest.raises(NotPermittedError):
            await answer(world, asked, actor)
    await answer(world, asked)
    with pytest.raises(ConsultationNotOpenError):
        await decline(world, asked)
    with pytest.raises(ConsultationNotOpenError):
        await withdraw(world, asked, world.partner())


@pytest.mark.parametrize(
    ("due", "code"),
    [
        pytest.param("2026-11-01T00:00:00Z", "too_early", id="in the past"),
        pytest.param("2027-03-01T00:00:00Z", "too_late", id="months ahead"),
    ],
)
async def test_an_answer_is_asked_for_within_bounds(world: Journeys, due: str, code: str) -> None:
    lead_id = await an_open_lead(world)
    with pytest.raises(ValidationFailedError) as refusal:
        await ask(world, lead_id, due=due)
    (error,) = refusal.value.members["errors"]  # type: ignore[misc]
    assert (error["pointer"], error["code"]) == ("/due", code)
    assert await clocks(world, lead_id) == []


def test_a_refusal_says_what_is_possible_instead() -> None:
    for body in ({"reason": "無理"}, {"reason": "無理", "alternative": ""}, {"alternative": "来週なら"}):
        with pytest.raises(ValidationError):
            ConsultationDeclineIn.model_validate(body)


async def test_others_see_nothing_of_it(world: Journeys) -> None:
    asked = await ask(world, await an_open_lead(world))
    stranger = Journeys(world.database, world.admin)
    await stranger.seed()
    for actor in (world.partner(world.partner_b), stranger.internal("technical")):
        assert await listed(world, actor) == []
        for act in (answer, decline, withdraw):
            with pytest.raises(NotFoundError):
                await act(world, asked, actor)
        async with world.acting(actor) as tx:
            with pytest.raises(NotFoundError):
                await consultations.consultation(tx, actor, consultations.read_id(asked["id"]))
    for text in ("con_x", show(Prefix.LEAD, UUID(int=1))):
        with pytest.raises(NotFoundError):
            consultations.read_id(text)


async def test_each_side_finds_what_it_asks_and_what_it_is_asked_by_due_time(world: Journeys) -> None:
    lead_id = await an_open_lead(world)
    later = await ask(world, lead_id, due="2026-12-04T10:00:00+09:00")
    done = await ask(world, lead_id)
    first = await ask(world, lead_id)
    await answer(world, done)
    expected = [first["id"], later["id"], done["id"]]
    for actor, side in ((world.partner(), "asker"), (world.internal("technical"), "asked"), (world.internal(), None)):
        assert [held["id"] for held in await listed(world, actor, side=side)] == expected
    assert await listed(world, world.partner(), side="asked") == []
    assert [held["id"] for held in await listed(world, world.partner(), status="answered")] == [done["id"]]
    wanted = Wanted(2, None, b"", CursorSealer(b"k" * 32))
    actor = world.partner()
    async with world.acting(actor) as tx:
        page = await consultations.of_lead(tx, actor, LeadRef(id=lead_id), wanted)
    assert [held["id"] for held in page.items] == [later["id"], done["id"]]
    assert page.next_cursor


async def test_a_question_goes_on_with_the_lead_and_its_new_owner_may_take_it_back(world: Journeys) -> None:
    lead_id = await an_open_lead(world)
    asked = await ask(world, lead_id)
    await world.accept(world.internal(), await world.offer(world.partner(), lead_id))
    assert [state for _, state in await clocks(world, lead_id)] == ["running"]
    taken_back = await withdraw(world, asked, world.internal("internal_sales", "technical"))
    assert (taken_back["status"], taken_back["decision"]["by_role"]) == ("withdrawn", "internal_sales")


async def test_nobody_owes_an_answer_about_a_closed_lead(world: Journeys) -> None:
    lead_id = await an_open_lead(world)
    open_, answered, waived = [await ask(world, lead_id) for _ in range(3)]
    await answer(world, answered)
    # What is no longer on a clock is taken back like what is.
    await world.admin.execute(
        "update baton.clock set state = 'cancelled' where consultation_id = $1", consultations.read_id(waived["id"])
    )
    actor = world.partner()
    body = OutcomeIn.model_validate({"result": "lost", "reason": "price", "stated_by": "customer_stated"})
    async with world.acting(actor) as tx:
        await outcomes.close(tx, actor, KIT, LeadRef(id=lead_id), body)
    statuses = {held["id"]: held["status"] for held in await listed(world, actor)}
    assert statuses == {open_["id"]: "withdrawn", answered["id"]: "answered", waived["id"]: "withdrawn"}
    assert [state for _, state in await clocks(world, lead_id)] == ["cancelled", "met", "cancelled"]
    assert (await world.events(lead_id)).count("consultation.withdrawn") == 2
    assert (await world.lead(lead_id))["due"] == []


async def test_both_sides_are_told_in_full_and_the_ledger_keeps_no_words(world: Journeys) -> None:
    lead_id = await an_open_lead(world)
    asked = await ask(world, lead_id, question="田中部長の質問です")
    await answer(world, asked)
    for organization_id in (world.partner_a, world.tenant_id):
        (body,) = await world.bodies(lead_id, "consultation.requested", organization_id)
        assert body["consultation"] == asked
        assert next(iter(body["consultation"])) == "purpose"
        (body,) = await world.bodies(lead_id, "consultation.answered", organization_id)
        assert body["consultation"]["decision"]["text"] == "標準機能で対応できます"
    ledger = await world.admin.fetch(
        "select data from baton.event where lead_id = $1 and type like 'consultation.%' order by n", lead_id
    )
    assert [json.loads(row["data"]) for row in ledger] == [
        {
            "consultation_id": asked["id"], "from_role": "partner", "to_role": "technical", "status": "requested",
            "due_at": "2026-12-01T05:00:00Z",
        },
        {
            "consultation_id": asked["id"], "from_role": "partner", "to_role": "technical", "status": "answered",
            "due_at": None,
        },
    ]  # fmt: skip


async def test_the_partner_is_asked_as_an_organisation_too(database: Database, database_url: str) -> None:
    playbook = example("playbook.yaml")
    next(held for held in playbook["stages"] if held["key"] == "evaluation")["consulted"] = ["partner"]
    async with journeys(database, database_url) as world:
        await world.seed(playbook)
        await world.at("2026-11-30T23:30:00Z")
        lead_id = await an_open_lead(world)
        await world.accept(world.internal(), await world.offer(world.partner(), lead_id))
        asked = await ask(world, lead_id, world.internal(), role="partner", question="背景を教えてください")
        assert asked["asked"]["organization_id"] == show(Prefix.ORGANIZATION, world.partner_a)
        assert [held["id"] for held in await listed(world, world.partner(), side="asked")] == [asked["id"]]
        answered = await answer(world, asked, world.partner())
        assert answered["decision"]["by_role"] == "partner"
        await world.admin.execute("update baton.clock set state = 'cancelled' where state = 'running'")
