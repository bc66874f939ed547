"""A missed clock is told once per step, in business time, until somebody acts; whoever dies in between loses nothing."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.db.session import Database
from app.domain.actor import Actor
from app.domain.errors import HandoverNotPendingError
from app.domain.ids import Prefix, show
from app.workers.adjudicator import Adjudicator
from app.workers.loops import AT_ONCE
from app.workers.timekeeper import Timekeeper
from tests.workers.journeys import Journeys, example, journeys, utc

MOMENT = timedelta(seconds=30)
"""Baton's clock runs on while a test acts."""


@pytest.fixture
async def world(database: Database, database_url: str) -> AsyncIterator[Journeys]:
    async with journeys(database, database_url) as held:
        await held.seed()
        await held.at("2026-11-30T23:30:00Z")  # Tuesday 08:30 in Tokyo: what starts now runs from 09:00
        yield held
        # Nothing of this tenant may be due in the tests that follow on the same database.
        await held.admin.execute("update baton.clock set state = 'cancelled' where state = 'running'")
        await held.admin.execute("update baton.escalation set next_at = null")


async def decide(world: Journeys) -> None:
    loop = Adjudicator(world.database)
    while await loop.cycle() == AT_ONCE:
        pass


async def keep_time(world: Journeys) -> None:
    loop = Timekeeper(world.database, "https://baton.example")
    while await loop.cycle() == AT_ONCE:
        pass


async def an_open_lead(world: Journeys, n: int = 1, *, test: bool = False) -> UUID:
    lead_id = await world.post(world.partner(), {"name": f"会社{n}", "domain": f"c{n}.example"}, test=test)
    await decide(world)
    return lead_id


def party(organization_id: UUID, role: str) -> dict[str, str]:
    return {"organization": show(Prefix.ORGANIZATION, organization_id), "role": role}


def steps_of(escalation: dict[str, Any]) -> list[tuple[int, list[int]]]:
    return [(entry["step"], entry["skipped"]) for entry in escalation["timeline"] if entry["what"] == "stepped"]


GOLDEN = [
    pytest.param("2026-12-01T10:00:00+09:00", "2026-12-02T10:00:00+09:00", id="lunch does not count"),
    pytest.param("2026-11-20T17:30:00+09:00", "2026-11-24T17:30:00+09:00", id="weekend and Labour Thanksgiving Day"),
    pytest.param("2026-12-28T12:30:00+09:00", "2027-01-04T12:00:00+09:00", id="from lunch over the turn of the year"),
    pytest.param("2026-12-05T15:00:00+09:00", "2026-12-07T18:00:00+09:00", id="from a Saturday"),
]


@pytest.mark.parametrize(("accepted", "due"), GOLDEN)
async def test_first_contact_is_due_after_480_business_minutes(world: Journeys, accepted: str, due: str) -> None:
    await world.at(accepted)
    lead_id = await an_open_lead(world)
    assert timedelta() <= (await world.clock(lead_id, "first_contact"))["due_at"] - utc(due) < MOMENT


