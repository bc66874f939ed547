"""Offers, answers and pulls handovers. The giver stays accountable until the receiver accepts (promise 1)."""

from typing import Any
from uuid import UUID, uuid4

from app.db import cases
from app.db.apply import Facts, apply
from app.db.cases import Case, LeadRef
from app.db.expansions import expand
from app.db.session import Transaction
from app.domain import ids
from app.domain.actor import Actor
from app.domain.errors import NotFoundError, ValidationFailedError
from app.domain.journey import Command
from app.domain.obligations import Moments
from app.domain.refusals import permitted
from app.domain.view import handover_view, lead_view, marked, reason, stamp
from app.schemas.handovers import AcceptIn, AnswerIn, HandoverIn, PullIn, RejectIn, ReturnIn
from app.services.kit import Kit

_ENRICHED = frozenset({"notes", "activities"})

_WAITING = """
select h.id from baton.handover h
join baton.lead l on l.tenant_id = h.tenant_id and l.id = h.lead_id and l.partner_id = h.partner_id
where h.tenant_id = $1 and h.to_organization_id = $2 and h.to_role = $3 and h.status in ('requested', 'answered')
  and l.status = 'open' and l.test = $4 and ($6::uuid is null or h.partner_id = $6)
order by h.due_at, h.n limit $5 for no key update of l skip locked
"""


def read_id(text: str) -> UUID:
    """Return the id of a handover in a path. Raises NotFoundError for a malformed one."""
    found = ids.read(ids.Prefix.HANDOVER, text)
    if found is None:
        raise NotFoundError("There is no such handover.")
    return found


def shown(case: Case) -> dict[str, Any]:
    """Return the handover that the case is about."""
    if case.handover is None:
        raise NotFoundError("There is no such handover.")
    return marked(handover_view(case.handover, case.steps, case.row["external_id"]), test=case.lead.test)


async def request(tx: Transaction, actor: Actor, kit: Kit, ref: LeadRef, body: HandoverIn) -> Case:
    """Offer the baton to a role."""
    case = await cases.by_lead(tx, actor, ref)
    effects = permitted(case.playbook, case.lead, actor, Command("handover", to_role=body.to_role), case.now)
    facts = Facts(
        request={
            "summary": body.summary,
            "note": body.note,
            "meeting": body.meeting.model_dump(mode="json", exclude_none=True) if body.meeting else None,
            "meeting_at": body.meeting.at if body.meeting else None,
        }
    )
    await apply(case, effects, facts, public_url=kit.public_url)
    return case


def _decision(case: Case, verb: str, code: str | None = None, note: str | None = None) -> dict[str, Any]:
    return {
        "verb": verb,
        "reason": reason(case.playbook, "rejected", code),
        "missing": [],
        "note": note,
        "by_role": case.role,
        "at": stamp(case.now),
    }


async def accept(tx: Transaction, actor: Actor, kit: Kit, handover_id: UUID, body: AcceptIn) -> Case:
    """Take the baton: the receiver is accountable from this moment."""
    return await _accept(await cases.by_handover(tx, actor, handover_id), actor, kit, body.assignee)


async def _accept(case: Case, actor: Actor, kit: Kit, assignee: str | None) -> Case:
    effects = permitted(case.playbook, case.lead, actor, Command("accept"), case.now)
    facts = Facts(
        decision=_decision(case, "accept"),
        assignee=assignee,
        moments=Moments(meeting_at=case.lead.handover.meeting_at if case.lead.handover else None),
    )
    await apply(case, effects, facts, public_url=kit.public_url)
    return case


async def reject(tx: Transaction, actor: Actor, kit: Kit, handover_id: UUID, body: RejectIn) -> Case:
    """Decline the baton with a reason that can be counted."""
    case = await cases.by_handover(tx, actor, handover_id)
    command = Command("reject", reason=body.reason, note=body.note is not None)
    effects = permitted(case.playbook, case.lead, actor, command, case.now)
    facts = Facts(decision=_decision(case, "reject", body.reason, body.note))
    await apply(case, effects, facts, public_url=kit.public_url)
    return case


async def send_back(tx: Transaction, actor: Actor, kit: Kit, handover_id: UUID, body: ReturnIn) -> Case:
    """Return the handover with questions; the giver owes the answers."""
    case = await cases.by_handover(tx, actor, handover_id)
    effects = permitted(case.playbook, case.lead, actor, Command("return"), case.now)
    questions = [
        {
            "id": ids.show(ids.Prefix.QUESTION, uuid4()),
            "text": question.text,
            **({"field": question.field} if question.field else {}),
        }
        for question in body.questions
    ]
    facts = Facts(decision=_decision(case, "return"), step=_step(case, "questions", questions))
    await apply(case, effects, facts, public_url=kit.public_url)
    return case


async def answer(tx: Transaction, actor: Actor, kit: Kit, handover_id: UUID, body: AnswerIn) -> Case:
    """Answer the questions; the receiver decides again, on a fresh clock. Every open question needs an answer."""
    case = await cases.by_handover(tx, actor, handover_id)
    effects = permitted(case.playbook, case.lead, actor, Command("answer"), case.now)
    _refuse_stray(case, body)
    answers = [one.model_dump() for one in body.answers]
    await apply(case, effects, Facts(step=_step(case, "answers", answers)), public_url=kit.public_url)
    return case


def _refuse_stray(case: Case, body: AnswerIn) -> None:
    asked = {item["id"] for step in case.steps if step["kind"] == "questions" for item in step["items"]}
    done = {item["question_id"] for step in case.steps if step["kind"] == "answers" for item in step["items"]}
    given = [one.question_id for one in body.answers]
    errors = [
        {"pointer": f"/answers/{index}/question_id", "code": "unknown", "message": "No such open question."}
        for index, question_id in enumerate(given)
        if question_id not in asked - done or question_id in given[:index]
    ]
    if asked - done - set(given):
        errors.append({"pointer": "/answers", "code": "required", "message": "Every open question needs an answer."})
    if errors:
        raise ValidationFailedError("The answers do not fit the questions.", errors=errors)


def _step(case: Case, kind: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "tenant_id": case.lead.tenant_id,
        "partner_id": case.lead.partner_id,
        "id": uuid4(),
        "handover_id": case.lead.handover.id if case.lead.handover else None,
        "kind": kind,
        "items": items,
        "by_role": case.role,
        "at": case.now,
    }


async def withdraw(tx: Transaction, actor: Actor, kit: Kit, handover_id: UUID) -> Case:
    """Take the offer back."""
    case = await cases.by_handover(tx, actor, handover_id)
    effects = permitted(case.playbook, case.lead, actor, Command("withdraw"), case.now)
    await apply(case, effects, Facts(decision=_decision(case, "withdraw")), public_url=kit.public_url)
    return case


async def pull(tx: Transaction, actor: Actor, kit: Kit, body: PullIn) -> list[dict[str, Any]]:
    """Accept up to `limit` waiting handovers in due order, skipping those another caller is deciding right now."""
    waiting = await tx.fetch(
        _WAITING, actor.tenant_id, actor.organization_id, body.to_role, actor.test, body.limit, actor.partner_id
    )
    accepted = [
        await _accept(await cases.by_handover(tx, actor, row["id"]), actor, kit, body.assignee) for row in waiting
    ]
    extras = await expand(tx, actor, [case.row for case in accepted], _ENRICHED)
    return [
        {
            "handover": shown(case),
            "lead": {**lead_view(case.row, case.playbook, actor.side), **extras.get(case.lead.id, {})},
        }
        for case in accepted
    ]
