"""What was agreed: programs, who takes part, playbook versions, agreements, calendars, and calls made."""

# pyright: reportAssignmentType=false
# SQLModel types __tablename__ as a declared_attr; a plain string is what its documentation shows.

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, PrimaryKeyConstraint, UniqueConstraint
from sqlmodel import SQLModel

from app.models.columns import SCHEMA, document, flag, moment, one_of, record, words


def of_program() -> ForeignKeyConstraint:
    """The key of a program's child."""
    return ForeignKeyConstraint(["tenant_id", "program_id"], [f"{SCHEMA}.program.tenant_id", f"{SCHEMA}.program.id"])


class Program(SQLModel, table=True):
    """One collaboration; `playbook_id` is the version in force."""

    __tablename__ = "program"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "key"),
        CheckConstraint(one_of("status", "active", "ended"), name="program_status"),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    id: UUID
    key: str = words()
    name: str = words()
    status: str = words()
    playbook_id: UUID | None
    calendar_id: UUID
    version: int
    created_at: datetime = moment()
    updated_at: datetime = moment()
    product: str | None = words()
    pilot: bool = flag()


class Enrolment(SQLModel, table=True):
    """A partner takes part in a program; `provenance_defaults` fill what its leads leave out."""

    __tablename__ = "enrolment"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "program_id", "partner_id"),
        of_program(),
        ForeignKeyConstraint(
            ["tenant_id", "partner_id"], [f"{SCHEMA}.organization.tenant_id", f"{SCHEMA}.organization.id"]
        ),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    program_id: UUID
    partner_id: UUID
    provenance_defaults: dict[str, object] = document()
    created_at: datetime = moment()


class PlaybookVersion(SQLModel, table=True):
    """One version of a program's playbook; the document never changes once written.

    `answers_id` is the version that this one was proposed instead of; `announced` the last status that was told.
    """

    __tablename__ = "playbook"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "id"),
        of_program(),
        UniqueConstraint("tenant_id", "program_id", "version"),
        CheckConstraint(one_of("status", "proposed", "in_force", "superseded", "declined"), name="playbook_status"),
        ForeignKeyConstraint(
            ["tenant_id", "answers_id"],
            [f"{SCHEMA}.playbook.tenant_id", f"{SCHEMA}.playbook.id"],
            name="playbook_answers",
        ),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    id: UUID
    program_id: UUID
    version: int
    status: str = words()
    document: dict[str, object] = record()
    comment: str = words()
    proposed_by: UUID
    proposed_at: datetime = moment()
    in_force_at: datetime | None = moment()
    answers_id: UUID | None
    review_on: date | None
    document_hash: str | None = words()
    announced: str | None = words()


class Agreement(SQLModel, table=True):
    """An organisation agreed to a playbook version."""

    __tablename__ = "agreement"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "playbook_id", "organization_id"),
        ForeignKeyConstraint(["tenant_id", "playbook_id"], [f"{SCHEMA}.playbook.tenant_id", f"{SCHEMA}.playbook.id"]),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    playbook_id: UUID
    organization_id: UUID
    client_id: UUID
    agreed_at: datetime = moment()


class Declination(SQLModel, table=True):
    """Why a version was declined, and by whom; no organisation: Baton itself, because leads would be stranded."""

    __tablename__ = "declination"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "playbook_id"),
        ForeignKeyConstraint(["tenant_id", "playbook_id"], [f"{SCHEMA}.playbook.tenant_id", f"{SCHEMA}.playbook.id"]),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    playbook_id: UUID
    organization_id: UUID | None
    client_id: UUID | None
    comment: str = words()
    declined_at: datetime = moment()


class PlaybookReview(SQLModel, table=True):
    """When all who take part are to be reminded to look at the version in force again; removed once they were."""

    __tablename__ = "playbook_review"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "playbook_id"),
        ForeignKeyConstraint(["tenant_id", "playbook_id"], [f"{SCHEMA}.playbook.tenant_id", f"{SCHEMA}.playbook.id"]),
        Index("playbook_review_due", "due_at"),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    playbook_id: UUID
    due_at: datetime = moment()


class Ratification(SQLModel, table=True):
    """Something was said about a version: the worker tells all who take part, and looks whether all have agreed.

    No partner may see who takes part, so neither can be done in a request.
    """

    __tablename__ = "ratification"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "playbook_id"),
        ForeignKeyConstraint(["tenant_id", "playbook_id"], [f"{SCHEMA}.playbook.tenant_id", f"{SCHEMA}.playbook.id"]),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    playbook_id: UUID
    queued_at: datetime = moment()


class CalendarVersion(SQLModel, table=True):
    """One version of a business calendar; a change writes a new row, so what ran under the old can be explained."""

    __tablename__ = "calendar"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "key", "version"),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    id: UUID
    key: str = words()
    version: int
    document: dict[str, object] = document()
    created_at: datetime = moment()


class CallCount(SQLModel, table=True):
    """Calls of one day to numbers that became no lead: totals of the organisation, never per caller."""

    __tablename__ = "call_count"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "partner_id", "program_id", "on_date"),
        of_program(),
        CheckConstraint("connected >= 0 and calls >= connected", name="call_count_bounds"),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    partner_id: UUID
    program_id: UUID
    on_date: date
    calls: int
    connected: int
    updated_at: datetime = moment()
