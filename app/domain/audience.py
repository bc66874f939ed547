"""Which side receives an event of a lead and reads its particulars: the one that has part in its stage. Pure.

What is nobody's choice is told to both: what became of the lead, who is accountable, what is owed and was missed.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from app.domain.actor import BOTH, Side
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


def reads_particulars(row: Mapping[str, Any], playbook: Playbook, side: Side) -> bool:
    """Whether a side reads contact, provenance, context, notes and activities of a lead.

    So does whoever owns the lead or owes something on it, such as the answer to a handover, whatever the stage says.
    """
    owner = Side.INTERNAL if row["owner_organization_id"] == row["tenant_id"] else Side.PARTNER
    if side is owner or side in informed_sides(playbook, row["stage"]):
        return True
    return any(playbook.roles[entry["owed_by"]].side in (side, None) for entry in row["due"])


def audience(kind: str, scenes: Iterable[Scene], involved: Iterable[Side]) -> frozenset[Side]:
    """Return the sides that receive an event.

    `scenes` are the stages before and after it, `involved` the sides that it concerns whatever the stage says: who
    acts, who owns the lead, the giver and the receiver of a handover.
    """
    if kind in _TOLD_TO_BOTH or kind.partition(".")[0] in _TOLD_TO_BOTH:
        return frozenset(BOTH)
    return frozenset(involved).union(*(informed_sides(playbook, stage) for playbook, stage in scenes))
