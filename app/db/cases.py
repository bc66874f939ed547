"""Loads a lead with everything a decision about it needs, under its lock (lead row first, then its children)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from jiter import from_json

from app.db import playbooks
from app.db.session import Transaction
from app.domain import ids
from app.domain.actor import Actor, Side
from app.domain.business_time import Calendar
from app.domain.errors import NotFoundError
from app.domain.lead import Consultation, Handover, Lead, Outcome, Party, known_fields
from app.domain.obligations import Running
from app.domain.playbook import Playbook

_EXTERNAL = re.compile(r"external:([A-Za-z0-9._-]{1,64})")

_LEAD_JSON = (
    "company", "provenance", "context", "missing", "decision", "outcome", "due", "contact", "metadata", "claim",
)  # fmt: skip

LEAD_COLUMNS = """
  l.*, c.document as contact,
  (select a.assignee from baton.assignment a
    where a.tenant_id = l.tenant_id and a.lead_id = l.id and a.organization_id = $2) as assignee,
  (select n.document from baton.annotation n
    where n.tenant_id = l.tenant_id and n.subject_id = l.id and n.organization_id = $2) as metadata,
  (select json_build_object('status', k.status, 'claimed_at', k.claimed_at, 'expires_at', k.expires_at)
    from baton.claimed_lead j
    join baton.claim k on k.tenant_id = j.tenant_id and k.id = j.claim_id and k.partner_id = j.partner_id
    where j.tenant_id = l.tenant_id and j.lead_id = l.id and j.partner_id = l.partner_id) as claim
"""
"""The columns of a lead with what its own organisation keeps on it; $1 is the tenant, $2 the organisation."""

LEAD_FROM = """
  from baton.lead l
  left join baton.contact c on c.tenant_id = l.tenant_id and c.lead_id = l.id and c.partner_id = l.partner_id
"""

REACH = "({0}::uuid is null or l.partner_id = {0}) and (l.test or not {1}::boolean)"
"""What a caller reaches of its tenant's leads `l`: a partner its own, and a test client none but test leads.

{0} is the caller's partner, {1} whether it is a test client.
"""

_FOUND = "select l.id from baton.lead l where "
_LOCKED = " for no key update"
_BY_ID = f"l.tenant_id = $1 and l.id = $2 and {REACH.format('$3', '$4')}"
_BY_EXTERNAL = "l.tenant_id = $1 and l.writer_id = $2 and l.external_id = $3 and l.test = $4"

_LOCK_BY_ID = _FOUND + _BY_ID + _LOCKED
_LOCK_BY_EXTERNAL = _FOUND + _BY_EXTERNAL + _LOCKED
_FIND_BY_EXTERNAL = _FOUND + _BY_EXTERNAL
_LOCK_BY_HANDOVER = f"""
select l.id from baton.lead l join baton.handover h
  on h.tenant_id = l.tenant_id and h.lead_id = l.id and h.partner_id = l.partner_id
where h.tenant_id = $1 and h.id = $2 and {REACH.format("$3", "$4")} for no key update of l
"""  # noqa: S608  # constants only
_LOCK_BY_OUTCOME = f"""
select l.id from baton.lead l join (select distinct tenant_id, lead_id, partner_id, id from baton.outcome) o
  on o.tenant_id = l.tenant_id and o.lead_id = l.id and o.partner_id = l.partner_id
where o.tenant_id = $1 and o.id = $2 and {REACH.format("$3", "$4")} for no key update of l
"""  # noqa: S608
_LOCK_BY_CONSULTATION = f"""
select l.id from baton.lead l join baton.consultation q
  on q.tenant_id = l.tenant_id and q.lead_id = l.id and q.partner_id = l.partner_id
