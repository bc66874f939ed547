"""What each command needs and does: one table of moves, one small interpreter.

`decide(playbook, lead, actor, command, now)` answers with Effects or with a Refusal that names the rule. The moves
are the machine that every playbook shares (a handover is answered only while it is pending); who may make them, what
must be known before and where they lead are the playbook's. No other module branches on stage or role.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType

from app.domain.actor import Actor, Side
from app.domain.lead import CLOSED, NOT_ACCEPTED, OPEN, PENDING_HANDOVER, RECEIVED, Lead, Party
from app.domain.playbook import PERFORMERS, Fallback, OutcomeRule, Passing, Playbook, Position, Requirement


@dataclass(frozen=True, slots=True)
class Command:
    """A request to act. Only the arguments that rules read are here; texts and notes never are."""

    name: str
    to_stage: str | None = None
    to_role: str | None = None
    reason: str | None = None
    note: bool = False
    result: str | None = None
    secondary: tuple[str, ...] = ()
    revisit_on: date | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not: the slug of contract 7, the rule of the playbook that refused, and what is missing."""

    slug: str
    rule: str
    detail: str
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """A handover to open: from the accountable owner to a role of one organisation."""

    giver: Party
    receiver: Party
    enters: str | None


@dataclass(frozen=True, slots=True)
class Effects:
    """What a permitted command does to the lead. None means unchanged; `events` are in the order they are written."""

    rule: str
    status: str
    stage: str
    owner: Party
    handover: str | None = None
    request: Request | None = None
    events: tuple[str, ...] = ()
    consults: Party | None = None


Verdict = Effects | Refusal


@dataclass(frozen=True, slots=True)
class Move:
    """One row of the machine: in which states a command is possible, and the events it writes.

    `side` is whose word it is, whatever roles the playbook names: a role such as `manager` exists on both.
    """

    statuses: frozenset[str]
    events: tuple[str, ...]
    handover: frozenset[str] | None = None
    settles: str | None = None
    label_en: str = ""
    label_ja: str = ""
    side: Side | None = None


_ANY = frozenset({RECEIVED, OPEN, CLOSED})
_LIVE = frozenset({RECEIVED, OPEN})
_OPEN = frozenset({OPEN})
_KEPT = frozenset({OPEN, CLOSED})
_UNDECIDED = frozenset({"requested", "answered"})

MOVES: Mapping[str, Move] = MappingProxyType(
    {
        "update": Move(_ANY, ("lead.updated",), label_en="Update the lead", label_ja="リードを更新する"),
        "note": Move(_ANY, ("note.added",), label_en="Add a note", label_ja="メモを追加する"),
        "activity": Move(_LIVE, ("activity.logged",), label_en="Log an activity", label_ja="活動を記録する"),
        "advance": Move(_OPEN, ("stage.entered",), label_en="Move to the next stage", label_ja="次の段階へ進める"),
        "handover": Move(_OPEN, ("handover.requested",), label_en="Pass the baton", label_ja="引き継ぎを依頼する"),
        "accept": Move(
            _OPEN, ("handover.accepted", "ownership.changed"), _UNDECIDED, "accepted", "Accept the handover", "受領する"
        ),
        "reject": Move(_OPEN, ("handover.rejected",), _UNDECIDED, "rejected", "Reject the handover", "受領を断る"),
        "return": Move(
            _OPEN, ("handover.returned",), _UNDECIDED, "returned", "Return with questions", "質問を付けて差し戻す"
        ),
        "answer": Move(
            _OPEN,
            ("handover.answered",),
            frozenset({"returned"}),
            "answered",
            "Answer the questions",
            "質問に回答する",
        ),
        "withdraw": Move(
            _OPEN, ("handover.withdrawn",), PENDING_HANDOVER, "withdrawn", "Withdraw the handover", "依頼を取り下げる"
        ),
        "time_out": Move(
            _OPEN, ("handover.timed_out", "ownership.changed"), PENDING_HANDOVER, "timed_out", "Time out", "時間切れ"
        ),
        "outcome": Move(_KEPT, ("outcome.closed",), label_en="Close with an outcome", label_ja="結果を確定する"),
        "correct": Move(_KEPT, ("outcome.corrected",), label_en="Correct the outcome", label_ja="結果を訂正する"),
        "acknowledge": Move(
            _KEPT,
            ("outcome.acknowledged",),
            label_en="Acknowledge the outcome",
            label_ja="結果を確認する",
            side=Side.PARTNER,
        ),
        "contest": Move(
            _KEPT,
            ("outcome.contested",),
            label_en="Contest the outcome",
            label_ja="結果に異議を述べる",
            side=Side.PARTNER,
        ),
        "feedback": Move(
            _KEPT,
            ("feedback.given",),
            label_en="Give feedback",
            label_ja="フィードバックを返す",
            side=Side.INTERNAL,
        ),
        "reopen": Move(
            frozenset({CLOSED}), ("lead.reopened",), label_en="Reopen the lead", label_ja="リードを再開する"
        ),
        "consult": Move(
            _OPEN, ("consultation.requested",), label_en="Ask a consulted role", label_ja="相談先に意見を求める"
        ),
        "assign": Move(_KEPT, ("ownership.changed",), label_en="Assign a person", label_ja="担当者を割り当てる"),
    }
)
"""The commands a caller may try (`time_out` is the engine's own)."""

