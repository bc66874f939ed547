"""Reads a playbook document into a `Playbook`, collecting every fault with its path, rule and message.

The document is plain data (parsed YAML or JSON). Unknown fields are faults: a misspelt rule must not be a missing
rule. What is proved over the whole state space is the lint's business; here only the shape and the names are held.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal, cast, get_args
from uuid import UUID

from app.domain.actor import Side
from app.domain.journey import ENGINE_COMMANDS, MOVES
from app.domain.playbook import (
    ActivityRule,
    Anchor,
    ClockRule,
    ClockStart,
    Duration,
    Exit,
    Fallback,
    FormField,
    Label,
    Ladder,
    OutcomeRule,
    Passing,
    Playbook,
    Position,
    Requirement,
    Role,
    Stage,
    Step,
)
from app.domain.playbook_names import Fault, dangling_names

LANGUAGE_VERSION = 1
_UNITS = MappingProxyType({"business_minutes": 250 * 8 * 60, "elapsed_minutes": 400 * 24 * 60, "business_days": 250})
"""The longest wait by unit: business time is looked for no further than 400 days ahead (escalation.md 3.5)."""
_MOST = 40
"""Entries of any list or object: nobody could keep more rules in mind, and each is proved against all others."""
_MOST_CODES = 200
"""Closed sets, and codes of each."""
_MOST_FAULTS = 500
_NAME_LENGTH = 64


class PlaybookFaultsError(ValueError):
    """The document is not a playbook; `faults` says everything that is wrong with it."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(f"{fault.path}: {fault.en}" for fault in faults))
        self.faults = tuple(faults)


class _Node:
    """One place in the document: typed access that records a fault and goes on with a harmless value."""

    def __init__(self, value: object, path: str, faults: list[Fault]) -> None:
        self.value = value
        self.path = path
        self.faults = faults

    def fault(self, rule: str, en: str, ja: str) -> None:
        if len(self.faults) < _MOST_FAULTS:
            self.faults.append(Fault(self.path[:200] or "/", rule, en, ja))

    def _fits(self, entries: int, most: int = _MOST) -> bool:
        if entries > most:
            self.fault("shape.size", f"At most {most} entries are taken here.", f"{most}件以下にしてください。")
        return entries <= most

    def _mapping(self) -> Mapping[object, object] | None:
        return cast("Mapping[object, object]", self.value) if isinstance(self.value, Mapping) else None  # pyright: ignore[reportUnknownMemberType]  # what it holds is found out here

    def at(self, key: str) -> "_Node":
        return _Node((self._mapping() or {}).get(key), f"{self.path}/{key}", self.faults)

    def has(self, key: str) -> bool:
        return key in (self._mapping() or {})

    def fields(self, *known: str) -> "_Node":
        held = self._mapping()
        if held is None:
            self.fault("shape.object", "An object is expected here.", "オブジェクトが必要です。")
            return self
        if self._fits(len(held)):
            for key in held:
                if key not in known:
                    self.at(str(key)).fault("shape.unknown", "There is no such field.", "この項目は存在しません。")
        return self

    def items(self, most: int = _MOST) -> list[tuple[str, "_Node"]]:
        held = self._mapping()
        if held is None:
            self.fault("shape.object", "An object is expected here.", "オブジェクトが必要です。")
            return []
        if not self._fits(len(held), most):
            return []
        found = [(str(key), _Node(value, f"{self.path}/{key}", self.faults)) for key, value in held.items()]
        for key, node in found:
            if not 0 < len(key) <= _NAME_LENGTH:
                node.fault("shape.name", f"A name has 1 to {_NAME_LENGTH} characters.", "名前が長すぎるか空です。")
        return found

    def list(self, *, optional: bool = False) -> list["_Node"]:
        if self.value is None and optional:
            return []
        if not isinstance(self.value, list):
            self.fault("shape.list", "A list is expected here.", "リストが必要です。")
            return []
        held = cast("list[object]", self.value)  # pyright: ignore[reportUnknownMemberType]  # what it holds is found out here
        if not self._fits(len(held)):
            return []
        return [_Node(value, f"{self.path}/{index}", self.faults) for index, value in enumerate(held)]

    def text(self, *, limit: int = 200) -> str:
        if not isinstance(self.value, str) or not self.value or len(self.value) > limit:
            self.fault(
                "shape.text", f"A text of 1 to {limit} characters is expected.", f"1〜{limit}文字の文字列が必要です。"
            )
            return ""
        return self.value

    def texts(self, *, optional: bool = False) -> tuple[str, ...]:
        return tuple(node.text() for node in self.list(optional=optional))

    def number(self, low: float, high: float, default: float | None = None) -> float:
        if self.value is None and default is not None:
            return default
        if not isinstance(self.value, int | float) or isinstance(self.value, bool) or not low <= self.value <= high:
            self.fault(
                "shape.number",
                f"A number from {low:g} to {high:g} is expected.",
                f"{low:g}〜{high:g}の数値が必要です。",
            )
            return low
        return float(self.value)

    def flag(self, *, default: bool = False) -> bool:
        if self.value is None:
            return default
        if not isinstance(self.value, bool):
            self.fault("shape.flag", "true or false is expected.", "true または false が必要です。")
            return default
        return self.value

    def one_of(self, *choices: str) -> str:
        if self.value not in choices:
            listed = ", ".join(choices)
            self.fault("shape.choice", f"One of {listed} is expected.", f"{listed} のいずれかが必要です。")
            return choices[0]
        return str(self.value)

    def label(self) -> Label:
        return Label(self.at("en").text(limit=500), self.at("ja").text(limit=500))


