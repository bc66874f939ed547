"""Handovers by due time, clocks with their arithmetic, and escalations, for the side that reads them."""

from datetime import datetime
from uuid import UUID, uuid4

from app.domain.ids import Prefix, show
from tests.reads.world import World, lead


def at(text: str) -> datetime:
    """Return a moment of Tokyo's clock in 2026."""
    return datetime.fromisoformat(f"2026-{text}:00+09:00")


async def handover(world: World, lead_id: UUID, status: str, due: str | None, **more) -> str:
    partner = await world.admin.fetchval("select partner_id from baton.lead where id = $1", lead_id)
    row = {
        "partner_id": partner, "id": uuid4(), "lead_id": lead_id, "status": status, "from_organization_id": partner,
        "from_role": "partner", "to_organization_id": world.tenant, "to_role": "internal_sales", "summary": "引き継ぎ",
        "requested_at": at("11-02T10:00"), "due_at": at(due) if due else None, **more,
    }  # fmt: skip
    await world.insert("handover", **row)
    return show(Prefix.HANDOVER, row["id"])


async def clock(world: World, lead_id: UUID, name: str, started: str, due: str, **more) -> str:
    partner = await world.admin.fetchval("select partner_id from baton.lead where id = $1", lead_id)
    row = {
        "partner_id": partner, "id": uuid4(), "lead_id": lead_id, "name": name, "owed_organization_id": world.tenant,
        "owed_role": "internal_sales", "waiting_organization_id": partner, "waiting_role": "partner",
        "started_at": at(started), "due_at": at(due), "state": "running", "playbook_id": world.playbook,
        "calendar_id": world.calendar, **more,
    }  # fmt: skip
    await world.insert("clock", **row)
    return show(Prefix.CLOCK, row["id"])


async def test_what_is_due_comes_first_and_what_was_decided_follows_newest_first(world: World):
    by, client, other = world.actor(world.partner_a), world.actor(), world.actor(world.partner_b)
    leads = [await world.post(by, f"H-{n}") for n in range(5)]
    rejected = await handover(world, leads[0], "rejected", None)
    later = await handover(world, leads[1], "requested", "11-05T10:00")
    accepted = await handover(world, leads[2], "accepted", None)
    sooner = await handover(world, leads[3], "answered", "11-04T10:00")
    given = await handover(
        world, leads[4], "requested", "11-06T10:00", from_organization_id=world.tenant, from_role="internal_sales",
        to_organization_id=world.partner_a, to_role="partner",
    )  # fmt: skip
    path = "/v1/handovers"
    assert [one["id"] for one in await world.pages(by, path, side="giver", limit=1)] == [
        sooner, later, accepted, rejected,
    ]  # fmt: skip
    assert [one["id"] for one in await world.pages(client, path, side="receiver", limit=3)] == [
        sooner, later, accepted, rejected,
    ]  # fmt: skip
    assert [one["id"] for one in await world.pages(by, path, side="receiver")] == [given]
    assert [one["id"] for one in await world.pages(by, path, status="rejected")] == [rejected]
    assert [one["id"] for one in await world.pages(by, path, due_before="2026-11-04T12:00:00+09:00")] == [sooner]
    assert [one["id"] for one in await world.pages(by, path, to_role="partner")] == [given]
    assert await world.pages(other, path) == []
    shown = await world.get(by, f"{path}/{rejected}")
    assert (shown["lead_id"], shown["external_id"], shown["status"]) == (lead(leads[0]), "H-0", "rejected")
    for caller, ref in ((other, rejected), (by, show(Prefix.HANDOVER, uuid4())), (by, "hov_x")):
        assert (await world.send(caller, "GET", f"{path}/{ref}")).status_code == 404


async def test_handovers_of_test_leads_are_apart(world: World):
    by, sandbox = world.actor(world.partner_b), world.actor(world.partner_b, test=True)
    mine = await handover(world, await world.post(sandbox, "HT-1"), "requested", "11-05T10:00")
    assert await world.pages(by, "/v1/handovers") == []
    assert [one["id"] for one in await world.pages(by, "/v1/handovers", test="true")] == [mine]
    assert [one["id"] for one in await world.pages(sandbox, "/v1/handovers")] == [mine]


async def test_clocks_say_what_is_owed_by_due_time(world: World):
    by, client, other = world.actor(world.partner_a), world.actor(), world.actor(world.partner_b)
    lead_id = await world.post(by, "CL-1")
    second = await clock(world, lead_id, "feedback_owed", "11-02T10:00", "11-05T10:00", state="breached")
    first = await clock(world, lead_id, "outcome_owed", "11-02T10:00", "11-04T10:00")
    own = await clock(world, lead_id, "answer_owed", "11-02T10:00", "11-06T10:00", owed_organization_id=world.partner_a)
    met = await clock(world, lead_id, "first_contact", "11-02T10:00", "11-03T10:00", state="met")
    path = "/v1/clocks"
    of_lead = {"lead": lead(lead_id)}
    assert [one["id"] for one in await world.pages(by, path, limit=1, **of_lead)] == [first, second, own]
    assert [one["id"] for one in await world.pages(by, path, owed_by="me", **of_lead)] == [own]
    assert [one["id"] for one in await world.pages(client, path, owed_by="me", **of_lead)] == [first, second]
    assert [one["id"] for one in await world.pages(by, path, state="met", lead="external:CL-1")] == [met]
    assert [one["id"] for one in await world.pages(by, path, state="breached", **of_lead)] == [second]
    assert await world.pages(other, path) == []
    assert (await world.get(by, path, state="met", **of_lead))["items"][0]["external_id"] == "CL-1"


