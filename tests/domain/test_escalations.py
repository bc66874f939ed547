"""Which rung of a ladder is due, whom it tells, and what a reader of an escalation sees, all in literal times."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from app.domain.actor import Side
from app.domain.business_time import Calendar
from app.domain.escalations import climb, escalation_view, first_due, restore, snapshot, told
from app.domain.ids import Prefix, show
from app.domain.lead import Party
from app.domain.playbook import Duration, Fallback, Ladder, Step
from tests.domain.ledger import ALWAYS
from tests.domain.playbooks import HANDOVER, LEAD, MANAGER, PARTNER, SALES, TENANT, VENDOR, default, lead

ESCALATION, QUESTION = UUID(int=50), UUID(int=51)
TOKYO = Calendar("Asia/Tokyo", (((540, 720), (780, 1080)),) * 5 + ((), ()))
LADDER = Ladder(
    "handover",
    "error",
    (
        Step(Duration(5, "elapsed_minutes"), ("owed_by",), destinations=True, assign_fallback=False),
        Step(Duration(60, "business_minutes"), ("owed_by", "waiting"), destinations=False, assign_fallback=False),
        Step(Duration(2, "business_days"), ("fallback",), destinations=True, assign_fallback=True),
    ),
    Fallback(Side.PARTNER, "manager"),
)


def at(hour: int, minute: int = 0, day: int = 20) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


def test_the_first_step_is_due_after_its_own_wait():
    assert first_due(LADDER, ALWAYS, at(10)) == at(10, 5)
    in_business = replace(LADDER, steps=LADDER.steps[1:])
    assert first_due(in_business, TOKYO, at(2, 30)) == at(4, 30), "lunch is from 03:00 to 04:00"


CLIMBED = [
    ("the first step when it is due", 0, at(10), at(10), (1, (), at(11))),
    ("the first as long as the second is not due", 0, at(10), at(10, 59), (1, (), at(11))),
    ("the second from the moment in which it is due", 0, at(10), at(11), (2, (1,), at(11, day=22))),
    ("the last after an outage, which names what it overtook", 0, at(10), at(11, day=22), (3, (1, 2), None)),
    ("the second after the first", 1, at(11), at(11), (2, (), at(11, day=22))),
    ("the last after the first", 1, at(11), at(12, day=28), (3, (2,), None)),
    ("the last after the second", 2, at(13), at(13), (3, (), None)),
]


@pytest.mark.parametrize(
    ("done", "due_at", "now", "expected"), [row[1:] for row in CLIMBED], ids=[r[0] for r in CLIMBED]
)
def test_the_highest_step_that_is_due_fires(done: int, due_at: datetime, now: datetime, expected: tuple):
    rung = climb(LADDER, ALWAYS, done, due_at, now)
    assert (rung.n, rung.skipped, rung.next_at) == expected
    assert rung.step.notify == (("owed_by",), ("owed_by", "waiting"), ("fallback",))[rung.n - 1]


def test_steps_wait_in_the_business_time_of_the_calendar():
    assert climb(LADDER, TOKYO, 0, at(2, 30), at(3)).next_at == at(4, 30), "lunch is from 03:00 to 04:00"
    assert climb(LADDER, TOKYO, 1, at(4, 30), at(5)).next_at == at(4, 30, 24), "a weekend is left out"


def test_a_step_names_positions_or_roles_of_whoever_owes():
    names = ("owed_by", "waiting", "fallback", "manager")
    assert told(names, SALES, VENDOR, lead(), Fallback(Side.PARTNER, "owner")) == [
        SALES,
        VENDOR,
        Party(PARTNER, "owner", Side.PARTNER),
        MANAGER,
    ]
    assert told(["fallback"], VENDOR, SALES, lead(), Fallback(Side.INTERNAL, "manager")) == [MANAGER]


def test_an_escalation_keeps_its_ladder_as_data():
    kept = snapshot(LADDER)
    assert kept == {
        "key": "handover",
        "severity": "error",
        "fallback": {"side": "partner", "role": "manager"},
        "steps": [
            {"after": {"elapsed_minutes": 5}, "notify": ["owed_by"], "destinations": True, "assign_fallback": False},
            {
                "after": {"business_minutes": 60},
                "notify": ["owed_by", "waiting"],
                "destinations": False,
                "assign_fallback": False,
            },
            {"after": {"business_days": 2}, "notify": ["fallback"], "destinations": True, "assign_fallback": True},
        ],
    }
    assert restore(json.loads(json.dumps(kept))) == LADDER


CLOCK = {
    "handover_id": None,
    "consultation_id": None,
    "owed_organization_id": PARTNER,
    "owed_role": "partner",
    "waiting_organization_id": TENANT,
    "waiting_role": "internal_sales",
    "started_at": at(8),
}
ROW = {
    "id": ESCALATION,
    "lead_id": LEAD,
    "status": "open",
    "severity": "error",
    "drill": False,
    "test": True,
    "trigger": "first_contact",
    "ladder": snapshot(LADDER),
    "due_at": at(10),
    "step": 1,
    "next_at": at(11),
    "opened_at": at(10, 1),
    "acknowledged_by": None,
    "timeline": [{"what": "opened"}],
}


def shown(now: datetime | None = None, clock: dict[str, Any] | None = None, **row: Any) -> dict[str, Any]:
    told_of = {"external_id": "A-1", "company": {"name": "甲社"}}
    given = CLOCK | (clock or {})
    return escalation_view(
        ROW | row, given, told_of, default(), public_url="https://baton.example", now=now or at(10, 30)
    )


def test_an_escalation_says_what_is_owed_by_whom_and_what_comes_next():
    own = show(Prefix.ESCALATION, ESCALATION)
    assert shown(now=at(10, 30) + timedelta(milliseconds=900)) == {
        "id": own,
        "status": "open",
        "severity": "error",
        "drill": False,
        "test": True,
        "trigger": "first_contact",
        "subject": {
            "kind": "lead",
            "id": show(Prefix.LEAD, LEAD),
            "lead_id": show(Prefix.LEAD, LEAD),
            "external_id": "A-1",
            "company": "甲社",
        },
        "owed_by": {"organization": show(Prefix.ORGANIZATION, PARTNER), "role": "partner"},
        "waiting": {
            "organization": show(Prefix.ORGANIZATION, TENANT),
            "role": "internal_sales",
            "since": "2026-11-20T08:00:00Z",
        },
        "due_at": "2026-11-20T10:00:00Z",
        "late_by_s": 1800,
        "playbook": {"program": "smb-inside-sales", "version": 1, "rule": "clocks.first_contact"},
        "step": {"n": 1, "of": 3, "next_at": "2026-11-20T11:00:00Z", "next_target": ["owed_by", "waiting"]},
        "fallback": {"side": "partner", "role": "manager"},
        "actions": [
            {"label_en": en, "label_ja": ja, "method": "POST", "path": f"/v1/escalations/{own}/{verb}"}
            for en, ja, verb in (
                ("Acknowledge", "対応を開始する", "acknowledge"),
                ("Resolve", "解決する", "resolve"),
                ("Waive what is owed", "義務を免除する", "waive"),
                ("Snooze", "通知を止める", "snooze"),
            )
        ],
        "url": f"https://baton.example/v1/escalations/{own}",
        "opened_at": "2026-11-20T10:01:00Z",
        "acknowledged_by": None,
        "timeline": [{"what": "opened"}],
    }


def test_the_subject_is_what_the_clock_is_about():
    offer, question = {"handover_id": HANDOVER}, {"consultation_id": QUESTION}
    subjects = [shown(clock=clock)["subject"] for clock in (offer, question)]
    assert [(one["kind"], one["id"]) for one in subjects] == [
        ("handover", show(Prefix.HANDOVER, HANDOVER)),
        ("consultation", show(Prefix.CONSULTATION, QUESTION)),
    ]


def test_whoever_the_ladder_put_there_last_owes_it_now():
    taken = [{"organization": "org_x", "role": role} for role in ("partner", "manager", "admin")]
    timeline = [{"what": "x"}, *({"assigned_to": one} for one in taken), {"assigned_to": None}, {"what": "y"}]
    assert shown(timeline=timeline)["owed_by"] == taken[2]
    assert shown(timeline=timeline[:2])["owed_by"] == taken[0]


@pytest.mark.parametrize(
    ("step", "next_at", "target"),
    [(0, at(11), ["owed_by"]), (2, at(11), ["fallback"]), (2, None, None), (3, None, None), (3, at(11), None)],
)
def test_the_next_target_is_that_of_the_step_that_follows_while_one_is_due(step: int, next_at: datetime | None, target):
    found = shown(step=step, next_at=next_at)["step"]
    assert (found["n"], found["next_target"]) == (step, target)


def test_nothing_is_late_before_it_is_due_and_a_part_of_a_second_is_left_out():
    moments = (at(9), at(10), at(10) + timedelta(milliseconds=999), at(10) + timedelta(seconds=1))
    assert [shown(now=now)["late_by_s"] for now in moments] == [0, 0, 0, 1]


def test_what_is_resolved_offers_no_actions():
    assert [len(shown(status=status)["actions"]) for status in ("open", "acknowledged", "resolved")] == [4, 4, 0]