where q.tenant_id = $1 and q.id = $2 and {REACH.format("$3", "$4")} for no key update of l
"""  # noqa: S608

_READ = f"select {LEAD_COLUMNS} {LEAD_FROM} where l.tenant_id = $1 and l.id = $3 and {REACH.format('$4', '$5')}"

_ENGINE_LEAD = "select l.* from baton.lead l where l.tenant_id = $1 and l.id = $2"

_SURROUNDINGS = """
select baton.now() as now, p.playbook_id as in_force, p.calendar_id, p.id as program_id,
  (select jsonb_object_agg(o.id, o.calendar_id) from baton.organization o
    where o.tenant_id = p.tenant_id and o.id = any($3::uuid[])) as calendars,
  (select coalesce(array_agg(distinct a.kind || ':' || a.disposition), '{}') from baton.activity a
    where a.tenant_id = p.tenant_id and a.lead_id = $4) as activities,
  exists (select from baton.consultation q
    where q.tenant_id = p.tenant_id and q.lead_id = $4 and q.status = 'requested') as consulting,
  (select bool_or(f.meeting_held) from baton.feedback f
    where f.tenant_id = p.tenant_id and f.lead_id = $4) as meeting_held
from baton.program p where p.tenant_id = $1 and p.id = $2
"""
_HANDOVER = """
select * from baton.handover where tenant_id = $1 and lead_id = $2 and ($3::uuid is null or id = $3)
order by (status in ('requested', 'returned', 'answered')) desc, n desc limit 1
"""
_CONSULTATIONS = """
select * from baton.consultation where tenant_id = $1 and lead_id = $2 and status = 'requested' order by n
"""
_CONSULTATION = "select * from baton.consultation where tenant_id = $1 and lead_id = $2 and id = $3"
_STEPS = "select * from baton.handover_step where tenant_id = $1 and handover_id = $2 order by n"
_CLOCKS = """
select * from baton.clock where tenant_id = $1 and lead_id = $2 and state in ('running', 'breached') order by due_at, n
"""
_ESCALATIONS = "select * from baton.escalation where tenant_id = $1 and lead_id = $2 and status <> 'resolved'"


@dataclass(frozen=True, slots=True)
class LeadRef:
    """A lead as a path names it: by its id, or by the caller's own external id."""

    id: UUID | None = None
    external_id: str | None = None

    @classmethod
    def read(cls, text: str) -> "LeadRef":
        """Return the reference, or raise NotFoundError: a malformed one is not told from an unknown one."""
        if external := _EXTERNAL.fullmatch(text):
            return cls(external_id=external[1])
        lead_id = ids.read(ids.Prefix.LEAD, text)
        if lead_id is None:
            raise NotFoundError("There is no such lead.")
        return cls(id=lead_id)


