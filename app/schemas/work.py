"""What is owed and what was missed, as callers read it in lists."""

from typing import Any, Literal

from pydantic import Field

from app.schemas.base import Moment, Out
from app.schemas.escalations import EscalationOut
from app.schemas.lists import ClockOut


class _Page(Out):
    next_cursor: str | None = Field(description="Goes into `cursor` for the next page; null on the last one.")


class OwedClock(ClockOut):
    """A clock and the lead's own reference."""

    external_id: str


class ClockPage(_Page):
    """A page of clocks."""

    items: list[OwedClock]


class CountedInterval(Out):
    """A stretch of business time that was counted."""

    since: Moment = Field(alias="from")
    until: Moment
    local: str = Field(description="The same on the calendar's own clock.", examples=["2026-12-01 13:00-18:00"])
    minutes: float


class CountedDayOut(Out):
    """A business day that was counted."""

    n: int
    on: str
    at: Moment


class ClosedDay(Out):
    """A day that the week would have worked and the calendar does not."""

    on: str
    label: str | None


class ExplanationOut(Out):
    """How a due time came about."""

    clock: OwedClock
    playbook: dict[str, Any] = Field(description="Program, version and rule.")
    within: dict[str, int] | None = Field(description="What the rule allows.", examples=[{"business_minutes": 240}])
    calendar: dict[str, Any] = Field(description="The calendar of whoever owes it, as it stood when the clock started.")
    basis: Literal["within", "promised"] = Field(description="`promised`: the day was promised, not reckoned.")
    unit: Literal["business_minutes", "elapsed_minutes", "business_days"]
    minutes: float = Field(description="The sum of the intervals.")
    intervals: list[CountedInterval]
    days: list[CountedDayOut] = Field(description="Of a wait in business days.")
    closed: list[ClosedDay] = Field(description="Closures between start and end.")
    due_at: Moment


class EscalationPage(_Page):
    """A page of escalations."""

    items: list[EscalationOut]
