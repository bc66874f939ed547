"""Commands that the state, the role or the playbook does not allow: the right refusal, and nothing changes."""

from collections.abc import AsyncIterator
from typing import Any, Final
from uuid import uuid4

import pytest

from app.security.keyring import MasterKeys
from tests.world import CALL, LOST, World, a_world, lead_body, random_id

Move = tuple[str, str, str, Any, int, str]
"""Who, method, path with the names of states in it, body, status, slug."""

_OFFER: Final = {"to_role": "internal_sales", "summary": "x"}
_NOTE: Final = {"kind": "context", "body": "x", "visibility": "shared"}
_PENDING: Final = {"result": "pending", "reason": "timing", "stated_by": "customer_stated", "revisit_on": "2027-06-01"}
_WON: Final = {"result": "won", "reason": "price", "stated_by": "customer_stated"}
_FEEDBACK: Final = {"handover_id": "{accepted.handover}", "rating": 3}
_YEN: Final = {"value": "1", "currency": "JPY"}

_NOT_PENDING = (409, "handover-not-pending")
_NOT_OPEN = (409, "lead-not-open")
_NOT_PERMITTED = (403, "not-permitted")
_NOT_OWNER = (403, "not-owner")
_INVALID = (422, "validation-failed")
_REASON = (422, "reason-not-allowed")

HANDOVERS: Final[list[Move]] = [
    ("sales", "POST", "/v1/handovers/{accepted.handover}/accept", {}, *_NOT_PENDING),
    ("sales", "POST", "/v1/handovers/{accepted.handover}/reject", {"reason": "do_not_contact"}, *_NOT_PENDING),
    ("sales", "POST", "/v1/handovers/{accepted.handover}/return", {"questions": [{"text": "x"}]}, *_NOT_PENDING),
    ("sales", "POST", "/v1/handovers/{rejected.handover}/accept", {}, *_NOT_PENDING),
    ("sales", "POST", "/v1/handovers/{withdrawn.handover}/accept", {}, *_NOT_PENDING),
    ("partner_a", "POST", "/v1/handovers/{rejected.handover}/withdraw", {}, *_NOT_PENDING),
    ("sales", "POST", "/v1/handovers/{returned.handover}/accept", {}, *_NOT_PENDING),
    ("sales", "POST", "/v1/handovers/{returned.handover}/return", {"questions": [{"text": "x"}]}, *_NOT_PENDING),
    ("partner_a", "POST", "/v1/handovers/{requested.handover}/answer", {"answers": [{"question_id": "x", "text": "x"}]}, *_NOT_PENDING),
    ("partner_a", "POST", "/v1/handovers/{returned.handover}/answer", {"answers": [{"question_id": "x", "text": "x"}]}, *_INVALID),
    ("partner_a", "POST", "/v1/handovers/{returned.handover}/answer", {"answers": []}, *_INVALID),
    ("sales", "POST", "/v1/handovers/{returned.handover}/answer", {"answers": [{"question_id": "x", "text": "x"}]}, *_NOT_PERMITTED),
    ("partner_a", "POST", "/v1/handovers/{requested.handover}/accept", {}, *_NOT_PERMITTED),
    ("partner_a", "POST", "/v1/handovers/{requested.handover}/reject", {"reason": "do_not_contact"}, *_NOT_PERMITTED),
    ("partner_a", "POST", "/v1/handovers/{requested.handover}/return", {"questions": [{"text": "x"}]}, *_NOT_PERMITTED),
    ("technical", "POST", "/v1/handovers/{requested.handover}/accept", {}, *_NOT_PERMITTED),
    ("success", "POST", "/v1/handovers/{requested.handover}/accept", {}, *_NOT_PERMITTED),
    ("sales", "POST", "/v1/handovers/{requested.handover}/withdraw", {}, *_NOT_PERMITTED),
    ("sales", "POST", "/v1/handovers/{requested.handover}/reject", {"reason": "no_such_reason"}, *_REASON),
    ("sales", "POST", "/v1/handovers/{requested.handover}/reject", {"reason": "price"}, *_REASON),
    ("sales", "POST", "/v1/handovers/{requested.handover}/reject", {"reason": "other"}, *_REASON),
    ("sales", "POST", "/v1/handovers/{requested.handover}/return", {"questions": []}, *_INVALID),
    ("partner_b", "POST", "/v1/handovers/{requested.handover}/withdraw", {}, 404, "not-found"),
    ("partner_a", "POST", "/v1/leads/{requested}/handovers", _OFFER, 409, "handover-pending"),
    ("partner_a", "POST", "/v1/leads/{thin}/handovers", _OFFER, 422, "handover-incomplete"),
    ("partner_a", "POST", "/v1/leads/{open}/handovers", {**_OFFER, "to_role": "customer_success"}, *_NOT_PERMITTED),
    ("partner_a", "POST", "/v1/leads/{open}/handovers", {**_OFFER, "to_role": "nobody"}, *_NOT_PERMITTED),
    ("partner_a", "POST", "/v1/leads/{accepted}/handovers", _OFFER, *_NOT_OWNER),
    ("partner_a", "POST", "/v1/leads/{received}/handovers", _OFFER, *_NOT_OPEN),
    ("sales", "POST", "/v1/leads/{lost}/handovers", {**_OFFER, "to_role": "partner"}, *_NOT_OPEN),
    ("sales", "POST", "/v1/handovers/pull", {"to_role": "internal_sales", "limit": 51}, *_INVALID),
    ("sales", "POST", "/v1/handovers/pull", {"to_role": "internal_sales", "limit": 0}, *_INVALID),
]  # fmt: skip

