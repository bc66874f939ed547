"""Handovers with their questions and answers, outcomes with their versions and responses, interim feedback."""

# pyright: reportAssignmentType=false
# SQLModel types __tablename__ as a declared_attr; a plain string is what its documentation shows.

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, PrimaryKeyConstraint, text
from sqlmodel import SQLModel

from app.models.columns import SCHEMA, document, drawn, listed, moment, of_lead, one_of, words


class Handover(SQLModel, table=True):
    """One offer of the baton. At most one is pending for a lead: the database keeps it."""

    __tablename__ = "handover"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "id", "partner_id"),
        of_lead(),
        CheckConstraint(
            one_of("status", "requested", "accepted", "rejected", "returned", "answered", "withdrawn", "timed_out"),
            name="handover_status",
        ),
        Index(
            "handover_one_pending",
            "tenant_id",
            "partner_id",
            "lead_id",
            unique=True,
            postgresql_where=text("status in ('requested', 'returned', 'answered')"),
        ),
        Index("handover_of_lead", "tenant_id", "lead_id", "n"),
        Index(
            "handover_waiting",
            "tenant_id",
            "to_organization_id",
            "to_role",
            "due_at",
            postgresql_where=text("status in ('requested', 'answered')"),
        ),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    partner_id: UUID
    id: UUID
    n: int = drawn()
    lead_id: UUID
    status: str = words()
    from_organization_id: UUID
    from_role: str = words()
    to_organization_id: UUID
    to_role: str = words()
    enters: str | None = words()
    summary: str = words()
    note: str | None = words()
    meeting: dict[str, object] | None = document()
    meeting_at: datetime | None = moment()
    requested_at: datetime = moment()
    due_at: datetime | None = moment()
    decision: dict[str, object] | None = document()
    accepted_at: datetime | None = moment()


class HandoverStep(SQLModel, table=True):
    """Questions that came back with a handover, or the answers to them; never changed."""

    __tablename__ = "handover_step"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "id", "partner_id"),
        ForeignKeyConstraint(
            ["tenant_id", "handover_id", "partner_id"],
            [f"{SCHEMA}.handover.tenant_id", f"{SCHEMA}.handover.id", f"{SCHEMA}.handover.partner_id"],
        ),
        CheckConstraint(one_of("kind", "questions", "answers"), name="handover_step_kind"),
        Index("handover_step_of", "tenant_id", "handover_id", "n"),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    partner_id: UUID
    id: UUID
    n: int = drawn()
    handover_id: UUID
    kind: str = words()
    items: list[dict[str, object]] = document()
    by_role: str = words()
    at: datetime = moment()


class Outcome(SQLModel, table=True):
    """One version of an outcome: a correction writes the next version and supersedes, it never overwrites."""

    __tablename__ = "outcome"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "id", "version", "partner_id"),
        of_lead(),
        CheckConstraint(one_of("result", "won", "lost", "pending", "disqualified"), name="outcome_result"),
        CheckConstraint(
            one_of("stated_by", "customer_stated", "seller_hypothesis", "partner_hypothesis"), name="outcome_stated_by"
        ),
        CheckConstraint("result <> 'pending' or revisit_on is not null", name="outcome_pending_is_revisited"),
        Index("outcome_of_lead", "tenant_id", "lead_id", "n"),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    partner_id: UUID
    id: UUID
    version: int
    n: int = drawn()
    lead_id: UUID
    handover_id: UUID | None
    result: str = words()
    reason: str = words()
    secondary_reasons: list[str] = listed()
    stated_by: str = words()
    note: str | None = words()
    learnings: str | None = words()
    amount: Decimal | None
    annual_value: Decimal | None
    currency: str | None = words()
    competitor: str | None = words()
    recoverable: bool | None
    revisit_on: date | None
    stage_at_close: str = words()
    by_role: str = words()
    closed_at: datetime = moment()
    written_at: datetime = moment()


class OutcomeResponse(SQLModel, table=True):
    """The partner acknowledged or contested an outcome."""

    __tablename__ = "outcome_response"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "id", "partner_id"),
        of_lead(),
        CheckConstraint(one_of("kind", "acknowledged", "contested"), name="outcome_response_kind"),
        Index("outcome_response_of", "tenant_id", "outcome_id"),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    partner_id: UUID
    id: UUID
    lead_id: UUID
    outcome_id: UUID
    outcome_version: int
    kind: str = words()
    reason: str | None = words()
    note: str | None = words()
    at: datetime = moment()


class Feedback(SQLModel, table=True):
    """Interim feedback on a handover, given before the outcome is known."""

    __tablename__ = "feedback"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "id", "partner_id"),
        of_lead(),
        CheckConstraint("rating between 1 and 5", name="feedback_rating"),
        Index("feedback_of_lead", "tenant_id", "lead_id"),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    partner_id: UUID
    id: UUID
    lead_id: UUID
    handover_id: UUID
    organization_id: UUID
    role: str = words()
    meeting_held: bool | None
    rating: int
    reasons: list[str] = listed()
    note: str | None = words()
    next_update_on: date | None
    at: datetime = moment()
