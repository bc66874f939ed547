"""Writes what was decided: state, ownership link, handover, clocks, events and their bodies, in one statement.

`compose` is the only place where Effects become rows. Everything it writes is computed from the case at hand; it reads
nothing, so what it writes is exactly what was decided under the lock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from pydantic_core import to_json

from app.db import consultations, contents, ladders
from app.db.cases import Case, consultation_of, handover_of
from app.db.journal import Journal, Origin, write
from app.db.writes import Writes
from app.domain.actor import BOTH, Side
from app.domain.audience import audience
from app.domain.consultation import lapse
from app.domain.journey import Effects, Request
from app.domain.lead import NOT_ACCEPTED, Lead
from app.domain.obligations import Changes, Moments, Start, changes
from app.domain.playbook import Playbook, Position
from app.domain.view import due_entry

_JSON_COLUMNS = frozenset({"company", "provenance", "context", "missing", "decision", "outcome", "due"})


@dataclass(slots=True)
class Facts:
    """What a command brings besides its effects: new rows, the words of a handover, what the events say.

    `contents` maps an event type to (facts for the ledger, what its body shows). `lead` are changed columns of the
    lead. `sides` are the views that may see the command's own events, as far as the playbook informs them;
    `concerned` are those of them that it cannot leave out.
    `request` are the words of a new handover, `consultation` is the one that is asked for or ended, as it is then.
    `also_starts` are events of before whose clocks begin only now; they are not written again.
    """

    contents: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = field(
        default_factory=dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]]
    )
    lead: dict[str, Any] = field(default_factory=dict[str, Any])
    inserts: list[tuple[str, dict[str, Any]]] = field(default_factory=list[tuple[str, dict[str, Any]]])
    deletes: list[tuple[str, dict[str, Any]]] = field(default_factory=list[tuple[str, dict[str, Any]]])
    also_starts: tuple[str, ...] = ()
    contact: dict[str, Any] | None = None
    assignee: str | None = None
    metadata: tuple[UUID, dict[str, str]] | None = None
    sides: Sequence[Side] = BOTH
    concerned: Sequence[Side] = ()
    moments: Moments = field(default_factory=Moments)
    request: dict[str, Any] | None = None
    consultation: dict[str, Any] | None = None
    decision: dict[str, Any] | None = None
    step: dict[str, Any] | None = None


@dataclass(slots=True)
class _Draft:
    """The rows of one application while they are put together."""

    case: Case
    effects: Effects
    facts: Facts
    after: Lead
    playbook: Playbook
    journal: Journal
    handover: dict[str, Any] | None
    steps: list[dict[str, Any]]
    opened: dict[str, Any] | None


async def apply(case: Case, effects: Effects, facts: Facts, *, public_url: str = "") -> None:
    """Write the effects of a decision and bring the case up to date with them."""
    await write(case.tx, compose(case, effects, facts, public_url=public_url))


def compose(case: Case, effects: Effects, facts: Facts, *, public_url: str = "") -> Writes:
    """Bring the case up to date with the effects of a decision and return the rows that make it so."""
    writes = Writes()
    journal = journal_of(case, writes)
    playbook, effects = _standing(case, effects)
    handover, steps = _settled(case, effects, facts)
    opened = _requested(case, effects.request, facts) if effects.request else None
    current = opened or handover
    after = replace(
        case.lead,
        status=effects.status,
        stage=effects.stage,
        owner=effects.owner,
        handover=handover_of(current) if current else None,
        consultation=consultation_of(facts.consultation) if facts.consultation else None,
    )
    draft = _Draft(case, effects, facts, after, playbook, journal, handover, steps, opened)
    starting = (*effects.events, *facts.also_starts)
    changed = changes(playbook, after, starting, case.running, case.calendar_of, facts.moments, case.now)
    started = _clocks(draft, changed, writes)
    _handovers(draft, started, writes)
    if facts.consultation is not None:
        consultations.keep(facts.consultation, started, writes, new=effects.consults is not None)
    for kind in effects.events:
        ledger, shown = _content(draft, kind)
        journal.record(kind, ledger, shown, sides=_sides(draft, kind))
    if lapse(after):
        consultations.close(case, journal)
    _resolve(draft, changed, public_url)
    _own(draft, writes)
    for table, row in facts.inserts:
        writes.insert(table, row)
    for table, key in facts.deletes:
        writes.delete(table, key)
    if facts.contact is not None:
        key = {name: case.row[name] for name in ("tenant_id", "partner_id")} | {"lead_id": case.lead.id}
        writes.upsert("contact", key, {"document": _text(facts.contact)})
    _keep_own(draft, writes)
    _lead(draft, started, changed, writes)
    case.lead, case.playbook, case.handover, case.steps = after, playbook, current, ([] if opened else steps)
    return writes


def journal_of(case: Case, writes: Writes) -> Journal:
    """Return a journal of the case's lead that goes on from its versions."""
    row = case.row
    client_id = case.actor.client_id if case.actor else None
    origin = Origin(client_id, case.role, case.tx.request_id, case.tx.traceparent, case.tx.played)
    versions = {Side.INTERNAL: row["version_internal"], Side.PARTNER: row["version_partner"]}
    return Journal(
        writes, origin, case.now, row["tenant_id"], row["partner_id"], row["id"], row["external_id"], row["test"],
        versions,
    )  # fmt: skip