STAGES: Final[list[Move]] = [
    ("partner_a", "POST", "/v1/leads/{open}/advance", {"to": "onboarding"}, 422, "stage-refused"),
    ("partner_a", "POST", "/v1/leads/{open}/advance", {"to": "closed"}, 422, "stage-refused"),
    ("partner_a", "POST", "/v1/leads/{open}/advance", {"to": "no_such_stage"}, 422, "stage-refused"),
    ("partner_a", "POST", "/v1/leads/{thin}/advance", {"to": "evaluation"}, 422, "stage-refused"),
    ("partner_a", "POST", "/v1/leads/{talked}/advance", {"to": "evaluation"}, 409, "handover-pending"),
    ("partner_a", "POST", "/v1/leads/{received}/advance", {"to": "evaluation"}, *_NOT_OPEN),
    ("sales", "POST", "/v1/leads/{lost}/advance", {"to": "negotiation"}, *_NOT_OPEN),
    ("partner_a", "POST", "/v1/leads/{accepted}/advance", {"to": "negotiation"}, *_NOT_OWNER),
    ("partner_a_manager", "POST", "/v1/leads/{open}/advance", {"to": "evaluation"}, *_NOT_OWNER),
    ("partner_a", "POST", "/v1/leads/{accepted}/assign", {"assignee": "x"}, *_NOT_OWNER),
    ("partner_b", "POST", "/v1/leads/{not_accepted}/notes", _NOTE, *_NOT_OPEN),
    ("partner_b", "POST", "/v1/leads/{not_accepted}/activities", CALL, *_NOT_OPEN),
    ("partner_b", "POST", "/v1/leads/{not_accepted}/advance", {"to": "evaluation"}, *_NOT_OPEN),
    ("partner_b", "PATCH", "/v1/leads/{not_accepted}", {"context": {"personality": "x"}}, *_NOT_OPEN),
    ("partner_a", "POST", "/v1/leads/{lost}/activities", CALL, *_NOT_OPEN),
    ("partner_a", "POST", "/v1/leads/{open}/activities", {**CALL, "disposition": "held"}, *_INVALID),
    ("partner_a", "POST", "/v1/leads/{open}/activities", {**CALL, "kind": "mail"}, *_INVALID),
]  # fmt: skip

