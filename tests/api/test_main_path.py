"""The main path of the contract over real HTTP, status by status and key by key: what is expected is its text."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.security.keyring import MasterKeys
from tests.world import CALL, CONTEXT, MEETING, PROVENANCE, World, a_world, lead_body


@pytest.fixture(scope="module")
async def world(database_url: str, master_keys: MasterKeys) -> AsyncIterator[World]:
    async with a_world(database_url, master_keys) as held:
        yield held


class Like:
    """Equal to every text of one form."""

    def __init__(self, pattern: str) -> None:
        self._pattern = re.compile(pattern)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and self._pattern.fullmatch(other) is not None

    def __hash__(self) -> int:
        return hash(self._pattern)

    def __repr__(self) -> str:
        return f"<{self._pattern.pattern}>"


def an_id(prefix: str) -> Like:
    return Like(f"{prefix}_[a-z2-7]{{26}}")


TIME = Like(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")
TEXT = Like(r".+")
FULL = {
    "program": "smb-inside-sales",
    "external_id": "A-2026-0001",
    "company": {
        "name": "株式会社サンプル商事",
        "corporate_number": "7999901000001",
        "domain": "sample.example",
        "phone": "03-1234-5678",
        "industry": "manufacturing",
        "employees": "100-299",
    },
    "contact": {
        "name": "山田 太郎",
        "title": "情報システム部 部長",
        "email": "yamada@sample.example",
        "phone": "+81312345678",
        "role": "decision_maker",
    },
    "provenance": PROVENANCE,
    "context": CONTEXT,
    "test": False,
}
"""The body of contract 4."""


def differences(expected: Any, found: Any, at: str = "") -> list[str]:
    """Return where `found` is not what was expected; members that the contract does not speak of are let pass."""
    if isinstance(expected, dict) and isinstance(found, dict):
        wrong = [f"{at}/{name} is missing" for name in expected if name not in found]
        for name in expected.keys() & found.keys():
            wrong += differences(expected[name], found[name], f"{at}/{name}")
        return wrong
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        return [
            line for n, pair in enumerate(zip(expected, found, strict=True)) for line in differences(*pair, f"{at}/{n}")
        ]
    return [] if expected == found else [f"{at}: {found!r} instead of {expected!r}"]


async def feed_of(world: World, who: str, kind: str) -> list[dict[str, Any]]:
    """Return the published bodies of one type in the feed of a caller's organisation."""
    await world.publish()
    page = await world.get(who, "/v1/events", types=kind, limit=500)
    return page["items"]


async def test_a_token_is_answered_as_rfc_6749_says(world: World) -> None:
    answer = await world.log_in("partner_a", scope="leads:read leads:write")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert body.keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("Bearer", 600, "leads:read leads:write")


async def test_a_posted_lead_is_answered_with_everything_that_was_sent_and_all_that_baton_adds(world: World) -> None:
    answer = await world.call("partner_a", "POST", "/v1/leads", FULL)
    lead = answer.json()
    expected = {
        **FULL,
        "id": an_id("lead"),
        "status": "received",
        "stage": "awareness",
        "owner": {
            "role": "partner",
            "organization_id": await world.organization("partner_a"),
            "assignee": None,
        },
        "context": {**CONTEXT, "completeness": 1.0, "missing": []},
        "playbook": {"program": "smb-inside-sales", "version": 1},
        "due": [],
        "outcome": None,
        "created_at": TIME,
        "updated_at": TIME,
    }
    assert (answer.status_code, differences(expected, lead)) == (201, [])
    assert answer.headers["location"] == f"/v1/leads/{lead['id']}"
    assert re.fullmatch(r'"[^"]+"', answer.headers["etag"])
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert re.fullmatch(r"req_[0-9a-f]{32}", answer.headers["request-id"])

    again = await world.call("partner_a", "POST", "/v1/leads", FULL)
    assert (again.status_code, again.json(), again.headers["etag"]) == (200, lead, answer.headers["etag"])

    other = await world.call("partner_a", "POST", "/v1/leads", {**FULL, "company": {"name": "別の会社"}})
    assert (other.status_code, other.json()["type"]) == (409, "/problems/external-id-in-use")

    read = await world.call("partner_a", "GET", "/v1/leads/external:A-2026-0001")
    assert (read.status_code, read.json(), read.headers["etag"]) == (200, lead, answer.headers["etag"])


