"""Owns the answer to where a request comes from. Never believes a header that no trusted proxy has written.

The address is that of the socket, unless the socket is a trusted proxy's: then it is the last hop of X-Forwarded-For
that no trusted proxy owns. What stands before that hop, the caller may have written itself.
"""

from collections.abc import Iterator, MutableMapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_FORWARDED = b"x-forwarded-for"


def client_address(scope: MutableMapping[str, Any], trusted: Sequence[Network]) -> Address | None:
    """Return the caller's address, IPv4 as such also where it came mapped into IPv6; None for a local socket.

    `trusted` are the networks of the proxies before Baton. A hop that is no address ends the walk at the proxy that
    passed it on: a forged header makes a caller no stranger than its proxy.
    """
    peer = scope.get("client")
    here = _read(peer[0]) if peer else None
    if here is None or not is_within(here, trusted):
        return here
    for hop in _hops(scope):
        before = _read(hop)
        if before is None:
            return here
        here = before
        if not is_within(here, trusted):
            return here
    return here


def is_within(address: Address, networks: Sequence[Network]) -> bool:
    """Tell whether one of the networks holds the address; an address never lies in a network of the other version."""
    return any(address in network for network in networks)


def _hops(scope: MutableMapping[str, Any]) -> Iterator[str]:
    """Yield the hops of X-Forwarded-For, the nearest first; several lines read as one (RFC 9110, section 5.3)."""
    lines = [value for name, value in scope["headers"] if name == _FORWARDED]
    for line in reversed(lines):
        for hop in reversed(line.split(b",")):
            yield hop.decode("latin-1").strip()


def _read(text: str) -> Address | None:
    """Read an address, also one with a port, as some proxies write it, or with a zone."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
