"""Collects the rows that a decision changes and writes them in one statement.

Each row is one data-modifying CTE (rows of one table share one INSERT, so numbers are drawn in their order). The text
of the statement depends on its shape only and is built once per shape; values travel as parameters.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from app.db.session import Transaction


class Insert(NamedTuple):
    """Rows that are added; their values follow each other, column by column."""

    table: str
    columns: tuple[str, ...]
    rows: int

    @property
    def fields(self) -> tuple[str, ...]:
        """The columns in the order of the values."""
        return self.columns


class Update(NamedTuple):
    """A row that is changed: the values of its columns, then those of its key."""

    table: str
    columns: tuple[str, ...]
    key: tuple[str, ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """The columns in the order of the values."""
        return (*self.columns, *self.key)


class Upsert(NamedTuple):
    """A row that is added or changed; its key is among the columns."""

    table: str
    columns: tuple[str, ...]
    key: tuple[str, ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """The columns in the order of the values."""
        return self.columns

    @property
    def resolution(self) -> str:
        """What becomes of a row that exists."""
        changed = ", ".join(f"{name} = excluded.{name}" for name in self.columns if name not in self.key)
        return f" on conflict ({', '.join(self.key)}) do update set {changed}"


class Delete(NamedTuple):
    """A row that is removed."""

    table: str
    key: tuple[str, ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """The columns in the order of the values."""
        return self.key


Part = Insert | Update | Upsert | Delete


@lru_cache(maxsize=1024)
def _statement(parts: tuple[Part, ...]) -> str:
    n = 0

    def place() -> str:
        nonlocal n
        n += 1
        return f"${n}"

    texts: list[str] = []
    for part in parts:
        if isinstance(part, Insert):
            rows = ", ".join(f"({', '.join(place() for _ in part.columns)})" for _ in range(part.rows))
            texts.append(f"insert into baton.{part.table} ({', '.join(part.columns)}) values {rows}")  # noqa: S608  # names are the program's own
            continue
        if isinstance(part, Upsert):
            row = ", ".join(place() for _ in part.columns)
            texts.append(f"insert into baton.{part.table} ({', '.join(part.columns)}) values ({row}){part.resolution}")  # noqa: S608
            continue
        changed = ", ".join(f"{name} = {place()}" for name in part.columns) if isinstance(part, Update) else ""
        found = " and ".join(f"{name} = {place()}" for name in part.key)
        verb = f"update baton.{part.table} set {changed}" if changed else f"delete from baton.{part.table}"  # noqa: S608
        texts.append(f"{verb} where {found}")
    if len(texts) == 1:
        return texts[0]
    return "with " + ", ".join(f"w{i} as ({text})" for i, text in enumerate(texts)) + " select 1"


class Writes:
    """The rows to write. Table and column names are the program's own; values are parameters."""

    def __init__(self) -> None:
        self._inserts: dict[tuple[str, tuple[str, ...]], list[object]] = {}
        self._changes: list[tuple[Part, list[object]]] = []

    def insert(self, table: str, row: Mapping[str, object]) -> None:
        """Add a row."""
        self._inserts.setdefault((table, tuple(row)), []).extend(row.values())

    def update(self, table: str, key: Mapping[str, object], values: Mapping[str, object]) -> None:
        """Change the row that `key` names; a row is changed at most once in one set of writes."""
        self._changes.append((Update(table, tuple(values), tuple(key)), [*values.values(), *key.values()]))

    def upsert(self, table: str, key: Mapping[str, object], values: Mapping[str, object]) -> None:
        """Add the row that `key` names, or change it where it exists."""
        self._changes.append((Upsert(table, (*key, *values), tuple(key)), [*key.values(), *values.values()]))

    def delete(self, table: str, key: Mapping[str, object]) -> None:
        """Remove the rows that `key` names."""
        self._changes.append((Delete(table, tuple(key)), list(key.values())))

    def parts(self) -> Iterator[tuple[Part, list[object]]]:
        """Yield what is written, each part with its values."""
        for (table, columns), held in self._inserts.items():
            yield Insert(table, columns, len(held) // len(columns)), held
        yield from self._changes

    async def run(self, tx: Transaction) -> None:
        """Write everything in one statement."""
        parts: list[Part] = []
        values: list[object] = []
        for part, held in self.parts():
            parts.append(part)
            values.extend(held)
        if parts:
            await tx.execute(_statement(tuple(parts)), *values)
