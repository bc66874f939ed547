"""Moves a lead within its owner's hands: advance, assign, notes and activities."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, cast
from uuid import UUID, uuid4

from app.db import cases
from app.db.apply import Facts, apply
from app.db.cases import Case, LeadRef
from app.db.session import Transaction
from app.domain.actor import Actor, Side
from app.domain.errors import ExternalIdInUseError
from app.domain.ids import Prefix, show
from app.domain.journey import Command
from app.domain.refusals import permitted
from app.domain.view import activity_view, marked, note_view, stamp
from app.schemas.leads import ActivityIn, NoteIn
from app.schemas.outcomes import AdvanceIn, AssignIn
from app.services.kit import Kit

_SENT_NOTE = """
select * from baton.note where tenant_id = $1 and organization_id = $2 and lead_id = $3 and external_id = $4
"""
_SENT_ACTIVITY = """
select * from baton.activity where tenant_id = $1 and organization_id = $2 and lead_id = $3 and external_id = $4
"""


async def advance(tx: Transaction, actor: Actor, kit: Kit, ref: LeadRef, body: AdvanceIn) -> Case:
    """Bring the lead into another stage, or close it by leaving the last one."""
    case = await cases.by_lead(tx, actor, ref)
    effects = permitted(case.playbook, case.lead, actor, Command("advance", to_stage=body.to), case.now)
    await apply(case, effects, Facts(), public_url=kit.public_url)
    return case


async def assign(tx: Transaction, actor: Actor, kit: Kit, ref: LeadRef, body: AssignIn) -> Case:
    """Put a person of the owner's organisation on the lead; the other side never sees who."""
    case = await cases.by_lead(tx, actor, ref)
    effects = permitted(case.playbook, case.lead, actor, Command("assign"), case.now)
    await apply(case, effects, Facts(assignee=body.assignee, sides=(actor.side,)), public_url=kit.public_url)
    return case


def _digest(body: NoteIn | ActivityIn) -> bytes:
    return sha256(body.model_dump_json(exclude_none=True).encode()).digest()


async def _sent_before(case: Case, statement: str, body: NoteIn | ActivityIn) -> Mapping[str, Any] | None:
    """Return the row that was sent under the same external id. Raises ExternalIdInUseError for another body."""
    actor = cast("Actor", case.actor)
    if body.external_id is None:
        return None
    row = await case.tx.fetchrow(statement, actor.tenant_id, actor.organization_id, case.lead.id, body.external_id)
    if row is not None and row["body_hash"] != _digest(body):
        raise ExternalIdInUseError("The external id names another body.")
    return row


def _common(case: Case, body: NoteIn | ActivityIn) -> dict[str, Any]:
    actor = cast("Actor", case.actor)
    return {
        "tenant_id": case.lead.tenant_id,
        "partner_id": case.lead.partner_id,
        "id": uuid4(),
        "lead_id": case.lead.id,
        "organization_id": actor.organization_id,
        "role": case.role,
        "external_id": body.external_id,
        "body_hash": _digest(body),
        "created_at": case.now,
    }


def _own_metadata(row: Mapping[str, Any], body: NoteIn | ActivityIn) -> tuple[UUID, dict[str, str]] | None:
    return (row["id"], body.metadata) if body.metadata else None


async def note(tx: Transaction, actor: Actor, kit: Kit, ref: LeadRef, body: NoteIn) -> tuple[dict[str, Any], bool]:
    """Add a note; (note, created). A note for the own organisation is seen and told nowhere else."""
    case = await cases.by_lead(tx, actor, ref)
    effects = permitted(case.playbook, case.lead, actor, Command("note"), case.now)
    if sent := await _sent_before(case, _SENT_NOTE, body):
        return marked(note_view(sent), test=case.lead.test), False
    row: dict[str, Any] = _common(case, body) | {"kind": body.kind, "visibility": body.visibility, "body": body.body}
    facts = Facts(
        contents={
            "note.added": (
                {"note_id": show(Prefix.NOTE, row["id"]), "kind": body.kind, "visibility": body.visibility},
                {"note": note_view(row)},
            )
        },
        inserts=[("note", row)],
        sides=(Side.INTERNAL, Side.PARTNER) if body.visibility == "shared" else (actor.side,),
        metadata=_own_metadata(row, body),
    )
    await apply(case, effects, facts, public_url=kit.public_url)
    return marked(note_view(row), test=case.lead.test), True


async def activity(
    tx: Transaction, actor: Actor, kit: Kit, ref: LeadRef, body: ActivityIn
) -> tuple[dict[str, Any], bool]:
    """Log an activity; (activity, created)."""
    case = await cases.by_lead(tx, actor, ref)
    effects = permitted(case.playbook, case.lead, actor, Command("activity"), case.now)
    if sent := await _sent_before(case, _SENT_ACTIVITY, body):
        return marked(activity_view(sent), test=case.lead.test), False
    row: dict[str, Any] = _common(case, body) | {
        "kind": body.kind,
        "at": body.at,
        "disposition": body.disposition,
        "summary": body.summary,
        "contact_role": body.contact_role,
    }
    ledger = {
        "activity_id": show(Prefix.ACTIVITY, row["id"]),
        "kind": body.kind,
        "disposition": body.disposition,
        "at": stamp(body.at),
        "contact_role": body.contact_role,
    }
    facts = Facts(
        contents={"activity.logged": (ledger, {"activity": activity_view(row)})},
        inserts=[("activity", row)],
        metadata=_own_metadata(row, body),
    )
    await apply(case, effects, facts, public_url=kit.public_url)
    return marked(activity_view(row), test=case.lead.test), True
