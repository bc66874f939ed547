"""Asks a consulted role for help on a lead, and ends what was asked. The owner stays accountable throughout."""

from datetime import datetime
from typing import Any, cast
from uuid import UUID, uuid4

from app.db import cases
from app.db.apply import Facts, apply
from app.db.cases import REACH, Case, LeadRef, consultation_row
from app.db.consultations import ended
from app.db.pages import Key, Listing, Order, Page, Wanted, read, shaped
from app.db.session import Transaction
from app.domain import ids
from app.domain.actor import Actor
from app.domain.business_time import add_days
from app.domain.consultation import REQUESTED, acting_role, settle
from app.domain.errors import NotFoundError, ValidationFailedError
from app.domain.journey import Command
from app.domain.lead import Party
from app.domain.obligations import Moments
from app.domain.playbook import Label
from app.domain.refusals import granted, permitted
from app.domain.view import consultation_view, marked
from app.schemas.consultations import ConsultationAnswerIn, ConsultationDeclineIn, ConsultationIn
from app.schemas.queries import ConsultationFilter
from app.services.kit import Kit

LATEST_BUSINESS_DAYS = 20
"""An answer is asked for no later than an outcome is owed (contract 5a): further off would be silence (promise 2)."""

_SELECT = f"""
select x.*, l.external_id, l.test from baton.consultation x
join baton.lead l on l.tenant_id = x.tenant_id and l.id = x.lead_id and l.partner_id = x.partner_id
where x.tenant_id = $1 and {REACH.format("$2", "$3")}
"""  # noqa: S608  # constants only
_OF_LEAD = Listing(f"{_SELECT} and x.lead_id = $4", Order((Key("x.n", "n", int),)))
# What is due comes first; what has ended follows, the newest first.
_ORDER = Order(
    (
        Key("coalesce(x.due_at, '9000-01-01 00:00:00+00'::timestamptz)", "placed_at", datetime),
        Key("case when x.due_at is null then -x.n else x.n end", "placed_n", int),
    )
)
_PLACES = ", ".join(f"{key.expression} as {key.column}" for key in _ORDER.keys)
_LIST = Listing(
    f"""{_SELECT.replace("l.external_id", f"l.external_id, {_PLACES}", 1)}
  and l.test = $4
  and ($6::text is null or case $6 when 'asker' then x.from_organization_id else x.to_organization_id end = $5)
  and ($7::text is null or x.status = $7)
""",
    _ORDER,
)
_ONE = f"{_SELECT} and x.id = $4"


def read_id(text: str) -> UUID:
    """Return the id of a consultation in a path. Raises NotFoundError for a malformed one."""
    found = ids.read(ids.Prefix.CONSULTATION, text)
    if found is None:
        raise NotFoundError("There is no such consultation.")
    return found


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return marked(consultation_view(consultation_row(row), row["external_id"]), test=row["test"])


def _both(label: Label) -> str:
    return f"{label.en} / {label.ja}"


async def ask(tx: Transaction, actor: Actor, kit: Kit, ref: LeadRef, body: ConsultationIn) -> dict[str, Any]:
    """Ask a role that the playbook names to be consulted in the lead's stage."""
    case = await cases.by_lead(tx, actor, ref)
    effects = permitted(case.playbook, case.lead, actor, Command("consult", to_role=body.role), case.now)
    asked = cast("Party", effects.consults)
    if body.due is not None:
        _refuse_out_of_reach(case, asked, body.due)
    case.acting = case.lead.owner.role
    row = {
        "tenant_id": case.lead.tenant_id,
        "partner_id": case.lead.partner_id,
        "id": uuid4(),
        "lead_id": case.lead.id,
        "status": REQUESTED,
        "purpose": body.purpose or _both(case.playbook.purpose),
        "question": body.question,
        "stage": case.lead.stage,
        "from_organization_id": case.lead.owner.organization_id,
        "from_role": case.lead.owner.role,
        "to_organization_id": asked.organization_id,
        "to_role": asked.role,
        "requested_at": case.now,
        "due_at": None,
        "decision": None,
    }
    await apply(case, effects, Facts(consultation=row, moments=Moments(until=body.due)), public_url=kit.public_url)
    return marked(consultation_view(row, case.row["external_id"]), test=case.lead.test)


def _refuse_out_of_reach(case: Case, asked: Party, until: datetime) -> None:
    last = add_days(case.calendar_of(asked.organization_id), case.now, LATEST_BUSINESS_DAYS)
    code = "too_early" if until <= case.now else "too_late" if until > last else None
    if code is not None:
        raise ValidationFailedError(
            "The answer cannot be asked for by then.",
            errors=[
                {
                    "pointer": "/due",
                    "code": code,
                    "message": f"Ahead, and at most {LATEST_BUSINESS_DAYS} business days.",
                }
            ],
        )


async def answer(
    tx: Transaction, actor: Actor, kit: Kit, consultation_id: UUID, body: ConsultationAnswerIn
) -> dict[str, Any]:
    """Answer what was asked."""
    return await _end(tx, actor, kit, consultation_id, "answer", text=body.text)


async def decline(
    tx: Transaction, actor: Actor, kit: Kit, consultation_id: UUID, body: ConsultationDeclineIn
) -> dict[str, Any]:
    """Decline, with a reason and with what is possible instead."""
    return await _end(tx, actor, kit, consultation_id, "decline", reason=body.reason, alternative=body.alternative)


async def withdraw(tx: Transaction, actor: Actor, kit: Kit, consultation_id: UUID) -> dict[str, Any]:
    """Take the question back."""
    return await _end(tx, actor, kit, consultation_id, "withdraw")


async def _end(
    tx: Transaction, actor: Actor, kit: Kit, consultation_id: UUID, verb: str, **words: str
) -> dict[str, Any]:
    case, row = await cases.by_consultation(tx, actor, consultation_id)
    effects = granted(case.playbook, settle(case.lead, actor, verb))
    case.acting = acting_role(case.lead, actor, verb)
    row = ended(row, case, verb, **words)
    await apply(case, effects, Facts(consultation=row), public_url=kit.public_url)
    return marked(consultation_view(row, case.row["external_id"]), test=case.lead.test)


async def of_lead(tx: Transaction, actor: Actor, ref: LeadRef, wanted: Wanted) -> Page[dict[str, Any]]:
    """Return a page of a lead's consultations, the oldest first. Raises NotFoundError."""
    lead_id = await cases.resolve(tx, actor, ref, lock=False)
    await cases.read_lead(tx, actor, lead_id)
    return shaped(await read(tx, wanted, _OF_LEAD, (actor.tenant_id, actor.partner_id, actor.test, lead_id)), _shown)


async def consultations(
    tx: Transaction, actor: Actor, asked: ConsultationFilter, wanted: Wanted
) -> Page[dict[str, Any]]:
    """Return a page of consultations by due time."""
    test = asked.test or actor.test
    args = (actor.tenant_id, actor.partner_id, actor.test, test, actor.organization_id, asked.side, asked.status)
    return shaped(await read(tx, wanted, _LIST, args), _shown)


async def consultation(tx: Transaction, actor: Actor, consultation_id: UUID) -> dict[str, Any]:
    """Return one consultation. Raises NotFoundError."""
    row = await tx.fetchrow(_ONE, actor.tenant_id, actor.partner_id, actor.test, consultation_id)
    if row is None:
        raise NotFoundError("There is no such consultation.")
    return _shown(dict(row))
