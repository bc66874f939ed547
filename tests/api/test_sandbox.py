"""The sandbox over HTTP: a vendor alone sees every webhook that it will get, and nothing of it reaches real work."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import Any, Final

import pytest
from standardwebhooks.webhooks import Webhook

from app.db.session import Address
from app.main import passwords
from app.security.keyring import MasterKeys
from app.workers.adjudicator import Adjudicator
from app.workers.main import Surroundings, run
from tests.workers import conftest as workers
from tests.world import CALL, World, a_world, lead_body

pytestmark = pytest.mark.database
receive = workers.receive

ARRIVES: Final = {
    "accepted": ["handover.requested", "handover.accepted", "ownership.changed", "stage.entered"],
    "rejected": ["handover.requested", "handover.rejected"],
    "returned": ["handover.requested", "handover.returned"],
    "won": [
        "handover.requested", "handover.accepted", "ownership.changed", "stage.entered", "activity.logged", "note.added",
        "consultation.requested", "consultation.answered", "feedback.given", "outcome.closed", "stage.entered",
        "handover.requested",
    ],
    "lost": [
        "handover.requested", "handover.accepted", "ownership.changed", "stage.entered", "feedback.given",
        "outcome.closed",
    ],
    "pending": [
        "handover.requested", "handover.accepted", "ownership.changed", "stage.entered", "feedback.given",
        "outcome.closed",
    ],
    "ignored": [
        "handover.requested", "clock.breached", "escalation.opened", "escalation.stepped", "handover.timed_out",
        "ownership.changed", "escalation.stepped",
    ],
    "not_accepted": ["lead.not_accepted"],
}  # fmt: skip
"""What a vendor is sent when it plays each scenario on a lead that was just accepted, under the default playbook."""
STANDS: Final = {
    "accepted": ("open", "evaluation", "internal_sales"),
    "rejected": ("open", "awareness", "partner"),
    "returned": ("open", "awareness", "partner"),
    "won": ("open", "onboarding", "internal_sales"),
    "lost": ("closed", "evaluation", "internal_sales"),
    "pending": ("closed", "evaluation", "internal_sales"),
    "ignored": ("open", "awareness", "manager"),
    "not_accepted": ("not_accepted", "awareness", "partner"),
}
"""Status, stage and the owner's role afterwards."""


@pytest.fixture(scope="module")
async def world(database_url: str, master_keys: MasterKeys) -> AsyncIterator[World]:
    async with a_world(database_url, master_keys) as held:
        await held.add_client("tester", partner_of="partner_a", roles=["partner"], test=True)
        await held.add_client("tester_inside", roles=["internal_sales", "manager", "admin"], test=True)
        yield held


@asynccontextmanager
async def a_worker(world: World, database_url: str) -> AsyncIterator[None]:
    stop = asyncio.Event()
    around = Surroundings(
        world.database,
        Address(database_url, passwords(world.keys)),
        world.keys,
        egress_allow=(ip_network("127.0.0.0/8"),),
    )
    working = asyncio.create_task(run(around, stop, more=[Adjudicator(world.database)]))
    yield
    stop.set()
    await working


async def a_test_lead(world: World, external_id: str, who: str = "tester", **more: Any) -> dict[str, Any]:
    lead = await world.post(who, "/v1/leads", lead_body(external_id, test=True, **more), status=201)
    assert lead["test"] is True
    await world.adjudicate()
    return lead


async def play(world: World, lead: dict[str, Any], scenario: str, who: str = "tester") -> dict[str, Any]:
    return await world.post(who, f"/v1/test/leads/{lead['id']}/play", {"scenario": scenario}, status=200)


async def refused(world: World, path: str, scenario: str, who: str = "tester") -> tuple[int, str]:
    before = await world.tables()
    answer = await world.call(who, "POST", f"/v1/test/leads/{path}/play", {"scenario": scenario})
    after = await world.tables()
    assert [table for table in before if before[table] != after[table]] == []
    return answer.status_code, answer.json()["type"].removeprefix("/problems/")


async def until(check: Any, what: str) -> None:
    for _ in range(400):
        if await check():
            return
        await asyncio.sleep(0.05)
    pytest.fail(what)


