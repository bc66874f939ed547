"""Replays what was done to past leads under another playbook: what it would have refused, missed and paged.

The facts stand. Each command is decided anew in the state in which it was really given; where the playbook would have
refused it, that is reported, and the story goes on as it went, as if what was missing had been there. So one refusal
does not hide all that follow. Clocks and ladders run anew: they start and stop by what happened, at the times of the
playbook. Only where a ladder would have put the fallback in charge does the story leave the facts, until the next fact
that changes the lead. What was refused in the past left no trace, so what would now be allowed is not told; nor is what
the ledger shows to the other side alone. A consultation is owed as the playbook says, not by the day it was asked for.
Pure.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from app.domain.business_time import Calendar, NoBusinessTimeError
from app.domain.deeds import ENGINE, Deed, Fact, Reader, day_of, deeds
from app.domain.escalations import first_due, told
from app.domain.fallbacks import take_over
from app.domain.journey import Effects, Refusal, decide
from app.domain.lead import PENDING_HANDOVER, Lead, Party
from app.domain.obligations import Moments, Running, Start, changes, due
from app.domain.playbook import Ladder, Playbook, Position

_NO_STAGE = "The playbook has no such stage."
_NO_OUTCOME = "The playbook does not know the lead's result."
_NO_TIME = "A clock of the playbook cannot be kept on this calendar."


@dataclass(frozen=True, slots=True)
class History:
    """The facts of one past lead, in the order of the ledger."""

    lead_id: UUID
    tenant_id: UUID
    partner_id: UUID
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """A command that was given and would have been refused."""

    at: datetime
    command: str
    role: str
    slug: str
    rule: str
    missing: tuple[str, ...] = ()


@dataclass(slots=True)
class Missed:
    """A clock that would have been missed; `stopped_at` is when what was owed was done after all (None: never)."""

    clock: str
    owed_by: Party
    due_at: datetime
    stopped_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Paged:
    """A step of a ladder that would have fired: whom it would have told, and whether on-call tools."""

    at: datetime
    clock: str
    step: int
    parties: tuple[Party, ...]
    destinations: bool


@dataclass(frozen=True, slots=True)
class TakenOver:
    """A lead that would have gone to the fallback because nobody answered."""

    at: datetime
    clock: str
    owner: Party


@dataclass(frozen=True, slots=True)
class Happened:
    """What the ledger tells of missed clocks: (clock, due), steps that fired, leads that went to the fallback."""

    missed: tuple[tuple[str, str], ...]
    paged: int
    taken_over: int


@dataclass(frozen=True, slots=True)
class Replay:
    """One lead under the playbook, beside what happened."""

    lead_id: UUID
    facts: int
    commands: int
    refused: tuple[Refused, ...]
    missed: tuple[Missed, ...]
    paged: tuple[Paged, ...]
    taken_over: tuple[TakenOver, ...]
    happened: Happened

    @property
    def is_quiet(self) -> bool:
        """Whether there is nothing to tell: nothing refused or missed, neither then nor now."""
        return not (self.refused or self.missed or self.happened.missed)


@dataclass(slots=True)
class _Clock:
    """A clock that runs, and how far its ladder has been climbed. `next_at` is what falls due next, None: nothing."""

    id: UUID
    start: Start
    ladder: Ladder
    next_at: datetime | None
    consultation_id: UUID | None
    missed: Missed | None = None
    step: int = 0


@dataclass(slots=True)
class _Run:
    """One lead on its way. `lead` follows the facts; `instead` is where a fallback's taking over has led."""

    playbook: Playbook
    reader: Reader
    calendars: Callable[[UUID], Calendar]
    lead: Lead
    instead: Lead | None = None
    clocks: dict[UUID, _Clock] = field(default_factory=dict[UUID, _Clock])
    started: int = 0
    commands: int = 0
    refused: list[Refused] = field(default_factory=list[Refused])
    missed: list[Missed] = field(default_factory=list[Missed])
    paged: list[Paged] = field(default_factory=list[Paged])
    taken_over: list[TakenOver] = field(default_factory=list[TakenOver])

    @property
    def standing(self) -> Lead:
        """The lead as the playbook would have it now."""
        return self.instead or self.lead

    def do(self, deed: Deed) -> None:
        """Let time pass until the deed, decide it anew, then follow what it really did."""
        self.watch(deed.at)
        if deed.kind == "escalation.acknowledged":
            for clock in self._late(deed.data["clock"]):
                clock.next_at = None
        elif deed.kind == "escalation.resolved" and deed.role != ENGINE:
            self._stop([clock.id for clock in self._late(deed.data["clock"])], deed.at)
        if deed.command is not None:
            self.commands += 1
            refusal = self._refusal(deed)
            if refusal is not None:
                self._refuse(deed, refusal)
        self._follow(deed)

    def watch(self, until: datetime) -> None:
        """Let every clock and step that falls due before `until` happen, in the order of their times."""
        while True:
            waiting = [
                (clock.next_at, clock.start.key, clock)
                for clock in self.clocks.values()
                if clock.next_at is not None and clock.next_at < until
            ]
            if not waiting:
                return
            at, _, clock = min(waiting, key=lambda one: one[:2])
            if clock.missed is None:
                self._miss(clock, at)
            else:
                self._step(clock, at)

    def _late(self, key: str) -> list[_Clock]:
        return [clock for clock in self.clocks.values() if clock.start.key == key and clock.missed is not None]

    def _refusal(self, deed: Deed) -> Refusal | None:
        lead = self.standing
        if lead.stage not in self.playbook.stages:
            return Refusal("stage-refused", f"stages.{lead.stage}", _NO_STAGE)
        if lead.outcome is not None and lead.outcome.result not in self.playbook.outcomes:
            return Refusal("reason-not-allowed", f"outcomes.{lead.outcome.result}", _NO_OUTCOME)
        verdict = decide(self.playbook, lead, self.reader.actor(lead, deed), self.reader.command(deed), deed.at)
        return verdict if isinstance(verdict, Refusal) else None

    def _refuse(self, deed: Deed, refusal: Refusal) -> None:
        command = deed.command or deed.kind
        self.refused.append(Refused(deed.at, command, deed.role, refusal.slug, refusal.rule, refusal.missing))

    def _follow(self, deed: Deed) -> None:
        before, after = self.lead, self.reader.after(self.lead, deed)
        self.lead = after
        if self.instead is not None:
            learned = replace(
                self.instead,
                known=after.known,
                completeness=after.completeness,
                activities=after.activities,
                consultation=after.consultation,
            )
            self.instead = learned if _standing(after) == _standing(before) else None
        events = deed.events
        if deed.kind == "lead.accepted" and _pending(after):
            events = (*events, "handover.requested")  # the clock of its answer has waited for the acceptance
        if not self._run_clocks(events, _moments(after, deed), deed.at):
            self._refuse(deed, Refusal("validation-failed", "clocks", _NO_TIME))

    def _run_clocks(self, events: Iterable[str], moments: Moments, at: datetime) -> bool:
        """Start and stop what the events start and stop; False where a calendar cannot keep a clock."""
        lead = self.standing
        if lead.stage not in self.playbook.stages:
            return True
        running = [
            Running(clock.id, clock.start.key, clock.start.due_at, clock.missed is not None, clock.consultation_id)
            for clock in self.clocks.values()
        ]
        try:
            changed = changes(self.playbook, lead, events, running, self.calendars, moments, at)
        except NoBusinessTimeError:
            return False
        self._stop(changed.stops, at)
        for start in changed.starts:
            self.started += 1
            identity = UUID(int=self.started)
            rule = self.playbook.clocks[start.key]
            about = lead.consultation.id if lead.consultation and rule.owed_by is Position.CONSULTED else None
            self.clocks[identity] = _Clock(identity, start, self.playbook.ladders[rule.ladder], start.due_at, about)
        return True

    def _stop(self, stopped: Iterable[UUID], at: datetime) -> None:
        for identity in stopped:
            missed = self.clocks.pop(identity).missed
            if missed is not None:
                missed.stopped_at = at

    def _miss(self, clock: _Clock, at: datetime) -> None:
        clock.missed = Missed(clock.start.key, clock.start.owed_by, at)
        self.missed.append(clock.missed)
        clock.next_at = self._due(lambda calendar: first_due(clock.ladder, calendar, at), clock)

    def _step(self, clock: _Clock, at: datetime) -> None:
        step, lead = clock.ladder.steps[clock.step], self.standing
        clock.step += 1
        parties = told(step.notify, clock.start.owed_by, clock.start.waiting, lead, clock.ladder.fallback)
        self.paged.append(Paged(at, clock.start.key, clock.step, tuple(parties), step.destinations))
        clock.next_at = None
        if clock.step < len(clock.ladder.steps):
            after = clock.ladder.steps[clock.step].after
            clock.next_at = self._due(lambda calendar: due(calendar, at, after), clock)
        effects = take_over(lead, clock.ladder.fallback) if step.assign_fallback else None
        if effects is not None:
            self._take_over(clock, lead, effects, at)

    def _due(self, when: Callable[[Calendar], datetime], clock: _Clock) -> datetime | None:
        try:
            return when(self.calendars(clock.start.owed_by.organization_id))
        except NoBusinessTimeError:
            return None

    def _take_over(self, clock: _Clock, lead: Lead, effects: Effects, at: datetime) -> None:
        self.taken_over.append(TakenOver(at, clock.start.key, effects.owner))
        handover = lead.handover
        if handover is not None and effects.handover is not None:
            handover = replace(handover, status=effects.handover)
        self.instead = replace(lead, owner=effects.owner, handover=handover)
        self._run_clocks(effects.events, Moments(), at)


