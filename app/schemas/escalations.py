"""Answers to an escalation, and the escalation as both sides and on-call tools read it."""

from typing import Any, Literal

from app.schemas.base import In, Moment, Out, Prose


class TakeUpIn(In):
    """An acknowledgement: the ladder stops."""

    note: Prose | None = None


class ResolveIn(In):
    """A resolution of what has been done."""

    note: Prose | None = None


class WaiveIn(In):
    """A waiver by the side that it is owed to."""

    reason: Prose


class SnoozeIn(In):
    """Until when the next step waits, at most three business days ahead, and why."""

    until: Moment
    reason: Prose


class EscalationParty(Out):
    """A role of one organisation."""

    organization: str
    role: str


class EscalationOut(Out):
    """An escalation; both sides see the same."""

    id: str
    status: Literal["open", "acknowledged", "resolved"]
    severity: Literal["critical", "error", "warning", "info"]
    drill: bool
    test: bool
    trigger: str
    subject: dict[str, Any]
    owed_by: EscalationParty
    waiting: dict[str, Any]
    due_at: Moment
    late_by_s: int
    playbook: dict[str, Any]
    step: dict[str, Any]
    fallback: dict[str, str]
    actions: list[dict[str, str]]
    url: str
    opened_at: Moment
    acknowledged_by: dict[str, Any] | None
    timeline: list[dict[str, Any]]
