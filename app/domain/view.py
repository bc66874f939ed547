"""What each side sees of a lead and of what hangs on it: one function per object, `view(thing, side)`.

Times go out as RFC 3339 in UTC, ids with their prefix, reasons with both labels. Rows are mappings, so that a stored
row and one about to be written are shown by the same code.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

from app.domain.actor import Side
from app.domain.audience import reads_particulars
from app.domain.ids import Prefix, show
from app.domain.playbook import Playbook

Row = Mapping[str, Any]


def marked(shown: dict[str, Any], *, test: bool) -> dict[str, Any]:
    """Return what hangs on a lead with the word that it is a test, where it is; of a real lead as it is."""
    return {**shown, "test": True} if test else shown


def stamp(at: datetime | None) -> str | None:
    """Return an RFC 3339 time in UTC with microseconds as far as they are not zero, or None."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def reason(playbook: Playbook, choice_set: str, code: str | None) -> dict[str, str] | None:
    """Return a reason as callers see it: its code and both labels."""
    if code is None:
        return None
    label = playbook.label(choice_set, code)
    return {"code": code, "label_en": label.en, "label_ja": label.ja}


def money(value: Decimal | None, currency: str | None) -> dict[str, str] | None:
    """Return an amount as text, without exponent and without trailing zeros after the point."""
    if value is None or currency is None:
        return None
    text = format(value, "f")
    return {"value": text.rstrip("0").rstrip(".") if "." in text else text, "currency": currency}


def version(row: Row, side: Side) -> int:
    """Return the lead's version in one side's view: ETag and `lead_sequence` are this number."""
    return cast("int", row["version_internal"] if side is Side.INTERNAL else row["version_partner"])


def etag(row: Row, side: Side) -> str:
    """Return the strong ETag of the lead in one side's view."""
    return f'"{side.value[0]}{version(row, side)}"'


def lead_view(row: Row, playbook: Playbook, side: Side) -> dict[str, Any]:
    """Return the lead as `side` sees it. `row` has its JSON columns parsed, and may carry contact and own extras.

    A side that the playbook gives no part in the stage sees whose the lead is and where it stands, no more.
    """
    told = reads_particulars(row, playbook, side)
    own = {"claim": _claim(row.get("claim"), playbook)} if side is Side.PARTNER else {}
    context = {**row["context"], "completeness": row["completeness"], "missing": row["missing"]}
    owner_here = (row["owner_organization_id"] == row["tenant_id"]) == (side is Side.INTERNAL)
    return {
        "id": show(Prefix.LEAD, row["id"]),
        "external_id": row["external_id"],
        "program": playbook.program,
        "partner": show(Prefix.ORGANIZATION, row["partner_id"]),
        "company": row["company"],
        "contact": row.get("contact") if told else None,
        "provenance": row["provenance"] if told else None,
        "context": context if told else None,
        "metadata": row.get("metadata") or {},
        "test": row["test"],
        "status": row["status"],
        "stage": row["stage"],
        "owner": {
            "role": row["owner_role"],
            "organization_id": show(Prefix.ORGANIZATION, row["owner_organization_id"]),
            "assignee": row.get("assignee") if owner_here else None,
        },
        "playbook": {"program": playbook.program, "version": playbook.version},
        "due": row["due"] if told else [],
        "decision": row["decision"],
        "outcome": row["outcome"],
        "created_at": stamp(row["created_at"]),
        "updated_at": stamp(row["updated_internal"] if side is Side.INTERNAL else row["updated_partner"]),
        **own,
    }


def _claim(held: Row | None, playbook: Playbook) -> dict[str, Any] | None:
    """Return the partner's own claim on the company; it may be extended once, past what the playbook grants."""
    if held is None:
        return None
    claimed_at, expires_at = datetime.fromisoformat(held["claimed_at"]), datetime.fromisoformat(held["expires_at"])
    unextended = expires_at - claimed_at <= timedelta(days=playbook.claim_days)
    return {
        "status": held["status"],
        "expires_at": stamp(expires_at),
        "extendable": held["status"] == "held" and unextended,
    }


def handover_view(row: Row, steps: Iterable[Row], external_id: str) -> dict[str, Any]:
    """Return a handover; both sides see the same."""
    questions: list[Any] = []
    answers: list[Any] = []
    for step in steps:
        (questions if step["kind"] == "questions" else answers).extend(step["items"])
    return {
        "id": show(Prefix.HANDOVER, row["id"]),
        "lead_id": show(Prefix.LEAD, row["lead_id"]),
        "external_id": external_id,
        "status": row["status"],
        "from_role": row["from_role"],
        "to_role": row["to_role"],
        "summary": row["summary"],
        "note": row["note"],
        "meeting": row["meeting"],
        "requested_at": stamp(row["requested_at"]),
        "due_at": stamp(row["due_at"]),
        "questions": questions,
        "answers": answers,
        "decision": row["decision"],
    }


