"""Which clocks run after each event of the default playbook, and until when, in literal times of a Tokyo calendar."""

from datetime import UTC, date, datetime
from uuid import UUID

import pytest
import yaml

from app.domain.business_time import Calendar, parse_calendar
from app.domain.lead import CLOSED, NOT_ACCEPTED, Consultation, Lead, Party
from app.domain.obligations import Changes, Moments, Running, changes, closing, parties
from app.domain.obligations import due as wait
from app.domain.playbook import Duration, Position
from app.domain.playbook_reader import read_playbook
from tests.domain.ledger import ALWAYS
from tests.domain.playbooks import MANAGER, ROOT, SALES, SUCCESS, TENANT, VENDOR, default, document, handover, lead

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


@pytest.mark.parametrize(
    ("amount", "unit", "expected"),
    [
        (90, "elapsed_minutes", "2026-11-20T10:00:00+00:00"),
        (90, "business_minutes", "2026-11-24T01:00:00+00:00"),
        (3, "business_days", "2026-11-26T08:30:00+00:00"),
    ],
)
def test_a_wait_is_counted_in_its_unit(amount: int, unit, expected: str):
    assert wait(TOKYO, FRIDAY, Duration(amount, unit)).isoformat() == expected


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2026, 11, 20), "2026-11-20T09:00:00+00:00"),
        (date(2026, 11, 21), "2026-11-24T09:00:00+00:00"),
        (date(2026, 11, 23), "2026-11-24T09:00:00+00:00"),
    ],
)
def test_a_promised_day_ends_with_its_business_or_that_of_the_next_business_day(day: date, expected: str):
    assert closing(TOKYO, day).isoformat() == expected


def test_a_day_is_that_of_the_calendar_where_it_opens_before_the_day_of_utc():
    early = Calendar("Asia/Tokyo", (((420, 1320),),) * 7)
    assert closing(early, date(2026, 12, 1)).isoformat() == "2026-12-01T13:00:00+00:00"
    revisited = Moments(result="pending", revisit_on=date(2026, 12, 1))
    (start,) = changes(default(), PUT_OFF, ("outcome.closed",), (), lambda _: early, revisited, FRIDAY).starts
    assert (start.key, start.started_at.isoformat()) == ("revisit", "2026-11-30T22:00:00+00:00")


TECHNICAL = Party(TENANT, "technical", SALES.side)
ASKED = Consultation(UUID(int=40), "requested", SALES, TECHNICAL)
OFFER = handover("requested", giver=VENDOR, receiver=SALES)

OWED = [
    ("the owner to the giver it has the lead from", lead(owner=SALES, handover=OFFER), "owner", (SALES, VENDOR)),
    ("an owner that offers to nobody but itself", lead(handover=OFFER), "owner", (VENDOR, VENDOR)),
    ("an owner that got it from nobody to itself", lead(), "owner", (VENDOR, VENDOR)),
    ("the giver to the receiver", lead(owner=MANAGER, handover=OFFER), "giver", (VENDOR, SALES)),
    ("the receiver to the giver", lead(owner=MANAGER, handover=OFFER), "receiver", (SALES, VENDOR)),
    ("without a handover the owner, for the giver", lead(), "giver", (VENDOR, VENDOR)),
    ("and for the receiver", lead(), "receiver", (VENDOR, VENDOR)),
    ("the consulted role to whoever asked", lead(consultation=ASKED, handover=OFFER), "consulted", (TECHNICAL, SALES)),
    ("without a question the owner", lead(owner=SALES, handover=OFFER), "consulted", (SALES, VENDOR)),
    ("a question changes nothing for the others", lead(consultation=ASKED), "owner", (VENDOR, VENDOR)),
]


@pytest.mark.parametrize(("state", "position", "expected"), [row[1:] for row in OWED], ids=[row[0] for row in OWED])
def test_who_owes_what_to_whom(state: Lead, position: str, expected: tuple[Party, Party]):
    assert parties(state, Position(position)) == expected