def parsed(row: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Return a row as a dict with its JSON columns parsed."""
    held = dict(row)
    for name in names:
        value = held.get(name)
        if isinstance(value, str):
            held[name] = from_json(value.encode())
    return held


def lead_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a lead row with its JSON columns parsed."""
    return parsed(row, _LEAD_JSON)


def handover_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a handover row with its JSON columns parsed."""
    return parsed(row, ("meeting", "decision"))


def step_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a handover step with its items parsed."""
    return parsed(row, ("items",))


def consultation_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a consultation row with how it ended parsed."""
    return parsed(row, ("decision",))


def escalation_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return an escalation row with its JSON columns parsed."""
    return parsed(row, ("ladder", "acknowledged_by", "timeline"))


@dataclass(slots=True)
class Case:
    """One lead under its lock, with the rules it stands under and what is owed on it.

    `consultations` are the open ones. `acting` is the role in which the actor acts where the command fixes it.
    """

    tx: Transaction
    now: datetime
    row: dict[str, Any]
    lead: Lead
    playbook: Playbook
    in_force: Playbook
    handover: dict[str, Any] | None
    steps: list[dict[str, Any]]
    clocks: list[dict[str, Any]]
    escalations: list[dict[str, Any]]
    calendar_ids: dict[UUID, UUID]
    calendars: dict[UUID, Calendar]
    actor: Actor | None = None
    consultations: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    acting: str | None = None

    @property
    def running(self) -> list[Running]:
        """The clocks that are still owed."""
        return [
            Running(row["id"], row["name"], row["due_at"], row["state"] == "breached", row["consultation_id"])
            for row in self.clocks
        ]

    def calendar_of(self, organization_id: UUID) -> Calendar:
        """Return the calendar on which an organisation's obligations run."""
        return self.calendars[self.calendar_ids[organization_id]]

    @property
    def role(self) -> str:
        """The role in which the actor acts: the owner's or a party's own where it has it, else its first."""
        if self.actor is None:
            return "baton"
        if self.acting is not None:
            return self.acting
        positions = [self.lead.owner.role]
        if self.lead.handover is not None:
            positions += [self.lead.handover.receiver.role, self.lead.handover.giver.role]
        held = self.actor.roles
        return next((role for role in positions if role in held), min(held, default=""))


def side_of(tenant_id: UUID, organization_id: UUID) -> Side:
    """Return the side of an organisation: the tenant's own has the tenant's id."""
    return Side.INTERNAL if organization_id == tenant_id else Side.PARTNER


def party(row: Mapping[str, Any], prefix: str) -> Party:
    """Return the party that `<prefix>_organization_id` and `<prefix>_role` name."""
    organization_id = row[f"{prefix}_organization_id"]
    return Party(organization_id, row[f"{prefix}_role"], side_of(row["tenant_id"], organization_id))


def handover_of(row: Mapping[str, Any]) -> Handover:
    """Return the handover that rules read."""
    return Handover(row["id"], row["status"], party(row, "from"), party(row, "to"), row["meeting_at"], row["enters"])


def consultation_of(row: Mapping[str, Any]) -> Consultation:
    """Return the consultation that rules read."""
    return Consultation(row["id"], row["status"], party(row, "from"), party(row, "to"))


def known_in(row: Mapping[str, Any]) -> frozenset[str]:
    """Return what is known of a lead row, contact included."""
    return known_fields({name: row.get(name) or {} for name in ("company", "contact", "provenance", "context")})


async def resolve(tx: Transaction, actor: Actor, ref: LeadRef, *, lock: bool) -> UUID:
    """Return the id of the lead that the caller names and may see. Raises NotFoundError."""
    if ref.external_id is not None:
        found = await tx.fetchval(
            _LOCK_BY_EXTERNAL if lock else _FIND_BY_EXTERNAL,
            actor.tenant_id,
            actor.organization_id,
            ref.external_id,
            actor.test,
        )
    elif lock:
        found = await tx.fetchval(_LOCK_BY_ID, actor.tenant_id, ref.id, actor.partner_id, actor.test)
    else:
        found = ref.id
    if found is None:
        raise NotFoundError("There is no such lead.")
    return cast("UUID", found)


async def read_lead(tx: Transaction, actor: Actor, lead_id: UUID) -> dict[str, Any]:
    """Return a lead row as the caller may see it. Raises NotFoundError."""
    row = await tx.fetchrow(_READ, actor.tenant_id, actor.organization_id, lead_id, actor.partner_id, actor.test)
    if row is None:
        raise NotFoundError("There is no such lead.")
    return lead_row(row)


async def by_lead(tx: Transaction, actor: Actor, ref: LeadRef) -> Case:
    """Lock and load the lead that a path names. Raises NotFoundError."""
    return await _load(tx, actor, await resolve(tx, actor, ref, lock=True))


async def read_only(tx: Transaction, actor: Actor, ref: LeadRef) -> Case:
    """Load the lead that a path names without its lock: to say what could be decided, never to decide."""
    return await _load(tx, actor, await resolve(tx, actor, ref, lock=False))


async def by_handover(tx: Transaction, actor: Actor, handover_id: UUID | None) -> Case:
    """Lock and load the lead of a handover. Raises NotFoundError."""
    lead_id = await tx.fetchval(_LOCK_BY_HANDOVER, actor.tenant_id, handover_id, actor.partner_id, actor.test)
    if lead_id is None:
        raise NotFoundError("There is no such handover.")
    return await _load(tx, actor, lead_id, handover_id)


async def by_consultation(tx: Transaction, actor: Actor, consultation_id: UUID) -> tuple[Case, dict[str, Any]]:
    """Lock and load the lead of a consultation, and return the consultation too. Raises NotFoundError."""
    lead_id = await tx.fetchval(_LOCK_BY_CONSULTATION, actor.tenant_id, consultation_id, actor.partner_id, actor.test)
    row = await tx.fetchrow(_CONSULTATION, actor.tenant_id, lead_id, consultation_id) if lead_id else None
    if row is None:
        raise NotFoundError("There is no such consultation.")
    case = await _load(tx, actor, lead_id)
    case.lead = replace(case.lead, consultation=consultation_of(row))
    return case, consultation_row(row)


async def by_outcome(tx: Transaction, actor: Actor, outcome_id: UUID | None) -> Case:
    """Lock and load the lead of an outcome. Raises NotFoundError."""
    lead_id = await tx.fetchval(_LOCK_BY_OUTCOME, actor.tenant_id, outcome_id, actor.partner_id, actor.test)
    if lead_id is None:
        raise NotFoundError("There is no such outcome.")
    return await _load(tx, actor, lead_id)


async def for_engine(tx: Transaction, tenant_id: UUID, lead_id: UUID) -> Case:
    """Load a lead that the worker has locked; without contact, which its login cannot read."""
    row = await tx.fetchrow(_ENGINE_LEAD, tenant_id, lead_id)
    if row is None:
        raise NotFoundError("There is no such lead.")
    return await _around(tx, lead_row(row))


async def _load(tx: Transaction, actor: Actor, lead_id: UUID, handover_id: UUID | None = None) -> Case:
    case = await _around(tx, await read_lead(tx, actor, lead_id), handover_id)
    case.actor = actor
    return case


async def _around(tx: Transaction, row: dict[str, Any], handover_id: UUID | None = None) -> Case:
    tenant_id, lead_id = row["tenant_id"], row["id"]
    around = await tx.fetchrow(_SURROUNDINGS, tenant_id, row["program_id"], [tenant_id, row["partner_id"]], lead_id)
    if around is None:
        raise NotFoundError("There is no such lead.")
    found = await tx.fetchrow(_HANDOVER, tenant_id, lead_id, handover_id)
    handover = handover_row(found) if found else None
    steps = [step_row(step) for step in await tx.fetch(_STEPS, tenant_id, handover["id"])] if handover else []
    clocks = [dict(clock) for clock in await tx.fetch(_CLOCKS, tenant_id, lead_id)]
    late = any(clock["state"] == "breached" for clock in clocks)
    escalations = [escalation_row(one) for one in await tx.fetch(_ESCALATIONS, tenant_id, lead_id)] if late else []
    asked = await tx.fetch(_CONSULTATIONS, tenant_id, lead_id) if around["consulting"] else []
    own: Mapping[str, Any] = from_json(around["calendars"].encode()) if around["calendars"] else {}
    calendar_ids = {
        organization_id: UUID(own[str(organization_id)]) if own.get(str(organization_id)) else around["calendar_id"]
        for organization_id in (tenant_id, row["partner_id"])
    }
    standing = await playbooks.playbook(tx, tenant_id, row["playbook_id"])
    return Case(
        tx=tx,
        now=around["now"],
        row=row,
        lead=_lead(row, handover, around),
        playbook=standing,
        in_force=await playbooks.playbook(tx, tenant_id, around["in_force"]),
        handover=handover,
        steps=steps,
        clocks=clocks,
        escalations=escalations,
        calendar_ids=calendar_ids,
        calendars=await playbooks.calendars(tx, tenant_id, calendar_ids.values()),
        consultations=[consultation_row(one) for one in asked],
    )


def _lead(row: Mapping[str, Any], handover: Mapping[str, Any] | None, around: Mapping[str, Any]) -> Lead:
    pairs = [tuple(pair.split(":", 1)) for pair in around["activities"]]
    if around["meeting_held"]:
        pairs.append(("meeting", "held"))
    last = row["outcome"]
    outcome_id = ids.read(ids.Prefix.OUTCOME, last["id"]) if last else None
    return Lead(
        id=row["id"],
        tenant_id=row["tenant_id"],
        partner_id=row["partner_id"],
        status=row["status"],
        stage=row["stage"],
        owner=party(row, "owner"),
        known=known_in(row),
        completeness=row["completeness"],
        activities=frozenset(cast("list[tuple[str, str]]", pairs)),
        handover=handover_of(handover) if handover else None,
        outcome=Outcome(outcome_id, last["result"], last["version"]) if last and outcome_id else None,
        test=row["test"],
    )
