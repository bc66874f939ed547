"""What callers filter lists and figures by. Names that are not here are refused by the edge."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from app.schemas.base import Code, ExternalId, Line, Moment

Named = Annotated[str, StringConstraints(min_length=1, max_length=64)]
"""A key or an id."""
LeadSort = Literal["created_at", "-created_at", "updated_at", "-updated_at", "due_at", "-due_at"]


class LeadFilter(BaseModel):
    """Which leads, in which order; `-` is descending. A lead that nothing is due on comes last."""

    stage: Code | None = None
    status: Literal["received", "open", "closed", "not_accepted"] | None = None
    owner_role: Code | None = None
    program: Named | None = Field(None, description="Key or id.")
    updated_since: Moment | None = Field(None, description="Changed in the caller's view at or after this time.")
    external_id: ExternalId | None = None
    company: Line | None = Field(None, description="A company's name, compared in its normal form, or its number.")
    q: Line | None = Field(
        None, description="The start of a company's name, or an exact external id, number, domain or telephone number."
    )
    due_before: Moment | None = Field(None, description="Something is due on it before this time.")
    sort: LeadSort = "-created_at"
    test: bool = Field(False, description="Test leads instead of real ones; a test client sees only test leads.")


class HandoverFilter(BaseModel):
    """Which handovers; those that are due come first."""

    side: Literal["giver", "receiver"] | None = Field(None, description="Those your organisation gives or receives.")
    status: Literal["requested", "accepted", "rejected", "returned", "answered", "withdrawn", "timed_out"] | None = None
    to_role: Code | None = None
    due_before: Moment | None = None
    test: bool = Field(False, description="Those of test leads instead; a test client sees no others.")


class ConsultationFilter(BaseModel):
    """Which consultations; those that are due come first."""

    side: Literal["asker", "asked"] | None = Field(None, description="Those your organisation asks or is asked.")
    status: Literal["requested", "answered", "declined", "withdrawn"] | None = None
    test: bool = Field(False, description="Those of test leads instead; a test client sees no others.")


class ClockFilter(BaseModel):
    """Which clocks; without `state`, those that are still owed."""

    owed_by: Literal["me"] | None = Field(None, description="Only what your organisation owes.")
    state: Literal["running", "breached", "met", "cancelled"] | None = None
    lead: Annotated[str, StringConstraints(max_length=80)] | None = Field(
        None, description="`lead_…`, or `external:` and your own reference."
    )
    test: bool = Field(False, description="Those of test leads instead; a test client sees no others.")


class EscalationFilter(BaseModel):
    """Which escalations."""

    status: Literal["open", "acknowledged", "resolved"] | None = None
    test: bool = Field(False, description="Those of test leads instead; a test client sees no others.")


class EventFilter(BaseModel):
    """Which events of the feed."""

    types: str | None = Field(None, max_length=2000, description="Event types, separated by commas; default: all.")
    test: bool = Field(
        False, description="The feed of test leads, with a sequence of its own; a test client reads no other."
    )
