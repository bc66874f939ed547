"""Answers what the caller may do with a lead now, by the rules that would decide the command itself."""

from dataclasses import asdict
from typing import Any

from app.db import cases
from app.db.cases import LeadRef
from app.db.session import Transaction
from app.domain import actions as rules
from app.domain.actor import Actor


async def actions(tx: Transaction, actor: Actor, ref: LeadRef) -> list[dict[str, Any]]:
    """Return every command with the verdict on it. Raises NotFoundError."""
    case = await cases.read_only(tx, actor, ref)
    return [asdict(action) for action in rules.actions(case.playbook, case.lead, actor, case.now)]