ENGINE_COMMANDS = frozenset({"time_out"})


def holds(position: str, lead: Lead, actor: Actor) -> bool:
    """Return whether the actor stands in `position`: a position of the lead, or a role it has."""
    if actor.organization_id != lead.organization_of(actor.side):
        return False  # an organisation that has no part in the lead holds no position in it, whatever its role
    if position not in PERFORMERS:
        return position in actor.roles
    party = _party(position, lead)
    return party is not None and actor.organization_id == party.organization_id and party.role in actor.roles


def _party(position: str, lead: Lead) -> Party | None:
    if position == Position.OWNER:
        return lead.owner
    if lead.handover is None:
        return None
    return lead.handover.giver if position == Position.GIVER else lead.handover.receiver


def _refuse_performer(playbook: Playbook, lead: Lead, actor: Actor, command: str) -> Refusal | None:
    performers = playbook.performers(lead.stage, command)
    if any(holds(position, lead, actor) for position in performers):
        return None
    rule = f"stages.{lead.stage}.may.{command}"
    if performers and all(position == Position.OWNER for position in performers):
        return Refusal("not-owner", rule, "Only the accountable owner of the lead may do this.")
    return Refusal("not-permitted", rule, "The playbook does not let this role do this here.")


def _refuse_state(move: Move, lead: Lead, name: str) -> Refusal | None:
    if lead.status not in move.statuses:
        return Refusal("lead-not-open", f"moves.{name}", "The lead is not open for this.")
    if move.handover is not None and (lead.handover is None or lead.handover.status not in move.handover):
        return Refusal("handover-not-pending", f"moves.{name}", "The handover does not await this answer.")
    return None


def missing_for(playbook: Playbook, requires: Requirement, lead: Lead) -> tuple[str, ...]:
    """Return what a boundary still needs: JSON pointers, `completeness:0.6` and `activity:<key>`, in that order."""
    missing = [pointer for pointer in requires.fields if pointer not in lead.known]
    if lead.completeness < requires.completeness:
        missing.append(f"completeness:{requires.completeness:g}")
    for key in requires.activities:
        rule = playbook.activities[key]
        if not any(kind in rule.kinds and disposition in rule.dispositions for kind, disposition in lead.activities):
            missing.append(f"activity:{key}")
    return tuple(missing)


def _pending(lead: Lead) -> bool:
    return lead.handover is not None and lead.handover.status in PENDING_HANDOVER


def _advance(playbook: Playbook, lead: Lead, command: Command) -> Verdict:
    exits = {leaving.to: leaving for leaving in playbook.stages[lead.stage].exits}
    leaving = exits.get(command.to_stage or "")
    if leaving is None:
        return Refusal("stage-refused", f"stages.{lead.stage}.exits", "The playbook has no such way out of this stage.")
    if _pending(lead):
        return Refusal("handover-pending", leaving.rule, "A handover of this lead is still pending.")
    if missing := missing_for(playbook, leaving.requires, lead):
        return Refusal("stage-refused", leaving.rule, "The stage may not be left yet.", missing)
    if leaving.to == CLOSED:
        return Effects(leaving.rule, CLOSED, lead.stage, lead.owner, events=("stage.entered",))
    accountable = playbook.stages[leaving.to].accountable
    if lead.owner.role not in accountable:
        return Refusal("stage-refused", leaving.rule, "The owner's role is not accountable in that stage.")
    return Effects(leaving.rule, lead.status, leaving.to, lead.owner, events=("stage.entered",))


def passing(playbook: Playbook, lead: Lead, to_role: str | None) -> Passing | None:
    """Return the way in which the owner may hand the lead to `to_role` in its stage, or None."""
    for way in playbook.stages[lead.stage].handovers:
        if way.giver == lead.owner.role and way.receiver == to_role:
            return way
    return None


