"""Who may ask whom, how a question ends, whose clock it is, and which sides are told of what."""

import re
from datetime import UTC, datetime
from uuid import UUID

import pytest

from app.domain.actions import actions
from app.domain.actor import Side
from app.domain.audience import audience, informed_sides
from app.domain.business_time import Calendar
from app.domain.consultation import acting_role, lapse, settle
from app.domain.journey import Command, Effects, Refusal, decide
from app.domain.lead import CLOSED, NOT_ACCEPTED, OPEN, RECEIVED, Consultation, Lead, Party
from app.domain.obligations import Moments, Running, changes
from app.domain.playbook import Playbook
from app.domain.playbook_reader import read_playbook
from tests.domain.playbooks import (
    MANAGER,
    OTHER_PARTNER,
    PARTNER,
    SALES,
    SUCCESS,
    TENANT,
    VENDOR,
    actor,
    default,
    document,
    handover,
    lead,
)

NOW = datetime(2026, 11, 20, 1, tzinfo=UTC)
TECHNICAL = Party(TENANT, "technical", Side.INTERNAL)
STRANGER = Party(OTHER_PARTNER, "partner", Side.PARTNER)
SENTENCE = re.compile(r"[A-Z][a-z]* [a-z][^A-Z]*\.")
FIRST, SECOND = UUID(int=21), UUID(int=22)
ALWAYS = Calendar("UTC", tuple(((0, 1440),) for _ in range(7)))


def consulting(stage: str, *roles: str) -> Playbook:
    """Return the default playbook with other consulted roles in one stage."""
    changed = document()
    next(held for held in changed["stages"] if held["key"] == stage)["consulted"] = list(roles)
    return read_playbook(changed, UUID(int=9), 1)


ASKED = [
    ("the owner asks", lead(), VENDOR, "technical", None),
    ("also while a handover is pending", lead(handover=handover("requested")), VENDOR, "technical", None),
    ("internal sales asks once it owns the lead", lead(stage="negotiation", owner=SALES), SALES, "technical", None),
    ("another role of the owner's side does not", lead(owner=SALES), MANAGER, "technical", ("not-owner", "stages.awareness.may.consult")),
    ("the other side does not", lead(), SALES, "technical", ("not-owner", "stages.awareness.may.consult")),
    ("a stranger does not", lead(), STRANGER, "technical", ("not-owner", "stages.awareness.may.consult")),
    ("a role that is not consulted here is not asked", lead(), VENDOR, "customer_success", ("not-permitted", "stages.awareness.consulted")),
    ("nor one that does not exist", lead(), VENDOR, "wizard", ("not-permitted", "stages.awareness.consulted")),
    ("nor nobody", lead(), VENDOR, None, ("not-permitted", "stages.awareness.consulted")),
    ("a closed lead needs no help", lead(status=CLOSED), VENDOR, "technical", ("lead-not-open", "moves.consult")),
    ("a received one not yet", lead(status=RECEIVED), VENDOR, "technical", ("lead-not-open", "moves.consult")),
    ("one that was not accepted never", lead(status=NOT_ACCEPTED), VENDOR, "technical", ("lead-not-open", "moves")),
]  # fmt: skip


@pytest.mark.parametrize(("state", "party", "role", "refusal"), [row[1:] for row in ASKED], ids=[r[0] for r in ASKED])
def test_the_owner_asks_the_roles_of_its_stage(state: Lead, party: Party, role: str | None, refusal):
    verdict = decide(default(), state, actor(party), Command("consult", to_role=role), NOW)
    if refusal:
        assert isinstance(verdict, Refusal)
        assert (verdict.slug, verdict.rule) == refusal
        assert SENTENCE.fullmatch(verdict.detail)
        return
    assert isinstance(verdict, Effects)
    assert (verdict.rule, verdict.consults) == (f"stages.{state.stage}.consulted", TECHNICAL)
    assert (verdict.status, verdict.stage, verdict.owner) == (state.status, state.stage, state.owner)
    assert verdict.events == ("consultation.requested",)


def test_a_role_of_the_partner_is_asked_at_its_organisation():
    verdict = decide(
        consulting("negotiation", "partner"), lead(stage="negotiation", owner=SALES), actor(SALES),
        Command("consult", to_role="partner"), NOW,
    )  # fmt: skip
    assert isinstance(verdict, Effects)
    assert verdict.consults == Party(PARTNER, "partner", Side.PARTNER)


def test_an_owner_does_not_ask_itself():
    playbook, state = consulting("negotiation", "internal_sales"), lead(stage="negotiation", owner=SALES)
    verdict = decide(playbook, state, actor(SALES), Command("consult", to_role="internal_sales"), NOW)
    assert isinstance(verdict, Refusal)
    assert (verdict.slug, verdict.rule) == ("not-permitted", "stages.negotiation.consulted")
    assert SENTENCE.fullmatch(verdict.detail)
    (action,) = [held for held in actions(playbook, state, actor(SALES), NOW) if held.command == "consult"]
    assert not action.allowed


def about(status: str = "requested", owner: Party = VENDOR) -> Lead:
    return lead(owner=owner, consultation=Consultation(FIRST, status, VENDOR, TECHNICAL))


