"""Writes consultations: the one that a command asks for or ends, and the open ones that end with their lead.

Decides nothing. Whoever calls holds the lead's lock; everything goes into one statement with the rest of a decision.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic_core import to_json

from app.db.cases import Case
from app.db.journal import Journal
from app.db.writes import Writes
from app.domain.consultation import ENDINGS
from app.domain.view import consultation_view, stamp

Row = Mapping[str, Any]
Content = tuple[Mapping[str, Any], Mapping[str, Any]]


def ended(row: Row, case: Case, verb: str, **words: str) -> dict[str, Any]:
    """Return a consultation as `verb` leaves it; `words` are what was said with it."""
    said = {"text": None, "reason": None, "alternative": None}
    decision = {"verb": verb, **said, **words, "by_role": case.role, "at": stamp(case.now)}
    return {**row, "status": ENDINGS[verb].status, "due_at": None, "decision": decision}


def content(row: Row, external_id: str) -> Content:
    """Return what an event of a consultation says: codes and times in the ledger, the words in its body alone."""
    shown = consultation_view(row, external_id)
    ledger = {
        "consultation_id": shown["id"],
        "from_role": row["from_role"],
        "to_role": row["to_role"],
        "status": row["status"],
        "due_at": shown["due_at"],
    }
    return ledger, {"consultation": shown}


def keep(row: dict[str, Any], started: Iterable[Row], writes: Writes, *, new: bool) -> None:
    """Write the consultation that a command is about; a new one is due when its clock is. Brings `row` up to date."""
    if new:
        row["due_at"] = next((clock["due_at"] for clock in started if clock["consultation_id"] == row["id"]), None)
        writes.insert("consultation", row)
    else:
        _end(row, writes)


def close(case: Case, journal: Journal) -> None:
    """Take back every open question about a lead that is closed."""
    for open_ in case.consultations:
        row = ended(open_, case, "withdraw")
        _end(row, journal.writes)
        journal.record(ENDINGS["withdraw"].event, *content(row, case.row["external_id"]))
    case.consultations = []


def _end(row: Row, writes: Writes) -> None:
    key = {name: row[name] for name in ("tenant_id", "id", "partner_id")}
    decision = to_json(row["decision"]).decode()
    writes.update("consultation", key, {"status": row["status"], "due_at": row["due_at"], "decision": decision})


def clock_ends_as(clock_id: object, clocks: Sequence[Row], status: str | None) -> str:
    """Return how a stopped clock ended: the one of a question that nobody answered was not met.

    `status` is that of the consultation that the command ends, None where it ends none.
    """
    asked = any(clock["id"] == clock_id and clock["consultation_id"] is not None for clock in clocks)
    return "cancelled" if asked and status not in ("answered", "declined") else "met"
