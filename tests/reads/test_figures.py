"""Figures against numbers counted by hand from a small ledger that is written out below."""

from datetime import datetime
from uuid import UUID, uuid4

import pytest

from app.domain.ids import Prefix, show
from tests.reads.world import World

PAIN = {"process": {"pain_points": [{"category": "process"}]},
        "both": {"pain_points": [{"category": "process"}, {"category": "cost"}]}}  # fmt: skip


def at(text: str) -> datetime:
    """Return a moment of Tokyo's clock in 2026."""
    return datetime.fromisoformat(f"2026-{text}:00+09:00")


async def fact(world: World, lead_id: UUID, event: str, moment: str, sides: str = "both", /, **data) -> None:
    row = await world.admin.fetchrow("select partner_id, test from baton.lead where id = $1", lead_id)
    await world.insert(
        "event", id=uuid4(), at=at(moment), type=event, actor_role="x", request_id="r", lead_id=lead_id, sides=sides,
        data=data, **row,
    )  # fmt: skip


async def call(world: World, lead_id: UUID, moment: str, disposition: str, **more) -> None:
    done = {"kind": "call", "disposition": disposition, "at": at(moment).isoformat(), "contact_role": None, **more}
    await fact(world, lead_id, "activity.logged", moment, **done)


async def meeting(world: World, lead_id: UUID, logged: str, disposition: str, moment: str) -> None:
    done = {"kind": "meeting", "disposition": disposition, "at": at(moment).isoformat()}
    await fact(world, lead_id, "activity.logged", logged, **done)


async def handover(world: World, lead_id: UUID, verb: str, moment: str, meeting_at: str, reason: str | None = None):
    said = {"status": verb, "meeting_at": at(meeting_at).isoformat(), "reason": reason}
    await fact(world, lead_id, f"handover.{verb}", moment, **said)


async def outcome(
    world: World, lead_id: UUID, verb: str, moment: str, outcome_id: str, result: str, reason: str, **more
):
    said = {"outcome_id": outcome_id, "result": result, "reason": reason, "secondary_reasons": [], **more}
    await fact(world, lead_id, f"outcome.{verb}", moment, **said)


