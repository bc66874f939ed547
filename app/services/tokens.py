"""The client-credentials grant, revocation and introspection, as RFC 6749, 7009 and 7662 want them.

Never tells an unknown client from a wrong or expired secret or key or from a strange address, neither by answer nor by
time taken. Keeps no token.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Any, Final, Protocol
from uuid import UUID

from pydantic_core import from_json

from app.db import clients, revocations, spent_assertions
from app.db.session import Transaction
from app.domain import ids
from app.domain.access import LIVE_KEYS, LIVE_SECRETS, OUTSIDE_SANDBOX
from app.domain.actor import Actor, Side
from app.domain.errors import UnauthenticatedError
from app.security import credentials
from app.security.credentials import Network
from app.security.signing_keys import read_public_jwk
from app.security.tokens import LIFETIME, Assertion, Claims, verify_assertion

# The join carries the kind of the organisation, which picks the database login of the token.
_FIND: Final = f"""
select c.tenant_id, c.organization_id, c.id, c.roles, c.scopes, c.test, o.kind, c.networks,
  greatest(c.not_before, o.not_before) as not_before,
  c.status = 'active' as active, o.status = 'active' as organization_active,
  coalesce(c.last_used_at < now() - interval '1 minute', true) as to_be_noted,
  array(select s.digest from baton.client_secret s
    where s.tenant_id = c.tenant_id and s.client_id = c.id and s.expires_at > now()
    order by s.created_at desc limit {LIVE_SECRETS}) as digests,
  array(select jsonb_build_object('id', k.id, 'jwk', k.jwk)::text from baton.client_key k
    where k.tenant_id = c.tenant_id and k.client_id = c.id and k.expires_at > now()
    order by k.created_at desc limit {LIVE_KEYS}) as keys
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
), key as (
  update baton.client_key k set last_used_at = now() from noted
  where k.tenant_id = noted.tenant_id and k.client_id = noted.id and k.id = $3
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
class Proven:
    """A credential that holds: its id, and the assertion where it was one, which must not have been seen before."""

    credential_id: UUID | None
    assertion: Assertion | None = None


class Proof(Protocol):
    """How a client says who it is."""

    @property
    def client_id(self) -> str:
        """The client that it says it is."""
        ...

    def check(self, row: Any) -> Proven | None:  # noqa: ANN401  # a database row
        """Return what proves it against the client's row, None where nothing does; `row` is None for nobody."""
        ...


@dataclass(frozen=True, slots=True)
class SecretProof:
    """client_secret_basic and client_secret_post."""

    client_id: str
    secret: str = field(repr=False)

    def check(self, row: Any) -> Proven | None:  # noqa: ANN401  # a database row
        """Compare with the live secrets."""
        holds = credentials.matches(self.secret, row["digests"] if row else ())
        return Proven(credentials.secret_id_of(self.secret)) if holds else None


@dataclass(frozen=True, slots=True)
class AssertionProof:
    """private_key_jwt: an assertion for the audience `issuer`, read at `now` in seconds of Unix time."""

    client_id: str
    assertion: str = field(repr=False)
    issuer: str
    now: float

    def check(self, row: Any) -> Proven | None:  # noqa: ANN401  # a database row
        """Verify with the live keys."""
        held = [from_json(key) for key in row["keys"]] if row else []
        keys = [read_public_jwk(key["jwk"]) for key in held]
        try:
            found = verify_assertion(self.assertion, client=self.client_id, keys=keys, issuer=self.issuer, now=self.now)
        except UnauthenticatedError:
            return None
        return Proven(UUID(held[keys.index(found.signed_by)]["id"]), found)


@dataclass(frozen=True, slots=True)
class Known:
    """A client that has proven who it is: what it may do at most, from when on its tokens hold, and from where."""

    actor: Actor
    not_before: datetime
    networks: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class Grant:
    """An access token with what it opens and how many seconds it lives."""

    access_token: str
    scopes: frozenset[str]
    expires_in: int


async def authenticate(tx: Transaction, proof: Proof, address: IPv4Address | IPv6Address | None) -> Known:
    """Return the active client of an active organisation that `proof` shows to ask from `address`.

    Raises TokenRefusedError. An assertion is accepted once, over all processes.
    """
    known_id = ids.read(ids.Prefix.CLIENT, proof.client_id)
    if known_id:
        await clients.settle(tx, known_id)
    row = await tx.fetchrow(_FIND, known_id) if known_id else None
    proven = proof.check(row)
    if row is None or proven is None or not row["active"]:
        raise _stranger()
    networks = tuple(ip_network(network) for network in row["networks"])
    if not credentials.may_come_from(address, networks):
        raise _stranger()
    if not row["organization_active"]:
        raise TokenRefusedError(Refusal.UNAUTHORIZED_CLIENT, "The organisation is suspended.")
    if proven.assertion and not await spent_assertions.spend(tx, row["tenant_id"], row["id"], proven.assertion):
        raise _stranger()
    if row["to_be_noted"]:
        await tx.execute(_NOTE_USE, row["tenant_id"], row["id"], proven.credential_id)
    return Known(_actor(row), row["not_before"], networks)


def grant(known: Known, scope: str | None, sign: Callable[[Actor, datetime, Sequence[Network]], str]) -> Grant:
    """Return a token for the scopes asked for, all that the client has where it asks for none.

    `scope` is a list separated by spaces. Raises TokenRefusedError where the client lacks one of them.
    """
    actor = known.actor
    if scope:
        wanted = frozenset(scope.split(" "))
        if not wanted <= actor.scopes:
            raise TokenRefusedError(Refusal.INVALID_SCOPE, "The client does not have every scope that it asks for.")
        actor = replace(actor, scopes=wanted)
    if not actor.scopes:
        raise TokenRefusedError(Refusal.INVALID_SCOPE, "The client has no scope that a token of it could carry.")
    return Grant(sign(actor, known.not_before, known.networks), actor.scopes, LIFETIME)


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


def _stranger() -> TokenRefusedError:
    return TokenRefusedError(Refusal.INVALID_CLIENT, "The client could not be authenticated.")


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
