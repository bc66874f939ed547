"""Writes of escalations: each change of the row with its event, and the clock that was missed. Decides nothing.

Whoever calls holds the lead's lock; everything goes into the journal's writes and so into one statement.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from pydantic_core import to_json

from app.db.journal import Journal
from app.domain.escalations import escalation_view, snapshot
from app.domain.ids import Prefix, show
from app.domain.playbook import Ladder, Playbook
from app.domain.view import clock_view, stamp

Row = Mapping[str, Any]
FEEDBACK = "feedback_owed"
"""The clock whose miss the partner is told of in so many words (contract 6, `feedback.overdue`)."""

_JSON = frozenset({"acknowledged_by", "timeline"})


@dataclass(frozen=True, slots=True)
class Matter:
    """What an escalation is about: the missed clock, its lead, the rules it opened under."""

    clock: Row
    lead: Row
    playbook: Playbook
    public_url: str


def missed(journal: Journal, clock: dict[str, Any], *, debt: bool) -> None:
    """Write that a clock was missed; it goes on being owed. `debt`: it counts as feedback debt. Updates `clock`."""
    clock |= {"state": "breached", "breached_at": journal.at}
    journal.writes.update("clock", _key(clock), {"state": "breached", "breached_at": journal.at})
    facts = {
        "clock_id": show(Prefix.CLOCK, clock["id"]),
        "clock": clock["name"],
        "handover_id": show(Prefix.HANDOVER, clock["handover_id"]) if clock["handover_id"] else None,
        "consultation_id": show(Prefix.CONSULTATION, clock["consultation_id"]) if clock["consultation_id"] else None,
        "owed_by": {
            "organization_id": show(Prefix.ORGANIZATION, clock["owed_organization_id"]),
            "role": clock["owed_role"],
        },
        "due_at": stamp(clock["due_at"]),
    }
    shown = {"clock": clock_view(clock)}
    journal.record("clock.breached", facts, shown)
    if debt and clock["name"] == FEEDBACK:
        journal.record("feedback.overdue", facts, shown)


def cancel(journal: Journal, clock: dict[str, Any]) -> None:
    """Write that a clock is no longer owed. Brings `clock` up to date."""
    clock |= {"state": "cancelled", "stopped_at": journal.at}
    journal.writes.update("clock", _key(clock), {"state": "cancelled", "stopped_at": journal.at})


def draft(clock: Row, ladder: Ladder, next_at: datetime | None, now: datetime) -> dict[str, Any]:
    """Return a new escalation of a missed clock, its ladder frozen as it stands now; no step has been taken."""
    return {
        "tenant_id": clock["tenant_id"],
        "partner_id": clock["partner_id"],
        "id": uuid4(),
        "lead_id": clock["lead_id"],
        "clock_id": clock["id"],
        "status": "open",
        "severity": ladder.severity,
        "trigger": clock["name"],
        "drill": False,
        "test": clock["test"],
        "playbook_id": clock["playbook_id"],
        "calendar_id": clock["calendar_id"],
        "ladder": snapshot(ladder),
        "step": 0,
        "next_at": next_at,
        "due_at": clock["due_at"],
        "opened_at": now,
        "acknowledged_at": None,
        "acknowledged_by": None,
        "resolved_at": None,
        "timeline": [{"at": stamp(now), "what": "opened", "clock": clock["name"], "due_at": stamp(clock["due_at"])}],
    }


def opened(journal: Journal, row: Row, matter: Matter, *, page: bool) -> None:
    """Write a new escalation and its event."""
    held = {**row, "ladder": _text(row["ladder"]), "timeline": _text(row["timeline"])}
    journal.writes.insert("escalation", held)
    _tell(journal, "escalation.opened", row, matter, page=page)


def changed(
    journal: Journal, row: Row, values: Row, entries: Sequence[Row], tell: tuple[str, Matter, bool] | None
) -> dict[str, Any]:
    """Write changed columns of an escalation and what its timeline gains, with the event (type, matter, page)."""
    columns = {**values, "timeline": [*row["timeline"], *entries]}
    now = {**row, **columns}
    held = {name: _text(value) if name in _JSON else value for name, value in columns.items()}
    journal.writes.update("escalation", _key(row), held)
    if tell is not None:
        kind, matter, page = tell
        _tell(journal, kind, now, matter, page=page)
    return now


def acknowledged(journal: Journal, row: Row, matter: Matter, by: Mapping[str, str], **words: str) -> dict[str, Any]:
    """Write that somebody has taken an escalation up: its ladder stops. `by` says which party, `words` what it said."""
    entry = {"at": stamp(journal.at), "what": "acknowledged", **by, **words}
    values = {
        "status": "acknowledged",
        "acknowledged_at": journal.at,
        "acknowledged_by": {**by, "at": stamp(journal.at)},
        "next_at": None,
    }
    return changed(journal, row, values, [entry], ("escalation.acknowledged", matter, True))


def resolved(journal: Journal, row: Row, matter: Matter, by: str, **words: str) -> dict[str, Any]:
    """Write that an escalation is over, in every tool that was told; `words` go into its timeline alone."""
    entry = {"at": stamp(journal.at), "what": "resolved", "by_role": by, **words}
    values = {"status": "resolved", "resolved_at": journal.at, "next_at": None}
    return changed(journal, row, values, [entry], ("escalation.resolved", matter, True))


def _tell(journal: Journal, kind: str, row: Row, matter: Matter, *, page: bool) -> None:
    facts = {
        "escalation_id": show(Prefix.ESCALATION, row["id"]),
        "clock_id": show(Prefix.CLOCK, row["clock_id"]),
        "clock": row["trigger"],
        "severity": row["severity"],
        "step": row["step"],
    }
    shown = escalation_view(
        row, matter.clock, matter.lead, matter.playbook, public_url=matter.public_url, now=journal.at
    )
    journal.record(kind, facts, shown, page=page)


def _key(row: Row) -> dict[str, Any]:
    return {"tenant_id": row["tenant_id"], "id": row["id"], "partner_id": row["partner_id"]}


def _text(value: object) -> str | None:
    return None if value is None else to_json(value).decode()
