"""Closes leads with a result and a reason, and hears the partner about it. Losses are told as promptly as wins."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from app.db import cases
from app.db.apply import Facts, apply
from app.db.cases import Case, LeadRef
from app.db.session import Transaction
from app.domain import ids
from app.domain.actor import Actor
from app.domain.errors import NotFoundError, ReasonNotAllowedError, ValidationFailedError
from app.domain.journey import Command
from app.domain.obligations import Moments, closing, due
from app.domain.refusals import permitted
from app.domain.view import feedback_view, marked, outcome_view, stamp
from app.schemas.outcomes import ContestIn, FeedbackIn, OutcomeIn
from app.services.kit import Kit

_LAST = "select * from baton.outcome where tenant_id = $1 and id = $2 and lead_id = $3 order by version desc limit 1"
_ACCEPTED = """
select id, accepted_at from baton.handover
where tenant_id = $1 and lead_id = $2 and accepted_at is not null order by accepted_at desc, n desc limit 1
"""
_HANDOVER = """
select id from baton.handover where tenant_id = $1 and lead_id = $2 and id = $3 and accepted_at is not null
"""


def read_id(text: str) -> UUID:
    """Return the id of an outcome in a path. Raises NotFoundError for a malformed one."""
    found = ids.read(ids.Prefix.OUTCOME, text)
    if found is None:
        raise NotFoundError("There is no such outcome.")
    return found


def _command(name: str, body: OutcomeIn) -> Command:
    return Command(
        name,
        result=body.result,
        reason=body.reason,
        secondary=tuple(body.secondary_reasons),
        note=body.note is not None,
        revisit_on=body.revisit_on,
    )


async def close(tx: Transaction, actor: Actor, kit: Kit, ref: LeadRef, body: OutcomeIn) -> dict[str, Any]:
    """Close the lead with an outcome. `won` keeps it open for the onboarding; every other result closes it."""
    case = await cases.by_lead(tx, actor, ref)
    effects = permitted(case.playbook, case.lead, actor, _command("outcome", body), case.now)
    row = await _row(case, body, uuid4(), version=1)
    facts = await _facts(case, "outcome.closed", row, body)
    if effects.handover == "withdrawn":
        facts.decision = {
            "verb": "withdraw",
            "reason": None,
            "missing": [],
            "note": None,
            "by_role": case.role,
            "at": stamp(case.now),
        }
    facts.request = {"summary": case.row["context"].get("expectations") or case.row["company"]["name"]}
    await apply(case, effects, facts, public_url=kit.public_url)
    return marked(facts.lead["outcome"], test=case.lead.test)


async def correct(tx: Transaction, actor: Actor, kit: Kit, outcome_id: UUID, body: OutcomeIn) -> dict[str, Any]:
    """Write the next version of an outcome; it supersedes, nothing is overwritten."""
    case = await cases.by_outcome(tx, actor, outcome_id)
    _refuse_superseded(case, outcome_id)
    effects = permitted(case.playbook, case.lead, actor, _command("correct", body), case.now)
    row = await _row(case, body, outcome_id, version=case.row["outcome"]["version"] + 1)
    row["closed_at"] = await tx.fetchval(
        "select closed_at from baton.outcome where tenant_id = $1 and id = $2 and version = 1",
        actor.tenant_id,
        outcome_id,
    )
    row["stage_at_close"] = case.row["outcome"]["stage_at_close"]
    facts = await _facts(case, "outcome.corrected", row, body)
    await apply(case, effects, facts, public_url=kit.public_url)
    return marked(facts.lead["outcome"], test=case.lead.test)


def _refuse_superseded(case: Case, outcome_id: UUID) -> None:
    if case.lead.outcome is None or case.lead.outcome.id != outcome_id:
        raise NotFoundError("A later outcome has taken its place.")


async def _row(case: Case, body: OutcomeIn, outcome_id: UUID, *, version: int) -> dict[str, Any]:
    accepted = await case.tx.fetchrow(_ACCEPTED, case.lead.tenant_id, case.lead.id)
    money = body.amount or body.annual_value
    return {
        "tenant_id": case.lead.tenant_id,
        "partner_id": case.lead.partner_id,
        "id": outcome_id,
        "version": version,
        "lead_id": case.lead.id,
        "handover_id": accepted["id"] if accepted else None,
        "result": body.result,
        "reason": body.reason,
        "secondary_reasons": body.secondary_reasons,
        "stated_by": body.stated_by,
        "note": body.note,
        "learnings": body.learnings,
        "amount": Decimal(body.amount.value) if body.amount else None,
        "annual_value": Decimal(body.annual_value.value) if body.annual_value else None,
        "currency": money.currency if money else None,
        "competitor": body.competitor,
        "recoverable": body.recoverable,
        "revisit_on": body.revisit_on,
        "stage_at_close": case.lead.stage,
        "by_role": case.role,
        "closed_at": case.now,
        "written_at": case.now,
    }


async def _facts(case: Case, kind: str, row: dict[str, Any], body: OutcomeIn) -> Facts:
    shown = outcome_view(row, case.playbook)
    accepted = await case.tx.fetchrow(_ACCEPTED, case.lead.tenant_id, case.lead.id)
    handover = (
        {"id": ids.show(ids.Prefix.HANDOVER, accepted["id"]), "accepted_at": stamp(accepted["accepted_at"])}
        if accepted
        else None
    )
    hours = round((case.now - accepted["accepted_at"]).total_seconds() / 3600, 2) if accepted else None
    amount: dict[str, str] = shown["amount"] or {}
    annual_value: dict[str, str] = shown["annual_value"] or {}
    ledger: dict[str, Any] = {
        "outcome_id": shown["id"],
        **{
            name: shown[name]
            for name in ("version", "result", "stage_at_close", "revisit_on", "stated_by", "recoverable")
        },
        "reason": row["reason"],
        "secondary_reasons": row["secondary_reasons"],
        "amount": amount.get("value"),
        "annual_value": annual_value.get("value"),
        "currency": row["currency"],
        "hours_to_outcome": hours,
    }
    return Facts(
        contents={kind: (ledger, {"outcome": shown, "handover": handover, "hours_to_outcome": hours})},
        lead={"outcome": shown},
        inserts=[("outcome", row)],
        moments=Moments(result=body.result, revisit_on=body.revisit_on),
    )


async def respond(
    tx: Transaction, actor: Actor, kit: Kit, outcome_id: UUID, contest: ContestIn | None
) -> dict[str, Any]:
    """Acknowledge the outcome, or contest it with a reason."""
    case = await cases.by_outcome(tx, actor, outcome_id)
    _refuse_superseded(case, outcome_id)
    name = "contest" if contest else "acknowledge"
    effects = permitted(case.playbook, case.lead, actor, Command(name), case.now)
    kind = "outcome.contested" if contest else "outcome.acknowledged"
    version = case.row["outcome"]["version"]
    said = {
        "outcome_id": ids.show(ids.Prefix.OUTCOME, outcome_id),
        "version": version,
        "reason": contest.reason if contest else None,
    }
    row = {
        "tenant_id": case.lead.tenant_id,
        "partner_id": case.lead.partner_id,
        "id": uuid4(),
        "lead_id": case.lead.id,
        "outcome_id": outcome_id,
        "outcome_version": version,
        "kind": "contested" if contest else "acknowledged",
        "reason": contest.reason if contest else None,
        "note": contest.note if contest else None,
        "at": case.now,
    }
    outcome = {**case.row["outcome"], "acknowledged_at" if not contest else "contested_at": stamp(case.now)}
    facts = Facts(
        contents={kind: (said, {**said, "note": contest.note if contest else None})},
        inserts=[("outcome_response", row)],
        lead={"outcome": outcome},
    )
    await apply(case, effects, facts, public_url=kit.public_url)
    return marked(outcome, test=case.lead.test)


async def feedback(tx: Transaction, actor: Actor, kit: Kit, ref: LeadRef, body: FeedbackIn) -> dict[str, Any]:
    """Give interim feedback on an accepted handover; a promised update starts the outcome's clock anew."""
    case = await cases.by_lead(tx, actor, ref)
    effects = permitted(case.playbook, case.lead, actor, Command("feedback"), case.now)
    handover_id = ids.read(ids.Prefix.HANDOVER, body.handover_id)
    if await tx.fetchval(_HANDOVER, actor.tenant_id, case.lead.id, handover_id) is None:
        raise ValidationFailedError(
            "The lead has no such accepted handover.",
            errors=[{"pointer": "/handover_id", "code": "unknown", "message": "No such accepted handover."}],
        )
    allowed = case.playbook.choices.get("feedback", {})
    if any(code not in allowed for code in body.reasons):
        raise ReasonNotAllowedError(
            "The playbook does not list this reason here.", playbook=case.playbook.cite("reasons.feedback")
        )
    if "other" in body.reasons and body.note is None:
        raise ReasonNotAllowedError(
            "The reason `other` needs a note.", missing=["/note"], playbook=case.playbook.cite("reasons.feedback")
        )
    if body.next_update_on is not None:
        _refuse_far(case, body.next_update_on)
    row = {
        "tenant_id": case.lead.tenant_id,
        "partner_id": case.lead.partner_id,
        "id": uuid4(),
        "lead_id": case.lead.id,
        "handover_id": handover_id,
        "organization_id": actor.organization_id,
        "role": case.role,
        "meeting_held": body.meeting_held,
        "rating": body.rating,
        "reasons": body.reasons,
        "note": body.note,
        "next_update_on": body.next_update_on,
        "at": case.now,
    }
    shown = feedback_view(row, case.playbook)
    ledger = {
        "feedback_id": shown["id"],
        "handover_id": body.handover_id,
        "meeting_held": body.meeting_held,
        "rating": body.rating,
        "reasons": body.reasons,
        "next_update_on": shown["next_update_on"],
    }
    facts = Facts(
        contents={"feedback.given": (ledger, {"feedback": shown})},
        inserts=[("feedback", row)],
        moments=Moments(next_update_on=body.next_update_on),
    )
    await apply(case, effects, facts, public_url=kit.public_url)
    return marked(shown, test=case.lead.test)


def _refuse_far(case: Case, day: date) -> None:
    """A promised update lies ahead, and no further than the outcome itself may take."""
    calendar = case.calendar_of(case.lead.owner.organization_id)
    promised = [
        rule.within
        for rule in case.playbook.clocks.values()
        for start in rule.starts
        if start.anchor == "next_update_on"
    ]
    last = max((due(calendar, case.now, within) for within in promised), default=case.now)
    when = closing(calendar, day)
    if when < case.now or when.date() > last.date():
        raise ValidationFailedError(
            "The next update lies too far ahead or in the past.",
            errors=[{"pointer": "/next_update_on", "code": "range", "message": "Promise an earlier day."}],
        )


async def reopen(tx: Transaction, actor: Actor, kit: Kit, ref: LeadRef) -> Case:
    """Open a pending lead again, in the stage it was closed in."""
    case = await cases.by_lead(tx, actor, ref)
    effects = permitted(case.playbook, case.lead, actor, Command("reopen"), case.now)
    await apply(case, effects, Facts(), public_url=kit.public_url)
    return case
