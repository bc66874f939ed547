"""Which of the two sides receives an event of a lead: those that the playbook holds accountable, asks or informs. Pure.

What is nobody's choice is told to both: what became of the lead, who is accountable, what is owed and was missed.
"""

from collections.abc import Iterable

from app.domain.actor import Side
from app.domain.events import BOTH
from app.domain.playbook import Playbook

_TOLD_TO_BOTH = frozenset(
    {
        "outcome", "ownership", "consultation", "clock", "escalation",
        "lead.received", "lead.accepted", "lead.not_accepted", "lead.reopened", "lead.contested", "lead.decided",
        "feedback.overdue",
    }
)  # fmt: skip
"""Families and types of events that no playbook keeps from a side (promises 1 and 2; losses are told like wins)."""

Scene = tuple[Playbook, str]
"""A playbook and the stage in it."""


def informed_sides(playbook: Playbook, stage: str) -> frozenset[Side]:
    """Return the sides of which some role is accountable, consulted or informed in a stage."""
    held = playbook.stages[stage]
    found: set[Side] = set()
    for role in (*held.accountable, *held.consulted, *held.informed):
        side = playbook.roles[role].side
        found.update(BOTH if side is None else (side,))
    return frozenset(found)


def audience(kind: str, scenes: Iterable[Scene], involved: Iterable[Side]) -> frozenset[Side]:
    """Return the sides that receive an event.

    `scenes` are the stages before and after it, `involved` the sides that it concerns whatever the stage says: who
    acts, who owns the lead, the giver and the receiver of a handover.
    """
    if kind in _TOLD_TO_BOTH or kind.partition(".")[0] in _TOLD_TO_BOTH:
        return frozenset(BOTH)
    return frozenset(involved).union(*(informed_sides(playbook, stage) for playbook, stage in scenes))
