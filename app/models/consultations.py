"""Questions of a lead's owner to a consulted role, with their purpose and how they ended."""

# pyright: reportAssignmentType=false
# SQLModel types __tablename__ as a declared_attr; a plain string is what its documentation shows.

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, PrimaryKeyConstraint, text
from sqlmodel import SQLModel

from app.models.columns import SCHEMA, document, drawn, moment, of_lead, one_of, words


class Consultation(SQLModel, table=True):
    """One question, from role to role of two organisations or of one; any number may be open on a lead."""

    __tablename__ = "consultation"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "id", "partner_id"),
        of_lead(),
        CheckConstraint(one_of("status", "requested", "answered", "declined", "withdrawn"), name="consultation_status"),
        Index("consultation_of_lead", "tenant_id", "lead_id", "n"),
        Index(
            "consultation_open",
            "tenant_id",
            "lead_id",
            postgresql_where=text("status = 'requested'"),
        ),
        Index(
            "consultation_waiting",
            "tenant_id",
            "to_organization_id",
            "due_at",
            postgresql_where=text("status = 'requested'"),
        ),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    partner_id: UUID
    id: UUID
    n: int = drawn()
    lead_id: UUID
    status: str = words()
    purpose: str = words()
    question: str = words()
    stage: str = words()
    from_organization_id: UUID
    from_role: str = words()
    to_organization_id: UUID
    to_role: str = words()
    requested_at: datetime = moment()
    due_at: datetime | None = moment()
    decision: dict[str, object] | None = document()
