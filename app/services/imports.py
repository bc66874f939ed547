"""Imports leads while their body arrives: 100 rows a transaction, a result for each row, nothing lost when it breaks.

A row is refused for itself: rows before and after it stand. Re-sent rows answer `same`, so an import that broke off is
simply sent again.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from uuid import UUID, uuid4

import asyncpg  # pyright: ignore[reportMissingTypeStubs]  # the driver ships none
from jiter import from_json
from pydantic_core import to_json

from app.db.session import Database, Transaction
from app.db.writes import Writes
from app.domain import ids
from app.domain.actor import Actor, Side
from app.domain.errors import (
    BatonError,
    ExternalIdInUseError,
    MalformedBodyError,
    NotFoundError,
    NotPermittedError,
    ValidationFailedError,
)
from app.domain.import_rows import Cutter, RowError, body_of, cells, decode, unknown_columns
from app.domain.view import marked, stamp
from app.schemas.leads import LeadIn

ROWS_A_TRANSACTION: Final = 100  # contract 3
_PAGE: Final = 500

_ENDED = "update baton.lead_import set status = $3, ended_at = baton.now() where tenant_id = $1 and id = $2"
_FIND = """
select * from baton.lead_import
where tenant_id = $1 and id = $2 and ($3::uuid is null or partner_id = $3) and (test or not $4::boolean)
"""
_ROWS = """
select line, external_id, result, lead_id, problem from baton.lead_import_row
where tenant_id = $1 and import_id = $2 and line > $3 and ($5::text is null or result = $5) order by line limit $4
"""

Result = Literal["created", "same", "updated", "refused"]
RowReader = Callable[[str], object]
Validate = Callable[[object], LeadIn]
Take = Callable[[Transaction, Actor, LeadIn], Awaitable[tuple[UUID, bool]]]
Amend = Callable[[Transaction, Actor, LeadIn], Awaitable[UUID]]


@dataclass(frozen=True, slots=True)
class Means:
    """How a row is read, checked, taken in and, where the import says so, applied to a lead that is there already."""

    parse: RowReader
    validate: Validate
    take: Take
    amend: Amend | None


@dataclass(slots=True)
class _Row:
    line: int
    body: LeadIn | None
    external_id: str | None = None
    result: Result = "refused"
    lead_id: UUID | None = None
    problem: dict[str, Any] | None = None

    def refuse(self, error: BatonError) -> None:
        self.result, self.lead_id = "refused", None
        self.problem = {"type": f"/problems/{error.slug}", "detail": error.detail, **error.members}


@dataclass(slots=True)
class Import:
    """One import on its way."""

    database: Database
    actor: Actor
    means: Means
    form: Literal["ndjson", "csv"]
    id: UUID = field(default_factory=uuid4)
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("created", "same", "updated", "refused"), 0))
    _header: list[str] | None = None
    _line: int = 0
    _batch: list[_Row] = field(default_factory=list[_Row])

    async def run(self, parts: AsyncIterator[bytes]) -> dict[str, Any]:
        """Take every row as it arrives; returns the counts. Raises ValidationFailedError for an unknown column."""
        if self.actor.side is not Side.PARTNER:
            raise NotPermittedError("Partners import their own leads.")
        cutter = Cutter(quoted=self.form == "csv")
        begun, status = False, "aborted"
        try:
            async for part in parts:
                for row in cutter.feed(part):
                    begun = await self._add(row, begun=begun)
            for row in cutter.end():
                begun = await self._add(row, begun=begun)
            begun = begun or await self._begin()
            await self._flush()
            status = "ended"
        finally:
            if begun:
                async with self.database.transaction(self.actor) as tx:
                    await tx.execute(_ENDED, self.actor.tenant_id, self.id, status)
        done = {"id": ids.show(ids.Prefix.IMPORT, self.id), "status": status, "received": self._received}
        return marked({**done, **self.counts}, test=self.actor.test)

    @property
    def _received(self) -> int:
        return sum(self.counts.values())

    async def _begin(self) -> bool:
        writes = Writes()
        async with self.database.transaction(self.actor) as tx:
            writes.insert(
                "lead_import",
                {
                    "tenant_id": self.actor.tenant_id,
                    "partner_id": self.actor.organization_id,
                    "id": self.id,
                    "format": self.form,
                    "status": "running",
                    "received": 0,
                    **self.counts,
                    "started_at": await tx.now(),
                    "test": self.actor.test,
                },
            )
            await writes.run(tx)
        return True

    async def _add(self, row: bytes, *, begun: bool) -> bool:
        self._line += 1
        if not row.strip():
            return begun
        if self.form == "csv" and self._header is None:
            self._header = self._read_header(row)
            return begun
        begun = begun or await self._begin()
        self._batch.append(self._read(row))
        if len(self._batch) >= ROWS_A_TRANSACTION:
            await self._flush()
        return begun

    def _read_header(self, row: bytes) -> list[str]:
        try:
            header = [name.strip() for name in cells(row)]
        except RowError as error:
            raise MalformedBodyError(str(error)) from None
        if unknown := unknown_columns(header):
            raise ValidationFailedError(
                "The header has columns that do not exist or stand twice.",
                errors=[
                    {"pointer": f"/header/{at}", "code": "unknown_field", "message": "No such column."}
                    for at in unknown
                ],
            )
        return header

    def _read(self, row: bytes) -> _Row:
        read = _Row(self._line, None)
        try:
            value = self.means.parse(decode(row)) if self._header is None else body_of(self._header, cells(row))
            read.external_id = _external_id(value)
            read.body = self.means.validate(value)
        except RowError as error:
            read.refuse(MalformedBodyError(str(error)))
        except BatonError as error:
            read.refuse(error)
        return read

    async def _flush(self) -> None:
        """Write the batch in one transaction; if the database refuses a row, each row in one of its own."""
        batch, self._batch = self._batch, []
        if not batch:
            return
        try:
            await self._write(batch)
        except asyncpg.IntegrityConstraintViolationError:
            for row in batch:
                await self._write([row])

    async def _write(self, batch: list[_Row]) -> None:
        async with self.database.transaction(self.actor) as tx:
            for row in batch:
                if row.body is not None:
                    await self._take(tx, row, row.body)
            await self._record(tx, batch)

    async def _take(self, tx: Transaction, row: _Row, body: LeadIn) -> None:
        try:
            row.lead_id, created = await self.means.take(tx, self.actor, body)
            row.result = "created" if created else "same"
        except ExternalIdInUseError as error:
            if self.means.amend is None:
                row.refuse(error)
                return
            row.lead_id = await self.means.amend(tx, self.actor, body)
            row.result = "updated"
        except BatonError as error:
            row.refuse(error)

    async def _record(self, tx: Transaction, batch: list[_Row]) -> None:
        writes, counts = Writes(), dict(self.counts)
        for row in batch:
            counts[row.result] += 1
            writes.insert(
                "lead_import_row",
                {
                    "tenant_id": self.actor.tenant_id,
                    "partner_id": self.actor.organization_id,
                    "import_id": self.id,
                    "line": row.line,
                    "external_id": row.external_id,
                    "result": row.result,
                    "lead_id": row.lead_id,
                    "problem": to_json(row.problem).decode() if row.problem else None,
                },
            )
        key = {"tenant_id": self.actor.tenant_id, "id": self.id, "partner_id": self.actor.organization_id}
        writes.update("lead_import", key, {**counts, "received": sum(counts.values())})
        await writes.run(tx)
        self.counts = counts


def _external_id(value: object) -> str | None:
    """Return the row's own reference, if it has one that is fit to be shown back."""
    found = value.get("external_id") if isinstance(value, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]  # parsed JSON
    usable = isinstance(found, str) and len(found) <= 64 and found.isascii() and found.isprintable()
    return found if usable else None  # pyright: ignore[reportUnknownVariableType]


