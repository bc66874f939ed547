"""The one delivery engine: endpoints and on-call destinations are lanes; deliveries queue in them."""

# pyright: reportAssignmentType=false
# SQLModel types __tablename__ as a declared_attr; a plain string is what its documentation shows.

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, PrimaryKeyConstraint, UniqueConstraint, text
from sqlmodel import SQLModel

from app.models.columns import SCHEMA, big, document, flag, listed, moment, one_of, sealed, words


class Endpoint(SQLModel, table=True):
    """A webhook endpoint of one organisation; `pending` until its first signed test was answered with 2xx."""

    __tablename__ = "endpoint"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "id"),
        CheckConstraint(one_of("status", "pending", "active", "disabled", "deleted"), name="endpoint_status"),
        CheckConstraint(one_of("signature", "v1", "v1a"), name="endpoint_signature"),
        Index("endpoint_of_organization", "tenant_id", "organization_id"),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    id: UUID
    organization_id: UUID
    url: str = words()
    description: str | None = words()
    event_types: list[str] = listed()
    signature: str = words()
    ordering: str = words()
    rate: int | None
    status: str = words()
    disabled_reason: str | None = words()
    secret: bytes = sealed()
    previous_secret: bytes | None = sealed()
    previous_until: datetime | None = moment()
    version: int
    created_at: datetime = moment()
    updated_at: datetime = moment()
    test: bool = flag()


class Destination(SQLModel, table=True):
    """An on-call tool of the tenant. Its configuration holds keys and is sealed; `shown` is what may be read back."""

    __tablename__ = "destination"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "name"),
        CheckConstraint(one_of("key_mode", "escalation", "step"), name="destination_key_mode"),
        CheckConstraint(one_of("status", "active", "deleted"), name="destination_status"),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    id: UUID
    kind: str = words()
    name: str = words()
    config: bytes = sealed()
    shown: dict[str, object] = document()
    key_mode: str = words()
    status: str = words()
    version: int
    created_at: datetime = moment()
    updated_at: datetime = moment()


class Lane(SQLModel, table=True):
    """The queue of one endpoint or destination: when it is next due, how it fares, how fast it may go."""

    __tablename__ = "lane"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "id"),
        CheckConstraint(one_of("profile", "feed", "page"), name="lane_profile"),
        Index("lane_due", "next_due_at", postgresql_where=text("next_due_at is not null")),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    id: UUID
    organization_id: UUID
    profile: str = words()
    parked: bool = flag()
    next_due_at: datetime | None = moment()
    served_at: datetime = moment(default="'epoch'")
    open_until: datetime | None = moment()
    failures: int
    failing_since: datetime | None = moment()
    suspended: bool = flag()


class Delivery(SQLModel, table=True):
    """One body on its way to one lane. Every write of a leased row is fenced by `lease_token`."""

    __tablename__ = "delivery"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "lane_id", "message_id"),
        CheckConstraint(
            one_of("state", "pending", "leased", "delivered", "failed", "cancelled"), name="delivery_state"
        ),
        Index("delivery_due", "tenant_id", "lane_id", "due_at", postgresql_where=text("state = 'pending'")),
        Index("delivery_leased", "lease_until", postgresql_where=text("state = 'leased'")),
        Index(
            "delivery_lead_order",
            "tenant_id",
            "lane_id",
            "lead_id",
            "sequence",
            postgresql_where=text("state in ('pending', 'leased')"),
        ),
        Index("delivery_list", "tenant_id", "organization_id", text("created_at desc"), text("id desc")),
        {"schema": SCHEMA, "postgresql_with": {"fillfactor": "80"}},
    )

    tenant_id: UUID
    id: UUID
    lane_id: UUID
    organization_id: UUID
    message_id: str = words()
    event_id: UUID | None
    lead_id: UUID | None
    escalation_id: UUID | None
    type: str = words()
    sequence: int | None = big()
    body: str = words()
    state: str = words()
    attempts: int
    due_at: datetime = moment()
    lease_token: UUID | None
    lease_until: datetime | None = moment()
    created_at: datetime = moment()
    finished_at: datetime | None = moment()
    test: bool = flag()


class Attempt(SQLModel, table=True):
    """One try of a delivery, or the word that its worker was lost. Kept 30 days."""

    __tablename__ = "attempt"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "delivery_id", "n", "day"),
        {"schema": SCHEMA, "postgresql_partition_by": "RANGE (day)"},
    )

    tenant_id: UUID
    delivery_id: UUID
    organization_id: UUID
    n: int
    day: date
    started_at: datetime = moment()
    status: int | None
    error: str | None = words()
    duration_ms: int | None
    remote_ip: str | None = words()
    response_head: bytes | None
    timings: dict[str, object] | None = document()
