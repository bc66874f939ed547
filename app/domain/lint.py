"""Proves a playbook before it may take effect: nobody ownerless, nothing silent, no way without an end.

The rules that need the whole journey are held on every reachable state (`playbook_space`), not on patterns; a
counter-example is told as a story. Each rule has a failing fixture.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from app.domain.lead import CLOSED, OPEN
from app.domain.playbook import Playbook, Position
from app.domain.playbook_names import Fault
from app.domain.playbook_space import Space, SpaceTooLargeError, State, explore, is_final

MAX_QUESTIONS = 12
"""Questions of the context form in all: a form stays answerable in five minutes."""
MAX_STEPS = 20
"""Steps of one ladder (escalation.md, item 19)."""

LEAD_FIELDS = frozenset(
    {
        *(f"/company/{name}" for name in ("name", "corporate_number", "domain", "phone", "industry", "employees")),
        "/contact",
        *(f"/contact/{name}" for name in ("name", "title", "email", "phone", "role")),
        *(f"/provenance/{name}" for name in ("source_kind", "acquired_on", "appi_relation", "basis")),
        *(f"/context/{name}" for name in ("pain_points", "expectations", "temperature", "temperature_basis")),
        *(f"/context/{name}" for name in ("personality", "concerns", "next_step", "bant")),
        *(f"/context/bant/{name}" for name in ("budget", "authority", "need", "timeline")),
        *(f"/context/next_step/{name}" for name in ("what", "due_on")),
    }
)
"""What a boundary or the form may ask for: the fields that a lead has."""

_ANSWERS = ("accept", "reject", "return")
_ASKED = "consultation.requested"
_ENDED = frozenset({"consultation.answered", "consultation.declined", "consultation.withdrawn"})


def lint(playbook: Playbook) -> tuple[Fault, ...]:
    """Return every fault; none means that the playbook may be proposed."""
    faults = tuple(chain.from_iterable(rule(playbook) for rule in _STATIC))
    if faults:
        return faults
    try:
        space = explore(playbook)
    except SpaceTooLargeError:
        return (
            Fault(
                "/stages",
                "space.too_large",
                "The playbook has too many states to be kept in mind.",
                "状態の数が多すぎます。",
            ),
        )
    return tuple(chain.from_iterable(rule(playbook, space) for rule in _PROOFS))


def _stages(playbook: Playbook) -> Iterator[Fault]:
    for index, stage in enumerate(playbook.stages.values()):
        path = f"/stages/{index}"
        if not stage.accountable:
            yield Fault(
                f"{path}/accountable", "stage.accountable", f"Name who is accountable in `{stage.key}`.",
                f"`{stage.key}` の責任者を指定してください。",
            )  # fmt: skip
        if not stage.exits:
            yield Fault(
                f"{path}/exits",
                "stage.exit",
                f"Say how `{stage.key}` is left.",
                f"`{stage.key}` の出口を指定してください。",
            )
        if not stage.clocks:
            yield Fault(
                f"{path}/clocks", "stage.clock", f"Name a clock that runs in `{stage.key}`.",
                f"`{stage.key}` の期限を指定してください。",
            )  # fmt: skip


def _continued(playbook: Playbook) -> Iterator[Fault]:
    claimed: set[str] = set(playbook.stages)
    for index, stage in enumerate(playbook.stages.values()):
        for former in stage.was:
            if former in claimed:
                yield Fault(
                    f"/stages/{index}/was", "stage.was",
                    f"`{former}` is a stage of this playbook, or another stage was it already.",
                    f"`{former}` は他の段階と重複しています。",
                )  # fmt: skip
            claimed.add(former)


def stranded(playbook: Playbook, standing: Iterable[str]) -> tuple[Fault, ...]:
    """Return a fault for each stage that live leads stand in and that no stage of the playbook continues."""
    return tuple(
        Fault(
            "/stages", "stage.was",
            f"Leads stand in `{former}`: keep that stage, or list it in `was` of the stage that continues it.",
            f"`{former}` に進行中のリードがあります。段階を残すか、引き継ぐ段階の `was` に指定してください。",
        )
        for former in sorted(set(standing))
        if playbook.heir(former) is None
    )  # fmt: skip


def _ladders(playbook: Playbook) -> Iterator[Fault]:
    for key, ladder in playbook.ladders.items():
        path = f"/ladders/{key}"
        last = ladder.steps[-1] if ladder.steps else None
        if last is None or not ("fallback" in last.notify or last.assign_fallback):
            yield Fault(
                f"{path}/steps", "ladder.fallback",
                "The last step ends at the fallback: tell it, or let it take the lead.",
                "最後の手順は代替責任者で終わる必要があります。",
            )  # fmt: skip
        if len(ladder.steps) > MAX_STEPS:
            yield Fault(f"{path}/steps", "ladder.steps", f"At most {MAX_STEPS} steps.", f"手順は{MAX_STEPS}以下です。")
        side = playbook.roles[ladder.fallback.role].side
        if side not in (None, ladder.fallback.side):
            yield Fault(
                f"{path}/fallback", "ladder.fallback_side", "The fallback's role is not of that side.",
                "代替責任者の役割がその側にありません。",
            )  # fmt: skip


def _self_approval(playbook: Playbook) -> Iterator[Fault]:
    for index, stage in enumerate(playbook.stages.values()):
        for way in stage.handovers:
            if way.giver == way.receiver:
                yield Fault(
                    f"/stages/{index}/handovers", "handover.self",
                    f"`{way.giver}` would answer its own request; name another receiver.",
                    f"`{way.giver}` が自らの依頼に回答することになります。",
                )  # fmt: skip
        for command in _ANSWERS:
            performers = playbook.performers(stage.key, command)
            if wrong := [name for name in performers if name != "receiver"]:
                yield Fault(
                    f"/stages/{index}/may/{command}", "handover.self_approval",
                    f"Only the receiver may {command}: take out {', '.join(wrong)}.",
                    "回答できるのは受け手だけです。",
                )  # fmt: skip


def _reason_paths(playbook: Playbook) -> Iterator[Fault]:
    partners = {role.key for role in playbook.roles.values() if role.side == "partner"}
    for key, outcome in playbook.outcomes.items():
        if not playbook.choices.get(outcome.reasons):
            yield Fault(
                f"/outcomes/{key}/reasons", "outcome.reasons", "Every way to close needs at least one reason.",
                "すべての結果には理由が必要です。",
            )  # fmt: skip
    for index, stage in enumerate(playbook.stages.values()):
        if partners.isdisjoint((*stage.accountable, *stage.consulted, *stage.informed)):
            yield Fault(
                f"/stages/{index}/informed", "outcome.reason_path",
                f"The partner would never hear why a lead died in `{stage.key}`: inform it.",
                f"`{stage.key}` での失注理由がパートナーに届きません。",
            )  # fmt: skip


def _consultations(playbook: Playbook) -> Iterator[Fault]:
    """Hold what keeps a question apart from the lead's own journey, so that the proofs below need not walk it."""
    owed = {key for key, rule in playbook.clocks.items() if rule.owed_by is Position.CONSULTED}
    for key, rule in playbook.clocks.items():
        started = {start.on for start in rule.starts}
        names = started.union(rule.stops)
        if (key in owed and (started != {_ASKED} or frozenset(rule.stops) != _ENDED)) or (
            key not in owed and names & {_ASKED, *_ENDED}
        ):
            yield Fault(
                f"/clocks/{key}", "consultation.apart",
                f"Only clocks owed by `consulted` run on consultations, from {_ASKED} to {', '.join(sorted(_ENDED))}.",
                "相談の期限は相談先が負い、依頼から回答・辞退・取り下げまで進みます。",
            )  # fmt: skip
        if key in owed and any(step.assign_fallback for step in playbook.ladders[rule.ladder].steps):
            yield Fault(
                f"/clocks/{key}/ladder", "consultation.owner",
                "The owner stays accountable while it asks: take a ladder that assigns nobody.",
                "相談中も担当は変わりません。担当を移さない手順を指定してください。",
            )  # fmt: skip
    for index, stage in enumerate(playbook.stages.values()):
        if stage.consulted and playbook.performers(stage.key, "consult") and owed.isdisjoint(stage.clocks):
            yield Fault(
                f"/stages/{index}/clocks", "consultation.silent",
                f"Whoever is asked in `{stage.key}` would owe no answer: name a clock owed by `consulted`.",
                f"`{stage.key}` の相談先に回答期限がありません。",
            )  # fmt: skip