TAKEN = lead(stage="evaluation", owner=SALES, handover=handover("accepted"))
PUT_OFF = lead(status=CLOSED, stage="negotiation", owner=SALES)
NAMED = datetime(2026, 11, 22, tzinfo=UTC)

RUN_FROM = [
    ("the event", TAKEN, "handover.accepted", "feedback_owed", Moments(), (FRIDAY, "2026-11-25T08:30:00+00:00")),
    ("the meeting", TAKEN, "handover.accepted", "feedback_owed", Moments(meeting_at=datetime(2026, 11, 25, 2, tzinfo=UTC)), (datetime(2026, 11, 25, 2, tzinfo=UTC), "2026-11-27T02:00:00+00:00")),
    ("the event, where the meeting is past", TAKEN, "handover.accepted", "feedback_owed", Moments(meeting_at=datetime(2026, 11, 19, tzinfo=UTC)), (FRIDAY, "2026-11-25T08:30:00+00:00")),
    ("the event, for what hangs on no meeting", TAKEN, "handover.accepted", "outcome_owed", Moments(meeting_at=datetime(2026, 11, 25, 2, tzinfo=UTC), revisit_on=date(2026, 12, 26), next_update_on=date(2026, 12, 1)), (FRIDAY, "2026-12-21T08:30:00+00:00")),
    ("the opening of the day of the revisit", PUT_OFF, "outcome.closed", "revisit", Moments(result="pending", revisit_on=date(2026, 12, 26)), (datetime(2026, 12, 28, tzinfo=UTC), "2026-12-28T09:00:00+00:00")),
    ("the event, where that day is past", PUT_OFF, "outcome.closed", "revisit", Moments(result="pending", revisit_on=date(2026, 11, 2)), (FRIDAY, "2026-11-24T08:30:00+00:00")),
    ("the promise, until the promised day ends", TAKEN, "feedback.given", "outcome_owed", Moments(next_update_on=date(2026, 12, 1)), (FRIDAY, "2026-12-01T09:00:00+00:00")),
    ("a promise for a day that is past is due", TAKEN, "feedback.given", "outcome_owed", Moments(next_update_on=date(2026, 11, 2)), (FRIDAY, "2026-11-20T08:30:00+00:00")),
    ("the event, until the moment that was named", TAKEN, "handover.accepted", "feedback_owed", Moments(until=NAMED, meeting_at=NAMED), (FRIDAY, "2026-11-22T00:00:00+00:00")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("state", "event", "key", "moments", "expected"), [row[1:] for row in RUN_FROM], ids=[row[0] for row in RUN_FROM]
)
def test_a_clock_runs_from(state: Lead, event: str, key: str, moments: Moments, expected: tuple[datetime, str]):
    (start,) = [one for one in after(state, event, moments=moments).starts if one.key == key]
    assert (start.started_at, start.due_at.isoformat()) == expected


def test_a_clock_runs_on_the_calendar_of_whoever_owes():
    offered = lead(handover=handover("requested"))
    for owing, expected in (
        (TENANT, "2026-11-24T04:30:00+00:00"),
        (VENDOR.organization_id, "2026-11-20T12:30:00+00:00"),
    ):
        found = changes(
            default(), offered, ("handover.requested",), (),
            lambda organization, owing=owing: TOKYO if organization == owing else ALWAYS, Moments(), FRIDAY,
        )  # fmt: skip
        assert due(found) == {"handover_response": expected}


def test_events_of_one_decision_are_taken_in_their_order():
    won = lead(stage="onboarding", owner=SALES, handover=handover("requested", giver=SALES, receiver=SUCCESS))
    changed = after(
        won, "outcome.closed", "stage.entered", "handover.requested",
        running=("progress_owed", "outcome_owed"), moments=Moments(result="won", revisit_on=date(2026, 12, 1)),
    )  # fmt: skip
    assert stopped(changed) == {"progress_owed", "outcome_owed"}
    assert set(due(changed)) == {"handover_response"}, "progress started on entering and was stopped by the offer"


def test_a_running_clock_starts_anew_and_of_several_none_is_left():
    twice = [RUNNING["progress_owed"], Running(UUID(int=99), "progress_owed", FRIDAY, late=True)]
    changed = changes(default(), lead(), ("activity.logged",), twice, lambda _: TOKYO, Moments(), FRIDAY)
    assert set(changed.stops) == {RUNNING["progress_owed"].id, UUID(int=99)}
    assert set(due(changed)) == {"progress_owed"}


def test_what_the_stage_does_not_list_stops_but_does_not_start():
    changed = after(lead(stage="onboarding", owner=SUCCESS), "lead.reopened", running=("revisit", "outcome_owed"))
    assert stopped(changed) == {"revisit", "outcome_owed"}
    assert set(due(changed)) == {"progress_owed"}


def test_a_role_that_a_clock_does_not_bind_owes_nothing_but_the_old_clock_is_over():
    back = lead(stage="evaluation", owner=VENDOR, handover=handover("accepted", giver=SALES, receiver=VENDOR))
    changed = after(back, "handover.accepted", running=("feedback_owed", "first_contact", "revisit"))
    assert stopped(changed) == {"feedback_owed", "first_contact"}
    assert set(due(changed)) == {"outcome_owed"}


def test_a_closed_lead_owes_only_what_its_outcome_starts_whatever_else_an_event_would_start():
    held = document()
    held["clocks"]["progress_owed"]["starts"].append({"event": "outcome.corrected"})
    moments = Moments(result="pending", revisit_on=date(2026, 12, 26))
    found = changes(
        read_playbook(held, UUID(int=9), 1), PUT_OFF, ("outcome.corrected",), (), lambda _: TOKYO, moments, FRIDAY
    )
    assert set(due(found)) == {"revisit"}


def test_a_lead_that_was_not_accepted_owes_nothing():
    refused = lead(status=NOT_ACCEPTED)
    changed = after(refused, "lead.not_accepted", "activity.logged", running=("first_contact", "progress_owed"))
    assert (stopped(changed), due(changed)) == ({"first_contact", "progress_owed"}, {})


def test_a_clock_of_the_lead_is_never_that_of_a_question():
    held = document()
    held["clocks"]["progress_owed"]["stops"].append("consultation.requested")
    held["clocks"]["consultation_response"]["stops"].append("activity.logged")
    playbook = read_playbook(held, UUID(int=9), 1)
    running = [RUNNING["progress_owed"], Running(UUID(int=98), "consultation_response", FRIDAY, False, ASKED.id)]
    for state, event, expected in (
        (lead(consultation=ASKED), "consultation.requested", {RUNNING["progress_owed"].id, UUID(int=98)}),
        (lead(), "activity.logged", {RUNNING["progress_owed"].id}),
    ):
        found = changes(playbook, state, (event,), running, lambda _: TOKYO, Moments(), FRIDAY)
        assert set(found.stops) == expected


def test_the_first_start_that_fits_counts():
    held = document()
    held["clocks"]["progress_owed"]["starts"] = [
        {"event": "outcome.closed", "from": "revisit_on"},
        {"event": "outcome.closed", "results": ["lost"], "roles": ["manager"]},
        {"event": "outcome.closed", "results": ["won", "pending"]},
    ]
    held["clocks"]["progress_owed"]["stops"] = []
    playbook = read_playbook(held, UUID(int=9), 1)
    owner = lead(stage="negotiation", owner=SALES)
    found = [
        [
            start.started_at.isoformat()
            for start in changes(playbook, owner, ("outcome.closed",), (), lambda _: TOKYO, moments, FRIDAY).starts
            if start.key == "progress_owed"
        ]
        for moments in (
            Moments(result="lost", revisit_on=date(2026, 11, 24)),
            Moments(result="lost"),
            Moments(result="won"),
            Moments(),
        )
    ]
    assert found == [["2026-11-24T00:00:00+00:00"], [], ["2026-11-20T08:30:00+00:00"], []]