async def test_while_a_lead_is_received_notes_activities_and_patches_are_taken_and_nothing_else(world: World) -> None:
    lead = await world.post("partner_a", "/v1/leads", lead_body("A-RECEIVED"), status=201)
    path = f"/v1/leads/{lead['id']}"
    note = {"kind": "context", "body": "受付で確認", "visibility": "shared", "external_id": "n-1"}
    added = await world.post("partner_a", f"{path}/notes", note, status=201)
    assert differences({**note, "id": an_id("note"), "created_at": TIME}, added) == []
    assert await world.post("partner_a", f"{path}/notes", note, status=200) == added
    activity = {**CALL, "external_id": "c-1", "summary": "通話できた"}
    logged = await world.post("partner_a", f"{path}/activities", activity, status=201)
    assert differences({**activity, "id": an_id("act"), "created_at": TIME}, logged) == []
    assert await world.post("partner_a", f"{path}/activities", activity, status=200) == logged

    tag = (await world.call("partner_a", "GET", path)).headers["etag"]
    change = {"contact": {"name": "佐藤 花子"}, "context": {"personality": None}}
    patched = await world.call("partner_a", "PATCH", path, change, headers={"If-Match": tag})
    assert patched.status_code == 200, patched.text
    assert patched.json()["contact"] == {"name": "佐藤 花子"}
    assert "personality" not in patched.json()["context"]
    assert patched.headers["etag"] != tag

    stale = await world.call("partner_a", "PATCH", path, change, headers={"If-Match": tag})
    assert (stale.status_code, stale.json()["type"]) == (412, "/problems/stale-version")
    blind = await world.call("partner_a", "PATCH", path, change)
    assert (blind.status_code, blind.json()["type"]) == (428, "/problems/precondition-required")

    for command, body in (
        ("advance", {"to": "evaluation"}),
        ("handovers", {"to_role": "internal_sales", "summary": "早すぎる"}),
    ):
        refused = await world.call("partner_a", "POST", f"{path}/{command}", body)
        assert (refused.status_code, refused.json()["type"]) == (409, "/problems/lead-not-open")


async def test_a_lead_that_another_partner_holds_is_not_available_and_says_no_more(world: World) -> None:
    company = {"name": "株式会社先着", "corporate_number": "6999901000002", "domain": "first.example"}
    await world.open_lead("A-FIRST", company=company)
    posted = await world.call("partner_b", "POST", "/v1/leads", lead_body("B-SECOND", company=company))
    assert (posted.status_code, posted.json()["status"]) == (201, "received")
    await world.adjudicate()
    lead = await world.get("partner_b", "/v1/leads/external:B-SECOND")
    assert lead["status"] == "not_accepted"
    assert differences({"reason": "not_available", "label_en": TEXT, "label_ja": TEXT, "contest_until": TIME}, lead["decision"]) == []  # fmt: skip


async def test_an_accepted_lead_says_what_is_due_and_who_owns_it(world: World) -> None:
    lead = await world.open_lead("A-OPEN")
    assert differences([{"clock": "first_contact", "due_at": TIME}], lead["due"]) == []
    chain = await world.get("partner_a", f"/v1/leads/{lead['id']}/ownership")
    assert [link["role"] for link in chain["items"]] == ["partner"]
    timeline = await world.get("partner_a", f"/v1/leads/{lead['id']}/timeline")
    assert [event["type"] for event in timeline["items"]] == ["lead.received", "lead.accepted"]


async def test_the_partner_sees_its_claim(world: World) -> None:
    lead = await world.open_lead("A-CLAIM", company={"name": "株式会社請求", "corporate_number": "5999901000003"})
    assert differences({"status": TEXT, "expires_at": TIME}, lead["claim"]) == []
    assert isinstance(lead["claim"]["extendable"], bool)


