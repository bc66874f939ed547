"""Counts requests against the limits, and tells each client its own count (draft-ietf-httpapi-ratelimit-headers-11).

A count is of one client and one policy, never of an address or a path; who the client is not known yet is counted by
address and by the client that it names, and learns nothing about that client's count.
"""

from collections.abc import MutableMapping
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Any, Final
from uuid import UUID

from app.domain.actor import Actor
from app.domain.errors import RateLimitedError
from app.domain.limits import WINDOW_S, Policy
from app.routers.edge.address import client_address
from app.routers.edge.declaration import Declaration
from app.routers.edge.exchange import Exchange
from app.services.limiter import Standing

_LOCAL: Final = "local"  # the socket of a server on the same machine has no address
_IPV6_SITE: Final = 64  # a subscriber holds at least so much (RFC 6177): counts of single addresses would hold nobody


def policy_of(declared: Declaration, methods: frozenset[str]) -> Policy:
    """Return what requests of a route that needs a token count against."""
    if declared.policy is not None:
        return declared.policy
    return Policy.DEFAULT if methods <= {"GET"} else Policy.WRITE


async def count(current: Exchange, by: Actor, policy: Policy) -> None:
    """Count one request of a known client. Raises RateLimitedError, and OverloadedError where nobody can count."""
    limiter = current.services.limiter
    if limiter is None:
        return
    standing = limiter.spend(policy, by.client_id)
    if standing is None:
        try:
            standing = await limiter.ask(policy, by.client_id)
        except RateLimitedError:
            current.standing = limiter.known(policy, by.client_id)
            raise
    current.standing = standing


async def count_stranger(
    current: Exchange, scope: MutableMapping[str, Any], policy: Policy, claimed: UUID | None
) -> None:
    """Count one request before its client is authenticated: by address first, then by the client that it names."""
    limiter = current.services.limiter
    if limiter is None:
        return
    network = _network(client_address(scope, current.services.trusted_proxies))
    if limiter.spend(Policy.ADDRESS, network) is None:
        await limiter.ask(Policy.ADDRESS, network)
    if claimed is not None and limiter.spend(policy, claimed) is None:
        await limiter.ask(policy, claimed)


def fields(standing: Standing) -> tuple[tuple[bytes, bytes], tuple[bytes, bytes]]:
    """Return `RateLimit` and `RateLimit-Policy` as they stand now."""
    name = standing.policy.value
    return (
        (b"ratelimit", f'"{name}";r={standing.remaining};t={standing.reset_s}'.encode()),
        (b"ratelimit-policy", f'"{name}";q={standing.quota};w={WINDOW_S}'.encode()),
    )


def _network(address: IPv4Address | IPv6Address | None) -> str:
    if isinstance(address, IPv6Address):
        return str(ip_network((address, _IPV6_SITE), strict=False))
    return str(address) if address else _LOCAL
