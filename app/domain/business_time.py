"""Business time: working windows of one calendar, and arithmetic on them. Pure; UTC in, UTC out.

A window belongs to the local day on which it starts, also where it runs past midnight: a closure removes the
windows that start on that day, never the tail of the night shift before it. Windows are half-open: work due at the
end of a window is due then, and one minute more falls into the next window. A window opens when the wall clock first
reaches its start and closes when the wall clock has reached its end for the last time; where a change to summer time
skips either, the moment of the jump stands for it. All sums are made on UTC microseconds, because an aware datetime
plus a timedelta moves the wall clock, not time.

A pause keeps remaining minutes, never a due time: `remaining = target - between(start, paused_at)`, and on resuming
`due = add(now, remaining)`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from math import isnan
from types import MappingProxyType
from typing import cast
from zoneinfo import ZoneInfo

from app.domain.errors import ValidationFailedError

Windows = tuple[tuple[int, int], ...]

HORIZON_DAYS = 400
DAY_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_DAY_MINUTES = 1440
_LATEST_MINUTE = 2 * _DAY_MINUTES
_MICROSECOND = timedelta(microseconds=1)
_MINUTE = 60_000_000
_DAY = _DAY_MINUTES * _MINUTE
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_LAST_MOMENT = (date(9990, 1, 1).toordinal() - _EPOCH_ORDINAL) * _DAY
_MEMO_DAYS = 1024

_ZONE = re.compile(r"[A-Z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}")
_WINDOW = re.compile(r"([0-9]{2}):([0-5][0-9])-([0-9]{2}):([0-5][0-9])")


class NoBusinessTimeError(ValidationFailedError):
    """The calendar has not enough business time within 400 days, or the moment lies outside 1970 to 9989."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """Working windows of one organisation, in minutes after local midnight: 0 <= start < end <= 2880.

    `weekly` runs from Monday to Sunday. `exceptions` replaces a day's windows; a closure is the empty tuple.
    `known_through` is the last local day whose holidays are settled, None where nobody vouches for any.
    A calendar that breaks a rule cannot be made: ValueError names the path of the wrong part.
    """

    time_zone: str
    weekly: tuple[Windows, ...]
    exceptions: Mapping[date, Windows] = field(default_factory=dict[date, Windows], hash=False)
    known_through: date | None = None
    _memo: dict[int, Windows] = field(default_factory=dict[int, Windows], init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _zone(self.time_zone)
        object.__setattr__(self, "exceptions", MappingProxyType(dict(self.exceptions)))
        if len(self.weekly) != len(DAY_NAMES):
            raise ValueError("weekly: seven days are needed, from Monday to Sunday")
        for index, name in enumerate(DAY_NAMES):
            _refuse_disorder(f"weekly.{name}", self.weekly[index], self.weekly[index - 1])
        for day, windows in self.exceptions.items():
            path = f"exceptions.{day.isoformat()}"
            _refuse_disorder(path, windows, self.windows(day.toordinal() - 1))
            _refuse_disorder(path, self.windows(day.toordinal() + 1), windows)

    def windows(self, ordinal: int) -> Windows:
        """Return the windows that start on the local day `ordinal`, in minutes after its midnight."""
        day = date.fromordinal(ordinal)
        return self.exceptions.get(day, self.weekly[day.weekday()])

    def spans(self, ordinal: int) -> Windows:
        """Return the same windows as UTC microseconds since 1970; what a summer-time jump swallowed is left out."""
        spans = self._memo.get(ordinal)
        if spans is None:
            midnight = datetime.combine(date.fromordinal(ordinal), datetime.min.time())
            zone = _zone(self.time_zone)
            pairs = (
                (_instant(midnight, start, zone, latest=False), _closing(midnight, end, zone))
                for start, end in self.windows(ordinal)
            )
            spans = tuple((start, end) for start, end in pairs if start < end)
            if len(self._memo) >= _MEMO_DAYS:
                self._memo.clear()
            self._memo[ordinal] = spans
        return spans


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of counted business time, both ends in UTC."""

    start: datetime
    end: datetime
    minutes: float


