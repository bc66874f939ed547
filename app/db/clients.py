"""Writes clients, their secrets and public keys. A secret leaves here once, in the clear; only its digest stays."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from pydantic_core import to_json

from app.db.session import Transaction
from app.domain.access import LIVE_KEYS, LIVE_SECRETS
from app.security.credentials import make_client_secret
from app.security.signing_keys import PublicKey, public_jwk

MAX_SECRET_LIFE: Final = timedelta(days=365)  # security.md 3.2

_LIVE = "select count(*) from baton.client where tenant_id = $1 and organization_id = $2 and status <> 'deleted'"
# Nothing was issued before a client began: its not_before says so, else its first second would be lost to rounding.
_ADD_CLIENT = """
insert into baton.client
  (tenant_id, id, organization_id, name, roles, scopes, status, test, networks, self_managed, not_before, version,
   created_at)
values ($1, $2, $3, $4, $5, $6, 'active', $7, $8, $9, 'epoch', 1, baton.now())
"""
_ADD_SECRET = """
insert into baton.client_secret (tenant_id, id, client_id, digest, expires_at, created_at)
values ($1, $2, $3, $4, coalesce($5, now() + $6), clock_timestamp()) returning created_at, expires_at
"""  # noqa: S105  # a statement, no secret
_ADD_KEY = """
insert into baton.client_key (tenant_id, id, client_id, kid, jwk, expires_at, created_at)
values ($1, $2, $3, $4, $5::text::jsonb, coalesce($6, now() + $7), clock_timestamp()) returning created_at, expires_at
"""
_CHANGING: Final = 0x636C69  # "cli"
"""The first half of the two-part advisory locks of clients; the second is a hash of the client."""
_READ_APART: Final = "select pg_advisory_xact_lock_shared($1, hashtext($2::uuid::text))"
_CHANGE_ALONE: Final = "select pg_advisory_xact_lock($1, hashtext($2::uuid::text))"
_END_OLDEST = {
    table: f"""
update baton.{table} set expires_at = now() where tenant_id = $1 and client_id = $2 and id in (
  select id from baton.{table} where tenant_id = $1 and client_id = $2 and expires_at > now()
  order by created_at desc offset $3)
"""  # noqa: S608  # constants only
    for table in ("client_secret", "client_key")
}


@dataclass(frozen=True, slots=True)
class NewClient:
    """What a client begins with. A `self_managed` one was made by its partner and is hidden from the tenant."""

    organization_id: UUID
    name: str
    roles: frozenset[str]
    scopes: frozenset[str]
    test: bool = False
    networks: Sequence[str] = ()
    self_managed: bool = False


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A secret that has been stored; `text` is shown once."""

    id: UUID
    text: str = field(repr=False)
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class NewKey:
    """A public key that has been stored; `kid` is its thumbprint."""

    id: UUID
    kid: str
    created_at: datetime
    expires_at: datetime


async def settle(tx: Transaction, client: UUID) -> None:
    """Wait for whoever is changing a client, in a statement of its own: the next one sees what was changed.

    Else a token could be signed for what the client had before a change that is not committed yet, and after the
    moment before which that change ends tokens.
    """
    await tx.execute(_READ_APART, _CHANGING, client)


async def change_alone(tx: Transaction, client: UUID) -> None:
    """Let no token be signed for a client until this transaction, which changes it, has ended."""
    await tx.execute(_CHANGE_ALONE, _CHANGING, client)


async def live(tx: Transaction, tenant_id: UUID, organization: UUID) -> int:
    """Return how many clients of an organisation the caller may see that have not been deleted."""
    return await tx.fetchval(_LIVE, tenant_id, organization)


async def add(tx: Transaction, tenant_id: UUID, client: NewClient) -> UUID:
    """Add a client without any credential; return its id."""
    client_id = uuid4()
    await tx.execute(
        _ADD_CLIENT,
        tenant_id,
        client_id,
        client.organization_id,
        client.name,
        sorted(client.roles),
        sorted(client.scopes),
        client.test,
        list(client.networks),
        client.self_managed,
    )
    return client_id


async def add_secret(
    tx: Transaction, tenant_id: UUID, client_id: UUID, *, expires_at: datetime | None = None
) -> NewSecret:
    """Add a secret until `expires_at`, a year from now without one. The caller holds the client's row."""
    secret_id = uuid4()
    made = make_client_secret(secret_id)
    row = await tx.fetchrow(_ADD_SECRET, tenant_id, secret_id, client_id, made.digest, expires_at, MAX_SECRET_LIFE)
    if row is None:
        raise LookupError("an insert answers the row that it wrote")
    return NewSecret(secret_id, made.text, row["created_at"], row["expires_at"])


async def add_key(
    tx: Transaction, tenant_id: UUID, client_id: UUID, key: PublicKey, *, expires_at: datetime | None = None
) -> NewKey:
    """Register a public key until `expires_at`, a year from now without one. The caller holds the client's row."""
    key_id = uuid4()
    jwk = public_jwk(key)
    written = to_json(jwk).decode()
    row = await tx.fetchrow(_ADD_KEY, tenant_id, key_id, client_id, jwk["kid"], written, expires_at, MAX_SECRET_LIFE)
    if row is None:
        raise LookupError("an insert answers the row that it wrote")
    return NewKey(key_id, jwk["kid"], row["created_at"], row["expires_at"])


async def end_secrets(tx: Transaction, tenant_id: UUID, client_id: UUID, *, keep: int = LIVE_SECRETS - 1) -> None:
    """End the live secrets of a client but the newest `keep`, by default so many that one more may be added."""
    await tx.execute(_END_OLDEST["client_secret"], tenant_id, client_id, keep)


async def end_keys(tx: Transaction, tenant_id: UUID, client_id: UUID, *, keep: int = LIVE_KEYS - 1) -> None:
    """End the live public keys of a client but the newest `keep`, by default so many that one more may be added."""
    await tx.execute(_END_OLDEST["client_key"], tenant_id, client_id, keep)
