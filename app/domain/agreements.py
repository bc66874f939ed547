"""Versions of a playbook as each side sees them, and what was agreed: by whom, when, to which words.

A partner sees itself and the client among those that take part, never the others.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from app.domain.actor import Actor
from app.domain.ids import Prefix, show
from app.domain.view import stamp

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


@dataclass(frozen=True, slots=True)
class Said:
    """An organisation spoke through one of its clients: it agreed, or it declined."""

    organization_id: UUID
    client_id: UUID
    at: datetime


def _known(program: Mapping[str, Any], actor: Actor) -> set[UUID]:
    """Return the organisations that the caller may know to take part."""
    if actor.partner_id:
        return {program["tenant_id"], actor.partner_id}
    return {program["tenant_id"], *program["partners"]}


def _named(organization_id: UUID | None, program: Mapping[str, Any], actor: Actor) -> str | None:
    if organization_id is None or (actor.partner_id and organization_id not in _known(program, actor)):
        return None
    return show(Prefix.ORGANIZATION, organization_id)


def _client(organization_id: UUID | None, client_id: UUID | None, actor: Actor) -> str | None:
    """Return which client spoke; which of its clients another organisation used is its own matter."""
    mine = actor.partner_id is None or organization_id == actor.partner_id
    return show(Prefix.CLIENT, client_id) if mine and client_id else None


def version_view(row: Mapping[str, Any], program: Mapping[str, Any], actor: Actor) -> dict[str, Any]:
    """Return one version with who has agreed and who is awaited, as far as the caller may know them."""
    known = _known(program, actor)
    agreed = {said.organization_id for said in row["agreements"]}
    awaited = known - agreed if row["status"] in ("proposed", "in_force") else ()
    declined = None
    if row["declined_at"] is not None:
        by = _named(row["declined_by"], program, actor)
        declined = {"by": by, "comment": row["declined_comment"], "at": stamp(row["declined_at"])}
    return {
        "id": show(Prefix.PLAYBOOK, row["id"]),
        "program": program["key"],
        "version": row["version"],
        "status": row["status"],
        "purpose": row["purpose"],
        "comment": row["comment"],
        "answers": show(Prefix.PLAYBOOK, row["answers_id"]) if row["answers_id"] else None,
        "proposed_by": _named(row["proposed_by"], program, actor),
        "proposed_at": stamp(row["proposed_at"]),
        "in_force_at": stamp(row["in_force_at"]),
        "review_on": row["review_on"].isoformat() if row["review_on"] else None,
        "agreed_by": sorted(show(Prefix.ORGANIZATION, one) for one in agreed & known),
        "awaits": sorted(show(Prefix.ORGANIZATION, one) for one in awaited),
        "declined": declined,
    }


def agreements_view(row: Mapping[str, Any], actor: Actor) -> list[dict[str, Any]]:
    """Return who agreed to a version when, the first first; `row` holds what the caller may see."""
    return [
        {
            "organization": show(Prefix.ORGANIZATION, said.organization_id),
            "client": _client(said.organization_id, said.client_id, actor),
            "at": stamp(said.at),
        }
        for said in row["agreements"]
    ]


def decisions(
    row: Mapping[str, Any], program: Mapping[str, Any], actor: Actor, names: Mapping[UUID, str]
) -> Iterator[dict[str, Any]]:
    """Yield who agreed to or declined a version, with what words; a comment stands with who proposed or declined."""
    said: list[tuple[str, UUID | None, UUID | None, datetime, str | None]] = [
        ("agreed", one.organization_id, one.client_id, one.at, None) for one in row["agreements"]
    ]
    if row["declined_at"] is not None:
        comment = row["declined_comment"]
        said.append(("declined", row["declined_by"], row["declined_client"], row["declined_at"], comment))
    for decision, organization_id, client_id, at, comment in said:
        proposed = decision == "agreed" and organization_id == row["proposed_by"]
        yield {
            "version": row["version"],
            "playbook": show(Prefix.PLAYBOOK, row["id"]),
            "decision": decision,
            "organization": _named(organization_id, program, actor),
            "organization_name": names.get(organization_id) if organization_id else None,
            "client": _client(organization_id, client_id, actor),
            "at": stamp(at),
            "comment": row["comment"] if proposed else comment,
        }
