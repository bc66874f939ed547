"""Walks every state that a lead can reach under a playbook, by the same `decide` and `changes` that run the product.

What a boundary needs is taken as obtainable (facts are learned in time), time as passing: every clock may be met or
missed. A question to a consulted role changes neither owner nor stage and its clock touches no other (the lint holds
it), so it is not walked. The space is finite: stage, owner, pending handover, outcome, and the set of clocks that run.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from uuid import UUID

from app.domain.actor import Actor, Side
from app.domain.business_time import Calendar
from app.domain.journey import MOVES, Command, Effects, Request, decide, holds, time_out
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
"""Rules looked at, roughly; bounds the time that a hostile playbook can take (the default: 54,000)."""


@dataclass(frozen=True, slots=True)
class State:
    """One reachable state; `clocks` are the keys of the clocks that run. Looked up often, so it keeps its hash."""

    status: str
    stage: str
    owner: Party
    handover: tuple[str, Party, Party, str | None] | None
    result: str | None
    clocks: frozenset[str]
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        held = (self.status, self.stage, self.owner, self.handover, self.result, self.clocks)
        object.__setattr__(self, "_hash", hash(held))

    def __hash__(self) -> int:
        return self._hash

    def with_clocks(self, clocks: frozenset[str]) -> "State":
        """Return the same state with other clocks running."""
        return State(self.status, self.stage, self.owner, self.handover, self.result, clocks)


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
    following: dict[State, tuple[State, ...]]

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


_Turn = tuple[frozenset[str], frozenset[str]]
"""The clocks that an event stops, where they run, and the ones that it starts."""


@dataclass(frozen=True, slots=True)
class _Way:
    """One way on from a state: where it leads, which clocks it stops and starts, and which one must run for it."""

    after: State
    stops: frozenset[str]
    starts: frozenset[str]
    who: str
    what: str
    clock: str | None = None

    def taken_from(self, state: State) -> State:
        """Return the state that the way leads to, with the clocks that run there."""
        return self.after.with_clocks((state.clocks - self.stops) | self.starts)


@dataclass(frozen=True, slots=True)
class _Ground:
    """What does not change while one playbook's space is walked: its actors, a lead that has everything, its ways.

    States that differ only in their clocks have the same ways on, but for those that a missed clock opens; and which
    clocks an event stops and starts depends on the lead, never on which others happen to run. So each is asked once.
    """

    playbook: Playbook
    actors: tuple[Actor, ...]
    complete: Lead
    running: tuple[Running, ...]
    turns: dict[tuple[object, ...], _Turn] = field(default_factory=dict[tuple[object, ...], _Turn])
    ways: dict[State, tuple[_Way, ...]] = field(default_factory=dict[State, tuple[_Way, ...]])

    @classmethod
    def of(cls, playbook: Playbook) -> "_Ground":
        """Return the ground of a playbook: everything is known that any boundary may need."""
        boundaries = [b.requires for s in playbook.stages.values() for b in (*s.exits, *s.handovers)]
        complete = Lead(
            id=_THING,
            tenant_id=_TENANT,
            partner_id=_PARTNER,
            status=RECEIVED,
            stage=playbook.entry,
            owner=Party(_TENANT, "", Side.INTERNAL),
            known=frozenset(pointer for requires in boundaries for pointer in requires.fields),
            completeness=1.0,
            activities=frozenset(
                (min(rule.kinds), min(rule.dispositions))
                for rule in playbook.activities.values()
                if rule.kinds and rule.dispositions
            ),
            handover=None,
            outcome=None,
        )
        running = tuple(Running(UUID(int=100 + n), key, _NOW, late=False) for n, key in enumerate(playbook.clocks))
        return cls(playbook, tuple(_actors(playbook)), complete, running)

    def lead(self, state: State) -> Lead:
        """Return a lead in `state`."""
        return replace(
            self.complete,
            status=state.status,
            stage=state.stage,
            owner=state.owner,
            handover=Handover(_THING, state.handover[0], state.handover[1], state.handover[2], None, state.handover[3])
            if state.handover
            else None,
            outcome=Outcome(_THING, state.result, 1) if state.result else None,
        )

    def onward(self, state: State) -> tuple[_Way, ...]:
        """Return the ways on from a state, whatever clocks run in it."""
        still = state.with_clocks(frozenset())
        held = self.ways.get(still)
        if held is None:
            held = self.ways[still] = tuple(_ways(self, still))
        return held

    def turned(self, lead: Lead, events: tuple[str, ...], result: str | None) -> _Turn:
        """Return the clocks that `events` stop, where they run, and start, once they have left `lead`."""
        turn = (lead.status, lead.stage, lead.owner, lead.handover, events, result)
        held = self.turns.get(turn)
        if held is None:
            moments = Moments(revisit_on=_DAY, result=result)
            changed = changes(self.playbook, lead, events, self.running, lambda _: _ALWAYS, moments, _NOW)
            stopped = frozenset(clock.key for clock in self.running if clock.id in changed.stops)
            held = self.turns[turn] = stopped, frozenset(start.key for start in changed.starts)
        return held


def _commands(playbook: Playbook, state: State) -> Iterator[Command]:
    stage = playbook.stages[state.stage]
    yield from (Command(name) for name in ("activity", "accept", "return", "answer", "withdraw", "feedback", "reopen"))
    for code in list(playbook.choices.get("rejected", {}))[:1]:
        yield Command("reject", reason=code, note=True)
    yield from (Command("advance", to_stage=leaving.to) for leaving in stage.exits)
    yield from (Command("handover", to_role=way.receiver) for way in stage.handovers if way.giver == state.owner.role)
    for result, rule in playbook.outcomes.items():
        for code in list(playbook.choices.get(rule.reasons, {}))[:1]:
            for name in ("outcome", "correct"):
                yield Command(name, result=result, reason=code, note=True, revisit_on=_DAY)


def _offer(request: Request | None) -> Handover | None:
    return Handover(_THING, "requested", request.giver, request.receiver, None, request.enters) if request else None


def _way(ground: _Ground, state: State, lead: Lead, effects: Effects, result: str | None) -> _Way:
    """Return where effects lead to."""
    kept = lead.handover
    if kept is not None and effects.handover is not None:
        kept = replace(kept, status=effects.handover)
    current = _offer(effects.request) or kept
    after = replace(lead, status=effects.status, stage=effects.stage, owner=effects.owner, handover=current)
    pending = current if current is not None and current.status in PENDING_HANDOVER else None
    stops, starts = ground.turned(after, effects.events, result)
    return _Way(
        State(
            after.status,
            after.stage,
            after.owner,
            (pending.status, pending.giver, pending.receiver, pending.enters) if pending else None,
            result if result is not None else (None if "lead.reopened" in effects.events else state.result),
            frozenset(),
        ),
        stops,
        starts,
        effects.owner.role,
        "",
    )


def _ends_at_fallback(ground: _Ground, state: State, lead: Lead) -> Iterator[_Way]:
    """Yield what the ladders of clocks do in the end when nobody acts."""
    if state.handover is None:
        return
    for key, rule in sorted(ground.playbook.clocks.items()):
        ladder = ground.playbook.ladders[rule.ladder]
        if any(step.assign_fallback for step in ladder.steps):
            way = _way(ground, state, lead, time_out(lead, ladder.fallback), None)
            yield replace(way, clock=key, what=f"gets it because nobody answered within {key}")


def _entries(ground: _Ground) -> Iterator[tuple[State, Step]]:
    playbook = ground.playbook
    stage = playbook.stages[playbook.entry]
    for key in stage.accountable:
        role = playbook.roles[key]
        for side in (role.side,) if role.side else tuple(Side):
            owner = Party(_TENANT if side is Side.INTERNAL else _PARTNER, key, side)
            offered = _posted_offer(playbook, owner)
            if owner.side is Side.INTERNAL and offered is None:
                continue  # it cannot post: there is no way to pass a new lead to the partner
            posted = State(RECEIVED, stage.key, owner, None, None, frozenset())
            lead = replace(ground.lead(posted), handover=offered)
            events = ("lead.accepted", "handover.requested") if offered else ("lead.accepted",)
            effects = Effects("adjudication", OPEN, stage.key, owner, events=events)
            way = _way(ground, posted, lead, effects, None)
            yield way.taken_from(posted), Step(None, key, "posts the lead and it is accepted")


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
    "correct": "corrects the outcome to {result}",
    "reopen": "reopens it",
}


def _told(command: Command) -> str:
    return _VERBS[command.name].format(to_stage=command.to_stage, to_role=command.to_role, result=command.result)


def _performer(ground: _Ground, lead: Lead, command: str) -> Actor | None:
    """Return one who may give the command: who of several does makes no difference to where it leads."""
    performers = ground.playbook.performers(lead.stage, command)
    for actor in ground.actors:
        if any(holds(position, lead, actor) for position in performers):
            return actor
    return None


def _ways(ground: _Ground, state: State) -> Iterator[_Way]:
    lead = ground.lead(state)
    offered = state.handover[0] if state.handover else None
    performers: dict[str, Actor | None] = {}
    for command in _commands(ground.playbook, state):
        move = MOVES[command.name]
        if state.status not in move.statuses or (move.handover is not None and offered not in move.handover):
            continue  # nobody may: saves looking for somebody
        if command.name not in performers:
            performers[command.name] = _performer(ground, lead, command.name)
        actor = performers[command.name]
        if actor is None:
            continue
        verdict = decide(ground.playbook, lead, actor, command, _NOW)
        if isinstance(verdict, Effects):
            result = command.result if command.name in {"outcome", "correct"} else None
            way = _way(ground, state, lead, verdict, result)
            yield replace(way, who=min(actor.roles), what=_told(command))
    yield from _ends_at_fallback(ground, state, lead)


def _moves(ground: _Ground, state: State) -> Iterator[tuple[State, Step]]:
    for way in ground.onward(state):
        if way.clock is None or way.clock in state.clocks:
            after = way.taken_from(state)
            yield after, Step(state, way.who, way.what)


def _effort(playbook: Playbook, actors: Sequence[Actor]) -> int:
    """Return about how many rules are looked at to find out what one command does."""
    stages = playbook.stages.values()
    performers = max(len(names) for held in (playbook, *stages) for names in (*held.may.values(), ()))
    needed = max(len(b.requires.activities) for s in stages for b in (*s.exits, *s.handovers, _NOTHING))
    return len(actors) * (1 + performers // 8 + needed * len(playbook.activities) // 40) + 2 * len(playbook.clocks)


def explore(playbook: Playbook) -> Space:
    """Return every reachable state. Raises SpaceTooLargeError past MAX_STATES and MAX_EFFORT."""
    # When something falls due is no part of a state: no wait has to be counted.
    playbook = replace(playbook, clocks={key: replace(rule, within=_NO_WAIT) for key, rule in playbook.clocks.items()})
    ground = _Ground.of(playbook)
    effort, each = 0, _effort(playbook, ground.actors)
    steps: dict[State, Step] = {}
    following: dict[State, tuple[State, ...]] = {}
    queue: deque[State] = deque()
    same: dict[State, State] = {}
    for state, step in _entries(ground):
        if same.setdefault(state, state) is state:
            steps[state] = step
            queue.append(state)
    while queue:
        state = queue.popleft()
        if state.with_clocks(frozenset()) not in ground.ways:
            effort += each * sum(1 for _ in _commands(playbook, state))
        met: list[State] = []
        for after, step in _moves(ground, state):
            known = same.setdefault(after, after)
            met.append(known)
            if known is after:
                steps[after] = step
                queue.append(after)
        following[state] = tuple(met)
        effort += len(met)
        if len(steps) > MAX_STATES or effort > MAX_EFFORT:
            raise SpaceTooLargeError
    return Space(steps, following)


def is_final(playbook: Playbook, state: State) -> bool:
    """Return whether the lead is closed with nothing more to come: its last outcome is final."""
    return state.status == CLOSED and state.result is not None and playbook.outcomes[state.result].final
