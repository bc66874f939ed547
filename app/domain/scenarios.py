"""What Baton plays in the sandbox: each scenario as a short list of parts, and what each part means for a lead.

The lead's own rules decide every act (`journey.decide`); here it is only found which acts lead from where it stands to
where the scenario needs it, under any playbook. Pure: roles, stages, reasons and requirements are the playbook's.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final
from uuid import UUID

from app.domain.actor import Actor, Side
from app.domain.journey import Command, Effects, Refusal, decide
from app.domain.lead import CLOSED, NOT_ACCEPTED, OPEN, PENDING_HANDOVER, RECEIVED, Handover, Lead, Party
from app.domain.playbook import Playbook

REVISIT_DAYS: Final = 30
"""Days until the revisit of a lead that is played `pending`."""
NOTE: Final = "Played by Baton's sandbox."
_LONGEST: Final = 8
"""Acts that may be needed before a part; a playbook's stages are few."""
_UNDECIDED: Final = frozenset({"requested", "answered"})
_NOBODY: Final = UUID(int=0)


class Part(StrEnum):
    """One thing that the other side, or the engine, does."""

    ADMIT = "admit"
    TURN_AWAY = "turn_away"
    TAKE_UP = "take_up"
    REOPEN = "reopen"
    OFFER = "offer"
    ACCEPT = "accept"
    REJECT = "reject"
    RETURN = "return"
    HOLD = "hold"
    WORK = "work"
    FEEDBACK = "feedback"
    CLOSE = "close"
    IGNORE = "ignore"


_BEGIN: Final = (Part.ADMIT, Part.TAKE_UP, Part.REOPEN)
_OUTCOME: Final = (*_BEGIN, Part.HOLD, Part.FEEDBACK, Part.CLOSE)

SCENARIOS: Final[Mapping[str, tuple[Part, ...]]] = MappingProxyType(
    {
        "accepted": (*_BEGIN, Part.OFFER, Part.ACCEPT),
        "rejected": (*_BEGIN, Part.OFFER, Part.REJECT),
        "returned": (*_BEGIN, Part.OFFER, Part.RETURN),
        "won": (*_BEGIN, Part.HOLD, Part.WORK, Part.FEEDBACK, Part.CLOSE),
        "lost": _OUTCOME,
        "pending": _OUTCOME,
        "ignored": (*_BEGIN, Part.OFFER, Part.IGNORE),
        "not_accepted": (Part.TURN_AWAY,),
    }
)
"""Each scenario, carried out from where the lead stands: a part whose work is done already is passed over."""


@dataclass(frozen=True, slots=True)
class Act:
    """A command, and the party that gives it; `work` is the kind and disposition of an activity that it logs."""

    command: Command
    by: Party
    work: tuple[str, str] | None = None


Plan = tuple[Act, ...] | Refusal


def actor_of(lead: Lead, by: Party, client_id: UUID) -> Actor:
    """Return whoever gives a played command: that role of that party, asked to by a client of the vendor."""
    return Actor(lead.tenant_id, by.organization_id, client_id, by.side, frozenset({by.role}), frozenset(), test=True)


def reason(playbook: Playbook, choice_set: str) -> str:
    """Return the first reason of a set that says something of its own; `other` where there is none."""
    return next((code for code in playbook.choices.get(choice_set, ()) if code != "other"), "other")


def outcome(playbook: Playbook, scenario: str, today: date) -> Command:
    """Return the outcome that a scenario is named after, with a reason that the playbook lists."""
    rule = playbook.outcomes.get(scenario)
    return Command(
        "outcome",
        result=scenario,
        reason=reason(playbook, rule.reasons if rule else scenario),
        note=True,
        revisit_on=today + timedelta(days=REVISIT_DAYS) if scenario == "pending" else None,
    )