def _standing(case: Case, effects: Effects) -> tuple[Playbook, Effects]:
    """A lead keeps the playbook of its stage; entering a stage brings it under the version in force.

    A stage that the version in force does not have is entered as the one which names it in `was`.
    """
    if effects.stage == case.lead.stage or (heir := case.in_force.heir(effects.stage)) is None:
        return case.playbook, effects
    return case.in_force, replace(effects, stage=heir)


def _settled(case: Case, effects: Effects, facts: Facts) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    if case.handover is None:
        return None, []
    steps = [*case.steps, facts.step] if facts.step else case.steps
    if effects.handover is None:
        return case.handover, steps
    accepted = case.now if effects.handover == "accepted" else case.handover["accepted_at"]
    return {
        **case.handover,
        "status": effects.handover,
        "decision": facts.decision or case.handover["decision"],
        "accepted_at": accepted,
        "due_at": None,
    }, steps


def _requested(case: Case, request: Request, facts: Facts) -> dict[str, Any]:
    words = facts.request or {}
    return {
        "tenant_id": case.row["tenant_id"],
        "partner_id": case.row["partner_id"],
        "id": uuid4(),
        "lead_id": case.row["id"],
        "status": "requested",
        "from_organization_id": request.giver.organization_id,
        "from_role": request.giver.role,
        "to_organization_id": request.receiver.organization_id,
        "to_role": request.receiver.role,
        "enters": request.enters,
        "summary": words.get("summary", ""),
        "note": words.get("note"),
        "meeting": words.get("meeting"),
        "meeting_at": words.get("meeting_at"),
        "requested_at": case.now,
        "due_at": None,
        "decision": None,
        "accepted_at": None,
    }


def _clocks(draft: _Draft, changed: Changes, writes: Writes) -> list[dict[str, Any]]:
    case = draft.case
    # Nobody answered a handover that timed out: what ran on it ends, but was not met. Nor on a lead turned away.
    unmet = draft.effects.handover == "timed_out" or draft.after.status == NOT_ACCEPTED
    ended = "cancelled" if unmet else "met"
    about = draft.after.consultation
    for clock_id in changed.stops:
        met = consultations.clock_ends_as(clock_id, case.clocks, about.status if about else None)
        writes.update(
            "clock",
            {"tenant_id": case.row["tenant_id"], "id": clock_id, "partner_id": case.row["partner_id"]},
            {"state": ended if ended == "cancelled" else met, "stopped_at": case.now},
        )
    started = [_clock_row(draft, start) for start in changed.starts]
    for row in started:
        writes.insert("clock", row)
    return started


