"""A playbook as single facts in both languages: what each is about, what it says, and a value that can be compared.

Two versions are compared by the neutral values, so that a new label of a role changes one fact and not each that names
the role. Nothing here compares; `playbook_diff` does.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from app.domain.journey import MOVES
from app.domain.playbook import ClockRule, ClockStart, Label, Ladder, OutcomeRule, Playbook, Requirement, Stage
from app.domain.playbook_text import Teller

AREAS: Mapping[str, Label] = MappingProxyType(
    {
        "playbook": Label("The playbook as a whole", "全体"),
        "roles": Label("Roles", "役割"),
        "activities": Label("Activities", "活動"),
        "stages": Label("Stages", "段階"),
        "outcomes": Label("Outcomes", "結果"),
        "clocks": Label("Clocks", "期限"),
        "ladders": Label("Escalation ladders", "エスカレーション手順"),
        "may": Label("Who may do what", "権限"),
        "form": Label("Context form", "情報項目"),
        "choices": Label("Choices", "選択肢"),
    }
)
"""The parts of a playbook, in the order in which changes are told."""

_WHAT: Mapping[str, Label] = MappingProxyType(
    {
        "name": Label("name", "名称"),
        "side": Label("side", "所属"),
        "purpose": Label("common purpose", "共通の目的"),
        "program": Label("program", "プログラム"),
        "entry": Label("leads start in", "開始段階"),
        "qualified": Label("counts as qualified from", "有効商談とする段階"),
        "claim": Label("a claim lasts (days)", "登録の有効期間（日）"),
        "is": Label("counts when logged as", "該当する活動"),
        "accountable": Label("accountable", "責任者"),
        "consulted": Label("consulted", "相談先"),
        "informed": Label("informed", "報告先"),
        "clocks": Label("clocks", "期限"),
        "was": Label("continues", "引き継ぐ段階"),
        "by": Label("who may", "実行者"),
        "closes": Label("closes the lead", "リードを終了する"),
        "final": Label("final", "確定"),
        "enters": Label("moves the lead to", "移動先の段階"),
        "hands": Label("hands over to", "引き継ぎ先"),
        "reasons": Label("reasons from", "理由の一覧"),
        "starts": Label("starts on", "開始"),
        "stops": Label("stops on", "終了"),
        "owed": Label("owed by", "義務を負う側"),
        "ladder": Label("when missed", "超過時の手順"),
        "debt": Label("counts as feedback debt", "フィードバック負債に数える"),
        "severity": Label("severity", "重大度"),
        "fallback": Label("fallback", "最終責任者"),
        "asked": Label("asked in", "質問する段階"),
        "set": Label("answers from", "回答の選択肢"),
        "help": Label("help", "補足"),
    }
)
_TOLD: Mapping[str, Label] = MappingProxyType(
    {
        "owed_by": Label("whoever owes it", "義務を負う側"),
        "waiting": Label("whoever waits", "待っている側"),
        "fallback": Label("the fallback", "最終責任者"),
    }
)
_EVENTS: Mapping[str, Label] = MappingProxyType(
    {
        "lead.received": Label("the lead is posted", "リードの登録"),
        "lead.accepted": Label("the lead is accepted", "リードの受理"),
        "lead.updated": Label("the lead is updated", "リードの更新"),
        "lead.reopened": Label("the lead is reopened", "リードの再開"),
        "note.added": Label("a note is added", "メモの追加"),
        "activity.logged": Label("an activity is logged", "活動の記録"),
        "stage.entered": Label("a stage is entered", "段階の移動"),
        "ownership.changed": Label("the owner changes", "責任者の変更"),
        "handover.requested": Label("a handover is requested", "引き継ぎの依頼"),
        "handover.accepted": Label("the handover is accepted", "引き継ぎの受領"),
        "handover.rejected": Label("the handover is rejected", "引き継ぎの拒否"),
        "handover.returned": Label("the handover is returned", "引き継ぎの差し戻し"),
        "handover.answered": Label("the questions are answered", "質問への回答"),
        "handover.withdrawn": Label("the handover is withdrawn", "引き継ぎの取り下げ"),
        "handover.timed_out": Label("nobody answers the handover in time", "引き継ぎの時間切れ"),
        "consultation.requested": Label("a question is asked", "相談の依頼"),
        "consultation.answered": Label("the question is answered", "相談への回答"),
        "consultation.declined": Label("the question is declined", "相談の辞退"),
        "consultation.withdrawn": Label("the question is taken back", "相談の取り下げ"),
        "feedback.given": Label("feedback is given", "フィードバック"),
        "outcome.closed": Label("the outcome is stated", "結果の確定"),
        "outcome.corrected": Label("the outcome is corrected", "結果の訂正"),
        "outcome.acknowledged": Label("the outcome is acknowledged", "結果の確認"),
        "outcome.contested": Label("the outcome is contested", "結果への異議"),
    }
)
_ANCHORS: Mapping[str, Label] = MappingProxyType(
    {
        "meeting_at": Label("counted from the meeting", "商談日時から起算"),
        "revisit_on": Label("counted from the day of the revisit", "再訪日から起算"),
        "next_update_on": Label("due on the promised day", "約束した日が期限"),
    }
)
_YES, _NO, _NONE = Label("yes", "はい"), Label("no", "いいえ"), Label("-", "-")


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that a playbook says. `raw` is what is compared; None as `what`: the value says it all.

    `where` is (area, key of the subject, aspect); the fact whose aspect is empty says that the subject exists.
    """

    where: tuple[str, ...]
    subject: Label
    what: Label | None
    value: Label
    raw: object