OUTCOMES: Final[list[Move]] = [
    ("sales", "POST", "/v1/leads/{lost}/outcome", LOST, 409, "outcome-exists"),
    ("sales", "POST", "/v1/leads/{won}/outcome", LOST, 409, "outcome-exists"),
    ("partner_a", "POST", "/v1/leads/{received}/outcome", LOST, *_NOT_OPEN),
    ("partner_a", "POST", "/v1/leads/{accepted}/outcome", LOST, *_NOT_OWNER),
    ("technical", "POST", "/v1/leads/{accepted}/outcome", LOST, *_NOT_OWNER),
    ("partner_a", "POST", "/v1/leads/{open}/outcome", _WON, *_NOT_PERMITTED),
    ("sales", "POST", "/v1/leads/{accepted}/outcome", {**LOST, "reason": "unable_to_reach"}, *_REASON),
    ("sales", "POST", "/v1/leads/{accepted}/outcome", {**LOST, "reason": "other"}, *_REASON),
    ("sales", "POST", "/v1/leads/{accepted}/outcome", {**LOST, "secondary_reasons": ["other"]}, *_REASON),
    ("sales", "POST", "/v1/leads/{accepted}/outcome", {**LOST, "secondary_reasons": ["a", "b", "c"]}, *_INVALID),
    ("sales", "POST", "/v1/leads/{accepted}/outcome", {**_PENDING, "revisit_on": None}, *_INVALID),
    ("sales", "POST", "/v1/leads/{accepted}/outcome", {**LOST, "result": "abandoned"}, *_INVALID),
    ("sales", "POST", "/v1/leads/{accepted}/outcome", {**LOST, "amount": _YEN, "annual_value": {**_YEN, "currency": "USD"}}, *_INVALID),
    ("partner_a", "POST", "/v1/outcomes/{lost.outcome}/correct", LOST, *_NOT_OWNER),
    ("sales", "POST", "/v1/outcomes/{lost.outcome}/correct", _WON, *_NOT_PERMITTED),
    ("sales", "POST", "/v1/outcomes/{lost.outcome}/acknowledge", {}, *_NOT_PERMITTED),
    ("sales", "POST", "/v1/outcomes/{lost.outcome}/contest", {"reason": "price", "note": "x"}, *_NOT_PERMITTED),
    ("partner_b", "POST", "/v1/outcomes/{lost.outcome}/acknowledge", {}, 404, "not-found"),
    ("partner_a", "POST", "/v1/outcomes/{lost.outcome}/contest", {"reason": "price"}, *_INVALID),
    ("sales", "POST", "/v1/leads/{lost}/reopen", {}, 409, "outcome-exists"),
    ("sales", "POST", "/v1/leads/{accepted}/reopen", {}, *_NOT_OPEN),
    ("partner_a", "POST", "/v1/leads/{pending}/reopen", {}, *_NOT_OWNER),
    ("partner_a", "POST", "/v1/leads/{accepted}/feedback", _FEEDBACK, *_NOT_PERMITTED),
    ("sales", "POST", "/v1/leads/{accepted}/feedback", {**_FEEDBACK, "rating": 6}, *_INVALID),
    ("sales", "POST", "/v1/leads/{accepted}/feedback", {**_FEEDBACK, "rating": 0}, *_INVALID),
    ("sales", "POST", "/v1/leads/{accepted}/feedback", {**_FEEDBACK, "handover_id": "{requested.handover}"}, *_INVALID),
    ("sales", "POST", "/v1/leads/{accepted}/feedback", {**_FEEDBACK, "reasons": ["no_such_reason"]}, *_REASON),
    ("sales", "POST", "/v1/leads/{accepted}/feedback", {**_FEEDBACK, "reasons": ["other"]}, *_REASON),
    ("sales", "POST", "/v1/leads/{accepted}/feedback", {**_FEEDBACK, "next_update_on": "2026-01-05"}, *_INVALID),
    ("sales", "POST", "/v1/leads/{accepted}/feedback", {**_FEEDBACK, "next_update_on": "2028-01-05"}, *_INVALID),
    ("sales", "POST", "/v1/leads/{accepted}/feedback", {**_FEEDBACK, "next_update_on": "9999-12-31"}, *_INVALID),
]  # fmt: skip