def _role(key: str, node: _Node) -> Role:
    node.fields("side", "en", "ja")
    side = node.at("side").one_of("partner", "internal", "either")
    return Role(key, None if side == "either" else Side(side), node.label())


def _requirement(node: _Node) -> Requirement:
    if node.value is None:
        return Requirement()
    node.fields("fields", "completeness", "activities")
    return Requirement(
        node.at("fields").texts(optional=True),
        node.at("completeness").number(0, 1, default=0),
        node.at("activities").texts(optional=True),
    )


def _duration(node: _Node) -> Duration:
    node.fields(*_UNITS)
    given = [unit for unit in _UNITS if node.has(unit)]
    if len(given) != 1:
        node.fault("duration.unit", "Exactly one unit is expected.", "単位は一つだけ指定してください。")
        return Duration(1, "business_minutes")
    amount = node.at(given[0]).number(0, _UNITS[given[0]])
    return Duration(int(amount), cast('Literal["business_minutes", "elapsed_minutes", "business_days"]', given[0]))


def _may(node: _Node) -> Mapping[str, tuple[str, ...]]:
    if node.value is None:
        return MappingProxyType({})
    table = {command: performers.texts() for command, performers in node.items()}
    for command in table:
        if command not in MOVES or command in ENGINE_COMMANDS:
            node.at(command).fault("may.command", "There is no such command.", "このコマンドは存在しません。")
    return MappingProxyType(table)


_STAGE_FIELDS = (
    "key", "en", "ja", "accountable", "consulted", "informed", "clocks", "exits", "handovers", "may", "was",
)  # fmt: skip


def _stage(node: _Node) -> Stage:
    node.fields(*_STAGE_FIELDS)
    key = node.at("key").text(limit=40)
    exits = [
        Exit(
            leaving.fields("to", "requires").at("to").text(),
            _requirement(leaving.at("requires")),
            f"stages.{key}.exits.{leaving.at('to').value}",
        )
        for leaving in node.at("exits").list()
    ]
    handovers = [
        Passing(
            way.fields("from", "to", "requires", "enters").at("from").text(),
            way.at("to").text(),
            _requirement(way.at("requires")),
            way.at("enters").text() if way.has("enters") else None,
            f"stages.{key}.handovers.{way.at('from').value}.{way.at('to').value}",
        )
        for way in node.at("handovers").list(optional=True)
    ]
    return Stage(
        key,
        node.label(),
        node.at("accountable").texts(),
        node.at("consulted").texts(optional=True),
        node.at("informed").texts(optional=True),
        node.at("clocks").texts(),
        tuple(exits),
        tuple(handovers),
        _may(node.at("may")),
        node.at("was").texts(optional=True),
    )


def _stages(node: _Node) -> list[Stage]:
    nodes = node.list()
    stages = [_stage(one) for one in nodes]
    taken = {"closed"}
    for one, stage in zip(nodes, stages, strict=True):
        if stage.key in taken:
            one.at("key").fault(
                "stage.key", "A stage has a key of its own; `closed` is the end.", "段階のキーが重複しています。"
            )
        taken.add(stage.key)
    return stages


def _clock(key: str, node: _Node) -> ClockRule:
    node.fields("en", "ja", "starts", "stops", "within", "owed_by", "ladder", "feedback_debt")
    starts = [
        ClockStart(
            start.fields("event", "from", "results", "roles").at("event").text(),
            cast("Anchor", start.at("from").one_of(*get_args(Anchor)) if start.has("from") else "event"),
            start.at("results").texts(optional=True),
            start.at("roles").texts(optional=True),
        )
        for start in node.at("starts").list()
    ]
    return ClockRule(
        key,
        node.label(),
        tuple(starts),
        node.at("stops").texts(),
        _duration(node.at("within")),
        Position(node.at("owed_by").one_of(*Position)),
        node.at("ladder").text(),
        node.at("feedback_debt").flag(),
    )


