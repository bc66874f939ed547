"""What changes between two versions of a playbook, as sentences that a salesperson reads, in English and Japanese."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from app.domain.playbook import Duration, Label, Playbook
from app.domain.playbook_facts import AREAS, Fact, facts
from app.domain.playbook_text import Language, Teller, plain

Kind = Literal["added", "removed", "changed"]


@dataclass(frozen=True, slots=True)
class Change:
    """One change; `details` say what a new subject (a stage, a clock) consists of."""

    kind: Kind
    area: str
    subject: str
    text: Label
    details: tuple[Label, ...] = ()


def _joined(*parts: Label | None) -> Label:
    held = [part for part in parts if part is not None]
    return Label(": ".join(part.en for part in held), ": ".join(part.ja for part in held))


def _turned(before: Fact, after: Fact, playbook: Playbook) -> Label:
    """Return the old value and the new one; two waits in one unit name it once."""
    if isinstance(before.raw, Duration) and isinstance(after.raw, Duration) and before.raw.unit == after.raw.unit:
        amounts = f"{before.raw.amount} → {after.raw.amount}"
        unit = after.raw.unit
        return Label(Teller(playbook, "en").word(unit, amounts), Teller(playbook, "ja").word(unit, amounts))
    return Label(f"{before.value.en} → {after.value.en}", f"{before.value.ja} → {after.value.ja}")


_NEW, _GONE = Label("new", "追加"), Label("no longer", "廃止")


def _renamed(before: Playbook, after: Playbook) -> dict[str, str]:
    """Return the stages of `before` that go on under another key, each heir of one stage only."""
    heirs: dict[str, str] = {}
    for key in before.stages:
        heir = after.heir(key)
        if heir is not None and heir not in before.stages and heir not in heirs.values():
            heirs[key] = heir
    return heirs


def _gone(fact: Fact, after: Playbook) -> Label:
    text = _joined(fact.subject, _GONE)
    heir = after.stages.get(after.heir(fact.where[1]) or "") if fact.where[0] == "stages" else None
    if heir is None:
        return text
    return Label(f"{text.en}; its leads go on in {heir.label.en}", f"{text.ja}（進行中のリードは{heir.label.ja}へ）")


def _changes(
    old: Mapping[tuple[str, ...], Fact], new: Mapping[tuple[str, ...], Fact], after: Playbook
) -> Iterator[Change]:
    subjects = {side: {where[:2] for where in held if where[2] == ""} for side, held in (("old", old), ("new", new))}
    appeared, vanished = subjects["new"] - subjects["old"], subjects["old"] - subjects["new"]
    for where, fact in new.items():
        area, subject = where[:2]
        was = old.get(where)
        if where[:2] in appeared:
            if where[2] == "":
                parts = (one for one in new.values() if one.where[:2] == where[:2] and one.where[2] not in ("", "name"))
                details = tuple(_joined(one.what, one.value) for one in parts if one.value.en != "-")
                yield Change("added", area, subject, _joined(fact.subject, _NEW), details)
        elif was is None:
            yield Change("added", area, subject, _joined(fact.subject, _NEW, fact.what, fact.value))
        elif was.raw != fact.raw:
            yield Change("changed", area, subject, _joined(fact.subject, fact.what, _turned(was, fact, after)))
    for where, fact in old.items():
        area, subject = where[:2]
        if where[:2] in vanished:
            if where[2] == "":
                yield Change("removed", area, subject, _gone(fact, after))
        elif where not in new:
            yield Change("removed", area, subject, _joined(fact.subject, _GONE, fact.what, fact.value))


def diff(before: Playbook, after: Playbook) -> tuple[Change, ...]:
    """Return what `after` changes in `before`, part by part; empty when both say the same."""
    found = _changes(facts(before, _renamed(before, after)), facts(after, {}), after)
    order = list(AREAS)
    return tuple(sorted(found, key=lambda change: order.index(change.area)))


def _shown(label: Label, language: Language) -> str:
    return plain(label.ja if language == "ja" else label.en)


def markdown(before: Playbook, after: Playbook, language: Language) -> str:
    """Return the changes as a Markdown page, one bullet each, under the parts of the playbook."""
    title = Label(
        f"Changes of {after.program}: version {before.version} → {after.version}",
        f"{after.program} の変更点: 第{before.version}版 → 第{after.version}版",
    )
    lines = [f"# {_shown(title, language)}", "", _shown(after.purpose, language)]
    changes = diff(before, after)
    for area, heading in AREAS.items():
        if own := [change for change in changes if change.area == area]:
            lines += ["", f"## {_shown(heading, language)}", "", *_bullets(own, language)]
    if not changes:
        lines += ["", _shown(Label("Both versions say the same.", "両版の内容は同じです。"), language)]
    return "\n".join(lines) + "\n"


def _bullets(changes: Sequence[Change], language: Language) -> Iterator[str]:
    for change in changes:
        yield f"- {_shown(change.text, language)}"
        yield from (f"  - {_shown(detail, language)}" for detail in change.details)