INTAKE: Final[list[Move]] = [
    ("partner_a", "POST", "/v1/leads", lead_body("A-X", program="no-such-program"), *_INVALID),
    ("partner_a", "POST", "/v1/leads", lead_body("A-X", partner="{a}"), *_INVALID),
    ("sales", "POST", "/v1/leads", lead_body("A-X"), *_INVALID),
    ("technical", "POST", "/v1/leads", lead_body("A-X", partner="{a}"), *_NOT_PERMITTED),
    ("partner_a", "POST", "/v1/leads", lead_body("A-X", company={"name": "x", "industry": "no_such"}), *_INVALID),
    ("partner_a", "POST", "/v1/leads", lead_body("A-X", company={"name": "x", "corporate_number": "7999901000002"}), *_INVALID),
    ("partner_a", "POST", "/v1/leads", lead_body("A-X", company={"name": " "}), *_INVALID),
    ("partner_a", "POST", "/v1/leads", lead_body("A-X", context={"pain_points": [{"category": "other"}]}), *_INVALID),
    ("partner_a", "POST", "/v1/leads", lead_body("A-X", provenance={}), *_INVALID),
    ("partner_a", "POST", "/v1/leads", lead_body("A-X", metadata={str(n): "x" for n in range(21)}), *_INVALID),
    ("partner_a", "POST", "/v1/leads", lead_body("open", company={"name": "x"}), 409, "external-id-in-use"),
    ("partner_a", "POST", "/v1/leads/{open}/notes", {**_NOTE, "external_id": "n-1"}, 409, "external-id-in-use"),
    ("partner_a", "POST", "/v1/leads/{open}/activities", {**CALL, "external_id": "c-1"}, 409, "external-id-in-use"),
    ("partner_a", "POST", "/v1/leads/{open}/notes", {**_NOTE, "visibility": None}, *_INVALID),
    ("partner_a", "PATCH", "/v1/leads/{open}", {"program": "x"}, *_INVALID),
    ("partner_a", "PATCH", "/v1/leads/{open}", {"external_id": "x"}, *_INVALID),
    ("partner_a", "PATCH", "/v1/leads/{open}", {"status": "open"}, *_INVALID),
    ("partner_a", "PATCH", "/v1/leads/{open}", {"owner": {"role": "partner"}}, *_INVALID),
    ("partner_a", "PATCH", "/v1/leads/{open}", {"company": None}, *_INVALID),
    ("partner_a", "PATCH", "/v1/leads/{open}", {"company": {"name": None}}, *_INVALID),
    ("partner_a", "PATCH", "/v1/leads/{open}", {"context": {"no_such": "x"}}, *_INVALID),
    ("partner_a", "PATCH", "/v1/leads/{open}", {"context": {"temperature": "boiling"}}, *_INVALID),
    ("partner_a", "PATCH", "/v1/leads/{open}", {"metadata": {"a b": "x"}}, *_INVALID),
    ("technical", "PATCH", "/v1/leads/{open}", {"context": {"personality": "x"}}, *_NOT_PERMITTED),
    ("sales", "POST", "/v1/playbooks/{playbook}/agree", {}, 403, "insufficient-scope"),
    ("manager", "POST", "/v1/programs/smb-inside-sales/playbooks", {"document": {}, "comment": "x"}, 422, "playbook-invalid"),
    ("manager", "POST", "/v1/escalations/{late.escalation}/snooze", {"until": "2029-01-01T00:00:00Z", "reason": "x"}, *_INVALID),
    ("partner_a_manager", "POST", "/v1/escalations/{late.escalation}/waive", {"reason": "x"}, *_NOT_PERMITTED),
    ("partner_a_manager", "POST", "/v1/escalations/{late.escalation}/resolve", {}, 409, "obligation-open"),
]  # fmt: skip


