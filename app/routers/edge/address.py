"""Whose address a request comes from: the peer of the socket, or what a trusted proxy says of the one before it."""

from collections.abc import MutableMapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

UNKNOWN: Final = "unknown"
_IPV6_SITE: Final = 64
"""One subscriber holds at least so much of IPv6 (RFC 6177), so a count by single addresses would count nothing."""


def network_of(scope: MutableMapping[str, Any], trusted: Sequence[Network]) -> str:
    """Return the network that a request is counted by: an IPv4 address or an IPv6 /64."""
    address = address_of(scope, trusted)
    if isinstance(address, IPv6Address):
        return str(ip_network((address, _IPV6_SITE), strict=False))
    return str(address) if address else UNKNOWN


def address_of(scope: MutableMapping[str, Any], trusted: Sequence[Network]) -> Address | None:
    """Return the address that a request comes from, None where the server does not know its peer.

    X-Forwarded-For is read from its end, past proxies that are `trusted`, and only where the peer of the socket is one:
    what a stranger writes there is never believed.
    """
    peer = scope.get("client")
    address = _read(peer[0]) if peer else None
    if address is None or not trusted:
        return address
    lines = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
    hops = ",".join(lines).split(",") if lines else []
    while hops and _within(address, trusted):
        before = _read(hops.pop())
        if before is None:
            break
        address = before
    return address


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def _read(text: str) -> Address | None:
    try:
        address = ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
