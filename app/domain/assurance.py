"""Holds the chain of owners that is stored against the one that the ledger tells: gaps, overlaps, disagreements. Pure.

The chain is rebuilt from the posting of a lead and each change of its owner. A change that names the same owner anew (a
person was assigned) moves nothing. Where a lead's ledger or chain says nothing, that is a gap, never a pass.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise, zip_longest
from typing import Literal
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Owner:
    """Who is accountable: a role of one organisation."""

    organization_id: UUID
    role: str


@dataclass(frozen=True, slots=True)
class Told:
    """One event of the ledger about the owner; `previous` is None where the lead was posted."""

    at: datetime
    owner: Owner
    previous: Owner | None


@dataclass(frozen=True, slots=True)
class Interval:
    """Who was accountable from when until when; None is until now."""

    owner: Owner
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Record:
    """One lead: who owns it, the chain that is stored, in its order, and what the ledger tells, in its order."""

    lead_id: UUID
    created_at: datetime
    owner: Owner
    chain: tuple[Interval, ...]
    told: tuple[Told, ...]


Source = Literal["ledger", "chain"]


@dataclass(frozen=True, slots=True)
class Hole:
    """A time in which nobody, or two at once, were accountable; without `until` it lasts."""

    lead_id: UUID
    source: Source
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Disagreement:
    """What ledger, chain and lead say differently: the n-th interval, from 1, or (n is None) the owner of today."""

    lead_id: UUID
    n: int | None
    ledger: Interval | None
    stored: Interval | None


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that is wrong with the ownership of one lead; nothing, where the promise is kept."""

    ownerless: bool
    gaps: tuple[Hole, ...]
    overlaps: tuple[Hole, ...]
    disagreements: tuple[Disagreement, ...]


def rebuild(told: Iterable[Told]) -> tuple[Interval, ...]:
    """Return the intervals of ownership that the ledger tells."""
    intervals: list[Interval] = []
    for one in told:
        if intervals and intervals[-1].owner == one.owner:
            continue
        if intervals:
            intervals[-1] = Interval(intervals[-1].owner, intervals[-1].since, one.at)
        intervals.append(Interval(one.owner, one.at, None))
    return tuple(intervals)


def check(record: Record) -> Findings:
    """Return what is wrong with the ownership of a lead, at any time since it was posted."""
    rebuilt = rebuild(record.told)
    holes = [
        *_holes(record, "ledger", rebuilt),
        *_breaks(record),
        *_holes(record, "chain", record.chain),
    ]
    return Findings(
        ownerless=not record.chain or record.chain[-1].until is not None or not rebuilt,
        gaps=tuple(hole for hole, is_gap in holes if is_gap),
        overlaps=tuple(hole for hole, is_gap in holes if not is_gap),
        disagreements=tuple(_disagreements(record, rebuilt)),
    )


def _holes(record: Record, source: Source, intervals: Sequence[Interval]) -> list[tuple[Hole, bool]]:
    """Return (hole, whether it is a gap) between the posting and today."""
    if not intervals:
        return [(Hole(record.lead_id, source, record.created_at, None), True)]
    found: list[tuple[Hole, bool]] = []
    if record.created_at < intervals[0].since:
        found.append((Hole(record.lead_id, source, record.created_at, intervals[0].since), True))
    for before, after in pairwise(intervals):
        if before.until is None or before.until > after.since:
            found.append((Hole(record.lead_id, source, after.since, before.until), False))
        elif before.until < after.since:
            found.append((Hole(record.lead_id, source, before.until, after.since), True))
        if before.until is not None and before.until < before.since:  # it ended before it began: time ran backwards
            found.append((Hole(record.lead_id, source, before.until, before.since), False))
    if intervals[-1].until is not None:
        found.append((Hole(record.lead_id, source, intervals[-1].until, None), True))
    return found


def _breaks(record: Record) -> list[tuple[Hole, bool]]:
    """Return a gap for each change that took the lead from somebody who, by the ledger, did not have it."""
    return [
        (Hole(record.lead_id, "ledger", before.at, after.at), True)
        for before, after in pairwise(record.told)
        if after.previous != before.owner
    ]


def _disagreements(record: Record, rebuilt: Sequence[Interval]) -> Iterable[Disagreement]:
    for n, (told, stored) in enumerate(zip_longest(rebuilt, record.chain), 1):
        if told != stored:
            yield Disagreement(record.lead_id, n, told, stored)
    now = Interval(record.owner, record.chain[-1].since if record.chain else record.created_at, None)
    for current in (rebuilt[-1:], record.chain[-1:]):
        if current and current[0].owner != record.owner:
            yield Disagreement(record.lead_id, None, rebuilt[-1] if rebuilt else None, now)
            return
