"""What each party may do with a lead, state by state, and by which rule: tables written out by hand."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from app.domain.actions import Action, actions
from app.domain.actor import Side
from app.domain.lead import CLOSED, NOT_ACCEPTED, RECEIVED, Lead, Party
from app.domain.playbook import Playbook
from app.domain.playbook_reader import read_playbook
from tests.domain.playbooks import (
    MANAGER,
    OTHER_PARTNER,
    SALES,
    SUCCESS,
    VENDOR,
    actor,
    default,
    document,
    handover,
    lead,
    outcome,
)

NOW = datetime(2026, 11, 20, 1, tzinfo=UTC)
STRANGER = Party(OTHER_PARTNER, "partner", Side.PARTNER)
BARE: dict[str, Any] = {"known": frozenset(), "completeness": 0.2, "activities": frozenset()}
OFFERED = lead(handover=handover("requested"))
RETURNED = lead(handover=handover("returned"))
AT_SALES = lead(stage="negotiation", owner=SALES, handover=handover("accepted"))
LOST = lead(status=CLOSED, outcome=outcome("lost"))
PENDING = lead(status=CLOSED, outcome=outcome("pending"))
WON = lead(stage="onboarding", owner=SUCCESS, outcome=outcome("won"))

ALLOWED = [
    ("its owner", lead(), VENDOR, "update note activity advance handover outcome consult assign"),
    ("its owner, who knows too little", lead(**BARE), VENDOR, "update note activity outcome consult assign"),
    ("the other side", lead(), SALES, "note activity feedback"),
    ("a manager", lead(), MANAGER, "note feedback"),
    ("a stranger", lead(), STRANGER, ""),
    ("the giver of an offer", OFFERED, VENDOR, "update note activity withdraw outcome consult assign"),
    ("its receiver", OFFERED, SALES, "note activity accept reject return feedback"),
    ("who is asked back", RETURNED, VENDOR, "update note activity answer withdraw outcome consult assign"),
    ("who asks back", RETURNED, SALES, "note activity feedback"),
    (
        "sales in a negotiation",
        AT_SALES,
        SALES,
        "update note activity advance handover outcome feedback consult assign",
    ),
    ("the partner meanwhile", AT_SALES, VENDOR, "update note activity"),
    ("who lost it", LOST, VENDOR, "update note correct acknowledge contest assign"),
    ("who put it off", PENDING, VENDOR, "update note outcome correct acknowledge contest reopen assign"),
    ("customer success", WON, SUCCESS, "update note activity advance feedback consult assign"),
    ("the partner after a win", WON, VENDOR, "update note activity acknowledge contest"),
    ("before the answer", lead(status=RECEIVED), VENDOR, "update note activity"),
    ("after a refusal", lead(status=NOT_ACCEPTED), VENDOR, ""),
]


@pytest.mark.parametrize(("state", "party", "expected"), [row[1:] for row in ALLOWED], ids=[row[0] for row in ALLOWED])
def test_who_may_do_what(state: Lead, party: Party, expected: str):
    found = actions(default(), state, actor(party), NOW)
    assert [action.command for action in found if action.allowed] == expected.split()


def test_every_command_stands_there_with_its_rule_and_labels():
    found = actions(default(), lead(**BARE), actor(VENDOR), NOW)
    may, needs = (
        "stages.awareness.may",
        ("/context/pain_points", "/context/temperature", "/context/bant/need", "completeness:0.6"),
    )
    assert found == [
        Action("update", True, "moves.update", (), "Update the lead", "リードを更新する"),
        Action("note", True, "moves.note", (), "Add a note", "メモを追加する"),
        Action("activity", True, "moves.activity", (), "Log an activity", "活動を記録する"),
        Action("advance", False, "stages.awareness.exits.evaluation", ("/context/pain_points", "activity:conversation"), "Move to the next stage", "次の段階へ進める"),
        Action("handover", False, "stages.awareness.handovers.partner.internal_sales", needs, "Pass the baton", "引き継ぎを依頼する"),
        Action("accept", False, f"{may}.accept", (), "Accept the handover", "受領する"),
        Action("reject", False, f"{may}.reject", (), "Reject the handover", "受領を断る"),
        Action("return", False, f"{may}.return", (), "Return with questions", "質問を付けて差し戻す"),
        Action("answer", False, f"{may}.answer", (), "Answer the questions", "質問に回答する"),
        Action("withdraw", False, f"{may}.withdraw", (), "Withdraw the handover", "依頼を取り下げる"),
        Action("outcome", True, "outcomes.lost", (), "Close with an outcome", "結果を確定する"),
        Action("correct", False, "moves.correct", (), "Correct the outcome", "結果を訂正する"),
        Action("acknowledge", False, "moves.acknowledge", (), "Acknowledge the outcome", "結果を確認する"),
        Action("contest", False, "moves.contest", (), "Contest the outcome", "結果に異議を述べる"),
        Action("feedback", False, f"{may}.feedback", (), "Give feedback", "フィードバックを返す"),
        Action("reopen", False, "moves.reopen", (), "Reopen the lead", "リードを再開する"),
        Action("consult", True, "stages.awareness.consulted", (), "Ask a consulted role", "相談先に意見を求める"),
        Action("assign", True, "moves.assign", (), "Assign a person", "担当者を割り当てる"),
    ]  # fmt: skip


def changed(**awareness: Any) -> Playbook:
    held = document()
    held["stages"][0].update(awareness)
    return read_playbook(held, UUID(int=9), 1)


def one(playbook: Playbook, state: Lead, party: Party, command: str) -> tuple[bool, str, tuple[str, ...]]:
    (found,) = [held for held in actions(playbook, state, actor(party), NOW) if held.command == command]
    return found.allowed, found.rule, found.missing


def test_of_several_ways_the_first_open_one_is_shown_else_the_one_that_asks_for_least():
    exits = [
        {"to": "onboarding"},
        {"to": "evaluation", "requires": {"fields": ["/context/concerns", "/context/next_step"]}},
        {"to": "closed", "requires": {"fields": ["/context/concerns"]}},
    ]
    playbook = changed(exits=exits)
    rule = "stages.awareness.exits"
    for known, expected in (
        (set(), (False, f"{rule}.closed", ("/context/concerns",))),
        ({"/context/concerns"}, (True, f"{rule}.closed", ())),
        ({"/context/concerns", "/context/next_step"}, (True, f"{rule}.evaluation", ())),
    ):
        assert one(playbook, lead(known=frozenset(known)), VENDOR, "advance") == expected
    assert one(changed(exits=exits[:1]), lead(), VENDOR, "advance") == (False, f"{rule}.onboarding", ())
    assert one(changed(exits=[]), lead(), VENDOR, "advance") == (False, rule, ())


def test_of_the_ways_to_pass_it_on_only_those_of_its_owner_are_tried():
    rule = "stages.awareness.handovers"
    assert one(default(), lead(owner=MANAGER, **BARE), MANAGER, "handover") == (True, f"{rule}.manager.partner", ())
    assert one(changed(handovers=[]), lead(), VENDOR, "handover") == (False, rule, ())
    assert one(changed(consulted=[]), lead(), VENDOR, "consult") == (False, "stages.awareness.consulted", ())


def test_a_reason_and_its_note_are_taken_as_given():
    held = document()
    held["choices"].update(
        rejected={"other": {"en": "Other", "ja": "その他"}}, lost={"other": {"en": "Other", "ja": "その他"}}
    )
    held["outcomes"]["disqualified"]["by"] = held["outcomes"]["pending"]["by"] = ["manager"]
    playbook = read_playbook(held, UUID(int=9), 1)
    assert one(playbook, OFFERED, SALES, "reject") == (True, "moves.reject", ())
    assert one(playbook, lead(), VENDOR, "outcome") == (True, "outcomes.lost", ())
    assert one(playbook, LOST, VENDOR, "correct") == (True, "moves.correct", ())
    held["choices"]["rejected"] = {}
    assert one(read_playbook(held, UUID(int=9), 1), OFFERED, SALES, "reject") == (False, "reasons.rejected", ())
    del held["choices"]["rejected"]
    assert one(read_playbook(held, UUID(int=9), 1), OFFERED, SALES, "reject") == (False, "reasons.rejected", ())