def _form(playbook: Playbook) -> Iterator[Fault]:
    if len(playbook.form) > MAX_QUESTIONS:
        yield Fault(
            "/form", "form.length", f"At most {MAX_QUESTIONS} questions: a form is answered in five minutes.",
            f"質問は{MAX_QUESTIONS}問以下です。",
        )  # fmt: skip
    for index, asked in enumerate(playbook.form):
        if asked.pointer not in LEAD_FIELDS:
            yield Fault(
                f"/form/{index}/pointer", "field.unknown", "A lead has no such field.", "この項目は存在しません。"
            )


def _requirements(playbook: Playbook) -> Iterator[Fault]:
    for index, stage in enumerate(playbook.stages.values()):
        for boundary in (*stage.exits, *stage.handovers):
            if any(pointer not in LEAD_FIELDS for pointer in boundary.requires.fields):
                yield Fault(
                    f"/stages/{index}", "field.unknown",
                    f"`{boundary.rule}` asks for a field that a lead does not have.",
                    f"`{boundary.rule}` が存在しない項目を求めています。",
                )  # fmt: skip


_STATIC: tuple[Callable[[Playbook], Iterable[Fault]], ...] = (
    _stages,
    _continued,
    _ladders,
    _self_approval,
    _reason_paths,
    _consultations,
    _form,
    _requirements,
)


