"""Owns access tokens (RFC 9068, ES256 only) and client assertions (RFC 7523). The one module that imports jwt.

Never fetches a key, never tells a caller why a token was refused, and never decides what an actor may do. PyJWT does
the signature; the claims are read strictly here, because PyJWT keeps the last of duplicate claims and takes numbers
as text. Times are seconds of Unix time; the clock is real time, never Baton's movable one.
"""

import re
import time
from base64 import urlsafe_b64decode
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from json import dumps
from secrets import token_hex
from typing import Any, Final, cast
from uuid import UUID

import jiter
import jwt

from app.domain import ids
from app.domain.access import LIVE_KEYS, MAX_NETWORKS
from app.domain.actor import Actor, Side
from app.domain.errors import UnauthenticatedError
from app.security.credentials import Network
from app.security.signing_keys import ALGORITHM, PublicKey, SigningKey, public_jwk

LIFETIME: Final = 600  # design section 3, decision 7
MAX_LIFETIME: Final = 900
MAX_ASSERTION_LIFETIME: Final = 300
LEEWAY: Final = 30
MAX_TOKEN: Final = 4096  # characters; ours have about 700
MAX_KID: Final = 64
CACHE_SIZE: Final = 4096

_TYPE: Final = "at+jwt"
_TYPES: Final = frozenset({"at+jwt", "application/at+jwt"})  # RFC 9068 section 4
_REFUSAL: Final = "The access token is not valid."
_ASSERTION_TYPES: Final = frozenset({"jwt", "client-authentication+jwt"})
_ASSERTION_REFUSAL: Final = "The client could not be authenticated."
# Three parts without padding, and 64 bytes of ES256 signature: one token has one text.
_SHAPE = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]{86}")
_TOKEN_ID = re.compile(r"[A-Za-z0-9_-]{16,64}")
_ASSERTION_ID = re.compile(r"[\x21-\x7e]{1,255}")
_SCOPE = re.compile(r"[a-z_]+(?::[a-z_]+)?(?: [a-z_]+(?::[a-z_]+)?)*")
_ROLE = re.compile(r"[a-z_]{1,64}")
_MAX_ROLES: Final = 16


