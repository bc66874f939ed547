"""Which clocks an event starts and stops, by the playbook of the lead. Due times come from `business_time`.

A clock always runs on the calendar of whoever owes it, as it stood when the clock started.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from app.domain.business_time import Calendar, add, add_days, between, next_open
from app.domain.lead import ENDED, Lead, Party
from app.domain.playbook import ClockRule, ClockStart, Duration, Playbook, Position


@dataclass(frozen=True, slots=True)
class Running:
    """A clock of the lead that has not been stopped; `late` once it was missed."""

    id: UUID
    key: str
    due_at: datetime
    late: bool
    consultation_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """A clock to start: what is owed, by whom, to whom, from when until when."""

    key: str
    owed_by: Party
    waiting: Party
    started_at: datetime
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Changes:
    """The clocks that a decision starts and the running ones that it stops."""

    starts: tuple[Start, ...]
    stops: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Moments:
    """The moments other than the event's own from which a clock may run.

    `until` was named with the request itself and takes the place of what the rule allows.
    """

    meeting_at: datetime | None = None
    revisit_on: date | None = None
    next_update_on: date | None = None
    until: datetime | None = None
    result: str | None = None


Calendars = Callable[[UUID], Calendar]


def due(calendar: Calendar, start: datetime, within: Duration) -> datetime:
    """Return when a wait that began at `start` ends (UTC)."""
    if within.unit == "elapsed_minutes":
        return start + timedelta(minutes=within.amount)
    if within.unit == "business_days":
        return add_days(calendar, start, within.amount)
    return add(calendar, start, within.amount)


def _opening(calendar: Calendar, day: date) -> datetime:
    """Return the first open moment on or after a calendar day of the owing organisation."""
    return next_open(calendar, datetime.combine(day, time.min, ZoneInfo(calendar.time_zone)).astimezone(UTC))


def closing(calendar: Calendar, day: date) -> datetime:
    """Return the last business moment of a promised day; of the next business day where it has none."""
    opens = _opening(calendar, day)
    midnight = datetime.combine(
        opens.astimezone(ZoneInfo(calendar.time_zone)).date() + timedelta(days=1),
        time.min,
        ZoneInfo(calendar.time_zone),
    )
    return add(calendar, opens, int(between(calendar, opens, midnight.astimezone(UTC))))


def _span(
    start: ClockStart, within: Duration, moments: Moments, calendar: Calendar, now: datetime
) -> tuple[datetime, datetime]:
    """Return (start, due). A promised update is due when its day ends; all else runs its full time from its anchor."""
    if moments.until is not None:
        return now, moments.until
    if start.anchor == "next_update_on" and moments.next_update_on is not None:
        return now, max(now, closing(calendar, moments.next_update_on))
    began = now
    if start.anchor == "meeting_at" and moments.meeting_at is not None:
        began = max(now, moments.meeting_at)
    if start.anchor == "revisit_on" and moments.revisit_on is not None:
        began = max(now, _opening(calendar, moments.revisit_on))
    return began, due(calendar, began, within)


def parties(lead: Lead, position: Position) -> tuple[Party, Party]:
    """Return (who owes, who waits) for a clock owed by `position` of the lead as it is after the decision."""
    if position is Position.CONSULTED and lead.consultation is not None:
        return lead.consultation.asked, lead.consultation.asker
    if position in (Position.OWNER, Position.CONSULTED) or lead.handover is None:
        return lead.owner, _other_side(lead)
    giver, receiver = lead.handover.giver, lead.handover.receiver
    return (giver, receiver) if position is Position.GIVER else (receiver, giver)


def _other_side(lead: Lead) -> Party:
    """Who waits for the owner: the giver of its handover, else the owner's own organisation."""
    if lead.handover is not None and lead.handover.giver != lead.owner:
        return lead.handover.giver
    return lead.owner


def _matter(lead: Lead, rule: ClockRule) -> UUID | None:
    """Return which of several a clock is about: each consultation has its own, everything else one a lead."""
    return lead.consultation.id if rule.owed_by is Position.CONSULTED and lead.consultation is not None else None


def _starts(rule: ClockRule, event: str, moments: Moments) -> ClockStart | None:
    """Return how the event starts the clock. One anchored to a date that was not given neither starts nor stops it."""
    for start in rule.starts:
        if start.on == event and (not start.results or moments.result in start.results) and _anchored(start, moments):
            return start
    return None


def changes(
    playbook: Playbook,
    lead: Lead,
    events: Iterable[str],
    running: Iterable[Running],
    calendars: Calendars,
    moments: Moments,
    now: datetime,
) -> Changes:
    """Return the clocks that `events` start and stop. `lead` is the lead after the decision.

    A clock that starts while it runs is stopped and started anew; one that the stage does not list does not start.
    A clock owed by `consulted` is that of the consultation at hand: the others go on.
    A lead that is closed owes nothing more but what its outcome starts, such as the revisit of a pending one; one that
    was not accepted owes nothing.
    """
    live: dict[tuple[str, UUID | None], list[UUID]] = {}
    for clock in running:
        live.setdefault((clock.key, clock.consultation_id), []).append(clock.id)
    starts: dict[str, Start] = {}
    stops: list[UUID] = []
    stage_clocks = playbook.stages[lead.stage].clocks
    for event in events:
        for key, rule in playbook.clocks.items():
            start = _starts(rule, event, moments)
            if event in rule.stops or start is not None:
                stops.extend(live.pop((key, _matter(lead, rule)), ()))
                starts.pop(key, None)
            if start is None or key not in stage_clocks:
                continue
            if lead.status in ENDED and not _outlives_closing(rule):
                continue
            owed_by, waiting = parties(lead, rule.owed_by)
            if start.roles and owed_by.role not in start.roles:
                continue
            calendar = calendars(owed_by.organization_id)
            began, due_at = _span(start, rule.within, moments, calendar, now)
            starts[key] = Start(key, owed_by, waiting, began, due_at)
    if lead.status in ENDED:
        stops.extend(
            clock for (key, _), held in live.items() if not _outlives_closing(playbook.clocks[key]) for clock in held
        )
    return Changes(tuple(starts.values()), tuple(stops))


def _outlives_closing(rule: ClockRule) -> bool:
    return any(start.on == "outcome.closed" for start in rule.starts)


def _anchored(start: ClockStart, moments: Moments) -> bool:
    values: Mapping[str, object | None] = {
        "revisit_on": moments.revisit_on,
        "next_update_on": moments.next_update_on,
    }
    return start.anchor not in values or values[start.anchor] is not None
