"""The append-only ledger, the outbox of rendered bodies, and the feed that the publisher numbers and freezes."""

# pyright: reportAssignmentType=false
# SQLModel types __tablename__ as a declared_attr; a plain string is what its documentation shows.

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, PrimaryKeyConstraint
from sqlmodel import SQLModel

from app.models.columns import SCHEMA, big, document, drawn, flag, moment, one_of, words


class Event(SQLModel, table=True):
    """One fact. `data` holds ids, codes, numbers and times only: no free text and no personal data."""

    __tablename__ = "event"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "id"),
        CheckConstraint(one_of("sides", "both", "internal", "partner"), name="event_sides"),
        Index("event_of_lead", "tenant_id", "lead_id", "n"),
        Index("event_by_type", "tenant_id", "type", "at"),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    id: UUID
    n: int = drawn()
    at: datetime = moment()
    type: str = words()
    actor_client: UUID | None
    actor_role: str = words()
    request_id: str = words()
    traceparent: str | None = words()
    lead_id: UUID | None
    partner_id: UUID | None
    sides: str = words()
    test: bool = flag()
    played: bool = flag()
    data: dict[str, object] = document()


class Outbox(SQLModel, table=True):
    """One body for one organisation, rendered in the transaction of the change, waiting for its number.

    `splice` is the offset in characters at which the publisher writes `"sequence":n,` into the body; `page` rows go to
    the tenant's on-call destinations as well.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "id"),
        Index("outbox_order", "id"),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    id: int = drawn()
    organization_id: UUID
    partner_id: UUID | None
    lead_id: UUID | None
    event_id: UUID
    type: str = words()
    at: datetime = moment()
    test: bool = flag()
    page: bool = flag()
    splice: int
    body: str = words()


class Feed(SQLModel, table=True):
    """A published body: numbered without gaps per (tenant, organisation, test), its bytes frozen. Kept 90 days."""

    __tablename__ = "feed"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "organization_id", "test", "sequence", "published_on"),
        Index("feed_of_lead", "tenant_id", "organization_id", "lead_id"),
        {"schema": SCHEMA, "postgresql_partition_by": "RANGE (published_on)"},
    )

    tenant_id: UUID
    organization_id: UUID
    sequence: int = big()
    published_on: date
    event_id: UUID
    lead_id: UUID | None
    type: str = words()
    at: datetime = moment()
    test: bool = flag()
    body: str = words()


class FeedCounter(SQLModel, table=True):
    """The last number given in one organisation's feed, or in that of its tests; written by the publisher alone."""

    __tablename__ = "feed_counter"
    __table_args__ = (PrimaryKeyConstraint("tenant_id", "organization_id", "test"), {"schema": SCHEMA})

    tenant_id: UUID
    organization_id: UUID
    test: bool = flag()
    last: int = big()


class Idempotency(SQLModel, table=True):
    """The stored answer to a POST, kept 72 hours; it shares the erasure path because it holds what was answered."""

    __tablename__ = "idempotency"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "client_id", "key"),
        Index("idempotency_age", "created_at"),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    client_id: UUID
    key: str = words()
    fingerprint: bytes
    status: int
    headers: dict[str, object] = document()
    body: bytes
    created_at: datetime = moment(default="now()")


class LeadImport(SQLModel, table=True):
    """One import: counts grow while the rows arrive."""

    __tablename__ = "lead_import"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "id", "partner_id"),
        CheckConstraint(one_of("status", "running", "ended", "aborted"), name="lead_import_status"),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    partner_id: UUID
    id: UUID
    format: str = words()
    status: str = words()
    received: int
    created: int
    same: int
    updated: int
    refused: int
    started_at: datetime = moment()
    ended_at: datetime | None = moment()
    test: bool = flag()


class LeadImportRow(SQLModel, table=True):
    """The result of one row of an import."""

    __tablename__ = "lead_import_row"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "import_id", "line", "partner_id"),
        CheckConstraint(one_of("result", "created", "same", "updated", "refused"), name="lead_import_row_result"),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    partner_id: UUID
    import_id: UUID
    line: int
    external_id: str | None = words()
    result: str = words()
    lead_id: UUID | None
    problem: dict[str, object] | None = document()
