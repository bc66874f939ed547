"""Writes what was decided about many leads in one statement: the rows of a table travel as one array per column.

The text of the statement depends on the tables and columns only, never on how many rows there are, so a batch of any
size is one prepared statement and one plan. Rows of a table keep the order in which they were decided.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from app.db.session import Transaction
from app.db.writes import Insert, Part, Update, Upsert, Writes

_TYPES: Final = """
select c.relname as table, a.attname as column, format_type(a.atttypid, a.atttypmod) as type
from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid
where c.relnamespace = 'baton'::regnamespace and c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped
"""

_Typed = tuple[Part, tuple[str, ...]]
"""A part, and the type of each of its fields."""


class Batches:
    """Writes batches. An array has to name its type: those of the columns are read once, a column keeps its own."""

    def __init__(self) -> None:
        self._types: dict[tuple[str, str], str] = {}

    async def run(self, tx: Transaction, sets: Iterable[Writes]) -> None:
        """Write all sets in one statement. No row is in two of them, and no column is itself an array."""
        whole: dict[Part, list[object]] = {}
        for one in sets:
            for part, held in one.parts():
                kind = part._replace(rows=1) if isinstance(part, Insert) else part
                whole.setdefault(kind, []).extend(held)
        if not whole:
            return
        if not self._types:
            self._types = {(row["table"], row["column"]): row["type"] for row in await tx.fetch(_TYPES)}
        parts: list[_Typed] = []
        values: list[list[object]] = []
        for part, held in whole.items():
            parts.append((part, tuple(self._types[part.table, name] for name in part.fields)))
            values.extend(held[place :: len(part.fields)] for place in range(len(part.fields)))
        await tx.execute(_statement(tuple(parts)), *values)


@lru_cache(maxsize=256)
def _statement(parts: tuple[_Typed, ...]) -> str:
    texts: list[str] = []
    n = 0
    for part, types in parts:
        arrays = ", ".join(f"${n + place}::{kind}[]" for place, kind in enumerate(types, 1))
        n += len(types)
        names = ", ".join(part.fields)
        rows = f"unnest({arrays}) as v ({names})"
        # The names are the program's own, the types the catalogue's.
        if isinstance(part, Insert | Upsert):
            resolution = part.resolution if isinstance(part, Upsert) else ""
            texts.append(f"insert into baton.{part.table} ({names}) select v.* from {rows}{resolution}")  # noqa: S608
            continue
        found = " and ".join(f"t.{name} = v.{name}" for name in part.key)
        if isinstance(part, Update):
            changed = ", ".join(f"{name} = v.{name}" for name in part.columns)
            texts.append(f"update baton.{part.table} as t set {changed} from {rows} where {found}")  # noqa: S608
        else:
            texts.append(f"delete from baton.{part.table} as t using {rows} where {found}")  # noqa: S608
    return "with " + ", ".join(f"w{i} as ({text})" for i, text in enumerate(texts)) + " select 1"
