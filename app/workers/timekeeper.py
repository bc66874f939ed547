"""Watches what is owed: writes that a clock was missed, opens its escalation, climbs the ladder until somebody acts.

A clock or step is claimed together with its lead and written in that transaction, with its event and its page: a kill
at any point loses nothing and fires nothing twice. Due times are computed from due times, so an outage does not make
a ladder slide: the highest overdue step fires once and names the ones it skipped.
"""

import logging
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from app.db import cases, ladders, overdue, playbooks
from app.db.apply import Facts, apply, journal_of, keep
from app.db.cases import Case
from app.db.journal import Journal, write
from app.db.ladders import Matter
from app.db.overdue import Agenda, Due
from app.db.session import Database, Identity, Login
from app.db.watch import LOST
from app.db.writes import Writes
from app.domain.business_time import Calendar
from app.domain.escalations import Rung, climb, first_due, restore, told
from app.domain.fallbacks import take_over
from app.domain.ids import Prefix, show
from app.domain.journey import fallback_party
from app.domain.lead import Party
from app.domain.playbook import Ladder, Step
from app.domain.view import stamp
from app.workers.loops import AT_ONCE

BATCH: Final = 50
"""Clocks or steps that one transaction takes on."""
_SET_ASIDE_S: Final = 60.0
_WORKER: Final = Identity(Login.WORKER)

_log = logging.getLogger(__name__)

Act = Callable[[Case, Sequence[UUID]], Awaitable[None]]


@dataclass(slots=True)
class Timekeeper:
    """The loop that watches clocks and ladders. What it could not do it sets aside for a minute, and tries again."""

    database: Database
    public_url: str
    _aside: dict[UUID, float] = field(default_factory=dict[UUID, float])

    @property
    def name(self) -> str:
        """A word for the log."""
        return "timekeeper"

    @property
    def due(self) -> str:
        """When the next clock or step falls due."""
        return overdue.NEXT_DUE

    async def cycle(self) -> datetime | None:
        """Take on one batch of missed clocks and one of due steps of every tenant that has some."""
        self._aside = {id_: until for id_, until in self._aside.items() if until > time.monotonic()}
        done = await self._work(overdue.CLOCKS, self._miss) + await self._work(overdue.STEPS, self._step)
        return AT_ONCE if done else None

    async def _work(self, agenda: Agenda, act: Act) -> int:
        async with self.database.begin(_WORKER) as tx:
            tenants = await overdue.tenants(tx, agenda, self._aside)
        return sum([await self._tenant(agenda, act, tenant_id) for tenant_id in tenants])

    async def _tenant(self, agenda: Agenda, act: Act, tenant_id: UUID) -> int:
        try:
            return await self._batch(agenda, act, tenant_id, BATCH, [])
        except LOST:
            raise
        except Exception as error:  # noqa: BLE001 - one bad lead must not hold up the others
            _report("a batch failed, what it held is tried one by one", error)
        done = 0
        while done < BATCH:
            claimed: list[Due] = []
            try:
                if not await self._batch(agenda, act, tenant_id, 1, claimed):
                    break
            except LOST:
                raise
            except Exception as error:
                if not claimed:
                    raise
                self._aside[claimed[0].id] = time.monotonic() + _SET_ASIDE_S
                _report(f"{show(Prefix.LEAD, claimed[0].lead_id)} is set aside", error)
            done += 1
        return done

    async def _batch(self, agenda: Agenda, act: Act, tenant_id: UUID, limit: int, claimed: list[Due]) -> int:
        """Do the first due of a tenant in one transaction; `claimed` tells the caller what was at hand."""
        async with self.database.begin(Identity(Login.WORKER, tenant_id)) as tx:
            claimed += await overdue.claim(tx, agenda, tenant_id, limit, self._aside)
            by_lead: dict[UUID, list[UUID]] = {}
            for one in claimed:
                by_lead.setdefault(one.lead_id, []).append(one.id)
            for lead_id, ids in by_lead.items():
                await act(await cases.for_engine(tx, tenant_id, lead_id), ids)
            return len(claimed)

    async def _miss(self, case: Case, ids: Sequence[UUID]) -> None:
        """Write that clocks of one lead were missed, and open their escalations; a test lead opens none."""
        journal = journal_of(case, Writes())
        for clock in case.clocks:
            if clock["id"] not in ids:
                continue
            standing = await playbooks.playbook(case.tx, case.lead.tenant_id, clock["playbook_id"])
            rule = standing.clocks[clock["name"]]
            ladders.missed(journal, clock, debt=rule.feedback_debt)
            if not clock["test"]:
                calendar = await _calendar(case, clock["calendar_id"])
                _open(
                    case, journal, standing.ladders[rule.ladder], calendar,
                    Matter(clock, case.row, standing, self.public_url),
                )  # fmt: skip
        keep(case, journal)
        await write(case.tx, journal.writes)

    async def _step(self, case: Case, ids: Sequence[UUID]) -> None:
        for escalation_id in ids:
            # Read anew: a step before it may have ended this one, where the fallback took the lead over.
            row = await overdue.escalation(case.tx, case.lead.tenant_id, escalation_id)
            if row["status"] == "open":
                await self._climb(case, row)

    async def _climb(self, case: Case, row: dict[str, Any]) -> None:
        tenant_id = case.lead.tenant_id
        standing = await playbooks.playbook(case.tx, tenant_id, row["playbook_id"])
        clock = await overdue.clock(case.tx, tenant_id, row["clock_id"])
        if clock["state"] != "breached":
            journal = journal_of(case, Writes())
            ladders.resolved(journal, row, Matter(clock, case.row, standing, self.public_url), case.role)
            keep(case, journal)
            await write(case.tx, journal.writes)
            return
        ladder = restore(row["ladder"])
        rung = climb(ladder, await _calendar(case, row["calendar_id"]), row["step"], row["next_at"], case.now)
        taken = await self._take_over(case, ladder, row["id"]) if _assigns(ladder, rung) else None
        journal = journal_of(case, Writes())
        values, entry = _fired(case, rung, clock, ladder, row["next_at"])
        if taken is not None:
            entry["assigned_to"] = _shown(taken)
        if all(held["id"] != clock["id"] for held in case.clocks):
            values["next_at"] = None
        matter = Matter(clock, case.row, standing, self.public_url)
        ladders.changed(journal, row, values, [entry], ("escalation.stepped", matter, _has_destination(ladder, rung)))
        keep(case, journal)
        await write(case.tx, journal.writes)

    async def _take_over(self, case: Case, ladder: Ladder, escalation_id: UUID) -> Party | None:
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
        await apply(case, effects, facts, public_url=self.public_url)
        return fallback_party(case.lead, ladder.fallback)


def _open(case: Case, journal: Journal, ladder: Ladder, calendar: Calendar, matter: Matter) -> None:
    """Open an escalation. Steps that are due with the miss itself fire in the opening, and its event is their page."""
    next_at = first_due(ladder, calendar, matter.clock["due_at"])
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


def _report(what: str, error: Exception) -> None:
    # Type and place only: a message may quote a row.
    place = "".join(traceback.format_tb(error.__traceback__))
    _log.error("timekeeper: %s: %s\n%s", what, type(error).__name__, place)