def _standing(lead: Lead) -> tuple[object, ...]:
    """Return what a fallback's taking over changes, or rests on."""
    return lead.status, lead.stage, lead.owner, lead.handover, lead.outcome


def _pending(lead: Lead) -> bool:
    return lead.handover is not None and lead.handover.status in PENDING_HANDOVER


def _moments(lead: Lead, deed: Deed) -> Moments:
    """Return the moments from which the clocks of a deed may run, as its command gave them."""
    said = deed.data
    return Moments(
        meeting_at=lead.handover.meeting_at if lead.handover and deed.kind == "handover.accepted" else None,
        revisit_on=day_of(said.get("revisit_on")),
        next_update_on=day_of(said.get("next_update_on")),
        result=said.get("result"),
    )


def _happened(done: Iterable[Deed]) -> Happened:
    missed: list[tuple[str, str]] = []
    paged = taken_over = 0
    for deed in done:
        if deed.kind == "clock.breached":
            missed.append((deed.data["clock"], deed.data["due_at"]))
        elif deed.kind in {"escalation.opened", "escalation.stepped"}:
            paged += deed.data["step"] > 0
        elif deed.kind == "handover.timed_out":
            taken_over += 1
    return Happened(tuple(missed), paged, taken_over)


def replay(
    playbook: Playbook, history: History, calendars: Callable[[UUID], Calendar], until: datetime
) -> Replay | None:
    """Return what the playbook would have made of one lead; None where the facts do not begin with its posting.

    `calendars` gives an organisation's calendar. Clocks are watched until `until`, or the last fact if that is later.
    """
    done = list(deeds(history.facts))
    if not done or done[0].kind != "lead.received":
        return None
    reader = Reader(playbook, history.tenant_id, history.partner_id)
    run = _Run(playbook, reader, calendars, reader.received(history.lead_id, done[0]))
    for deed in done[1:]:
        run.do(deed)
    run.watch(max(until, done[-1].at))
    return Replay(
        history.lead_id,
        len(history.facts),
        run.commands,
        tuple(run.refused),
        tuple(run.missed),
        tuple(run.paged),
        tuple(run.taken_over),
        _happened(done),
    )
