"""Business time against golden vectors and against stepping through every minute of the wall clock."""

from bisect import bisect_left
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import accumulate
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.business_time import (
    Calendar,
    Interval,
    NoBusinessTimeError,
    add,
    add_days,
    between,
    explain,
    is_known,
    next_open,
    parse_calendar,
)

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri")
JAPANESE_HOLIDAYS = [
    *("2026-04-29", "2026-05-03", "2026-05-04", "2026-05-05", "2026-05-06"),
    *("2026-09-21", "2026-09-22", "2026-09-23", "2026-11-03", "2026-11-23"),
]


def weekdays(*windows: str, zone: str = "Asia/Tokyo", closures: tuple[str, ...] | list[str] = (), **more) -> Calendar:
    document = {"time_zone": zone, "weekly": {day: list(windows) for day in WEEKDAYS}, "closures": list(closures)}
    return parse_calendar(document | more)


def daily(*windows: str, zone: str) -> Calendar:
    return parse_calendar({"time_zone": zone, "weekly": {day: list(windows) for day in (*WEEKDAYS, "sat", "sun")}})


def at(text: str, zone: str = "Asia/Tokyo") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


OFFICE = weekdays("09:00-12:00", "13:00-18:00", closures=JAPANESE_HOLIDAYS)
NINE_TO_FIVE = weekdays("09:00-17:00")
NIGHTS = weekdays("22:00-06:00")
NEW_YORK = "America/New_York"
NEW_YORK_NIGHTS = daily("22:00-06:00", zone=NEW_YORK)


@pytest.mark.parametrize(
    ("calendar", "start", "minutes", "due"),
    [
        (OFFICE, at("2026-05-01 17:30"), 60, at("2026-05-07 09:30")),
        (OFFICE, at("2026-09-18 17:30"), 60, at("2026-09-24 09:30")),
        (NINE_TO_FIVE, at("2026-11-20 17:00"), 480, at("2026-11-23 17:00")),
        (weekdays("08:00-17:00"), at("2026-11-20 16:00"), 240, at("2026-11-23 11:00")),
        (NIGHTS, at("2026-11-17 02:00"), 60, at("2026-11-17 03:00")),
        (NIGHTS, at("2026-11-21 02:00"), 60, at("2026-11-21 03:00")),
        (NEW_YORK_NIGHTS, at("2026-03-07 22:00", NEW_YORK), 420, datetime(2026, 3, 8, 10, tzinfo=UTC)),
        (NEW_YORK_NIGHTS, at("2026-10-31 22:00", NEW_YORK), 540, datetime(2026, 11, 1, 11, tzinfo=UTC)),
        (
            daily("02:00-03:00", zone=NEW_YORK),
            datetime(2026, 3, 7, 12, tzinfo=UTC),
            60,
            datetime(2026, 3, 9, 7, tzinfo=UTC),
        ),
    ],
)
def test_the_golden_vectors_hold(calendar, start, minutes, due):
    assert add(calendar, start, minutes) == due
    assert between(calendar, start, due) == minutes
    assert sum(interval.minutes for interval in explain(calendar, start, minutes)) == minutes


def test_work_due_at_the_end_of_a_window_is_due_then_and_a_minute_more_is_the_next_morning():
    assert add(OFFICE, at("2026-11-19 17:30"), 30) == at("2026-11-19 18:00")
    assert add(OFFICE, at("2026-11-19 18:00"), 1) == at("2026-11-20 09:01")


def test_lunch_does_not_count():
    assert add(OFFICE, at("2026-11-19 11:50"), 20) == at("2026-11-19 13:10")


@pytest.mark.parametrize("start", [at("2026-11-21 15:00"), at("2026-11-19 12:30"), at("2026-11-19 10:00")])
def test_no_minutes_do_not_move_time(start):
    assert add(OFFICE, start, 0) == start
    assert add_days(OFFICE, start, 0) == start
    assert explain(OFFICE, start, 0) == ()


def test_a_lead_from_saturday_is_due_on_monday_morning_whatever_the_hour():
    assert add(NINE_TO_FIVE, at("2026-11-21 15:00"), 60) == at("2026-11-23 10:00")
    assert add(NINE_TO_FIVE, at("2026-11-21 08:00"), 60) == at("2026-11-23 10:00")


