"""Checks promise 1 over all leads that the caller sees: exactly one accountable owner, at every moment."""

from collections.abc import Sequence
from contextlib import aclosing
from typing import Any, Final

from app.db import histories
from app.db.session import Transaction
from app.domain.actor import Actor, Side
from app.domain.assurance import Disagreement, Hole, Interval, check
from app.domain.errors import NotPermittedError
from app.domain.ids import Prefix, show
from app.domain.view import organization, stamp

MAX_FINDINGS: Final = 1000
"""Findings of one kind that an answer lists."""


async def ownership(tx: Transaction, actor: Actor) -> dict[str, Any]:
    """Return what is wrong with the ownership of any lead. In the tenant's own organisation for managers and admins."""
    if actor.side is Side.INTERNAL and actor.roles.isdisjoint({"manager", "admin"}):
        raise NotPermittedError("Only the role manager or admin may do this.")
    leads = ownerless = 0
    gaps: list[Hole] = []
    overlaps: list[Hole] = []
    disagreements: list[Disagreement] = []
    async with aclosing(histories.records(tx, actor.tenant_id, actor.partner_id, test=actor.test)) as records:
        async for record in records:
            found = check(record)
            leads += 1
            ownerless += found.ownerless
            gaps += found.gaps
            overlaps += found.overlaps
            disagreements += found.disagreements
    return {
        "as_of": stamp(await tx.now()),
        "leads": leads,
        "ownerless": ownerless,
        "gaps": [_hole(one) for one in gaps[:MAX_FINDINGS]],
        "overlaps": [_hole(one) for one in overlaps[:MAX_FINDINGS]],
        "disagreements": [_disagreement(one) for one in disagreements[:MAX_FINDINGS]],
        "truncated": _truncated(gaps, overlaps, disagreements),
    }


def _truncated(*kinds: Sequence[object]) -> bool:
    return any(len(kind) > MAX_FINDINGS for kind in kinds)


def _hole(one: Hole) -> dict[str, Any]:
    return {
        "lead_id": show(Prefix.LEAD, one.lead_id),
        "source": one.source,
        "from": stamp(one.since),
        "until": stamp(one.until),
    }


def _disagreement(one: Disagreement) -> dict[str, Any]:
    return {
        "lead_id": show(Prefix.LEAD, one.lead_id),
        "n": one.n,
        "ledger": _interval(one.ledger),
        "stored": _interval(one.stored),
    }


def _interval(one: Interval | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {
        "organization_id": organization(one.owner.organization_id),
        "role": one.owner.role,
        "from": stamp(one.since),
        "until": stamp(one.until),
    }
