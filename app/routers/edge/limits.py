"""Counts requests against the limits, and tells each client its own count (draft-ietf-httpapi-ratelimit-headers-11).

A count is of one client and one policy, never of an address or a path; who the client is not known yet is counted by
address and by the client that it names, and learns nothing about that client's count.
"""

from collections.abc import MutableMapping
from functools import lru_cache
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

_NAMES: Final = {policy: policy.value.encode() for policy in Policy}
_LOCAL: Final = "local"  # the socket of a server on the same machine has no address
_IPV6_SITE: Final = 64  # a subscriber holds at least so much (RFC 6177): counts of single addresses would hold nobody


def policy_of(declared: Declaration, methods: frozenset[str]) -> Policy:
    """Return what requests of a route that needs a token count against."""
    if declared.policy is not None:
        return declared.policy
    return Policy.DEFAULT if methods <= {"GET"} else Policy.WRITE


def spend(current: Exchange, by: Actor, policy: Policy) -> bool:
    """Count one request of a known client from what this process holds; False where it has to `ask`."""
    limiter = current.services.limiter
    if limiter is None:
        return True
    current.standing = limiter.spend(policy, by.client_id)
    return current.standing is not None


async def ask(current: Exchange, by: Actor, policy: Policy) -> None:
    """Count one request where all processes count. Raises RateLimitedError, and OverloadedError where nobody can."""
    limiter = current.services.limiter
    if limiter is None:
        return
    try:
        current.standing = await limiter.ask(policy, by.client_id)
    except RateLimitedError:
        current.standing = limiter.known(policy, by.client_id)
        raise


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
    remaining = standing.remaining
    left = b'"%b";r=%d;t=%d' % (_NAMES[standing.policy], remaining, standing.restored_in(remaining))
    return (b"ratelimit", left), (b"ratelimit-policy", _policy_field(standing.policy, standing.quota))


@lru_cache(maxsize=1024)
def _policy_field(policy: Policy, quota: int) -> bytes:
    return b'"%b";q=%d;w=%d' % (_NAMES[policy], quota, WINDOW_S)


def _network(address: IPv4Address | IPv6Address | None) -> str:
    if isinstance(address, IPv6Address):
        return str(ip_network((address, _IPV6_SITE), strict=False))
    return str(address) if address else _LOCAL
