"""What each command does under the default playbook: literal cases, and invariants over the whole finite space."""

from datetime import UTC, datetime
from itertools import product

import pytest

from app.domain.actor import Actor, Side
from app.domain.journey import ENGINE_COMMANDS, MOVES, Command, Effects, Refusal, decide, time_out
from app.domain.lead import CLOSED, NOT_ACCEPTED, OPEN, PENDING_HANDOVER, RECEIVED, Lead, Party
from app.domain.playbook import Fallback
from tests.domain.playbooks import (
    MANAGER,
    OTHER_PARTNER,
    SALES,
    SUCCESS,
    TENANT,
    VENDOR,
    actor,
    default,
    handover,
    lead,
    outcome,
)

NOW = datetime(2026, 11, 20, 1, tzinfo=UTC)
STRANGER = Party(OTHER_PARTNER, "partner", Side.PARTNER)
OFFERED = lead(handover=handover("requested"))
AT_SALES = lead(stage="negotiation", owner=SALES, handover=handover("accepted"))


def run(state: Lead, by: Actor, command: Command) -> Effects | Refusal:
    return decide(default(), state, by, command, NOW)


REFUSED = [
    ("the giver cannot accept its own offer", OFFERED, VENDOR, Command("accept"), "not-permitted"),
    ("a stranger cannot accept", OFFERED, STRANGER, Command("accept"), "not-permitted"),
    ("another internal role cannot accept", OFFERED, SUCCESS, Command("accept"), "not-permitted"),
    ("only the owner advances", OFFERED, SALES, Command("advance", to_stage="evaluation"), "not-owner"),
    ("only the owner hands over", lead(), SALES, Command("handover", to_role="partner"), "not-owner"),
    ("only the owner closes", AT_SALES, VENDOR, Command("outcome", result="lost", reason="price"), "not-owner"),
    ("a received lead does not advance", lead(status=RECEIVED), VENDOR, Command("advance", to_stage="evaluation"), "lead-not-open"),
    ("a received lead is not handed over", lead(status=RECEIVED), VENDOR, Command("handover", to_role="internal_sales"), "lead-not-open"),
    ("a closed lead takes no activity", lead(status=CLOSED), VENDOR, Command("activity"), "lead-not-open"),
    ("a lead that was not accepted takes no note", lead(status=NOT_ACCEPTED), VENDOR, Command("note"), "lead-not-open"),
    ("there is no way from awareness to negotiation", lead(), VENDOR, Command("advance", to_stage="negotiation"), "stage-refused"),
    ("a partner does not lead negotiations", lead(stage="evaluation"), VENDOR, Command("advance", to_stage="negotiation"), "stage-refused"),
    ("a stage is not left during an offer", lead(handover=handover("returned")), VENDOR, Command("advance", to_stage="evaluation"), "handover-pending"),
    ("one offer at a time", OFFERED, VENDOR, Command("handover", to_role="internal_sales"), "handover-pending"),
    ("a partner does not hand over to customer success", lead(), VENDOR, Command("handover", to_role="customer_success"), "not-permitted"),
    ("an accepted offer is not accepted again", AT_SALES, SALES, Command("accept"), "handover-not-pending"),
    ("an answer needs a question", OFFERED, VENDOR, Command("answer"), "handover-not-pending"),
    ("a returned offer is not accepted before its answer", lead(handover=handover("returned")), SALES, Command("accept"), "handover-not-pending"),
    ("a rejection needs a listed reason", OFFERED, SALES, Command("reject", reason="bored"), "reason-not-allowed"),
    ("other needs a note", OFFERED, SALES, Command("reject", reason="other"), "reason-not-allowed"),
    ("a partner does not win", lead(), VENDOR, Command("outcome", result="won", reason="price"), "not-permitted"),
    ("a lost reason is no won reason", AT_SALES, SALES, Command("outcome", result="won", reason="no_decision"), "reason-not-allowed"),
    ("a secondary reason is listed too", AT_SALES, SALES, Command("outcome", result="lost", reason="price", secondary=("bored",)), "reason-not-allowed"),
    ("a lost lead is not closed again", lead(status=CLOSED, outcome=outcome("lost")), VENDOR, Command("outcome", result="lost", reason="price"), "outcome-exists"),
    ("a won lead is not closed again", lead(stage="onboarding", owner=SALES, outcome=outcome("won")), SALES, Command("outcome", result="lost", reason="price"), "outcome-exists"),
    ("a lost lead is not reopened", lead(status=CLOSED, outcome=outcome("lost")), VENDOR, Command("reopen"), "outcome-exists"),
    ("an open lead is not reopened", lead(), VENDOR, Command("reopen"), "lead-not-open"),
    ("a win is not corrected to a loss", lead(stage="onboarding", owner=SALES, outcome=outcome("won")), SALES, Command("correct", result="lost", reason="price"), "not-permitted"),
    ("a reopened lead awaits a further outcome", lead(outcome=outcome("pending")), VENDOR, Command("correct", result="lost", reason="price"), "not-permitted"),
    ("there is nothing to acknowledge", lead(), VENDOR, Command("acknowledge"), "not-found"),
    ("internal sales does not acknowledge for the partner", lead(status=CLOSED, outcome=outcome("lost")), SALES, Command("acknowledge"), "not-permitted"),
    ("a partner gives no feedback on itself", AT_SALES, VENDOR, Command("feedback"), "not-permitted"),
    ("nobody times a handover out by hand", OFFERED, MANAGER, Command("time_out"), "not-permitted"),
    ("there is no such command", lead(), VENDOR, Command("destroy"), "not-permitted"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("state", "party", "command", "slug"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_a_refusal_names_its_slug_and_a_rule(state: Lead, party: Party, command: Command, slug: str):
    verdict = run(state, actor(party), command)
    assert isinstance(verdict, Refusal), verdict
    assert verdict.slug == slug
    assert verdict.rule


def test_what_is_missing_is_listed_in_full():
    bare = lead(known=frozenset(), completeness=0.2, activities=frozenset())
    verdict = run(bare, actor(VENDOR), Command("handover", to_role="internal_sales"))
    assert isinstance(verdict, Refusal)
    assert verdict.slug == "handover-incomplete"
    assert verdict.missing == (
        "/context/pain_points",
        "/context/temperature",
        "/context/bant/need",
        "completeness:0.6",
    )
    verdict = run(lead(activities=frozenset()), actor(VENDOR), Command("advance", to_stage="evaluation"))
    assert isinstance(verdict, Refusal)
    assert verdict.missing == ("activity:conversation",)


ALLOWED = [
    (lead(), VENDOR, Command("advance", to_stage="evaluation"), (OPEN, "evaluation", VENDOR, None, ("stage.entered",))),
    (lead(), VENDOR, Command("handover", to_role="internal_sales"), (OPEN, "awareness", VENDOR, None, ("handover.requested",))),
    (lead(handover=handover("requested", enters="evaluation")), SALES, Command("accept"), (OPEN, "evaluation", SALES, "accepted", ("handover.accepted", "ownership.changed", "stage.entered"))),
    (OFFERED, SALES, Command("accept"), (OPEN, "awareness", SALES, "accepted", ("handover.accepted", "ownership.changed"))),
    (OFFERED, SALES, Command("reject", reason="meeting_not_held"), (OPEN, "awareness", VENDOR, "rejected", ("handover.rejected",))),
    (OFFERED, SALES, Command("return"), (OPEN, "awareness", VENDOR, "returned", ("handover.returned",))),
    (lead(handover=handover("returned")), VENDOR, Command("answer"), (OPEN, "awareness", VENDOR, "answered", ("handover.answered",))),
    (OFFERED, VENDOR, Command("withdraw"), (OPEN, "awareness", VENDOR, "withdrawn", ("handover.withdrawn",))),
    (AT_SALES, SALES, Command("outcome", result="won", reason="price"), (OPEN, "onboarding", SALES, None, ("outcome.closed", "stage.entered", "handover.requested"))),
    (AT_SALES, SALES, Command("outcome", result="lost", reason="other", note=True), (CLOSED, "negotiation", SALES, None, ("outcome.closed",))),
    (OFFERED, VENDOR, Command("outcome", result="disqualified", reason="no_fit"), (CLOSED, "awareness", VENDOR, "withdrawn", ("handover.withdrawn", "outcome.closed"))),
    (lead(status=CLOSED, outcome=outcome("pending")), VENDOR, Command("reopen"), (OPEN, "awareness", VENDOR, None, ("lead.reopened",))),
    (lead(status=CLOSED, outcome=outcome("pending")), VENDOR, Command("outcome", result="lost", reason="timing"), (CLOSED, "awareness", VENDOR, None, ("outcome.closed",))),
    (lead(stage="onboarding", owner=SUCCESS, outcome=outcome("won")), SUCCESS, Command("advance", to_stage="closed"), (CLOSED, "onboarding", SUCCESS, None, ("stage.entered",))),
    (lead(stage="evaluation", owner=SALES), SALES, Command("handover", to_role="partner"), (OPEN, "evaluation", SALES, None, ("handover.requested",))),
    (lead(status=RECEIVED), VENDOR, Command("activity"), (RECEIVED, "awareness", VENDOR, None, ("activity.logged",))),
]  # fmt: skip


@pytest.mark.parametrize(("state", "party", "command", "expected"), ALLOWED, ids=[row[2].name for row in ALLOWED])
def test_a_permitted_command_has_exactly_these_effects(state: Lead, party: Party, command: Command, expected: tuple):
    verdict = run(state, actor(party), command)
    assert isinstance(verdict, Effects), verdict
    assert (verdict.status, verdict.stage, verdict.owner, verdict.handover, verdict.events) == expected


def test_the_handover_of_a_win_goes_to_customer_success_while_sales_stays_accountable():
    verdict = run(AT_SALES, actor(SALES), Command("outcome", result="won", reason="price"))
    assert isinstance(verdict, Effects)
    assert verdict.request is not None
    assert (verdict.request.giver, verdict.request.receiver) == (SALES, SUCCESS)


def test_a_time_out_ends_at_the_named_fallback():
    effects = time_out(OFFERED, Fallback(Side.INTERNAL, "manager"))
    assert effects.owner == Party(TENANT, "manager", Side.INTERNAL)
    assert effects.handover == "timed_out"


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
