"""What each command does under the default playbook: literal cases, and invariants over the whole finite space."""

import re
from datetime import UTC, datetime
from itertools import product
from uuid import UUID

import pytest

from app.domain.actor import Actor, Side
from app.domain.journey import ENGINE_COMMANDS, MOVES, Command, Effects, Refusal, Request, decide, time_out
from app.domain.lead import CLOSED, NOT_ACCEPTED, OPEN, PENDING_HANDOVER, RECEIVED, Lead, Party
from app.domain.playbook import Fallback
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
    outcome,
)

NOW = datetime(2026, 11, 20, 1, tzinfo=UTC)
STRANGER = Party(OTHER_PARTNER, "partner", Side.PARTNER)
SENTENCE = re.compile(r"[A-Z][a-z]* [a-z][^A-Z]*\.")
VENDOR_MANAGER = Party(PARTNER, "manager", Side.PARTNER)
OFFERED = lead(handover=handover("requested"))
AT_SALES = lead(stage="negotiation", owner=SALES, handover=handover("accepted"))


def run(state: Lead, by: Actor, command: Command) -> Effects | Refusal:
    return decide(default(), state, by, command, NOW)


REFUSED = [
    ("the giver cannot accept its own offer", OFFERED, VENDOR, Command("accept"), "not-permitted", "stages.awareness.may.accept"),
    ("a stranger cannot accept", OFFERED, STRANGER, Command("accept"), "not-permitted", "stages.awareness.may.accept"),
    ("another internal role cannot accept", OFFERED, SUCCESS, Command("accept"), "not-permitted", "stages.awareness.may.accept"),
    ("only the owner advances", OFFERED, SALES, Command("advance", to_stage="evaluation"), "not-owner", "stages.awareness.may.advance"),
    ("only the owner hands over", lead(), SALES, Command("handover", to_role="partner"), "not-owner", "stages.awareness.may.handover"),
    ("only the owner closes", AT_SALES, VENDOR, Command("outcome", result="lost", reason="price"), "not-owner", "stages.negotiation.may.outcome"),
    ("a received lead does not advance", lead(status=RECEIVED), VENDOR, Command("advance", to_stage="evaluation"), "lead-not-open", "moves.advance"),
    ("a received lead is not handed over", lead(status=RECEIVED), VENDOR, Command("handover", to_role="internal_sales"), "lead-not-open", "moves.handover"),
    ("a closed lead takes no activity", lead(status=CLOSED), VENDOR, Command("activity"), "lead-not-open", "moves.activity"),
    ("a lead that was not accepted takes no note", lead(status=NOT_ACCEPTED), VENDOR, Command("note"), "lead-not-open", "moves"),
    ("there is no way from awareness to negotiation", lead(), VENDOR, Command("advance", to_stage="negotiation"), "stage-refused", "stages.awareness.exits"),
    ("a partner does not lead negotiations", lead(stage="evaluation"), VENDOR, Command("advance", to_stage="negotiation"), "stage-refused", "stages.evaluation.exits.negotiation"),
    ("a stage is not left during an offer", lead(handover=handover("returned")), VENDOR, Command("advance", to_stage="evaluation"), "handover-pending", "stages.awareness.exits.evaluation"),
    ("one offer at a time", OFFERED, VENDOR, Command("handover", to_role="internal_sales"), "handover-pending", "stages.awareness.handovers.partner.internal_sales"),
    ("a partner does not hand over to customer success", lead(), VENDOR, Command("handover", to_role="customer_success"), "not-permitted", "stages.awareness.handovers"),
    ("an accepted offer is not accepted again", AT_SALES, SALES, Command("accept"), "handover-not-pending", "moves.accept"),
    ("an answer needs a question", OFFERED, VENDOR, Command("answer"), "handover-not-pending", "moves.answer"),
    ("a returned offer is not accepted before its answer", lead(handover=handover("returned")), SALES, Command("accept"), "handover-not-pending", "moves.accept"),
    ("a rejection needs a listed reason", OFFERED, SALES, Command("reject", reason="bored"), "reason-not-allowed", "reasons.rejected"),
    ("other needs a note", OFFERED, SALES, Command("reject", reason="other"), "reason-not-allowed", "reasons.rejected"),
    ("a partner does not win", lead(), VENDOR, Command("outcome", result="won", reason="price"), "not-permitted", "outcomes.won"),
    ("a lost reason is no won reason", AT_SALES, SALES, Command("outcome", result="won", reason="no_decision"), "reason-not-allowed", "reasons.won"),
    ("a secondary reason is listed too", AT_SALES, SALES, Command("outcome", result="lost", reason="price", secondary=("bored",)), "reason-not-allowed", "reasons.lost"),
    ("a lost lead is not closed again", lead(status=CLOSED, outcome=outcome("lost")), VENDOR, Command("outcome", result="lost", reason="price"), "outcome-exists", "outcomes.lost"),
    ("a won lead is not closed again", lead(stage="onboarding", owner=SALES, outcome=outcome("won")), SALES, Command("outcome", result="lost", reason="price"), "outcome-exists", "outcomes.lost"),
    ("a lost lead is not reopened", lead(status=CLOSED, outcome=outcome("lost")), VENDOR, Command("reopen"), "outcome-exists", "moves.reopen"),
    ("an open lead is not reopened", lead(), VENDOR, Command("reopen"), "lead-not-open", "moves.reopen"),
    ("a win is not corrected to a loss", lead(stage="onboarding", owner=SALES, outcome=outcome("won")), SALES, Command("correct", result="lost", reason="price"), "not-permitted", "moves.correct"),
    ("a reopened lead awaits a further outcome", lead(outcome=outcome("pending")), VENDOR, Command("correct", result="lost", reason="price"), "not-permitted", "moves.correct"),
    ("there is nothing to acknowledge", lead(), VENDOR, Command("acknowledge"), "not-found", "moves.acknowledge"),
    ("internal sales does not acknowledge for the partner", lead(status=CLOSED, outcome=outcome("lost")), SALES, Command("acknowledge"), "not-permitted", "stages.awareness.may.acknowledge"),
    ("a partner gives no feedback on itself", AT_SALES, VENDOR, Command("feedback"), "not-permitted", "stages.negotiation.may.feedback"),
    ("a vendor's manager gives no feedback on its own work", AT_SALES, VENDOR_MANAGER, Command("feedback"), "not-permitted", "moves.feedback"),
    ("nobody times a handover out by hand", OFFERED, MANAGER, Command("time_out"), "not-permitted", "moves.time_out"),
    ("there is no such command", lead(), VENDOR, Command("destroy"), "not-permitted", "moves.destroy"),
    ("there is no such result", lead(), VENDOR, Command("outcome", result="eaten", reason="price"), "reason-not-allowed", "outcomes"),
    ("a result must be named", lead(), VENDOR, Command("outcome", reason="price"), "reason-not-allowed", "outcomes"),
    ("a received lead is not won", lead(status=RECEIVED), VENDOR, Command("outcome", result="disqualified", reason="no_fit"), "lead-not-open", "moves.outcome"),
    ("nobody but whoever may close with a result corrects to it", lead(status=CLOSED, outcome=outcome("lost")), VENDOR, Command("correct", result="eaten", reason="price"), "not-permitted", "moves.correct"),
    ("a correction without an outcome", lead(), VENDOR, Command("correct", result="lost", reason="price"), "not-found", "moves.correct"),
    ("a lead that was closed without an outcome gets none", lead(status=CLOSED), VENDOR, Command("outcome", result="lost", reason="price"), "lead-not-open", "outcomes.lost"),
    ("an owner that may not close so corrects nothing", lead(stage="onboarding", owner=SUCCESS, outcome=outcome("won")), SUCCESS, Command("correct", reason="price"), "not-permitted", "outcomes.won"),
    ("a correction needs a listed reason", lead(status=CLOSED, outcome=outcome("lost")), VENDOR, Command("correct", result="lost", reason="bored"), "reason-not-allowed", "reasons.lost"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("state", "party", "command", "slug", "rule"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_a_refusal_names_its_slug_and_rule_in_a_sentence(
    state: Lead, party: Party, command: Command, slug: str, rule: str
):
    verdict = run(state, actor(party), command)
    assert isinstance(verdict, Refusal), verdict
    assert (verdict.slug, verdict.rule) == (slug, rule)
    assert SENTENCE.fullmatch(verdict.detail)


def test_what_is_missing_is_listed_in_full():
    bare = lead(known=frozenset(), completeness=0.2, activities=frozenset())
    verdict = run(bare, actor(VENDOR), Command("handover", to_role="internal_sales"))
    assert isinstance(verdict, Refusal)
    assert (verdict.slug, verdict.rule) == (
        "handover-incomplete", "stages.awareness.handovers.partner.internal_sales",
    )  # fmt: skip
    assert SENTENCE.fullmatch(verdict.detail)
    assert verdict.missing == (
        "/context/pain_points",
        "/context/temperature",
        "/context/bant/need",
        "completeness:0.6",
    )
    verdict = run(lead(activities=frozenset()), actor(VENDOR), Command("advance", to_stage="evaluation"))
    assert isinstance(verdict, Refusal)
    assert verdict.missing == ("activity:conversation",)
    assert (verdict.slug, verdict.rule) == ("stage-refused", "stages.awareness.exits.evaluation")
    assert SENTENCE.fullmatch(verdict.detail)
    verdict = run(OFFERED, actor(SALES), Command("reject", reason="other"))
    assert isinstance(verdict, Refusal)
    assert verdict.missing == ("/note",)


LEARNED = [
    ("exactly the share that is asked for", lead(completeness=0.6), ()),
    ("a little less", lead(completeness=0.59), ("completeness:0.6",)),
    ("a call without a conversation", lead(activities=frozenset({("call", "held")})), ("activity:conversation",)),
    ("a conversation without a call", lead(activities=frozenset({("mail", "connected")})), ("activity:conversation",)),
    ("the one of one, the other of another", lead(activities=frozenset({("call", "held"), ("mail", "connected")})), ("activity:conversation",)),
    ("one that fits among others", lead(activities=frozenset({("mail", "sent"), ("call", "appointment_set")})), ()),
]  # fmt: skip


@pytest.mark.parametrize(("state", "missing"), [row[1:] for row in LEARNED], ids=[row[0] for row in LEARNED])
def test_a_boundary_is_crossed_with_what_it_asks_for_and_nothing_less(state: Lead, missing: tuple[str, ...]):
    held = document()
    held["stages"][0]["handovers"][0]["requires"]["activities"] = ["conversation"]
    playbook = read_playbook(held, UUID(int=9), 1)
    verdict = decide(playbook, state, actor(VENDOR), Command("handover", to_role="internal_sales"), NOW)
    assert (verdict.missing if isinstance(verdict, Refusal) else ()) == missing


def test_what_a_stage_allows_to_others_holds_in_that_stage_alone():
    held = document()
    held["stages"][1]["may"] = {"advance": ["manager"]}
    playbook = read_playbook(held, UUID(int=9), 1)
    for stage, party, refused in (
        ("awareness", VENDOR, None), ("awareness", MANAGER, "not-owner"),
        ("evaluation", VENDOR, "not-permitted"), ("evaluation", MANAGER, None),
    ):  # fmt: skip
        to = {"awareness": "evaluation", "evaluation": "negotiation"}[stage]
        owner = VENDOR if stage == "awareness" else SALES
        verdict = decide(playbook, lead(stage=stage, owner=owner), actor(party), Command("advance", to_stage=to), NOW)
        assert (verdict.slug if isinstance(verdict, Refusal) else None) == refused, (stage, party)


ALLOWED = [
    (lead(), VENDOR, Command("advance", to_stage="evaluation"), ("stages.awareness.exits.evaluation", OPEN, "evaluation", VENDOR, None, ("stage.entered",))),
    (lead(), VENDOR, Command("handover", to_role="internal_sales"), ("stages.awareness.handovers.partner.internal_sales", OPEN, "awareness", VENDOR, None, ("handover.requested",))),
    (lead(handover=handover("requested", enters="evaluation")), SALES, Command("accept"), ("moves.accept", OPEN, "evaluation", SALES, "accepted", ("handover.accepted", "ownership.changed", "stage.entered"))),
    (OFFERED, SALES, Command("accept"), ("moves.accept", OPEN, "awareness", SALES, "accepted", ("handover.accepted", "ownership.changed"))),
    (OFFERED, SALES, Command("reject", reason="meeting_not_held"), ("moves.reject", OPEN, "awareness", VENDOR, "rejected", ("handover.rejected",))),
    (OFFERED, SALES, Command("return"), ("moves.return", OPEN, "awareness", VENDOR, "returned", ("handover.returned",))),
    (lead(handover=handover("returned")), VENDOR, Command("answer"), ("moves.answer", OPEN, "awareness", VENDOR, "answered", ("handover.answered",))),
    (OFFERED, VENDOR, Command("withdraw"), ("moves.withdraw", OPEN, "awareness", VENDOR, "withdrawn", ("handover.withdrawn",))),
    (AT_SALES, SALES, Command("outcome", result="won", reason="price"), ("outcomes.won", OPEN, "onboarding", SALES, None, ("outcome.closed", "stage.entered", "handover.requested"))),
    (AT_SALES, SALES, Command("outcome", result="lost", reason="other", note=True), ("outcomes.lost", CLOSED, "negotiation", SALES, None, ("outcome.closed",))),
    (OFFERED, VENDOR, Command("outcome", result="disqualified", reason="no_fit"), ("outcomes.disqualified", CLOSED, "awareness", VENDOR, "withdrawn", ("handover.withdrawn", "outcome.closed"))),
    (lead(status=CLOSED, outcome=outcome("lost")), VENDOR, Command("correct", reason="budget"), ("moves.correct", CLOSED, "awareness", VENDOR, None, ("outcome.corrected",))),
    (lead(status=CLOSED, outcome=outcome("lost")), VENDOR, Command("correct", result="disqualified", reason="no_fit"), ("moves.correct", CLOSED, "awareness", VENDOR, None, ("outcome.corrected",))),
    (lead(status=CLOSED, outcome=outcome("lost")), VENDOR, Command("acknowledge"), ("moves.acknowledge", CLOSED, "awareness", VENDOR, None, ("outcome.acknowledged",))),
    (lead(stage="onboarding", owner=SUCCESS, outcome=outcome("won")), VENDOR, Command("contest"), ("moves.contest", OPEN, "onboarding", SUCCESS, None, ("outcome.contested",))),
    (lead(status=CLOSED, outcome=outcome("pending")), VENDOR, Command("reopen"), ("moves.reopen", OPEN, "awareness", VENDOR, None, ("lead.reopened",))),
    (lead(status=CLOSED, outcome=outcome("pending")), VENDOR, Command("outcome", result="lost", reason="timing"), ("outcomes.lost", CLOSED, "awareness", VENDOR, None, ("outcome.closed",))),
    (lead(stage="onboarding", owner=SUCCESS, outcome=outcome("won")), SUCCESS, Command("advance", to_stage="closed"), ("stages.onboarding.exits.closed", CLOSED, "onboarding", SUCCESS, None, ("stage.entered",))),
    (lead(stage="evaluation", owner=SALES), SALES, Command("handover", to_role="partner"), ("stages.evaluation.handovers.internal_sales.partner", OPEN, "evaluation", SALES, None, ("handover.requested",))),
    (lead(status=RECEIVED), VENDOR, Command("activity"), ("moves.activity", RECEIVED, "awareness", VENDOR, None, ("activity.logged",))),
]  # fmt: skip


@pytest.mark.parametrize(("state", "party", "command", "expected"), ALLOWED, ids=[row[2].name for row in ALLOWED])
def test_a_permitted_command_has_exactly_these_effects(state: Lead, party: Party, command: Command, expected: tuple):
    verdict = run(state, actor(party), command)
    assert isinstance(verdict, Effects), verdict
    found = (verdict.rule, verdict.status, verdict.stage, verdict.owner, verdict.handover, verdict.events)
    assert found == expected
    assert verdict.consults is None
    assert (verdict.request is not None) == ("handover.requested" in verdict.events)


OFFERS = [
    ("the way says what acceptance enters", lead(), VENDOR, Command("handover", to_role="internal_sales"), Request(VENDOR, SALES, "evaluation")),
    ("or that the stage stays", lead(stage="evaluation"), VENDOR, Command("handover", to_role="internal_sales"), Request(VENDOR, SALES, None)),
    ("back to the partner of the lead", lead(owner=MANAGER), MANAGER, Command("handover", to_role="partner"), Request(MANAGER, VENDOR, None)),
    ("a win goes to customer success", AT_SALES, SALES, Command("outcome", result="won", reason="price"), Request(SALES, SUCCESS, None)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("state", "party", "command", "offer"), [row[1:] for row in OFFERS], ids=[r[0] for r in OFFERS]
)
def test_an_offer_goes_from_the_owner_who_stays_accountable_to_its_receiver(
    state: Lead, party: Party, command: Command, offer: Request
):
    verdict = run(state, actor(party), command)
    assert isinstance(verdict, Effects)
    assert (verdict.request, verdict.owner) == (offer, party)


def test_a_role_of_either_side_is_filled_by_the_tenants_own_organisation():
    held = document()
    held["stages"][0]["handovers"] = [{"from": "partner", "to": "manager"}]
    verdict = decide(
        read_playbook(held, UUID(int=9), 1), lead(), actor(VENDOR), Command("handover", to_role="manager"), NOW
    )
    assert isinstance(verdict, Effects)
    assert verdict.request == Request(VENDOR, MANAGER, None)


def test_a_time_out_ends_at_the_named_fallback():
    chief = Party(VENDOR.organization_id, "manager", Side.PARTNER)
    for side, owner in ((Side.INTERNAL, Party(TENANT, "manager", Side.INTERNAL)), (Side.PARTNER, chief)):
        assert time_out(OFFERED, Fallback(side, "manager")) == Effects(
            "ladders.fallback", OPEN, "awareness", owner, "timed_out", None, ("handover.timed_out", "ownership.changed")
        )


COMMANDS = [
    *(Command(name) for name in MOVES if name not in {"advance", "handover", "outcome", "correct", "reject"}),
    *(Command("advance", to_stage=to) for to in ("awareness", "evaluation", "negotiation", "onboarding", "closed")),
    *(Command("handover", to_role=role) for role in ("partner", "internal_sales", "customer_success", "manager")),
    *(Command(name, result=result, reason="other", note=True) for name in ("outcome", "correct") for result in ("won", "lost", "pending", "disqualified")),
    Command("reject", reason="other", note=True),
]  # fmt: skip


def test_no_command_of_anybody_in_any_state_breaks_a_promise():
    """Every stage, status, owner, handover, outcome, actor and command."""
    playbook = default()
    parties = (VENDOR, SALES, MANAGER, SUCCESS, STRANGER)
    handovers = (None, *(handover(status) for status in ("requested", "returned", "answered", "accepted", "rejected")))
    seen = 0
    for stage, status, owner, offered, ended in product(
        playbook.stages,
        (RECEIVED, OPEN, CLOSED, NOT_ACCEPTED),
        (VENDOR, SALES, MANAGER),
        handovers,
        (None, "lost", "pending"),
    ):
        state = lead(stage=stage, status=status, owner=owner, handover=offered, outcome=ended and outcome(ended))
        for party, command in product(parties, COMMANDS):
            verdict = run(state, actor(party), command)
            seen += 1
            if isinstance(verdict, Refusal):
                assert verdict.rule
                continue
            assert command.name not in ENGINE_COMMANDS
            assert party is not STRANGER, "a stranger may do nothing"
            assert verdict.stage in playbook.stages
            assert verdict.status in {RECEIVED, OPEN, CLOSED}
            assert verdict.owner.role in playbook.roles
            if verdict.owner != owner:
                assert command.name == "accept"
                assert offered is not None
                assert verdict.owner == offered.receiver
            if status == RECEIVED:
                assert (verdict.status, verdict.stage, verdict.owner) == (RECEIVED, stage, owner)
            if verdict.status == CLOSED and status != CLOSED:
                assert command.name in {"outcome", "advance"}
            if verdict.request is not None:
                still = offered is not None and offered.status in PENDING_HANDOVER and verdict.handover is None
                assert not still, "never two pending handovers"
            assert set(verdict.events) <= {event for move in MOVES.values() for event in move.events}
    assert seen > 10_000
