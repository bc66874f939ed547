"""Answers to an escalation. Whoever takes it up stops its ladder; it is over when what is owed is done or waived."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.db import cases, ladders, overdue, playbooks
from app.db.apply import journal_of, keep
from app.db.cases import Case, LeadRef
from app.db.journal import Journal, write
from app.db.ladders import Matter
from app.db.session import Transaction
from app.db.writes import Writes
from app.domain import ids
from app.domain.actor import Actor
from app.domain.errors import NotFoundError, NotPermittedError, ObligationOpenError, ValidationFailedError
from app.domain.escalations import escalation_view, restore
from app.domain.journey import fallback_party
from app.domain.lead import Party
from app.domain.responders import answers_as, latest_snooze, waives_as
from app.domain.view import organization, stamp
from app.schemas.escalations import ResolveIn, SnoozeIn, TakeUpIn, WaiveIn
from app.services.kit import Kit

_LIVE = ("running", "breached")


def read_id(text: str) -> UUID:
    """Return the id of an escalation in a path. Raises NotFoundError for a malformed one."""
    found = ids.read(ids.Prefix.ESCALATION, text)
    if found is None:
        raise NotFoundError("There is no such escalation.")
    return found


@dataclass(slots=True)
class _Standing:
    """An escalation under its lead's lock, with what an answer to it needs."""

    case: Case
    actor: Actor
    row: dict[str, Any]
    clock: dict[str, Any]
    matter: Matter

    @property
    def owed_by(self) -> Party:
        return cases.party(self.clock, "owed")

    @property
    def waiting(self) -> Party:
        return cases.party(self.clock, "waiting")

    def shown(self) -> dict[str, Any]:
        return escalation_view(
            self.row, self.clock, self.case.row, self.matter.playbook, public_url=self.matter.public_url,
            now=self.case.now,
        )  # fmt: skip

    def answering(self) -> str:
        """Return the role in which the actor answers. Raises NotPermittedError."""
        fallback = fallback_party(self.case.lead, restore(self.row["ladder"]).fallback)
        return self._permitted(answers_as(self.actor, self.owed_by, self.waiting, fallback))

    def waiving(self) -> str:
        """Return the role in which the actor waives. Raises NotPermittedError."""
        return self._permitted(waives_as(self.actor, self.case.lead, self.owed_by, self.waiting))

    def _permitted(self, role: str | None) -> str:
        if role is None:
            raise NotPermittedError(
                "This escalation is not for this role to answer.", playbook=self.matter.playbook.cite(self._rule)
            )
        return role

    @property
    def _rule(self) -> str:
        return f"clocks.{self.row['trigger']}"

    def refuse_open(self) -> None:
        """Raise ObligationOpenError while what is owed has not been done."""
        if self.clock["state"] in _LIVE:
            raise ObligationOpenError(
                "What is owed has not been done: do it, pass it on, or have the side that waits waive it.",
                playbook=self.matter.playbook.cite(self._rule),
            )

    def journal(self) -> Journal:
        return journal_of(self.case, Writes())

    async def keep(self, journal: Journal, row: dict[str, Any]) -> dict[str, Any]:
        """Write what was collected; the escalation is `row` from now on."""
        keep(self.case, journal)
        await write(self.case.tx, journal.writes)
        self.row = row
        return self.shown()


async def _standing(tx: Transaction, actor: Actor, kit: Kit, escalation_id: UUID) -> _Standing:
    """Lock the lead, then read its escalation. Raises NotFoundError."""
    lead_id = await overdue.lock_lead(tx, actor, escalation_id)
    if lead_id is None:
        raise NotFoundError("There is no such escalation.")
    case = await cases.by_lead(tx, actor, LeadRef(id=lead_id))
    row = await overdue.escalation(tx, actor.tenant_id, escalation_id)
    clock = await overdue.clock(tx, actor.tenant_id, row["clock_id"])
    playbook = await playbooks.playbook(tx, actor.tenant_id, row["playbook_id"])
    return _Standing(case, actor, row, clock, Matter(clock, case.row, playbook, kit.public_url))


def _words(name: str, text: str | None) -> Mapping[str, str]:
    return {} if text is None else {name: text}


async def acknowledge(tx: Transaction, actor: Actor, kit: Kit, escalation_id: UUID, body: TakeUpIn) -> dict[str, Any]:
    """Take an escalation up: its ladder stops. Said twice it changes nothing more."""
    held = await _standing(tx, actor, kit, escalation_id)
    role = held.answering()
    if held.row["status"] != "open":
        return held.shown()
    journal = held.journal()
    by = {"organization": organization(actor.organization_id), "role": role}
    row = ladders.acknowledged(journal, held.row, held.matter, by, **_words("note", body.note))
    return await held.keep(journal, row)


async def resolve(tx: Transaction, actor: Actor, kit: Kit, escalation_id: UUID, body: ResolveIn) -> dict[str, Any]:
    """End an escalation whose obligation is done or gone. Raises ObligationOpenError while it is still owed."""
    held = await _standing(tx, actor, kit, escalation_id)
    role = held.answering()
    if held.row["status"] == "resolved":
        return held.shown()
    held.refuse_open()
    journal = held.journal()
    row = ladders.resolved(journal, held.row, held.matter, role, **_words("note", body.note))
    return await held.keep(journal, row)


async def waive(tx: Transaction, actor: Actor, kit: Kit, escalation_id: UUID, body: WaiveIn) -> dict[str, Any]:
    """Let go of what is owed: only for the side that waits for it."""
    held = await _standing(tx, actor, kit, escalation_id)
    role = held.waiving()
    if held.row["status"] == "resolved":
        return held.shown()
    journal = held.journal()
    if held.clock["state"] in _LIVE:
        ladders.cancel(journal, held.clock)
        held.case.clocks = [clock for clock in held.case.clocks if clock["id"] != held.clock["id"]]
    row = ladders.resolved(journal, held.row, held.matter, role, waived=body.reason)
    return await held.keep(journal, row)


async def snooze(tx: Transaction, actor: Actor, kit: Kit, escalation_id: UUID, body: SnoozeIn) -> dict[str, Any]:
    """Put the next step off. Raises ValidationFailedError where there is none, or for a moment out of bounds."""
    held = await _standing(tx, actor, kit, escalation_id)
    role = held.answering()
    calendar_id = held.row["calendar_id"]
    calendar = (await playbooks.calendars(tx, actor.tenant_id, [calendar_id]))[calendar_id]
    next_at = held.row["next_at"]
    if held.row["status"] != "open" or next_at is None:
        raise _out_of_bounds("nothing_to_snooze", "No further step is due.")
    if body.until <= max(held.case.now, next_at):
        raise _out_of_bounds("too_early", "The next step is due later anyway.")
    if body.until > latest_snooze(calendar, held.case.now):
        raise _out_of_bounds("too_late", "At most three business days ahead.")
    journal = held.journal()
    entry = {
        "at": stamp(held.case.now),
        "what": "snoozed",
        "by_role": role,
        "until": stamp(body.until),
        "reason": body.reason,
    }
    held.row = ladders.changed(journal, held.row, {"next_at": body.until}, [entry], None)
    await write(tx, journal.writes)
    return held.shown()


def _out_of_bounds(code: str, message: str) -> ValidationFailedError:
    return ValidationFailedError(
        "The escalation cannot be put off like this.",
        errors=[{"pointer": "/until", "code": code, "message": message}],
    )