def _clock_row(draft: _Draft, start: Start) -> dict[str, Any]:
    row = draft.case.row
    owed_by = draft.playbook.clocks[start.key].owed_by
    about_handover = owed_by in (Position.GIVER, Position.RECEIVER)
    handover, asked = draft.after.handover, draft.after.consultation
    return {
        "tenant_id": row["tenant_id"],
        "partner_id": row["partner_id"],
        "id": uuid4(),
        "lead_id": row["id"],
        "handover_id": handover.id if handover and about_handover else None,
        "consultation_id": asked.id if asked and owed_by is Position.CONSULTED else None,
        "name": start.key,
        "owed_organization_id": start.owed_by.organization_id,
        "owed_role": start.owed_by.role,
        "waiting_organization_id": start.waiting.organization_id,
        "waiting_role": start.waiting.role,
        "started_at": start.started_at,
        "due_at": start.due_at,
        "state": "running",
        "breached_at": None,
        "stopped_at": None,
        "playbook_id": draft.playbook.id,
        "calendar_id": draft.case.calendar_ids[start.owed_by.organization_id],
        "test": row["test"],
    }


def _handovers(draft: _Draft, started: Sequence[Mapping[str, Any]], writes: Writes) -> None:
    """Write the handovers with the time at which their answer is due, which is their clock's."""
    due = {row["handover_id"]: row["due_at"] for row in started}
    before, settled, opened = draft.case.handover, draft.handover, draft.opened
    if settled is not None and before is not None and draft.effects.handover is not None:
        settled["due_at"] = due.get(settled["id"])
        writes.update(
            "handover",
            {"tenant_id": settled["tenant_id"], "id": settled["id"], "partner_id": settled["partner_id"]},
            {
                "status": settled["status"],
                "decision": _text(settled["decision"]),
                "accepted_at": settled["accepted_at"],
                "due_at": settled["due_at"],
            },
        )
    if draft.facts.step is not None:
        writes.insert("handover_step", {**draft.facts.step, "items": _text(draft.facts.step["items"])})
    if opened is not None:
        opened["due_at"] = due.get(opened["id"])
        writes.insert("handover", {**opened, "meeting": _text(opened["meeting"]), "decision": None})


def _sides(draft: _Draft, kind: str) -> list[Side]:
    """Return the views that see an event: of those that may, the ones that the playbook informs in either stage."""
    case, after, handover = draft.case, draft.after, draft.after.handover
    involved = {case.lead.owner.side, after.owner.side, *draft.facts.concerned}
    if case.actor is not None:
        involved.add(case.actor.side)
    if handover is not None and kind.startswith("handover."):
        involved |= {handover.giver.side, handover.receiver.side}
    told = audience(kind, ((case.playbook, case.lead.stage), (draft.playbook, after.stage)), involved)
    return [side for side in draft.facts.sides if side in told]


