"""The arithmetic behind a clock's due time, step by step. Computes nothing that `obligations` does not."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from app.domain.business_time import Calendar, Interval, add_days, between, explain
from app.domain.obligations import due
from app.domain.playbook import Duration


@dataclass(frozen=True, slots=True)
class CountedDay:
    """A business day that was counted, and the moment on it up to which the wait has come."""

    n: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Explanation:
    """How a due time came about.

    `within` counts what the rule allows; `promised` ends on a day that somebody promised. `minutes` is the sum of the
    intervals. A wait in business days has `days` instead of intervals.
    """

    basis: Literal["within", "promised"]
    unit: str
    intervals: tuple[Interval, ...]
    days: tuple[CountedDay, ...]

    @property
    def minutes(self) -> float:
        """Return the minutes that were counted."""
        return sum(interval.minutes for interval in self.intervals)


def explained(calendar: Calendar, started_at: datetime, due_at: datetime, within: Duration | None) -> Explanation:
    """Return how a wait from `started_at` came to end at `due_at`; `within` is what the rule allows, if it still is."""
    if within is None or due(calendar, started_at, within) != due_at:
        counted = explain(calendar, started_at, max(0.0, between(calendar, started_at, due_at)))
        return Explanation("promised", "business_minutes", counted, ())
    if within.unit == "elapsed_minutes":
        whole = Interval(started_at, due_at, (due_at - started_at).total_seconds() / 60)
        return Explanation("within", within.unit, (whole,), ())
    if within.unit == "business_days":
        days = tuple(CountedDay(n, add_days(calendar, started_at, n)) for n in range(1, within.amount + 1))
        return Explanation("within", within.unit, (), days)
    return Explanation("within", within.unit, explain(calendar, started_at, within.amount), ())


def closed_days(calendar: Calendar, first: date, last: date) -> list[date]:
    """Return the days from `first` to `last` on which an exception leaves no business time that the week would have."""
    return [
        day
        for day, windows in sorted(calendar.exceptions.items())
        if first <= day <= last and not windows and calendar.weekly[day.weekday()]
    ]