def _index(playbook: Playbook, key: str) -> int:
    return list(playbook.stages).index(key)


def _reached(playbook: Playbook, space: Space) -> Iterator[Fault]:
    reached = {state.stage for state in space.steps}
    for index, key in enumerate(playbook.stages):
        if key not in reached:
            yield Fault(
                f"/stages/{index}", "stage.unreachable",
                f"No lead ever reaches `{key}`: let a stage, handover or outcome enter it.",
                f"`{key}` には到達できません。",
            )  # fmt: skip


def _first_by_stage(states: Iterable[State]) -> Iterator[State]:
    told: set[str] = set()
    for state in states:
        if state.stage not in told:
            told.add(state.stage)
            yield state


def _owned(playbook: Playbook, space: Space) -> Iterator[Fault]:
    wrong = (state for state in space.steps if state.owner.role not in playbook.stages[state.stage].accountable)
    for state in _first_by_stage(wrong):
        yield Fault(
            f"/stages/{_index(playbook, state.stage)}/accountable", "journey.accountable",
            f"{space.story(state)}: and now `{state.owner.role}` holds it in `{state.stage}`, not accountable there.",
            f"`{state.stage}` で責任者でない `{state.owner.role}` が担当になります。",
        )  # fmt: skip


def _never_silent(playbook: Playbook, space: Space) -> Iterator[Fault]:
    silent = (state for state in space.steps if _owes(playbook, state) and not state.clocks)
    for state in _first_by_stage(silent):
        yield Fault(
            f"/stages/{_index(playbook, state.stage)}/clocks", "journey.silent",
            f"{space.story(state)}: and now nobody is owed an answer.",
            f"`{state.stage}` で期限のない状態になります。",
        )  # fmt: skip


def _owes(playbook: Playbook, state: State) -> bool:
    return state.status == OPEN or (
        state.status == CLOSED and state.result is not None and not is_final(playbook, state)
    )


def _ends(playbook: Playbook, space: Space) -> Iterator[Fault]:
    before: dict[State, set[State]] = {}
    for state, following in space.following.items():
        for after in following:
            before.setdefault(after, set()).add(state)
    queue = [state for state in space.steps if is_final(playbook, state)]
    ending = set(queue)
    while queue:
        for state in before.get(queue.pop(), ()):
            if state not in ending:
                ending.add(state)
                queue.append(state)
    for state in _first_by_stage(state for state in space.steps if state not in ending):
        yield Fault(
            f"/stages/{_index(playbook, state.stage)}", "journey.dead_end",
            f"{space.story(state)}: and from here no way leads to an outcome.",
            f"`{state.stage}` から結果に至る道がありません。",
        )  # fmt: skip


_PROOFS: tuple[Callable[[Playbook, Space], Iterable[Fault]], ...] = (_reached, _owned, _never_silent, _ends)
