"""The first claim holds, a vendor learns nothing about the others, and two adjudicators decide nothing twice."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from typing import Any
from uuid import UUID

import pytest

from app.db.batches import Batches
from app.db.session import Database, Transaction
from app.db.writes import Writes
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


async def mixed(world: Journeys) -> list[UUID]:
    """Post leads of every kind: fresh, joining, held by another, by keys of two partners, tests, posted for a partner."""
    mine, other, internal = world.partner(world.partner_a), world.partner(world.partner_b), world.internal("manager")
    held = {"name": "辛", "domain": "kano.example", "phone": "03-1111-4444"}
    return [
        await world.post(mine, {"name": "辛", "domain": "kano.example"}),
        await world.post(internal, {"name": "壬", "domain": "mizu.example"}),
        await world.post(mine, held),
        await world.post(other, {"name": "辛", "phone": "0311114444"}),
        await world.post(other, COMPANY),
        await world.post(mine, {"name": "癸", "domain": "kiko.example"}, test=True),
        await world.post(internal, COMPANY),
        await world.post(mine, {"name": "別", "corporate_number": COMPANY["corporate_number"]}),
        await world.post(other, {"name": "壬", "domain": "mizu.example"}),
    ]


async def decided(world: Journeys, leads: list[UUID]) -> list[Any]:
    """Return what was written about each lead, told without the ids that differ from tenant to tenant."""
    first: dict[UUID, int] = {}
    seen: list[Any] = []
    for lead_id in leads:
        lead = await world.lead(lead_id)
        claim = await world.admin.fetchval("select claim_id from baton.claimed_lead where lead_id = $1", lead_id)
        keys = await world.admin.fetchval(
            "select count(*) from baton.claim_key k join baton.claim c on c.id = k.claim_id where c.lead_id = $1",
            lead_id,
        )
        clocks = await world.admin.fetch(
            "select name, state, due_at, owed_role from baton.clock where lead_id = $1 order by name", lead_id
        )
        handovers = await world.admin.fetch("select status, due_at from baton.handover where lead_id = $1", lead_id)
        told = await world.admin.fetch(
            "select organization_id = tenant_id as internal, type, body from baton.outbox where lead_id = $1 order by id",
            lead_id,
        )
        seen.append(
            (
                lead["status"], lead["stage"], lead["decision"], lead["due"], lead["owner_role"],
                lead["version_internal"], lead["version_partner"],
                claim and first.setdefault(claim, len(first)), keys,
                [tuple(clock) for clock in clocks], [tuple(handover) for handover in handovers],
                await world.events(lead_id),
                [(row["internal"], row["type"], json.loads(row["body"])["data"]["lead_sequence"]) for row in told],
            )
        )  # fmt: skip
    return seen


async def test_a_batch_of_all_kinds_is_decided_as_its_leads_would_be_one_by_one(
    world: Journeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    singly = Journeys(world.database, world.admin)
    await singly.seed()
    ours, theirs = await mixed(world), await mixed(singly)
    statements = 0
    run = Batches.run

    async def counted(self: Batches, tx: Transaction, sets: Iterable[Writes]) -> None:
        nonlocal statements
        statements += 1
        await run(self, tx, sets)

    monkeypatch.setattr(Batches, "run", counted)
    assert await Adjudicator(world.database)._batch(world.tenant_id, 50) == len(ours)
    assert statements == 1
    while await Adjudicator(world.database)._batch(singly.tenant_id, 1):
        pass
    assert statements == 1 + len(theirs)

    together = await decided(world, ours)
    assert together == await decided(singly, theirs)
    assert [seen[0] for seen in together] == [
        "open", "open", "open", "not_accepted", "open", "open", "not_accepted", "not_accepted", "not_accepted",
    ]  # fmt: skip
    assert [seen[7] for seen in together] == [0, 1, 0, None, 2, None, None, None, None]


async def test_a_batch_adds_and_changes_rows_of_many_leads_as_one_set_would(world: Journeys) -> None:
    actor = world.internal("manager")
    leads = [await world.post(actor) for _ in range(3)]
    common = {"tenant_id": world.tenant_id, "partner_id": world.partner_a}

    def kept(name: str) -> list[Writes]:
        sets = [Writes() for _ in leads]
        for one, lead_id in zip(sets, leads, strict=True):
            one.upsert("contact", {**common, "lead_id": lead_id}, {"document": json.dumps({"name": name})})
        return sets

    for name in ("added", "changed"):
        async with world.acting(actor) as tx:
            await Batches().run(tx, kept(name))
        found = await world.admin.fetch("select document ->> 'name' from baton.contact where lead_id = any($1)", leads)
        assert [row[0] for row in found] == [name] * 3


async def test_one_cycle_serves_every_tenant_that_has_leads_waiting(world: Journeys) -> None:
    worlds = [world, *(Journeys(world.database, world.admin) for _ in range(3))]
    leads: list[UUID] = []
    for each in worlds:
        if each is not world:
            await each.seed()
        leads.append(await each.post(each.partner()))
    await world.admin.execute(
        "update baton.adjudication set queued_at = baton.now() + interval '1 hour' where lead_id = $1", leads[1]
    )
    await Adjudicator(world.database).cycle()
    assert await statuses(world, *leads) == ["open", "received", "open", "open"]


async def test_leads_that_were_set_aside_hide_no_other_however_many_they_are(world: Journeys) -> None:
    async def due_in() -> float:
        due = Adjudicator(world.database).due
        return await world.admin.fetchval(f"select extract(epoch from {due} - now())::float8")

    lead_id = await world.post(world.partner())
    async with world.admin.transaction():
        await world.admin.execute("alter table baton.adjudication disable trigger all")
        await world.admin.execute(
            "insert into baton.adjudication (tenant_id, partner_id, lead_id, n, queued_at) overriding system value"
            " select tenant_id, partner_id, gen_random_uuid(), -k, baton.now() + interval '1 hour'"
            " from baton.adjudication, generate_series(1, 300) as k where lead_id = $1",
            lead_id,
        )
        await world.admin.execute("alter table baton.adjudication enable trigger all")
    try:
        assert await due_in() <= 0
        await decide(world)
        assert await statuses(world, lead_id) == ["open"]
        assert 3500 < await due_in() <= 3600
    finally:
        await world.admin.execute("delete from baton.adjudication where tenant_id = $1 and n < 0", world.tenant_id)


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