class States:
    """Leads of partner A in every state, each by its name; nothing that is refused changes them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.ids: dict[str, str] = {}

    async def build(self) -> None:
        world = self.world
        await self._late()
        for name in ("open", "thin"):
            more = {"context": {"temperature": "cold"}} if name == "thin" else {}
            self.ids[name] = (await world.open_lead(name, **more))["id"]
        path = f"/v1/leads/{self.ids['open']}"
        await world.post("partner_a", f"{path}/notes", {**_NOTE, "body": "y", "external_id": "n-1"})
        await world.post("partner_a", f"{path}/activities", {**CALL, "summary": "y", "external_id": "c-1"})
        await self._offered()
        await self._closed()
        self.ids["a"] = await world.organization("partner_a")
        versions = await world.get("manager", "/v1/programs/smb-inside-sales/playbooks")
        self.ids["playbook"] = versions["items"][0]["id"]

    async def _late(self) -> None:
        await self.world.open_lead("late")
        await self.world.pass_time(days=7)
        self.ids["late.escalation"] = (await self.world.get("sales", "/v1/escalations"))["items"][0]["id"]

    async def _offered(self) -> None:
        world = self.world
        for name in ("requested", "returned", "rejected", "withdrawn", "talked"):
            handover = await world.offered(name)
            self.ids |= {name: handover["lead_id"], f"{name}.handover": handover["id"]}
        await world.post(
            "sales", f"/v1/handovers/{self.ids['returned.handover']}/return", {"questions": [{"text": "x"}]}
        )
        await world.post("sales", f"/v1/handovers/{self.ids['rejected.handover']}/reject", {"reason": "do_not_contact"})
        await world.post("partner_a", f"/v1/handovers/{self.ids['withdrawn.handover']}/withdraw")
        await world.post("partner_a", f"/v1/leads/{self.ids['talked']}/activities", CALL)

    async def _closed(self) -> None:
        world = self.world
        for name in ("accepted", "lost", "pending", "won"):
            handover = await world.taken_over(name)
            self.ids |= {name: handover["lead_id"], f"{name}.handover": handover["id"]}
        for name, body in (("lost", LOST), ("pending", _PENDING), ("won", _WON)):
            outcome = await world.post("sales", f"/v1/leads/{self.ids[name]}/outcome", body, status=201)
            self.ids[f"{name}.outcome"] = outcome["id"]
        company = {"name": "株式会社先着", "corporate_number": "6999901000002"}
        await world.open_lead("first", company=company)
        second = await world.post("partner_b", "/v1/leads", lead_body("second", company=company), status=201)
        await world.adjudicate()
        self.ids["not_accepted"] = second["id"]

    async def receive(self) -> None:
        """Take in a lead that has not been decided: the next one that a test wants open takes it along."""
        body = lead_body(f"received-{uuid4().hex}")
        self.ids["received"] = (await self.world.post("partner_a", "/v1/leads", body, status=201))["id"]

    def fill(self, value: Any) -> Any:
        """Return `value` with the names of states replaced by ids."""
        if isinstance(value, dict):
            return {name: self.fill(part) for name, part in value.items()}
        if isinstance(value, list):
            return [self.fill(part) for part in value]
        if isinstance(value, str) and "{" in value:
            for name, id_ in self.ids.items():
                value = value.replace(f"{{{name}}}", id_)
        return value


@pytest.fixture(scope="module")
async def states(database_url: str, master_keys: MasterKeys) -> AsyncIterator[States]:
    async with a_world(database_url, master_keys) as world:
        held = States(world)
        await held.build()
        yield held


async def refusals(states: States, moves: list[Move]) -> list[str]:
    world, wrong = states.world, []
    await states.receive()
    before = await world.tables()
    for who, method, path, body, status, slug in moves:
        where = states.fill(path)
        headers = {}
        if method == "PATCH":
            headers["If-Match"] = (await world.call(who, "GET", where)).headers["etag"]
        answer = await world.call(who, method, where, states.fill(body), headers=headers)
        problem = answer.json()
        if (answer.status_code, problem.get("type")) != (status, f"/problems/{slug}"):
            wrong.append(f"{who} {method} {path} {body}: {status} {slug} was due, got {answer.text[:250]}")
    after = await world.tables()
    return wrong + [f"{table} has changed" for table in before if before[table] != after[table]]


@pytest.mark.parametrize(
    "moves", [HANDOVERS, STAGES, OUTCOMES, INTAKE], ids=["handovers", "stages", "outcomes", "intake"]
)
async def test_what_is_not_allowed_is_refused_with_its_reason_and_changes_nothing(
    states: States, moves: list[Move]
) -> None:
    wrong = await refusals(states, moves)
    assert not wrong, "\n".join(wrong)


async def test_a_refusal_by_the_playbook_names_program_version_and_rule(states: States) -> None:
    world = states.world
    await states.receive()
    for who, _, path, body, _, _ in (
        move for move in (*HANDOVERS, *STAGES, *OUTCOMES) if move[5] in {"not-permitted", "not-owner", "stage-refused"}
    ):
        problem = (await world.call(who, "POST", states.fill(path), states.fill(body))).json()
        cited = problem["playbook"]
        assert (cited["program"], cited["version"]) == ("smb-inside-sales", 1), path
        assert isinstance(cited["rule"], str), path


async def test_an_idempotency_key_is_for_one_request(states: States) -> None:
    world, path = states.world, f"/v1/leads/{states.ids['open']}/notes"
    key = {"Idempotency-Key": "once"}
    first = await world.call("partner_a", "POST", path, _NOTE, headers=key)
    again = await world.call("partner_a", "POST", path, _NOTE, headers=key)
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    other = await world.call("partner_a", "POST", path, {**_NOTE, "body": "z"}, headers=key)
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-key-reused")
    assert first.json()["id"] not in other.text


_ENDS = ("0001-01-01", "1971-01-01", "2999-12-31", "9999-12-31")


@pytest.mark.parametrize("day", _ENDS)
async def test_a_day_at_the_end_of_the_calendar_breaks_nothing(states: States, day: str) -> None:
    world = states.world
    handover = await world.taken_over(f"end-{day}")
    path = f"/v1/leads/{handover['lead_id']}"
    feedback = {"handover_id": handover["id"], "rating": 3, "next_update_on": day}
    assert (await world.call("sales", "POST", f"{path}/feedback", feedback)).status_code == 422
    answer = await world.call("sales", "POST", f"{path}/outcome", {**_PENDING, "revisit_on": day})
    assert answer.status_code in {201, 422}, answer.text


@pytest.mark.parametrize(
    "at", ["0001-01-01T00:00:00Z", "1971-01-01T00:00:00+14:00", "2999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"]
)
async def test_a_meeting_at_the_end_of_the_calendar_does_not_bar_its_handover(states: States, at: str) -> None:
    world = states.world
    lead = await world.open_lead(f"meet-{at[:4]}")
    offer = {**_OFFER, "meeting": {"at": at}}
    answer = await world.call("partner_a", "POST", f"/v1/leads/{lead['id']}/handovers", offer)
    assert answer.status_code in {201, 422}, answer.text
    if answer.status_code == 201:
        await world.post("sales", f"/v1/handovers/{answer.json()['id']}/accept", status=200)


async def test_an_unknown_object_is_not_found_before_its_state_is_looked_at(states: States) -> None:
    for path in (f"/v1/handovers/{random_id('hov_')}/accept", f"/v1/outcomes/{random_id('out_')}/acknowledge"):
        answer = await states.world.call("partner_a", "POST", path, {})
        assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")
