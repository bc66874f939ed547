"""Baton's clock as the demo knows it: real time plus what was advanced, shown in the time of the demo's calendar."""

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx2


class DemoClock:
    """Follows and moves Baton's clock. Business mornings are read from the calendar file, not asked of Baton."""

    def __init__(self, calendar: dict[str, Any]) -> None:
        self.zone = ZoneInfo(calendar["time_zone"])
        self._ahead = timedelta()
        self._weekly: dict[str, list[str]] = calendar["weekly"]
        self._closures = {str(closure["on"]): str(closure["label"]) for closure in calendar["closures"]}

    def now(self) -> datetime:
        """Return the time on Baton's clock, in the calendar's zone."""
        return (datetime.now(UTC) + self._ahead).astimezone(self.zone)

    def local(self, moment: str) -> datetime:
        """Return an RFC 3339 time in the calendar's zone."""
        return datetime.fromisoformat(moment).astimezone(self.zone)

    def at(self, hour: int, minute: int = 0) -> datetime:
        """Return a time of the present day."""
        return self.now().replace(hour=hour, minute=minute, second=0, microsecond=0)

    def next_morning(self) -> tuple[datetime, list[str]]:
        """Return the next moment at which business opens on a fresh day, and why the days before it do not count."""
        skipped: list[str] = []
        day = self.now().date()
        while True:
            windows = self._weekly.get(f"{day:%a}".lower())
            closure = self._closures.get(day.isoformat())
            if windows and not closure:
                opens = datetime.combine(day, time.fromisoformat(windows[0].split("-")[0]), self.zone)
                if opens > self.now():
                    return opens, skipped
            else:
                skipped.append(f"{day:%a} {closure or 'weekend'}")
            day += timedelta(days=1)

    async def advance_to(self, http: httpx2.AsyncClient, moment: datetime) -> None:
        """Move Baton's clock forward to `moment`."""
        seconds = max(0.0, (moment - self.now()).total_seconds())
        answer = await http.post("/test/clock/advance", json={"seconds": seconds})
        if answer.status_code != 200:
            raise RuntimeError(f"POST /test/clock/advance answered {answer.status_code}: {answer.text[:200]}")
        self._ahead += timedelta(seconds=seconds)
