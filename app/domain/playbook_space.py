"""Walks every state that a lead can reach under a playbook, by the same `decide` and `changes` that run the product.

What a boundary needs is taken as obtainable (facts are learned in time), time as passing: every clock may be met or
missed. A question to a consulted role changes neither owner nor stage and its clock touches no other (the lint holds
it), so it is not walked. The space is finite: stage, owner, pending handover, outcome, and the set of clocks that run.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from uuid import UUID

from app.domain.actor import Actor, Side
from app.domain.business_time import Calendar
from app.domain.journey import MOVES, Command, Effects, Request, decide, time_out
from app.domain.lead import CLOSED, OPEN, PENDING_HANDOVER, RECEIVED, Handover, Lead, Outcome, Party
from app.domain.obligations import Moments, Running, changes
from app.domain.playbook import Duration, Exit, Playbook, Requirement

_TENANT, _PARTNER = UUID(int=1), UUID(int=2)
_THING = UUID(int=3)
_NOW = datetime(2026, 11, 20, tzinfo=UTC)
_DAY = date(2026, 12, 1)
_NO_WAIT = Duration(0, "elapsed_minutes")
_NOTHING = Exit("closed", Requirement(), "")
_ALWAYS = Calendar("UTC", tuple(((0, 1440),) for _ in range(7)))
MAX_STATES = 20_000
"""A playbook whose space is larger is refused: nobody could keep it in mind either."""
MAX_EFFORT = 1_000_000
"""Rules looked at, roughly; bounds the time that a hostile playbook can take (the default: 125,000)."""


@dataclass(frozen=True, slots=True)
class State:
    """One reachable state; `clocks` are the keys of the clocks that run."""

    status: str
    stage: str
    owner: Party
    handover: tuple[str, Party, Party, str | None] | None
    result: str | None
    clocks: frozenset[str]


@dataclass(frozen=True, slots=True)
class Step:
    """How a state was reached: from where, by whom, by what."""

    before: State | None
    who: str
    what: str


@dataclass(frozen=True, slots=True)
class Space:
    """All reachable states with the step that first reached each, and the states that follow each."""

    steps: dict[State, Step]
    following: dict[State, frozenset[State]]

    def story(self, state: State) -> str:
        """Return how `state` comes about, as a sentence."""
        told: list[str] = []
        at: State | None = state
        while at is not None:
            step = self.steps[at]
            told.append(f"{step.who} {step.what}")
            at = step.before
        return ", ".join(reversed(told))


class SpaceTooLargeError(Exception):
    """The playbook has more than MAX_STATES reachable states, or proving them would cost more than MAX_EFFORT."""


def _actors(playbook: Playbook) -> list[Actor]:
    found: list[Actor] = []
    for role in playbook.roles.values():
        for side in (role.side,) if role.side else tuple(Side):
            organization = _TENANT if side is Side.INTERNAL else _PARTNER
            found.append(Actor(_TENANT, organization, _THING, side, frozenset({role.key}), frozenset()))
    return found


def _commands(playbook: Playbook, state: State) -> Iterator[Command]:
    stage = playbook.stages[state.stage]
    yield from (Command(name) for name in ("activity", "accept", "return", "answer", "withdraw", "feedback", "reopen"))
    for code in list(playbook.choices.get("rejected", {}))[:1]:
        yield Command("reject", reason=code, note=True)
    yield from (Command("advance", to_stage=leaving.to) for leaving in stage.exits)
    yield from (Command("handover", to_role=way.receiver) for way in stage.handovers if way.giver == state.owner.role)
    for result, rule in playbook.outcomes.items():
        for code in list(playbook.choices.get(rule.reasons, {}))[:1]:
            yield Command("outcome", result=result, reason=code, note=True, revisit_on=_DAY)


def _lead(playbook: Playbook, state: State) -> Lead:
    """Return a lead in `state` of which everything is known that any boundary may need."""
    boundaries = [b.requires for s in playbook.stages.values() for b in (*s.exits, *s.handovers)]
    return Lead(
        id=_THING,
        tenant_id=_TENANT,
        partner_id=_PARTNER,
        status=state.status,
        stage=state.stage,
        owner=state.owner,
        known=frozenset(pointer for requires in boundaries for pointer in requires.fields),
        completeness=1.0,
        activities=frozenset(
            (min(rule.kinds), min(rule.dispositions))
            for rule in playbook.activities.values()
            if rule.kinds and rule.dispositions
        ),
        handover=Handover(_THING, state.handover[0], state.handover[1], state.handover[2], None, state.handover[3])
        if state.handover
        else None,
        outcome=Outcome(_THING, state.result, 1) if state.result else None,
    )


def _offer(request: Request | None) -> Handover | None:
    return Handover(_THING, "requested", request.giver, request.receiver, None, request.enters) if request else None


def _after(playbook: Playbook, state: State, lead: Lead, effects: Effects, result: str | None) -> State:
    """Return the state that effects lead to, clocks included."""
    kept = lead.handover
    if kept is not None and effects.handover is not None:
        kept = replace(kept, status=effects.handover)
    current = _offer(effects.request) or kept
    after = replace(lead, status=effects.status, stage=effects.stage, owner=effects.owner, handover=current)
    keys = {UUID(int=100 + n): key for n, key in enumerate(sorted(state.clocks))}
    running = [Running(identity, key, _NOW, late=False) for identity, key in keys.items()]
    moments = Moments(revisit_on=_DAY, result=result)
    changed = changes(playbook, after, effects.events, running, lambda _: _ALWAYS, moments, _NOW)
    clocks = (state.clocks - {keys[stopped] for stopped in changed.stops}) | {start.key for start in changed.starts}
    pending = current if current is not None and current.status in PENDING_HANDOVER else None
    return State(
        after.status,
        after.stage,
        after.owner,
        (pending.status, pending.giver, pending.receiver, pending.enters) if pending else None,
        result if result is not None else (None if "lead.reopened" in effects.events else state.result),
        frozenset(clocks),
    )


def _ends_at_fallback(playbook: Playbook, state: State) -> Iterator[tuple[str, Effects]]:
    """Yield what the ladders of the running clocks do in the end when nobody acts."""
    if state.handover is None:
        return
    for key in sorted(state.clocks):
        ladder = playbook.ladders[playbook.clocks[key].ladder]
        if any(step.assign_fallback for step in ladder.steps):
            yield key, time_out(_lead(playbook, state), ladder.fallback)


def _entries(playbook: Playbook) -> Iterator[tuple[State, Step]]:
    stage = playbook.stages[playbook.entry]
    for key in stage.accountable:
        role = playbook.roles[key]
        for side in (role.side,) if role.side else tuple(Side):
            owner = Party(_TENANT if side is Side.INTERNAL else _PARTNER, key, side)
            offered = _posted_offer(playbook, owner)
            if owner.side is Side.INTERNAL and offered is None:
                continue  # it cannot post: there is no way to pass a new lead to the partner
            posted = State(RECEIVED, stage.key, owner, None, None, frozenset())
            lead = replace(_lead(playbook, posted), handover=offered)
            events = ("lead.accepted", "handover.requested") if offered else ("lead.accepted",)
            effects = Effects("adjudication", OPEN, stage.key, owner, events=events)
            yield _after(playbook, posted, lead, effects, None), Step(None, key, "posts the lead and it is accepted")


def _posted_offer(playbook: Playbook, owner: Party) -> Handover | None:
    if owner.side is Side.PARTNER:
        return None
    for way in playbook.stages[playbook.entry].handovers:
        if way.giver == owner.role and playbook.roles[way.receiver].side is Side.PARTNER:
            return _offer(Request(owner, Party(_PARTNER, way.receiver, Side.PARTNER), way.enters))
    return None


_VERBS = {
    "activity": "logs an activity",
    "advance": "moves it to {to_stage}",
    "handover": "offers it to {to_role}",
    "accept": "accepts it",
    "reject": "rejects it",
    "return": "returns it with questions",
    "answer": "answers the questions",
    "withdraw": "withdraws the offer",
    "feedback": "gives feedback",
    "outcome": "closes it as {result}",
    "reopen": "reopens it",
}


def _told(command: Command) -> str:
    return _VERBS[command.name].format(to_stage=command.to_stage, to_role=command.to_role, result=command.result)


def _moves(playbook: Playbook, state: State, actors: list[Actor]) -> Iterator[tuple[State, Step]]:
    lead = _lead(playbook, state)
    offered = state.handover[0] if state.handover else None
    for command in _commands(playbook, state):
        move = MOVES[command.name]
        if state.status not in move.statuses or (move.handover is not None and offered not in move.handover):
            continue  # nobody may: saves asking for every actor
        for actor in actors:
            verdict = decide(playbook, lead, actor, command, _NOW)
            if isinstance(verdict, Effects):
                result = command.result if command.name == "outcome" else None
                after = _after(playbook, state, lead, verdict, result)
                yield after, Step(state, min(actor.roles), _told(command))
                break  # who of several may do it makes no difference to where it leads
    for key, effects in _ends_at_fallback(playbook, state):
        step = Step(state, effects.owner.role, f"gets it because nobody answered within {key}")
        yield _after(playbook, state, lead, effects, None), step


def _effort(playbook: Playbook, actors: list[Actor]) -> int:
    """Return about how many rules are looked at to find out what one command does."""
    stages = playbook.stages.values()
    performers = max(len(names) for held in (playbook, *stages) for names in (*held.may.values(), ()))
    needed = max(len(b.requires.activities) for s in stages for b in (*s.exits, *s.handovers, _NOTHING))
    return len(actors) * (1 + performers // 8 + needed * len(playbook.activities) // 40) + 2 * len(playbook.clocks)


def explore(playbook: Playbook) -> Space:
    """Return every reachable state. Raises SpaceTooLargeError past MAX_STATES and MAX_EFFORT."""
    # When something falls due is no part of a state: no wait has to be counted.
    playbook = replace(playbook, clocks={key: replace(rule, within=_NO_WAIT) for key, rule in playbook.clocks.items()})
    actors = _actors(playbook)
    effort, each = 0, _effort(playbook, actors)
    steps: dict[State, Step] = {}
    following: dict[State, frozenset[State]] = {}
    queue: deque[State] = deque()
    for state, step in _entries(playbook):
        if state not in steps:
            steps[state] = step
            queue.append(state)
    while queue:
        state = queue.popleft()
        effort += each * sum(1 for _ in _commands(playbook, state))
        if effort > MAX_EFFORT:
            raise SpaceTooLargeError
        found = list(_moves(playbook, state, actors))
        following[state] = frozenset(after for after, _ in found)
        for after, step in found:
            if after not in steps:
                steps[after] = step
                queue.append(after)
        if len(steps) > MAX_STATES:
            raise SpaceTooLargeError
    return Space(steps, following)


def is_final(playbook: Playbook, state: State) -> bool:
    """Return whether the lead is closed with nothing more to come: its last outcome is final."""
    return state.status == CLOSED and state.result is not None and playbook.outcomes[state.result].final
