"""Reads from the ledger what was done to a lead: the command behind its events, and the state that it really left.

One command may write several events; they share their moment and their request. The ledger holds what was done, never
what was refused, and of each actor the one role in which it acted. Decides nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import groupby
from types import MappingProxyType
from typing import Any, cast
from uuid import UUID

from app.domain.access import ROLES_OF
from app.domain.actor import Actor, Side
from app.domain.consultation import ENDINGS
from app.domain.ids import Prefix, read
from app.domain.journey import ENGINE_COMMANDS, MOVES, Command
from app.domain.lead import (
    CLOSED,
    NOT_ACCEPTED,
    OPEN,
    RECEIVED,
    Consultation,
    Handover,
    Lead,
    Outcome,
    Party,
    form_state,
)
from app.domain.playbook import Playbook

ENGINE = "baton"
"""The role in which the engine's own facts stand in the ledger."""
_NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Fact:
    """One event of the ledger."""

    type: str
    at: datetime
    role: str
    request_id: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Deed:
    """What one command or one act of the engine wrote; `kind` is the event that tells which it was."""

    kind: str
    at: datetime
    role: str
    facts: tuple[Fact, ...]

    @property
    def events(self) -> tuple[str, ...]:
        """The types of its events, in the order in which they were written."""
        return tuple(fact.type for fact in self.facts)

    @property
    def data(self) -> Mapping[str, Any]:
        """What its telling event says."""
        return next(fact.data for fact in self.facts if fact.type == self.kind)

    @property
    def command(self) -> str | None:
        """The command that a person gave; None for what the engine did or only reported."""
        return None if self.role == ENGINE else _COMMANDS.get(self.kind)


_COMMANDS: Mapping[str, str] = MappingProxyType(
    {move.events[0]: name for name, move in MOVES.items() if name not in ENGINE_COMMANDS}
)
"""The event that tells each command."""

_TOGETHER: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "lead.received": frozenset({"handover.requested"}),
        "lead.not_accepted": frozenset({"handover.withdrawn"}),
        "outcome.closed": frozenset({"handover.withdrawn", "stage.entered", "handover.requested"}),
        "handover.accepted": frozenset({"ownership.changed", "stage.entered"}),
        "handover.timed_out": frozenset({"ownership.changed"}),
    }
)
"""Events that follow from another one of the same command."""
_ENDED = "escalation.resolved"


def deeds(facts: Iterable[Fact]) -> Iterator[Deed]:
    """Yield what was done, in the order of the ledger. `facts` are those of one lead, in that order."""
    for _, group in groupby(facts, key=lambda fact: (fact.at, fact.request_id)):
        yield from _split(list(group))


def _split(group: list[Fact]) -> Iterator[Deed]:
    if len(group) == 1:
        yield Deed(group[0].type, group[0].at, group[0].role, (group[0],))
        return
    taken: dict[int, list[int]] = {}
    free = set(range(len(group)))
    for place, fact in enumerate(group):
        if fact.type in _TOGETHER:
            own = [other for other in sorted(free) if group[other].type in _TOGETHER[fact.type]]
            taken[place] = sorted([place, *own])
            free -= {place, *own}
    acted = bool(taken) or any(fact.type in _COMMANDS for fact in group)
    for place, fact in enumerate(group):
        if place in free and acted and fact.type == _ENDED:
            continue  # it ended with what was owed, by what was done here; nobody let go of it
        if place in free or place in taken:
            yield Deed(fact.type, fact.at, fact.role, tuple(group[n] for n in taken.get(place, [place])))


_ANSWERS = frozenset({"handover.accepted", "handover.rejected", "handover.returned"})
"""What only the receiver may do, under every playbook (the lint holds it)."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads deeds for one playbook: its form says what is complete, its stages what former ones are called now."""

    playbook: Playbook
    tenant_id: UUID
    partner_id: UUID

    def received(self, lead_id: UUID, deed: Deed) -> Lead:
        """Return the lead as it was posted. `deed` is its `lead.received`."""
        said = deed.data
        lead = Lead(
            id=lead_id,
            tenant_id=self.tenant_id,
            partner_id=self.partner_id,
            status=RECEIVED,
            stage=self.stage(said["stage"]),
            owner=self.party(said["owner"]),
            known=frozenset(),
            completeness=0.0,
            activities=frozenset(),
            handover=None,
            outcome=None,
        )
        return self.after(lead, deed)

    def after(self, lead: Lead, deed: Deed) -> Lead:
        """Return the lead as the deed really left it, whatever a playbook would have said."""
        lead = replace(lead, consultation=None) if lead.consultation is not None else lead
        for fact in deed.facts:
            change = _CHANGES.get(fact.type)
            if change is not None:
                lead = change(self, lead, fact.data)
        if deed.kind == "outcome.closed" and self._closes(deed):
            return replace(lead, status=CLOSED)
        return lead

    def command(self, deed: Deed) -> Command:
        """Return the command as it was given. Notes are not in the ledger: where one was needed, one was given."""
        said, name = deed.data, cast("str", deed.command)
        entered = said.get("to") if deed.kind == "stage.entered" else None
        return Command(
            name,
            to_stage=self.stage(entered) if entered is not None else None,
            to_role=said.get("to_role"),
            reason=said.get("reason"),
            note=True,
            result=said.get("result"),
            secondary=tuple(said.get("secondary_reasons") or ()),
            revisit_on=day_of(said.get("revisit_on")),
        )

    def actor(self, lead: Lead, deed: Deed) -> Actor:
        """Return who acted: the role that the ledger names, and the receiver's where only a receiver answers."""
        roles = {deed.role}
        side = self._side_of_actor(lead, deed.role)
        if lead.handover is not None and deed.kind in _ANSWERS:
            roles.add(lead.handover.receiver.role)
            side = lead.handover.receiver.side
        return Actor(self.tenant_id, lead.organization_of(side), _NOBODY, side, frozenset(roles), frozenset())

    def stage(self, key: str) -> str:
        """Return what the playbook calls a stage; one that no stage of it continues keeps its name."""
        return self.playbook.heir(key) or key

    def party(self, said: Mapping[str, str]) -> Party:
        """Return the party that an event names."""
        organization_id = read(Prefix.ORGANIZATION, said["organization_id"]) or _NOBODY
        side = Side.INTERNAL if organization_id == self.tenant_id else Side.PARTNER
        return Party(organization_id, said["role"], side)

    def receiver(self, lead: Lead, role: str) -> Party:
        """Return the party that a handover to `role` goes to, as `party_of` does; the role may be a former one."""
        held = self.playbook.roles.get(role)
        side = (held.side if held is not None else _usual_side(role)) or Side.INTERNAL
        return Party(lead.organization_of(side), role, side)

    def _side_of_actor(self, lead: Lead, role: str) -> Side:
        """Return the side of a role; one that either side may fill is that of the party that stands in the lead."""
        held = self.playbook.roles.get(role)
        fixed = held.side if held is not None else _usual_side(role)
        if fixed is not None:
            return fixed
        parties = [lead.owner, *((lead.handover.receiver, lead.handover.giver) if lead.handover else ())]
        return next((party.side for party in parties if party.role == role), Side.INTERNAL)

    def _closes(self, deed: Deed) -> bool:
        """Return whether an outcome closed its lead: one that goes on says where to, else the playbook says it."""
        rule = self.playbook.outcomes.get(deed.data["result"])
        went_on = not {"stage.entered", "handover.requested"}.isdisjoint(deed.events)
        return not went_on and (rule is None or rule.closes)


