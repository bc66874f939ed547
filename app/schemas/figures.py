"""Figures as both organisations read them: the funnel with its rates, reasons by count, and feedback debt."""

from datetime import date
from typing import Literal

from pydantic import BaseModel, Field

from app.schemas.base import LabelledReason, Moment, Money, Out
from app.schemas.queries import Named


class FigureFilter(BaseModel):
    """What is counted. Days are those of the program's calendar, both ends inclusive."""

    program: Named | None = Field(None, description="Key or id.")
    partner: Named | None = Field(None, description="`org_…`")
    first: date | None = Field(None, alias="from")
    last: date | None = Field(None, alias="to")
    view: Literal["cohort", "period"] = Field(
        "cohort",
        description="`cohort`: leads received in those days and all that became of them. `period`: what happened then.",
    )
    group_by: Literal["month", "partner", "industry", "source_kind", "pain_category", "playbook"] | None = Field(
        None,
        description=(
            "A lead with several pain categories counts in each of them. `playbook` compares what was agreed: the"
            " version (`program/version`) that was in force when the lead was received."
        ),
    )


class DebtFilter(BaseModel):
    """Whose debt."""

    program: Named | None = Field(None, description="Key or id.")
    partner: Named | None = Field(None, description="`org_…`")


class RateOut(Out):
    """A share of counts; null where nothing was tried."""

    numerator: int
    denominator: int
    value: float | None


class AmountRateOut(Out):
    """An amount for each of a count."""

    numerator: Money | None
    denominator: int
    value: Money | None


class RatesOut(Out):
    """The rates of the funnel, each with what it divides."""

    connect: RateOut = Field(description="connected / calls")
    key_person: RateOut = Field(description="leads where a decision maker was reached / leads reached at all")
    appointment: RateOut = Field(description="appointments / connected")
    show: RateOut = Field(description="meetings held / appointments whose time has passed")
    qualified: RateOut = Field(description="qualified / meetings held")
    win: RateOut = Field(description="won / (won + lost); pending is left out")
    acv: AmountRateOut = Field(description="annual value won / won")


class WonIn(Out):
    """What was won in one currency."""

    currency: str
    won: int
    amount_won: Money | None
    annual_value_won: Money | None


class FunnelItem(Out):
    """The counts of one group. A lead counts at most once in each column but `calls` and `connected`."""

    group: str | None = Field(description="Of `group_by`; null where there is none, or the lead does not say.")
    calls: int
    connected: int = Field(description="Calls in which a person of the company was spoken to.")
    leads: int = Field(description="Leads received, less those that were not accepted.")
    key_person_leads: int
    appointments: int = Field(description="Leads for which an appointment was made.")
    meetings_held: int = Field(description="Leads with whom a meeting was held.")
    qualified: int = Field(description="有効商談: a meeting was held and the playbook's qualified stage entered.")
    won: int
    lost: int
    pending: int
    amount_won: Money | None = Field(description="Null where nothing stated one, or in several currencies.")
    annual_value_won: Money | None = Field(description="Null where nothing stated one, or in several currencies.")
    by_currency: list[WonIn] = Field(description="What was won, where it was won in several currencies.")
    rates: RatesOut


class FunnelOut(Out):
    """The funnel, the same for both sides."""

    as_of: Moment
    view: str
    group_by: str | None
    items: list[FunnelItem]


class ReasonItem(Out):
    """How often a reason was given. A return with questions has none."""

    group: str | None
    kind: Literal["rejected", "returned", "lost", "pending", "disqualified"]
    reason: LabelledReason | None
    count: int = Field(description="As the main reason.")
    secondary: int = Field(description="As a further reason.")


class ReasonsOut(Out):
    """Reasons, the most frequent first."""

    as_of: Moment
    view: str
    group_by: str | None
    items: list[ReasonItem]


class DebtItem(Out):
    """What one role owes on the leads of one partner."""

    partner: str
    role: str
    open: int = Field(description="Answers, feedback and outcomes that are owed, late or not.")
    overdue: int
    oldest_business_minutes: int | None = Field(description="How late the oldest is, on the calendar of who owes it.")


class DebtOut(Out):
    """Feedback debt, the same for both sides."""

    as_of: Moment
    overdue: int
    items: list[DebtItem]