def add(calendar: Calendar, start: datetime, minutes: float) -> datetime:
    """Return the moment at which `minutes` of business time have passed since `start`.

    Zero minutes do not move `start`, also outside business hours. Exact to the microsecond, so the float that
    `between` returned can be added. ValueError below zero; NoBusinessTimeError beyond 400 days.
    """
    remaining = _microseconds(minutes)
    since = _moment(start)
    if remaining == 0:
        return _datetime(since)
    for opens, closes in _open(calendar, since, since + HORIZON_DAYS * _DAY):
        if remaining <= closes - opens:
            return _datetime(opens + remaining)
        remaining -= closes - opens
    raise _no_business_time()


def explain(calendar: Calendar, start: datetime, minutes: float) -> tuple[Interval, ...]:
    """Return what `add` counted, interval by interval; the last one ends at the due time. Empty for zero minutes."""
    due = _moment(add(calendar, start, minutes))
    return tuple(
        Interval(_datetime(opens), _datetime(closes), (closes - opens) / _MINUTE)
        for opens, closes in _open(calendar, _moment(start), due)
    )


def between(calendar: Calendar, start: datetime, end: datetime) -> float:
    """Return the business minutes from `start` to `end`; negative where `end` comes first."""
    since, until = _moment(start), _moment(end)
    if until < since:
        return -between(calendar, end, start)
    return sum(closes - opens for opens, closes in _open(calendar, since, until)) / _MINUTE


def next_open(calendar: Calendar, at: datetime) -> datetime:
    """Return `at` where it lies in business time, else the next opening. NoBusinessTimeError beyond 400 days."""
    since = _moment(at)
    for opens, _ in _open(calendar, since, since + HORIZON_DAYS * _DAY):
        return _datetime(opens)
    raise _no_business_time()


def add_days(calendar: Calendar, start: datetime, days: int) -> datetime:
    """Return `start` moved by `days` business days: the same local time on the n-th later day that has a window.

    A moment inside a window counts as part of the day on which that window started, so 02:00 in a night shift moves
    to 02:00 in the n-th later shift. The minute at which a window ends still belongs to it: noon stays noon before a
    lunch. Where the target day is not open at that time, the answer is its next opening, after its last window that
    window's end. Zero days do not move `start`. ValueError below zero; NoBusinessTimeError beyond 400 days.
    """
    if days < 0:
        raise ValueError("days: at least 0")
    since = _moment(start)
    if days == 0:
        return _datetime(since)
    zone = _zone(calendar.time_zone)
    local = _datetime(since).astimezone(zone).replace(tzinfo=None, fold=0)
    day = _day_of(calendar, since, local.date().toordinal())
    past_midnight = local - datetime.combine(date.fromordinal(day), datetime.min.time())
    left = days
    for ordinal in range(day + 1, day + HORIZON_DAYS + 1):
        spans = calendar.spans(ordinal)
        left -= bool(spans)
        if left == 0:
            midnight = datetime.combine(date.fromordinal(ordinal), datetime.min.time())
            return _datetime(_clamp(_instant_at(midnight + past_midnight, zone, latest=False), spans))
    raise _no_business_time()


def is_known(calendar: Calendar, at: datetime) -> bool:
    """Return whether the holidays of the local day of `at` are settled, so that a promise for it can be kept."""
    local = _datetime(_moment(at)).astimezone(_zone(calendar.time_zone))
    return calendar.known_through is not None and local.date() <= calendar.known_through


