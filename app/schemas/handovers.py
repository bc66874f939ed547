"""Handovers as callers offer, answer and read them."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from app.schemas.base import Code, In, LabelledReason, Line, Metadata, Moment, OfLead, Out, Prose, Url


class Meeting(In):
    """The appointment that the handover is about."""

    at: Moment
    minutes: Annotated[int, Field(ge=5, le=1440)] | None = None
    place: Line | None = None
    url: Url | None = None
    attendees: Annotated[list[Line], Field(max_length=30)] | None = None


class HandoverIn(In):
    """An offer of the baton to a role; the giver stays accountable until it is accepted."""

    to_role: Code = Field(examples=["internal_sales"])
    summary: Prose
    meeting: Meeting | None = None
    note: Prose | None = None
    metadata: Metadata | None = None


class AcceptIn(In):
    """An acceptance; `assignee` is a reference of the receiver's own organisation."""

    assignee: Line | None = None


class RejectIn(In):
    """A rejection, with a countable reason."""

    reason: Code = Field(examples=["meeting_not_held"])
    note: Prose | None = None


class Question(In):
    """A question before the receiver decides; `field` points at what should be filled in."""

    text: Prose
    field: Annotated[str, StringConstraints(pattern=r"^(/[A-Za-z0-9_]+)+$", max_length=120)] | None = None


class ReturnIn(In):
    """Questions that come back to the giver."""

    questions: Annotated[list[Question], Field(min_length=1, max_length=20)]


class Answer(In):
    """The answer to one question."""

    question_id: Annotated[str, StringConstraints(max_length=40)]
    text: Prose


class AnswerIn(In):
    """Answers; they put the handover before the receiver again, on a fresh clock."""

    answers: Annotated[list[Answer], Field(min_length=1, max_length=20)]


class PullIn(In):
    """Accept up to `limit` waiting handovers to a role, in due order."""

    to_role: Code
    limit: Annotated[int, Field(ge=1, le=50)] = 10
    assignee: Line | None = None


class QuestionOut(Out):
    """A question that came back to the giver."""

    id: str
    text: str
    field: str | None = Field(None, description="A JSON pointer into the lead.")


class AnswerOut(Out):
    """The answer to one question."""

    question_id: str
    text: str


class HandoverDecision(Out):
    """How the handover was last decided, by whom and why."""

    verb: str = Field(examples=["accept"])
    reason: LabelledReason | None
    missing: list[str]
    note: str | None
    by_role: str
    at: Moment


class HandoverOut(OfLead):
    """A handover; both sides see the same."""

    id: str
    lead_id: str
    external_id: str
    status: Literal["requested", "accepted", "rejected", "returned", "answered", "withdrawn", "timed_out"]
    from_role: str
    to_role: str
    summary: str
    note: str | None
    meeting: Meeting | None
    requested_at: Moment
    due_at: Moment | None
    questions: list[QuestionOut]
    answers: list[AnswerOut]
    decision: HandoverDecision | None
