"""Keyset paging for every list: a page goes on after the last row of the one before, wherever rows were added since.

A cursor says where a list goes on and opens only for the client and the filter that it was given to. It never
authorises: the statement decides again what may be seen.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from app.db.session import Transaction
from app.domain.errors import InvalidCursorError

DEFAULT_LIMIT = 50
MAX_LIMIT = 100
"""More is coerced to this (security.md 1.3)."""

Item = TypeVar("Item")
Scalar = str | int | float | bool | None
Place = datetime | UUID | int


class Sealer(Protocol):
    """Seals and opens the text of a cursor."""

    def seal(self, payload: Mapping[str, Scalar], *, bound_to: bytes) -> str:
        """Return the text of a cursor."""
        ...

    def open(self, text: str, *, bound_to: bytes) -> dict[str, Scalar]:
        """Return what was sealed, or raise InvalidCursorError."""
        ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """The page that a caller asks for: at most `limit` rows after `cursor`, of the list that `bound_to` names."""

    limit: int
    cursor: str | None
    bound_to: bytes
    sealer: Sealer


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """One page of a list; without `next_cursor` it is the last one."""

    items: list[Item]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Key:
    """One expression that a list is ordered by, and the column of its rows that holds the value; never null."""

    expression: str
    column: str
    kind: type[Place]


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a list. The keys run in one direction and are unique together."""

    keys: tuple[Key, ...]
    descending: bool = False

    @property
    def by(self) -> str:
        """Return the terms of ORDER BY."""
        return ", ".join(f"{key.expression} desc" if self.descending else key.expression for key in self.keys)

    def after(self, first: int) -> str:
        """Return the condition of a row that comes later, its values being the parameters from `first` on."""
        values = ", ".join(f"${first + place}" for place in range(len(self.keys)))
        expressions = ", ".join(key.expression for key in self.keys)
        return f"({expressions}) {'<' if self.descending else '>'} ({values})"


@dataclass(frozen=True, slots=True)
class Listing:
    """A list as SQL. `select` ends in its WHERE clause.

    `around` may join more to the page once it is cut: it holds `{}` where the page's statement goes, and calls it as
    `select` calls its table, so that the order can be kept.
    """

    select: str
    order: Order
    around: str = ""


async def read(tx: Transaction, wanted: Wanted, listing: Listing, args: Sequence[object]) -> Page[dict[str, Any]]:
    """Return one page of a list in one statement. Raises InvalidCursorError before it asks the database."""
    place = _place(wanted, listing.order) if wanted.cursor else ()
    statement = _statement(listing, len(args), wanted.limit, bool(place))
    rows = [dict(row) for row in await tx.fetch(statement, *args, *place)]
    if len(rows) <= wanted.limit:
        return Page(rows, None)
    last = rows[wanted.limit - 1]
    values = {str(n): _shown(last[key.column]) for n, key in enumerate(listing.order.keys)}
    return Page(rows[: wanted.limit], wanted.sealer.seal(values, bound_to=wanted.bound_to))


def shaped(page: Page[dict[str, Any]], shape: Callable[[dict[str, Any]], Item]) -> Page[Item]:
    """Return the page with each row as callers see it."""
    return Page([shape(row) for row in page.items], page.next_cursor)


@lru_cache(maxsize=2048)
def _statement(listing: Listing, given: int, limit: int, goes_on: bool) -> str:
    # The limit stands in the text: as a parameter the planner would take it for a tenth of the table.
    after = f" and {listing.order.after(given + 1)}" if goes_on else ""
    page = f"{listing.select}{after} order by {listing.order.by} limit {limit + 1}"
    return f"{listing.around.format(page)} order by {listing.order.by}" if listing.around else page


def _place(wanted: Wanted, order: Order) -> tuple[Place, ...]:
    held = wanted.sealer.open(wanted.cursor or "", bound_to=wanted.bound_to)
    try:
        return tuple(_read(held[str(n)], key.kind) for n, key in enumerate(order.keys))
    except (KeyError, ValueError):
        raise InvalidCursorError("The cursor is not valid for this list.") from None


def _shown(value: Any) -> Scalar:  # noqa: ANN401  # asyncpg's rows are untyped
    return value if isinstance(value, int) else str(value)


def _read(value: Scalar, kind: type[Place]) -> Place:
    if kind is int and isinstance(value, int):
        return value
    return datetime.fromisoformat(str(value)) if kind is datetime else UUID(str(value))