async def test_what_a_stage_may_not_be_left_without_is_listed(world: World) -> None:
    lead = await world.open_lead("A-THIN", context={"temperature": "cold"})
    path = f"/v1/leads/{lead['id']}"
    early = await world.call("partner_a", "POST", f"{path}/advance", {"to": "evaluation"})
    problem = early.json()
    assert (early.status_code, problem["type"]) == (422, "/problems/stage-refused")
    assert problem["missing"] == ["/context/pain_points", "activity:conversation"]
    assert differences({"program": "smb-inside-sales", "version": 1, "rule": TEXT}, problem["playbook"]) == []

    offer = {"to_role": "internal_sales", "summary": "情報が足りない"}
    refused = await world.call("partner_a", "POST", f"{path}/handovers", offer)
    problem = refused.json()
    assert (refused.status_code, problem["type"]) == (422, "/problems/handover-incomplete")
    assert {"/context/pain_points", "/context/bant/need"} <= set(problem["missing"])
    assert differences({"program": "smb-inside-sales", "version": 1, "rule": TEXT}, problem["playbook"]) == []


async def test_a_handover_goes_from_offer_over_questions_to_acceptance(world: World) -> None:
    lead = await world.open_lead("A-HANDOVER")
    path = f"/v1/leads/{lead['id']}"
    await world.post("partner_a", f"{path}/activities", CALL, status=201)
    advanced = await world.post("partner_a", f"{path}/advance", {"to": "evaluation"}, status=200)
    assert advanced["stage"] == "evaluation"

    meeting = {
        "at": "2026-12-01T01:00:00Z", "minutes": 60, "place": "東京本社", "url": "https://meet.example/x",
        "attendees": ["山田 太郎"],
    }  # fmt: skip
    offer = {"to_role": "internal_sales", "summary": "初回商談の引き継ぎ", "meeting": meeting, "note": "議事録を添付"}
    answer = await world.call("partner_a", "POST", f"{path}/handovers", offer)
    requested = answer.json()
    expected = {
        "id": an_id("hov"),
        "lead_id": lead["id"],
        "external_id": "A-HANDOVER",
        "status": "requested",
        "from_role": "partner",
        "to_role": "internal_sales",
        "summary": "初回商談の引き継ぎ",
        "meeting": meeting,
        "requested_at": TIME,
        "due_at": TIME,
        "questions": [],
        "answers": [],
        "decision": None,
    }
    assert (answer.status_code, differences(expected, requested)) == (201, [])
    assert answer.headers["location"] == f"/v1/handovers/{requested['id']}"
    second = await world.call("partner_a", "POST", f"{path}/handovers", offer)
    assert (second.status_code, second.json()["type"]) == (409, "/problems/handover-pending")

    hand = f"/v1/handovers/{requested['id']}"
    asked = {"questions": [{"text": "予算はいつ確定しますか", "field": "/context/bant/budget"}, {"text": "決裁者は"}]}
    returned = await world.post("sales", f"{hand}/return", asked, status=200)
    assert returned["status"] == "returned"
    assert differences(
        [{"id": an_id("qst"), **asked["questions"][0]}, {"id": an_id("qst"), "text": "決裁者は"}], returned["questions"]
    ) == []  # fmt: skip
    assert differences({"verb": "return", "missing": [], "by_role": "internal_sales", "at": TIME}, returned["decision"]) == []  # fmt: skip

    answers = [{"question_id": question["id"], "text": "来月です"} for question in returned["questions"]]
    answered = await world.post("partner_a", f"{hand}/answer", {"answers": answers}, status=200)
    assert (answered["status"], answered["answers"]) == ("answered", answers)
    assert answered["due_at"] == TIME

    accepted = await world.post("sales", f"{hand}/accept", {"assignee": "tanaka"}, status=200)
    assert accepted["status"] == "accepted"
    assert differences({"verb": "accept", "reason": None, "missing": [], "note": None, "by_role": "internal_sales", "at": TIME}, accepted["decision"]) == []  # fmt: skip
    seen = await world.get("partner_a", path)
    tenant = await world.organization("sales")
    assert seen["owner"] == {"role": "internal_sales", "organization_id": tenant, "assignee": None}
    assert (await world.get("sales", path))["owner"]["assignee"] == "tanaka"
    chain = (await world.get("partner_a", f"{path}/ownership"))["items"]
    assert [link["role"] for link in chain] == ["partner", "internal_sales"]
    assert (chain[0]["until"], chain[1]["until"]) == (chain[1]["from"], None)


