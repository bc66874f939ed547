"""What two versions differ in reads as sentences; nothing that a reviewer would see changes unsaid."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from app.domain.playbook import Playbook
from app.domain.playbook_diff import diff, markdown
from app.domain.playbook_reader import read_playbook
from tests.domain.playbooks import default, document

Change = Callable[[dict[str, Any]], object]


def after(*changes: Change) -> Playbook:
    held = document()
    for change in changes:
        change(held)
    return read_playbook(held, UUID(int=8), 2)


def stage(held: dict[str, Any], key: str) -> dict[str, Any]:
    return next(one for one in held["stages"] if one["key"] == key)


def rename(held: dict[str, Any]) -> None:
    closing = stage(held, "negotiation")
    closing.update(key="closing", en="Closing", ja="クロージング", was=["negotiation"])
    stage(held, "evaluation")["exits"][0]["to"] = "closing"
    held["qualified"] = "closing"


GOLDEN: list[tuple[Change, str, list[tuple[str, str]]]] = [
    (
        lambda d: d["clocks"]["handover_response"].update(within={"business_minutes": 120}),
        "changed",
        [("Answer to a handover: 240 → 120 business minutes", "引き継ぎ依頼への回答: 営業時間240 → 120分")],
    ),
    (
        lambda d: d["clocks"]["revisit"].update(within={"business_days": 2}),
        "changed",
        [("Revisit of a pending lead: 480 business minutes → 2 business days", "保留リードの再訪: 営業時間480分 → 2営業日")],
    ),
    (
        lambda d: stage(d, "evaluation")["exits"][0]["requires"].update(fields=["/context/bant/budget"]),
        "changed",
        [
            (
                "Stage Evaluation: moving on to Negotiation needs: A meeting that was held → Is there a budget?; A meeting that was held",
                "段階 比較・検討: 商談・クロージングへ進む条件: 実施された商談 → 予算はありますか。; 実施された商談",
            )
        ],
    ),
    (
        lambda d: stage(d, "negotiation").update(accountable=["internal_sales"]),
        "changed",
        [("Stage Negotiation: accountable: Internal sales, Manager → Internal sales", "段階 商談・クロージング: 責任者: 社内営業, 責任者 → 社内営業")],
    ),
    (
        lambda d: stage(d, "awareness").update(may={"note": ["partner"]}),
        "added",
        [("Stage Awareness: new: who may here: Add a note: Sales partner", "段階 認知・興味関心: 追加: ここでの権限「メモを追加する」: 営業代行パートナー")],
    ),
    (
        lambda d: stage(d, "onboarding")["handovers"].pop(0),
        "removed",
        [("Stage Onboarding: no longer: handover from Internal sales to Customer success: needs nothing", "段階 オンボーディング・活用支援: 廃止: 社内営業からカスタマーサクセスへの引き継ぎ: 条件: なし")],
    ),
    (
        lambda d: d["may"].update(reopen=["owner", "partner"]),
        "changed",
        [("Reopen the lead: who may: owner → owner, Sales partner", "リードを再開する: 実行者: 現在の責任者 → 現在の責任者, 営業代行パートナー")],
    ),
    (
        lambda d: d["ladders"]["handover"]["steps"][2].update(assign_fallback=False),
        "changed",
        [
            (
                "Ladder handover: step 3: after 120 business minutes, tells the fallback, pages the on-call tools, the fallback takes the lead → after 120 business minutes, tells the fallback, pages the on-call tools",
                "手順「handover」: 手順3: 営業時間120分後、最終責任者に通知、オンコールに連絡、最終責任者が引き取る → 営業時間120分後、最終責任者に通知、オンコールに連絡",
            )
        ],
    ),
    (
        lambda d: d["choices"]["lost"].update(weather={"en": "Weather", "ja": "天候"}),
        "added",
        [("Choices lost: new: Weather / 天候", "選択肢「lost」: 追加: Weather / 天候"), ("Choices pending: new: Weather / 天候", "選択肢「pending」: 追加: Weather / 天候")],
    ),
    (
        lambda d: d["form"].pop(),
        "removed",
        [("Question What was agreed as the next step?: no longer", "質問 次の予定は何ですか。: 廃止")],
    ),
    (
        lambda d: d["outcomes"]["lost"].update(by=["manager"]),
        "changed",
        [("Result lost: who may: Sales partner, Internal sales, Manager → Manager", "結果「lost」: 実行者: 営業代行パートナー, 社内営業, 責任者 → 責任者")],
    ),
    (
        lambda d: d["roles"]["technical"].update(ja="技術"),
        "changed",
        [("Role Technical: name: Technical / 技術担当 → Technical / 技術", "役割 技術: 名称: Technical / 技術担当 → Technical / 技術")],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("change", "kind", "sentences"), GOLDEN, ids=[row[2][0][0][:40] for row in GOLDEN])
def test_a_change_is_a_sentence_in_both_languages(change: Change, kind: str, sentences: list[tuple[str, str]]):
    found = diff(default(), after(change))
    assert [(one.text.en, one.text.ja) for one in found] == sentences
    assert {one.kind for one in found} == {kind}


def test_the_same_rules_have_no_differences():
    assert diff(default(), after()) == ()
    assert markdown(default(), after(), "en").endswith("Both versions say the same.\n")


def test_a_renamed_stage_changes_its_name_and_not_every_rule_that_leads_to_it():
    found = diff(default(), after(rename))
    assert [(one.kind, one.text.en) for one in found] == [
        ("changed", "Stage Closing: name: Negotiation / 商談・クロージング → Closing / クロージング"),
        ("added", "Stage Closing: new: continues: negotiation"),
    ]


def test_a_stage_that_goes_says_where_its_leads_go_on():
    def merge(held: dict[str, Any]) -> None:
        held["stages"].remove(stage(held, "negotiation"))
        stage(held, "evaluation").update(was=["negotiation"], exits=[{"to": "closed"}])
        held["qualified"] = "evaluation"

    assert "Stage Negotiation: no longer; its leads go on in Evaluation" in [
        one.text.en for one in diff(default(), after(merge))
    ]


def test_a_new_clock_tells_what_it_consists_of():
    def add(held: dict[str, Any]) -> None:
        held["clocks"]["thanks"] = {
            "en": "Thanks", "ja": "お礼", "starts": [{"event": "handover.accepted", "from": "meeting_at"}],
            "stops": ["note.added"], "within": {"elapsed_minutes": 60}, "owed_by": "giver", "ladder": "standard",
        }  # fmt: skip

    (change,) = diff(default(), after(add))
    assert (change.kind, change.text.en, change.text.ja) == ("added", "Thanks: new", "お礼: 追加")
    assert [(one.en, one.ja) for one in change.details] == [
        ("60 minutes", "60分"),
        ("starts on: the handover is accepted, counted from the meeting", "開始: 引き継ぎの受領、商談日時から起算"),
        ("stops on: a note is added", "終了: メモの追加"),
        ("owed by: giver", "義務を負う側: 渡す側"),
        ("when missed: standard", "超過時の手順: standard"),
        ("counts as feedback debt: no", "フィードバック負債に数える: いいえ"),
    ]


def test_a_page_groups_changes_and_no_label_is_markup():
    page = markdown(
        default(),
        after(lambda d: d["roles"]["technical"].update(en="<b>*x*</b>"), lambda d: d.update(claim_days=30)),
        "en",
    )
    assert page == (
        "# Changes of smb-inside-sales: version 1 → 2\n\n"
        "More customers who chose well. Both sides share what they learn, losses as promptly as wins.\n\n"
        "## The playbook as a whole\n\n"
        "- The playbook as a whole: a claim lasts (days): 90 → 30\n\n"
        "## Roles\n\n"
        "- Role \\<b\\>\\*x\\*\\</b\\>: name: Technical / 技術担当 → \\<b\\>\\*x\\*\\</b\\> / 技術担当\n"
    )


EVERY_RULE: list[Change] = [
    lambda d: d["purpose"].update(ja="x"),
    lambda d: d.update(entry="evaluation"),
    lambda d: d.update(qualified="evaluation"),
    lambda d: d.update(claim_days=91),
    lambda d: d.update(program="other"),
    lambda d: d["roles"]["technical"].update(side="either"),
    lambda d: d["roles"].update(legal={"side": "internal", "en": "Legal", "ja": "法務"}),
    lambda d: d["activities"]["meeting_held"].update(kinds=["meeting"]),
    lambda d: d["activities"]["meeting_held"].update(dispositions=["done"]),
    lambda d: stage(d, "awareness").update(consulted=[]),
    lambda d: stage(d, "awareness").update(informed=["partner"]),
    lambda d: stage(d, "awareness")["clocks"].remove("revisit"),
    lambda d: stage(d, "awareness")["exits"].append({"to": "closed"}),
    lambda d: stage(d, "awareness")["exits"][0].update(to="negotiation"),
    lambda d: stage(d, "awareness")["exits"][0]["requires"].update(activities=[]),
    lambda d: stage(d, "awareness")["handovers"][0].pop("enters"),
    lambda d: stage(d, "awareness")["handovers"][0]["requires"].update(completeness=0.7),
    lambda d: d["may"].pop("assign"),
    lambda d: d["outcomes"]["lost"].update(closes=False),
    lambda d: d["outcomes"]["lost"].update(final=False),
    lambda d: d["outcomes"]["won"].update(enters="negotiation"),
    lambda d: d["outcomes"]["won"].update(handover_to="manager"),
    lambda d: d["outcomes"]["won"].update(reasons="lost"),
    lambda d: d["outcomes"].pop("disqualified"),
    lambda d: d["clocks"]["revisit"]["starts"][0].update(results=[]),
    lambda d: d["clocks"]["feedback_owed"]["starts"][0].update(roles=["manager"]),
    lambda d: d["clocks"]["feedback_owed"]["starts"][0].pop("from"),
    lambda d: d["clocks"]["progress_owed"]["starts"].pop(),
    lambda d: d["clocks"]["progress_owed"]["stops"].append("note.added"),
    lambda d: d["clocks"]["progress_owed"].update(owed_by="giver"),
    lambda d: d["clocks"]["progress_owed"].update(ladder="handover"),
    lambda d: d["clocks"]["progress_owed"].update(feedback_debt=True),
    lambda d: d["ladders"]["standard"].update(severity="info"),
    lambda d: d["ladders"]["standard"]["fallback"].update(role="internal_sales"),
    lambda d: d["ladders"]["standard"]["steps"][0].update(after={"business_minutes": 5}),
    lambda d: d["ladders"]["standard"]["steps"][0].update(notify=["manager"]),
    lambda d: d["ladders"]["standard"]["steps"][0].update(destinations=False),
    lambda d: d["form"][0].update(stage="evaluation"),
    lambda d: d["form"][1].update(choices="bant_need"),
    lambda d: d["form"][1].update(help={"en": "h", "ja": "h"}),
    lambda d: d["form"][1].update(en="?"),
    lambda d: d["choices"]["won"]["price"].update(ja="値段"),
    lambda d: d["choices"].update(more={"a": {"en": "A", "ja": "A"}}),
]


@pytest.mark.parametrize("change", EVERY_RULE, ids=[str(n) for n in range(len(EVERY_RULE))])
def test_no_rule_changes_unsaid(change: Change):
    changed = after(change)
    there, back = diff(default(), changed), diff(changed, default())
    assert 1 <= len(there) <= 2
    assert 1 <= len(back) <= 2
    for one in (*there, *back):
        assert "→" in one.text.en or "new" in one.text.en or "no longer" in one.text.en
        assert "→" in one.text.ja or "追加" in one.text.ja or "廃止" in one.text.ja
