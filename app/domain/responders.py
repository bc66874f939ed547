"""Who may answer an escalation: the parties it names and the managers of both organisations. Pure."""

from datetime import datetime

from app.domain.actor import Actor, Side
from app.domain.business_time import Calendar, add_days
from app.domain.lead import Lead, Party

MANAGER = "manager"
SNOOZE_DAYS = 3
"""Business days for which a ladder may be put off at most: longer would be silence (promise 2)."""


def answers_as(actor: Actor, *parties: Party) -> str | None:
    """Return the role in which the actor answers for one of the parties, or as a manager; None where it may not."""
    for party in parties:
        if stands(actor, party):
            return party.role
    return MANAGER if MANAGER in actor.roles else None


def stands(actor: Actor, party: Party) -> bool:
    """Return whether the actor acts for that party."""
    return actor.organization_id == party.organization_id and party.role in actor.roles


def waives_as(actor: Actor, lead: Lead, owed_by: Party, waiting: Party) -> str | None:
    """Return the role in which the actor may waive what is owed; never for whoever owes it.

    It is waived by the party that waits. Where nobody but the owing party itself waits, the other organisation's
    manager may.
    """
    if stands(actor, owed_by):
        return None
    if waiting == owed_by:
        other = Side.INTERNAL if owed_by.side is Side.PARTNER else Side.PARTNER
        manager = Party(lead.organization_of(other), MANAGER, other)
        return MANAGER if stands(actor, manager) else None
    if stands(actor, waiting):
        return waiting.role
    apart = waiting.organization_id != owed_by.organization_id
    return MANAGER if apart and stands(actor, Party(waiting.organization_id, MANAGER, waiting.side)) else None


def latest_snooze(calendar: Calendar, now: datetime) -> datetime:
    """Return the latest moment to which a ladder may be put off."""
    return add_days(calendar, now, SNOOZE_DAYS)