async def test_a_vendor_alone_gets_every_webhook_of_every_scenario_signed(
    world: World, database_url: str, receive: Any
) -> None:
    receiver, live = await receive(), await receive()
    async with a_worker(world, database_url):
        wanted = {"url": receiver.url, "event_types": ["*"]}
        endpoint = await world.post("tester", "/v1/webhook-endpoints", wanted, status=201)
        assert endpoint["test"] is True
        await world.post("partner_a", "/v1/webhook-endpoints", {**wanted, "url": live.url}, status=201)
        await world.post("sales", "/v1/webhook-endpoints", {**wanted, "url": live.url}, status=403)
        for scenario in ARRIVES:
            lead = await world.post("tester", "/v1/leads", lead_body(f"S-{scenario}"), status=201)

            async def opened(path: str = f"/v1/leads/{lead['id']}") -> bool:
                return (await world.get("tester", path))["status"] == "open"

            await until(opened, "the lead was not accepted")
            played = await play(world, lead, scenario)
            assert played["events"] == ARRIVES[scenario], scenario
            stands = played["lead"]["status"], played["lead"]["stage"], played["lead"]["owner"]["role"]
            assert stands == STANDS[scenario], scenario
            assert played["lead"]["test"] is True
        expected = sum(len(types) + 2 for types in ARRIVES.values())

        async def arrived() -> bool:
            return sum(b'"external_id":"S-' in request.body for request in receiver.requests) >= expected

        await until(arrived, f"fewer than {expected} arrived")

    bodies = [Webhook(endpoint["secret"]).verify(request.body, request.headers) for request in receiver.requests]
    bodies = sorted((body for body in bodies if body["type"] != "endpoint.test"), key=lambda body: body["sequence"])
    first = bodies[0]["sequence"]
    assert [body["sequence"] for body in bodies] == list(range(first, first + len(bodies)))
    assert {body["data"]["test"] for body in bodies} == {True}
    for scenario, types in ARRIVES.items():
        told = [body["type"] for body in bodies if body["data"]["external_id"] == f"S-{scenario}"]
        assert told == ["lead.received", "lead.accepted", *types], scenario
    closed = {body["data"]["outcome"]["result"]: body["data"] for body in bodies if body["type"] == "outcome.closed"}
    assert closed.keys() == {"won", "lost", "pending"}
    assert closed["lost"]["outcome"]["reason"] == {"code": "price", "label_en": "Price", "label_ja": "価格"}
    feed = await world.get("tester", "/v1/events", limit=500)
    assert [body for body in feed["items"] if body["sequence"] >= first][: len(bodies)] == bodies
    assert [body["sequence"] for body in feed["items"]] == list(range(1, len(feed["items"]) + 1))
    # A live endpoint hears of agreements and whatever else is real, of no test.
    assert not [one.body for one in live.requests if b'"test":true' in one.body or b'"external_id":"S-' in one.body]


async def test_a_scenario_begins_where_the_lead_stands(world: World) -> None:
    lead = await world.post("tester", "/v1/leads", lead_body("W-1"), status=201)
    assert (await play(world, lead, "returned"))["events"] == ["lead.accepted", *ARRIVES["returned"]]
    assert await refused(world, lead["id"], "accepted") == (409, "handover-not-pending")
    handover = (await world.get("tester", f"/v1/leads/{lead['id']}/handovers"))["items"][0]
    answers = [{"question_id": handover["questions"][0]["id"], "text": "来年四月です。"}]
    answered = await world.post("tester", f"/v1/handovers/{handover['id']}/answer", {"answers": answers})
    assert answered["test"] is True
    accepted = ["handover.accepted", "ownership.changed", "stage.entered"]
    assert (await play(world, lead, "accepted"))["events"] == accepted
    assert (await play(world, lead, "pending"))["events"] == ["feedback.given", "outcome.closed"]
    assert (await play(world, lead, "lost"))["events"] == ["lead.reopened", "outcome.closed"]
    assert await refused(world, lead["id"], "lost") == (409, "outcome-exists")
    assert (await play(world, lead, "pending"))["events"] == ["outcome.corrected"]


async def test_who_was_ignored_is_answered_at_last(world: World) -> None:
    lead = await a_test_lead(world, "I-1")
    await play(world, lead, "ignored")
    found = (await world.get("tester", "/v1/escalations", test="true"))["items"]
    mine = next(one for one in found if one["subject"]["lead_id"] == lead["id"])
    assert (mine["status"], mine["test"], mine["step"]["n"], mine["step"]["next_at"]) == ("open", True, 3, None)
    assert await refused(world, lead["id"], "accepted") == (409, "handover-not-pending")
    told = (await play(world, lead, "lost"))["events"]
    assert told == ["escalation.acknowledged", "escalation.resolved", "outcome.closed"]