ENDED = [
    ("the asked role answers", about(), TECHNICAL, "answer", "consultation.answered"),
    ("the asked role declines", about(), TECHNICAL, "decline", "consultation.declined"),
    ("who asked takes back", about(), VENDOR, "withdraw", "consultation.withdrawn"),
    ("who asked takes back after the lead went on", about(owner=SALES), VENDOR, "withdraw", "consultation.withdrawn"),
    ("who owns the lead now takes back", about(owner=SALES), SALES, "withdraw", "consultation.withdrawn"),
    ("who asked does not answer", about(), VENDOR, "answer", "not-permitted"),
    ("another role does not answer", about(), SUCCESS, "answer", "not-permitted"),
    ("the asked role's manager does not answer", about(), MANAGER, "answer", "not-permitted"),
    ("the asked role does not take back", about(), TECHNICAL, "withdraw", "not-permitted"),
    ("a stranger does not take back", about(), STRANGER, "withdraw", "not-permitted"),
    ("an answered one is not answered again", about("answered"), TECHNICAL, "answer", "consultation-not-open"),
    ("a declined one is not answered", about("declined"), TECHNICAL, "answer", "consultation-not-open"),
    ("a withdrawn one is not declined", about("withdrawn"), TECHNICAL, "decline", "consultation-not-open"),
    ("where nothing was asked, nothing is answered", lead(), TECHNICAL, "answer", "not-permitted"),
    ("nor taken back", lead(), VENDOR, "withdraw", "not-permitted"),
    ("an answered one is not taken back", about("answered"), VENDOR, "withdraw", "consultation-not-open"),
]


@pytest.mark.parametrize(("state", "party", "verb", "expected"), [row[1:] for row in ENDED], ids=[r[0] for r in ENDED])
def test_only_the_asked_role_answers_and_only_who_asks_takes_back(state: Lead, party: Party, verb: str, expected: str):
    verdict = settle(state, actor(party), verb)
    if isinstance(verdict, Refusal):
        assert (verdict.slug, verdict.rule) == (expected, f"consultations.{verb}")
        assert SENTENCE.fullmatch(verdict.detail)
        return
    assert (verdict.rule, verdict.events) == (f"consultations.{verb}", (expected,))
    assert (verdict.status, verdict.stage, verdict.owner) == (state.status, state.stage, state.owner)
    assert acting_role(state, actor(party, "admin"), verb) == party.role


def test_open_questions_end_with_the_lead_alone():
    statuses = (RECEIVED, OPEN, CLOSED, NOT_ACCEPTED)
    assert [lapse(lead(status=status)) for status in statuses] == [False, False, True, True]


def test_the_clock_of_one_question_leaves_the_others_running():
    running = [
        Running(UUID(int=31), "consultation_response", NOW, late=False, consultation_id=FIRST),
        Running(UUID(int=32), "consultation_response", NOW, late=True, consultation_id=SECOND),
        Running(UUID(int=33), "progress_owed", NOW, late=False),
    ]

    def after(event: str, state: Lead, moments: Moments | None = None):
        return changes(default(), state, (event,), running, lambda _: ALWAYS, moments or Moments(), NOW)

    for event in ("consultation.answered", "consultation.declined", "consultation.withdrawn"):
        found = after(event, about("answered"))
        assert (found.starts, found.stops) == ((), (UUID(int=31),))
    third = lead(consultation=Consultation(UUID(int=23), "requested", VENDOR, TECHNICAL))
    found = after("consultation.requested", third)
    assert found.stops == ()
    (start,) = found.starts
    assert (start.key, start.owed_by, start.waiting) == ("consultation_response", TECHNICAL, VENDOR)
    assert start.due_at == datetime(2026, 11, 20, 5, tzinfo=UTC)
    named = datetime(2026, 11, 20, 2, 30, tzinfo=UTC)
    assert after("consultation.requested", third, Moments(until=named)).starts[0].due_at == named
    assert set(after("outcome.closed", lead(status=CLOSED)).stops) == {clock.id for clock in running}


BOTH = {Side.INTERNAL, Side.PARTNER}


def raci(**stages: tuple[list[str], list[str], list[str]]) -> Playbook:
    changed = document()
    for held in changed["stages"]:
        if held["key"] in stages:
            held["accountable"], held["consulted"], held["informed"] = stages[held["key"]]
    return read_playbook(changed, UUID(int=9), 1)


def test_the_default_playbook_informs_both_sides_everywhere():
    for stage in default().stages:
        assert informed_sides(default(), stage) == BOTH


TOLD = [
    ("accountable alone", (["partner"], [], []), {Side.PARTNER}),
    ("consulted counts", (["partner"], ["technical"], []), BOTH),
    ("informed counts", (["internal_sales"], [], ["partner"]), BOTH),
    ("a role of either side counts for both", (["partner"], [], ["manager"]), BOTH),
    ("nobody of the partner", (["internal_sales"], ["technical"], ["customer_success"]), {Side.INTERNAL}),
]


@pytest.mark.parametrize(("roles", "sides"), [row[1:] for row in TOLD], ids=[row[0] for row in TOLD])
def test_a_side_is_told_what_some_role_of_it_has_part_in(roles, sides):
    playbook = raci(awareness=roles)
    assert informed_sides(playbook, "awareness") == sides
    assert audience("activity.logged", [(playbook, "awareness")], []) == sides


def test_a_change_of_stage_is_told_to_those_of_either_stage():
    playbook = raci(awareness=(["partner"], [], []), evaluation=(["internal_sales"], [], []))
    scenes = [(playbook, "awareness"), (playbook, "evaluation")]
    assert audience("stage.entered", scenes, []) == BOTH
    assert audience("stage.entered", scenes[:1], []) == {Side.PARTNER}
    assert audience("note.added", scenes[:1], [Side.INTERNAL]) == BOTH, "who acts sees what it did"


@pytest.mark.parametrize(
    "kind",
    [
        "outcome.closed", "outcome.corrected", "ownership.changed", "consultation.requested", "consultation.declined",
        "clock.breached", "escalation.opened", "feedback.overdue", "lead.accepted", "lead.reopened",
    ],
)  # fmt: skip
def test_what_no_playbook_keeps_from_a_side(kind: str):
    assert audience(kind, [(raci(awareness=(["partner"], [], [])), "awareness")], []) == BOTH