def _hand_over(playbook: Playbook, lead: Lead, command: Command) -> Verdict:
    way = passing(playbook, lead, command.to_role)
    rule = f"stages.{lead.stage}.handovers"
    if way is None:
        return Refusal("not-permitted", rule, "The playbook does not let this owner pass the lead to that role here.")
    if _pending(lead):
        return Refusal("handover-pending", way.rule, "A handover of this lead is already pending.")
    if missing := missing_for(playbook, way.requires, lead):
        return Refusal("handover-incomplete", way.rule, "The receiver would not know enough yet.", missing)
    request = Request(lead.owner, party_of(playbook, lead, way.receiver), way.enters)
    return Effects(way.rule, lead.status, lead.stage, lead.owner, request=request, events=("handover.requested",))


def party_of(playbook: Playbook, lead: Lead, role: str) -> Party:
    """Return the party that fills `role` for this lead; a role of either side falls to the tenant's organisation."""
    side = playbook.roles[role].side or Side.INTERNAL
    return Party(lead.organization_of(side), role, side)


def fallback_party(lead: Lead, fallback: Fallback) -> Party:
    """Return the named fallback of a ladder for this lead."""
    return Party(lead.organization_of(fallback.side), fallback.role, fallback.side)


def _consult(playbook: Playbook, lead: Lead, command: Command) -> Verdict:
    stage = playbook.stages[lead.stage]
    rule = f"stages.{stage.key}.consulted"
    if command.to_role is None or command.to_role not in stage.consulted:
        return Refusal("not-permitted", rule, "The playbook does not name this role to be consulted here.")
    asked = party_of(playbook, lead, command.to_role)
    if asked == lead.owner:
        return Refusal("not-permitted", rule, "The owner would ask itself.")
    return Effects(rule, lead.status, lead.stage, lead.owner, events=MOVES["consult"].events, consults=asked)


def _settle(_: Playbook, lead: Lead, command: Command) -> Verdict:
    move = MOVES[command.name]
    return Effects(
        f"moves.{command.name}", lead.status, lead.stage, lead.owner, handover=move.settles, events=move.events
    )


def _accept(_: Playbook, lead: Lead, command: Command) -> Verdict:
    move = MOVES[command.name]
    if lead.handover is None:  # _refuse_state has seen a pending one
        return Refusal("handover-not-pending", "moves.accept", "The handover does not await this answer.")
    stage = lead.handover.enters or lead.stage
    events = (*move.events, "stage.entered") if stage != lead.stage else move.events
    return Effects("moves.accept", lead.status, stage, lead.handover.receiver, handover=move.settles, events=events)


def _allowed_reason(playbook: Playbook, choice_set: str, command: Command, rule: str) -> Refusal | None:
    allowed = playbook.choices.get(choice_set, {})
    codes = (command.reason, *command.secondary)
    if any(code not in allowed for code in codes):
        return Refusal("reason-not-allowed", rule, "The playbook does not list this reason here.")
    if "other" in codes and not command.note:
        return Refusal("reason-not-allowed", rule, "The reason `other` needs a note.", ("/note",))
    return None


def _reject(playbook: Playbook, lead: Lead, command: Command) -> Verdict:
    refusal = _allowed_reason(playbook, "rejected", command, "reasons.rejected")
    return refusal or _settle(playbook, lead, command)


def _close(playbook: Playbook, lead: Lead, command: Command) -> Verdict:
    rule = playbook.outcomes.get(command.result or "")
    if rule is None:
        return Refusal("reason-not-allowed", "outcomes", "The playbook does not know this result.")
    if lead.outcome is not None and not _may_follow(playbook, lead):
        return Refusal("outcome-exists", rule.rule, "The lead already has its outcome; correct it instead.")
    if lead.outcome is None and lead.status != OPEN:
        return Refusal("lead-not-open", rule.rule, "The lead is not open.")
    if lead.owner.role not in rule.by:
        return Refusal("not-permitted", rule.rule, "The playbook does not let this owner close with that result.")
    if refusal := _allowed_reason(playbook, rule.reasons, command, f"reasons.{rule.reasons}"):
        return refusal
    events: list[str] = []
    settles = None
    if _pending(lead):
        settles = "withdrawn"
        events.append("handover.withdrawn")
    events.append("outcome.closed")
    stage = rule.enters or lead.stage
    if stage != lead.stage:
        events.append("stage.entered")
    request = None
    if rule.handover_to is not None:
        request = Request(lead.owner, party_of(playbook, lead, rule.handover_to), None)
        events.append("handover.requested")
    status = CLOSED if rule.closes else OPEN
    return Effects(rule.rule, status, stage, lead.owner, settles, request, tuple(events))


