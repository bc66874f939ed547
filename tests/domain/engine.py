"""A lead in memory under any playbook: effects and clocks are applied as `db/apply.py` applies them to rows."""

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from uuid import UUID

from app.domain.actor import Actor, Side
from app.domain.business_time import Calendar
from app.domain.fallbacks import take_over
from app.domain.journey import Command, Effects, Refusal, decide
from app.domain.lead import OPEN, Consultation, Handover, Lead, Outcome, Party
from app.domain.obligations import Moments, Running, Start, changes
from app.domain.playbook import Playbook
from tests.domain.playbooks import CLIENT, HANDOVER, LEAD, OUTCOME, PARTNER, TENANT

ALWAYS = Calendar("UTC", tuple(((0, 1440),) for _ in range(7)))
CONSULTATION = UUID(int=14)
NOW = datetime(2026, 11, 20, tzinfo=UTC)
LATER = date(2026, 12, 1)


def somebody(role: str, side: Side) -> Actor:
    organization = TENANT if side is Side.INTERNAL else PARTNER
    return Actor(TENANT, organization, CLIENT, side, frozenset({role}), frozenset())


@dataclass
class Engine:
    """One lead on its way. `clocks` are those that are owed, missed or not."""

    playbook: Playbook
    lead: Lead
    clocks: dict[UUID, Start] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    started: int = 0

    @classmethod
    def posted(cls, playbook: Playbook) -> "Engine":
        """Return a lead that the partner has posted and that was accepted; nothing is known of it."""
        role = next(
            key for key in playbook.stages[playbook.entry].accountable if playbook.roles[key].side is Side.PARTNER
        )
        owner = Party(PARTNER, role, Side.PARTNER)
        lead = Lead(LEAD, TENANT, PARTNER, OPEN, playbook.entry, owner, frozenset(), 0.0, frozenset(), None, None)
        engine = cls(playbook, lead)
        engine._run(("lead.accepted",), Moments())
        return engine

    def learn(self, *pointers: str, completeness: float = 1.0) -> None:
        self.lead = replace(self.lead, known=self.lead.known | {*pointers}, completeness=completeness)

    def log(self, actor: Actor, kind: str, disposition: str) -> Effects | Refusal:
        verdict = self.give(actor, Command("activity"))
        if isinstance(verdict, Effects):
            self.lead = replace(self.lead, activities=self.lead.activities | {(kind, disposition)})
        return verdict

    def give(self, actor: Actor, command: Command) -> Effects | Refusal:
        """Give a command; a refused one leaves everything as it is."""
        verdict = decide(self.playbook, self.lead, actor, command, NOW)
        if isinstance(verdict, Effects):
            concludes = command.name in {"outcome", "correct"}
            self._apply(verdict, command if concludes else None)
        return verdict

    def neglect(self, clock: Start) -> bool:
        """Let a ladder be climbed to its end; returns whether the fallback took the lead over."""
        ladder = self.playbook.ladders[self.playbook.clocks[clock.key].ladder]
        effects = take_over(self.lead, ladder.fallback) if any(step.assign_fallback for step in ladder.steps) else None
        if effects is not None:
            self._apply(effects, None)
        return effects is not None

    def _apply(self, effects: Effects, concluded: Command | None) -> None:
        handover = self.lead.handover
        if handover is not None and effects.handover is not None:
            handover = replace(handover, status=effects.handover)
        if effects.request is not None:
            offer = effects.request
            handover = Handover(HANDOVER, "requested", offer.giver, offer.receiver, None, offer.enters)
        asked = None
        if effects.consults is not None:
            asked = Consultation(CONSULTATION, "requested", self.lead.owner, effects.consults)
        outcome = self.lead.outcome
        if concluded is not None:
            outcome = Outcome(OUTCOME, concluded.result or "", 1)
        self.lead = replace(
            self.lead,
            status=effects.status,
            stage=effects.stage,
            owner=effects.owner,
            handover=handover,
            outcome=outcome,
            consultation=asked,
        )
        moments = Moments(result=concluded.result, revisit_on=concluded.revisit_on) if concluded else Moments()
        self._run(effects.events, moments)

    def _run(self, events: tuple[str, ...], moments: Moments) -> None:
        running = [Running(identity, clock.key, clock.due_at, late=False) for identity, clock in self.clocks.items()]
        changed = changes(self.playbook, self.lead, events, running, lambda _: ALWAYS, moments, NOW)
        for identity in changed.stops:
            del self.clocks[identity]
        for start in changed.starts:
            self.started += 1
            self.clocks[UUID(int=self.started)] = start
        self.events += events
