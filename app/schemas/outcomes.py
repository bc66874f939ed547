"""Outcomes, the partner's response to them, and interim feedback."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from app.schemas.base import Code, Day, In, LabelledReason, Line, Moment, Money, OfLead, Prose, StatedBy


class OutcomeIn(In):
    """What became of the lead, and why; losses are told as fully as wins."""

    result: Literal["won", "lost", "pending", "disqualified"]
    reason: Code = Field(examples=["price"])
    secondary_reasons: Annotated[list[Code], Field(max_length=2)] = Field(default_factory=list[str])
    stated_by: StatedBy
    note: Prose | None = None
    learnings: Prose | None = None
    amount: Money | None = None
    annual_value: Money | None = None
    competitor: Line | None = None
    recoverable: bool | None = None
    revisit_on: Day | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.result == "pending" and self.revisit_on is None:
            raise ValueError("a pending outcome names the day of its revisit in revisit_on")
        if self.amount and self.annual_value and self.amount.currency != self.annual_value.currency:
            raise ValueError("amount and annual_value share one currency")
        return self


class AcknowledgeIn(In):
    """Nothing to say."""


class ContestIn(In):
    """Why the partner sees it otherwise."""

    reason: Code
    note: Prose


class FeedbackIn(In):
    """Interim feedback on a handover."""

    handover_id: Annotated[str, StringConstraints(max_length=40)]
    meeting_held: bool | None = None
    rating: Annotated[int, Field(ge=1, le=5)]
    reasons: Annotated[list[Code], Field(max_length=10)] = Field(default_factory=list[str])
    note: Prose | None = None
    next_update_on: Day | None = None


class ReopenIn(In):
    """Nothing to say."""


class AdvanceIn(In):
    """The stage to enter, or `closed` to leave the last one."""

    to: Code = Field(examples=["evaluation"])


class AssignIn(In):
    """A person of the caller's own organisation, by a reference that only that organisation sees."""

    assignee: Line


class OutcomeOut(OfLead):
    """An outcome in its last version; both sides see the same."""

    id: str
    version: int = Field(description="Grows by one with each correction.")
    result: Literal["won", "lost", "pending", "disqualified"]
    reason: LabelledReason
    secondary_reasons: list[LabelledReason]
    stated_by: StatedBy
    note: str | None
    learnings: str | None
    amount: Money | None
    annual_value: Money | None
    competitor: str | None
    recoverable: bool | None
    revisit_on: Day | None
    stage_at_close: str
    closed_at: Moment
    acknowledged_at: Moment | None = Field(None, description="When the partner acknowledged it.")
    contested_at: Moment | None = Field(None, description="When the partner contested it.")


class FeedbackOut(OfLead):
    """Interim feedback on a handover."""

    id: str
    handover_id: str
    meeting_held: bool | None
    rating: int = Field(ge=1, le=5)
    reasons: list[LabelledReason]
    note: str | None
    next_update_on: Day | None
    by_role: str
    at: Moment
