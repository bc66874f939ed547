"""The first claim holds: whose a lead is, what the answer does to it, and in which order leads are decided."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from app.domain.adjudication import Holding, Judgement, accept, decision, in_turn, judge, offered, turn_away
from app.domain.business_time import Calendar
from app.domain.journey import Effects
from app.domain.lead import RECEIVED
from app.domain.matching import KeyKind, MatchKey
from tests.domain.playbooks import OTHER_PARTNER, PARTNER, VENDOR, handover, lead

NUMBER = MatchKey(KeyKind.CORPORATE_NUMBER, "7999901000001")
DOMAIN = MatchKey(KeyKind.DOMAIN_NAME, "sample.example サンプル商事")
PHONE = MatchKey(KeyKind.PHONE_NAME, "+81312345678 サンプル商事")
CLAIM, OLDER = UUID(int=60), UUID(int=61)
MINE, MINE_TOO, THEIRS = Holding(CLAIM, PARTNER), Holding(OLDER, PARTNER), Holding(UUID(int=62), OTHER_PARTNER)

JUDGED = [
    ("a lead without a key makes its own claim", (), {NUMBER: THEIRS}, Judgement(True, None, ())),
    ("so does one whose keys nobody holds", (NUMBER, PHONE), {DOMAIN: THEIRS}, Judgement(True, None, (NUMBER, PHONE))),
    ("its partner's claim takes it in, with the keys it adds", (NUMBER, DOMAIN, PHONE), {DOMAIN: MINE}, Judgement(True, CLAIM, (NUMBER, PHONE))),
    ("of two claims the one of the strongest key", (NUMBER, PHONE), {PHONE: MINE_TOO, NUMBER: MINE}, Judgement(True, CLAIM, ())),
    ("another partner's key makes it unavailable", (NUMBER, PHONE), {PHONE: THEIRS}, Judgement(False, None, ())),
    ("even beside an own one", (NUMBER, PHONE), {NUMBER: MINE, PHONE: THEIRS}, Judgement(False, None, ())),
]  # fmt: skip


@pytest.mark.parametrize(("keys", "held", "expected"), [row[1:] for row in JUDGED], ids=[row[0] for row in JUDGED])
def test_the_first_claim_holds(keys: tuple[MatchKey, ...], held: dict[MatchKey, Holding], expected: Judgement):
    assert judge(PARTNER, keys, held) == expected


@pytest.mark.parametrize(
    ("status", "waits"),
    [("requested", True), ("returned", True), ("answered", True), ("withdrawn", False), (None, False)],
)
def test_an_offer_that_came_with_the_lead_waits_for_the_answer_and_falls_with_a_refusal(
    status: str | None, waits: bool
):
    state = lead(status=RECEIVED, stage="evaluation", handover=handover(status) if status else None)
    kept = status if waits else None
    assert offered(state) == kept
    assert accept(state) == Effects(
        "claims.first_holds", "open", "evaluation", VENDOR, handover=kept, events=("lead.accepted",)
    )
    events = ("handover.withdrawn", "lead.not_accepted") if waits else ("lead.not_accepted",)
    assert turn_away(state) == Effects(
        "claims.first_holds",
        "not_accepted",
        "evaluation",
        VENDOR,
        handover="withdrawn" if waits else None,
        events=events,
    )


def test_a_refusal_tells_nothing_but_until_when_it_may_be_contested():
    tokyo = Calendar("Asia/Tokyo", (((540, 1080),),) * 5 + ((), ()))
    assert decision(tokyo, datetime(2026, 11, 20, 8, 30, tzinfo=UTC)) == {
        "reason": "not_available",
        "label_en": "Not available",
        "label_ja": "受付対象外",
        "contest_until": "2026-12-04T08:30:00Z",
    }


A, B, C, D = (UUID(int=n) for n in (71, 72, 73, 74))
HERE, THERE = UUID(int=80), UUID(int=81)

TURNS = [
    ("all in their order, though they share keys", [(A, {(HERE, NUMBER)}), (B, {(HERE, NUMBER)})], {B, A}, [A, B]),
    ("one that is locked elsewhere is left out", [(A, set()), (B, set())], {B}, [B]),
    ("who shares a key with it waits", [(A, {(HERE, NUMBER)}), (B, {(HERE, NUMBER), (HERE, PHONE)}), (C, {(HERE, DOMAIN)})], {B, C}, [C]),
    ("who shares a key with one that waits, waits too", [(A, {(HERE, NUMBER)}), (B, {(HERE, NUMBER), (HERE, PHONE)}), (C, {(HERE, PHONE)}), (D, set())], {B, C, D}, [D]),
    ("who shares a key with any of those that are locked waits", [(A, {(HERE, NUMBER)}), (B, {(HERE, PHONE)}), (C, {(HERE, NUMBER)}), (D, {(HERE, PHONE)})], {C, D}, []),
    ("an earlier one does not wait for a later one", [(A, {(HERE, NUMBER)}), (B, {(HERE, NUMBER)})], {A}, [A]),
    ("a key of another program is another key", [(A, {(HERE, NUMBER)}), (B, {(THERE, NUMBER)})], {B}, [B]),
]  # fmt: skip


@pytest.mark.parametrize(("waiting", "free", "expected"), [row[1:] for row in TURNS], ids=[row[0] for row in TURNS])
def test_leads_of_one_company_are_decided_in_turn(waiting: list, free: set[UUID], expected: list[UUID]):
    assert in_turn([(lead_id, frozenset(keys)) for lead_id, keys in waiting], frozenset(free)) == expected
