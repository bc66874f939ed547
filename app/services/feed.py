"""The feed of one organisation: published bodies by sequence, read with a cursor that misses nothing.

Sequences have no gaps and appear in their order, since one publisher commits them. So a reader that goes on after the
last one it saw has seen all. A cursor says after which sequence to go on, and since which day later ones can be: the
day of that event while there is more, else the day of the question. Its promise holds as long as that day is kept.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from app.db.session import Transaction
from app.domain.actor import Actor
from app.domain.errors import InvalidCursorError
from app.services.kit import Kit

KEPT_DAYS: Final = 90
"""How long the feed is kept (design 7.7)."""
DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 500
_WINDOW: Final = 10_000
"""Sequences that one question looks through for the types that it asks for."""

_PAGE: Final = f"""
with head as (
  select current_date as today,
    (select sequence from baton.feed where tenant_id = $1 and organization_id = $2 and test = $7
      and published_on >= coalesce($4::date, '-infinity') order by sequence desc limit 1) as last,
    coalesce($3::bigint, (select sequence - 1 from baton.feed
      where tenant_id = $1 and organization_id = $2 and test = $7 order by sequence limit 1), 0) as after
), page as (
  select f.sequence, f.published_on, f.body from baton.feed as f
  where f.tenant_id = $1 and f.organization_id = $2 and f.test = $7
    and f.published_on >= coalesce($4::date, '-infinity')
    and f.sequence > (select after from head) and f.sequence <= (select after from head) + {_WINDOW}
    and ($5::text[] is null or f.type = any($5))
  order by f.sequence limit $6
)
select head.today, head.last, head.after, page.sequence, page.published_on, page.body
from head left join page on true order by page.sequence
"""  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class Asked:
    """Which events: of these types (None: all); those of test leads, or those of real ones. Each has its own feed."""

    types: tuple[str, ...] | None = None
    test: bool = False


EVERYTHING: Final = Asked()


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Bodies as they were frozen, and where to go on; `has_more` where asking at once would give more."""

    bodies: tuple[bytes, ...]
    next_cursor: str
    has_more: bool


@dataclass(frozen=True, slots=True)
class _Place:
    """After this sequence; what comes later was published on `day` or after it."""

    sequence: int | None
    day: date | None


async def read(
    tx: Transaction, by: Actor, kit: Kit, cursor: str | None, limit: int, asked: Asked = EVERYTHING
) -> FeedPage:
    """Return up to `limit` bodies of the caller's organisation after `cursor`; without one, from the oldest kept.

    A cursor is the organisation's: any of its clients may go on with it, with other types too. Raises
    InvalidCursorError where events after it may have been dropped.
    """
    test = asked.test or by.test
    bound_to = (b"test" if test else b"feed") + by.tenant_id.bytes + by.organization_id.bytes
    place = _opened(kit, cursor, bound_to) if cursor is not None else _Place(None, None)
    limit = min(limit, MAX_LIMIT)
    wanted = None if asked.types is None else list(asked.types)
    # A day earlier, in case the server's day has changed its beginning (its time zone).
    since = place.day and place.day - timedelta(days=1)
    rows = await tx.fetch(_PAGE, by.tenant_id, by.organization_id, place.sequence, since, wanted, limit, test)
    head = rows[0]
    today: date = head["today"]
    if place.day is not None and place.day < today - timedelta(days=KEPT_DAYS):
        raise InvalidCursorError(
            f"Events after this cursor are no longer kept ({KEPT_DAYS} days). Read the leads that changed since with "
            "GET /v1/leads?updated_since=..., then start anew without a cursor."
        )
    found = [row for row in rows if row["sequence"] is not None]
    last: int = max(head["last"] or 0, head["after"])
    full = len(found) == limit
    reached = found[-1]["sequence"] if full else min(last, head["after"] + _WINDOW)
    has_more = reached < last
    day = today if not has_more else found[-1]["published_on"] if full else place.day
    following = {"s": reached, "d": None if day is None else day.isoformat()}
    bodies = tuple(row["body"].encode() for row in found)
    return FeedPage(bodies, kit.cursors.seal(following, bound_to=bound_to), has_more)


def _opened(kit: Kit, cursor: str, bound_to: bytes) -> _Place:
    held: dict[str, Any] = kit.cursors.open(cursor, bound_to=bound_to)
    return _Place(int(held["s"]), None if held["d"] is None else date.fromisoformat(held["d"]))
