"""What a simulation tells: a line for each lead that has something to tell, and a summary of all. JSON-ready, pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from app.domain.ids import Prefix, show
from app.domain.lead import Party
from app.domain.simulation import Missed, Replay
from app.domain.view import stamp

EXAMPLES = 3
"""Leads that the summary names for each rule that refused."""


def lead_line(replayed: Replay) -> dict[str, Any]:
    """Return what one lead's replay found, beside what happened."""
    happened = replayed.happened
    return {
        "type": "lead",
        "lead_id": show(Prefix.LEAD, replayed.lead_id),
        "refused": [
            {
                "at": stamp(one.at),
                "command": one.command,
                "by_role": one.role,
                "problem": one.slug,
                "rule": one.rule,
                "missing": list(one.missing),
            }
            for one in replayed.refused
        ],
        "breached": [_missed(one) for one in replayed.missed],
        "paged": [
            {
                "at": stamp(one.at),
                "clock": one.clock,
                "step": one.step,
                "notified": [_party(party) for party in one.parties],
                "destinations": one.destinations,
            }
            for one in replayed.paged
        ],
        "taken_over": [
            {"at": stamp(one.at), "clock": one.clock, "by": _party(one.owner)} for one in replayed.taken_over
        ],
        "happened": {
            "breached": [{"clock": clock, "due_at": due_at} for clock, due_at in happened.missed],
            "paged": happened.paged,
            "taken_over": happened.taken_over,
        },
    }


def _missed(one: Missed) -> dict[str, Any]:
    return {
        "clock": one.clock,
        "owed_by": _party(one.owed_by),
        "due_at": stamp(one.due_at),
        "done_at": stamp(one.stopped_at),
    }


def _party(party: Party) -> dict[str, str]:
    return {"organization": show(Prefix.ORGANIZATION, party.organization_id), "role": party.role}


@dataclass(slots=True)
class _Rule:
    """How often one rule refused one command, on how many leads, and for want of what."""

    slug: str
    commands: int = 0
    leads: int = 0
    missing: Counter[str] = field(default_factory=Counter[str])
    examples: list[UUID] = field(default_factory=list[UUID])


@dataclass(slots=True)
class Tally:
    """Counts replays; holds no more than the playbook has rules, clocks and parties."""

    leads: int = 0
    facts: int = 0
    commands: int = 0
    refused_leads: int = 0
    would_page: int = 0
    did_page: int = 0
    would_take_over: int = 0
    did_take_over: int = 0
    untold: int = 0
    rules: dict[tuple[str, str], _Rule] = field(default_factory=dict[tuple[str, str], _Rule])
    would_miss: Counter[str] = field(default_factory=Counter[str])
    did_miss: Counter[str] = field(default_factory=Counter[str])
    in_both: Counter[str] = field(default_factory=Counter[str])
    told: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])

    def skip(self) -> None:
        """Count a lead whose facts do not begin with its posting."""
        self.leads += 1
        self.untold += 1

    def add(self, replayed: Replay) -> None:
        """Count one lead."""
        self.leads += 1
        self.facts += replayed.facts
        self.commands += replayed.commands
        self._refused(replayed)
        would = Counter(one.clock for one in replayed.missed)
        did = Counter(clock for clock, _ in replayed.happened.missed)
        self.would_miss += would
        self.did_miss += did
        self.in_both += would & did
        self.would_page += len(replayed.paged)
        self.did_page += replayed.happened.paged
        self.would_take_over += len(replayed.taken_over)
        self.did_take_over += replayed.happened.taken_over
        for page in replayed.paged:
            self.told.update((party.side.value, party.role) for party in page.parties)

    def _refused(self, replayed: Replay) -> None:
        seen: set[tuple[str, str]] = set()
        for one in replayed.refused:
            key = (one.rule, one.command)
            rule = self.rules.setdefault(key, _Rule(one.slug))
            rule.commands += 1
            rule.missing.update(one.missing)
            if key not in seen:
                rule.leads += 1
                if len(rule.examples) < EXAMPLES:
                    rule.examples.append(replayed.lead_id)
            seen.add(key)
        self.refused_leads += bool(seen)

    def summary(self) -> dict[str, Any]:
        """Return the totals; what is most frequent comes first."""
        return {
            "leads": self.leads,
            "events": self.facts,
            "commands": self.commands,
            "untold": self.untold,
            "refused": {
                "commands": sum(rule.commands for rule in self.rules.values()),
                "leads": self.refused_leads,
                "by_rule": [
                    {
                        "rule": name,
                        "command": command,
                        "problem": rule.slug,
                        "commands": rule.commands,
                        "leads": rule.leads,
                        "missing": [{"what": what, "times": times} for what, times in _most(rule.missing.items())],
                        "examples": [show(Prefix.LEAD, lead_id) for lead_id in rule.examples],
                    }
                    for (name, command), rule in sorted(
                        self.rules.items(), key=lambda item: (-item[1].commands, item[0])
                    )
                ],
            },
            "breached": {
                "would": self.would_miss.total(),
                "did": self.did_miss.total(),
                "by_clock": [
                    {
                        "clock": clock,
                        "would": self.would_miss[clock],
                        "did": self.did_miss[clock],
                        "in_both": self.in_both[clock],
                    }
                    for clock in sorted(self.would_miss.keys() | self.did_miss.keys())
                ],
            },
            "paged": {
                "would": self.would_page,
                "did": self.did_page,
                "notified": [
                    {"side": side, "role": role, "times": times} for (side, role), times in _most(self.told.items())
                ],
            },
            "taken_over": {"would": self.would_take_over, "did": self.did_take_over},
        }


def _most(counted: Iterable[tuple[Any, int]]) -> list[tuple[Any, int]]:
    return sorted(counted, key=lambda item: (-item[1], item[0]))