async def test_a_ladder_is_climbed_step_by_step_with_one_page_each(world: Journeys) -> None:
    lead_id = await an_open_lead(world)
    await world.at("2026-12-01T17:59:30+09:00")
    await keep_time(world)
    assert await world.pages(lead_id) == []

    await world.at("2026-12-01T18:00:01+09:00")
    await keep_time(world)
    await keep_time(world)
    assert await world.events(lead_id) == ["lead.received", "lead.accepted", "clock.breached", "escalation.opened"]
    assert await world.pages(lead_id) == ["escalation.opened"]
    lead = await world.lead(lead_id)
    assert [(due["clock"], due["late"]) for due in lead["due"]] == [("first_contact", True)]
    assert (lead["version_internal"], lead["version_partner"]) == (4, 4)
    escalation = await world.escalation(lead_id)
    assert (escalation["status"], escalation["severity"], escalation["step"]) == ("open", "warning", 1)
    # 240 business minutes after 18:00 on Tuesday.
    assert escalation["next_at"] == utc("2026-12-02T14:00:00+09:00")

    await world.at("2026-12-02T13:59:30+09:00")
    await keep_time(world)
    assert (await world.escalation(lead_id))["step"] == 1
    await world.at("2026-12-02T14:00:01+09:00")
    await keep_time(world)
    # 480 more: 240 that afternoon, 240 until 14:00 the next day.
    assert (await world.escalation(lead_id))["next_at"] == utc("2026-12-03T14:00:00+09:00")
    await world.at("2026-12-03T14:00:01+09:00")
    await keep_time(world)
    await world.at("2026-12-09T14:00:01+09:00")
    await keep_time(world)
    escalation = await world.escalation(lead_id)
    assert await world.pages(lead_id) == ["escalation.opened", "escalation.stepped", "escalation.stepped"]
    assert steps_of(escalation) == [(1, []), (2, []), (3, [])]
    told = [entry["notified"] for entry in escalation["timeline"] if entry["what"] == "stepped"]
    assert told == [
        [party(world.partner_a, "partner")],
        [party(world.partner_a, "partner"), party(world.partner_a, "partner"), party(world.partner_a, "manager")],
        [party(world.tenant_id, "manager")],
    ]
    assert (escalation["status"], escalation["next_at"]) == ("open", None)


async def test_both_sides_read_the_same_escalation_and_only_the_client_is_paged(world: Journeys) -> None:
    lead_id = await an_open_lead(world)
    await world.at("2026-12-01T18:30:00+09:00")
    await keep_time(world)
    (ours,) = await world.bodies(lead_id, "escalation.opened", world.tenant_id)
    (theirs,) = await world.bodies(lead_id, "escalation.opened", world.partner_a)
    assert ours == theirs
    assert ours["owed_by"] == party(world.partner_a, "partner")
    assert ours["step"] == {
        "n": 1,
        "of": 3,
        "next_at": "2026-12-02T05:00:00Z",
        "next_target": ["owed_by", "waiting", "manager"],
    }
    assert ours["subject"]["company"] == "会社1"
    assert ours["playbook"] == {"program": "smb-inside-sales", "version": 1, "rule": "clocks.first_contact"}
    assert 1800 <= ours["late_by_s"] < 1830
    paged = await world.admin.fetch("select organization_id from baton.outbox where lead_id = $1 and page", lead_id)
    assert [row["organization_id"] for row in paged] == [world.tenant_id]


async def test_what_is_done_late_ends_its_escalation_and_is_told_to_the_same_tools(world: Journeys) -> None:
    lead_id = await an_open_lead(world)
    await world.at("2026-12-01T18:30:00+09:00")
    await keep_time(world)
    await world.call(world.partner(), lead_id)
    await world.at("2026-12-09T14:00:00+09:00")
    await keep_time(world)
    assert (await world.escalation(lead_id))["status"] == "resolved"
    assert await world.pages(lead_id) == ["escalation.opened", "escalation.resolved"]


async def test_a_test_lead_is_late_and_reaches_nobody(world: Journeys) -> None:
    lead_id = await an_open_lead(world, test=True)
    await world.at("2026-12-09T14:00:00+09:00")
    await keep_time(world)
    assert (await world.clock(lead_id, "first_contact"))["state"] == "breached"
    assert await world.pages(lead_id) == []
    assert await world.admin.fetchval("select count(*) from baton.escalation where lead_id = $1", lead_id) == 0


async def test_after_an_outage_the_highest_overdue_step_fires_once_and_names_the_others(world: Journeys) -> None:
    lead_id = await an_open_lead(world)
    await world.at("2026-12-02T15:00:00+09:00")
    await keep_time(world)
    escalation = await world.escalation(lead_id)
    assert steps_of(escalation) == [(2, [1])]
    # Due from due: the third step keeps its time, as if there had been no outage.
    assert escalation["next_at"] == utc("2026-12-03T14:00:00+09:00")
    assert await world.pages(lead_id) == ["escalation.opened"]