async def test_a_due_time_is_explained_interval_by_interval(world: World):
    by = world.actor(world.partner_a)
    lead_id = await world.post(by, "EX-1")
    # Monday 2 November 16:00: 120 minutes that day, Tuesday is a holiday, 120 on Wednesday.
    held = await clock(world, lead_id, "handover_response", "11-02T16:00", "11-04T11:00")
    shown = await world.get(by, f"/v1/clocks/{held}/explain")
    assert shown["clock"]["id"] == held
    assert shown["playbook"] == {"program": "smb-inside-sales", "version": 1, "rule": "clocks.handover_response"}
    assert shown["within"] == {"business_minutes": 240}
    assert shown["calendar"] == {"key": "tokyo", "version": 1, "time_zone": "Asia/Tokyo"}
    assert shown["basis"] == "within"
    assert [(part["local"], part["minutes"]) for part in shown["intervals"]] == [
        ("2026-11-02 16:00-18:00", 120.0), ("2026-11-04 09:00-11:00", 120.0),
    ]  # fmt: skip
    assert shown["minutes"] == 240.0
    assert shown["closed"] == [{"on": "2026-11-03", "label": "文化の日"}]
    assert shown["due_at"] == "2026-11-04T02:00:00Z"
    other = world.actor(world.partner_b)
    assert (await world.send(other, "GET", f"/v1/clocks/{held}/explain")).status_code == 404


async def test_business_days_are_counted_one_by_one(world: World):
    by = world.actor(world.partner_a)
    # From Monday 2 November, 20 business days; the 3rd and the 23rd are holidays.
    held = await clock(world, await world.post(by, "EX-2"), "outcome_owed", "11-02T10:30", "12-02T10:30")
    shown = await world.get(by, f"/v1/clocks/{held}/explain")
    assert (shown["basis"], shown["unit"], shown["intervals"]) == ("within", "business_days", [])
    assert [day["on"] for day in shown["days"]] == [
        f"2026-{day}" for day in (
            "11-04", "11-05", "11-06", "11-09", "11-10", "11-11", "11-12", "11-13", "11-16", "11-17", "11-18", "11-19",
            "11-20", "11-24", "11-25", "11-26", "11-27", "11-30", "12-01", "12-02",
        )
    ]  # fmt: skip
    assert shown["days"][-1]["at"] == "2026-12-02T01:30:00Z"
    assert [day["on"] for day in shown["closed"]] == ["2026-11-03", "2026-11-23"]


async def test_a_promised_day_is_told_from_a_reckoned_one(world: World):
    by = world.actor(world.partner_a)
    held = await clock(world, await world.post(by, "EX-3"), "outcome_owed", "11-05T17:00", "11-06T18:00")
    shown = await world.get(by, f"/v1/clocks/{held}/explain")
    assert (shown["basis"], shown["minutes"]) == ("promised", 60.0 + 180.0 + 300.0)


LADDER = {
    "key": "handover", "severity": "error", "fallback": {"side": "internal", "role": "manager"},
    "steps": [
        {"after": {"business_minutes": 0}, "notify": ["owed_by"], "destinations": True, "assign_fallback": False},
        {"after": {"business_minutes": 60}, "notify": ["manager"], "destinations": True, "assign_fallback": False},
    ],
}  # fmt: skip


async def test_escalations_are_read_by_both_sides_and_by_nobody_else(world: World):
    by, client, other = world.actor(world.partner_a), world.actor(), world.actor(world.partner_b)
    lead_id = await world.post(by, "ES-1")
    found = []
    for status, opened in (("open", "11-04T11:00"), ("resolved", "11-04T12:00")):
        held = await clock(world, lead_id, "handover_response", "11-02T16:00", "11-04T11:00", state="breached")
        escalation = uuid4()
        await world.insert(
            "escalation", partner_id=world.partner_a, id=escalation, lead_id=lead_id,
            clock_id=await world.admin.fetchval("select id from baton.clock order by n desc limit 1"), status=status,
            severity="error", trigger="handover_response", playbook_id=world.playbook, calendar_id=world.calendar,
            ladder=LADDER, step=1, next_at=at("11-04T13:00") if status == "open" else None, due_at=at("11-04T11:00"),
            opened_at=at(opened), timeline=[],
        )  # fmt: skip
        found.append(show(Prefix.ESCALATION, escalation))
        assert held
    for caller in (by, client):
        assert [one["id"] for one in await world.pages(caller, "/v1/escalations", limit=1)] == found[::-1]
        assert [one["id"] for one in await world.pages(caller, "/v1/escalations", status="open")] == found[:1]
        shown = await world.get(caller, f"/v1/escalations/{found[0]}")
        assert shown["subject"]["external_id"] == "ES-1"
        assert shown["step"] == {"n": 1, "of": 2, "next_at": "2026-11-04T04:00:00Z", "next_target": ["manager"]}
        assert shown["url"] == f"https://baton.test/v1/escalations/{found[0]}"
    assert await world.pages(other, "/v1/escalations") == []
    assert (await world.send(other, "GET", f"/v1/escalations/{found[0]}")).status_code == 404