def test_a_closure_removes_the_night_shift_that_starts_on_it_and_spares_the_tail_of_the_one_before():
    calendar = weekdays("22:00-06:00", closures=["2026-11-18"])
    assert add(calendar, at("2026-11-18 05:00"), 60) == at("2026-11-18 06:00")
    assert add(calendar, at("2026-11-18 05:00"), 61) == at("2026-11-19 22:01")


def test_an_exception_opens_a_saturday():
    calendar = weekdays("09:00-17:00", exceptions={"2026-11-28": ["10:00-15:00"]})
    assert add(calendar, at("2026-11-27 17:00"), 300) == at("2026-11-28 15:00")


def test_seconds_survive_a_night():
    start = at("2026-11-19 17:59:30.250000")
    assert add(OFFICE, start, 1) == at("2026-11-20 09:00:30.250000")


def test_a_pause_outside_hours_costs_nothing():
    start = at("2026-11-19 16:00")
    remaining = 240 - between(OFFICE, start, at("2026-11-19 20:00"))
    assert remaining == 120
    assert add(OFFICE, at("2026-11-20 03:00"), remaining) == add(OFFICE, start, 240) == at("2026-11-20 11:00")


def test_an_overdue_clock_counts_backwards():
    assert between(OFFICE, at("2026-11-20 10:00"), at("2026-11-19 17:00")) == -120


def test_the_next_opening_is_now_while_open_and_tomorrow_at_closing_time():
    assert next_open(OFFICE, at("2026-11-19 11:59")) == at("2026-11-19 11:59")
    assert next_open(OFFICE, at("2026-11-19 12:00")) == at("2026-11-19 13:00")
    assert next_open(OFFICE, at("2026-11-20 18:00")) == at("2026-11-24 09:00")


def test_explain_names_every_interval():
    assert explain(OFFICE, at("2026-11-20 11:30"), 345) == (
        Interval(at("2026-11-20 11:30"), at("2026-11-20 12:00"), 30),
        Interval(at("2026-11-20 13:00"), at("2026-11-20 18:00"), 300),
        Interval(at("2026-11-24 09:00"), at("2026-11-24 09:15"), 15),
    )


@pytest.mark.parametrize(
    ("calendar", "start", "days", "due"),
    [
        (OFFICE, at("2026-11-20 10:15"), 1, at("2026-11-24 10:15")),
        (OFFICE, at("2026-04-28 10:15"), 20, at("2026-06-01 10:15")),
        (OFFICE, at("2026-11-20 22:00"), 1, at("2026-11-24 18:00")),
        (OFFICE, at("2026-11-20 07:00"), 1, at("2026-11-24 09:00")),
        (OFFICE, at("2026-11-20 12:30"), 1, at("2026-11-24 13:00")),
        (OFFICE, at("2026-11-21 15:00"), 1, at("2026-11-24 15:00")),
        (NIGHTS, at("2026-11-17 02:00"), 1, at("2026-11-18 02:00")),
        (NIGHTS, at("2026-11-21 02:00"), 1, at("2026-11-24 02:00")),
        (NEW_YORK_NIGHTS, at("2026-03-07 02:30", NEW_YORK), 1, datetime(2026, 3, 8, 7, tzinfo=UTC)),
        (daily("02:00-03:00", zone=NEW_YORK), at("2026-03-07 02:30", NEW_YORK), 1, at("2026-03-09 02:30", NEW_YORK)),
    ],
)
def test_business_days_keep_the_local_time_within_the_hours_of_the_day(calendar, start, days, due):
    assert add_days(calendar, start, days) == due


def test_a_calendar_without_business_time_is_an_error_and_never_a_loop():
    closed = {date(2026, 1, 1) + timedelta(days=n): () for n in range(500)}
    calendar = Calendar("Asia/Tokyo", (((540, 1080),),) * 7, closed)
    start = at("2026-01-01 09:00")
    for attempt in (
        lambda: add(calendar, start, 1),
        lambda: add_days(calendar, start, 1),
        lambda: next_open(calendar, start),
        lambda: explain(calendar, start, 1),
        lambda: add(OFFICE, start, 400 * 1440),
        lambda: add(OFFICE, start, float("inf")),
    ):
        with pytest.raises(NoBusinessTimeError):
            attempt()
    assert add(calendar, start, 0) == start