# An instance that knows no other algorithm: nothing in a token can make it choose one.
_JWS = jwt.PyJWS(algorithms=[ALGORITHM])
# Its private half is gone at once: nobody signs with it.
_NOBODY = SigningKey.make().public


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says. `issued_at` and `expires_at` are whole seconds of Unix time.

    The token holds only for requests from `networks`, from anywhere where there are none.
    """

    token_id: str
    key_id: str
    issued_at: int
    expires_at: int
    actor: Actor
    networks: tuple[Network, ...] = ()


def issue(
    key: SigningKey,
    actor: Actor,
    *,
    issuer: str,
    audience: str,
    now: float,
    lifetime: int = LIFETIME,
    networks: Sequence[Network] = (),
) -> str:
    """Return a signed access token for `actor`, valid from `now` for `lifetime` seconds (1 to 900).

    With `networks` (at most 16) it holds for requests from there only. ValueError if the lifetime is out of bounds,
    networks are too many, or a scope or role is missing or malformed: no such token would verify.
    """
    if not 1 <= lifetime <= MAX_LIFETIME:
        raise ValueError(f"the lifetime must be 1 to {MAX_LIFETIME} seconds")
    scope = " ".join(sorted(actor.scopes))
    if not _SCOPE.fullmatch(scope) or not actor.roles or not all(_ROLE.fullmatch(role) for role in actor.roles):
        raise ValueError("a token needs at least one scope and one role, each of a-z and _")
    if len(networks) > MAX_NETWORKS:
        raise ValueError(f"a token holds {MAX_NETWORKS} networks at most")
    client = ids.show(ids.Prefix.CLIENT, actor.client_id)
    issued_at = int(now)
    claims: dict[str, object] = {
        "iss": issuer,
        "sub": client,
        "client_id": client,
        "aud": audience,
        "exp": issued_at + lifetime,
        "iat": issued_at,
        "jti": token_hex(16),
        "scope": scope,
        "tid": ids.show(ids.Prefix.TENANT, actor.tenant_id),
        "org": ids.show(ids.Prefix.ORGANIZATION, actor.organization_id),
        "roles": sorted(actor.roles),
        "side": actor.side.value,
        "test": actor.test,
    }
    if networks:
        claims["networks"] = [str(network) for network in networks]
    payload = dumps(claims, separators=(",", ":")).encode()
    return _JWS.encode(payload, key.private, algorithm=ALGORITHM, headers={"typ": _TYPE, "kid": key.kid})


class Verifier:
    """Verifies access tokens of one issuer for one audience, and remembers those that held until they expire.

    Not thread-safe: one per process, used by its event loop. A verification takes about 0.3 ms, a remembered one 1 us.
    """

    __slots__ = ("_audience", "_clock", "_held", "_issuer", "_keys", "_refuses", "_size")

    def __init__(
        self,
        issuer: str,
        audience: str,
        keys: Mapping[str, PublicKey],
        *,
        refuses: Callable[[Claims], bool] = lambda _: False,
        clock: Callable[[], float] = time.time,
        cache_size: int = CACHE_SIZE,
    ) -> None:
        """Take the trusted keys by key id.

        `refuses` is asked once before a token is remembered: it answers from memory whether the token or its client
        is revoked. What is revoked later, the revocation check hands to `drop`, or the memory would outlive it.
        """
        self._issuer, self._audience = issuer, audience
        self._refuses, self._clock, self._size = refuses, clock, cache_size
        self._held: OrderedDict[str, Claims] = OrderedDict()
        self._keys = _trusted(keys)

    def trust(self, keys: Mapping[str, PublicKey]) -> None:
        """Replace the trusted keys; tokens signed by a key that is gone are forgotten. ValueError for a bad key."""
        self._keys = _trusted(keys)
        self.drop(lambda claims: claims.key_id not in self._keys)

    def drop(self, predicate: Callable[[Claims], bool]) -> int:
        """Forget the remembered tokens that `predicate` holds for; return how many."""
        gone = [token for token, claims in self._held.items() if predicate(claims)]
        for token in gone:
            del self._held[token]
        return len(gone)

    def clear(self) -> None:
        """Forget every remembered token."""
        self._held.clear()

    def verify(self, token: str) -> Claims:
        """Return what `token` says, or raise UnauthenticatedError, with one message for every reason."""
        now = self._clock()
        held = self._held.get(token)
        if held is not None:
            if now < held.expires_at:
                self._held.move_to_end(token)
                return held
            del self._held[token]
        try:
            claims = self._check(token, now)
        except _RefusedError:
            raise UnauthenticatedError(_REFUSAL) from None
        self.refuse_revoked(claims)
        if now < claims.expires_at:
            self._held[token] = claims
            if len(self._held) > self._size:
                self._held.popitem(last=False)
        return claims

    def refuse_revoked(self, claims: Claims) -> None:
        """Raise what `verify` raises where a token that held has been revoked since; its expiry is not asked for."""
        if self._refuses(claims):
            raise UnauthenticatedError(_REFUSAL)

    def _check(self, token: str, now: float) -> Claims:
        header, body = _parts(token)
        kid = _key_id(header)
        key = self._keys.get(kid)
        if key is None or not _signed_by(key, token):
            raise _RefusedError
        payload = _strict_object(body)
        if payload.get("iss") != self._issuer or payload.get("aud") != self._audience:
            raise _RefusedError
        issued_at, expires_at = _period(payload, now)
        return Claims(
            token_id=_matching(_TOKEN_ID, payload.get("jti")),
            key_id=kid,
            issued_at=issued_at,
            expires_at=expires_at,
            actor=_actor(payload),
            networks=_networks(payload["networks"]) if "networks" in payload else (),
        )


@dataclass(frozen=True, slots=True)
class Assertion:
    """A client assertion that holds. The caller accepts each `token_id` of a client once until `expires_at`."""

    token_id: str
    expires_at: int
    signed_by: PublicKey


def client_named_by(assertion: str) -> str | None:
    """Return the client id that an assertion claims, unverified: good for looking its keys up and nothing else."""
    try:
        subject = _strict_object(_parts(assertion)[1]).get("sub")
    except _RefusedError:
        return None
    return subject if isinstance(subject, str) else None


def verify_assertion(assertion: str, *, client: str, keys: Iterable[PublicKey], issuer: str, now: float) -> Assertion:
    """Return the assertion by which `client` proves one of its registered `keys` (private_key_jwt).

    The audience must be our issuer alone (rfc7523bis): a token-endpoint URL is refused. It lives 300 s at most.
    Raises UnauthenticatedError, with one message for every reason, also where `keys` is empty.
    """
    try:
        return _checked_assertion(assertion, client=client, keys=keys, issuer=issuer, now=now)
    except _RefusedError:
        raise UnauthenticatedError(_ASSERTION_REFUSAL) from None


class _RefusedError(Exception):
    """A token or assertion that does not hold; never leaves this module."""


def _checked_assertion(assertion: str, *, client: str, keys: Iterable[PublicKey], issuer: str, now: float) -> Assertion:
    header, body = _parts(assertion)
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() not in _ASSERTION_TYPES:
        raise _RefusedError
    held = [*keys]
    held += [_NOBODY] * (LIVE_KEYS - len(held))  # as many verifications for a client without keys as for any other
    signer = next((key for key in held if _signed_by(key, assertion)), None)
    if signer is None:
        raise _RefusedError
    payload = _strict_object(body)
    if payload.get("iss") != client or payload.get("sub") != client or payload.get("aud") not in (issuer, [issuer]):
        raise _RefusedError
    expires_at = _seconds(payload.get("exp"))
    starts_at = max(_seconds(payload.get(name, 0)) for name in ("iat", "nbf"))
    if starts_at > now + LEEWAY or not now - LEEWAY < expires_at <= now + MAX_ASSERTION_LIFETIME + LEEWAY:
        raise _RefusedError
    return Assertion(_matching(_ASSERTION_ID, payload.get("jti")), expires_at, signer)


def _signed_by(key: PublicKey, token: str) -> bool:
    try:
        _JWS.decode_complete(token, key, algorithms=[ALGORITHM])
    except jwt.PyJWTError:
        return False
    return True


def _trusted(keys: Mapping[str, PublicKey]) -> dict[str, PublicKey]:
    for kid, key in keys.items():
        if not 1 <= len(kid) <= MAX_KID:
            raise ValueError(f"a key id must have 1 to {MAX_KID} characters")
        public_jwk(key)
    return dict(keys)


def _strict_object(part: str) -> dict[str, Any]:
    try:
        data = urlsafe_b64decode(part + "=" * (-len(part) % 4))
        value: object = jiter.from_json(data, allow_inf_nan=False, catch_duplicate_keys=True)
    except ValueError:
        raise _RefusedError from None
    if not isinstance(value, dict):
        raise _RefusedError
    return cast("dict[str, Any]", value)


def _parts(token: str) -> tuple[dict[str, Any], str]:
    shape = _SHAPE.fullmatch(token) if len(token) <= MAX_TOKEN else None
    if shape is None:
        raise _RefusedError
    header = _strict_object(shape[1])
    if header.get("alg") != ALGORITHM or "crit" in header:
        raise _RefusedError
    return header, shape[2]


def _key_id(header: dict[str, Any]) -> str:
    kind, kid = header.get("typ"), header.get("kid")
    if not isinstance(kind, str) or kind.lower() not in _TYPES or not isinstance(kid, str) or len(kid) > MAX_KID:
        raise _RefusedError
    return kid


def _period(payload: dict[str, Any], now: float) -> tuple[int, int]:
    issued_at, expires_at = _seconds(payload.get("iat")), _seconds(payload.get("exp"))
    starts_at = _seconds(payload["nbf"]) if "nbf" in payload else issued_at
    if max(issued_at, starts_at) > now + LEEWAY or expires_at <= now - LEEWAY:
        raise _RefusedError
    if not 0 < expires_at - issued_at <= MAX_LIFETIME:
        raise _RefusedError
    return issued_at, expires_at


def _actor(payload: dict[str, Any]) -> Actor:
    client, side, test = payload.get("client_id"), payload.get("side"), payload.get("test")
    # For client credentials RFC 9068 section 2.2 makes the client its own subject.
    if payload.get("sub") != client or side not in tuple(Side) or not isinstance(test, bool):
        raise _RefusedError
    return Actor(
        tenant_id=_id(ids.Prefix.TENANT, payload.get("tid")),
        organization_id=_id(ids.Prefix.ORGANIZATION, payload.get("org")),
        client_id=_id(ids.Prefix.CLIENT, client),
        side=Side(side),
        roles=_roles(payload.get("roles")),
        scopes=frozenset(_matching(_SCOPE, payload.get("scope")).split(" ")),
        test=test,
    )


def _seconds(value: object) -> int:
    # type(), not isinstance: true and false are integers to Python.
    if type(value) is not int:
        raise _RefusedError
    return value


def _matching(pattern: re.Pattern[str], value: object) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise _RefusedError
    return value


def _id(prefix: ids.Prefix, value: object) -> UUID:
    found = ids.read(prefix, value) if isinstance(value, str) else None
    if found is None:
        raise _RefusedError
    return found


def _roles(value: object) -> frozenset[str]:
    if not isinstance(value, list):
        raise _RefusedError
    listed = cast("list[object]", value)
    roles = frozenset(_matching(_ROLE, role) for role in listed)
    if not 1 <= len(roles) == len(listed) <= _MAX_ROLES:
        raise _RefusedError
    return roles


def _networks(value: object) -> tuple[Network, ...]:
    """Read the networks of a token. A list without one would open what it was to close, so it is refused."""
    if not isinstance(value, list):
        raise _RefusedError
    listed = cast("list[object]", value)
    if not 1 <= len(listed) <= MAX_NETWORKS:
        raise _RefusedError
    return tuple(_network(part) for part in listed)


def _network(value: object) -> Network:
    try:
        return ip_network(value if isinstance(value, str) else "")
    except ValueError:
        raise _RefusedError from None
