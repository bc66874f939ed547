"""What the sandbox plays is found in the playbook at hand: no stage and no role of any other one is known to it."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from app.domain.journey import Refusal
from app.domain.playbook import Playbook
from app.domain.playbook_reader import read_playbook
from app.domain.scenarios import Act, Part, answering, holding, offering, outcome, turned_away
from tests.domain.playbooks import MANAGER, SALES, VENDOR, default, document, handover, lead
from tests.domain.test_technical_gate import gate

NOW = datetime(2026, 11, 20, 1, tzinfo=UTC)
CALLED = frozenset({("call", "connected")})
KNOWN = frozenset(
    {
        f"/context/{name}"
        for name in ("pain_points", "temperature", "bant/need", "next_step", "concerns", "expectations")
    }
)


def told(plan: tuple[Act, ...] | Refusal) -> list[str] | Refusal:
    """Return each act as who does what."""
    if isinstance(plan, Refusal):
        return plan
    return [
        " ".join(filter(None, (act.by.role, act.command.name, act.command.to_stage or act.command.to_role)))
        for act in plan
    ]


def planned(playbook: Playbook, scenario: str, **given: object) -> list[str] | Refusal:
    state = lead(stage=playbook.entry, known=KNOWN, activities=CALLED, **given)
    return told(holding(playbook, state, outcome(playbook, scenario, NOW.date()), NOW))


@pytest.mark.parametrize("scenario", ["lost", "pending", "won"])
def test_a_fresh_lead_is_offered_and_taken_by_whoever_may_state_the_outcome(scenario: str):
    assert planned(default(), scenario) == ["partner handover internal_sales", "internal_sales accept"]


@pytest.mark.parametrize("scenario", ["lost", "pending", "won"])
def test_another_playbook_leads_there_by_its_own_stages(scenario: str):
    # The first stage asks for the industry before it hands over; the next one does not.
    way = ["partner advance nurturing", "partner handover internal_sales", "internal_sales accept"]
    assert planned(gate(), scenario) == way


def test_what_the_vendor_owes_is_refused_with_what_is_missing():
    state = lead(known=frozenset(), completeness=0.0, activities=frozenset())
    refusal = offering(default(), state, NOW)
    assert isinstance(refusal, Refusal)
    assert refusal.slug == "handover-incomplete"
    assert refusal.missing == (
        "/context/pain_points", "/context/temperature", "/context/bant/need", "completeness:0.6",
    )  # fmt: skip


def test_what_the_other_side_owes_before_it_goes_on_it_does():
    said = document()
    evaluation = next(stage for stage in said["stages"] if stage["key"] == "evaluation")
    evaluation["may"] = {"outcome": ["customer_success"]}
    assert planned(read_playbook(said, UUID(int=9), 1), "lost") == [
        "partner handover internal_sales",
        "internal_sales accept",
        "internal_sales activity",
        "internal_sales advance negotiation",
    ]


def test_an_answer_is_given_for_the_other_side_alone():
    assert answering(default(), lead(handover=handover("requested")), Part.ACCEPT) == Act(
        answering(default(), lead(handover=handover("requested")), Part.ACCEPT).command, SALES
    )
    for waiting in (handover("returned"), handover("requested", SALES, VENDOR), handover("accepted"), None):
        refusal = answering(default(), lead(handover=waiting), Part.ACCEPT)
        assert isinstance(refusal, Refusal)
        assert refusal.slug == "handover-not-pending"


def test_only_what_nothing_has_come_of_is_turned_away():
    assert turned_away(lead(status="received")) is None
    assert turned_away(lead()) is None
    for touched in (lead(owner=MANAGER), lead(handover=handover("rejected")), lead(status="closed")):
        assert turned_away(touched) is not None
