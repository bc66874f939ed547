"""Retry schedules and verdicts, each compared with a table written out here."""

from datetime import timedelta
from itertools import accumulate

import pytest

from app.domain.retry import Profile, Verdict, classify, next_delay

FEED = [0, 5, 60, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400]
PAGE_TIMES = [0, 5, 15, 30, 60, 180, 300, 420, 540, 660, 780, 900]
DAY = timedelta(days=1)


def delays(profile: Profile, jitter: float = 0.0) -> list[float]:
    found = []
    while (delay := next_delay(profile, len(found), jitter)) is not None:
        found.append(delay.total_seconds())
    return found


def test_a_feed_is_tried_eleven_times_over_three_days():
    assert delays(Profile.FEED) == FEED
    assert sum(FEED) == 75 * 3600 + 36 * 60 + 5


def test_a_page_is_tried_for_a_quarter_of_an_hour():
    assert list(accumulate(delays(Profile.PAGE))) == PAGE_TIMES


@pytest.mark.parametrize(("profile", "attempts"), [(Profile.FEED, 11), (Profile.PAGE, 12)])
def test_an_exhausted_schedule_stays_exhausted_whatever_the_receiver_asks(profile, attempts):
    assert next_delay(profile, attempts - 1) is not None
    assert next_delay(profile, attempts) is None
    assert next_delay(profile, attempts + 5, 0.5, 30.0) is None


@pytest.mark.parametrize("profile", list(Profile))
def test_jitter_is_late_by_a_fifth_at_most_and_never_early(profile):
    for plain, early, late in zip(delays(profile), delays(profile, 0.001), delays(profile, 0.999), strict=True):
        assert plain <= early <= late <= plain * 1.2
        assert plain == 0 or plain < early < late


@pytest.mark.parametrize(
    ("profile", "attempts", "retry_after", "seconds"),
    [
        (Profile.FEED, 1, 90, 90),
        (Profile.FEED, 1, 3, 5),
        (Profile.FEED, 1, 0, 5),
        (Profile.FEED, 1, -20, 5),
        (Profile.FEED, 4, 90, 1800),
        (Profile.FEED, 1, 86400, 86400),
        (Profile.FEED, 1, 1e12, 86400),
        (Profile.FEED, 1, float("inf"), 86400),
        (Profile.FEED, 1, float("nan"), 5),
        (Profile.FEED, 10, 10, 86400),
        (Profile.PAGE, 2, 60, 60),
        (Profile.PAGE, 2, 3600, 900),
    ],
)
def test_retry_after_lengthens_the_wait_within_bounds(profile, attempts, retry_after, seconds):
    assert next_delay(profile, attempts, 0.0, retry_after) == timedelta(seconds=seconds)


def test_a_longer_jittered_wait_wins_over_retry_after():
    assert next_delay(Profile.FEED, 2, 0.5, 61) == timedelta(seconds=66)
    assert next_delay(Profile.FEED, 10, 0.5, 1) == DAY * 1.1


@pytest.mark.parametrize(("attempts", "jitter"), [(-1, 0.0), (0, 1.0), (0, -0.1), (0, float("nan"))])
def test_impossible_arguments_are_refused(attempts, jitter):
    with pytest.raises(ValueError, match=r"^(attempts_made|jitter): .*[a-z0-9]$"):
        next_delay(Profile.FEED, attempts, jitter)


THROTTLED = {429, 502, 503, 504}


def feed_verdict(status: int) -> str:
    if status in range(200, 300):
        return "delivered"
    return {410: "gone"}.get(status, "throttle" if status in THROTTLED else "retry")


def page_verdict(status: int) -> str:
    if status in {*range(400, 408), 409, *range(411, 425), *range(426, 429), *range(430, 500)}:
        return "permanent"
    return feed_verdict(status)


def test_every_status_has_its_verdict():
    assert {status: classify(Profile.FEED, status) for status in range(100, 600)} == {
        status: feed_verdict(status) for status in range(100, 600)
    }
    assert {status: classify(Profile.PAGE, status) for status in range(100, 600)} == {
        status: page_verdict(status) for status in range(100, 600)
    }


@pytest.mark.parametrize(
    ("status", "feed", "page"),
    [
        (200, "delivered", "delivered"),
        (299, "delivered", "delivered"),
        (302, "retry", "retry"),
        (400, "retry", "permanent"),
        (404, "retry", "permanent"),
        (408, "retry", "retry"),
        (410, "gone", "gone"),
        (425, "retry", "retry"),
        (429, "throttle", "throttle"),
        (500, "retry", "retry"),
        (503, "throttle", "throttle"),
    ],
)
def test_the_verdicts_that_matter_most(status, feed, page):
    assert (classify(Profile.FEED, status), classify(Profile.PAGE, status)) == (feed, page)


@pytest.mark.parametrize("profile", list(Profile))
def test_no_answer_is_tried_again_and_an_answer_counts_even_if_its_body_broke_off(profile):
    assert classify(profile, None, "timeout") is Verdict.RETRY
    assert classify(profile, 204, "timeout") is Verdict.DELIVERED
    with pytest.raises(ValueError, match=r"^neither a status nor an error$"):
        classify(profile, None)