def parse_calendar(document: Mapping[str, object]) -> Calendar:
    """Return the calendar that a JSON document describes; ValueError names the path of the first wrong part.

    Members: `time_zone` (IANA), `weekly` (`mon` to `sun`, each a list of `"09:00-12:00"`; a missing day is closed),
    and optionally `closures` (dates or `{"on", "label"}`), `exceptions` (date to windows) and `known_through`.
    An end at or before its start lies on the next day: `"22:00-06:00"`; hours up to 48 may be used instead.
    """
    _refuse_unknown("calendar", document, ("time_zone", "weekly", "closures", "exceptions", "known_through"))
    time_zone = document.get("time_zone")
    if not isinstance(time_zone, str):
        raise _needed("time_zone", 'an IANA name such as "Asia/Tokyo"')
    weekly = _mapping("weekly", document.get("weekly"))
    _refuse_unknown("weekly", weekly, DAY_NAMES)
    if not any(weekly.values()):
        raise ValueError("weekly: at least one day needs a window")
    exceptions: dict[date, Windows] = {}
    for index, closure in enumerate(_sequence("closures", document.get("closures", ()))):
        exceptions[_closed_on(f"closures[{index}]", closure)] = ()
    for key, windows in _mapping("exceptions", document.get("exceptions", {})).items():
        day = _date("exceptions", key)
        path = f"exceptions.{key}"
        if day in exceptions:
            raise ValueError(f"{path}: also listed in closures")
        exceptions[day] = _windows(path, windows)
    known_through = document.get("known_through")
    return Calendar(
        time_zone=time_zone,
        weekly=tuple(_windows(f"weekly.{name}", weekly.get(name, ())) for name in DAY_NAMES),
        exceptions=exceptions,
        known_through=None if known_through is None else _date("known_through", known_through),
    )