def both(label: Label) -> Label:
    """Return a label that shows both languages in each: a change of one of them must show."""
    text = f"{label.en} / {label.ja}"
    return Label(text, text)


def _plain(value: object) -> Label:
    return Label(str(value), str(value))


def _listed(labels: Sequence[Label]) -> Label:
    return Label(", ".join(one.en for one in labels) or "-", "、".join(one.ja for one in labels) or "-")


class _Speaker:
    """Says things in both languages. `renamed` gives stages of this version the key they have in the other one."""

    def __init__(self, playbook: Playbook, renamed: Mapping[str, str]) -> None:
        self.playbook = playbook
        self._tellers = (Teller(playbook, "en"), Teller(playbook, "ja"))
        self._renamed = renamed

    def key(self, stage: str | None) -> str | None:
        return self._renamed.get(stage, stage) if stage else None

    def say(self, tell: Callable[[Teller], str]) -> Label:
        return Label(*(tell(teller) for teller in self._tellers))

    def people(self, names: Iterable[str]) -> Label:
        return self.say(lambda teller: teller.people(names))

    def told(self, names: Iterable[str]) -> Label:
        return _listed([_TOLD.get(name) or self.people((name,)) for name in names])

    def stage(self, key: str | None) -> Label:
        return self.say(lambda teller: teller.stage(key)) if key else _NONE

    def needs(self, requires: Requirement) -> Label:
        if requires == Requirement():
            return Label("nothing", "なし")
        return self.say(lambda teller: teller.needs(requires))

    def start(self, start: ClockStart) -> Label:
        parts = [_EVENTS.get(start.on, _plain(start.on))]
        parts += [_ANCHORS[start.anchor]] if start.anchor in _ANCHORS else []
        parts += [_plain(result) for result in start.results]
        parts += [self.people(start.roles)] if start.roles else []
        return _listed(parts)


def _yes(value: bool) -> Label:
    return _YES if value else _NO


def _required(requires: Requirement) -> object:
    return frozenset(requires.fields), requires.completeness, frozenset(requires.activities)


def _whole(say: _Speaker) -> Iterator[Fact]:
    held, subject = say.playbook, AREAS["playbook"]
    for name, value, raw in (
        ("program", _plain(held.program), held.program),
        ("purpose", both(held.purpose), held.purpose),
        ("entry", say.stage(held.entry), say.key(held.entry)),
        ("qualified", say.stage(held.qualified), say.key(held.qualified)),
        ("claim", _plain(held.claim_days), held.claim_days),
    ):
        yield Fact(("playbook", "", name), subject, _WHAT[name], value, raw)


def _named(area: str, key: str, label: Label, called: tuple[str, str]) -> tuple[Label, Iterator[Fact]]:
    """Return how a subject is called, and the facts that it exists and has that name."""
    subject = Label(f"{called[0]} {label.en}".strip(), f"{called[1]} {label.ja}".strip())
    exists = Fact((area, key, ""), subject, None, _NONE, key)
    name = Fact((area, key, "name"), subject, _WHAT["name"], both(label), label)
    return subject, iter((exists, name))


