"""What came of one outgoing request: the words for its trouble, its timings, and the headers a receiver steers by.

Opens no connection and decides nothing about a further attempt.
"""

from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import time
from typing import Literal

ErrorClass = Literal[
    "refused_url",  # the URL does not pass the parser
    "refused_address",  # the host leads to an address that Baton does not connect to
    "dns",  # the name has no address, or none in time
    "connect",  # no TCP connection: refused, unreachable
    "tls",  # no handshake: certificate, name, protocol
    "timeout",  # connecting or the whole exchange took too long
    "reset",  # the connection ended before the reply did
    "protocol",  # the reply is not HTTP
    "too_large",  # the reply's headers are over the limit
]
Directive = Literal["abort-message", "disable"]

BODY_LIMIT = 16 * 1024
"""Bytes of a reply that are read; the rest is cut off with the connection."""
RETRY_AFTER_LIMIT = 86_400.0
"""A day: what the longest step of the retry schedule may be put off to."""


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds of each phase; None where it was not entered or a kept connection made it needless."""

    dns: float | None
    connect: float | None
    tls: float | None
    ttfb: float | None
    """From the connection being ready to the reply's headers."""
    total: float


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of one attempt. `error` is None when a whole reply arrived, whatever its status.

    A body longer than BODY_LIMIT is cut and no error: the receiver has answered, and sending again
    would only repeat what it has. `status` may be set beside an error: the body broke off after it.
    """

    status: int | None
    error: ErrorClass | None
    retry_after: float | None
    """Seconds from now, 0 to RETRY_AFTER_LIMIT."""
    response_head: bytes
    """Up to BODY_LIMIT bytes as they came: untrusted."""
    response_cut: bool
    location: str | None
    """Where a 3xx points; never followed."""
    directive: Directive | None
    """The receiver's `webhook-delivery` header."""
    remote_ip: str | None
    reused: bool
    timings: Timings

    @property
    def ok(self) -> bool:
        """Whether the receiver took it: a whole reply with a 2xx status."""
        return self.error is None and self.status is not None and 200 <= self.status < 300


def read_retry_after(text: str | None) -> float | None:
    """RFC 9110 10.2.3: seconds or a date. What cannot be read counts as absent."""
    if text is None or len(text) > 64 or not text.isascii():
        return None
    text = text.strip()
    if text.isdigit():
        seconds = float(text)
    else:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - time()
        except (ValueError, OverflowError):
            return None
    return min(max(seconds, 0.0), RETRY_AFTER_LIMIT)


def read_directive(text: str | None) -> Directive | None:
    """Return what the receiver asks for in its `webhook-delivery` header; None for nothing or nonsense."""
    match (text or "").strip().lower():
        case "abort-message":
            return "abort-message"
        case "disable":
            return "disable"
        case _:
            return None