async def test_a_rejected_handover_names_a_reason_in_both_languages_and_leaves_the_lead_with_its_giver(world: World) -> None:  # fmt: skip
    handover = await world.offered("A-REJECTED")
    body = {"reason": "meeting_not_held", "note": "商談が流れた"}
    rejected = await world.post("sales", f"/v1/handovers/{handover['id']}/reject", body, status=200)
    expected = {
        "verb": "reject",
        "reason": {"code": "meeting_not_held", "label_en": "Meeting not held", "label_ja": "商談未実施"},
        "missing": [],
        "note": "商談が流れた",
        "by_role": "internal_sales",
        "at": TIME,
    }
    assert (rejected["status"], differences(expected, rejected["decision"])) == ("rejected", [])
    lead = await world.get("partner_a", f"/v1/leads/{handover['lead_id']}")
    assert lead["owner"]["role"] == "partner"
    withdrawn = await world.post(
        "partner_a", f"/v1/leads/{handover['lead_id']}/handovers", {"to_role": "internal_sales", "summary": "再度"},
        status=201,
    )  # fmt: skip
    withdrawn = await world.post("partner_a", f"/v1/handovers/{withdrawn['id']}/withdraw", status=200)
    assert withdrawn["status"] == "withdrawn"


async def test_a_pull_accepts_waiting_handovers_with_their_enriched_leads_once(world: World) -> None:
    first, second = await world.offered("A-PULL-1"), await world.offered("A-PULL-2")
    key = {"Idempotency-Key": "pull-1"}
    body = {"to_role": "internal_sales", "limit": 50, "assignee": "tanaka"}
    answer = await world.call("sales", "POST", "/v1/handovers/pull", body, headers=key)
    assert answer.status_code == 200
    items = {item["handover"]["id"]: item for item in answer.json()["items"]}
    assert {first["id"], second["id"]} <= items.keys()
    item = items[first["id"]]
    assert item.keys() == {"handover", "lead"}
    assert item["handover"]["status"] == "accepted"
    assert item["lead"]["id"] == first["lead_id"]
    assert item["lead"]["owner"]["role"] == "internal_sales"
    assert item["lead"]["context"]["pain_points"] == CONTEXT["pain_points"]
    replay = await world.call("sales", "POST", "/v1/handovers/pull", body, headers=key)
    assert (replay.status_code, replay.json()) == (200, answer.json())
    assert replay.headers["idempotent-replayed"] == "true"
    rest = await world.post("sales", "/v1/handovers/pull", body, status=200)
    assert rest["items"] == []


async def test_a_loss_reaches_the_partner_as_the_contract_draws_it(world: World) -> None:
    handover = await world.taken_over("A-LOST")
    path = f"/v1/leads/{handover['lead_id']}"
    feedback = {
        "handover_id": handover["id"], "meeting_held": True, "rating": 4, "reasons": ["well_prepared"], "note": "準備が良い",
    }  # fmt: skip
    given = await world.post("sales", f"{path}/feedback", feedback, status=201)
    assert (given["rating"], given["meeting_held"]) == (4, True)
    body = {
        "result": "lost", "reason": "price", "secondary_reasons": ["timing"], "stated_by": "customer_stated",
        "note": "他社より高い", "learnings": "早めに概算を出す", "competitor": "競合社", "recoverable": True,
    }  # fmt: skip
    closed = await world.post("sales", f"{path}/outcome", body, status=201)
    price = {"code": "price", "label_en": "Price", "label_ja": "価格"}
    expected = {
        **body,
        "id": an_id("out"),
        "reason": price,
        "secondary_reasons": [{"code": "timing", "label_en": "Timing", "label_ja": "時期"}],
        "amount": None,
        "revisit_on": None,
        "stage_at_close": "evaluation",
        "closed_at": TIME,
    }
    assert differences(expected, closed) == []
    lead = await world.get("partner_a", path)
    assert (lead["status"], lead["owner"]["role"], lead["due"]) == ("closed", "internal_sales", [])
    assert differences(expected, lead["outcome"]) == []

    twice = await world.call("sales", "POST", f"{path}/outcome", body)
    assert (twice.status_code, twice.json()["type"]) == (409, "/problems/outcome-exists")
    acknowledged = await world.call("partner_a", "POST", f"/v1/outcomes/{closed['id']}/acknowledge", {})
    assert acknowledged.status_code == 200
    corrected = await world.post("sales", f"/v1/outcomes/{closed['id']}/correct", {**body, "reason": "budget"})
    assert (corrected["id"], corrected["reason"]["code"]) == (closed["id"], "budget")
    contested = await world.call("partner_a", "POST", f"/v1/outcomes/{closed['id']}/contest", {"reason": "price", "note": "違う"})  # fmt: skip
    assert contested.status_code == 200