def _roles(say: _Speaker) -> Iterator[Fact]:
    for key, role in say.playbook.roles.items():
        subject, named = _named("roles", key, role.label, ("Role", "役割"))
        yield from named
        side = role.side.value if role.side else "either"
        yield Fact(("roles", key, "side"), subject, _WHAT["side"], _plain(side), side)


def _activities(say: _Speaker) -> Iterator[Fact]:
    for key, rule in say.playbook.activities.items():
        subject, named = _named("activities", key, rule.label, ("Activity", "活動"))
        yield from named
        value = _plain(f"{', '.join(sorted(rule.kinds))} ({', '.join(sorted(rule.dispositions))})")
        yield Fact(("activities", key, "is"), subject, _WHAT["is"], value, (rule.kinds, rule.dispositions))


def _stage(say: _Speaker, stage: Stage) -> Iterator[Fact]:
    key = say.key(stage.key) or ""
    subject, named = _named("stages", key, stage.label, ("Stage", "段階"))
    yield from named
    for name in ("accountable", "consulted", "informed"):
        names: tuple[str, ...] = getattr(stage, name)
        yield Fact(("stages", key, name), subject, _WHAT[name], say.people(names), frozenset(names))
    listed = _listed([say.playbook.clocks[one].label for one in stage.clocks])
    yield Fact(("stages", key, "clocks"), subject, _WHAT["clocks"], listed, frozenset(stage.clocks))
    if stage.was:
        yield Fact(("stages", key, "was"), subject, _WHAT["was"], _plain(", ".join(stage.was)), frozenset(stage.was))
    for leaving in stage.exits:
        to = say.stage(leaving.to)
        what = Label(f"moving on to {to.en} needs", f"{to.ja}へ進む条件")
        where = ("stages", key, "exit", say.key(leaving.to) or "")
        yield Fact(where, subject, what, say.needs(leaving.requires), _required(leaving.requires))
    yield from _passings(say, stage, subject, key)
    for command, names in stage.may.items():
        move = MOVES[command]
        what = Label(f"who may here: {move.label_en}", f"ここでの権限「{move.label_ja}」")
        yield Fact(("stages", key, "may", command), subject, what, say.people(names), frozenset(names))


def _passings(say: _Speaker, stage: Stage, subject: Label, key: str) -> Iterator[Fact]:
    for way in stage.handovers:
        giver, receiver = say.people((way.giver,)), say.people((way.receiver,))
        enters = say.stage(way.enters)
        needs = say.needs(way.requires)
        what = Label(f"handover from {giver.en} to {receiver.en}", f"{giver.ja}から{receiver.ja}への引き継ぎ")
        value = Label(
            f"needs {needs.en}" + (f", enters {enters.en}" if way.enters else ""),
            f"条件: {needs.ja}" + (f"、{enters.ja}に入る" if way.enters else ""),
        )
        where = ("stages", key, "handover", way.giver, way.receiver)
        yield Fact(where, subject, what, value, (_required(way.requires), say.key(way.enters)))


def _outcome(say: _Speaker, rule: OutcomeRule) -> Iterator[Fact]:
    subject, at = Label(f"Result {rule.result}", f"結果「{rule.result}」"), ("outcomes", rule.result)
    hands = say.people((rule.handover_to,)) if rule.handover_to else _NONE
    yield Fact((*at, ""), subject, None, _NONE, rule.result)
    yield Fact((*at, "by"), subject, _WHAT["by"], say.people(rule.by), frozenset(rule.by))
    yield Fact((*at, "closes"), subject, _WHAT["closes"], _yes(rule.closes), rule.closes)
    yield Fact((*at, "final"), subject, _WHAT["final"], _yes(rule.final), rule.final)
    yield Fact((*at, "enters"), subject, _WHAT["enters"], say.stage(rule.enters), say.key(rule.enters))
    yield Fact((*at, "hands"), subject, _WHAT["hands"], hands, rule.handover_to)
    yield Fact((*at, "reasons"), subject, _WHAT["reasons"], _plain(rule.reasons), rule.reasons)