def turned_away(lead: Lead) -> Refusal | None:
    """Refuse to turn a lead away once somebody has worked with it; what was accepted a moment ago is taken back."""
    fresh = lead.status == OPEN and lead.handover is None and lead.outcome is None and lead.owner.side is Side.PARTNER
    if lead.status == RECEIVED or fresh:
        return None
    detail = "Only a lead that nothing has come of yet can turn out as not accepted."
    return Refusal("lead-not-open", "claims", detail)


def reopening(playbook: Playbook, lead: Lead) -> Act | None:
    """Return how the other side opens a lead again that it had put off; None where there is nothing to reopen."""
    put_off = lead.status == CLOSED and lead.outcome is not None and not playbook.outcomes[lead.outcome.result].final
    return Act(Command("reopen"), lead.owner) if put_off and lead.owner.side is Side.INTERNAL else None


def answering(playbook: Playbook, lead: Lead, part: Part) -> Act | Refusal:
    """Return the answer of the other side to the handover that waits for it."""
    handover = lead.handover
    if handover is None or handover.status not in PENDING_HANDOVER:
        return Refusal("handover-not-pending", f"moves.{part}", "No handover of this lead awaits an answer.")
    if handover.status not in _UNDECIDED:
        return Refusal("handover-not-pending", f"moves.{part}", "The other side awaits your answers to its questions.")
    if handover.receiver.side is Side.PARTNER:
        return Refusal("handover-not-pending", f"moves.{part}", "This handover awaits the answer of your own side.")
    code = reason(playbook, "rejected") if part is Part.REJECT else None
    return Act(Command(part.value, reason=code, note=True), handover.receiver)


def working(playbook: Playbook, lead: Lead, now: datetime) -> tuple[Act, ...]:
    """Return what an owner of the other side does besides: an activity, a note, a question to whom it may consult."""
    if lead.outcome is not None:
        return ()
    rule = next(iter(playbook.activities.values()), None)
    acts = [Act(Command("activity"), lead.owner, (min(rule.kinds), min(rule.dispositions)))] if rule else []
    acts.append(Act(Command("note"), lead.owner))
    asked = [role for role in playbook.stages[lead.stage].consulted if playbook.roles[role].side is not Side.PARTNER]
    acts += [Act(Command("consult", to_role=role), lead.owner) for role in asked[:1]]
    return tuple(act for act in acts if not isinstance(_decide(playbook, lead, act, now), Refusal))


def concluding(playbook: Playbook, lead: Lead, command: Command, now: datetime) -> Act | Refusal:
    """Return how the other side states an outcome, or corrects the one that closed the lead."""
    if lead.outcome is None or not playbook.outcomes[lead.outcome.result].final:
        return Act(command, lead.owner)
    if lead.outcome.result == command.result:
        return Refusal("outcome-exists", "moves.correct", "The lead has this outcome already.")
    act = Act(replace(command, name="correct"), lead.owner)
    verdict = _decide(playbook, lead, act, now)
    return Refusal("outcome-exists", verdict.rule, verdict.detail) if isinstance(verdict, Refusal) else act


def offering(playbook: Playbook, lead: Lead, now: datetime) -> Plan:
    """Return what brings a handover before the other side; nothing where one is pending or the other side owns it."""
    return _toward(playbook, lead, lambda at: at.owner.side is Side.INTERNAL or _pending(at), now)


def holding(playbook: Playbook, lead: Lead, command: Command, now: datetime) -> Plan:
    """Return what brings the lead to an owner of the other side that may state this outcome."""
    if lead.outcome is not None and playbook.outcomes[lead.outcome.result].final:
        return ()

    def held(at: Lead) -> bool:
        mine = at.owner.side is Side.INTERNAL
        return mine and not _pending(at) and not isinstance(_decide(playbook, at, Act(command, at.owner), now), Refusal)

    plan = _toward(playbook, lead, held, now)
    if isinstance(plan, Refusal) and lead.owner.side is Side.INTERNAL:
        verdict = _decide(playbook, lead, Act(command, lead.owner), now)
        return verdict if isinstance(verdict, Refusal) else plan
    return plan