@pytest.fixture(scope="module")
async def ledger(world: World) -> World:
    a, b = world.actor(world.partner_a), world.actor(world.partner_b)

    async def received(by, external_id: str, moment: str, **more) -> UUID:
        lead_id = await world.post(by, external_id, name=external_id, **more)
        await world.admin.execute("update baton.event set at = $2 where lead_id = $1", lead_id, at(moment))
        return lead_id

    a1 = await received(a, "A1", "11-02T10:00", company={"industry": "manufacturing"}, context=PAIN["process"])
    await call(world, a1, "11-04T10:00", "no_answer")
    await call(world, a1, "11-04T11:00", "connected", contact_role="decision_maker")
    await call(world, a1, "11-05T10:00", "appointment_set")
    await fact(world, a1, "activity.logged", "11-05T11:00", "internal", kind="call", disposition="connected",
               at=at("11-05T11:00").isoformat())  # fmt: skip
    await handover(world, a1, "requested", "11-05T12:00", "11-10T10:00")
    await handover(world, a1, "rejected", "11-05T13:00", "11-10T10:00", "meeting_not_held")
    await handover(world, a1, "requested", "11-06T12:00", "11-10T10:00")
    await meeting(world, a1, "11-10T12:00", "held", "11-10T10:05")
    await fact(world, a1, "stage.entered", "11-11T10:00", **{"from": "evaluation", "to": "negotiation"})
    await fact(world, a1, "feedback.given", "11-12T10:00", meeting_held=True)
    await outcome(world, a1, "closed", "12-01T10:00", "o1", "won", "price", version=1, amount="1200000",
                  annual_value="600000", currency="JPY")  # fmt: skip
    await outcome(world, a1, "corrected", "12-03T10:00", "o1", "won", "price", version=2, amount="1000000",
                  annual_value="500000", currency="JPY")  # fmt: skip

    a2 = await received(a, "A2", "11-03T10:00", company={"industry": "it"}, context=PAIN["both"])
    await call(world, a2, "11-06T10:00", "refused", contact_role="user")
    await handover(world, a2, "requested", "11-07T10:00", "11-12T10:00")
    await handover(world, a2, "returned", "11-08T10:00", "11-12T10:00")
    await meeting(world, a2, "11-12T12:00", "no_show", "11-12T10:00")
    await outcome(world, a2, "closed", "11-20T10:00", "o2", "pending", "timing", version=1)
    await outcome(world, a2, "closed", "12-10T10:00", "o3", "lost", "price", version=1, secondary_reasons=["timing"])

    a3 = await received(a, "A3", "11-09T10:00")
    await call(world, a3, "11-09T11:00", "connected")
    await world.admin.execute("update baton.lead set status = 'not_accepted' where id = $1", a3)
    a4 = await received(a, "A4", "11-09T10:00", test=True)
    await call(world, a4, "11-09T11:00", "connected")

    a5 = await received(a, "A5", "12-01T00:30")  # still November in UTC
    await call(world, a5, "12-03T10:00", "callback_requested")
    await meeting(world, a5, "12-03T11:00", "scheduled", "12-28T10:00")

    b1 = await received(b, "B1", "11-04T10:00")
    await call(world, b1, "11-05T10:00", "voicemail")
    await outcome(world, b1, "closed", "11-06T10:00", "o4", "disqualified", "no_fit", version=1)

    for partner, day, calls, connected in (
        (world.partner_a, "2026-11-02", 40, 8),
        (world.partner_b, "2026-12-01", 10, 2),
    ):
        await world.insert(
            "call_count", partner_id=partner, program_id=world.program, on_date=datetime.fromisoformat(day).date(),
            calls=calls, connected=connected, updated_at=at("12-01T10:00"),
        )  # fmt: skip
    await world.admin.execute("update baton.test_clock set ahead = $1 - now()", at("12-14T12:00"))
    return world


COLUMNS = ("calls", "connected", "leads", "key_person_leads", "appointments", "meetings_held", "qualified", "won", "lost",
           "pending")  # fmt: skip


def counts(item: dict) -> tuple[int, ...]:
    return tuple(item[name] for name in COLUMNS)


def money(value: str) -> dict:
    return {"value": value, "currency": "JPY"}


async def figures(world: World, by, what: str = "funnel", **params) -> list[dict]:
    answer = await world.get(by, f"/v1/kpis/{what}", **params)
    assert answer["as_of"].startswith("2026-12-14T03:00:")
    return answer["items"]


async def test_the_funnel_of_all_leads_is_what_was_counted_by_hand(ledger: World):
    (item,) = await figures(ledger, ledger.actor())
    assert item == {
        "group": None, "calls": 56, "connected": 14, "leads": 4, "key_person_leads": 1, "appointments": 3,
        "meetings_held": 1, "qualified": 1, "won": 1, "lost": 1, "pending": 0, "amount_won": money("1000000"),
        "annual_value_won": money("500000"), "by_currency": [],
        "rates": {
            "connect": {"numerator": 14, "denominator": 56, "value": 0.25},
            "key_person": {"numerator": 1, "denominator": 3, "value": 1 / 3},
            "appointment": {"numerator": 3, "denominator": 14, "value": 3 / 14},
            "show": {"numerator": 1, "denominator": 2, "value": 0.5},
            "qualified": {"numerator": 1, "denominator": 1, "value": 1.0},
            "win": {"numerator": 1, "denominator": 2, "value": 0.5},
            "acv": {"numerator": money("500000"), "denominator": 1, "value": money("500000")},
        },
    }  # fmt: skip