async def test_feedback_that_nobody_gives_is_overdue(world: World) -> None:
    lead = await a_test_lead(world, "I-2")
    offer = {"to_role": "internal_sales", "summary": "x", "meeting": {"at": "2026-12-01T05:00:00Z"}}
    await world.post("tester", f"/v1/leads/{lead['id']}/handovers", offer, status=201)
    await play(world, lead, "accepted")
    told = (await play(world, lead, "ignored"))["events"]
    assert told.count("feedback.overdue") == 1
    assert told.count("clock.breached") == told.count("escalation.opened") == 3  # progress, feedback and outcome


async def test_what_does_not_fit_is_refused_and_changes_nothing(world: World) -> None:
    poor = await a_test_lead(world, "N-1", context={})
    answer = await world.call("tester", "POST", f"/v1/test/leads/{poor['id']}/play", {"scenario": "lost"})
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/handover-incomplete")
    assert "/context/pain_points" in answer.json()["missing"]
    assert answer.json()["playbook"]["rule"]
    won = await a_test_lead(world, "N-2")
    await play(world, won, "won")
    assert await refused(world, won["id"], "lost") == (409, "outcome-exists")
    assert await refused(world, won["id"], "not_accepted") == (409, "lead-not-open")
    gone = await a_test_lead(world, "N-3")
    await play(world, gone, "not_accepted")
    assert (await world.get("tester", "/v1/clocks", test="true", lead=gone["id"]))["items"] == []
    for scenario in ARRIVES:
        assert await refused(world, gone["id"], scenario) == (409, "lead-not-open"), scenario
    lost = await a_test_lead(world, "N-4")
    await play(world, lost, "lost")
    assert await refused(world, lost["id"], "ignored") == (409, "conflict")
    assert await refused(world, lost["id"], "bribed") == (422, "validation-failed")


async def test_a_live_lead_does_not_exist_for_a_play(world: World) -> None:
    live = await world.open_lead("L-1")
    for who in ("partner_a", "tester"):
        for path in (live["id"], "external:L-1"):
            assert await refused(world, path, "lost", who) == (404, "not-found"), (who, path)
    foreign = await a_test_lead(world, "L-2", "partner_b")
    for who in ("partner_a", "tester"):
        assert await refused(world, foreign["id"], "lost", who) == (404, "not-found")
    assert await refused(world, foreign["id"], "lost", "manager") == (403, "not-permitted")


async def test_external_ids_of_tests_are_a_space_of_their_own(world: World) -> None:
    live = await world.post("partner_a", "/v1/leads", lead_body("X-1"), status=201)
    test = await world.post("tester", "/v1/leads", lead_body("X-1", company={"name": "株式会社別"}), status=201)
    assert live["id"] != test["id"]
    again = await world.post("partner_a", "/v1/leads", lead_body("X-1", company={"name": "株式会社別"}, test=True))
    assert again["id"] == test["id"]
    assert (await world.get("partner_a", "/v1/leads/external:X-1"))["id"] == live["id"]
    assert (await world.get("tester", "/v1/leads/external:X-1"))["id"] == test["id"]
    await world.adjudicate()
    assert (await world.post("partner_a", "/v1/test/leads/external:X-1/play", {"scenario": "rejected"}))["lead"][
        "id"
    ] == test["id"]


async def test_a_live_client_plays_with_the_test_leads_of_its_organisation(world: World) -> None:
    lead = await a_test_lead(world, "P-1", "partner_a")
    assert (await play(world, lead, "lost", "partner_a"))["events"] == ARRIVES["lost"]
    assert (await world.get("partner_a", f"/v1/leads/{lead['id']}"))["status"] == "closed"
    assert (await world.get("tester", f"/v1/leads/{lead['id']}"))["status"] == "closed"


async def test_a_play_is_once_under_one_key(world: World) -> None:
    lead = await a_test_lead(world, "K-1")
    path, body, key = f"/v1/test/leads/{lead['id']}/play", {"scenario": "accepted"}, {"Idempotency-Key": "play-K-1"}
    first, *others = await asyncio.gather(
        *(world.call("tester", "POST", path, body, headers=key) for _ in range(5)),
    )
    done = [answer for answer in (first, *others) if answer.status_code == 200]
    assert done
    assert {answer.text for answer in done} == {done[0].text}
    timeline = (await world.get("tester", f"/v1/leads/{lead['id']}/timeline"))["items"]
    assert [entry["type"] for entry in timeline].count("handover.accepted") == 1