async def a_handover(world: Journeys, n: int = 1) -> tuple[UUID, UUID]:
    lead_id = await an_open_lead(world, n)
    return lead_id, await world.offer(world.partner(), lead_id)


async def test_an_unanswered_handover_ends_at_the_fallback_with_an_unbroken_chain_of_owners(world: Journeys) -> None:
    lead_id, handover_id = await a_handover(world)
    # 240 minutes from 09:00 end at 14:00; the steps follow at 14:00, 15:00 and 17:00.
    for moment in ("14:00:01", "15:00:01", "17:00:01"):
        await world.at(f"2026-12-01T{moment}+09:00")
        await keep_time(world)
    lead = await world.lead(lead_id)
    assert (lead["owner_organization_id"], lead["owner_role"]) == (world.tenant_id, "manager")
    chain = await world.admin.fetch(
        "select n, organization_id, role, from_at, until_at::text, until_at from baton.ownership"
        " where lead_id = $1 order by n",
        lead_id,
    )
    assert [(link["organization_id"], link["role"]) for link in chain] == [
        (world.partner_a, "partner"),
        (world.tenant_id, "manager"),
    ]
    assert chain[0]["until_at"] == chain[1]["from_at"]
    status = await world.admin.fetchval("select status from baton.handover where id = $1", handover_id)
    assert status == "timed_out"
    assert (await world.clock(lead_id, "handover_response"))["state"] == "cancelled"
    # Somebody owes something from now on, and the escalation waits for a person.
    progress = await world.clock(lead_id, "progress_owed")
    assert (progress["state"], progress["owed_role"]) == ("running", "manager")
    escalation = await world.escalation(lead_id)
    assert (escalation["status"], escalation["step"], escalation["next_at"]) == ("open", 3, None)
    assert await world.pages(lead_id) == ["escalation.opened", "escalation.stepped", "escalation.stepped"]
    body = (await world.bodies(lead_id, "escalation.stepped", world.tenant_id))[-1]
    assert body["owed_by"] == party(world.tenant_id, "manager")
    assert (await world.events(lead_id))[-3:] == ["handover.timed_out", "ownership.changed", "escalation.stepped"]


async def test_an_outage_over_a_whole_handover_ladder_still_ends_at_the_fallback_with_one_page(
    world: Journeys,
) -> None:
    lead_id, _ = await a_handover(world)
    await world.at("2026-12-03T09:30:00+09:00")
    await keep_time(world)
    assert (await world.lead(lead_id))["owner_role"] == "manager"
    ladder = await world.admin.fetchrow(
        "select * from baton.escalation where lead_id = $1 and trigger = 'handover_response'", lead_id
    )
    assert ladder is not None
    assert (ladder["step"], ladder["status"], ladder["next_at"]) == (3, "open", None)
    pages = await world.admin.fetch(
        "select o.type from baton.outbox o where o.lead_id = $1 and o.page and o.body like $2 order by id",
        lead_id,
        f"%{show(Prefix.ESCALATION, ladder['id'])}%",
    )
    assert [page["type"] for page in pages] == ["escalation.stepped"]


async def test_a_ladder_ends_where_its_fallback_takes_over_whatever_steps_were_left(world: Journeys) -> None:
    rules = example("playbook.yaml")
    steps = rules["ladders"]["handover"]["steps"]
    steps[1], steps[2] = steps[2], steps[1]
    other = Journeys(world.database, world.admin)
    await other.seed(rules)
    lead_id, _ = await a_handover(other)
    await other.at("2026-12-01T14:00:01+09:00")
    await keep_time(other)
    # The step that was third follows 120 minutes after the first.
    await other.at("2026-12-01T16:00:01+09:00")
    await keep_time(other)
    await other.at("2026-12-02T12:00:00+09:00")
    await keep_time(other)
    assert await other.pages(lead_id) == ["escalation.opened", "escalation.stepped"]
    escalation = await other.escalation(lead_id)
    assert (escalation["status"], escalation["step"], escalation["next_at"]) == ("open", 2, None)


