"""What the rung that assigns the fallback does to a lead: a handover that nobody answered ends there. Pure."""

from dataclasses import replace

from app.domain.journey import Effects, fallback_party, time_out
from app.domain.lead import PENDING_HANDOVER, Lead
from app.domain.playbook import Fallback


def take_over(lead: Lead, fallback: Fallback) -> Effects | None:
    """Return what the fallback's taking over changes; None where it owns the lead and no handover is pending."""
    pending = lead.handover is not None and lead.handover.status in PENDING_HANDOVER
    owns = lead.owner == fallback_party(lead, fallback)
    if owns and not pending:
        return None
    effects = time_out(lead, fallback)
    timed_out, changed = "handover.timed_out", "ownership.changed"
    unwanted = {timed_out} if not pending else {changed} if owns else set[str]()
    return replace(
        effects,
        handover=effects.handover if pending else None,
        events=tuple(event for event in effects.events if event not in unwanted),
    )
