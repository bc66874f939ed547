"""The check of ownership finds each planted fault, and nothing where the promise is kept."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from app.domain.assurance import Disagreement, Findings, Hole, Interval, Owner, Record, Told, check, rebuild

LEAD = UUID(int=1)
VENDOR, SALES, MANAGER = (
    Owner(UUID(int=2), "partner"),
    Owner(UUID(int=3), "internal_sales"),
    Owner(UUID(int=3), "manager"),
)


def at(hour: int) -> datetime:
    return datetime(2026, 11, 20, hour, tzinfo=UTC)


CHAIN = (Interval(VENDOR, at(1), at(3)), Interval(SALES, at(3), at(6)), Interval(MANAGER, at(6), None))
TOLD = (
    Told(at(1), VENDOR, None),
    Told(at(2), VENDOR, VENDOR),
    Told(at(3), SALES, VENDOR),
    Told(at(6), MANAGER, SALES),
    Told(at(7), MANAGER, MANAGER),
)
SOUND = Record(LEAD, at(1), MANAGER, CHAIN, TOLD)


def test_the_intervals_are_rebuilt_from_the_ledger_and_an_assignment_starts_none():
    assert rebuild(TOLD) == CHAIN


def test_an_unbroken_chain_that_the_ledger_tells_has_no_findings():
    assert check(SOUND) == Findings(False, (), (), ())


def chain(n: int, **given: Any) -> tuple[Interval, ...]:
    return (*CHAIN[:n], replace(CHAIN[n], **given), *CHAIN[n + 1 :])


def facts(n: int, **given: Any) -> tuple[Told, ...]:
    return (*TOLD[:n], replace(TOLD[n], **given), *TOLD[n + 1 :])


PLANTED: list[tuple[str, Record, bool, list, list, list]] = [
    ("a link that ends early", replace(SOUND, chain=chain(0, until=at(2))), False,
     [("chain", at(2), at(3))], [], [1]),
    ("a link that ends late", replace(SOUND, chain=chain(0, until=at(4))), False,
     [], [("chain", at(3), at(4))], [1]),
    ("two links that are current", replace(SOUND, chain=chain(1, until=None)), False,
     [], [("chain", at(6), None)], [2]),
    ("no current link", replace(SOUND, chain=chain(2, until=at(8))), True,
     [("chain", at(8), None)], [], [3]),
    ("no chain at all", replace(SOUND, chain=()), True,
     [("chain", at(1), None)], [], [1, 2, 3]),
    ("a chain that begins after the posting", replace(SOUND, chain=chain(0, since=at(2))), False,
     [("chain", at(1), at(2))], [], [1]),
    ("a link that ends before it begins", replace(SOUND, chain=chain(1, until=at(2))), False,
     [("chain", at(2), at(6))], [("chain", at(2), at(3))], [2]),
    ("another owner in the chain", replace(SOUND, chain=chain(1, owner=MANAGER)), False,
     [], [], [2]),
    ("another role of the same organisation on the lead", replace(SOUND, owner=SALES), False,
     [], [], [None]),
    ("a ledger that tells nothing", replace(SOUND, told=()), True,
     [("ledger", at(1), None)], [], [1, 2, 3]),
    ("a posting that the ledger lost", replace(SOUND, told=TOLD[2:]), False,
     [("ledger", at(1), at(3))], [], [1, 2, 3]),
    ("a change that the ledger lost", replace(SOUND, told=(*TOLD[:2], *TOLD[3:])), False,
     [("ledger", at(2), at(6))], [], [1, 2, 3]),
    ("a change from somebody who did not have it", replace(SOUND, told=facts(3, previous=VENDOR)), False,
     [("ledger", at(3), at(6))], [], []),
    ("a ledger whose time runs backwards", replace(SOUND, told=facts(3, at=at(2)), chain=chain(2, since=at(6))), False,
     [], [("ledger", at(2), at(3))], [2, 3]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("record", "ownerless", "gaps", "overlaps", "disagreements"),
    [row[1:] for row in PLANTED],
    ids=[row[0] for row in PLANTED],
)
def test_a_planted_fault_is_found(record: Record, ownerless: bool, gaps: list, overlaps: list, disagreements: list):
    found = check(record)
    assert found.ownerless is ownerless
    assert [(hole.source, hole.since, hole.until) for hole in found.gaps] == gaps
    assert [(hole.source, hole.since, hole.until) for hole in found.overlaps] == overlaps
    assert [one.n for one in found.disagreements] == disagreements
    assert {one.lead_id for one in (*found.gaps, *found.overlaps, *found.disagreements)} == {LEAD}


def test_an_owner_for_no_time_at_all_is_no_fault():
    told = (TOLD[0], Told(at(3), SALES, VENDOR), Told(at(3), MANAGER, SALES))
    links = (CHAIN[0], Interval(SALES, at(3), at(3)), Interval(MANAGER, at(3), None))
    assert check(Record(LEAD, at(1), MANAGER, links, told)) == Findings(False, (), (), ())


def test_the_owner_of_today_is_held_against_both():
    today = Interval(SALES, at(6), None)
    assert check(replace(SOUND, owner=SALES)).disagreements == (Disagreement(LEAD, None, CHAIN[2], today),)
    unstored = check(replace(SOUND, owner=SALES, chain=())).disagreements
    assert unstored[3:] == (Disagreement(LEAD, None, CHAIN[2], Interval(SALES, at(1), None)),)
    untold = check(replace(SOUND, owner=SALES, told=())).disagreements
    assert untold[3:] == (Disagreement(LEAD, None, None, today),)


def test_a_disagreement_shows_both_sides():
    (found,) = check(replace(SOUND, chain=chain(1, owner=MANAGER))).disagreements
    assert found == Disagreement(LEAD, 2, CHAIN[1], Interval(MANAGER, at(3), at(6)))
    (gap,) = check(replace(SOUND, chain=chain(0, until=at(2)))).gaps
    assert gap == Hole(LEAD, "chain", at(2), at(3))
