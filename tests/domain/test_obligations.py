"""Which clocks run after each event of the default playbook, and until when, in literal times of a Tokyo calendar."""

from datetime import UTC, date, datetime
from uuid import UUID

import pytest
import yaml

from app.domain.business_time import parse_calendar
from app.domain.lead import CLOSED, Lead
from app.domain.obligations import Changes, Moments, Running, changes
from tests.domain.playbooks import ROOT, SALES, VENDOR, default, handover, lead

_DOCUMENT = yaml.safe_load((ROOT / "examples" / "calendar.yaml").read_text("utf-8"))
TOKYO = parse_calendar({key: value for key, value in _DOCUMENT.items() if key != "key"})
FRIDAY = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)  # 17:30 in Tokyo; Monday the 23rd is a holiday
RUNNING = {key: Running(UUID(int=n), key, FRIDAY, late=False) for n, key in enumerate(default().clocks, 100)}


def after(state: Lead, *events: str, running: tuple[str, ...] = (), moments: Moments | None = None) -> Changes:
    live = [RUNNING[key] for key in running]
    return changes(default(), state, events, live, lambda _: TOKYO, moments or Moments(), FRIDAY)


def stopped(changed: Changes) -> set[str]:
    names = {clock.id: key for key, clock in RUNNING.items()}
    return {names[one] for one in changed.stops}


def due(changed: Changes) -> dict[str, str]:
    return {start.key: start.due_at.isoformat() for start in changed.starts}


def test_an_accepted_lead_owes_its_first_contact_in_480_business_minutes():
    assert due(after(lead(), "lead.accepted")) == {"first_contact": "2026-11-24T08:30:00+00:00"}


def test_an_activity_meets_the_first_contact_and_progress_is_owed_from_then():
    changed = after(lead(), "activity.logged", running=("first_contact",))
    assert stopped(changed) == {"first_contact"}
    assert due(changed) == {"progress_owed": "2026-12-07T08:30:00+00:00"}


def test_an_offer_is_owed_by_its_receiver_with_lunch_left_out():
    offered = lead(handover=handover("requested"))
    changed = after(offered, "handover.requested", running=("progress_owed",))
    assert stopped(changed) == {"progress_owed"}
    (start,) = changed.starts
    assert (start.key, start.owed_by, start.waiting) == ("handover_response", SALES, VENDOR)
    assert start.due_at == datetime(2026, 11, 24, 4, 30, tzinfo=UTC)  # 30 + 180 before lunch + 30 after it


def test_questions_are_owed_by_the_giver():
    changed = after(lead(handover=handover("returned")), "handover.returned", running=("handover_response",))
    (start,) = changed.starts
    assert (start.key, start.owed_by, start.waiting) == ("answer_owed", VENDOR, SALES)


def test_feedback_is_owed_from_the_meeting_and_the_outcome_from_acceptance():
    taken = lead(stage="evaluation", owner=SALES, handover=handover("accepted"))
    moments = Moments(meeting_at=datetime(2026, 11, 25, 2, tzinfo=UTC))
    changed = after(taken, "handover.accepted", "ownership.changed", running=("handover_response",), moments=moments)
    assert stopped(changed) == {"handover_response"}
    assert due(changed) == {
        "feedback_owed": "2026-11-27T02:00:00+00:00",
        "outcome_owed": "2026-12-21T08:30:00+00:00",
        "progress_owed": "2026-12-07T08:30:00+00:00",
    }


def test_a_partner_that_gets_a_lead_back_owes_no_feedback_on_itself():
    back = lead(stage="evaluation", owner=VENDOR, handover=handover("accepted", giver=SALES, receiver=VENDOR))
    assert set(due(after(back, "handover.accepted", "ownership.changed"))) == {"outcome_owed", "progress_owed"}


@pytest.mark.parametrize(
    ("promised", "met", "expected"),
    [
        (None, {"feedback_owed"}, {}),
        (date(2026, 12, 1), {"feedback_owed", "outcome_owed"}, {"outcome_owed": "2026-12-01T09:00:00+00:00"}),
    ],
)
def test_feedback_moves_the_outcome_only_when_it_promises_a_day(promised: date | None, met: set[str], expected: dict):
    taken = lead(stage="evaluation", owner=SALES, handover=handover("accepted"))
    changed = after(
        taken, "feedback.given", running=("feedback_owed", "outcome_owed"), moments=Moments(next_update_on=promised)
    )
    assert stopped(changed) == met
    assert due(changed) == expected


def test_a_pending_outcome_ends_every_clock_and_starts_the_revisit():
    ended = lead(status=CLOSED, stage="negotiation", owner=SALES)
    changed = after(
        ended,
        "outcome.closed",
        running=("outcome_owed", "progress_owed", "feedback_owed"),
        moments=Moments(result="pending", revisit_on=date(2026, 12, 26)),
    )
    assert stopped(changed) == {"outcome_owed", "progress_owed", "feedback_owed"}
    assert due(changed) == {"revisit": "2026-12-28T09:00:00+00:00"}  # a Saturday: Monday's 480 minutes


def test_what_happens_on_a_closed_lead_leaves_its_revisit_alone():
    ended = lead(status=CLOSED, stage="negotiation", owner=SALES)
    changed = after(ended, "feedback.given", running=("revisit",))
    assert (stopped(changed), due(changed)) == (set(), {})


def test_a_lost_lead_owes_nothing():
    ended = lead(status=CLOSED, stage="awareness", owner=VENDOR)
    changed = after(ended, "outcome.closed", running=("progress_owed",), moments=Moments(result="lost"))
    assert (stopped(changed), due(changed)) == ({"progress_owed"}, {})


def test_a_loss_that_is_corrected_to_pending_is_revisited():
    ended = lead(status=CLOSED, stage="negotiation", owner=SALES)
    moments = Moments(result="pending", revisit_on=date(2026, 12, 26))
    assert due(after(ended, "outcome.corrected", moments=moments)) == {"revisit": "2026-12-28T09:00:00+00:00"}
    changed = after(ended, "outcome.corrected", running=("revisit",), moments=Moments(result="lost"))
    assert (stopped(changed), due(changed)) == ({"revisit"}, {})
