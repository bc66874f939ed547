"""Carries out what is late: a missed clock opens its escalation, a due step climbs the ladder and tells whom it names.

Decides nothing: which step fires and what the fallback takes over is said by `domain/escalations` and
`domain/fallbacks`. Whoever calls holds the lead's lock: the timekeeper when the time has come, a play of the sandbox as
if it had.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db import cases, ladders, overdue, playbooks
from app.db.apply import Facts, apply, journal_of, keep
from app.db.cases import Case
from app.db.journal import Journal, write
from app.db.ladders import Matter
from app.db.writes import Writes
from app.domain.business_time import Calendar
from app.domain.escalations import Rung, climb, first_due, restore, told
from app.domain.fallbacks import take_over
from app.domain.ids import Prefix, show
from app.domain.journey import fallback_party
from app.domain.lead import Party
from app.domain.playbook import Ladder, Step
from app.domain.view import stamp


async def miss(case: Case, ids: Sequence[UUID], public_url: str, *, played: bool = False) -> None:
    """Write that clocks of one lead were missed, and open their escalations; a test lead opens some in a play alone.

    As if time had passed, in a play: a first step is due whenever it is played.
    """
    journal = journal_of(case, Writes())
    for clock in case.clocks:
        if clock["id"] not in ids:
            continue
        standing = await playbooks.playbook(case.tx, case.lead.tenant_id, clock["playbook_id"])
        rule = standing.clocks[clock["name"]]
        ladders.missed(journal, clock, debt=rule.feedback_debt)
        if played or not clock["test"]:
            calendar = await _calendar(case, clock["calendar_id"])
            _open(
                case, journal, standing.ladders[rule.ladder], calendar,
                Matter(clock, case.row, standing, public_url), at_once=played,
            )  # fmt: skip
    keep(case, journal)
    await write(case.tx, journal.writes)


async def step(case: Case, ids: Sequence[UUID], public_url: str) -> None:
    """Climb each of these ladders of one lead to the highest step that is due."""
    for escalation_id in ids:
        # Read anew: a step before it may have ended this one, where the fallback took the lead over.
        row = await overdue.escalation(case.tx, case.lead.tenant_id, escalation_id)
        if row["status"] == "open":
            await _climb(case, row, public_url)


async def _climb(case: Case, row: dict[str, Any], public_url: str) -> None:
    tenant_id = case.lead.tenant_id
    standing = await playbooks.playbook(case.tx, tenant_id, row["playbook_id"])
    clock = await overdue.clock(case.tx, tenant_id, row["clock_id"])
    if clock["state"] != "breached":
        journal = journal_of(case, Writes())
        ladders.resolved(journal, row, Matter(clock, case.row, standing, public_url), case.role)
        keep(case, journal)
        await write(case.tx, journal.writes)
        return
    ladder = restore(row["ladder"])
    rung = climb(ladder, await _calendar(case, row["calendar_id"]), row["step"], row["next_at"], case.now)
    taken = await _take_over(case, ladder, row["id"], public_url) if _assigns(ladder, rung) else None
    journal = journal_of(case, Writes())
    values, entry = _fired(case, rung, clock, ladder, row["next_at"])
    if taken is not None:
        entry["assigned_to"] = _shown(taken)
    if all(held["id"] != clock["id"] for held in case.clocks):
        values["next_at"] = None
    matter = Matter(clock, case.row, standing, public_url)
    ladders.changed(journal, row, values, [entry], ("escalation.stepped", matter, _has_destination(ladder, rung)))
    keep(case, journal)
    await write(case.tx, journal.writes)


async def _take_over(case: Case, ladder: Ladder, escalation_id: UUID, public_url: str) -> Party | None:
    """End an unanswered handover at the fallback; None where there is nothing to take over."""
    effects = take_over(case.lead, ladder.fallback)
    if effects is None:
        return None
    # Its own escalation stays open although its clock ends: it is over when a person has taken it up (promise 2).
    case.escalations = [one for one in case.escalations if one["id"] != escalation_id]
    decision: dict[str, Any] = {
        "verb": "time_out",
        "reason": None,
        "missing": [],
        "note": None,
        "by_role": case.role,
        "at": stamp(case.now),
    }
    facts = Facts(decision=decision if effects.handover is not None else None)
    await apply(case, effects, facts, public_url=public_url)
    return fallback_party(case.lead, ladder.fallback)


def _open(case: Case, journal: Journal, ladder: Ladder, calendar: Calendar, matter: Matter, *, at_once: bool) -> None:
    """Open an escalation. Steps that are due with the miss itself fire in the opening, and its event is their page."""
    next_at = case.now if at_once else first_due(ladder, calendar, matter.clock["due_at"])
    row = ladders.draft(matter.clock, ladder, next_at, case.now)
    page = False
    if next_at <= case.now:
        rung = climb(ladder, calendar, 0, next_at, case.now)
        # A step that assigns the fallback is a decision of its own: it follows as one, in the next cycle.
        if not _assigns(ladder, rung):
            values, entry = _fired(case, rung, matter.clock, ladder, next_at)
            row |= {**values, "timeline": [*row["timeline"], entry]}
            page = _has_destination(ladder, rung)
    ladders.opened(journal, row, matter, page=page)


def _fired(
    case: Case, rung: Rung, clock: Mapping[str, Any], ladder: Ladder, due_at: datetime
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a step changes in its escalation, and its entry in the timeline."""
    parties = told(
        rung.step.notify, cases.party(clock, "owed"), cases.party(clock, "waiting"), case.lead, ladder.fallback
    )
    entry = {
        "at": stamp(case.now),
        "what": "stepped",
        "step": rung.n,
        "notified": [_shown(party) for party in parties],
        "destinations": _has_destination(ladder, rung),
        "skipped": list(rung.skipped),
        "late_by_s": max(0, int((case.now - due_at).total_seconds())),
    }
    return {"step": rung.n, "next_at": rung.next_at}, entry


def _fires(ladder: Ladder, rung: Rung) -> list[Step]:
    return [ladder.steps[n - 1] for n in (*rung.skipped, rung.n)]


def _assigns(ladder: Ladder, rung: Rung) -> bool:
    return any(step.assign_fallback for step in _fires(ladder, rung))


def _has_destination(ladder: Ladder, rung: Rung) -> bool:
    return any(step.destinations for step in _fires(ladder, rung))


def _shown(party: Party) -> dict[str, str]:
    return {"organization": show(Prefix.ORGANIZATION, party.organization_id), "role": party.role}


async def _calendar(case: Case, calendar_id: UUID) -> Calendar:
    """Return a calendar as it stood when the clock started."""
    return (await playbooks.calendars(case.tx, case.lead.tenant_id, [calendar_id]))[calendar_id]