def _usual_side(role: str) -> Side | None:
    sides = [side for side, roles in ROLES_OF.items() if role in roles]
    return sides[0] if len(sides) == 1 else None


def day_of(said: str | None) -> date | None:
    """Return the day that an event names, or None."""
    return date.fromisoformat(said) if said else None


def _learned(reader: Reader, lead: Lead, said: Mapping[str, Any]) -> Lead:
    known = frozenset[str](said.get("known") or ())
    return replace(lead, known=known, completeness=form_state(reader.playbook.form, known)[0])


def _logged(_: Reader, lead: Lead, said: Mapping[str, Any]) -> Lead:
    return replace(lead, activities=lead.activities | {(said["kind"], said["disposition"])})


def _judged(_: Reader, lead: Lead, said: Mapping[str, Any]) -> Lead:
    return replace(lead, activities=lead.activities | {("meeting", "held")}) if said.get("meeting_held") else lead


def _entered(reader: Reader, lead: Lead, said: Mapping[str, Any]) -> Lead:
    return replace(lead, status=CLOSED) if said["to"] == CLOSED else replace(lead, stage=reader.stage(said["to"]))


def _owned(reader: Reader, lead: Lead, said: Mapping[str, Any]) -> Lead:
    return replace(lead, owner=reader.party(said["owner"]))


def _offered(reader: Reader, lead: Lead, said: Mapping[str, Any]) -> Lead:
    identity = read(Prefix.HANDOVER, said["handover_id"]) or _NOBODY
    meeting_at = datetime.fromisoformat(said["meeting_at"]) if said.get("meeting_at") else None
    receiver = reader.receiver(lead, said["to_role"])
    return replace(lead, handover=Handover(identity, "requested", lead.owner, receiver, meeting_at, None))


def _concluded(_: Reader, lead: Lead, said: Mapping[str, Any]) -> Lead:
    identity = read(Prefix.OUTCOME, said["outcome_id"]) or _NOBODY
    return replace(lead, outcome=Outcome(identity, said["result"], said.get("version") or 1))


def _asked(reader: Reader, lead: Lead, said: Mapping[str, Any]) -> Lead:
    identity = read(Prefix.CONSULTATION, said["consultation_id"]) or _NOBODY
    asked = reader.receiver(lead, said["to_role"])
    return replace(lead, consultation=Consultation(identity, said["status"], lead.owner, asked))


def _in_status(status: str) -> "_Change":
    return lambda _, lead, __: replace(lead, status=status)


def _settled(status: str) -> "_Change":
    return lambda _, lead, __: (
        replace(lead, handover=replace(lead.handover, status=status)) if lead.handover is not None else lead
    )


_Change = Callable[[Reader, Lead, Mapping[str, Any]], Lead]
_CHANGES: Mapping[str, _Change] = MappingProxyType(
    {
        "lead.received": _learned,
        "lead.accepted": _in_status(OPEN),
        "lead.not_accepted": _in_status(NOT_ACCEPTED),
        "lead.reopened": _in_status(OPEN),
        "lead.updated": _learned,
        "activity.logged": _logged,
        "feedback.given": _judged,
        "stage.entered": _entered,
        "ownership.changed": _owned,
        "handover.requested": _offered,
        **{move.events[0]: _settled(move.settles) for move in MOVES.values() if move.settles is not None},
        "consultation.requested": _asked,
        **{ending.event: _asked for ending in ENDINGS.values()},
        "outcome.closed": _concluded,
        "outcome.corrected": _concluded,
    }
)
"""What each event says about the state of its lead; the others say nothing."""