def test_moments_out_of_range_and_negative_amounts_are_refused():
    for moment in (datetime(1969, 12, 31, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)):
        with pytest.raises(NoBusinessTimeError):
            add(OFFICE, moment, 1)
    for attempt in (lambda: add(OFFICE, at("2026-01-05"), -1), lambda: add(OFFICE, at("2026-01-05"), float("nan"))):
        with pytest.raises(ValueError, match="minutes"):
            attempt()
    with pytest.raises(ValueError, match="days"):
        add_days(OFFICE, at("2026-01-05"), -1)
    with pytest.raises(TypeError):
        add(OFFICE, datetime(2026, 1, 5), 1)  # noqa: DTZ001 - the naive datetime is the point


def test_holidays_are_vouched_for_up_to_a_local_date():
    calendar = weekdays("09:00-17:00", known_through="2026-12-31")
    assert is_known(calendar, at("2026-12-31 23:59"))
    assert not is_known(calendar, at("2027-01-01 00:00"))
    assert not is_known(OFFICE, at("2026-01-01 00:00"))


def test_a_document_becomes_the_calendar_that_it_describes():
    calendar = parse_calendar(
        {
            "time_zone": "Asia/Tokyo",
            "weekly": {"mon": ["13:00-18:00", "09:00-12:00"], "fri": ["22:00-06:00"], "sat": ["24:00-26:30"]},
            "closures": ["2026-12-29", {"on": "2027-01-04", "label": "年始"}],
            "exceptions": {"2026-11-26": ["10:00-15:00"]},
            "known_through": "2027-12-31",
        }
    )
    assert calendar.weekly == (((540, 720), (780, 1080)), (), (), (), ((1320, 1800),), ((1440, 1590),), ())
    assert dict(calendar.exceptions) == {
        date(2026, 12, 29): (),
        date(2027, 1, 4): (),
        date(2026, 11, 26): ((600, 900),),
    }
    assert calendar.known_through == date(2027, 12, 31)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"time_zone": "Asia/Tokio"}, "time_zone"),
        ({"time_zone": "../Asia/Tokyo"}, "time_zone"),
        ({"time_zone": "Asia"}, "time_zone"),
        ({"time_zone": "right/Asia/Tokyo"}, "time_zone"),
        ({"time_zone": None}, "time_zone"),
        ({"zone": "Asia/Tokyo"}, "calendar: only time_zone, weekly"),
        ({"weekly": {"mo": ["09:00-12:00"]}}, "weekly: only mon, tue"),
        ({"weekly": {"mon": []}}, "weekly: "),
        ({"weekly": []}, "weekly: "),
        ({"weekly": {"mon": "09:00-12:00"}}, "weekly.mon: "),
        ({"weekly": {"mon": ["09:00-12:00", "9:00-12:00"]}}, r"weekly.mon\[1\]"),
        ({"weekly": {"mon": ["09:00-09:00"]}}, r"weekly.mon\[0\]"),
        ({"weekly": {"mon": ["30:00-49:00"]}}, r"weekly.mon\[0\]"),
        ({"weekly": {"mon": ["09:00-12:60"]}}, r"weekly.mon\[0\]"),
        ({"weekly": {"mon": [540]}}, r"weekly.mon\[0\]"),
        ({"weekly": {"mon": ["09:00-12:00", "11:59-18:00"]}}, "weekly.mon: .*overlap"),
        ({"weekly": {"mon": ["22:00-06:00"], "tue": ["05:00-09:00"]}}, "weekly.tue: .*day before"),
        ({"weekly": {"sun": ["22:00-06:00"], "mon": ["05:00-09:00"]}}, "weekly.mon: .*day before"),
        ({"weekly": {"fri": ["22:00-06:00"]}, "exceptions": {"2026-11-28": ["05:00-09:00"]}}, "exceptions.2026-11-28"),
        ({"exceptions": {"2026-11-29": ["22:00-10:00"]}}, "exceptions.2026-11-29: .*day before"),
        ({"exceptions": {"2026-11-31": []}}, "exceptions: a date"),
        ({"exceptions": {"20261130": []}}, "exceptions: a date"),
        ({"closures": ["2026-11-30"], "exceptions": {"2026-11-30": []}}, "exceptions.2026-11-30: also"),
        ({"closures": "2026-11-30"}, "closures: "),
        ({"closures": ["2026-11-30", {"label": "x"}]}, r"closures\[1\].on"),
        ({"closures": [{"on": "2026-11-30", "name": "x"}]}, r"closures\[0\]: only on, label"),
        ({"closures": [{"on": "2026-11-30", "label": 1}]}, r"closures\[0\].label"),
        ({"closures": ["2026-11-30", "2026-13-01"]}, r"closures\[1\]: a date"),
        ({"closures": [{"on": "2026-11-30", "label": 1}]}, r"closures\[0\].label: text is needed$"),
        ({"time_zone": 5}, 'time_zone: an IANA name such as "Asia/Tokyo" is needed$'),
        ({"closures": [5]}, r"closures\[0\]: an object is needed$"),
        ({"closures": "2026-11-30"}, "closures: a list is needed$"),
        ({"exceptions": []}, "exceptions: an object is needed$"),
        ({"exceptions": {"2026-11-30": ["x"]}}, r"exceptions.2026-11-30\[0\]: a window"),
        ({"known_through": "2027"}, "known_through"),
    ],
)
def test_a_wrong_calendar_is_refused_by_the_path_of_what_is_wrong(change, path):
    document = {"time_zone": "Asia/Tokyo", "weekly": {"mon": ["09:00-12:00"]}}
    with pytest.raises(ValueError, match=f"^{path}"):
        parse_calendar(document | change)


