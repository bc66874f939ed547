"""What an agreement is about, so that it can be shown later: a fingerprint of the rules, and rows safe in a sheet."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from hashlib import sha256

REVIEW_AFTER = timedelta(days=182)
"""When a version is looked at again where its proposer names no day: half a year."""
REVIEW_WITHIN = timedelta(days=731)
"""The latest review: two years after the proposal."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""First characters that make spreadsheets read a cell as a formula (OWASP, CSV injection), full-width ones included."""


def fingerprint(document: Mapping[str, object]) -> str:
    """Return the SHA-256 (hex) of a document as JSON in UTF-8, keys sorted, without spaces."""
    text = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return sha256(text.encode()).hexdigest()


def review_day(asked: date | None, today: date) -> date | None:
    """Return the day on which a version is to be reviewed; None where the day asked for is past or too far."""
    if asked is None:
        return today + REVIEW_AFTER
    return asked if today < asked <= today + REVIEW_WITHIN else None


def sheet(head: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    """Return rows as CSV (RFC 4180) under `head`; no cell is a formula, null is an empty cell."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(head)
    writer.writerows([_cell(row[name]) for name in head] for row in rows)
    return out.getvalue()


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
