"""How many requests a client may send: the policies, their bounds, and what applies where nothing else is set.

A policy is one number, requests a minute. That many may come at once, and they are restored evenly over the minute
(GCRA): `q=6000;w=60` is 6000 at once and then 100 a second.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

WINDOW_S: Final = 60
MOST_PER_MINUTE: Final = 600_000
"""No process answers more; a higher figure would be a limit in name only."""


class Policy(StrEnum):
    """What a request counts against. Each client has one count of each, and no other client's is touched."""

    DEFAULT = "default"  # reading
    WRITE = "write"  # everything that is no GET
    BULK = "bulk"  # imports, each of many leads
    TOKEN = "token"  # noqa: S105  # asking for an access token, counted before the client is authenticated
    ADDRESS = "address"  # the same by network address, whichever client is named


SETTABLE: Final = frozenset(Policy) - {Policy.ADDRESS}
"""The policies that a client has a figure of its own for; an address is nobody's."""

FAILS_CLOSED: Final = frozenset({Policy.BULK, Policy.TOKEN, Policy.ADDRESS})
"""What is refused while nobody can count (security.md 7): what costs most, and what strangers may send."""

# security.md 7 has 120 writes a minute, at which 20,000 leads of a nightly push take three hours. At 100 a second they
# take four minutes, and one client still leaves most of a process, which answers some 800 posts a second, to others.
# A token lives ten minutes, so 60 a minute are 600 processes of one client that share none. Of addresses a company
# often has a single one for all of its systems.
DEFAULTS: Final[Mapping[Policy, int]] = {
    Policy.DEFAULT: 6000,
    Policy.WRITE: 6000,
    Policy.BULK: 30,
    Policy.TOKEN: 60,
    Policy.ADDRESS: 600,
}


@dataclass(frozen=True, slots=True)
class Granted:
    """What one lease of permits brought: how many a process may spend, of which policy, and what the others have left.

    `wait_s` is how long it takes until a permit is restored where none was granted.
    """

    held: int
    quota: int
    rest: int
    wait_s: float
