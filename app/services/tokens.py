"""The client-credentials grant, revocation and introspection, as RFC 6749, 7009 and 7662 want them.

Never tells an unknown client from a wrong or expired secret, neither by answer nor by time taken. Keeps no token.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from app.db import revocations
from app.db.session import Transaction
from app.domain import ids
from app.domain.access import OUTSIDE_SANDBOX
from app.domain.actor import Actor, Side
from app.security import credentials
from app.security.tokens import LIFETIME, Claims

# The join carries the kind of the organisation, which picks the database login of the token.
_FIND: Final = f"""
select c.tenant_id, c.organization_id, c.id, c.roles, c.scopes, c.test, c.not_before, o.kind,
  c.status = 'active' as active, o.status = 'active' as organization_active,
  coalesce(c.last_used_at < now() - interval '1 minute', true) as to_be_noted,
  array(select s.digest from baton.client_secret s
    where s.tenant_id = c.tenant_id and s.client_id = c.id and s.expires_at > now()
    order by s.created_at desc limit {credentials.LIVE_SECRETS}) as digests
from baton.client c
join baton.organization o on o.tenant_id = c.tenant_id and o.id = c.organization_id
where c.id = $1
"""  # noqa: S608  # constants only
# Who changes the client holds its row: then the note is left out, a token waits for nobody.
_NOTE_USE: Final = """
with noted as (
  select tenant_id, id from baton.client where tenant_id = $1 and id = $2 for no key update skip locked
), secret as (
  update baton.client_secret s set last_used_at = now() from noted
  where s.tenant_id = noted.tenant_id and s.client_id = noted.id and s.id = $3
)
update baton.client c set last_used_at = now() from noted where c.tenant_id = noted.tenant_id and c.id = noted.id
"""


class Refusal(StrEnum):
    """The error codes of RFC 6749, section 5.2."""

    INVALID_REQUEST = "invalid_request"
    INVALID_CLIENT = "invalid_client"
    UNAUTHORIZED_CLIENT = "unauthorized_client"
    UNSUPPORTED_GRANT_TYPE = "unsupported_grant_type"
    INVALID_SCOPE = "invalid_scope"


class TokenRefusedError(Exception):
    """A request that the protocol refuses; `description` is for the client's developer and quotes nothing."""

    def __init__(self, code: Refusal, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description


@dataclass(frozen=True, slots=True)
class Known:
    """A client that has proven who it is: what it may do at most, and from when on its tokens hold."""

    actor: Actor
    not_before: datetime


@dataclass(frozen=True, slots=True)
class Grant:
    """An access token with what it opens and how many seconds it lives."""

    access_token: str
    scopes: frozenset[str]
    expires_in: int


async def authenticate(tx: Transaction, client_id: str, secret: str) -> Known:
    """Return the active client of an active organisation that this secret belongs to. Raises TokenRefusedError."""
    known_id = ids.read(ids.Prefix.CLIENT, client_id)
    row = await tx.fetchrow(_FIND, known_id) if known_id else None
    holds = credentials.matches(secret, row["digests"] if row else ())
    if row is None or not holds or not row["active"]:
        raise TokenRefusedError(Refusal.INVALID_CLIENT, "The client could not be authenticated.")
    if not row["organization_active"]:
        raise TokenRefusedError(Refusal.UNAUTHORIZED_CLIENT, "The organisation is suspended.")
    if row["to_be_noted"]:
        await tx.execute(_NOTE_USE, row["tenant_id"], row["id"], credentials.secret_id_of(secret))
    return Known(_actor(row), row["not_before"])


def grant(known: Known, scope: str | None, sign: Callable[[Actor, datetime], str]) -> Grant:
    """Return a token for the scopes asked for, all that the client has where it asks for none.

    `scope` is a list separated by spaces. Raises TokenRefusedError where the client lacks one of them.
    """
    actor = known.actor
    if scope:
        wanted = frozenset(scope.split(" "))
        if not wanted <= actor.scopes:
            raise TokenRefusedError(Refusal.INVALID_SCOPE, "The client does not have every scope that it asks for.")
        actor = replace(actor, scopes=wanted)
    return Grant(sign(actor, known.not_before), actor.scopes, LIFETIME)


async def revoke(tx: Transaction, known: Known, claims: Claims) -> bool:
    """Revoke a token of the client itself; return whether it was one (RFC 7009, section 2.1)."""
    if claims.actor.client_id != known.actor.client_id:
        return False
    expires_at = datetime.fromtimestamp(claims.expires_at, UTC)
    await revocations.add(tx, claims.actor.tenant_id, claims.token_id, expires_at)
    return True


def introspect(known: Known, claims: Claims, *, now: float) -> dict[str, object]:
    """Return what a token of the client's own organisation says; of any other one only that it is not active."""
    actor = claims.actor
    own = (actor.tenant_id, actor.organization_id) == (known.actor.tenant_id, known.actor.organization_id)
    if not own or claims.expires_at <= now:
        return {"active": False}
    client_id = ids.show(ids.Prefix.CLIENT, actor.client_id)
    return {
        "active": True,
        "token_type": "Bearer",
        "client_id": client_id,
        "sub": client_id,
        "scope": " ".join(sorted(actor.scopes)),
        "iat": claims.issued_at,
        "exp": claims.expires_at,
        "jti": claims.token_id,
        "tid": ids.show(ids.Prefix.TENANT, actor.tenant_id),
        "org": ids.show(ids.Prefix.ORGANIZATION, actor.organization_id),
        "roles": sorted(actor.roles),
    }


def _actor(row: Any) -> Actor:  # noqa: ANN401  # a database row
    return Actor(
        tenant_id=row["tenant_id"],
        organization_id=row["organization_id"],
        client_id=row["id"],
        side=Side(row["kind"]),
        roles=frozenset(row["roles"]),
        scopes=frozenset(row["scopes"]) - (OUTSIDE_SANDBOX if row["test"] else frozenset()),
        test=row["test"],
    )
