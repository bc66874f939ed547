"""The one strict parser of webhook and on-call URLs, used when they are registered and at every delivery.

It accepts a small subset of RFC 3986, so that no second parser can read the same text differently.
It never resolves a name: where a URL is good only inside the operator's networks, `Target.allowed_only`
tells the client to hold every answer against them when it connects.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

import idna

from app.delivery.addresses import Address, Network, is_within
from app.domain.errors import UrlRefusedError

URL_LIMIT = 2048
HTTPS_PORTS = (443, 8443)
_DEFAULT_PORT = {"https": 443, "http": 80}
_PARTS = re.compile(r"(?P<scheme>[A-Za-z]+)://(?P<authority>[^/?]*)(?P<path>/[^?]*)?(?P<query>\?.*)?", re.ASCII)
_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^:\[\]@%\\]+)(?::(?P<port>[1-9][0-9]{0,4}))?", re.ASCII)
_RESOURCE = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*", re.ASCII)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
# WHATWG URL, "ends in a number": every spelling that some resolver takes for an IPv4 address ends in such a label.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
# RFC 6761, 6762, 7686, 8375, 9476 and ICANN's `internal`: names that no public resolver answers for.
_PRIVATE_SUFFIXES = ("localhost", "local", "internal", "home.arpa", "onion", "alt")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes. `url` is rebuilt from the checked parts; `host` is lower-case ASCII."""

    url: str
    scheme: str
    host: str
    port: int
    allowed_only: bool
    """Good only where every address of the host lies in the operator's networks."""


def read_target(url: str, allow: tuple[Network, ...], own_hosts: frozenset[str] = frozenset()) -> Target:
    """Return where `url` leads, or raise UrlRefusedError with the reason.

    `allow`: the operator's networks, where plain http, address literals, any port and private names are
    good too. `own_hosts`: public names of this installation, which it never posts to.
    """
    return _read(url, allow, own_hosts)


@lru_cache(maxsize=4096)
def _read(url: str, allow: tuple[Network, ...], own_hosts: frozenset[str]) -> Target:
    parts = _split(url)
    scheme = parts["scheme"].lower()
    if scheme not in _DEFAULT_PORT:
        raise UrlRefusedError("the URL must begin with https://")
    authority = _AUTHORITY.fullmatch(parts["authority"])
    if authority is None:
        raise UrlRefusedError("the URL must name a host, with nothing but a port beside it: no user, no password")
    port = int(authority["port"] or _DEFAULT_PORT[scheme])
    if port > 65535:
        raise UrlRefusedError("the port is out of range")
    host, literal = _read_host(authority["host"])
    reason = _needs_allowance(scheme, host, port, literal)
    if reason is None and host in own_hosts:
        raise UrlRefusedError("the URL leads back to this service")
    if reason and not allow:
        raise UrlRefusedError(reason)
    if literal is not None and not is_within(literal, allow):
        raise UrlRefusedError("the URL must name a host, not an address")
    shown = f"[{host}]" if isinstance(literal, IPv6Address) else host
    suffix = "" if port == _DEFAULT_PORT[scheme] else f":{port}"
    return Target(
        url=f"{scheme}://{shown}{suffix}{parts['path'] or '/'}{parts['query'] or ''}",
        scheme=scheme,
        host=host,
        port=port,
        allowed_only=reason is not None,
    )


def _split(url: str) -> re.Match[str]:
    if len(url) > URL_LIMIT:
        raise UrlRefusedError(f"the URL is longer than {URL_LIMIT} characters")
    if "#" in url:
        raise UrlRefusedError("the URL must not have a fragment")
    parts = _PARTS.fullmatch(url)
    if parts is None:
        raise UrlRefusedError("the URL is not of the form https://host/path")
    for part in (parts["path"], parts["query"]):
        if part and not _RESOURCE.fullmatch(part):
            raise UrlRefusedError("path and query must be ASCII, with every other character percent-encoded")
    return parts


def _read_host(text: str) -> tuple[str, Address | None]:
    """Return the host in canonical form, and the address where it is a literal."""
    if text.startswith("["):
        return _read_literal(text[1:-1])
    host = _to_ascii(text.lower())
    if host.endswith("."):
        raise UrlRefusedError("the host must not end in a dot")
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return _read_literal(host)
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise UrlRefusedError("the host is not a valid name")
    return host, None


def _read_literal(text: str) -> tuple[str, Address]:
    try:
        literal = ip_address(text)
    except ValueError:
        raise UrlRefusedError("the URL must name a host, not an address") from None
    return str(literal), literal


def _to_ascii(host: str) -> str:
    """IDNA 2008 without mapping: full-width digits, ideographic dots and the like are refused, not translated."""
    if host.isascii() and "xn--" not in host:
        return host
    if not host.isascii() and any(dot in host for dot in "\u3002\uff0e\uff61"):
        raise UrlRefusedError("the host is not a valid name")
    try:
        return idna.encode(host).decode("ascii")
    except UnicodeError:
        raise UrlRefusedError("the host is not a valid international name") from None


def _needs_allowance(scheme: str, host: str, port: int, literal: Address | None) -> str | None:
    """Why the URL is good only inside the operator's networks, or None where it is good anywhere."""
    if scheme != "https":
        return "the URL must begin with https://"
    if literal is not None:
        return "the URL must name a host, not an address"
    if port not in HTTPS_PORTS:
        return "the port must be 443 or 8443"
    if "." not in host or _in_any(host, _PRIVATE_SUFFIXES):
        return "the host must be a public name"
    return None


def _in_any(host: str, suffixes: Collection[str]) -> bool:
    return any(host == suffix or host.endswith(f".{suffix}") for suffix in suffixes)
