"""Each rule of the language refuses a playbook that breaks it, says where, and tells a counter-example as a story."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from app.domain import playbook_space
from app.domain.lint import lint, stranded
from app.domain.playbook_names import Fault
from app.domain.playbook_reader import PlaybookFaultsError, read_playbook
from tests.domain.playbooks import document

Change = Callable[[dict[str, Any]], object]


def faults_of(change: Change) -> set[tuple[str, str]]:
    """Return (rule, path) of every fault of the default playbook after one change."""
    changed = document()
    change(changed)
    try:
        found = lint(read_playbook(changed, UUID(int=9), 1))
    except PlaybookFaultsError as error:
        found = error.faults
    assert all(fault.en and fault.ja for fault in found)
    return {(fault.rule, fault.path) for fault in found}


def stage(held: dict[str, Any], key: str) -> dict[str, Any]:
    return next(one for one in held["stages"] if one["key"] == key)


def only_steps(held: dict[str, Any], *steps: dict[str, Any]) -> None:
    held["ladders"]["standard"]["steps"] = list(steps)


BROKEN: list[tuple[str, str, Change]] = [
    ("stage.accountable", "/stages/0/accountable", lambda d: stage(d, "awareness").update(accountable=[])),
    ("stage.exit", "/stages/1/exits", lambda d: stage(d, "evaluation").update(exits=[])),
    ("stage.clock", "/stages/2/clocks", lambda d: stage(d, "negotiation").update(clocks=[])),
    ("name.ladder", "/clocks/revisit/ladder", lambda d: d["clocks"]["revisit"].update(ladder="none")),
    ("ladder.fallback", "/ladders/standard/steps", lambda d: only_steps(d, {"after": {"business_minutes": 0}, "notify": ["owed_by"]})),
    ("ladder.fallback", "/ladders/standard/steps", only_steps),
    ("ladder.fallback_side", "/ladders/standard/fallback", lambda d: d["ladders"]["standard"].update(fallback={"side": "partner", "role": "internal_sales"})),
    ("ladder.steps", "/ladders/standard/steps", lambda d: only_steps(d, *d["ladders"]["standard"]["steps"] * 7)),
    ("stage.unreachable", "/stages/3", lambda d: d["outcomes"]["won"].update(enters="negotiation", handover_to="manager")),
    ("handover.self", "/stages/1/handovers", lambda d: stage(d, "evaluation")["handovers"].append({"from": "manager", "to": "manager"})),
    ("handover.self_approval", "/stages/0/may/accept", lambda d: d["may"].update(accept=["receiver", "giver"])),
    ("outcome.reasons", "/outcomes/lost/reasons", lambda d: d["choices"].update(lost={})),
    ("outcome.reason_path", "/stages/2/informed", lambda d: stage(d, "negotiation").update(informed=["manager"])),
    ("name.role", "/may/note", lambda d: d["may"].update(note=["stranger"])),
    ("name.event type", "/clocks/revisit/stops", lambda d: d["clocks"]["revisit"].update(stops=["lead.vanished"])),
    ("name.event type", "/clocks/revisit/starts", lambda d: d["clocks"]["revisit"].update(starts=[{"event": "lead.vanished"}])),
    ("may.command", "/may/destroy", lambda d: d["may"].update(destroy=["owner"])),
    ("form.length", "/form", lambda d: d.update(form=d["form"] * 2)),
    ("field.unknown", "/form/0/pointer", lambda d: d["form"][0].update(pointer="/context/shoe_size")),
    ("field.unknown", "/stages/0", lambda d: stage(d, "awareness")["exits"][0]["requires"].update(fields=["/company/colour"])),
    ("journey.accountable", "/stages/0/accountable", lambda d: stage(d, "awareness").update(accountable=["partner", "internal_sales"])),
    ("journey.silent", "/stages/0/clocks", lambda d: d["clocks"]["progress_owed"].update(starts=[{"event": "lead.reopened"}])),
    ("journey.silent", "/stages/0/clocks", lambda d: d["clocks"]["revisit"].update(stops=["feedback.given", "lead.reopened"])),
    ("journey.dead_end", "/stages/0", lambda d: [one.update(by=["technical"]) for one in d["outcomes"].values()]),
    ("consultation.silent", "/stages/2/clocks", lambda d: stage(d, "negotiation")["clocks"].remove("consultation_response")),
    ("consultation.owner", "/clocks/consultation_response/ladder", lambda d: d["clocks"]["consultation_response"].update(ladder="handover")),
    ("consultation.apart", "/clocks/consultation_response", lambda d: d["clocks"]["consultation_response"]["stops"].pop()),
    ("consultation.apart", "/clocks/consultation_response", lambda d: d["clocks"]["consultation_response"]["starts"].append({"event": "stage.entered"})),
    ("consultation.apart", "/clocks/progress_owed", lambda d: d["clocks"]["progress_owed"]["stops"].append("consultation.requested")),
    ("consultation.apart", "/clocks/consultation_response", lambda d: d["clocks"]["consultation_response"].update(owed_by="owner")),
    ("name.role", "/may/note", lambda d: d["may"].update(note=["consulted"])),
    ("shape.unknown", "/stages/0/acountable", lambda d: stage(d, "awareness").update(acountable=["partner"])),
    ("duration.unit", "/clocks/revisit/within", lambda d: d["clocks"]["revisit"].update(within={})),
    ("duration.unit", "/clocks/revisit/within", lambda d: d["clocks"]["revisit"].update(within={"business_days": 1, "elapsed_minutes": 1})),
    ("shape.number", "/clocks/revisit/within/business_days", lambda d: d["clocks"]["revisit"].update(within={"business_days": 251})),
    ("shape.size", "/clocks", lambda d: d["clocks"].update({f"c{n}": {} for n in range(40)})),
    ("shape.size", "/stages/0/consulted", lambda d: stage(d, "awareness").update(consulted=["technical"] * 41)),
    ("shape.name", f"/roles/{'r' * 65}", lambda d: d["roles"].update({"r" * 65: {"side": "either", "en": "R", "ja": "R"}})),
    ("stage.key", "/stages/1/key", lambda d: stage(d, "evaluation").update(key="awareness")),
    ("stage.key", "/stages/1/key", lambda d: stage(d, "evaluation").update(key="closed")),
    ("stage.was", "/stages/2/was", lambda d: stage(d, "negotiation").update(was=["awareness"])),
    ("stage.was", "/stages/2/was", lambda d: [stage(d, key).update(was=["former"]) for key in ("evaluation", "negotiation")]),
    ("language.version", "/playbook", lambda d: d.update(playbook=2)),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "path", "change"), BROKEN, ids=[f"{row[0]}-{n}" for n, row in enumerate(BROKEN)])
def test_a_broken_playbook_is_refused_with_rule_and_place(rule: str, path: str, change: Change):
    assert (rule, path) in faults_of(change)


def test_the_default_playbook_has_no_faults():
    assert faults_of(lambda _: None) == set()


def test_a_counter_example_is_told_as_a_story():
    changed = document()
    changed["clocks"]["progress_owed"]["starts"] = [{"event": "lead.reopened"}]
    first = lint(read_playbook(changed, UUID(int=9), 1))[0]
    assert first.en == (
        "partner posts the lead and it is accepted, partner logs an activity: and now nobody is owed an answer."
    )


def test_a_stage_in_which_leads_stand_is_kept_or_named():
    changed = document()
    stage(changed, "negotiation").update(was=["closing", "demo"])
    playbook = read_playbook(changed, UUID(int=9), 2)
    assert lint(playbook) == ()
    assert stranded(playbook, ["awareness", "closing", "demo", "negotiation"]) == ()
    assert stranded(playbook, ["trial", "awareness", "trial"]) == (
        Fault(
            "/stages",
            "stage.was",
            "Leads stand in `trial`: keep that stage, or list it in `was` of the stage that continues it.",
            "`trial` に進行中のリードがあります。段階を残すか、引き継ぐ段階の `was` に指定してください。",
        ),
    )
    assert (playbook.heir("demo"), playbook.heir("awareness"), playbook.heir("trial")) == (
        "negotiation",
        "awareness",
        None,
    )


TOLD: list[tuple[Change, tuple[Fault, ...]]] = [
    (lambda d: stage(d, "evaluation").update(accountable=[]),
     (Fault("/stages/1/accountable", "stage.accountable", "Name who is accountable in `evaluation`.", "`evaluation` の責任者を指定してください。"),)),
    (lambda d: stage(d, "evaluation").update(exits=[]),
     (Fault("/stages/1/exits", "stage.exit", "Say how `evaluation` is left.", "`evaluation` の出口を指定してください。"),)),
    (lambda d: stage(d, "awareness").update(clocks=[], consulted=[]),
     (Fault("/stages/0/clocks", "stage.clock", "Name a clock that runs in `awareness`.", "`awareness` の期限を指定してください。"),)),
    (lambda d: stage(d, "evaluation").update(was=["onboarding"]),
     (Fault("/stages/1/was", "stage.was", "`onboarding` is a stage of this playbook, or another stage was it already.", "`onboarding` は他の段階と重複しています。"),)),
    (lambda d: [stage(d, key).update(was=["former"]) for key in ("evaluation", "onboarding")],
     (Fault("/stages/3/was", "stage.was", "`former` is a stage of this playbook, or another stage was it already.", "`former` は他の段階と重複しています。"),)),
    (lambda d: stage(d, "evaluation").update(was=["former", "former"]),
     (Fault("/stages/1/was", "stage.was", "`former` is a stage of this playbook, or another stage was it already.", "`former` は他の段階と重複しています。"),)),
    (lambda d: d["ladders"]["standard"]["steps"].pop(),
     (Fault("/ladders/standard/steps", "ladder.fallback", "The last step ends at the fallback: tell it, or let it take the lead.", "最後の手順は代替責任者で終わる必要があります。"),)),
    (lambda d: d["ladders"]["handover"]["steps"][-1].update(notify=["owed_by"]), ()),
    (lambda d: d["ladders"]["handover"]["steps"][-1].update(assign_fallback=False), ()),
    (lambda d: only_steps(d, *[d["ladders"]["standard"]["steps"][2]] * 20), ()),
    (lambda d: d["may"].update(feedback=[]), ()),
    (lambda d: only_steps(d, *[d["ladders"]["standard"]["steps"][2]] * 21),
     (Fault("/ladders/standard/steps", "ladder.steps", "At most 20 steps.", "手順は20以下です。"),)),
    (lambda d: d["ladders"]["handover"].update(fallback={"side": "partner", "role": "technical"}),
     (Fault("/ladders/handover/fallback", "ladder.fallback_side", "The fallback's role is not of that side.", "代替責任者の役割がその側にありません。"),)),
    (lambda d: d["ladders"]["standard"].update(fallback={"side": "internal", "role": "internal_sales"}), ()),
    (lambda d: stage(d, "evaluation")["handovers"].append({"from": "manager", "to": "manager"}),
     (Fault("/stages/1/handovers", "handover.self", "`manager` would answer its own request; name another receiver.", "`manager` が自らの依頼に回答することになります。"),)),
    *((lambda d, command=command: stage(d, "negotiation").update(may={command: ["receiver", "giver", "manager"]}),
       (Fault(f"/stages/2/may/{command}", "handover.self_approval", f"Only the receiver may {command}: take out giver, manager.", "回答できるのは受け手だけです。"),))
      for command in ("accept", "reject", "return")),
    (lambda d: d["choices"].update(disqualified={}),
     (Fault("/outcomes/disqualified/reasons", "outcome.reasons", "Every way to close needs at least one reason.", "すべての結果には理由が必要です。"),)),
    (lambda d: stage(d, "onboarding").update(informed=["manager"]),
     (Fault("/stages/3/informed", "outcome.reason_path", "The partner would never hear why a lead died in `onboarding`: inform it.", "`onboarding` での失注理由がパートナーに届きません。"),)),
    (lambda d: stage(d, "onboarding").update(informed=[], consulted=["technical", "partner"]), ()),
    (lambda d: d["clocks"]["consultation_response"]["stops"].pop(),
     (Fault("/clocks/consultation_response", "consultation.apart", "Only clocks owed by `consulted` run on consultations, from consultation.requested to consultation.answered, consultation.declined, consultation.withdrawn.", "相談の期限は相談先が負い、依頼から回答・辞退・取り下げまで進みます。"),)),
    (lambda d: d["clocks"]["consultation_response"].update(ladder="handover"),
     (Fault("/clocks/consultation_response/ladder", "consultation.owner", "The owner stays accountable while it asks: take a ladder that assigns nobody.", "相談中も担当は変わりません。担当を移さない手順を指定してください。"),)),
    (lambda d: stage(d, "onboarding")["clocks"].remove("consultation_response"),
     (Fault("/stages/3/clocks", "consultation.silent", "Whoever is asked in `onboarding` would owe no answer: name a clock owed by `consulted`.", "`onboarding` の相談先に回答期限がありません。"),)),
    (lambda d: (stage(d, "onboarding")["clocks"].remove("consultation_response"), stage(d, "onboarding").update(may={"consult": []})), ()),
    (lambda d: (stage(d, "onboarding")["clocks"].remove("consultation_response"), stage(d, "onboarding").update(consulted=[])), ()),
    (lambda d: d.update(form=[*d["form"], *d["form"][:4]]),
     (Fault("/form", "form.length", "At most 12 questions: a form is answered in five minutes.", "質問は12問以下です。"),)),
    (lambda d: d.update(form=[*d["form"], *d["form"][:3]]), ()),
    (lambda d: d["form"][1].update(pointer="/context"),
     (Fault("/form/1/pointer", "field.unknown", "A lead has no such field.", "この項目は存在しません。"),)),
    (lambda d: stage(d, "evaluation")["handovers"][1].update(requires={"fields": ["/contact/email", "/metadata"]}),
     (Fault("/stages/1", "field.unknown", "`stages.evaluation.handovers.internal_sales.partner` asks for a field that a lead does not have.", "`stages.evaluation.handovers.internal_sales.partner` が存在しない項目を求めています。"),)),
    (lambda d: (d["outcomes"]["won"].update(closes=True, enters="negotiation"), d["outcomes"]["won"].pop("handover_to")),
     (Fault("/stages/3", "stage.unreachable", "No lead ever reaches `onboarding`: let a stage, handover or outcome enter it.", "`onboarding` には到達できません。"),)),
    (lambda d: stage(d, "onboarding").update(accountable=["customer_success", "manager"]),
     (Fault("/stages/3/accountable", "journey.accountable", "internal_sales posts the lead and it is accepted, internal_sales closes it as won: and now `internal_sales` holds it in `onboarding`, not accountable there.", "`onboarding` で責任者でない `internal_sales` が担当になります。"),)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "told"), TOLD, ids=[f"{row[1][0].rule if row[1] else 'sound'}-{n}" for n, row in enumerate(TOLD)]
)
def test_exactly_what_is_wrong_is_told_in_both_languages(change: Change, told: tuple[Fault, ...]):
    changed = document()
    change(changed)
    assert lint(read_playbook(changed, UUID(int=9), 1)) == told


def test_a_space_that_nobody_could_keep_in_mind_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(playbook_space, "MAX_STATES", 1)
    assert lint(read_playbook(document(), UUID(int=9), 1)) == (
        Fault(
            "/stages",
            "space.too_large",
            "The playbook has too many states to be kept in mind.",
            "状態の数が多すぎます。",
        ),
    )


def test_a_lead_that_waits_for_its_revisit_without_a_clock_is_silent():
    changed = document()
    changed["clocks"]["revisit"]["stops"].append("feedback.given")
    told = lint(read_playbook(changed, UUID(int=9), 1))
    assert [(fault.rule, fault.path, fault.ja) for fault in told] == [
        ("journey.silent", f"/stages/{n}/clocks", f"`{stage}` で期限のない状態になります。")
        for n, stage in enumerate(("awareness", "evaluation", "negotiation"))
    ]
    assert told[0].en == (
        "partner posts the lead and it is accepted, partner closes it as pending, "
        "internal_sales gives feedback: and now nobody is owed an answer."
    )


def test_a_stage_without_an_end_is_a_dead_end():
    changed = document()
    for outcome in changed["outcomes"].values():
        outcome["by"] = ["technical"]
    told = lint(read_playbook(changed, UUID(int=9), 1))
    assert [(fault.rule, fault.path, fault.ja) for fault in told if fault.rule == "journey.dead_end"] == [
        ("journey.dead_end", f"/stages/{n}", f"`{stage}` から結果に至る道がありません。")
        for n, stage in enumerate(("awareness", "evaluation", "negotiation"))
    ]
    assert next(fault.en for fault in told if fault.rule == "journey.dead_end") == (
        "partner posts the lead and it is accepted: and from here no way leads to an outcome."
    )