async def test_two_timekeepers_at_once_fire_each_step_once(world: Journeys) -> None:
    leads = [await an_open_lead(world, n) for n in range(30)]
    await world.at("2026-12-01T18:30:00+09:00")
    await asyncio.gather(keep_time(world), keep_time(world), keep_time(world))
    await keep_time(world)
    for lead_id in leads:
        assert await world.pages(lead_id) == ["escalation.opened"]


async def test_a_worker_killed_in_the_middle_loses_nothing_and_fires_nothing_twice(world: Journeys) -> None:
    leads = [await an_open_lead(world, n) for n in range(60)]
    await world.at("2026-12-01T18:30:00+09:00")
    broken = 0
    for _ in range(10):
        task = asyncio.create_task(keep_time(world))
        await asyncio.sleep(0.03)
        await world.admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where usename = 'baton_worker' and datname = current_database() and state <> 'idle'"
        )
        (result,) = await asyncio.gather(task, return_exceptions=True)
        broken += isinstance(result, BaseException)
    await keep_time(world)
    for lead_id in leads:
        assert (await world.events(lead_id))[2:] == ["clock.breached", "escalation.opened"]
        assert (await world.escalation(lead_id))["step"] == 1
    assert broken


async def test_a_lead_that_resists_is_set_aside_and_stops_no_other(world: Journeys) -> None:
    broken = await an_open_lead(world, 1)
    sound = await an_open_lead(world, 2)
    await world.admin.execute("update baton.clock set name = 'unknown' where lead_id = $1", broken)
    await world.at("2026-12-01T18:30:00+09:00")
    await keep_time(world)
    assert await world.pages(sound) == ["escalation.opened"]
    assert await world.pages(broken) == []
    await world.admin.execute("update baton.clock set name = 'first_contact' where lead_id = $1", broken)
    await keep_time(world)
    assert await world.pages(broken) == ["escalation.opened"]


async def _answer(world: Journeys, actor: Actor, handover_id: UUID) -> bool:
    await asyncio.sleep(random.random() / 2)
    try:
        await world.accept(actor, handover_id)
    except HandoverNotPendingError:
        return False
    return True


@pytest.mark.parametrize("moment", ["2026-12-01T14:30:00+09:00", "2026-12-01T17:30:00+09:00"], ids=["miss", "end"])
async def test_no_page_follows_a_committed_answer_and_nothing_deadlocks(world: Journeys, moment: str) -> None:
    pairs = [await a_handover(world, n) for n in range(60)]
    actor = world.internal("internal_sales")
    if moment.startswith("2026-12-01T17"):
        await world.at("2026-12-01T15:00:01+09:00")
        await keep_time(world)
    await world.at(moment)
    answers = asyncio.gather(*(_answer(world, actor, handover_id) for _, handover_id in pairs))

    async def watch() -> None:
        await asyncio.sleep(0.1)
        while not answers.done():
            await keep_time(world)
            await asyncio.sleep(0.005)

    accepted, *_ = await asyncio.gather(answers, watch(), watch())
    await keep_time(world)
    for (lead_id, _), took in zip(pairs, accepted, strict=True):
        events = await world.events(lead_id)
        lead = await world.lead(lead_id)
        assert ("handover.accepted" in events) is took
        assert lead["owner_role"] == ("internal_sales" if took else "manager")
        told = await world.admin.fetch("select type, page from baton.outbox where lead_id = $1 order by id", lead_id)
        kinds = [row["type"] for row in told]
        if took:
            after = kinds[kinds.index("handover.accepted") :]
            assert not {"escalation.opened", "escalation.stepped", "clock.breached"} & set(after)
        assert kinds.count("escalation.opened") <= 2
        links = await world.admin.fetch("select * from baton.ownership where lead_id = $1 order by n", lead_id)
        assert len(links) == 2
        assert links[0]["until_at"] == links[1]["from_at"]
    # A late answer still counts as long as the ladder has not ended; at its end some were first, some were not.
    assert all(accepted) if moment.startswith("2026-12-01T14") else 0 < sum(accepted) < len(pairs)