def test_a_calendar_made_by_hand_obeys_the_same_rules():
    with pytest.raises(ValueError, match="weekly: seven"):
        Calendar("Asia/Tokyo", ((),))
    with pytest.raises(ValueError, match=r"^weekly\.mon"):
        Calendar("Asia/Tokyo", (((0, 2881),), *((),) * 6))


def test_equal_calendars_stay_equal_after_use_and_cannot_be_edited():
    used, fresh = weekdays("09:00-17:00"), weekdays("09:00-17:00")
    add(used, at("2026-11-20 10:00"), 480)
    assert used == fresh
    assert hash(used) == hash(fresh)
    with pytest.raises(TypeError):
        used.exceptions[date(2026, 11, 20)] = ()


ROUND_THE_CLOCK = Calendar("UTC", (((0, 1440),),) * 7)
MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)


def opened_once(days: int) -> Calendar:
    """Return a calendar that is closed but for one hour, so many days after New Year."""
    return Calendar("UTC", ((),) * 7, {MIDNIGHT.date() + timedelta(days=days): ((540, 600),)})


def test_business_time_is_looked_for_400_days_ahead_and_no_further():
    assert add_days(opened_once(400), MIDNIGHT, 1) == MIDNIGHT + timedelta(days=400, hours=9)
    with pytest.raises(
        NoBusinessTimeError, match=r"^The calendar has not enough business time in the next 400 days\.$"
    ):
        add_days(opened_once(401), MIDNIGHT, 1)
    assert add(ROUND_THE_CLOCK, MIDNIGHT, 400 * 1440) == MIDNIGHT + timedelta(days=400)


def test_time_is_kept_from_1970_to_9989():
    first, end = datetime(1970, 1, 1, tzinfo=UTC), datetime(9990, 1, 1, tzinfo=UTC)
    for moment in (first, first + timedelta(microseconds=1), end - timedelta(microseconds=1)):
        assert add(ROUND_THE_CLOCK, moment, 0) == moment
    for moment in (first - timedelta(microseconds=1), end):
        with pytest.raises(NoBusinessTimeError, match=r"^Business time is kept from 1970 to 9989\.$"):
            add(ROUND_THE_CLOCK, moment, 0)


@pytest.mark.parametrize(
    ("calendar", "start", "due"),
    [
        pytest.param(NIGHTS, at("2026-11-17 06:00"), at("2026-11-18 22:00"), id="a shift is over when it ends"),
        pytest.param(NIGHTS, at("2026-11-17 22:00"), at("2026-11-18 22:00"), id="and begins when it begins"),
        pytest.param(weekdays("24:00-26:30"), at("2026-11-17 00:00"), at("2026-11-18 00:00"), id="also after midnight"),
        pytest.param(weekdays("24:00-26:30"), at("2026-11-14 00:00"), at("2026-11-17 00:00"), id="which is of the day before"),
        pytest.param(weekdays("09:00-10:00", "11:00-12:00", "13:00-14:00"), at("2026-11-17 22:00"), at("2026-11-18 14:00"), id="the last window counts"),
    ],
)  # fmt: skip
def test_a_moment_belongs_to_the_day_on_which_its_window_began(calendar: Calendar, start: datetime, due: datetime):
    assert add_days(calendar, start, 1) == due


