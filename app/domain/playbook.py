"""The playbook as immutable data: who is accountable, who may act, what must be known, what is owed at each stage.

The rules of the language (what a document must satisfy) live in `playbook_reader`; what a command does under a
playbook lives in `journey`. Nothing here decides anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Literal
from uuid import UUID

from app.domain.actor import Side


@dataclass(frozen=True, slots=True)
class Label:
    """A text for people, in both languages of the product (design decision 12)."""

    en: str
    ja: str


class Position(StrEnum):
    """A performer that is found in the lead at hand rather than named by role."""

    OWNER = "owner"
    GIVER = "giver"
    RECEIVER = "receiver"
    CONSULTED = "consulted"
    """The role that a consultation asks; it owes an answer, and stands nowhere that a command could ask for."""


PERFORMERS = frozenset({Position.OWNER, Position.GIVER, Position.RECEIVER})
"""The positions that may give commands."""


@dataclass(frozen=True, slots=True)
class Role:
    """A role and the side whose organisation may fill it; None means either side."""

    key: str
    side: Side | None
    label: Label


@dataclass(frozen=True, slots=True)
class Requirement:
    """What must be known before a boundary is crossed.

    `fields` are JSON pointers into the lead, `completeness` is the least share (0..1) of the context form that is
    known, `activities` are keys of `Playbook.activities`.
    """

    fields: tuple[str, ...] = ()
    completeness: float = 0.0
    activities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Passing:
    """One way to hand the baton over: from a role to a role; acceptance may enter another stage."""

    giver: str
    receiver: str
    requires: Requirement
    enters: str | None
    rule: str


@dataclass(frozen=True, slots=True)
class Exit:
    """One way to leave a stage by `advance`; `to` is a stage key or `closed`."""

    to: str
    requires: Requirement
    rule: str


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of the customer's journey; RACI: accountable, may act (`may`), consulted, informed.

    `was` are the keys of former stages whose leads enter this one when they next change stage.
    """

    key: str
    label: Label
    accountable: tuple[str, ...]
    consulted: tuple[str, ...]
    informed: tuple[str, ...]
    clocks: tuple[str, ...]
    exits: tuple[Exit, ...]
    handovers: tuple[Passing, ...]
    may: Mapping[str, tuple[str, ...]]
    was: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Duration:
    """A wait: business minutes, elapsed minutes or business days of the calendar of whoever owes."""

    amount: int
    unit: Literal["business_minutes", "elapsed_minutes", "business_days"]


Anchor = Literal["event", "meeting_at", "revisit_on", "next_update_on"]


@dataclass(frozen=True, slots=True)
class ClockStart:
    """An event that starts the clock, from which moment, for which outcome results and owing roles (empty: any)."""

    on: str
    anchor: Anchor = "event"
    results: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClockRule:
    """An obligation: what starts and stops it, how long it may take, who owes it to whom, what a miss does."""

    key: str
    label: Label
    starts: tuple[ClockStart, ...]
    stops: tuple[str, ...]
    within: Duration
    owed_by: Position
    ladder: str
    feedback_debt: bool


@dataclass(frozen=True, slots=True)
class Fallback:
    """The named role that catches what nobody answered."""

    side: Side
    role: str


@dataclass(frozen=True, slots=True)
class Step:
    """One rung: how long after the one before, which roles of which party are told, and whether on-call tools are."""

    after: Duration
    notify: tuple[str, ...]
    destinations: bool
    assign_fallback: bool


@dataclass(frozen=True, slots=True)
class Ladder:
    """What happens when a clock is missed, until a person acts. The last step ends at the fallback."""

    key: str
    severity: Literal["critical", "error", "warning", "info"]
    steps: tuple[Step, ...]
    fallback: Fallback


@dataclass(frozen=True, slots=True)
class OutcomeRule:
    """What closing with a result does: who may, whether the lead closes, which stage and handover follow."""

    result: str
    by: tuple[str, ...]
    closes: bool
    final: bool
    enters: str | None
    handover_to: str | None
    reasons: str
    rule: str


@dataclass(frozen=True, slots=True)
class ActivityRule:
    """An activity that a requirement may name, such as a meeting that was held."""

    key: str
    kinds: frozenset[str]
    dispositions: frozenset[str]
    label: Label


@dataclass(frozen=True, slots=True)
class FormField:
    """One question of the context form: which fact, asked at which stage."""

    pointer: str
    stage: str
    label: Label
    help: Label | None
    choices: str | None


@dataclass(frozen=True, slots=True)
class Playbook:
    """One agreed version of the rules. Immutable: a lead keeps the version of its current stage."""

    id: UUID
    program: str
    version: int
    purpose: Label
    entry: str
    qualified: str
    roles: Mapping[str, Role]
    stages: Mapping[str, Stage]
    clocks: Mapping[str, ClockRule]
    ladders: Mapping[str, Ladder]
    outcomes: Mapping[str, OutcomeRule]
    activities: Mapping[str, ActivityRule]
    choices: Mapping[str, Mapping[str, Label]]
    form: tuple[FormField, ...]
    may: Mapping[str, tuple[str, ...]]
    claim_days: int
    document: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}), repr=False)

    def cite(self, rule: str) -> dict[str, object]:
        """Return the citation that every refusal carries (promise 5, never vague)."""
        return {"program": self.program, "version": self.version, "rule": rule}

    def performers(self, stage: str, command: str) -> tuple[str, ...]:
        """Return who may perform `command` in `stage`: role keys and positions; the stage overrides the playbook."""
        held = self.stages.get(stage)
        if held is not None and command in held.may:
            return held.may[command]
        return self.may.get(command, ())

    def heir(self, stage: str) -> str | None:
        """Return the stage that continues a stage of another version: that of its key, or the one that it `was`."""
        if stage in self.stages:
            return stage
        return next((held.key for held in self.stages.values() if stage in held.was), None)

    def label(self, choice_set: str, code: str) -> Label:
        """Return the label of a code of a closed set; an unknown code is shown as itself."""
        return self.choices.get(choice_set, {}).get(code) or Label(code, code)