async def test_the_feed_brings_the_closure_to_both_sides(world: World) -> None:
    handover = await world.taken_over("A-FEED")
    body = {"result": "lost", "reason": "price", "stated_by": "customer_stated"}
    closed = await world.post("sales", f"/v1/leads/{handover['lead_id']}/outcome", body, status=201)
    for who in ("partner_a", "sales"):
        found = [one for one in await feed_of(world, who, "outcome.closed") if one["data"]["external_id"] == "A-FEED"]
        assert len(found) == 1
        event = found[0]
        assert differences(
            {
                "id": an_id("evt"),
                "type": "outcome.closed",
                "timestamp": TIME,
                "tenant": an_id("ten"),
                "data": {
                    "lead_id": handover["lead_id"],
                    "external_id": "A-FEED",
                    "outcome": {
                        "id": closed["id"],
                        "result": "lost",
                        "reason": {"code": "price", "label_en": "Price", "label_ja": "価格"},
                        "secondary_reasons": [],
                        "stated_by": "customer_stated",
                        "note": None,
                        "learnings": None,
                        "amount": None,
                        "competitor": None,
                        "recoverable": None,
                        "revisit_on": None,
                        "stage_at_close": "evaluation",
                        "closed_at": TIME,
                    },
                    "handover": {"id": handover["id"], "accepted_at": TIME},
                },
            },
            event,
        ) == []  # fmt: skip
        assert isinstance(event["sequence"], int)
        assert isinstance(event["data"]["lead_sequence"], int)
        assert 0 <= event["data"]["hours_to_outcome"] < 1


async def test_a_win_goes_through_onboarding_to_its_end(world: World) -> None:
    handover = await world.taken_over("A-WON")
    path = f"/v1/leads/{handover['lead_id']}"
    await world.post("sales", f"{path}/activities", MEETING, status=201)
    await world.post("sales", f"{path}/advance", {"to": "negotiation"}, status=200)
    won = {
        "result": "won", "reason": "feature_fit", "stated_by": "customer_stated",
        "amount": {"value": "1200000", "currency": "JPY"}, "annual_value": {"value": "400000", "currency": "JPY"},
    }  # fmt: skip
    outcome = await world.post("sales", f"{path}/outcome", won, status=201)
    assert (outcome["amount"], outcome["stage_at_close"]) == ({"value": "1200000", "currency": "JPY"}, "negotiation")
    lead = await world.get("partner_a", f"{path}?expand=handovers")
    assert (lead["status"], lead["stage"], lead["owner"]["role"]) == ("open", "onboarding", "internal_sales")
    last = lead["handovers"][-1]
    assert (last["status"], last["to_role"], last["summary"]) == (
        "requested", "customer_success", CONTEXT["expectations"],
    )  # fmt: skip
    await world.post("success", f"/v1/handovers/{last['id']}/accept", status=200)
    ended = await world.post("success", f"{path}/advance", {"to": "closed"}, status=200)
    assert (ended["status"], ended["owner"]["role"]) == ("closed", "customer_success")


async def test_a_pending_lead_is_reopened_and_closed_again(world: World) -> None:
    handover = await world.taken_over("A-PENDING")
    path = f"/v1/leads/{handover['lead_id']}"
    pending = {"result": "pending", "reason": "timing", "stated_by": "seller_hypothesis", "revisit_on": "2027-03-01"}
    first = await world.post("sales", f"{path}/outcome", pending, status=201)
    assert (first["result"], first["revisit_on"]) == ("pending", "2027-03-01")
    closed = await world.get("partner_a", path)
    assert (closed["status"], [entry["clock"] for entry in closed["due"]]) == ("closed", ["revisit"])
    reopened = await world.post("sales", f"{path}/reopen", status=200)
    assert (reopened["status"], reopened["stage"]) == ("open", "evaluation")
    lost = {"result": "lost", "reason": "no_decision", "stated_by": "customer_stated"}
    second = await world.post("sales", f"{path}/outcome", lost, status=201)
    assert second["id"] != first["id"]
    assert (await world.get("partner_a", path))["outcome"]["result"] == "lost"


