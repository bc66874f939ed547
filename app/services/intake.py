"""Takes leads in: validates against the playbook, recognises what was sent before, and queues the adjudication.

A POST never says whether another partner holds the company: that is decided by the adjudicator, outside the request
(design decision 4), so a fresh lead and a duplicate are answered alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID, uuid4

from jiter import from_json
from pydantic_core import to_json

from app.db import cases, playbooks
from app.db.apply import due_columns, version_columns
from app.db.journal import Journal, Origin, write
from app.db.session import Transaction
from app.db.writes import Writes
from app.domain.actor import Actor, Side
from app.domain.errors import (
    ExternalIdInUseError,
    NotPermittedError,
    PlaybookNotAgreedError,
    ValidationFailedError,
)
from app.domain.ids import Prefix, read, show
from app.domain.lead import RECEIVED, form_state, known_fields
from app.domain.playbook import Playbook
from app.domain.view import handover_view
from app.schemas.lead_body import canonical, choice_errors, company_columns, plain
from app.schemas.leads import LeadIn

_PROGRAM = """
select baton.now() as now, p.id, p.playbook_id, p.calendar_id, e.partner_id, e.provenance_defaults,
  l.id as lead_id, l.posted_hash, l.body_hash
from baton.program p
join baton.enrolment e on e.tenant_id = p.tenant_id and e.program_id = p.id and e.partner_id = $4
left join baton.lead l on l.tenant_id = p.tenant_id and l.writer_id = $3 and l.test = $6 and l.external_id = $5
where p.tenant_id = $1 and p.status = 'active' and (p.key = $2 or p.id = $7)
"""

_PROVENANCE = ("source_kind", "acquired_on", "appi_relation", "basis")


@dataclass(frozen=True, slots=True)
class Taken:
    """A lead that was taken in, or that had been before; `created` tells which."""

    row: dict[str, Any]
    playbook: Playbook
    created: bool


def _error(pointer: str, code: str, message: str) -> dict[str, str]:
    return {"pointer": pointer, "code": code, "message": message}


def _partner(actor: Actor, body: LeadIn) -> UUID:
    """Return the partner that the lead belongs to: the caller's own, or the one that an internal client names."""
    if actor.side is Side.PARTNER:
        if body.partner is not None:
            raise ValidationFailedError(
                "A partner posts its own leads.", errors=[_error("/partner", "unknown_field", "Leave it out.")]
            )
        return actor.organization_id
    named = read(Prefix.ORGANIZATION, body.partner or "")
    if named is None:
        raise ValidationFailedError(
            "An internal client names the partner.", errors=[_error("/partner", "required", "Name the partner.")]
        )
    return named


async def take(tx: Transaction, actor: Actor, body: LeadIn) -> Taken:
    """Take one lead in. Raises ExternalIdInUseError when the external id names another body."""
    partner_id = _partner(actor, body)
    test = body.test or actor.test
    found = await tx.fetchrow(
        _PROGRAM,
        actor.tenant_id,
        body.program,
        actor.organization_id,
        partner_id,
        body.external_id,
        test,
        read(Prefix.PROGRAM, body.program),
    )
    if found is None:
        pointer = "/program" if actor.side is Side.PARTNER else "/partner"
        raise ValidationFailedError(
            "The organisation takes part in no such program.", errors=[_error(pointer, "unknown", "No such program.")]
        )
    if found["playbook_id"] is None:
        raise PlaybookNotAgreedError("No playbook is in force for this program yet.")
    playbook = await playbooks.playbook(tx, actor.tenant_id, found["playbook_id"])
    given = plain(body, test=test)
    digest = canonical(given)
    if found["lead_id"] is not None:
        if digest not in (found["posted_hash"], found["body_hash"]):
            raise ExternalIdInUseError("The external id names a lead with another body.")
        row = await cases.read_lead(tx, actor, found["lead_id"])
        return Taken(row, await playbooks.playbook(tx, actor.tenant_id, row["playbook_id"]), created=False)
    return await _create(tx, actor, body, _New(partner_id, test, given, digest, dict(found)), playbook)


@dataclass(frozen=True, slots=True)
class _New:
    partner_id: UUID
    test: bool
    given: dict[str, Any]
    digest: bytes
    found: dict[str, Any]


async def _create(tx: Transaction, actor: Actor, body: LeadIn, new: _New, playbook: Playbook) -> Taken:
    said = _said(new, playbook)
    row = _row(actor, body, new, playbook, said)
    contact: Mapping[str, Any] = row["contact"] or {}
    writes = Writes()
    origin = Origin(actor.client_id, row["owner_role"], tx.request_id, tx.traceparent)
    journal = Journal(
        writes, origin, row["created_at"], actor.tenant_id, new.partner_id, row["id"], body.external_id, new.test,
        {Side.INTERNAL: 0, Side.PARTNER: 0},
    )  # fmt: skip
    journal.record(
        "lead.received",
        {
            "program": playbook.program,
            "stage": row["stage"],
            "playbook": {"program": playbook.program, "version": playbook.version},
            "owner": {
                "role": row["owner_role"],
                "organization_id": show(Prefix.ORGANIZATION, row["owner_organization_id"]),
            },
            "industry": row["company"].get("industry"),
            "source_kind": row["provenance"]["source_kind"],
            "pain_categories": sorted({point["category"] for point in row["context"].get("pain_points") or ()}),
            "contact_role": contact.get("role"),
            "completeness": row["completeness"],
            "known": sorted(said.known),
        },
        {
            "program": playbook.program,
            "status": RECEIVED,
            "stage": row["stage"],
            "company": {"name": row["company"]["name"]},
        },
    )
    if actor.side is Side.INTERNAL:
        _offer(actor, new, row, playbook, journal)
    row |= version_columns(journal)
    _insert(writes, row, new, body)
    await write(tx, writes)
    return Taken(row, playbook, created=True)