def consultation_view(row: Row, external_id: str) -> dict[str, Any]:
    """Return a consultation; both sides see the same. The shared purpose stands first: it is what asks."""
    return {
        "purpose": row["purpose"],
        "id": show(Prefix.CONSULTATION, row["id"]),
        "lead_id": show(Prefix.LEAD, row["lead_id"]),
        "external_id": external_id,
        "status": row["status"],
        "question": row["question"],
        "stage": row["stage"],
        "asker": {
            "organization_id": show(Prefix.ORGANIZATION, row["from_organization_id"]),
            "role": row["from_role"],
        },
        "asked": {"organization_id": show(Prefix.ORGANIZATION, row["to_organization_id"]), "role": row["to_role"]},
        "requested_at": stamp(row["requested_at"]),
        "due_at": stamp(row["due_at"]),
        "decision": row["decision"],
    }


def outcome_view(row: Row, playbook: Playbook) -> dict[str, Any]:
    """Return an outcome version; both sides see the same: losses are delivered like wins."""
    reasons = playbook.outcomes[row["result"]].reasons
    day: date | None = row["revisit_on"]
    return {
        "id": show(Prefix.OUTCOME, row["id"]),
        "version": row["version"],
        "result": row["result"],
        "reason": reason(playbook, reasons, row["reason"]),
        "secondary_reasons": [reason(playbook, reasons, code) for code in row["secondary_reasons"]],
        "stated_by": row["stated_by"],
        "note": row["note"],
        "learnings": row["learnings"],
        "amount": money(row["amount"], row["currency"]),
        "annual_value": money(row["annual_value"], row["currency"]),
        "competitor": row["competitor"],
        "recoverable": row["recoverable"],
        "revisit_on": day.isoformat() if day else None,
        "stage_at_close": row["stage_at_close"],
        "closed_at": stamp(row["closed_at"]),
    }


def note_view(row: Row) -> dict[str, Any]:
    """Return a note."""
    return {
        "id": show(Prefix.NOTE, row["id"]),
        "kind": row["kind"],
        "body": row["body"],
        "visibility": row["visibility"],
        "by_role": row["role"],
        "external_id": row["external_id"],
        "created_at": stamp(row["created_at"]),
    }


def activity_view(row: Row) -> dict[str, Any]:
    """Return an activity."""
    return {
        "id": show(Prefix.ACTIVITY, row["id"]),
        "kind": row["kind"],
        "at": stamp(row["at"]),
        "disposition": row["disposition"],
        "summary": row["summary"],
        "contact_role": row["contact_role"],
        "by_role": row["role"],
        "external_id": row["external_id"],
        "created_at": stamp(row["created_at"]),
    }


def feedback_view(row: Row, playbook: Playbook) -> dict[str, Any]:
    """Return interim feedback on a handover."""
    day: date | None = row["next_update_on"]
    return {
        "id": show(Prefix.FEEDBACK, row["id"]),
        "handover_id": show(Prefix.HANDOVER, row["handover_id"]),
        "meeting_held": row["meeting_held"],
        "rating": row["rating"],
        "reasons": [reason(playbook, "feedback", code) for code in row["reasons"]],
        "note": row["note"],
        "next_update_on": day.isoformat() if day else None,
        "by_role": row["role"],
        "at": stamp(row["at"]),
    }


def clock_view(row: Row) -> dict[str, Any]:
    """Return a clock; both sides see what is owed."""
    return {
        "id": show(Prefix.CLOCK, row["id"]),
        "clock": row["name"],
        "lead_id": show(Prefix.LEAD, row["lead_id"]),
        "handover_id": show(Prefix.HANDOVER, row["handover_id"]) if row["handover_id"] else None,
        "consultation_id": show(Prefix.CONSULTATION, row["consultation_id"]) if row["consultation_id"] else None,
        "owed_by": {
            "organization_id": show(Prefix.ORGANIZATION, row["owed_organization_id"]),
            "role": row["owed_role"],
        },
        "waiting": {
            "organization_id": show(Prefix.ORGANIZATION, row["waiting_organization_id"]),
            "role": row["waiting_role"],
        },
        "state": row["state"],
        "started_at": stamp(row["started_at"]),
        "due_at": stamp(row["due_at"]),
        "breached_at": stamp(row["breached_at"]),
        "stopped_at": stamp(row["stopped_at"]),
    }


def due_entry(clock: str, due_at: datetime, owed_by: str, *, late: bool) -> dict[str, Any]:
    """Return one entry of a lead's `due`."""
    return {"clock": clock, "due_at": stamp(due_at), "owed_by": owed_by, "late": late}


def ownership_view(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the unbroken chain of owners; `until` is None for the current one."""
    return [
        {
            "n": row["n"],
            "organization_id": show(Prefix.ORGANIZATION, row["organization_id"]),
            "role": row["role"],
            "from": stamp(row["from_at"]),
            "until": None if row["current"] else stamp(row["until_at"]),
        }
        for row in rows
    ]


def organization(identity: UUID) -> str:
    """Return an organisation's public id."""
    return show(Prefix.ORGANIZATION, identity)
