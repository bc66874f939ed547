"""The lead, who owns it, what is known about it, and whose claim it is."""

# pyright: reportAssignmentType=false
# SQLModel types __tablename__ as a declared_attr; a plain string is what its documentation shows.

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    UniqueConstraint,
    text,
)
from sqlmodel import Field, SQLModel

from app.models.columns import SCHEMA, drawn, flag, moment, of_lead, one_of, record, sealed, words


def _infinity() -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=False, server_default=text("'infinity'"))


class Lead(SQLModel, table=True):
    """A lead. `due` and `outcome` repeat what clocks and outcomes say, so that a list reads one table.

    `(owner_n, owner_until)` points at its current ownership link: a lead without an owner cannot be committed.
    """

    __tablename__ = "lead"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "id", "partner_id"),
        UniqueConstraint("tenant_id", "writer_id", "test", "external_id"),
        ForeignKeyConstraint(["tenant_id", "program_id"], [f"{SCHEMA}.program.tenant_id", f"{SCHEMA}.program.id"]),
        ForeignKeyConstraint(["tenant_id", "playbook_id"], [f"{SCHEMA}.playbook.tenant_id", f"{SCHEMA}.playbook.id"]),
        ForeignKeyConstraint(
            ["tenant_id", "id", "owner_n", "owner_until", "partner_id"],
            [f"{SCHEMA}.ownership.{name}" for name in ("tenant_id", "lead_id", "n", "until_at", "partner_id")],
            name="lead_has_current_owner",
            deferrable=True,
            initially="DEFERRED",
            use_alter=True,
        ),
        CheckConstraint("owner_until = 'infinity'", name="lead_owner_is_current"),
        CheckConstraint(one_of("status", "received", "open", "closed", "not_accepted"), name="lead_status"),
        Index("lead_created", "tenant_id", "partner_id", text("created_at desc"), text("id desc")),
        Index("lead_created_tenant", "tenant_id", text("created_at desc"), text("id desc")),
        Index("lead_company", "tenant_id", text('company_key collate "C" text_pattern_ops')),
        Index("lead_number", "tenant_id", "corporate_number", postgresql_where=text("corporate_number is not null")),
        Index("lead_domain", "tenant_id", "domain", postgresql_where=text("domain is not null")),
        Index("lead_phone", "tenant_id", "phone", postgresql_where=text("phone is not null")),
        Index("lead_updated", "tenant_id", "updated_internal", "id"),
        Index("lead_updated_partner", "tenant_id", "partner_id", "updated_partner", "id"),
        Index("lead_due", "tenant_id", "due_at", postgresql_where=text("due_at is not null")),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    id: UUID
    partner_id: UUID
    n: int = drawn()
    program_id: UUID
    playbook_id: UUID
    writer_id: UUID
    external_id: str = words()
    test: bool = flag()
    status: str = words()
    stage: str = words()
    owner_organization_id: UUID
    owner_role: str = words()
    owner_n: int
    owner_until: datetime = Field(sa_column=_infinity())
    company: dict[str, object] = record()
    company_key: str = words()
    corporate_number: str | None = words()
    domain: str | None = words()
    phone: str | None = words()
    provenance: dict[str, object] = record()
    context: dict[str, object] = record()
    completeness: float
    missing: list[str] = record()
    decision: dict[str, object] | None = record()
    outcome: dict[str, object] | None = record()
    due: list[dict[str, object]] = record()
    due_at: datetime | None = moment()
    posted_hash: bytes = sealed()
    body_hash: bytes = sealed()
    version_internal: int
    version_partner: int
    updated_internal: datetime = moment()
    updated_partner: datetime = moment()
    created_at: datetime = moment()


class Contact(SQLModel, table=True):
    """The person at the company: its own table, one place to erase and later to encrypt. The worker cannot read it."""

    __tablename__ = "contact"
    __table_args__ = (PrimaryKeyConstraint("tenant_id", "lead_id", "partner_id"), of_lead(), {"schema": SCHEMA})

    tenant_id: UUID
    partner_id: UUID
    lead_id: UUID
    document: dict[str, object] = record()


class Ownership(SQLModel, table=True):
    """One link of a lead's unbroken chain of owners.

    A link begins where the one before it ends (a deferred key to it), exactly one link is current, and the lead
    points at it: a gap, an overlap or a close without a successor fails at COMMIT.
    """

    __tablename__ = "ownership"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "lead_id", "n", "partner_id"),
        UniqueConstraint("tenant_id", "lead_id", "n", "until_at", "partner_id", name="ownership_link"),
        of_lead(deferrable=True),
        ForeignKeyConstraint(
            ["tenant_id", "lead_id", "after_n", "from_at", "partner_id"],
            [f"{SCHEMA}.ownership.{name}" for name in ("tenant_id", "lead_id", "n", "until_at", "partner_id")],
            name="ownership_follows",
            deferrable=True,
            initially="DEFERRED",
        ),
        CheckConstraint("n >= 1 and after_n is not distinct from nullif(n - 1, 0)", name="ownership_numbered"),
        CheckConstraint("until_at >= from_at", name="ownership_forward"),
        Index(
            "ownership_one_current",
            "tenant_id",
            "partner_id",
            "lead_id",
            unique=True,
            postgresql_where=text("until_at = 'infinity'"),
        ),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    partner_id: UUID
    lead_id: UUID
    n: int
    after_n: int | None
    organization_id: UUID
    role: str = words()
    from_at: datetime = moment()
    until_at: datetime = Field(sa_column=_infinity())