async def test_an_internal_client_passes_a_lead_to_a_partner(world: World) -> None:
    partner = await world.organization("partner_a")
    answer = await world.call("sales", "POST", "/v1/leads", lead_body("OURS-1", partner=partner))
    assert answer.status_code == 201, answer.text
    lead = answer.json()
    assert (lead["owner"]["role"], lead["owner"]["organization_id"]) == (
        "internal_sales", await world.organization("sales"),
    )  # fmt: skip
    await world.adjudicate()
    seen = await world.get("partner_a", f"/v1/leads/{lead['id']}?expand=handovers")
    assert [(one["status"], one["to_role"]) for one in seen["handovers"]] == [("requested", "partner")]
    hidden = await world.call("partner_b", "GET", f"/v1/leads/{lead['id']}")
    assert hidden.status_code == 404
    own = await world.call("partner_a", "GET", "/v1/leads/external:OURS-1")
    assert own.status_code == 404


async def test_a_list_is_paged_by_cursor_and_link(world: World) -> None:
    for number in range(3):
        await world.post("partner_b", "/v1/leads", lead_body(f"B-LIST-{number}"), status=201)
    first = await world.call("partner_b", "GET", "/v1/leads", params={"limit": 2})
    page = first.json()
    assert (first.status_code, page.keys(), len(page["items"])) == (200, {"items", "next_cursor"}, 2)
    assert first.headers["link"].endswith('; rel="next"')
    following = await world.call("partner_b", "GET", first.headers["link"].split(">")[0][1:])
    assert following.status_code == 200
    assert not {one["id"] for one in page["items"]} & {one["id"] for one in following.json()["items"]}
    foreign = await world.call("partner_a", "GET", "/v1/leads", params={"cursor": page["next_cursor"]})
    assert (foreign.status_code, foreign.json()["type"]) == (400, "/problems/invalid-cursor")


async def test_an_answer_to_what_may_i_do_now_names_every_command_of_the_contract(world: World) -> None:
    lead = await world.open_lead("A-ACTIONS")
    items = (await world.get("partner_a", f"/v1/leads/{lead['id']}/actions"))["items"]
    for item in items:
        assert {"command", "allowed", "rule", "missing", "label_en", "label_ja"} <= item.keys()
    allowed = {item["command"]: item["allowed"] for item in items}
    listed = "note activity advance handover accept reject return answer withdraw outcome correct acknowledge contest"
    assert set(f"{listed} feedback reopen assign".split()) <= allowed.keys()
    assert (allowed["note"], allowed["handover"], allowed["accept"], allowed["feedback"]) == (True, True, False, False)


async def test_a_problem_document_is_as_rfc_9457_and_the_contract_say(world: World) -> None:
    answer = await world.call("partner_a", "POST", "/v1/leads", {**FULL, "external_id": "A B", "surprise": 1})
    problem = answer.json()
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json; charset=utf-8"
    assert differences(
        {"type": "/problems/validation-failed", "title": TEXT, "status": 422, "detail": TEXT, "request_id": TEXT}, problem
    ) == []  # fmt: skip
    assert problem["request_id"] == answer.headers["request-id"]
    assert {error["pointer"] for error in problem["errors"]} == {"/external_id", "/surprise"}
    for error in problem["errors"]:
        assert error.keys() == {"pointer", "code", "message"}
    page = await world.http.get(problem["type"])
    assert page.status_code == 200


async def test_nothing_is_ever_without_an_owner(world: World) -> None:
    await world.adjudicate()
    ownerless = await world.admin.fetchval(
        "select count(*) from baton.lead l where (select count(*) from baton.ownership o where o.tenant_id = l.tenant_id"
        " and o.lead_id = l.id and o.until_at = 'infinity') <> 1"
    )
    assert ownerless == 0
