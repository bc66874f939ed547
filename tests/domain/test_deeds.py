"""What the ledger tells: which events were one deed, by which command, by whom, and the state that it left."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest

from app.domain.actor import Actor, Side
from app.domain.deeds import Deed, Fact, Reader, day_of, deeds
from app.domain.ids import Prefix, show
from app.domain.journey import Command
from app.domain.lead import CLOSED, NOT_ACCEPTED, OPEN, RECEIVED, Consultation, Handover, Lead, Outcome, Party
from app.domain.playbook import Label, Role
from app.domain.playbook_reader import read_playbook
from tests.domain.ledger import after, owner
from tests.domain.playbooks import (
    HANDOVER,
    LEAD,
    MANAGER,
    OUTCOME,
    PARTNER,
    SALES,
    SUCCESS,
    TENANT,
    VENDOR,
    default,
    document,
    handover,
    lead,
    outcome,
)

CHIEF = Party(PARTNER, "manager", Side.PARTNER)
TECHNICAL = Party(TENANT, "technical", Side.INTERNAL)
READER = Reader(default(), TENANT, PARTNER)
QUESTION = UUID(int=21)
NOBODY = UUID(int=0)

TOGETHER = [
    ("a posting with its offer", "partner", ["lead.received", "handover.requested"], [("lead.received", None, 2)]),
    ("a refusal takes the offer back", "baton", ["handover.withdrawn", "lead.not_accepted"], [("lead.not_accepted", None, 2)]),
    ("an acceptance", "internal_sales", ["handover.accepted", "ownership.changed", "stage.entered"], [("handover.accepted", "accept", 3)]),
    ("a win", "internal_sales", ["handover.withdrawn", "outcome.closed", "stage.entered", "handover.requested"], [("outcome.closed", "outcome", 4)]),
    ("a time-out, beside the step that did it", "baton", ["escalation.stepped", "handover.timed_out", "ownership.changed"], [("escalation.stepped", None, 1), ("handover.timed_out", None, 2)]),
    ("what was done ends what was owed", "partner", ["activity.logged", "escalation.resolved"], [("activity.logged", "activity", 1)]),
    ("so does what follows from another event", "internal_sales", ["escalation.resolved", "handover.accepted", "ownership.changed"], [("handover.accepted", "accept", 2)]),
    ("so does a refusal", "baton", ["lead.not_accepted", "escalation.resolved"], [("lead.not_accepted", None, 1)]),
    ("where nothing was done, somebody let go", "manager", ["escalation.resolved", "clock.breached"], [("escalation.resolved", None, 1), ("clock.breached", None, 1)]),
    ("alone it was let go, too", "manager", ["escalation.resolved"], [("escalation.resolved", None, 1)]),
    ("commands of one request stay apart", "partner", ["note.added", "activity.logged"], [("note.added", "note", 1), ("activity.logged", "activity", 1)]),
    ("an assignment alone", "internal_sales", ["ownership.changed"], [("ownership.changed", "assign", 1)]),
    ("what no command writes", "partner", ["trouble.raised"], [("trouble.raised", None, 1)]),
    ("an offer that an acceptance does not take along", "internal_sales", ["handover.requested", "handover.accepted"], [("handover.requested", "handover", 1), ("handover.accepted", "accept", 1)]),
]  # fmt: skip


@pytest.mark.parametrize(("role", "events", "expected"), [row[1:] for row in TOGETHER], ids=[r[0] for r in TOGETHER])
def test_events_that_follow_from_one_command_are_one_deed(role: str, events: list[str], expected: list):
    facts = [Fact(kind, after(1), role, "req_1", {"n": n}) for n, kind in enumerate(events)]
    found = list(deeds(facts))
    assert [(deed.kind, deed.command, len(deed.facts)) for deed in found] == expected
    for deed in found:
        assert (deed.at, deed.role, list(deed.events)) == (after(1), role, [e for e in events if e in deed.events])
        assert deed.data == {"n": events.index(deed.kind)}


def test_another_moment_or_request_is_another_deed():
    kinds = ("handover.accepted", "ownership.changed", "stage.entered")
    places = ((1, "req_1"), (2, "req_1"), (2, "req_2"))
    facts = [Fact(kind, after(at), "x", request, {}) for kind, (at, request) in zip(kinds, places, strict=True)]
    assert [(deed.kind, deed.at) for deed in deeds(facts)] == [
        ("handover.accepted", after(1)), ("ownership.changed", after(2)), ("stage.entered", after(2)),
    ]  # fmt: skip


def deed(kind: str, data: dict[str, Any] | None = None, role: str = "partner", **others: dict[str, Any]) -> Deed:
    events = {kind: data or {}, **{name.replace("__", "."): said for name, said in others.items()}}
    facts = tuple(Fact(name, after(0), role, "req_1", said) for name, said in events.items())
    return Deed(kind, after(0), role, facts)


OFFERED = lead(handover=handover("requested"))
OFFER = {"handover_id": show(Prefix.HANDOVER, HANDOVER), "to_role": "internal_sales"}
ASKED = {"consultation_id": show(Prefix.CONSULTATION, QUESTION), "to_role": "technical", "status": "requested"}
ENDED = {"outcome_id": show(Prefix.OUTCOME, OUTCOME), "result": "lost"}
WON = {**ENDED, "result": "won"}

LEFT: list[tuple[str, Lead, Deed, dict[str, Any]]] = [
    ("accepted", lead(status=RECEIVED), deed("lead.accepted"), {"status": OPEN}),
    ("not accepted", lead(status=RECEIVED), deed("lead.not_accepted"), {"status": NOT_ACCEPTED}),
    ("reopened", lead(status=CLOSED), deed("lead.reopened"), {"status": OPEN}),
    ("learned", lead(), deed("lead.updated", {"known": ["/context/bant", "/context/concerns", "/context/bant/need"]}), {"known": frozenset({"/context/bant", "/context/concerns", "/context/bant/need"}), "completeness": 0.22}),
    ("forgotten", lead(), deed("lead.updated", {"known": None}), {"known": frozenset(), "completeness": 0.0}),
    ("logged", lead(), deed("activity.logged", {"kind": "mail", "disposition": "sent"}), {"activities": frozenset({("call", "connected"), ("meeting", "held"), ("mail", "sent")})}),
    ("judged", lead(activities=frozenset({("call", "x")})), deed("feedback.given", {"meeting_held": True}), {"activities": frozenset({("call", "x"), ("meeting", "held")})}),
    ("judged without a meeting", lead(activities=frozenset()), deed("feedback.given", {"meeting_held": False}), {}),
    ("judged without a word on it", lead(activities=frozenset()), deed("feedback.given"), {}),
    ("moved", lead(), deed("stage.entered", {"to": "negotiation"}), {"stage": "negotiation"}),
    ("moved to the end", lead(), deed("stage.entered", {"to": "closed"}), {"status": CLOSED}),
    ("owned", lead(), deed("ownership.changed", {"owner": owner(SALES)}), {"owner": SALES}),
    ("owned by the partner", lead(owner=SALES), deed("ownership.changed", {"owner": owner(CHIEF)}), {"owner": CHIEF}),
    ("offered", lead(), deed("handover.requested", OFFER), {"handover": Handover(HANDOVER, "requested", VENDOR, SALES, None, None)}),
    ("offered with a meeting", lead(), deed("handover.requested", {**OFFER, "meeting_at": "2026-11-25T02:00:00+00:00"}), {"handover": Handover(HANDOVER, "requested", VENDOR, SALES, datetime(2026, 11, 25, 2, tzinfo=UTC), None)}),
    ("offered back", lead(owner=SALES), deed("handover.requested", {"handover_id": "?", "to_role": "partner"}), {"handover": Handover(NOBODY, "requested", SALES, VENDOR, None, None)}),
    *((name, OFFERED, deed(f"handover.{name}"), {"handover": handover(name)}) for name in ("accepted", "rejected", "returned", "answered", "withdrawn", "timed_out")),
    ("answered, where nothing was offered", lead(), deed("handover.answered"), {}),
    ("asked", lead(), deed("consultation.requested", ASKED), {"consultation": Consultation(QUESTION, "requested", VENDOR, TECHNICAL)}),
    ("declined", lead(owner=SALES), deed("consultation.declined", {**ASKED, "consultation_id": "?", "status": "declined"}), {"consultation": Consultation(NOBODY, "declined", SALES, TECHNICAL)}),
    ("asked before", lead(consultation=Consultation(QUESTION, "requested", VENDOR, TECHNICAL)), deed("note.added"), {"consultation": None}),
    ("lost", lead(), deed("outcome.closed", ENDED), {"outcome": outcome("lost"), "status": CLOSED}),
    ("closed with a result that the playbook does not know", lead(), deed("outcome.closed", {**ENDED, "result": "eaten"}), {"outcome": outcome("eaten"), "status": CLOSED}),
    ("lost, but it went on to a stage", lead(), deed("outcome.closed", ENDED, stage__entered={"to": "onboarding"}), {"outcome": outcome("lost"), "stage": "onboarding"}),
    ("lost, but it was handed over", lead(), deed("outcome.closed", ENDED, handover__requested=OFFER), {"outcome": outcome("lost"), "handover": handover("requested")}),
    ("won", lead(), deed("outcome.closed", {**WON, "version": 3}), {"outcome": Outcome(OUTCOME, "won", 3)}),
    ("corrected", lead(status=CLOSED), deed("outcome.corrected", {**ENDED, "outcome_id": "?", "version": 2}), {"outcome": Outcome(NOBODY, "lost", 2)}),
    ("noted", lead(), deed("note.added", {"known": [], "to": "negotiation"}), {}),
    ("accepted with all that follows", OFFERED, deed("handover.accepted", {}, ownership__changed={"owner": owner(SALES)}, stage__entered={"to": "evaluation"}), {"handover": handover("accepted"), "owner": SALES, "stage": "evaluation"}),
]  # fmt: skip


@pytest.mark.parametrize(("before", "done", "changed"), [row[1:] for row in LEFT], ids=[row[0] for row in LEFT])
def test_a_deed_leaves_the_lead_as_the_ledger_says(before: Lead, done: Deed, changed: dict[str, Any]):
    assert READER.after(before, done) == replace(before, **changed)


def test_a_posting_is_read_as_it_was():
    said = {"stage": "evaluation", "owner": owner(VENDOR), "known": ["/context/concerns"]}
    found = READER.received(LEAD, deed("lead.received", said, handover__requested=OFFER))
    assert found == lead(
        status=RECEIVED,
        stage="evaluation",
        known=frozenset({"/context/concerns"}),
        completeness=0.11,
        activities=frozenset(),
        handover=handover("requested"),
    )


COMMANDS = [
    (deed("note.added", {"to": "evaluation"}), Command("note", note=True)),
    (deed("stage.entered", {"to": "evaluation"}), Command("advance", to_stage="evaluation", note=True)),
    (deed("stage.entered", {"to": "trial"}), Command("advance", to_stage="negotiation", note=True)),
    (deed("stage.entered", {"to": "closed"}), Command("advance", to_stage="closed", note=True)),
    (deed("handover.requested", OFFER), Command("handover", to_role="internal_sales", note=True)),
    (deed("handover.rejected", {"reason": "other"}), Command("reject", reason="other", note=True)),
    (
        deed("outcome.closed", {**ENDED, "reason": "price", "secondary_reasons": ["timing", "budget"], "revisit_on": "2026-12-01"}),
        Command("outcome", reason="price", note=True, result="lost", secondary=("timing", "budget"), revisit_on=date(2026, 12, 1)),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("done", "command"), COMMANDS, ids=[row[0].kind for row in COMMANDS])
def test_a_command_is_read_as_it_was_given(done: Deed, command: Command):
    held = document()
    held["stages"][2]["was"] = ["trial"]
    assert replace(READER, playbook=read_playbook(held, UUID(int=9), 1)).command(done) == command


def test_a_day_is_read_where_one_was_named():
    assert [day_of(said) for said in ("2026-12-01", None, "")] == [date(2026, 12, 1), None, None]


def without(*roles: str) -> Reader:
    """Return a reader of a playbook that does not know some roles any more."""
    playbook = default()
    return replace(
        READER, playbook=replace(playbook, roles={k: v for k, v in playbook.roles.items() if k not in roles})
    )


def with_role(key: str, side: Side) -> Reader:
    """Return a reader of a playbook that has a role of its own."""
    playbook = default()
    return replace(READER, playbook=replace(playbook, roles={**playbook.roles, key: Role(key, side, Label(key, key))}))


AGENCY = with_role("agency", Side.PARTNER)
TO_SALES, TO_CHIEF = handover("requested", VENDOR, SALES), handover("requested", SALES, CHIEF)
ACTED = [
    ("a role of one side", READER, lead(), "partner", "note.added", (Side.PARTNER, {"partner"})),
    ("of the other", READER, lead(), "internal_sales", "note.added", (Side.INTERNAL, {"internal_sales"})),
    ("a manager is the client's", READER, lead(), "manager", "note.added", (Side.INTERNAL, {"manager"})),
    ("unless the partner's owns the lead", READER, lead(owner=CHIEF), "manager", "note.added", (Side.PARTNER, {"manager"})),
    ("or is to receive it", READER, lead(owner=SALES, handover=TO_CHIEF), "manager", "note.added", (Side.PARTNER, {"manager"})),
    ("or gives it", READER, lead(handover=handover("requested", CHIEF, SALES)), "manager", "note.added", (Side.PARTNER, {"manager"})),
    ("the owner comes first", READER, lead(owner=MANAGER, handover=TO_CHIEF), "manager", "note.added", (Side.INTERNAL, {"manager"})),
    ("a former role of one side", without("technical", "partner"), lead(), "partner", "note.added", (Side.PARTNER, {"partner"})),
    ("of the client", without("technical"), lead(owner=Party(PARTNER, "technical", Side.PARTNER)), "technical", "note.added", (Side.INTERNAL, {"technical"})),
    ("a former role of both", without("manager"), lead(owner=CHIEF), "manager", "note.added", (Side.PARTNER, {"manager"})),
    ("a role of the playbook's own", AGENCY, lead(), "agency", "note.added", (Side.PARTNER, {"agency"})),
    ("one that nobody knows", READER, lead(), "wizard", "note.added", (Side.INTERNAL, {"wizard"})),
    ("only a receiver answers", READER, lead(handover=TO_SALES), "manager", "handover.accepted", (Side.INTERNAL, {"manager", "internal_sales"})),
    ("on whichever side", READER, lead(handover=TO_CHIEF), "admin", "handover.rejected", (Side.PARTNER, {"admin", "manager"})),
    ("or asks back", READER, lead(handover=TO_CHIEF), "admin", "handover.returned", (Side.PARTNER, {"admin", "manager"})),
    ("a giver withdraws", READER, lead(handover=TO_CHIEF), "internal_sales", "handover.withdrawn", (Side.INTERNAL, {"internal_sales"})),
    ("an answer without an offer", READER, lead(), "partner", "handover.accepted", (Side.PARTNER, {"partner"})),
]  # fmt: skip


@pytest.mark.parametrize(
    ("reader", "state", "role", "kind", "expected"), [row[1:] for row in ACTED], ids=[row[0] for row in ACTED]
)
def test_who_acted(reader: Reader, state: Lead, role: str, kind: str, expected: tuple[Side, set[str]]):
    side, roles = expected
    organization = TENANT if side is Side.INTERNAL else PARTNER
    found = reader.actor(state, deed(kind, role=role))
    assert found == Actor(TENANT, organization, NOBODY, side, frozenset(roles), frozenset())


def test_a_receiver_is_the_party_that_fills_the_role_today_or_did():
    roles = ("partner", "customer_success", "manager", "wizard")
    wizard = Party(TENANT, "wizard", Side.INTERNAL)
    for reader in (READER, without("partner", "customer_success", "manager")):
        assert [reader.receiver(lead(), role) for role in roles] == [VENDOR, SUCCESS, MANAGER, wizard]
    assert AGENCY.receiver(lead(), "agency") == Party(PARTNER, "agency", Side.PARTNER)


def test_a_party_of_no_known_organisation_is_the_partners():
    assert READER.party({"organization_id": "?", "role": "x"}) == Party(NOBODY, "x", Side.PARTNER)
