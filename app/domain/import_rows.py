"""Cuts an import's body into rows while it arrives, and turns a CSV row into the body that a POST would carry.

Columns are dotted paths; lists are split at `; `, pain points read `category: note`, `context.bant.budget` means its
`value` (contract 4). An empty cell is an absent field. A faulty row never hides the rows after it.
"""

import csv
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from typing import Any, Final

MAX_ROW_BYTES: Final = 256 * 1024
"""A row may be as long as the body of one POST (security.md 1.4)."""

_LISTS = frozenset({"context.concerns"})
_PAINS = "context.pain_points"
_VALUES = frozenset({f"context.bant.{name}" for name in ("budget", "authority", "need", "timeline")})
_FLAGS = {"true": True, "false": False, "1": True, "0": False}

COLUMNS: Final = frozenset(
    {
        "program",
        "external_id",
        "test",
        _PAINS,
        *_LISTS,
        *_VALUES,
        *(f"company.{name}" for name in ("name", "corporate_number", "domain", "phone", "industry", "employees")),
        *(f"contact.{name}" for name in ("name", "title", "email", "phone", "role")),
        *(f"provenance.{name}" for name in ("source_kind", "acquired_on", "appi_relation", "basis")),
        *(f"context.{name}" for name in ("expectations", "temperature", "temperature_basis", "personality")),
        "context.next_step.what",
        "context.next_step.due_on",
    }
)
"""Every column of a CSV import."""


class RowError(ValueError):
    """A row that cannot be read at all; the message is for the caller and quotes nothing."""


class Cutter:
    """Cuts bytes into rows. `quoted` rows (CSV) may hold line breaks between quotes; row numbers count from 1."""

    def __init__(self, *, quoted: bool) -> None:
        self._quoted = quoted
        self._rest: bytes = b""
        self._begun = False
        self._open = b""
        self._skipping = False

    def feed(self, part: bytes) -> Iterator[bytes]:
        """Yield the rows that are whole now, without their line end; an over-long one as an empty row of b'\\0'."""
        if not self._begun and (self._rest or part):
            part, self._rest = self._rest + part, b""
            if len(part) < len(BOM_UTF8) and BOM_UTF8.startswith(part):
                self._rest = part
                return
            self._begun, part = True, part.removeprefix(BOM_UTF8)
        *lines, self._rest = (self._rest + part).split(b"\n")
        for line in lines:
            yield from self._line(line)
        if len(self._open) + len(self._rest) > MAX_ROW_BYTES:
            self._skipping, self._rest = True, b""

    def end(self) -> Iterator[bytes]:
        """Yield what is left when the body has ended; a quote that was never closed ends with it."""
        if self._rest:
            yield from self._line(self._rest)
        if self._open:
            yield self._open

    def _line(self, line: bytes) -> Iterator[bytes]:
        whole = self._open + b"\n" + line if self._open else line
        if self._skipping:
            self._skipping, self._open = False, b""
            yield OVERLONG
        elif self._quoted and whole.count(b'"') % 2:
            self._open = whole
        else:
            self._open = b""
            yield whole.removesuffix(b"\r")


OVERLONG: Final = b"\0"
"""Stands for a row over MAX_ROW_BYTES, whose content has been dropped."""


def decode(row: bytes) -> str:
    """Return the text of a row. Raises RowError."""
    if row == OVERLONG:
        raise RowError(f"The row is longer than {MAX_ROW_BYTES} bytes.")
    try:
        return row.decode("utf-8")
    except UnicodeDecodeError:
        raise RowError("The row is not UTF-8.") from None


def cells(row: bytes) -> list[str]:
    """Return the cells of a CSV row. Raises RowError."""
    text = decode(row)
    if "\0" in text:
        raise RowError("The row holds a NUL character.")
    try:
        return next(csv.reader([text], strict=True))
    except (csv.Error, StopIteration):
        raise RowError("The row is not valid CSV.") from None


def unknown_columns(header: Sequence[str]) -> list[int]:
    """Return the places of columns that do not exist or stand twice."""
    return [index for index, name in enumerate(header) if name not in COLUMNS or name in header[:index]]


def body_of(header: Sequence[str], row: Sequence[str]) -> dict[str, Any]:
    """Return the body that a CSV row stands for. Raises RowError when it has more or fewer cells than the header."""
    if len(row) != len(header):
        raise RowError(f"The row has {len(row)} cells, the header has {len(header)}.")
    body: dict[str, Any] = {}
    for name, cell in zip(header, row, strict=True):
        if cell.strip():
            _put(body, name, _value(name, cell.strip()))
    return body


def _value(name: str, cell: str) -> object:
    if name in _LISTS:
        return [part.strip() for part in cell.split("; ") if part.strip()]
    if name == _PAINS:
        return [_pain(part) for part in cell.split("; ") if part.strip()]
    if name in _VALUES:
        return {"value": cell}
    if name == "test":
        return _FLAGS.get(cell.lower(), cell)
    return cell


def _pain(part: str) -> dict[str, str]:
    category, found, note = part.partition(": ")
    return {"category": category.strip(), "note": note.strip()} if found else {"category": category.strip()}


def _put(body: dict[str, Any], name: str, value: object) -> None:
    *parents, last = name.split(".")
    place = body
    for parent in parents:
        place = place.setdefault(parent, {})
    place[last] = value
