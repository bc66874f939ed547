"""What has been revoked and may still stand in a token: one statement for the auth login, and what it answers.

A token lives 15 minutes at most, so of clients only what changed lately matters; suspended organisations are always
listed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from app.db.session import Transaction

_WINDOW_MINUTES: Final = 20  # the longest token 15 min, leeway, and what the clocks of machines differ by

_READ: Final = f"""
with changed as (
  select id, not_before, status from baton.client where not_before > now() - interval '{_WINDOW_MINUTES} minutes'
), reopened as (
  select id, not_before from baton.organization where not_before > now() - interval '{_WINDOW_MINUTES} minutes'
)
select
  array(select jti from baton.revoked_token where expires_at > now() - interval '{_WINDOW_MINUTES} minutes') as tokens,
  array(select id from baton.organization where status = 'suspended') as organizations,
  array(select id from changed where status <> 'active') as ended,
  array(select id from changed union all select id from reopened) as holders,
  array(select not_before from changed union all select not_before from reopened) as not_before
"""  # noqa: S608  # constants only
_ADD: Final = f"""
with expired as (
  delete from baton.revoked_token where expires_at < now() - interval '{2 * _WINDOW_MINUTES} minutes'
)
insert into baton.revoked_token (tenant_id, jti, expires_at) values ($1, $2, $3) on conflict do nothing
"""  # noqa: S608  # constants only


@dataclass(frozen=True, slots=True)
class Revocations:
    """What no token may say now: its id, its organisation, its client.

    `not_before` is the time before which the tokens of a client or of a whole organisation ended, by the id of either.
    """

    tokens: frozenset[str] = frozenset()
    organizations: frozenset[UUID] = frozenset()
    ended: frozenset[UUID] = frozenset()
    not_before: Mapping[UUID, datetime] = field(default_factory=dict[UUID, datetime])


async def read(tx: Transaction) -> Revocations:
    """Return what is revoked now."""
    row = await tx.fetchrow(_READ)
    if row is None:
        raise LookupError("a select without from always answers a row")
    return Revocations(
        tokens=frozenset(row["tokens"]),
        organizations=frozenset(row["organizations"]),
        ended=frozenset(row["ended"]),
        not_before=dict(zip(row["holders"], row["not_before"], strict=True)),
    )


async def add(tx: Transaction, tenant_id: UUID, token_id: str, expires_at: datetime) -> None:
    """Revoke one token; doing it again changes nothing."""
    await tx.execute(_ADD, tenant_id, token_id, expires_at)