@pytest.mark.parametrize(
    "windows",
    [((0, 1),), ((0, 2880),), ((0, 720), (720, 1440)), ((0, 1440 + 60),)],
    ids=["from midnight", "for two days", "without a break", "until the next day's first"],
)
def test_windows_may_touch_and_reach_their_bounds(windows: tuple[tuple[int, int], ...]):
    assert Calendar("UTC", (windows, (), ((60, 120),), (), (), (), ())).weekly[0] == windows
    if windows == ((0, 1440 + 60),):
        assert Calendar("UTC", (windows, ((60, 120),), (), (), (), (), ())).weekly[1] == ((60, 120),)


AUTUMN = [
    # Clocks in New York go from 02:00 back to 01:00 on 1 November: 01:00 to 02:00 comes twice, at 05:00 and at 06:00 UTC.
    ("01:30-03:00", datetime(2026, 11, 1, 5, 30, tzinfo=UTC), datetime(2026, 11, 1, 8, tzinfo=UTC)),
    ("00:00-01:30", datetime(2026, 11, 1, 4, tzinfo=UTC), datetime(2026, 11, 1, 6, 30, tzinfo=UTC)),
    ("00:00-01:00", datetime(2026, 11, 1, 4, tzinfo=UTC), datetime(2026, 11, 1, 5, tzinfo=UTC)),
    # And from 02:00 on to 03:00 on 8 March, at 07:00 UTC.
    ("02:30-04:00", datetime(2026, 3, 8, 7, tzinfo=UTC), datetime(2026, 3, 8, 8, tzinfo=UTC)),
    ("01:00-02:30", datetime(2026, 3, 8, 6, tzinfo=UTC), datetime(2026, 3, 8, 7, tzinfo=UTC)),
]


@pytest.mark.parametrize(("window", "opens", "closes"), AUTUMN, ids=[f"{row[0]} {row[1]:%m-%d}" for row in AUTUMN])
def test_an_hour_that_comes_twice_counts_twice_and_one_that_is_skipped_does_not(
    window: str, opens: datetime, closes: datetime
):
    calendar = daily(window, zone=NEW_YORK)
    (found,) = calendar.spans(opens.date().toordinal())
    since = datetime(1970, 1, 1, tzinfo=UTC)
    assert [since + timedelta(microseconds=moment) for moment in found] == [opens, closes]


def test_a_time_that_comes_twice_is_due_the_first_time():
    mornings = daily("00:00-06:00", zone=NEW_YORK)
    assert add_days(mornings, at("2026-10-31 01:30", NEW_YORK), 1) == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "is_taken"), [("1969-12-31", False), ("1970-01-01", True), ("9989-12-31", True), ("9990-01-01", False)]
)
def test_days_are_those_in_which_time_is_kept(day: str, is_taken: bool):
    document = {
        "time_zone": "Asia/Tokyo",
        "weekly": {"mon": ["09:30-12:15"], "wed": ["00:00-48:00"]},
        "known_through": day,
    }
    if is_taken:
        assert parse_calendar(document).weekly[0:3] == (((570, 735),), (), ((0, 2880),))
        return
    with pytest.raises(ValueError, match=r"^known_through: a date"):
        parse_calendar(document)


@pytest.mark.parametrize("window", [(60, 60), (-1, 60), (0, 2881), (120, 60)])
def test_a_window_has_an_extent_and_lies_within_two_days(window: tuple[int, int]):
    with pytest.raises(ValueError, match=r"^weekly\.tue: a window must start before it ends and end within two days$"):
        Calendar("UTC", ((), (window,), (), (), (), (), ()))


# What follows knows nothing of offsets: it lists the wall clock minute by minute. A window is open from the first
# minute at which the clock has reached its start to the last minute at which the clock is short of its end.

TURNS = {
    "Asia/Tokyo": date(2026, 5, 4),
    "America/New_York": date(2026, 3, 8),
    "Europe/London": date(2026, 10, 25),
    "Australia/Lord_Howe": date(2026, 4, 5),
    "America/Havana": date(2026, 11, 1),
    "Africa/Casablanca": date(2026, 2, 15),
    "Atlantic/Azores": date(2026, 10, 25),
    "America/Santiago": date(2026, 9, 6),
}
LIST_DAYS = 22
OPEN_DAYS = range(-8, 16)


