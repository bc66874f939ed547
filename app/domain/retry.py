"""When a delivery is tried again: schedules as data, and what an answer means. Sends nothing, knows no clock."""

import math
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

_MINUTE = 60
_HOUR = 60 * _MINUTE
_JITTER = 0.2


class Profile(StrEnum):
    """`feed` may take days (webhooks), `page` must reach a person within a quarter of an hour (on-call tools)."""

    FEED = "feed"
    PAGE = "page"


class Verdict(StrEnum):
    """What is to be done after an attempt."""

    DELIVERED = "delivered"
    RETRY = "retry"
    THROTTLE = "throttle"
    """Retry, and slow the whole lane down."""
    GONE = "gone"
    """The receiver wants no more: disable the endpoint."""
    PERMANENT = "permanent"
    """The same body will be refused again: give up and tell a person."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Seconds before each attempt, counted from the attempt before it, and the longest Retry-After obeyed."""

    delays: tuple[int, ...]
    longest_retry_after: int


SCHEDULES = {
    # The Standard Webhooks schedule with one step more at one minute: eleven attempts over about three days.
    Profile.FEED: Schedule(
        delays=(0, 5, 1 * _MINUTE, 5 * _MINUTE, 30 * _MINUTE, *(hours * _HOUR for hours in (2, 5, 10, 14, 20, 24))),
        longest_retry_after=24 * _HOUR,
    ),
    # Attempts 0, 5, 15, 30 and 60 s after the first, then every two minutes up to the fifteenth, which is also
    # as long as a page may be put off: by then the next destination has been tried.
    Profile.PAGE: Schedule(
        delays=(0, 5, 10, 15, 30, *(2 * _MINUTE,) * 7),
        longest_retry_after=15 * _MINUTE,
    ),
}

_GONE = 410
_THROTTLED = frozenset({429, 502, 503, 504})
_CLIENT_ERRORS_THAT_PASS = frozenset({408, 425})


def next_delay(
    profile: Profile, attempts_made: int, jitter: float = 0.0, retry_after: float | None = None
) -> timedelta | None:
    """Return the wait before the next attempt, or None where the schedule is exhausted.

    `jitter` in [0, 1) adds up to 20 %, so an attempt is never early. `retry_after`, in seconds, can only lengthen
    the wait, by at most 24 h for `feed` and 15 min for `page`; what is no number counts as absent.
    """
    if attempts_made < 0:
        raise ValueError("attempts_made: at least 0")
    if not 0 <= jitter < 1:
        raise ValueError("jitter: from 0 to below 1")
    schedule = SCHEDULES[profile]
    if attempts_made >= len(schedule.delays):
        return None
    wait = schedule.delays[attempts_made] * (1 + _JITTER * jitter)
    if retry_after is not None and not math.isnan(retry_after):
        wait = max(wait, min(retry_after, schedule.longest_retry_after))
    return timedelta(seconds=wait)


def classify(profile: Profile, status: int | None, error: str | None = None) -> Verdict:
    """Return the verdict on one attempt: `status` if there was an answer, else `error`, the class of its failure.

    Only 2xx is success; a redirect is a failure. An answer counts even if reading its body failed afterwards.
    The `page` profile gives up on 4xx that will not pass, since a wrong page must reach a person by another way.
    """
    if status is None:
        if error is None:
            raise ValueError("neither a status nor an error")
        return Verdict.RETRY
    if 200 <= status < 300:
        return Verdict.DELIVERED
    if status == _GONE:
        return Verdict.GONE
    if status in _THROTTLED:
        return Verdict.THROTTLE
    if profile is Profile.PAGE and 400 <= status < 500 and status not in _CLIENT_ERRORS_THAT_PASS:
        return Verdict.PERMANENT
    return Verdict.RETRY