def _pending(lead: Lead) -> bool:
    return lead.handover is not None and lead.handover.status in PENDING_HANDOVER


def _decide(playbook: Playbook, lead: Lead, act: Act, now: datetime) -> Effects | Refusal:
    return decide(playbook, lead, actor_of(lead, act.by, _NOBODY), act.command, now)


def _toward(playbook: Playbook, lead: Lead, reached: Callable[[Lead], bool], now: datetime) -> Plan:
    """Return the fewest acts after which `reached` holds, or the refusal that stands nearest to it."""
    refusals: list[tuple[bool, int, Refusal]] = []
    seen: set[tuple[object, ...]] = set()
    waiting: deque[tuple[Lead, tuple[Act, ...]]] = deque([(lead, ())])
    while waiting:
        at, acts = waiting.popleft()
        if reached(at):
            return acts
        place = (at.stage, at.owner, at.handover and (at.handover.status, at.handover.receiver), at.activities)
        if place in seen or len(acts) == _LONGEST:
            continue
        seen.add(place)
        for act in _acts(playbook, at):
            verdict = _decide(playbook, at, act, now)
            if not isinstance(verdict, Refusal):
                waiting.append((_after(at, verdict), (*acts, act)))
                continue
            if (work := _work(playbook, at, verdict)) is not None:
                waiting.append(
                    (replace(at, activities=at.activities | {work}), (*acts, Act(Command("activity"), at.owner, work)))
                )
            refusals.append((act.command.name != "handover", len(verdict.missing), verdict))
    if refusals:
        return min(refusals, key=lambda found: found[:2])[2]
    return _standstill(lead)


def _standstill(lead: Lead) -> Refusal:
    if lead.status in {CLOSED, NOT_ACCEPTED}:
        return Refusal("lead-not-open", "moves", "The lead is closed, or was not accepted.")
    if _pending(lead):
        return Refusal("handover-not-pending", "moves.answer", "The handover of this lead awaits your own side.")
    return Refusal("not-permitted", f"stages.{lead.stage}", "The playbook has no way from here to the other side.")


def _acts(playbook: Playbook, lead: Lead) -> Iterator[Act]:
    """Yield what may bring a lead nearer to the other side; nothing that gives it back."""
    if lead.status != OPEN:
        return
    handover = lead.handover
    if handover is not None and handover.status in PENDING_HANDOVER:
        if handover.status in _UNDECIDED and handover.receiver.side is Side.INTERNAL:
            yield Act(Command("accept"), handover.receiver)
        return
    stage = playbook.stages[lead.stage]
    for way in stage.handovers:
        if way.giver == lead.owner.role and playbook.roles[way.receiver].side is not Side.PARTNER:
            yield Act(Command("handover", to_role=way.receiver), lead.owner)
    for leaving in stage.exits:
        if leaving.to != CLOSED:
            yield Act(Command("advance", to_stage=leaving.to), lead.owner)


def _work(playbook: Playbook, lead: Lead, refusal: Refusal) -> tuple[str, str] | None:
    """Return the first activity that alone keeps the other side from going on; what a vendor owes stays with it."""
    keys = [name.removeprefix("activity:") for name in refusal.missing if name.startswith("activity:")]
    if lead.owner.side is Side.PARTNER or not keys or len(keys) < len(refusal.missing):
        return None
    rule = playbook.activities[keys[0]]
    return min(rule.kinds), min(rule.dispositions)


def _after(lead: Lead, effects: Effects) -> Lead:
    """Return the lead as permitted effects leave it, as far as the next act depends on it."""
    handover = lead.handover
    if handover is not None and effects.handover is not None:
        handover = replace(handover, status=effects.handover)
    if effects.request is not None:
        asked = effects.request
        handover = Handover(_NOBODY, "requested", asked.giver, asked.receiver, None, asked.enters)
    return replace(lead, status=effects.status, stage=effects.stage, owner=effects.owner, handover=handover)
