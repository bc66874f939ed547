"""A playbook as a page for people, in English or Japanese, as Markdown or HTML. Says what the document says, no more.

Labels are written by either organisation, so nothing of them reaches a page unescaped.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from types import MappingProxyType
from typing import Literal

from app.domain.journey import MOVES
from app.domain.playbook import ClockStart, Duration, Fallback, Label, Playbook, Requirement, Stage

Language = Literal["en", "ja"]

_WORDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "playbook": ("Playbook", "プレイブック"),
        "version": ("version", "第{}版"),
        "stages": ("Stages", "段階"),
        "accountable": ("Accountable", "責任者"),
        "consulted": ("Consulted", "相談先"),
        "informed": ("Informed", "報告先"),
        "clocks": ("Clocks", "期限"),
        "boundary": ("What may happen", "できること"),
        "requires": ("What must be known", "必要な情報"),
        "advance": ("Advance to {}", "{}へ進む"),
        "closed": ("the end", "完了"),
        "handover": ("Handover: {} to {}", "引き継ぎ: {} から {}"),
        "enters": ("enters {}", "{}に入る"),
        "completeness": ("{}% of the context form", "情報項目の{}%"),
        "owed_by": ("Owed by", "義務を負う側"),
        "within": ("Within", "期限"),
        "starts": ("Starts on", "開始"),
        "stops": ("Stops on", "終了"),
        "ladder": ("Ladder", "エスカレーション"),
        "ladders": ("Escalation ladders", "エスカレーション手順"),
        "step": ("Step", "手順"),
        "after": ("After", "経過"),
        "tells": ("Tells", "通知先"),
        "fallback": ("Fallback", "最終責任者"),
        "assigns": ("makes the fallback accountable", "最終責任者に移す"),
        "outcomes": ("Outcomes", "結果"),
        "result": ("Result", "結果"),
        "by": ("Who may", "実行者"),
        "reasons": ("Reasons", "理由"),
        "permissions": ("Who may do what", "権限"),
        "command": ("Command", "操作"),
        "form": ("Context form", "情報項目"),
        "question": ("Question", "質問"),
        "stage": ("Stage", "段階"),
        "choices": ("Choices", "選択肢"),
        "clock": ("Clock", "期限"),
        "business_minutes": ("{} business minutes", "営業時間{}分"),
        "elapsed_minutes": ("{} minutes", "{}分"),
        "business_days": ("{} business days", "{}営業日"),
        "owner": ("owner", "現在の責任者"),
        "giver": ("giver", "渡す側"),
        "receiver": ("receiver", "受け取る側"),
        "waiting": ("who waits", "待っている側"),
    }
)


@dataclass(frozen=True, slots=True)
class _Heading:
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class _Table:
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


_Block = _Heading | _Table | str


class Teller:
    """Puts a playbook into words of one language."""

    def __init__(self, playbook: Playbook, language: Language) -> None:
        self.playbook = playbook
        self.place = 0 if language == "en" else 1

    def word(self, key: str, *values: object) -> str:
        """Return a word of this module, with its blanks filled."""
        return _WORDS[key][self.place].format(*values)

    def label(self, label: Label) -> str:
        """Return a label in this language."""
        return label.ja if self.place else label.en

    def who(self, name: str) -> str:
        """Return a role's label, or what a position is called."""
        role = self.playbook.roles.get(name)
        return self.label(role.label) if role else _WORDS.get(name, (name, name))[self.place]

    def people(self, names: Iterable[str]) -> str:
        """Return roles and positions as a list; a dash for none."""
        return ", ".join(self.who(name) for name in names) or "-"

    def wait(self, duration: Duration) -> str:
        """Return a wait with its unit."""
        return self.word(duration.unit, duration.amount)

    def stage(self, key: str) -> str:
        """Return the label of a stage, or the word for the end."""
        held = self.playbook.stages.get(key)
        return self.label(held.label) if held else self.word("closed")

    def needs(self, requires: Requirement) -> str:
        """Return what a boundary needs, in the words of the form."""
        asked = {field.pointer: self.label(field.label) for field in self.playbook.form}
        parts = [asked.get(pointer, pointer) for pointer in requires.fields]
        if requires.completeness:
            parts.append(self.word("completeness", round(requires.completeness * 100)))
        parts += [self.label(self.playbook.activities[key].label) for key in requires.activities]
        return "; ".join(parts) or "-"

    def boundaries(self, stage: Stage) -> _Table:
        """Return the ways out of a stage and what they need."""
        rows = [(self.word("advance", self.stage(way.to)), self.needs(way.requires)) for way in stage.exits]
        for way in stage.handovers:
            text = self.word("handover", self.who(way.giver), self.who(way.receiver))
            if way.enters:
                text += f" ({self.word('enters', self.stage(way.enters))})"
            rows.append((text, self.needs(way.requires)))
        return _Table((self.word("boundary"), self.word("requires")), tuple(rows))

    def stages(self) -> Iterable[_Block]:
        """Yield the stages."""
        yield _Heading(2, self.word("stages"))
        for stage in self.playbook.stages.values():
            yield _Heading(3, self.label(stage.label))
            head = ("accountable", "consulted", "informed", "clocks")
            clocks = ", ".join(self.label(self.playbook.clocks[key].label) for key in stage.clocks)
            yield _Table(
                tuple(self.word(name) for name in head),
                ((self.people(stage.accountable), self.people(stage.consulted), self.people(stage.informed), clocks),),
            )
            yield self.boundaries(stage)

    def start(self, start: ClockStart) -> str:
        """Return what starts a clock."""
        return start.on if start.anchor == "event" else f"{start.on} ({start.anchor})"

    def clocks(self) -> Iterable[_Block]:
        """Yield the clocks."""
        yield _Heading(2, self.word("clocks"))
        head = ("clock", "owed_by", "within", "starts", "stops", "ladder")
        yield _Table(
            tuple(self.word(name) for name in head),
            tuple(
                (
                    self.label(rule.label),
                    self.who(rule.owed_by),
                    self.wait(rule.within),
                    ", ".join(self.start(start) for start in rule.starts),
                    ", ".join(rule.stops),
                    rule.ladder,
                )
                for rule in self.playbook.clocks.values()
            ),
        )

    def fallback(self, fallback: Fallback) -> str:
        """Return who catches what nobody answered."""
        return f"{self.who(fallback.role)} ({fallback.side.value})"

    def ladders(self) -> Iterable[_Block]:
        """Yield the ladders."""
        yield _Heading(2, self.word("ladders"))
        for ladder in self.playbook.ladders.values():
            yield _Heading(3, f"{ladder.key} ({ladder.severity})")
            rows = [
                (
                    str(n),
                    self.wait(step.after),
                    self.people(step.notify) + (f"; {self.word('assigns')}" if step.assign_fallback else ""),
                )
                for n, step in enumerate(ladder.steps, 1)
            ]
            yield _Table((self.word("step"), self.word("after"), self.word("tells")), tuple(rows))
            yield f"{self.word('fallback')}: {self.fallback(ladder.fallback)}"

    def outcomes(self) -> Iterable[_Block]:
        """Yield the outcomes."""
        yield _Heading(2, self.word("outcomes"))
        rows = [
            (rule.result, self.people(rule.by), self.codes(rule.reasons)) for rule in self.playbook.outcomes.values()
        ]
        yield _Table((self.word("result"), self.word("by"), self.word("reasons")), tuple(rows))

    def codes(self, choice_set: str | None) -> str:
        """Return the labels of a closed set."""
        held = self.playbook.choices.get(choice_set or "", {})
        return ", ".join(self.label(label) for label in held.values()) or "-"

    def permissions(self) -> Iterable[_Block]:
        """Yield who may do what."""
        yield _Heading(2, self.word("permissions"))
        rows = [
            ((move.label_ja if self.place else move.label_en), self.people(self.playbook.may[name]))
            for name, move in MOVES.items()
            if name in self.playbook.may
        ]
        yield _Table((self.word("command"), self.word("by")), tuple(rows))

    def form(self) -> Iterable[_Block]:
        """Yield the questions of the form."""
        yield _Heading(2, self.word("form"))
        rows = [
            (self.label(field.label), self.stage(field.stage), self.codes(field.choices))
            for field in self.playbook.form
        ]
        yield _Table((self.word("question"), self.word("stage"), self.word("choices")), tuple(rows))

    def page(self) -> list[_Block]:
        """Return the whole playbook."""
        held = self.playbook
        return [
            _Heading(1, f"{self.word('playbook')} {held.program}, {self._version()}"),
            self.label(held.purpose),
            *self.stages(),
            *self.clocks(),
            *self.ladders(),
            *self.outcomes(),
            *self.permissions(),
            *self.form(),
        ]

    def _version(self) -> str:
        return self.word("version", self.playbook.version) if self.place else f"version {self.playbook.version}"