def _content(draft: _Draft, kind: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return what an event says: what the command brought, else what every event of that kind says."""
    given = draft.facts.contents.get(kind)
    if given is not None:
        return given
    if kind.startswith("handover."):
        row = draft.opened if kind == "handover.requested" else draft.handover
        if row is not None:
            steps = [] if row is draft.opened else draft.steps
            return contents.of_handover(row, steps, draft.case.row["external_id"])
    if kind.startswith("consultation.") and draft.facts.consultation is not None:
        return consultations.content(draft.facts.consultation, draft.case.row["external_id"])
    if kind == "ownership.changed":
        return contents.of_owner(draft.case.lead.owner, draft.after.owner)
    if kind == "stage.entered":
        said = {
            "from": draft.case.lead.stage,
            "to": draft.after.stage if draft.after.status != "closed" else "closed",
            "playbook": {"program": draft.playbook.program, "version": draft.playbook.version},
        }
        return said, said
    return {}, {}


def _resolve(draft: _Draft, changed: Changes, public_url: str) -> None:
    """What was owed is done: an escalation of a stopped clock ends with it, in every tool that was told."""
    case = draft.case
    clocks = {clock["id"]: clock for clock in case.clocks}
    for escalation in case.escalations:
        if escalation["clock_id"] in changed.stops:
            matter = ladders.Matter(clocks[escalation["clock_id"]], case.row, draft.playbook, public_url)
            ladders.resolved(draft.journal, escalation, matter, case.role)


def _own(draft: _Draft, writes: Writes) -> None:
    """Add the next link of the chain of owners, beginning where the last one ends."""
    case, owner = draft.case, draft.after.owner
    if owner == case.lead.owner:
        return
    row = case.row
    key = {"tenant_id": row["tenant_id"], "lead_id": row["id"], "n": row["owner_n"], "partner_id": row["partner_id"]}
    writes.update("ownership", key, {"until_at": case.now})
    n = row["owner_n"] + 1
    writes.insert(
        "ownership",
        {
            "tenant_id": row["tenant_id"],
            "partner_id": row["partner_id"],
            "lead_id": row["id"],
            "n": n,
            "after_n": n - 1,
            "organization_id": owner.organization_id,
            "role": owner.role,
            "from_at": case.now,
        },
    )
    draft.facts.lead |= {"owner_organization_id": owner.organization_id, "owner_role": owner.role, "owner_n": n}


def _keep_own(draft: _Draft, writes: Writes) -> None:
    """Keep what only the actor's own organisation sees: its person on the lead, and its metadata."""
    case, facts = draft.case, draft.facts
    if case.actor is None:
        return
    common = {"tenant_id": case.row["tenant_id"], "partner_id": case.row["partner_id"]}
    own = {**common, "organization_id": case.actor.organization_id}
    if facts.assignee is not None:
        writes.upsert("assignment", {**own, "lead_id": case.lead.id}, {"assignee": facts.assignee})
    if facts.metadata is not None:
        subject_id, document = facts.metadata
        writes.upsert(
            "annotation", {**own, "subject_id": subject_id}, {"lead_id": case.lead.id, "document": _text(document)}
        )


def _lead(draft: _Draft, started: Sequence[dict[str, Any]], changed: Changes, writes: Writes) -> None:
    case, journal = draft.case, draft.journal
    stopped = set(changed.stops)
    case.clocks = sorted(
        [*(clock for clock in case.clocks if clock["id"] not in stopped), *started], key=lambda clock: clock["due_at"]
    )
    case.escalations = [one for one in case.escalations if one["clock_id"] not in stopped]
    columns: dict[str, Any] = {
        "status": draft.after.status,
        "stage": draft.after.stage,
        "playbook_id": draft.playbook.id,
        **due_columns(case.clocks),
        **draft.facts.lead,
        **version_columns(journal),
    }
    case.row |= columns
    writes.update(
        "lead",
        {"tenant_id": case.row["tenant_id"], "id": case.row["id"], "partner_id": case.row["partner_id"]},
        {name: _text(value) if name in _JSON_COLUMNS else value for name, value in columns.items()},
    )


def due_columns(clocks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the lead's copy of its running clocks, so that a list reads one table."""
    due = [
        due_entry(clock["name"], clock["due_at"], clock["owed_role"], late=clock["state"] == "breached")
        for clock in clocks
    ]
    first: datetime | None = min((clock["due_at"] for clock in clocks), default=None)
    return {"due": due, "due_at": first}


def version_columns(journal: Journal) -> dict[str, Any]:
    """Return the lead's version and time of change in each view that saw a fact."""
    columns: dict[str, Any] = {}
    for side in journal.touched:
        columns[f"version_{side.value}"] = journal.versions[side]
        columns[f"updated_{side.value}"] = journal.at
    return columns


def keep(case: Case, journal: Journal) -> None:
    """Write the lead's copy of its clocks and its versions, after facts that changed nothing else of it."""
    columns = {**due_columns(case.clocks), **version_columns(journal)}
    case.row |= columns
    journal.writes.update("lead", lead_key(case.row), {**columns, "due": _text(columns["due"])})


def _text(value: object) -> str | None:
    """Return the JSON text of a document, or None."""
    return None if value is None else to_json(value).decode()


def lead_key(row: Mapping[str, Any]) -> dict[str, UUID]:
    """Return the primary key of a lead row."""
    return {"tenant_id": row["tenant_id"], "id": row["id"], "partner_id": row["partner_id"]}