def _may_follow(playbook: Playbook, lead: Lead) -> bool:
    """A further outcome may follow one that is not final: `pending`, closed for good or reopened and closed again."""
    return lead.outcome is not None and not playbook.outcomes[lead.outcome.result].final


def _correct(playbook: Playbook, lead: Lead, command: Command) -> Verdict:
    if lead.outcome is None:
        return Refusal("not-found", "moves.correct", "The lead has no outcome yet.")
    rule = playbook.outcomes.get(command.result or lead.outcome.result)
    was = playbook.outcomes[lead.outcome.result]
    if was.closes and lead.status != CLOSED:
        return Refusal("not-permitted", "moves.correct", "The lead was reopened: it awaits a further outcome.")
    if rule is None or not _same_course(rule, was):
        return Refusal(
            "not-permitted", "moves.correct", "A correction cannot turn a won lead into another result or back."
        )
    if lead.owner.role not in rule.by:
        return Refusal("not-permitted", rule.rule, "The playbook does not let this owner close with that result.")
    if refusal := _allowed_reason(playbook, rule.reasons, command, f"reasons.{rule.reasons}"):
        return refusal
    return Effects("moves.correct", lead.status, lead.stage, lead.owner, events=("outcome.corrected",))


def _same_course(rule: OutcomeRule, other: OutcomeRule) -> bool:
    """Whether two results do the same to a lead: what one has set in motion, a correction to the other leaves right."""
    return (rule.closes, rule.enters, rule.handover_to) == (other.closes, other.enters, other.handover_to)


def _about_outcome(_: Playbook, lead: Lead, command: Command) -> Verdict:
    rule = f"moves.{command.name}"
    if lead.outcome is None:
        return Refusal("not-found", rule, "The lead has no outcome yet.")
    return Effects(rule, lead.status, lead.stage, lead.owner, events=MOVES[command.name].events)


def _reopen(playbook: Playbook, lead: Lead, _: Command) -> Verdict:
    if lead.outcome is None or not _may_follow(playbook, lead):
        return Refusal("outcome-exists", "moves.reopen", "Only a pending lead can be reopened.")
    return Effects("moves.reopen", OPEN, lead.stage, lead.owner, events=("lead.reopened",))


def _plain(_: Playbook, lead: Lead, command: Command) -> Verdict:
    return Effects(f"moves.{command.name}", lead.status, lead.stage, lead.owner, events=MOVES[command.name].events)


_READERS: Mapping[str, Callable[[Playbook, Lead, Command], Verdict]] = MappingProxyType(
    {
        "advance": _advance,
        "handover": _hand_over,
        "accept": _accept,
        "reject": _reject,
        "return": _settle,
        "answer": _settle,
        "withdraw": _settle,
        "outcome": _close,
        "correct": _correct,
        "acknowledge": _about_outcome,
        "contest": _about_outcome,
        "reopen": _reopen,
        "consult": _consult,
    }
)


def decide(playbook: Playbook, lead: Lead, actor: Actor, command: Command, now: datetime) -> Verdict:
    """Return what `command` does to `lead`, or the refusal with the rule that refused it. Pure; decides nothing twice.

    The first wrong thing decides, in this order: the performer, the state, what the command itself needs.
    """
    del now  # no rule of the language reads the time of day yet; clocks are computed from the effects
    move = MOVES.get(command.name)
    if move is None or command.name in ENGINE_COMMANDS:
        return Refusal("not-permitted", f"moves.{command.name}", "There is no such command.")
    if lead.status == NOT_ACCEPTED:
        return Refusal("lead-not-open", "moves", "The lead was not accepted.")
    refusal = _refuse_performer(playbook, lead, actor, command.name)
    if refusal is None and move.side not in (None, actor.side):
        refusal = Refusal("not-permitted", f"moves.{command.name}", "This is for the other side of the lead to say.")
    refusal = refusal or _refuse_state(move, lead, command.name)
    if refusal is not None:
        return refusal
    return _READERS.get(command.name, _plain)(playbook, lead, command)


def time_out(lead: Lead, fallback: Fallback) -> Effects:
    """Return what the end of a ladder does to an unanswered handover: it times out and the fallback owns the lead."""
    return Effects(
        "ladders.fallback",
        lead.status,
        lead.stage,
        fallback_party(lead, fallback),
        handover="timed_out",
        events=MOVES["time_out"].events,
    )