async def test_the_ledger_says_what_was_played_and_who_asked_for_it(world: World) -> None:
    lead = await a_test_lead(world, "H-1")
    await world.post("tester", f"/v1/leads/{lead['id']}/activities", CALL)
    await play(world, lead, "lost")
    rows = await world.admin.fetch(
        "select e.type, e.played, e.test, e.actor_role, e.actor_client = c.id as asked from baton.event e"
        " join baton.lead l on l.id = e.lead_id left join baton.client c on c.name = 'tester'"
        " where l.external_id = 'H-1' order by e.n"
    )
    assert [tuple(row) for row in rows] == [
        ("lead.received", False, True, "partner", True),
        ("lead.accepted", False, True, "baton", None),
        ("activity.logged", False, True, "partner", True),
        ("handover.requested", True, True, "partner", True),
        ("handover.accepted", True, True, "internal_sales", True),
        ("ownership.changed", True, True, "internal_sales", True),
        ("stage.entered", True, True, "internal_sales", True),
        ("feedback.given", True, True, "internal_sales", True),
        ("outcome.closed", True, True, "internal_sales", True),
    ]


async def test_a_test_reaches_no_inbox_figure_claim_page_or_live_feed(world: World) -> None:
    tool = {"kind": "webhook", "name": "on-call", "config": {"url": "http://127.0.0.1:9/page"}}
    await world.post("admin", "/v1/destinations", tool, status=201)
    await world.publish()
    figures = ("funnel", "funnel?view=period", "reasons", "feedback-debt")

    async def seen() -> dict[str, Any]:
        found: dict[str, Any] = {}
        for who in ("partner_a", "sales", "manager"):
            for path in ("leads", "handovers", "clocks", "escalations", "consultations", "events?limit=500"):
                found[f"{who} {path}"] = (await world.get(who, f"/v1/{path}"))["items"]
            for path in figures:
                answer = await world.get(who, f"/v1/kpis/{path}")
                found[f"{who} {path}"] = {name: value for name, value in answer.items() if name != "as_of"}
        return found

    before = await seen()
    for scenario in ("ignored", "won", "lost", "returned"):
        await play(world, await a_test_lead(world, f"Q-{scenario}"), scenario)
    waiting = await a_test_lead(world, "Q-waiting")
    offer = {"to_role": "internal_sales", "summary": "x"}
    await world.post("tester", f"/v1/leads/{waiting['id']}/handovers", offer, status=201)
    await world.publish()
    assert await seen() == before
    assert (await world.post("sales", "/v1/handovers/pull", {"to_role": "internal_sales", "limit": 50}))["items"] == []
    assert await world.admin.fetchval("select count(*) from baton.delivery where message_id like 'page%'") == 0
    assert (
        await world.admin.fetchval(
            "select count(*) from baton.claim c join baton.lead l on l.id = c.lead_id where l.test"
        )
        == 0
    )
    await world.pass_time(days=40)
    await world.publish()
    assert await world.admin.fetchval("select count(*) from baton.delivery where message_id like 'page%' and test") == 0
    listed = await world.get("sales", "/v1/leads", test="true")
    assert {lead["test"] for lead in listed["items"]} == {True}


async def test_a_test_client_administers_nothing(world: World) -> None:
    scopes = {one["scope"] for one in (await world.get("tester_inside", "/v1/me"))["scopes"]}
    assert not scopes & {"admin", "partners:manage", "playbooks:write", "destinations:manage", "audit:read"}
    answer = await world.call("tester_inside", "POST", "/v1/clients", {"name": "x", "roles": ["admin"]})
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/insufficient-scope")


async def test_no_figure_is_told_to_a_test_client(world: World) -> None:
    await world.taken_over("F-1")
    assert (await world.get("manager", "/v1/kpis/funnel"))["items"][0]["leads"] > 0
    for who in ("tester", "tester_inside"):
        assert (await world.get(who, "/v1/kpis/funnel"))["items"][0]["leads"] == 0
        assert (await world.get(who, "/v1/kpis/reasons"))["items"] == []
        assert (await world.get(who, "/v1/kpis/feedback-debt"))["items"] == []