_MARKS = re.compile(r"([\\`*_{}\[\]<>#|~!&])")


def plain(text: str) -> str:
    """Return a text of which nothing is Markdown, on one line."""
    return _MARKS.sub(r"\\\1", " ".join(text.split()))


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(plain(cell) for cell in cells) + " |"


def _markdown(block: _Block) -> str:
    if isinstance(block, _Heading):
        return f"{'#' * block.level} {plain(block.text)}"
    if isinstance(block, _Table):
        return "\n".join([_row(block.head), "|" + " --- |" * len(block.head), *map(_row, block.rows)])
    return plain(block)


def _html(block: _Block) -> str:
    if isinstance(block, _Heading):
        return f"<h{block.level}>{escape(block.text)}</h{block.level}>"
    if isinstance(block, _Table):
        head = "".join(f"<th>{escape(cell)}</th>" for cell in block.head)
        rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in block.rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f"<p>{escape(block)}</p>"


_STYLE = (
    "body{font:1rem/1.6 system-ui,sans-serif;max-width:64rem;margin:3rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;margin:1rem 0}th,td{border:1px solid #ccc;padding:.3rem .6rem;text-align:left;"
    "vertical-align:top}th{background:#f4f4f4}"
)


def markdown(playbook: Playbook, language: Language) -> str:
    """Return the playbook as Markdown (CommonMark with tables)."""
    return "\n\n".join(_markdown(block) for block in Teller(playbook, language).page()) + "\n"


def html(playbook: Playbook, language: Language) -> str:
    """Return the playbook as a page that loads nothing and runs nothing."""
    blocks = Teller(playbook, language).page()
    body = "\n".join(_html(block) for block in blocks)
    title = escape(f"{playbook.program} {playbook.version}")
    return (
        f'<!doctype html>\n<html lang="{language}"><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{title}</title><style>{_STYLE}</style>\n{body}\n'
    )
