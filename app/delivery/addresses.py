"""Which IP addresses Baton may connect to: one explicit table and the decision over it.

Never resolves a name and opens no socket. `ipaddress.is_global` is not used: on Python 3.11 it holds
for NAT64, 6to4 and IPv4-compatible spellings of loopback, for multicast and for a cloud metadata address.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# IANA special-purpose registry, whole blocks even where part of one is globally reachable: no webhook lives there.
_CLOSED_V4: tuple[IPv4Network, ...] = tuple(
    IPv4Network(block)
    for block in (
        "0.0.0.0/8",  # this network; 0.0.0.0 connects to the own host
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT; a cloud's metadata at 100.100.100.200
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's host agent, a public address that every Azure machine reaches
        "169.254.0.0/16",  # link-local; cloud metadata at 169.254.169.254
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # IETF protocols; a cloud's metadata at 192.0.0.192
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT relays
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarking
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
# Only 2000::/3 is global unicast, so everything outside it needs no line of its own.
_UNICAST_V6 = IPv6Network("2000::/3")
_CLOSED_V6: tuple[IPv6Network, ...] = tuple(
    IPv6Network(block)
    for block in (
        "2001::/23",  # IETF protocols: Teredo, ORCHID, AMT, benchmarking
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "2620:4f:8000::/48",  # AS112
        "3ffe::/16",  # 6bone, returned
        "3fff::/20",  # documentation
    )
)
_LAST_32_BITS: tuple[IPv6Network, ...] = tuple(
    IPv6Network(block)
    for block in (
        "::/96",  # IPv4-compatible
        "::ffff:0:0/96",  # IPv4-mapped
        "::ffff:0:0:0/96",  # IPv4-translated (RFC 2765)
        "64:ff9b::/96",  # NAT64 (RFC 6052)
        "64:ff9b:1::/48",  # local NAT64 (RFC 8215), in its /96 layout
    )
)
_TEREDO = IPv6Network("2001::/32")
_SIX_TO_FOUR = IPv6Network("2002::/16")
_ISATAP_MARKS = (0x0000_5EFE, 0x0200_5EFE)  # RFC 5214 6.1, bits 64 to 95
_NOT_EMBEDDED = (IPv6Address("::"), IPv6Address("::1"))


def embedded(address: IPv6Address) -> tuple[IPv4Address, ...]:
    """Every IPv4 address that a translator or tunnel would take out of `address`."""
    if address in _NOT_EMBEDDED:
        return ()
    number = int(address)
    last = IPv4Address(number & 0xFFFF_FFFF)
    found: list[IPv4Address] = []
    if any(address in block for block in _LAST_32_BITS):
        found.append(last)
    if address in _SIX_TO_FOUR:
        found.append(IPv4Address(number >> 80 & 0xFFFF_FFFF))
    if address in _TEREDO:
        found += [IPv4Address(number >> 64 & 0xFFFF_FFFF), IPv4Address(~number & 0xFFFF_FFFF)]
    if number >> 32 & 0xFFFF_FFFF in _ISATAP_MARKS:
        found.append(last)
    return tuple(found)


def is_public(address: Address) -> bool:
    """Whether the address is ordinary global unicast, and so is whatever IPv4 address hides inside."""
    if isinstance(address, IPv4Address):
        return not any(address in block for block in _CLOSED_V4)
    if address not in _UNICAST_V6 or any(address in block for block in _CLOSED_V6):
        return False
    return all(is_public(inner) for inner in embedded(address))


def is_within(address: Address, networks: Sequence[Network]) -> bool:
    """Whether one of the operator's networks holds the address.

    A network opens its own range and never what hides inside it: with 64:ff9b::/96 allowed, NAT64 of a
    loopback address stays refused. An IPv4-mapped address counts as the IPv4 address that it is on the wire.
    """
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return is_within(address.ipv4_mapped, networks)
    if not any(address in network for network in networks):
        return False
    inside = embedded(address) if isinstance(address, IPv6Address) else ()
    return all(is_public(inner) or is_within(inner, networks) for inner in inside)


def is_allowed(address: Address, allowed_networks: Sequence[Network]) -> bool:
    """Whether Baton may connect to the address: public, or inside a network that the operator allows."""
    return is_public(address) or is_within(address, allowed_networks)