@dataclass(frozen=True, slots=True)
class _Said:
    """What a valid body says, as it is stored, and which of its fields are known."""

    company: dict[str, Any]
    contact: dict[str, Any] | None
    provenance: dict[str, Any]
    context: dict[str, Any]
    known: frozenset[str]


def _said(new: _New, playbook: Playbook) -> _Said:
    """Return what the body says. Raises ValidationFailedError for what only enrolment and playbook can tell."""
    given = new.given
    company, contact, context = given["company"], given.get("contact"), given.get("context", {})
    defaults = cast("dict[str, Any]", from_json(new.found["provenance_defaults"].encode()))
    provenance = {**defaults, **given["provenance"]}
    errors = [_error(f"/provenance/{name}", "required", "Required.") for name in _PROVENANCE if name not in provenance]
    errors += choice_errors(playbook, company, context)
    if errors:
        raise ValidationFailedError("Some fields are not valid.", errors=errors)
    known = known_fields({"company": company, "contact": contact or {}, "provenance": provenance, "context": context})
    return _Said(company, contact, provenance, context, known)


def _row(actor: Actor, body: LeadIn, new: _New, playbook: Playbook, said: _Said) -> dict[str, Any]:
    now = new.found["now"]
    owner_role = _owner_role(actor, playbook)
    completeness, missing = form_state(playbook.form, said.known)
    return {
        "tenant_id": actor.tenant_id,
        "id": uuid4(),
        "partner_id": new.partner_id,
        "program_id": new.found["id"],
        "playbook_id": playbook.id,
        "writer_id": actor.organization_id,
        "external_id": body.external_id,
        "test": new.test,
        "status": RECEIVED,
        "stage": playbook.entry,
        "owner_organization_id": actor.organization_id,
        "owner_role": owner_role,
        "owner_n": 1,
        **company_columns(said.company),
        "provenance": said.provenance,
        "context": said.context,
        "completeness": completeness,
        "missing": missing,
        "decision": None,
        "outcome": None,
        **due_columns([]),
        "posted_hash": new.digest,
        "body_hash": new.digest,
        "version_internal": 0,
        "version_partner": 0,
        "updated_internal": now,
        "updated_partner": now,
        "created_at": now,
        "contact": said.contact,
        "metadata": body.metadata,
    }


def _owner_role(actor: Actor, playbook: Playbook) -> str:
    """Return the role that owns a lead at its entry: an accountable role of the entry stage that the caller has."""
    for role in playbook.stages[playbook.entry].accountable:
        if role in actor.roles:
            return role
    raise NotPermittedError(
        "The playbook does not let this role post leads.",
        playbook=playbook.cite(f"stages.{playbook.entry}.accountable"),
    )


_TEXTS = ("company", "provenance", "context", "missing", "decision", "outcome", "due")
_BESIDE = ("contact", "metadata")


def _insert(writes: Writes, row: Mapping[str, Any], new: _New, body: LeadIn) -> None:
    columns = {name: value for name, value in row.items() if name not in _BESIDE}
    for name in _TEXTS:
        columns[name] = None if row[name] is None else to_json(row[name]).decode()
    key = {"tenant_id": row["tenant_id"], "partner_id": row["partner_id"], "lead_id": row["id"]}
    writes.insert("lead", columns)
    writes.insert(
        "ownership",
        {
            **key,
            "n": 1,
            "organization_id": row["owner_organization_id"],
            "role": row["owner_role"],
            "from_at": row["created_at"],
        },
    )
    if row["contact"] is not None:
        writes.insert("contact", {**key, "document": to_json(row["contact"]).decode()})
    if body.metadata:
        writes.insert(
            "annotation",
            {
                **key,
                "organization_id": row["writer_id"],
                "subject_id": row["id"],
                "document": to_json(body.metadata).decode(),
            },
        )
    writes.insert("adjudication", {**key, "queued_at": new.found["now"]})


def _offer(actor: Actor, new: _New, row: Mapping[str, Any], playbook: Playbook, journal: Journal) -> None:
    """An internal client posts for a partner: it owns the lead, and a handover to that partner is requested."""
    ways = playbook.stages[playbook.entry].handovers
    partner_roles = {key for key, role in playbook.roles.items() if role.side is Side.PARTNER}
    way = next((way for way in ways if way.giver == row["owner_role"] and way.receiver in partner_roles), None)
    if way is None:
        raise NotPermittedError(
            "The playbook does not let this role pass a new lead to a partner.",
            playbook=playbook.cite(f"stages.{playbook.entry}.handovers"),
        )
    handover: dict[str, Any] = {
        "tenant_id": actor.tenant_id,
        "partner_id": new.partner_id,
        "id": uuid4(),
        "lead_id": row["id"],
        "status": "requested",
        "from_organization_id": actor.organization_id,
        "from_role": row["owner_role"],
        "to_organization_id": new.partner_id,
        "to_role": way.receiver,
        "enters": way.enters,
        "summary": row["company"]["name"],
        "note": None,
        "meeting": None,
        "meeting_at": None,
        "requested_at": row["created_at"],
        "due_at": None,
        "decision": None,
        "accepted_at": None,
    }
    journal.writes.insert("handover", handover)
    journal.record(
        "handover.requested",
        {"handover_id": show(Prefix.HANDOVER, handover["id"]), "from_role": row["owner_role"], "to_role": way.receiver},
        {"handover": handover_view(handover, [], row["external_id"])},
    )