class Assignment(SQLModel, table=True):
    """Whom an organisation put on a lead: a reference of its own, never shown to the other side."""

    __tablename__ = "assignment"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "lead_id", "organization_id", "partner_id"),
        of_lead(),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    partner_id: UUID
    lead_id: UUID
    organization_id: UUID
    assignee: str = words()


class Annotation(SQLModel, table=True):
    """Metadata that an organisation keeps on a lead, note, activity or handover; seen by that organisation only."""

    __tablename__ = "annotation"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "subject_id", "organization_id", "partner_id"),
        of_lead(),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    partner_id: UUID
    organization_id: UUID
    lead_id: UUID
    subject_id: UUID
    document: dict[str, object] = record()


class Note(SQLModel, table=True):
    """A context note; `organization` visibility keeps it to the organisation that wrote it."""

    __tablename__ = "note"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "id", "partner_id"),
        of_lead(),
        UniqueConstraint("tenant_id", "partner_id", "organization_id", "lead_id", "external_id"),
        CheckConstraint(one_of("visibility", "shared", "organization"), name="note_visibility"),
        Index("note_of_lead", "tenant_id", "lead_id", "n"),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    partner_id: UUID
    id: UUID
    n: int = drawn()
    lead_id: UUID
    organization_id: UUID
    role: str = words()
    kind: str = words()
    visibility: str = words()
    body: str = words()
    external_id: str | None = words()
    body_hash: bytes = sealed()
    created_at: datetime = moment()


class Activity(SQLModel, table=True):
    """A call, mail, meeting or visit that took place, was missed, or is planned."""

    __tablename__ = "activity"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "id", "partner_id"),
        of_lead(),
        UniqueConstraint("tenant_id", "partner_id", "organization_id", "lead_id", "external_id"),
        CheckConstraint(one_of("kind", "call", "mail", "meeting", "visit"), name="activity_kind"),
        Index("activity_of_lead", "tenant_id", "lead_id", "n"),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    partner_id: UUID
    id: UUID
    n: int = drawn()
    lead_id: UUID
    organization_id: UUID
    role: str = words()
    kind: str = words()
    at: datetime = moment()
    disposition: str = words()
    summary: str | None = words()
    contact_role: str | None = words()
    external_id: str | None = words()
    body_hash: bytes = sealed()
    created_at: datetime = moment()


class Claim(SQLModel, table=True):
    """A partner's claim on a company within a program: the first one holds."""

    __tablename__ = "claim"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "id", "partner_id"),
        of_lead(),
        CheckConstraint(one_of("status", "held", "expired", "released"), name="claim_status"),
        Index("claim_of_partner", "tenant_id", "partner_id", "program_id"),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    partner_id: UUID
    id: UUID
    program_id: UUID
    lead_id: UUID
    status: str = words()
    claimed_at: datetime = moment()
    expires_at: datetime = moment()


class ClaimKey(SQLModel, table=True):
    """A key under which a claimed company is found. No partner login can read it: it speaks of other partners."""

    __tablename__ = "claim_key"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "program_id", "kind", "value"),
        ForeignKeyConstraint(
            ["tenant_id", "claim_id", "partner_id"],
            [f"{SCHEMA}.claim.tenant_id", f"{SCHEMA}.claim.id", f"{SCHEMA}.claim.partner_id"],
        ),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    program_id: UUID
    kind: str = words()
    value: str = words()
    claim_id: UUID
    partner_id: UUID


class ClaimedLead(SQLModel, table=True):
    """A lead stands under a claim: the one that made it, and every further contact at the same company."""

    __tablename__ = "claimed_lead"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "lead_id", "partner_id"),
        of_lead(),
        ForeignKeyConstraint(
            ["tenant_id", "claim_id", "partner_id"],
            [f"{SCHEMA}.claim.tenant_id", f"{SCHEMA}.claim.id", f"{SCHEMA}.claim.partner_id"],
        ),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    partner_id: UUID
    lead_id: UUID
    claim_id: UUID


class Adjudication(SQLModel, table=True):
    """A received lead that waits for its decision; the row goes in the transaction that decides."""

    __tablename__ = "adjudication"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "lead_id", "partner_id"),
        of_lead(),
        Index("adjudication_queue", "tenant_id", "n"),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    partner_id: UUID
    lead_id: UUID
    n: int = drawn()
    queued_at: datetime = moment()
