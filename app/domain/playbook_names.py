"""Holds every name in a playbook against what it must name: stages, roles, clocks, ladders, activities, choices."""

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass

from app.domain.events import CATALOGUE
from app.domain.playbook import PERFORMERS, Playbook, Stage

NOTIFIABLE = frozenset({"owed_by", "waiting", "fallback"})
"""Parties of an escalation that a step may tell, besides roles."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a playbook: where it is, which rule of the language it breaks, and how to mend it."""

    path: str
    rule: str
    en: str
    ja: str


def _absent(known: Container[str], names: Iterable[str | None], path: str, kind: str) -> Iterator[Fault]:
    for name in names:
        if name is not None and name not in known:
            yield Fault(
                path, f"name.{kind}", f"`{name}` is no {kind} of this playbook.", f"`{name}` は定義されていません。"
            )


def _of_stage(playbook: Playbook, stage: Stage, path: str, performers: Container[str]) -> Iterator[Fault]:
    yield from _absent(playbook.roles, (*stage.accountable, *stage.consulted, *stage.informed), path, "role")
    yield from _absent(playbook.clocks, stage.clocks, f"{path}/clocks", "clock")
    ends = {*playbook.stages, "closed"}
    yield from _absent(ends, [leaving.to for leaving in stage.exits], f"{path}/exits", "stage")
    for way in stage.handovers:
        yield from _absent(playbook.roles, (way.giver, way.receiver), f"{path}/handovers", "role")
        yield from _absent(playbook.stages, [way.enters], f"{path}/handovers", "stage")
    for boundary in (*stage.exits, *stage.handovers):
        yield from _absent(playbook.activities, boundary.requires.activities, path, "activity")
    for command, names in stage.may.items():
        yield from _absent(performers, names, f"{path}/may/{command}", "role")


def _of_ladders(playbook: Playbook) -> Iterator[Fault]:
    for key, rule in playbook.clocks.items():
        yield from _absent(playbook.ladders, [rule.ladder], f"/clocks/{key}/ladder", "ladder")
        yield from _absent(CATALOGUE, rule.stops, f"/clocks/{key}/stops", "event type")
        for start in rule.starts:
            yield from _absent(CATALOGUE, [start.on], f"/clocks/{key}/starts", "event type")
            yield from _absent(playbook.roles, start.roles, f"/clocks/{key}/starts", "role")
            yield from _absent(playbook.outcomes, start.results, f"/clocks/{key}/starts", "outcome")
    told = {*playbook.roles, *NOTIFIABLE}
    for key, ladder in playbook.ladders.items():
        yield from _absent(playbook.roles, [ladder.fallback.role], f"/ladders/{key}/fallback/role", "role")
        for index, step in enumerate(ladder.steps):
            yield from _absent(told, step.notify, f"/ladders/{key}/steps/{index}/notify", "role")


def _of_outcomes(playbook: Playbook) -> Iterator[Fault]:
    for key, outcome in playbook.outcomes.items():
        path = f"/outcomes/{key}"
        yield from _absent(playbook.roles, (*outcome.by, outcome.handover_to), path, "role")
        yield from _absent(playbook.stages, [outcome.enters], f"{path}/enters", "stage")
        yield from _absent(playbook.choices, [outcome.reasons], f"{path}/reasons", "choice set")


def dangling_names(playbook: Playbook) -> list[Fault]:
    """Return a fault for every name that names nothing."""
    performers = {*playbook.roles, *PERFORMERS}
    faults = [*_absent(playbook.stages, [playbook.entry], "/entry", "stage")]
    faults.extend(_absent(playbook.stages, [playbook.qualified], "/qualified", "stage"))
    for command, names in playbook.may.items():
        faults.extend(_absent(performers, names, f"/may/{command}", "role"))
    for index, stage in enumerate(playbook.stages.values()):
        faults.extend(_of_stage(playbook, stage, f"/stages/{index}", performers))
    faults.extend(_of_ladders(playbook))
    faults.extend(_of_outcomes(playbook))
    for index, asked in enumerate(playbook.form):
        faults.extend(_absent(playbook.stages, [asked.stage], f"/form/{index}/stage", "stage"))
        faults.extend(_absent(playbook.choices, [asked.choices], f"/form/{index}/choices", "choice set"))
    return faults
