"""Column kinds shared by all tables: closed sets are text with CHECK, times are timestamptz, documents are jsonb.

Enum types are not used: `enum_eq` is not leakproof, so under row-level security a filter on one leaves its index.
"""

from typing import Any

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Identity,
    LargeBinary,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

SCHEMA = "baton"


def moment(*, default: str | None = None) -> Any:  # noqa: ANN401  # SQLModel's Field is typed Any
    """A UTC instant; `default` is an SQL expression."""
    held = {"server_default": text(default)} if default else {}
    return Field(sa_type=DateTime(timezone=True), sa_column_kwargs=held)  # pyright: ignore[reportArgumentType, reportCallIssue, reportUnknownVariableType]  # SQLModel types sa_type as a class


def words() -> Any:  # noqa: ANN401
    """Text without a length of its own; bounds are held by the wire contract."""
    return Field(sa_type=Text)


def flag() -> Any:  # noqa: ANN401
    """A boolean that is false unless said otherwise."""
    return Field(sa_type=Boolean, sa_column_kwargs={"server_default": text("false")})


def document() -> Any:  # noqa: ANN401
    """A JSON document."""
    return Field(sa_type=JSONB)  # pyright: ignore[reportUnknownVariableType]


def record() -> Any:  # noqa: ANN401
    """A JSON document that is only ever read whole: kept as it was written, the order of its fields included."""
    return Field(sa_type=JSON)


def sealed() -> Any:  # noqa: ANN401
    """Bytes: encrypted secrets, digests, stored answers."""
    return Field(sa_type=LargeBinary)


def listed(*, default: str | None = None) -> Any:  # noqa: ANN401
    """A list of texts; `default` is an SQL expression."""
    held = {"server_default": text(default)} if default else {}
    return Field(sa_type=ARRAY(Text), sa_column_kwargs=held)  # pyright: ignore[reportArgumentType, reportCallIssue, reportUnknownVariableType]


def drawn() -> Any:  # noqa: ANN401
    """A number drawn from a sequence when the row is written: order within one lead, and of the outbox."""
    return Field(sa_column=Column(BigInteger, Identity(always=True), nullable=False))


def big() -> Any:  # noqa: ANN401
    """A 64-bit integer."""
    return Field(sa_type=BigInteger)


def of_lead(*, deferrable: bool = False) -> ForeignKeyConstraint:
    """The key of a lead's child: tenant and partner are part of it, so no child can be attached across them."""
    return ForeignKeyConstraint(
        ["tenant_id", "lead_id", "partner_id"],
        [f"{SCHEMA}.lead.tenant_id", f"{SCHEMA}.lead.id", f"{SCHEMA}.lead.partner_id"],
        deferrable=deferrable or None,
        initially="DEFERRED" if deferrable else None,
    )


def one_of(column: str, *values: str) -> str:
    """The CHECK expression of a closed set."""
    listed_values = ", ".join(f"'{value}'" for value in values)
    return f"{column} in ({listed_values})"