@cache
def wall_clock(zone: str) -> tuple[datetime, list[int], list[int]]:
    first = datetime.combine(TURNS[zone] - timedelta(days=7), datetime.min.time(), UTC)
    origin = datetime.combine(TURNS[zone], datetime.min.time())
    moments = (first + timedelta(minutes=n) for n in range(LIST_DAYS * 1440))
    wall = [
        int((moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None) - origin).total_seconds()) // 60
        for moment in moments
    ]
    return first, list(accumulate(wall, max)), list(accumulate(reversed(wall), min))[::-1]


def open_minutes(calendar: Calendar) -> tuple[datetime, list[int]]:
    first, reached, short_of = wall_clock(calendar.time_zone)
    minutes: set[int] = set()
    for offset in OPEN_DAYS:
        day = TURNS[calendar.time_zone] + timedelta(days=offset)
        for start, end in calendar.exceptions.get(day, calendar.weekly[day.weekday()]):
            opens, closes = bisect_left(reached, offset * 1440 + start), bisect_left(short_of, offset * 1440 + end)
            minutes.update(range(opens, closes))
    return first, sorted(minutes)


@st.composite
def calendars(draw) -> Calendar:
    zone = draw(st.sampled_from(sorted(TURNS)))
    grain = draw(st.sampled_from([1, 15, 30]))

    def day() -> tuple[tuple[int, int], ...]:
        edges = draw(st.lists(st.integers(0, 1440 // grain), max_size=6, unique=True).map(sorted))
        return tuple((edges[n] * grain, edges[n + 1] * grain) for n in range(0, len(edges) - 1, 2))

    week = [day() for _ in range(7)]
    if draw(st.booleans()):
        earliest = min((windows[0][0] for windows in week if windows), default=0)
        tail = draw(st.integers(0, earliest))
        week = [(*windows[:-1], (windows[-1][0], 1440 + tail)) if windows else () for windows in week]
    closed = draw(st.lists(st.sampled_from(list(OPEN_DAYS)), max_size=3))
    return Calendar(zone, tuple(week), {TURNS[zone] + timedelta(days=n): () for n in closed})


@settings(max_examples=600, deadline=None)
@given(calendars(), st.integers(0, 9 * 1440), st.integers(1, 3000))
def test_arithmetic_agrees_with_stepping_through_the_minutes(calendar, start, minutes):
    first, opened = open_minutes(calendar)
    begin = first + timedelta(minutes=start)
    ahead = opened[bisect_left(opened, start) :]
    ahead = [minute for minute in ahead if minute < (LIST_DAYS - 4) * 1440]
    if ahead:
        assert next_open(calendar, begin) == first + timedelta(minutes=ahead[0])
    if len(ahead) >= minutes:
        due = first + timedelta(minutes=ahead[minutes - 1] + 1)
        assert add(calendar, begin, minutes) == due
        assert between(calendar, begin, due) == minutes
        assert explain(calendar, begin, minutes)[-1].end == due


@given(calendars(), st.integers(0, 9 * 1440 * 60), st.floats(0, 3000), st.floats(0, 3000))
@settings(max_examples=200, deadline=None)
def test_a_pause_at_any_moment_keeps_what_remains(calendar, second, target, paused_after):
    start = wall_clock(calendar.time_zone)[0] + timedelta(seconds=second)
    paused_at = start + timedelta(minutes=paused_after)
    try:
        due = add(calendar, start, target)
    except NoBusinessTimeError:
        return
    if due <= paused_at or between(calendar, start, due) == 0:
        return
    remaining = between(calendar, start, due) - between(calendar, start, paused_at)
    assert abs(add(calendar, paused_at, remaining) - due) <= timedelta(microseconds=1)


def test_the_end_of_a_window_is_kept_by_days_and_the_minute_after_it_moves_on():
    assert add_days(OFFICE, at("2026-11-25 12:00"), 1) == at("2026-11-26 12:00")
    assert add_days(OFFICE, at("2026-11-25 12:01"), 1) == at("2026-11-26 13:00")
    assert add_days(OFFICE, at("2026-11-25 18:00"), 1) == at("2026-11-26 18:00")
