"""Who exists: tenants, organisations, machine clients, their secrets, and the keys that sign tokens."""

# pyright: reportAssignmentType=false
# SQLModel types __tablename__ as a declared_attr; a plain string is what its documentation shows.

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, PrimaryKeyConstraint, UniqueConstraint
from sqlmodel import SQLModel

from app.models.columns import SCHEMA, document, flag, listed, moment, one_of, sealed, words


class Tenant(SQLModel, table=True):
    """One client company. Its own organisation has the same id."""

    __tablename__ = "tenant"
    __table_args__ = (PrimaryKeyConstraint("tenant_id"), UniqueConstraint("key"), {"schema": SCHEMA})

    tenant_id: UUID
    key: str = words()
    name: str = words()
    hmac_key: bytes = sealed()
    created_at: datetime = moment()


class Organization(SQLModel, table=True):
    """The tenant's own organisation (`internal`) or one of its vendors (`partner`)."""

    __tablename__ = "organization"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "id"),
        ForeignKeyConstraint(["tenant_id"], [f"{SCHEMA}.tenant.tenant_id"]),
        UniqueConstraint("tenant_id", "key"),
        CheckConstraint(one_of("kind", "internal", "partner"), name="organization_kind"),
        CheckConstraint("(kind = 'internal') = (id = tenant_id)", name="organization_internal_is_tenant"),
        CheckConstraint(one_of("status", "active", "suspended"), name="organization_status"),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    id: UUID
    kind: str = words()
    key: str = words()
    name: str = words()
    status: str = words()
    calendar_id: UUID | None
    version: int
    created_at: datetime = moment()
    updated_at: datetime = moment()
    not_before: datetime | None = moment()


class Suspension(SQLModel, table=True):
    """A partner whose suspension or return the workers have yet to see."""

    __tablename__ = "suspension"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "id"),
        ForeignKeyConstraint(
            ["tenant_id", "organization_id"], [f"{SCHEMA}.organization.tenant_id", f"{SCHEMA}.organization.id"]
        ),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    id: UUID
    organization_id: UUID
    queued_at: datetime = moment()


class Client(SQLModel, table=True):
    """A machine client of one organisation: roles decide what it may do, scopes which endpoints open.

    `networks` are those that it may come from, any where there are none. `self_managed` marks a partner's client that
    the partner itself made or changed: the tenant does not see it any more.
    """

    __tablename__ = "client"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "id"),
        ForeignKeyConstraint(
            ["tenant_id", "organization_id"], [f"{SCHEMA}.organization.tenant_id", f"{SCHEMA}.organization.id"]
        ),
        CheckConstraint(one_of("status", "active", "suspended", "deleted"), name="client_status"),
        Index("client_by_id", "id"),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    id: UUID
    organization_id: UUID
    name: str = words()
    roles: list[str] = listed()
    scopes: list[str] = listed()
    status: str = words()
    test: bool = flag()
    not_before: datetime = moment()
    version: int
    created_at: datetime = moment()
    last_used_at: datetime | None = moment()
    networks: list[str] = listed(default="'{}'")
    self_managed: bool = flag()


class ClientSecret(SQLModel, table=True):
    """A digest of one secret of a client; at most two live ones, so that a rotation overlaps."""

    __tablename__ = "client_secret"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "id"),
        ForeignKeyConstraint(["tenant_id", "client_id"], [f"{SCHEMA}.client.tenant_id", f"{SCHEMA}.client.id"]),
        Index("client_secret_by_client", "tenant_id", "client_id"),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    id: UUID
    client_id: UUID
    digest: bytes = sealed()
    expires_at: datetime = moment()
    created_at: datetime = moment()
    last_used_at: datetime | None = moment()


class ClientKey(SQLModel, table=True):
    """A public key by which a client proves who it is; at most two live ones, as of secrets."""

    __tablename__ = "client_key"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "id"),
        ForeignKeyConstraint(["tenant_id", "client_id"], [f"{SCHEMA}.client.tenant_id", f"{SCHEMA}.client.id"]),
        Index("client_key_by_client", "tenant_id", "client_id"),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    id: UUID
    client_id: UUID
    kid: str = words()
    jwk: dict[str, object] = document()
    expires_at: datetime = moment()
    created_at: datetime = moment()
    last_used_at: datetime | None = moment()


class Invitation(SQLModel, table=True):
    """A digest of the one-time code by which a partner fetches a credential, and what its client will begin with.

    It is open until it is redeemed, withdrawn, or past `expires_at`.
    """

    __tablename__ = "invitation"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "id"),
        ForeignKeyConstraint(
            ["tenant_id", "organization_id"], [f"{SCHEMA}.organization.tenant_id", f"{SCHEMA}.organization.id"]
        ),
        Index("invitation_by_id", "id"),
        Index("invitation_by_organization", "tenant_id", "organization_id"),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    id: UUID
    organization_id: UUID
    digest: bytes = sealed()
    name: str = words()
    roles: list[str] = listed()
    scopes: list[str] = listed()
    test: bool = flag()
    networks: list[str] = listed(default="'{}'")
    created_at: datetime = moment()
    expires_at: datetime = moment()
    redeemed_at: datetime | None = moment()
    withdrawn_at: datetime | None = moment()


class SpentAssertion(SQLModel, table=True):
    """The id of an assertion that has been accepted; kept until no process would accept it any more."""

    __tablename__ = "spent_assertion"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "client_id", "jti"),
        ForeignKeyConstraint(["tenant_id", "client_id"], [f"{SCHEMA}.client.tenant_id", f"{SCHEMA}.client.id"]),
        Index("spent_assertion_expired", "expires_at"),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    client_id: UUID
    jti: str = words()
    expires_at: datetime = moment()


class SigningKey(SQLModel, table=True):
    """An ES256 key of the issuer, private half sealed under the master key."""

    __tablename__ = "signing_key"
    __table_args__ = (PrimaryKeyConstraint("kid"), {"schema": SCHEMA})

    kid: str = words()
    private: bytes = sealed()
    public: dict[str, object] = document()
    created_at: datetime = moment()
    active_from: datetime = moment()
    retires_at: datetime | None = moment()


class RevokedToken(SQLModel, table=True):
    """A token that was revoked before its time; kept until it would have expired."""

    __tablename__ = "revoked_token"
    __table_args__ = (PrimaryKeyConstraint("tenant_id", "jti"), {"schema": SCHEMA})

    tenant_id: UUID
    jti: str = words()
    expires_at: datetime = moment()
