"""Whose lead a company is within a program, and what the answer does to a received lead. Pure; the first claim holds.

A lead is found under exact keys (`matching`). Keys that the lead's own partner holds join the lead to that claim; a key
that another partner holds makes it unavailable; a lead without a key, or whose keys nobody holds, makes its own claim.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.domain.business_time import Calendar, add_days
from app.domain.decisions import LABELS, NOT_AVAILABLE
from app.domain.journey import Effects
from app.domain.lead import NOT_ACCEPTED, OPEN, PENDING_HANDOVER, Lead
from app.domain.matching import MatchKey
from app.domain.view import stamp

CONTEST_DAYS = 10
"""Business days, on the partner's calendar, in which it may contest a decision: two weeks of its work."""

RULE = "claims.first_holds"


@dataclass(frozen=True, slots=True)
class Holding:
    """A live claim that holds a key, and the partner whose it is."""

    claim_id: UUID
    partner_id: UUID


@dataclass(frozen=True, slots=True)
class Judgement:
    """What becomes of a lead: `claim_id` is the claim it joins (None: it makes its own), `keys` the ones it adds."""

    accepted: bool
    claim_id: UUID | None = None
    keys: tuple[MatchKey, ...] = ()


def judge(partner_id: UUID, keys: Sequence[MatchKey], held: Mapping[MatchKey, Holding]) -> Judgement:
    """Return whose the lead is. `keys` come strongest first: of several claims of its own, it joins the strongest."""
    found = [held[key] for key in keys if key in held]
    if any(holding.partner_id != partner_id for holding in found):
        return Judgement(accepted=False)
    free = tuple(key for key in keys if key not in held)
    return Judgement(accepted=True, claim_id=found[0].claim_id if found else None, keys=free)


def offered(lead: Lead) -> str | None:
    """Return the status of a handover that was requested with the lead and still waits, or None."""
    return lead.handover.status if lead.handover is not None and lead.handover.status in PENDING_HANDOVER else None


def accept(lead: Lead) -> Effects:
    """Return what acceptance does: the lead is open; a handover that waited for it keeps its status."""
    return Effects(RULE, OPEN, lead.stage, lead.owner, handover=offered(lead), events=("lead.accepted",))


def turn_away(lead: Lead) -> Effects:
    """Return what a refusal does: the lead is not accepted, and a handover that waited for it is taken back."""
    if offered(lead) is None:
        return Effects(RULE, NOT_ACCEPTED, lead.stage, lead.owner, events=("lead.not_accepted",))
    events = ("handover.withdrawn", "lead.not_accepted")
    return Effects(RULE, NOT_ACCEPTED, lead.stage, lead.owner, handover="withdrawn", events=events)


def decision(calendar: Calendar, now: datetime) -> dict[str, str | None]:
    """Return the decision that the vendor reads; `contest_until` runs on the calendar of whoever may contest."""
    label = LABELS[NOT_AVAILABLE]
    return {
        "reason": NOT_AVAILABLE,
        "label_en": label.en,
        "label_ja": label.ja,
        "contest_until": stamp(add_days(calendar, now, CONTEST_DAYS)),
    }


def in_turn(waiting: Iterable[tuple[UUID, frozenset[tuple[UUID, MatchKey]]]], free: frozenset[UUID]) -> list[UUID]:
    """Return the leads that may be decided now, in the order given; `free` are those whose lock was got.

    A lead that shares a key with an earlier one that is locked elsewhere waits with it: an edit in flight must not
    cost the first its place.
    """
    awaited: set[tuple[UUID, MatchKey]] = set()
    turn: list[UUID] = []
    for lead_id, keys in waiting:
        if lead_id in free and not keys & awaited:
            turn.append(lead_id)
        else:
            awaited |= keys
    return turn