def _open(calendar: Calendar, since: int, until: int) -> Iterator[tuple[int, int]]:
    """Yield the open spans within [since, until), in order and without overlap."""
    # No zone is further than a day from UTC and no window longer than two: no local time is needed to begin with.
    first = since // _DAY + _EPOCH_ORDINAL - 3
    for ordinal in range(first, until // _DAY + _EPOCH_ORDINAL + 2):
        for opens, closes in calendar.spans(ordinal):
            if closes <= since:
                continue
            since = max(opens, since)
            if since >= until:
                return
            yield since, min(closes, until)
            since = closes


def _day_of(calendar: Calendar, at: int, local_day: int) -> int:
    """Return the day of the window that contains `at`, else `local_day`."""
    for ordinal in (local_day, local_day - 1, local_day - 2):
        if any(opens <= at < closes for opens, closes in calendar.spans(ordinal)):
            return ordinal
    return local_day


def _clamp(at: int, spans: Windows) -> int:
    for opens, closes in spans:
        if at <= closes:
            return max(at, opens)
    return spans[-1][1]


def _closing(midnight: datetime, minute: int, zone: ZoneInfo) -> int:
    """Return the end of the window's last minute; an end that comes twice counts the second time only if that does."""
    last = _instant(midnight, minute - 1, zone, latest=True) + _MINUTE
    return min(_instant(midnight, minute, zone, latest=True), last)


def _instant(midnight: datetime, minute: int, zone: ZoneInfo, *, latest: bool) -> int:
    return _instant_at(midnight + timedelta(minutes=minute), zone, latest=latest)


def _instant_at(wall: datetime, zone: ZoneInfo, *, latest: bool) -> int:
    """Return when `zone` shows `wall`: the first or the latest time, or the jump that skipped it."""
    before = zone.utcoffset(wall.replace(tzinfo=zone, fold=0))
    after = zone.utcoffset(wall.replace(tzinfo=zone, fold=1))
    if before is None or after is None:
        raise ValueError("time_zone: has no offset")
    moment = (wall.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
    early, late = moment - before // _MICROSECOND, moment - after // _MICROSECOND
    if early <= late:
        return late if latest else early
    while early - late > 1:  # a skipped wall time: halve the stretch that holds the jump, (late, early]
        middle = (early + late) // 2
        if _datetime(middle).astimezone(zone).utcoffset() == after:
            early = middle
        else:
            late = middle
    return early


def _moment(at: datetime) -> int:
    moment = (at - _EPOCH) // _MICROSECOND
    if not 0 <= moment < _LAST_MOMENT:
        raise NoBusinessTimeError("Business time is kept from 1970 to 9989.")
    return moment


def _datetime(moment: int) -> datetime:
    return _EPOCH + timedelta(microseconds=moment)


def _microseconds(minutes: float) -> int:
    if isnan(minutes) or minutes < 0:
        raise ValueError("minutes: at least 0")
    if minutes > HORIZON_DAYS * _DAY_MINUTES:
        raise _no_business_time()
    return round(minutes * _MINUTE)


def _no_business_time() -> NoBusinessTimeError:
    return NoBusinessTimeError(f"The calendar has not enough business time in the next {HORIZON_DAYS} days.")


def _zone(name: str) -> ZoneInfo:
    # A capital first letter keeps out `localtime`, `posix/` and `right/`, which differ from machine to machine.
    if not _ZONE.fullmatch(name):
        raise ValueError("time_zone: not an IANA time zone")
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("time_zone: not an IANA time zone") from None


def _refuse_disorder(path: str, windows: Windows, day_before: Windows) -> None:
    for start, end in windows:
        if not 0 <= start < end <= _LATEST_MINUTE:
            raise ValueError(f"{path}: a window must start before it ends and end within two days")
    if any(earlier[1] > later[0] for earlier, later in pairwise(windows)):
        raise ValueError(f"{path}: windows overlap or are out of order")
    if windows and day_before and day_before[-1][1] - _DAY_MINUTES > windows[0][0]:
        raise ValueError(f"{path}: a window overlaps one of the day before")


def _needed(path: str, what: str) -> ValueError:
    return ValueError(f"{path}: {what} is needed")


def _refuse_unknown(path: str, document: Mapping[str, object], known: Sequence[str]) -> None:
    """Refuse a field that is not known; its name is not repeated, it may be anything."""
    for key in document:
        if key not in known:
            raise ValueError(f"{path}: only {', '.join(known)} may stand here")


def _mapping(path: str, value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise _needed(path, "an object")
    return cast("Mapping[str, object]", value)


def _sequence(path: str, value: object) -> Sequence[object]:
    if not isinstance(value, list | tuple):
        raise _needed(path, "a list")
    return cast("Sequence[object]", value)


def _closed_on(path: str, closure: object) -> date:
    if isinstance(closure, str):
        return _date(path, closure)
    entry = _mapping(path, closure)
    _refuse_unknown(path, entry, ("on", "label"))
    if not isinstance(entry.get("label", ""), str):
        raise _needed(f"{path}.label", "text")
    return _date(f"{path}.on", entry.get("on"))


def _date(path: str, value: object) -> date:
    try:
        day = date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        day = None
    if day is None or day.isoformat() != value or not 1970 <= day.year < 9990:
        raise _needed(path, 'a date such as "2026-12-29"')
    return day


def _windows(path: str, value: object) -> Windows:
    windows = [_window(f"{path}[{index}]", text) for index, text in enumerate(_sequence(path, value))]
    return tuple(sorted(windows))


def _window(path: str, value: object) -> tuple[int, int]:
    match = _WINDOW.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise _needed(path, 'a window such as "09:00-12:00"')
    from_hour, from_minute, to_hour, to_minute = map(int, match.groups())
    start, end = from_hour * 60 + from_minute, to_hour * 60 + to_minute
    if start == end:
        raise ValueError(f"{path}: the window is empty; a whole day is 00:00-24:00")
    if end < start:
        end += _DAY_MINUTES
    if not 0 <= start < end <= _LATEST_MINUTE:
        raise ValueError(f"{path}: a window must start before it ends and end within two days")
    return start, end