async def read(tx: Transaction, actor: Actor, name: str, *, after: int, result: str | None) -> dict[str, Any]:
    """Return an import with a page of its rows, also while it runs. Raises NotFoundError."""
    import_id = ids.read(ids.Prefix.IMPORT, name)
    row = await tx.fetchrow(_FIND, actor.tenant_id, import_id, actor.partner_id, actor.test) if import_id else None
    if row is None:
        raise NotFoundError("There is no such import.")
    rows = await tx.fetch(_ROWS, actor.tenant_id, import_id, after, _PAGE + 1, result)
    shown = {
        "id": name,
        "format": row["format"],
        "status": row["status"],
        **{key: row[key] for key in ("received", "created", "same", "updated", "refused")},
        "started_at": stamp(row["started_at"]),
        "ended_at": stamp(row["ended_at"]),
        "rows": [_row_shown(dict(one)) for one in rows[:_PAGE]],
        "next_after": rows[_PAGE - 1]["line"] if len(rows) > _PAGE else None,
    }
    return marked(shown, test=row["test"])


def _row_shown(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "line": row["line"],
        "external_id": row["external_id"],
        "result": row["result"],
        "lead_id": ids.show(ids.Prefix.LEAD, row["lead_id"]) if row["lead_id"] else None,
        "problem": from_json(row["problem"].encode()) if row["problem"] else None,
    }