def _clock(say: _Speaker, rule: ClockRule) -> Iterator[Fact]:
    at = ("clocks", rule.key)
    subject, named = _named(*at, rule.label, ("", ""))
    yield from named
    # The wait is what a clock is about: its sentence needs no word for it.
    yield Fact((*at, "within"), subject, None, say.say(lambda teller: teller.wait(rule.within)), rule.within)
    for n, start in enumerate(rule.starts):
        nth = sum(other.on == start.on for other in rule.starts[:n])
        yield Fact((*at, "starts", start.on, str(nth)), subject, _WHAT["starts"], say.start(start), start)
    stops = _listed([_EVENTS.get(event, _plain(event)) for event in rule.stops])
    yield Fact((*at, "stops"), subject, _WHAT["stops"], stops, frozenset(rule.stops))
    yield Fact((*at, "owed"), subject, _WHAT["owed"], say.people((rule.owed_by,)), rule.owed_by)
    yield Fact((*at, "ladder"), subject, _WHAT["ladder"], _plain(rule.ladder), rule.ladder)
    yield Fact((*at, "debt"), subject, _WHAT["debt"], _yes(rule.feedback_debt), rule.feedback_debt)


def _ladder(say: _Speaker, ladder: Ladder) -> Iterator[Fact]:
    at = ("ladders", ladder.key)
    subject = Label(f"Ladder {ladder.key}", f"手順「{ladder.key}」")
    yield Fact((*at, ""), subject, None, _NONE, ladder.key)
    yield Fact((*at, "severity"), subject, _WHAT["severity"], _plain(ladder.severity), ladder.severity)
    for n, step in enumerate(ladder.steps, 1):
        told = say.told(step.notify)
        after = say.say(lambda teller, step=step: teller.wait(step.after))
        en = [f"after {after.en}", f"tells {told.en}"]
        ja = [f"{after.ja}後", f"{told.ja}に通知"]
        if step.destinations:
            en.append("pages the on-call tools")
            ja.append("オンコールに連絡")
        if step.assign_fallback:
            en.append("the fallback takes the lead")
            ja.append("最終責任者が引き取る")
        what = Label(f"step {n}", f"手順{n}")
        raw = (step.after, frozenset(step.notify), step.destinations, step.assign_fallback)
        yield Fact((*at, "step", str(n)), subject, what, Label(", ".join(en), "、".join(ja)), raw)
    fallback = say.say(lambda teller: teller.fallback(ladder.fallback))
    yield Fact((*at, "fallback"), subject, _WHAT["fallback"], fallback, ladder.fallback)


def _may(say: _Speaker) -> Iterator[Fact]:
    for command, names in say.playbook.may.items():
        subject = Label(MOVES[command].label_en, MOVES[command].label_ja)
        yield Fact(("may", command, "by"), subject, _WHAT["by"], say.people(names), frozenset(names))


def _form(say: _Speaker) -> Iterator[Fact]:
    for asked in say.playbook.form:
        key = asked.pointer
        subject, named = _named("form", key, asked.label, ("Question", "質問"))
        yield from named
        yield Fact(("form", key, "asked"), subject, _WHAT["asked"], say.stage(asked.stage), say.key(asked.stage))
        yield Fact(("form", key, "set"), subject, _WHAT["set"], _plain(asked.choices or "-"), asked.choices)
        helped = both(asked.help) if asked.help else _NONE
        yield Fact(("form", key, "help"), subject, _WHAT["help"], helped, asked.help)


def _choices(say: _Speaker) -> Iterator[Fact]:
    for key, held in say.playbook.choices.items():
        subject = Label(f"Choices {key}", f"選択肢「{key}」")
        yield Fact(("choices", key, ""), subject, None, _NONE, key)
        for code, label in held.items():
            yield Fact(("choices", key, "code", code), subject, None, both(label), label)


def facts(playbook: Playbook, renamed: Mapping[str, str]) -> dict[tuple[str, ...], Fact]:
    """Return every fact of a playbook by where it stands; `renamed` maps stage keys to those of the other version."""
    say = _Speaker(playbook, renamed)
    found = [*_whole(say), *_roles(say), *_activities(say)]
    for stage in playbook.stages.values():
        found.extend(_stage(say, stage))
    for outcome in playbook.outcomes.values():
        found.extend(_outcome(say, outcome))
    for clock in playbook.clocks.values():
        found.extend(_clock(say, clock))
    for ladder in playbook.ladders.values():
        found.extend(_ladder(say, ladder))
    found.extend((*_may(say), *_form(say), *_choices(say)))
    return {fact.where: fact for fact in found}
