"""Remembers which client assertions have been accepted, for all processes: each is good for one request."""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from app.db.session import Transaction
from app.security.tokens import LEEWAY, Assertion

_SLACK: Final = timedelta(seconds=2 * LEEWAY)  # the leeway of the verifier, and what the clocks of machines differ by
_CLEARED: Final = 100  # rows at most that one use clears away: more than it adds, and nobody waits for it

_SPEND: Final = f"""
with expired as (
  delete from baton.spent_assertion where (tenant_id, client_id, jti) in (
    select tenant_id, client_id, jti from baton.spent_assertion where expires_at < now()
    limit {_CLEARED} for update skip locked)
)
insert into baton.spent_assertion (tenant_id, client_id, jti, expires_at) values ($1, $2, $3, $4)
on conflict do nothing
"""  # noqa: S608  # constants only


async def spend(tx: Transaction, tenant_id: UUID, client_id: UUID, assertion: Assertion) -> bool:
    """Accept an assertion of a client; return whether nobody did before, also where two try at the same time."""
    until = datetime.fromtimestamp(assertion.expires_at, UTC) + _SLACK
    return await tx.execute(_SPEND, tenant_id, client_id, assertion.token_id, until) == "INSERT 0 1"
