"""What the composition root hands to the edge."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from app.db.session import Database
from app.routers.edge.address import Network
from app.routers.edge.gate import Gate
from app.security.tokens import Verifier
from app.services.limiter import Limiter


@dataclass(frozen=True, slots=True)
class Services:
    """The verifier of access tokens and the pools that transactions are opened on.

    `fresh` is awaited before a token is verified: it returns once keys and revocations are recent enough.
    `trusted_proxies` are the networks whose X-Forwarded-For is believed. Without `limiter` and `gate` nothing is
    limited.
    """

    verifier: Verifier
    database: Database
    fresh: Callable[[], Awaitable[None]] | None = None
    trusted_proxies: tuple[Network, ...] = ()
    limiter: Limiter | None = None
    gate: Gate | None = None

    async def refresh(self) -> None:
        """Return once keys and revocations are recent enough to verify a token by."""
        if self.fresh is not None:
            await self.fresh()
