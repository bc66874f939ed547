"""The first claim holds, a vendor learns nothing about the others, and two adjudicators decide nothing twice."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from app.db.session import Database
from app.workers.adjudicator import Adjudicator
from app.workers.loops import AT_ONCE
from tests.workers.journeys import COMPANY, Journeys, journeys, utc


@pytest.fixture
async def world(database: Database, database_url: str) -> AsyncIterator[Journeys]:
    async with journeys(database, database_url) as held:
        await held.seed()
        await held.at("2026-11-30T23:30:00Z")  # Tuesday 08:30 in Tokyo: what starts now runs from 09:00
        yield held


async def decide(world: Journeys) -> None:
    loop = Adjudicator(world.database)
    while await loop.cycle() == AT_ONCE:
        pass


async def statuses(world: Journeys, *leads: UUID) -> list[str]:
    return [(await world.lead(lead_id))["status"] for lead_id in leads]


async def test_a_lead_that_nobody_claims_is_accepted_and_its_first_contact_is_due_in_business_time(
    world: Journeys,
) -> None:
    lead_id = await world.post(world.partner())
    await decide(world)
    lead = await world.lead(lead_id)
    assert lead["status"] == "open"
    assert await world.events(lead_id) == ["lead.received", "lead.accepted"]
    clock = await world.clock(lead_id, "first_contact")
    # 480 business minutes are 09:00-12:00 and 13:00-18:00.
    assert clock["due_at"] == utc("2026-12-01T09:00:00Z")
    assert [due["clock"] for due in lead["due"]] == ["first_contact"]
    assert await world.admin.fetchval("select count(*) from baton.adjudication where lead_id = $1", lead_id) == 0
    claim = await world.admin.fetchrow("select * from baton.claim where lead_id = $1", lead_id)
    assert claim is not None
    assert (claim["expires_at"] - claim["claimed_at"]).days == 90
    # A view's version grows with each fact that it sees; both sides saw both.
    assert (lead["version_internal"], lead["version_partner"]) == (2, 2)


SPELLINGS = [
    pytest.param(COMPANY, {"name": "別の名前", "corporate_number": "7999901000001"}, False, id="same number"),
    pytest.param(
        {"name": "株式会社サンプル商事", "domain": "sample.example"},
        {"name": "サンプル商事（株）", "domain": "WWW.Sample.Example"},
        False,
        id="other legal form, other case of the domain",
    ),
    pytest.param(
        {"name": "サーバー工業㈱", "phone": "03-1234-5678"},
        {"name": "株式会社サーバ工業", "phone": "+81 3 1234 5678"},
        False,
        id="long vowel and country code",
    ),
    pytest.param(
        {"name": "株式会社サンプル商事", "domain": "sample.example"},
        {"name": "株式会社サンプル商事", "domain": "other.example"},
        True,
        id="the name alone is no key",
    ),
    pytest.param({"name": "株式会社サンプル商事"}, {"name": "株式会社サンプル商事"}, True, id="no key matches nothing"),
    pytest.param(
        {"name": "甲", "domain": "gmail.com"}, {"name": "甲", "domain": "gmail.com"}, True, id="free mail is no key"
    ),
]


@pytest.mark.parametrize(("first", "second", "accepted"), SPELLINGS)
async def test_another_partners_lead_of_the_same_company_is_not_available(
    world: Journeys, first: dict[str, Any], second: dict[str, Any], accepted: bool
) -> None:
    held = await world.post(world.partner(world.partner_a), first)
    late = await world.post(world.partner(world.partner_b), second)
    await decide(world)
    assert await statuses(world, held, late) == ["open", "open" if accepted else "not_accepted"]


async def test_a_refusal_says_what_may_be_done_and_not_who_holds_the_company(world: Journeys) -> None:
    await world.post(world.partner(world.partner_a))
    late = await world.post(world.partner(world.partner_b))
    await decide(world)
    decision = (await world.lead(late))["decision"]
    # Ten business days after Tuesday 1 December, at the opening.
    assert decision.pop("contest_until") == "2026-12-15T00:00:00Z"
    assert decision == {"reason": "not_available", "label_en": "Not available", "label_ja": "受付対象外"}
    for organization_id in (world.tenant_id, world.partner_b):
        (body,) = await world.bodies(late, "lead.not_accepted", organization_id)
        assert body["decision"]["reason"] == "not_available"
        assert world.partner_a.hex not in str(body)
    assert await world.events(late) == ["lead.received", "lead.not_accepted"]
    assert await world.admin.fetchval("select count(*) from baton.clock where lead_id = $1", late) == 0


async def test_a_further_contact_at_the_partners_own_company_joins_its_claim_and_adds_its_keys(
    world: Journeys,
) -> None:
    mine = world.partner(world.partner_a)
    first = await world.post(mine, {"name": "甲工業", "domain": "kou.example"})
    second = await world.post(mine, {"name": "甲工業", "domain": "kou.example", "phone": "03-1111-2222"})
    rival = await world.post(world.partner(world.partner_b), {"name": "甲工業", "phone": "0311112222"})
    await decide(world)
    assert await statuses(world, first, second, rival) == ["open", "open", "not_accepted"]
    claims = await world.admin.fetch(
        "select distinct claim_id from baton.claimed_lead where lead_id = any($1::uuid[])", [first, second]
    )
    assert len(claims) == 1


async def test_a_lead_that_two_partners_hold_in_part_is_not_available_to_either(world: Journeys) -> None:
    mine, other = world.partner(world.partner_a), world.partner(world.partner_b)
    await world.post(mine, {"name": "乙工業", "domain": "otsu.example"})
    await world.post(other, {"name": "乙工業", "phone": "03-1111-3333"})
    both = await world.post(mine, {"name": "乙工業", "domain": "otsu.example", "phone": "03-1111-3333"})
    await decide(world)
    assert await statuses(world, both) == ["not_accepted"]


async def test_an_expired_claim_holds_nothing(world: Journeys) -> None:
    await world.post(world.partner(world.partner_a))
    await decide(world)
    await world.ahead(days=91)
    rival = await world.post(world.partner(world.partner_b))
    again = await world.post(world.partner(world.partner_a))
    await decide(world)
    assert await statuses(world, rival, again) == ["open", "not_accepted"]


async def test_test_leads_make_and_see_no_claims(world: Journeys) -> None:
    trial = await world.post(world.partner(world.partner_a), test=True)
    real = await world.post(world.partner(world.partner_b))
    second_trial = await world.post(world.partner(world.partner_a), test=True)
    await decide(world)
    assert await statuses(world, trial, real, second_trial) == ["open", "open", "open"]
    assert await world.admin.fetchval("select count(*) from baton.claim where tenant_id = $1", world.tenant_id) == 1


async def test_a_lead_posted_for_a_partner_is_answered_on_a_clock_that_starts_with_its_acceptance(
    world: Journeys,
) -> None:
    lead_id = await world.post(world.internal("manager"))
    await world.ahead(minutes=60)
    await decide(world)
    lead = await world.lead(lead_id)
    assert {due["clock"]: due["owed_by"] for due in lead["due"]} == {
        "first_contact": "manager",
        "handover_response": "partner",
    }
    clock = await world.clock(lead_id, "handover_response")
    # 09:30 and 240 business minutes: 150 before lunch, 90 after.
    assert 0 <= (clock["due_at"] - utc("2026-12-01T05:30:00Z")).total_seconds() < 20
    handover = await world.admin.fetchrow("select * from baton.handover where lead_id = $1", lead_id)
    assert handover is not None
    assert (handover["status"], handover["due_at"], handover["id"]) == (
        "requested",
        clock["due_at"],
        clock["handover_id"],
    )
    assert await world.events(lead_id) == ["lead.received", "handover.requested", "lead.accepted"]


async def test_a_lead_posted_for_a_partner_whose_company_is_held_takes_its_handover_back(world: Journeys) -> None:
    await world.post(world.partner(world.partner_b))
    lead_id = await world.post(world.internal("manager"))
    await decide(world)
    assert await statuses(world, lead_id) == ["not_accepted"]
    assert await world.admin.fetchval("select status from baton.handover where lead_id = $1", lead_id) == "withdrawn"
    assert (await world.events(lead_id))[2:] == ["handover.withdrawn", "lead.not_accepted"]


async def test_of_parallel_leads_of_one_company_the_first_number_wins_whatever_adjudicators_do(
    world: Journeys, caplog: pytest.LogCaptureFixture
) -> None:
    rivals = [world.partner(world.partner_a), world.partner(world.partner_b)]
    gate = asyncio.Semaphore(12)

    async def post(n: int) -> UUID:
        async with gate:
            return await world.post(rivals[n % 2], {"name": f"丙{n}", "corporate_number": "7999901000001"})

    leads = await asyncio.gather(*(post(n) for n in range(200)))
    await asyncio.gather(decide(world), decide(world))
    await decide(world)
    assert not caplog.records  # no batch failed and was saved by being tried again
    rows = await world.admin.fetch(
        "select n, partner_id, status from baton.lead where id = any($1::uuid[]) order by n", leads
    )
    winner = rows[0]["partner_id"]
    assert [row["status"] for row in rows] == [
        "open" if row["partner_id"] == winner else "not_accepted" for row in rows
    ]
    decided = await world.admin.fetch(
        "select lead_id from baton.event where type in ('lead.accepted', 'lead.not_accepted')"
        " and lead_id = any($1::uuid[])",
        leads,
    )
    assert sorted(row["lead_id"] for row in decided) == sorted(leads)
    assert await world.admin.fetchval("select count(*) from baton.claim where tenant_id = $1", world.tenant_id) == 1


async def test_an_edit_in_flight_does_not_cost_the_first_its_place(world: Journeys) -> None:
    first = await world.post(world.partner(world.partner_a))
    rival = await world.post(world.partner(world.partner_b))
    stranger = await world.post(world.partner(world.partner_b), {"name": "丁", "domain": "tei.example"})
    async with world.admin.transaction():
        await world.admin.execute("select from baton.lead where id = $1 for no key update", first)
        await decide(world)
        assert await statuses(world, first, rival, stranger) == ["received", "received", "open"]
    await decide(world)
    assert await statuses(world, first, rival) == ["open", "not_accepted"]


async def test_a_lead_that_cannot_be_decided_is_set_aside_and_stops_no_other(world: Journeys) -> None:
    broken = await world.post(world.partner(world.partner_a), {"name": "戊", "domain": "bo.example"})
    sound = await world.post(world.partner(world.partner_a), {"name": "己", "domain": "ki.example"})
    # A lead that is no longer received has no business in the queue.
    await world.admin.execute("update baton.lead set status = 'closed' where id = $1", broken)
    await decide(world)
    assert await statuses(world, broken, sound) == ["closed", "open"]
    await world.admin.execute("update baton.lead set status = 'received' where id = $1", broken)
    await decide(world)
    assert await statuses(world, broken) == ["received"]
    await world.ahead(minutes=2)
    await decide(world)
    assert await statuses(world, broken) == ["open"]


async def test_an_adjudicator_killed_in_the_middle_loses_nothing_and_decides_nothing_twice(world: Journeys) -> None:
    leads = [
        await world.post(world.partner(world.partner_a), {"name": f"庚{n}", "domain": "kou.example"}) for n in range(60)
    ]
    for _ in range(8):
        task = asyncio.create_task(decide(world))
        await asyncio.sleep(0.02)
        await world.admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where usename = 'baton_worker' and datname = current_database()"
        )
        await asyncio.gather(task, return_exceptions=True)
    await world.ahead(minutes=2)
    await decide(world)
    for lead_id in leads:
        assert await world.events(lead_id) == ["lead.received", "lead.accepted"]
