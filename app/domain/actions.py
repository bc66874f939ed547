"""What a caller may do with a lead now: every command, with the rule that allows or refuses it. Decides nothing itself.

A command that needs an argument is tried with every value that the playbook knows; it is allowed where one of them is.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from app.domain.actor import Actor
from app.domain.journey import ENGINE_COMMANDS, MOVES, Command, Refusal, Verdict, decide
from app.domain.lead import Lead
from app.domain.playbook import Playbook


@dataclass(frozen=True, slots=True)
class Action:
    """A command: allowed, or refused by `rule` with what is still missing."""

    command: str
    allowed: bool
    rule: str
    missing: tuple[str, ...]
    label_en: str
    label_ja: str


def _reason(playbook: Playbook, choice_set: str) -> str | None:
    """Return some reason of a set: which one is given decides nothing, except that `other` needs a note."""
    return next(iter(playbook.choices.get(choice_set, ())), None)


def _exits(playbook: Playbook, lead: Lead) -> Iterable[Command]:
    return [Command("advance", to_stage=leaving.to) for leaving in playbook.stages[lead.stage].exits]


def _ways(playbook: Playbook, lead: Lead) -> Iterable[Command]:
    ways = playbook.stages[lead.stage].handovers
    return [Command("handover", to_role=way.receiver) for way in ways if way.giver == lead.owner.role]


def _consulted(playbook: Playbook, lead: Lead) -> Iterable[Command]:
    return [Command("consult", to_role=role) for role in playbook.stages[lead.stage].consulted]


def _rejections(playbook: Playbook, _: Lead) -> Iterable[Command]:
    return [Command("reject", reason=_reason(playbook, "rejected"), note=True)]


def _results(name: str) -> Callable[[Playbook, Lead], Iterable[Command]]:
    def results(playbook: Playbook, _: Lead) -> Iterable[Command]:
        return [
            Command(name, result=rule.result, reason=_reason(playbook, rule.reasons), note=True)
            for rule in playbook.outcomes.values()
        ]

    return results


_CANDIDATES: Mapping[str, Callable[[Playbook, Lead], Iterable[Command]]] = MappingProxyType(
    {
        "advance": _exits,
        "handover": _ways,
        "consult": _consulted,
        "reject": _rejections,
        "outcome": _results("outcome"),
        "correct": _results("correct"),
    }
)


def _rank(verdict: Verdict) -> tuple[int, int]:
    """Order verdicts: allowed, then nearest to it (the rules that ask for least), then refused outright."""
    if not isinstance(verdict, Refusal):
        return 0, 0
    return (1, len(verdict.missing)) if verdict.missing else (2, 0)


def actions(playbook: Playbook, lead: Lead, actor: Actor, now: datetime) -> list[Action]:
    """Return every command that a caller may try, in the order of the table of moves."""
    found: list[Action] = []
    for name, move in MOVES.items():
        if name in ENGINE_COMMANDS:
            continue
        propose = _CANDIDATES.get(name)
        commands = list(propose(playbook, lead)) if propose else []
        verdict = min(
            (decide(playbook, lead, actor, command, now) for command in commands or [Command(name)]), key=_rank
        )
        missing = verdict.missing if isinstance(verdict, Refusal) else ()
        allowed = not isinstance(verdict, Refusal)
        found.append(Action(name, allowed, verdict.rule, missing, move.label_en, move.label_ja))
    return found