def _ladder(key: str, node: _Node) -> Ladder:
    node.fields("severity", "steps", "fallback")
    fallback = node.at("fallback").fields("side", "role")
    steps = [
        Step(
            _duration(step.fields("after", "notify", "destinations", "assign_fallback").at("after")),
            step.at("notify").texts(optional=True),
            step.at("destinations").flag(),
            step.at("assign_fallback").flag(),
        )
        for step in node.at("steps").list()
    ]
    severity = node.at("severity").one_of("critical", "error", "warning", "info")
    return Ladder(
        key,
        cast('Literal["critical", "error", "warning", "info"]', severity),
        tuple(steps),
        Fallback(Side(fallback.at("side").one_of(*Side)), fallback.at("role").text()),
    )


def _outcome(key: str, node: _Node) -> OutcomeRule:
    node.fields("by", "closes", "final", "enters", "handover_to", "reasons")
    return OutcomeRule(
        key,
        node.at("by").texts(),
        node.at("closes").flag(),
        node.at("final").flag(),
        node.at("enters").text() if node.has("enters") else None,
        node.at("handover_to").text() if node.has("handover_to") else None,
        node.at("reasons").text(),
        f"outcomes.{key}",
    )


def _activity(key: str, node: _Node) -> ActivityRule:
    node.fields("kinds", "dispositions", "en", "ja")
    return ActivityRule(
        key, frozenset(node.at("kinds").texts()), frozenset(node.at("dispositions").texts()), node.label()
    )


def _form_field(node: _Node) -> FormField:
    node.fields("pointer", "stage", "choices", "en", "ja", "help")
    return FormField(
        node.at("pointer").text(),
        node.at("stage").text(),
        node.label(),
        node.at("help").fields("en", "ja").label() if node.has("help") else None,
        node.at("choices").text() if node.has("choices") else None,
    )


_FIELDS = (
    "playbook", "program", "purpose", "entry", "qualified", "claim_days", "roles", "may", "activities", "stages",
    "outcomes", "clocks", "ladders", "form", "choices",
)  # fmt: skip


def read_playbook(document: Mapping[str, object], playbook_id: UUID, version: int) -> Playbook:
    """Return the playbook that `document` describes, or raise PlaybookFaultsError with everything that is wrong."""
    faults: list[Fault] = []
    root = _Node(document, "", faults).fields(*_FIELDS)
    if root.at("playbook").value != LANGUAGE_VERSION:
        root.at("playbook").fault("language.version", "The language version is 1.", "言語のバージョンは1です。")
    stages = _stages(root.at("stages"))
    playbook = Playbook(
        id=playbook_id,
        program=root.at("program").text(limit=64),
        version=version,
        purpose=root.at("purpose").fields("en", "ja").label(),
        entry=root.at("entry").text(),
        qualified=root.at("qualified").text(),
        roles=MappingProxyType({key: _role(key, node) for key, node in root.at("roles").items()}),
        stages=MappingProxyType({stage.key: stage for stage in stages}),
        clocks=MappingProxyType({key: _clock(key, node) for key, node in root.at("clocks").items()}),
        ladders=MappingProxyType({key: _ladder(key, node) for key, node in root.at("ladders").items()}),
        outcomes=MappingProxyType({key: _outcome(key, node) for key, node in root.at("outcomes").items()}),
        activities=MappingProxyType({key: _activity(key, node) for key, node in root.at("activities").items()}),
        choices=MappingProxyType(
            {
                key: MappingProxyType(
                    {code: label.fields("en", "ja").label() for code, label in node.items(_MOST_CODES)}
                )
                for key, node in root.at("choices").items(_MOST_CODES)
            }
        ),
        form=tuple(_form_field(node) for node in root.at("form").list()),
        may=_may(root.at("may")),
        claim_days=int(root.at("claim_days").number(1, 400, default=90)),
        document=MappingProxyType(dict(document)) if isinstance(document, Mapping) else MappingProxyType({}),  # pyright: ignore[reportUnnecessaryIsInstance]  # callers pass parsed YAML
    )
    if not faults:
        faults.extend(dangling_names(playbook))
    if faults:
        raise PlaybookFaultsError(faults[:_MOST_FAULTS])
    return playbook