@pytest.mark.parametrize("what", ["funnel", "reasons"])
@pytest.mark.parametrize("view", ["cohort", "period"])
@pytest.mark.parametrize("group_by", [None, "month", "partner", "industry", "source_kind", "pain_category", "playbook"])
async def test_both_sides_read_the_same_figures(ledger: World, what: str, view: str, group_by: str | None):
    partner, params = ledger.actor(ledger.partner_a), {"view": view, **({"group_by": group_by} if group_by else {})}
    own = await figures(ledger, partner, what, **params)
    theirs = await figures(ledger, ledger.actor(), what, partner=show(Prefix.ORGANIZATION, ledger.partner_a), **params)
    assert own
    assert own == theirs


async def test_a_partner_reads_nothing_of_another(ledger: World):
    partner = ledger.actor(ledger.partner_a)
    (own,) = await figures(ledger, partner)
    assert counts(own) == (45, 12, 3, 1, 3, 1, 1, 1, 1, 0)
    (other,) = await figures(ledger, partner, partner=show(Prefix.ORGANIZATION, ledger.partner_b))
    assert counts(other) == (0,) * 10
    assert other["rates"]["win"] == {"numerator": 0, "denominator": 0, "value": None}


async def test_a_cohort_is_what_became_of_its_leads_and_a_period_is_what_happened_in_it(ledger: World):
    november = {"from": "2026-11-01", "to": "2026-11-30"}
    partner = ledger.actor(ledger.partner_a)
    (cohort,) = await figures(ledger, partner, view="cohort", **november)
    (period,) = await figures(ledger, partner, view="period", **november)
    assert counts(cohort) == (44, 11, 2, 1, 2, 1, 1, 1, 1, 0)
    assert counts(period) == (44, 11, 2, 1, 2, 1, 1, 0, 0, 0)
    assert period["amount_won"] is None
    (last_day,) = await figures(ledger, partner, view="period", **{"from": "2026-11-30", "to": "2026-11-30"})
    assert counts(last_day) == (0,) * 10


async def test_months_are_those_of_the_programs_calendar_and_add_up(ledger: World):
    partner = ledger.actor(ledger.partner_a)
    months = {item["group"]: counts(item) for item in await figures(ledger, partner, view="period", group_by="month")}
    assert months == {
        "2026-11": (44, 11, 2, 1, 2, 1, 1, 0, 0, 0),
        "2026-12": (1, 1, 1, 0, 1, 0, 0, 1, 1, 0),
    }


async def test_a_lead_counts_in_each_of_its_pain_categories(ledger: World):
    items = await figures(ledger, ledger.actor(), group_by="pain_category")
    assert [(item["group"], item["leads"], item["calls"]) for item in items] == [
        ("cost", 1, 1), ("process", 2, 4), (None, 2, 52),
    ]  # fmt: skip


async def test_what_was_agreed_before_and_after_is_compared(ledger: World):
    for version, day in ((2, "11-04T00:00"), (10, "12-01T00:00"), (3, None)):
        await ledger.insert(
            "playbook", id=uuid4(), program_id=ledger.program, version=version, document={}, comment="",
            status="superseded" if day else "declined", proposed_by=ledger.tenant, proposed_at=at("11-01T00:00"),
            in_force_at=at(day) if day else None, review_on=at("12-20T00:00").date(), document_hash="",
        )  # fmt: skip
    items = await figures(ledger, ledger.actor(), group_by="playbook")
    await ledger.admin.execute("delete from baton.playbook where version > 1 and tenant_id = $1", ledger.tenant)
    assert [(item["group"], item["leads"], item["calls"], item["won"]) for item in items] == [
        ("smb-inside-sales/1", 2, 44, 1), ("smb-inside-sales/2", 1, 1, 0), ("smb-inside-sales/10", 1, 11, 0),
    ]  # fmt: skip


