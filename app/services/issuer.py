"""Owns what one process knows of tokens: the keys, what has been revoked, and the verifier that both feed.

Sends no statement of its own accord: what it knows is renewed when a request comes and finds it old, so an idle
process leaves the database in peace. Times are real time, never Baton's movable clock.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from app.db import revocations
from app.db.revocations import Revocations
from app.db.session import Database, Identity, Login
from app.db.signing_keys import KeySet, SigningKeyStore
from app.domain.actor import Actor
from app.domain.errors import OverloadedError, PartnerSuspendedError
from app.security.credentials import Network
from app.security.keyring import MasterKeys
from app.security.signing_keys import jwks
from app.security.tokens import LIFETIME, Claims, Verifier, issue

RENEW_AFTER_S: Final = 15.0
STALE_AFTER_S: Final = 25.0  # with the time of a request this keeps the 30 s of contract 3 and ASVS 8.3.2

_log = logging.getLogger(__name__)


class Issuer:
    """Signs, verifies and revokes access tokens of one issuer for one audience. One per process and event loop.

    `url` is the issuer's identifier, without a slash at its end; `clock` is monotonic.
    """

    __slots__ = (
        "_clock",
        "_database",
        "_keys",
        "_read_at",
        "_renewal",
        "_revoked",
        "_store",
        "audience",
        "url",
        "verifier",
    )

    def __init__(
        self,
        database: Database,
        master_keys: MasterKeys,
        *,
        url: str,
        audience: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url, self.audience = url, audience
        self.verifier = Verifier(url, audience, {}, refuses=self._refuses)
        self._database = database
        self._store = SigningKeyStore(master_keys)
        self._clock = clock
        self._keys: KeySet | None = None
        self._revoked = Revocations()
        self._read_at = -math.inf
        self._renewal: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read keys and revocations, and make the first keys where there are none. Raises what the database raises."""
        await self._renew()

    async def stop(self) -> None:
        """End a renewal that is under way."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.wait([self._renewal])

    async def fresh(self) -> None:
        """Return once what is known is less than 25 s old; every verification follows a call of this.

        From 15 s on it is renewed beside the requests, which wait only past 25 s. Raises OverloadedError where it
        cannot be renewed: what might have been suspended meanwhile does not pass.
        """
        age = self._clock() - self._read_at
        if age < RENEW_AFTER_S:
            return
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.get_running_loop().create_task(self._renew_beside())
        if age < STALE_AFTER_S:
            return
        await asyncio.shield(self._renewal)
        if self._clock() - self._read_at >= STALE_AFTER_S:
            raise OverloadedError("Baton cannot reach its database just now.", retry_after=2)

    def sign(self, actor: Actor, not_before: datetime, networks: Sequence[Network] = ()) -> str:
        """Return an access token of 10 minutes, issued in the first whole second at which its client's tokens hold.

        With `networks` it holds for requests from there only.
        """
        if self._keys is None:
            raise LookupError("the issuer has not been started")
        now = max(time.time(), math.ceil(not_before.timestamp()))
        return issue(
            self._keys.active,
            actor,
            issuer=self.url,
            audience=self.audience,
            now=now,
            lifetime=LIFETIME,
            networks=networks,
        )

    def key_set(self) -> dict[str, list[dict[str, str]]]:
        """Return the public keys that are trusted: of the last period, of this one and of the next."""
        return jwks(key.public for key in self._keys.keys) if self._keys else jwks(())

    def forget(self, claims: Claims) -> None:
        """Refuse one token in this process at once; the others learn it from the database."""
        self._revoked = replace(self._revoked, tokens=self._revoked.tokens | {claims.token_id})
        self.verifier.drop(self._is_over)

    async def _renew_beside(self) -> None:
        try:
            await self._renew()
        except Exception as error:  # noqa: BLE001  # `fresh` refuses once the age says so
            _log.warning("keys and revocations could not be renewed: %s", type(error).__qualname__)

    async def _renew(self) -> None:
        began = self._clock()
        async with self._database.begin(Identity(Login.AUTH)) as tx:
            keys = await self._store.load(tx)
            self._revoked = await revocations.read(tx)
        if self._keys is None or keys.keys != self._keys.keys:
            self.verifier.trust({key.kid: key.public for key in keys.keys})
        self._keys = keys
        self.verifier.drop(self._is_over)
        self._read_at = began

    def _refuses(self, claims: Claims) -> bool:
        if claims.actor.organization_id in self._revoked.organizations:
            raise PartnerSuspendedError("The organisation is suspended.")
        return self._is_over(claims)

    def _is_over(self, claims: Claims) -> bool:
        revoked, client_id, organization_id = self._revoked, claims.actor.client_id, claims.actor.organization_id
        return (
            claims.token_id in revoked.tokens
            or organization_id in revoked.organizations
            or client_id in revoked.ended
            or self._issued_before(claims, client_id)
            or self._issued_before(claims, organization_id)
        )

    def _issued_before(self, claims: Claims, holder: UUID) -> bool:
        not_before = self._revoked.not_before.get(holder)
        return not_before is not None and datetime.fromtimestamp(claims.issued_at, UTC) < not_before
