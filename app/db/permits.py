"""Leases permits of the rate limits from PostgreSQL, where all processes count together. One statement, one row."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from app.db.session import Database, Login
from app.domain.limits import WINDOW_S, Granted, Policy

LIFE_S: Final = 30.0
"""How long a process may spend what it leased; afterwards the rest counts as spent."""
PATIENCE_S: Final = 1.0
"""How long a request waits for permits before the limiter counts as failed."""

_LEASE: Final = f"""
select held, quota, rest, wait_s
from baton.lease_permits($1, $2, $3, $4, $5, $6, $7, {WINDOW_S}, {LIFE_S})
"""  # noqa: S608  # constants only

Subject = UUID | str
"""A client, or the network of an address."""


@dataclass(frozen=True, slots=True)
class Account:
    """How many permits of one lease were spent since the last account, and how many seconds ago the last of them."""

    lease: int
    spent: int
    idle_s: float


async def lease(database: Database, policy: Policy, subject: Subject, account: Account, usual: int) -> Granted:
    """Settle what a lease spent and fill it up; `usual` is the quota of a client that has no figure of its own.

    Raises what the driver raises, and TimeoutError after PATIENCE_S.
    """
    client, address = (subject, None) if isinstance(subject, UUID) else (None, subject)
    row = await database.single(
        Login.AUTH,
        PATIENCE_S,
        _LEASE,
        policy.value,
        client,
        address,
        account.lease,
        account.spent,
        account.idle_s,
        usual,
    )
    return Granted(row["held"], row["quota"], row["rest"], row["wait_s"])