async def test_reasons_are_counted_with_their_labels(ledger: World):
    items = await figures(ledger, ledger.actor(), "reasons")
    assert [
        (item["kind"], item["reason"] and item["reason"]["code"], item["count"], item["secondary"]) for item in items
    ] == [
        ("disqualified", "no_fit", 1, 0), ("lost", "price", 1, 0), ("rejected", "meeting_not_held", 1, 0),
        ("returned", None, 1, 0), ("lost", "timing", 0, 1),
    ]  # fmt: skip
    assert items[1]["reason"] == {"code": "price", "label_en": "Price", "label_ja": "価格"}


async def test_what_was_won_in_two_currencies_is_not_added_up(ledger: World):
    other = ledger.actor(ledger.partner_b)
    won = await ledger.post(other, "B2", name="B2", company={"industry": "retail"})
    also = await ledger.post(other, "B3", name="B3", company={"industry": "retail"})
    await outcome(ledger, won, "closed", "12-01T10:00", "o5", "won", "price", amount="100", currency="JPY")
    await outcome(ledger, also, "closed", "12-01T10:00", "o6", "won", "price", amount="99.5", currency="EUR")
    (item,) = [one for one in await figures(ledger, other, group_by="industry") if one["group"] == "retail"]
    assert (item["won"], item["amount_won"]) == (2, None)
    assert item["by_currency"] == [
        {"currency": "EUR", "won": 1, "amount_won": {"value": "99.50", "currency": "EUR"}, "annual_value_won": None},
        {"currency": "JPY", "won": 1, "amount_won": money("100"), "annual_value_won": None},
    ]
    for lead_id in (won, also):
        await ledger.admin.execute("update baton.lead set status = 'not_accepted' where id = $1", lead_id)


async def test_feedback_debt_is_what_is_owed_and_late_in_business_minutes(ledger: World):
    lead_id = await ledger.admin.fetchval("select id from baton.lead where external_id = 'A5'")
    for name, owed, role, due in (
        ("handover_response", ledger.tenant, "internal_sales", "12-11T17:00"),  # Friday: 60 and, on Monday, 180 minutes
        ("feedback_owed", ledger.tenant, "internal_sales", "12-14T11:30"),
        ("outcome_owed", ledger.tenant, "internal_sales", "12-20T10:00"),
        ("outcome_owed", ledger.tenant, "customer_success", "12-20T10:00"),
        ("first_contact", ledger.partner_a, "partner", "12-01T10:00"),
        ("answer_owed", ledger.partner_a, "partner", "12-01T10:00"),
    ):
        await ledger.insert(
            "clock", partner_id=ledger.partner_a, id=uuid4(), lead_id=lead_id, name=name, owed_organization_id=owed,
            owed_role=role, waiting_organization_id=ledger.partner_a, waiting_role="partner",
            started_at=at("12-01T10:00"), due_at=at(due), state="running", playbook_id=ledger.playbook,
            calendar_id=ledger.calendar,
        )  # fmt: skip
    expected = [
        {"partner": show(Prefix.ORGANIZATION, ledger.partner_a), "role": "customer_success", "open": 1, "overdue": 0,
         "oldest_business_minutes": None},
        {"partner": show(Prefix.ORGANIZATION, ledger.partner_a), "role": "internal_sales", "open": 3, "overdue": 2,
         "oldest_business_minutes": 240},
    ]  # fmt: skip
    for by in (ledger.actor(), ledger.actor(ledger.partner_a)):
        assert await figures(ledger, by, "feedback-debt") == expected
    debt = await ledger.get(ledger.actor(), "/v1/kpis/feedback-debt", program="smb-inside-sales")
    assert debt["overdue"] == 2
    assert await figures(ledger, ledger.actor(ledger.partner_b), "feedback-debt") == []


async def test_a_program_that_the_caller_does_not_see_does_not_exist(ledger: World):
    for what in ("funnel", "reasons", "feedback-debt"):
        answer = await ledger.send(ledger.actor(), "GET", f"/v1/kpis/{what}", params={"program": "another"})
        assert answer.status_code == 404
        answer = await ledger.send(ledger.actor(), "GET", f"/v1/kpis/{what}", params={"partner": "another"})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/partner")
