"""The ladder of a missed clock: which step is due, whom it tells, and what an escalation looks like to callers.

A ladder is frozen when the escalation opens (design decision 10). Steps fall due from due, not from now: after an
outage the highest overdue step fires once and names the ones it skipped (`latest_only`, escalation.md 4.2).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from app.domain.actor import Side
from app.domain.business_time import Calendar
from app.domain.ids import Prefix, show
from app.domain.lead import Lead, Party
from app.domain.obligations import due
from app.domain.playbook import Duration, Fallback, Ladder, Playbook, Step
from app.domain.view import Row, stamp


@dataclass(frozen=True, slots=True)
class Rung:
    """The step that fires now: its number (from 1), the ones it overtook, and when the next is due (None: none)."""

    n: int
    step: Step
    skipped: tuple[int, ...]
    next_at: datetime | None


def snapshot(ladder: Ladder) -> dict[str, Any]:
    """Return the ladder as data that an escalation keeps."""
    return {
        "key": ladder.key,
        "severity": ladder.severity,
        "fallback": {"side": ladder.fallback.side.value, "role": ladder.fallback.role},
        "steps": [
            {
                "after": {step.after.unit: step.after.amount},
                "notify": list(step.notify),
                "destinations": step.destinations,
                "assign_fallback": step.assign_fallback,
            }
            for step in ladder.steps
        ],
    }


def restore(kept: Mapping[str, Any]) -> Ladder:
    """Return the ladder that `snapshot` kept."""
    return Ladder(
        kept["key"],
        kept["severity"],
        tuple(
            Step(_duration(step["after"]), tuple(step["notify"]), step["destinations"], step["assign_fallback"])
            for step in cast("Sequence[Mapping[str, Any]]", kept["steps"])
        ),
        Fallback(Side(kept["fallback"]["side"]), kept["fallback"]["role"]),
    )


def _duration(kept: Mapping[str, int]) -> Duration:
    ((unit, amount),) = kept.items()
    return Duration(amount, cast("Any", unit))


def first_due(ladder: Ladder, calendar: Calendar, missed_at: datetime) -> datetime:
    """Return when the first step of a ladder is due, counted from the moment the clock was missed."""
    return due(calendar, missed_at, ladder.steps[0].after)


def climb(ladder: Ladder, calendar: Calendar, done: int, due_at: datetime, now: datetime) -> Rung:
    """Return the highest step that is due at `now`, given that step `done` has fired and the next was due `due_at`."""
    n = done + 1
    skipped: list[int] = []
    next_at = _after(ladder, calendar, n, due_at)
    while next_at is not None and next_at <= now:
        skipped.append(n)
        n += 1
        next_at = _after(ladder, calendar, n, next_at)
    return Rung(n, ladder.steps[n - 1], tuple(skipped), next_at)


def _after(ladder: Ladder, calendar: Calendar, n: int, due_at: datetime) -> datetime | None:
    return due(calendar, due_at, ladder.steps[n].after) if n < len(ladder.steps) else None


def told(names: Sequence[str], owed_by: Party, waiting: Party, lead: Lead, fallback: Fallback) -> list[Party]:
    """Return the parties that a step tells: roles of the owing organisation, or positions of the escalation."""
    fixed = {
        "owed_by": owed_by,
        "waiting": waiting,
        "fallback": Party(lead.organization_of(fallback.side), fallback.role, fallback.side),
    }
    return [fixed.get(name) or Party(owed_by.organization_id, name, owed_by.side) for name in names]


_ACTIONS = (
    ("Acknowledge", "対応を開始する", "/v1/escalations/{id}/acknowledge"),
    ("Resolve", "解決する", "/v1/escalations/{id}/resolve"),
    ("Waive what is owed", "義務を免除する", "/v1/escalations/{id}/waive"),
    ("Snooze", "通知を止める", "/v1/escalations/{id}/snooze"),
)


def _subject(row: Row, clock: Row) -> dict[str, str]:
    """Return what the missed clock is about: a handover, a consultation, or the lead itself."""
    if clock["handover_id"]:
        return {"kind": "handover", "id": show(Prefix.HANDOVER, clock["handover_id"])}
    if clock["consultation_id"]:
        return {"kind": "consultation", "id": show(Prefix.CONSULTATION, clock["consultation_id"])}
    return {"kind": "lead", "id": show(Prefix.LEAD, row["lead_id"])}


def _owing(row: Row, clock: Row) -> Mapping[str, str]:
    """Return who owes it now: the fallback once the ladder has put it there, else whom the clock names."""
    taken = [entry["assigned_to"] for entry in row["timeline"] if entry.get("assigned_to")]
    if taken:
        return taken[-1]
    return {"organization": show(Prefix.ORGANIZATION, clock["owed_organization_id"]), "role": clock["owed_role"]}


def escalation_view(
    row: Row, clock: Row, lead: Row, playbook: Playbook, *, public_url: str, now: datetime
) -> dict[str, Any]:
    """Return an escalation as both sides and on-call tools see it. Holds no contact data."""
    shown_id = show(Prefix.ESCALATION, row["id"])
    ladder = restore(row["ladder"])
    late = max(0, int((now - row["due_at"]).total_seconds()))
    n: int = row["step"]
    following = ladder.steps[n] if n < len(ladder.steps) and row["next_at"] else None
    return {
        "id": shown_id,
        "status": row["status"],
        "severity": row["severity"],
        "drill": row["drill"],
        "test": row["test"],
        "trigger": row["trigger"],
        "subject": {
            **_subject(row, clock),
            "lead_id": show(Prefix.LEAD, row["lead_id"]),
            "external_id": lead["external_id"],
            "company": lead["company"]["name"],
        },
        "owed_by": _owing(row, clock),
        "waiting": {
            "organization": show(Prefix.ORGANIZATION, clock["waiting_organization_id"]),
            "role": clock["waiting_role"],
            "since": stamp(clock["started_at"]),
        },
        "due_at": stamp(row["due_at"]),
        "late_by_s": late,
        "playbook": {
            "program": playbook.program,
            "version": playbook.version,
            "rule": f"clocks.{row['trigger']}",
        },
        "step": {
            "n": n,
            "of": len(ladder.steps),
            "next_at": stamp(row["next_at"]),
            "next_target": list(following.notify) if following else None,
        },
        "fallback": {"side": ladder.fallback.side.value, "role": ladder.fallback.role},
        "actions": [
            {"label_en": en, "label_ja": ja, "method": "POST", "path": path.format(id=shown_id)}
            for en, ja, path in _ACTIONS
        ]
        if row["status"] != "resolved"
        else [],
        "url": f"{public_url}/v1/escalations/{shown_id}",
        "opened_at": stamp(row["opened_at"]),
        "acknowledged_by": row["acknowledged_by"],
        "timeline": row["timeline"],
    }
