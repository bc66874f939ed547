"""What is written when a received lead is decided: admitted under its claim, or turned away. Decides nothing itself.

Whoever calls holds the lead's lock and writes: the adjudicator, or a play of the sandbox, which knows no claims.
"""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from app.db import claims
from app.db.apply import Facts, compose
from app.db.cases import Case
from app.db.claims import ProgramKey
from app.db.writes import Writes
from app.domain import adjudication
from app.domain.adjudication import Holding, Judgement
from app.domain.ids import Prefix, show
from app.domain.lead import NOT_ACCEPTED, OPEN, RECEIVED
from app.domain.view import stamp


def _gone(case: Case) -> tuple[str, dict[str, Any]]:
    """Return the row that leaves the queue with the decision."""
    row = case.row
    return "adjudication", {"tenant_id": row["tenant_id"], "lead_id": row["id"], "partner_id": row["partner_id"]}


def settle(case: Case, judgement: Judgement, held: dict[ProgramKey, Holding], *, public_url: str) -> Writes:
    """Return what was judged of a received lead. `held` are the keys in use; those that this lead gets are added."""
    if case.lead.status != RECEIVED:
        raise LookupError("a lead that waits for its decision is received")
    if not judgement.accepted:
        return turn_away(case, public_url=public_url)
    facts = Facts(deletes=[_gone(case)])
    _admit(case, judgement, held, facts)
    return compose(case, adjudication.accept(case.lead), facts, public_url=public_url)


def turn_away(case: Case, *, public_url: str) -> Writes:
    """Return that a lead is not accepted, and why, as far as its vendor is told."""
    facts = Facts(deletes=[_gone(case)])
    _refuse(case, facts)
    return compose(case, adjudication.turn_away(case.lead), facts, public_url=public_url)


def _refuse(case: Case, facts: Facts) -> None:
    decision = adjudication.decision(case.calendar_of(case.lead.partner_id), case.now)
    facts.lead = {"decision": decision}
    facts.contents["lead.not_accepted"] = (
        {"reason": decision["reason"]},
        {"status": NOT_ACCEPTED, "decision": decision},
    )
    if adjudication.offered(case.lead) is not None:
        facts.decision = {
            "verb": "withdraw",
            "reason": None,
            "missing": [],
            "note": None,
            "by_role": case.role,
            "at": stamp(case.now),
        }


def _admit(case: Case, judgement: Judgement, held: dict[ProgramKey, Holding], facts: Facts) -> None:
    shown: dict[str, Any] = {"status": OPEN, "stage": case.lead.stage}
    ledger: dict[str, Any] = {"stage": case.lead.stage}
    if not case.lead.test:
        fresh = judgement.claim_id is None
        holding = Holding(judgement.claim_id or uuid4(), case.lead.partner_id)
        expires_at = case.now + timedelta(days=case.playbook.claim_days) if fresh else None
        facts.inserts = claims.claim_rows(case.row, holding, judgement.keys, expires_at, case.now)
        held |= {(case.row["program_id"], key): holding for key in judgement.keys}
        ledger["claim_id"] = show(Prefix.CLAIM, holding.claim_id)
        ledger["joins"] = not fresh
    facts.contents["lead.accepted"] = (ledger, shown)
    if adjudication.offered(case.lead) is not None:
        facts.also_starts = ("handover.requested",)
