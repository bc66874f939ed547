"""The answers kept under Idempotency-Keys: claim a key, look its answer up, keep a new one.

A key belongs to one client of one tenant. Claim, work and kept answer are one transaction of the caller's; nothing
here begins or commits one. Real time rules here, not Baton's clock.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

from pydantic_core import from_json, to_json

from app.db.session import Transaction
from app.domain.actor import Actor

KEPT_HOURS: Final = 72  # published in the contract; at least 24 (security.md 1.3)

# Lock and look-up share one round trip. The row is read by a snapshot that may be older than the lock: a first request
# that commits between the two is not seen here, but `keep` then meets its row and says so.
CLAIM: Final = f"""
select pg_try_advisory_xact_lock($1) as locked, kept.fingerprint, kept.status, kept.headers::text as headers, kept.body
from (select 1) as one
left join baton.idempotency as kept
  on kept.tenant_id = $2 and kept.client_id = $3 and kept.key = $4
  and kept.created_at > now() - interval '{KEPT_HOURS} hours'
"""  # noqa: S608 - the only thing put in is a constant of this module

KEEP: Final = f"""
insert into baton.idempotency as kept (tenant_id, client_id, key, fingerprint, status, headers, body)
values ($1, $2, $3, $4, $5, $6::text::jsonb, $7)
on conflict (tenant_id, client_id, key) do update
set fingerprint = excluded.fingerprint, status = excluded.status, headers = excluded.headers, body = excluded.body,
    created_at = now()
where kept.created_at <= now() - interval '{KEPT_HOURS} hours'
returning true
"""  # noqa: S608 - the only thing put in is a constant of this module


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """The answer to a finished request, and the fingerprint of that request."""

    fingerprint: bytes
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """What claiming a key found: whether the claim holds, and the answer kept under it."""

    held: bool
    kept: KeptAnswer | None


async def claim(tx: Transaction, by: Actor, key: str) -> Claim:
    """Claim `key` until the transaction ends, without waiting, and return what is kept under it."""
    row = await tx.fetchrow(CLAIM, _lock(by, key), by.tenant_id, by.client_id, key)
    if row is None:
        raise LookupError("a left join always answers a row")
    if row["fingerprint"] is None:
        return Claim(held=row["locked"], kept=None)
    kept = KeptAnswer(row["fingerprint"], row["status"], from_json(row["headers"]), row["body"])
    return Claim(held=row["locked"], kept=kept)


async def keep(tx: Transaction, by: Actor, key: str, answer: KeptAnswer) -> bool:
    """Keep `answer` under a claimed key; False where another request finished between look-up and claim."""
    headers = to_json(answer.headers).decode()
    row = await tx.fetchrow(
        KEEP, by.tenant_id, by.client_id, key, answer.fingerprint, answer.status, headers, answer.body
    )
    return row is not None


def _lock(by: Actor, key: str) -> int:
    """Return the advisory lock of a key; a collision of the 64 bits only answers "in flight" once too often."""
    digest = hashlib.blake2b(by.tenant_id.bytes + by.client_id.bytes + key.encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)
