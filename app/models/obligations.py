"""What is owed: clocks in business time, and the escalations that a missed clock opens."""

# pyright: reportAssignmentType=false
# SQLModel types __tablename__ as a declared_attr; a plain string is what its documentation shows.

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, PrimaryKeyConstraint, text
from sqlmodel import SQLModel

from app.models.columns import SCHEMA, document, drawn, flag, moment, of_lead, one_of, words


class Clock(SQLModel, table=True):
    """One running obligation. `breached` still runs: it is late, and stays owed until it is met."""

    __tablename__ = "clock"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "id", "partner_id"),
        of_lead(),
        CheckConstraint(one_of("state", "running", "breached", "met", "cancelled"), name="clock_state"),
        Index("clock_armed", "due_at", postgresql_where=text("state = 'running'")),
        Index("clock_of_lead", "tenant_id", "lead_id"),
        Index(
            "clock_owed",
            "tenant_id",
            "owed_organization_id",
            "due_at",
            postgresql_where=text("state in ('running', 'breached')"),
        ),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    partner_id: UUID
    id: UUID
    n: int = drawn()
    lead_id: UUID
    handover_id: UUID | None
    consultation_id: UUID | None
    name: str = words()
    owed_organization_id: UUID
    owed_role: str = words()
    waiting_organization_id: UUID
    waiting_role: str = words()
    started_at: datetime = moment()
    due_at: datetime = moment()
    state: str = words()
    breached_at: datetime | None = moment()
    stopped_at: datetime | None = moment()
    playbook_id: UUID
    calendar_id: UUID
    test: bool = flag()


class Escalation(SQLModel, table=True):
    """An open ladder: its rule as it stood when it opened, the step it is at, and when the next one is due."""

    __tablename__ = "escalation"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "id", "partner_id"),
        of_lead(),
        CheckConstraint(one_of("status", "open", "acknowledged", "resolved"), name="escalation_status"),
        CheckConstraint(one_of("severity", "critical", "error", "warning", "info"), name="escalation_severity"),
        Index(
            "escalation_one_open",
            "tenant_id",
            "partner_id",
            "clock_id",
            unique=True,
            postgresql_where=text("status <> 'resolved'"),
        ),
        Index("escalation_armed", "next_at", postgresql_where=text("status = 'open' and next_at is not null")),
        Index("escalation_of_lead", "tenant_id", "lead_id"),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    partner_id: UUID
    id: UUID
    n: int = drawn()
    lead_id: UUID
    clock_id: UUID
    status: str = words()
    severity: str = words()
    trigger: str = words()
    drill: bool = flag()
    test: bool = flag()
    playbook_id: UUID
    calendar_id: UUID
    ladder: dict[str, object] = document()
    step: int
    next_at: datetime | None = moment()
    due_at: datetime = moment()
    opened_at: datetime = moment()
    acknowledged_at: datetime | None = moment()
    acknowledged_by: dict[str, object] | None = document()
    resolved_at: datetime | None = moment()
    timeline: list[dict[str, object]] = document()
