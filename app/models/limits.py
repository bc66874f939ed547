"""What clients may send: figures that an admin has set, and the permits that are being spent."""

# pyright: reportAssignmentType=false
# SQLModel types __tablename__ as a declared_attr; a plain string is what its documentation shows.

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, DateTime, ForeignKeyConstraint, Integer, PrimaryKeyConstraint
from sqlmodel import Field, SQLModel

from app.domain.limits import MOST_PER_MINUTE, SETTABLE
from app.models.columns import SCHEMA, moment, one_of, words


class ClientLimit(SQLModel, table=True):
    """Requests a minute of one policy, where they differ from those of the installation."""

    __tablename__ = "client_limit"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "client_id", "policy"),
        ForeignKeyConstraint(["tenant_id", "client_id"], [f"{SCHEMA}.client.tenant_id", f"{SCHEMA}.client.id"]),
        CheckConstraint(one_of("policy", *sorted(SETTABLE)), name="client_limit_policy"),
        CheckConstraint(f"per_minute between 1 and {MOST_PER_MINUTE}", name="client_limit_bounds"),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    client_id: UUID
    policy: str = words()
    per_minute: int


class OrganizationLimit(SQLModel, table=True):
    """The same for each client of an organisation that has no figure of its own."""

    __tablename__ = "organization_limit"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "organization_id", "policy"),
        ForeignKeyConstraint(
            ["tenant_id", "organization_id"], [f"{SCHEMA}.organization.tenant_id", f"{SCHEMA}.organization.id"]
        ),
        CheckConstraint(one_of("policy", *sorted(SETTABLE)), name="organization_limit_policy"),
        CheckConstraint(f"per_minute between 1 and {MOST_PER_MINUTE}", name="organization_limit_bounds"),
        {"schema": SCHEMA},
    )

    tenant_id: UUID
    organization_id: UUID
    policy: str = words()
    per_minute: int


class Permit(SQLModel, table=True):
    """The count of one policy of one subject: GCRA's time, and what processes hold and have not yet accounted for.

    Unlogged: after a crash of the server all counts begin anew. The subject is a client, or an address, which belongs
    to no tenant and stands under the nil one.
    """

    __tablename__ = "permit"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "subject", "policy"),
        {"schema": SCHEMA, "prefixes": ["UNLOGGED"], "postgresql_with": {"fillfactor": 50}},
    )

    tenant_id: UUID
    subject: str = words()
    policy: str = words()
    tat: datetime = moment()
    leases: list[int] = Field(sa_type=ARRAY(BigInteger))  # pyright: ignore[reportArgumentType, reportCallIssue, reportUnknownVariableType]
    held: list[int] = Field(sa_type=ARRAY(Integer))  # pyright: ignore[reportArgumentType, reportCallIssue, reportUnknownVariableType]
    until: list[datetime] = Field(sa_type=ARRAY(DateTime(timezone=True)))  # pyright: ignore[reportArgumentType, reportCallIssue, reportUnknownVariableType]
