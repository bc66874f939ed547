"""What another playbook would have made of a past lead: literal ledgers, literal answers."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from app.domain.business_time import Calendar
from app.domain.deeds import deeds
from app.domain.ids import Prefix, show
from app.domain.playbook import Playbook
from app.domain.playbook_reader import read_playbook
from app.domain.simulation import Happened, Missed, Paged, Refused, Replay, TakenOver, replay
from app.domain.simulation_report import Tally, lead_line
from tests.domain.ledger import ESSENTIALS, REST, START, Ledger, after, always, owner
from tests.domain.playbooks import LEAD, MANAGER, SALES, TENANT, VENDOR, default, document
from tests.domain.test_lint import stage

Change = Callable[[dict[str, Any]], object]


def changed(*changes: Change) -> Playbook:
    held = document()
    for change in changes:
        change(held)
    return read_playbook(held, UUID(int=8), 2)


def run(ledger: Ledger, *changes: Change, until: datetime = START) -> Replay:
    found = replay(changed(*changes) if changes else default(), ledger.history, always, until)
    assert found is not None
    return found


def a_loss() -> Ledger:
    """Posted with the essentials, called after an hour, handed over, accepted half an hour later, lost."""
    return Ledger().posted(*ESSENTIALS, *REST).call(60).offered(120).accepted(150).lost(600)


def only_for(role: str) -> Change:
    return lambda d: d["outcomes"]["lost"].update(by=[role])


def needs(pointer: str) -> Change:
    def change(held: dict[str, Any]) -> None:
        stage(held, "awareness")["handovers"][0]["requires"]["fields"].append(pointer)

    return change


def within(clock: str, minutes: int) -> Change:
    return lambda d: d["clocks"][clock].update(within={"business_minutes": minutes})


def test_under_its_own_rules_a_past_lead_is_refused_nothing():
    found = run(a_loss(), until=after(100_000))
    assert (found.facts, found.commands) == (8, 4)
    assert found.refused == found.missed == found.paged == found.taken_over == ()
    assert found.is_quiet


def test_events_of_one_command_are_one_deed():
    ledger = a_loss().tell(
        700,
        "internal_sales",
        ("handover.withdrawn", Ledger.handover()),
        ("outcome.closed", Ledger.outcome("won", "price")),
        ("stage.entered", {"from": "evaluation", "to": "onboarding"}),
        ("handover.requested", Ledger.handover("customer_success", "internal_sales")),
    )
    assert [(deed.kind, deed.command, len(deed.facts)) for deed in deeds(ledger.facts)] == [
        ("lead.received", None, 1),
        ("lead.accepted", None, 1),
        ("activity.logged", "activity", 1),
        ("handover.requested", "handover", 1),
        ("handover.accepted", "accept", 3),
        ("outcome.closed", "outcome", 1),
        ("outcome.closed", "outcome", 4),
    ]


REFUSED: list[tuple[str, Change, list[tuple[int, str, str, str, str, tuple[str, ...]]]]] = [
    ("a field that the boundary asks for", needs("/context/concerns"),
     [(120, "handover", "partner", "handover-incomplete", "stages.awareness.handovers.partner.internal_sales", ("/context/concerns",))]),
    ("more of the form", lambda d: stage(d, "awareness")["handovers"][0]["requires"].update(completeness=0.9),
     [(120, "handover", "partner", "handover-incomplete", "stages.awareness.handovers.partner.internal_sales", ("completeness:0.9",))]),
    ("a role that may not close", only_for("manager"),
     [(600, "outcome", "internal_sales", "not-permitted", "outcomes.lost", ())]),
    ("a reason that is not listed", lambda d: d["choices"]["lost"].pop("price"),
     [(600, "outcome", "internal_sales", "reason-not-allowed", "reasons.lost", ())]),
    ("a handover that does not exist", lambda d: stage(d, "awareness").update(handovers=[]),
     [(120, "handover", "partner", "not-permitted", "stages.awareness.handovers", ())]),
    ("who may log an activity", lambda d: d["may"].update(activity=["manager"]),
     [(60, "activity", "partner", "not-permitted", "stages.awareness.may.activity", ())]),
]  # fmt: skip


@pytest.mark.parametrize(("change", "expected"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_refusal_names_the_rule_and_what_is_missing_and_hides_none_that_follows(change: Change, expected: list):
    found = run(a_loss(), change)
    assert found.refused == tuple(Refused(after(minute), *rest) for minute, *rest in expected)


def test_several_rules_refuse_each_for_itself():
    found = run(a_loss(), needs("/context/concerns"), only_for("manager"))
    assert [(one.command, one.rule) for one in found.refused] == [
        ("handover", "stages.awareness.handovers.partner.internal_sales"),
        ("outcome", "outcomes.lost"),
    ]


def test_completeness_is_counted_by_the_form_of_the_proposed_playbook():
    ledger = Ledger().posted(*ESSENTIALS).call(10).offered(20)
    assert [one.missing for one in run(ledger).refused] == [("completeness:0.6",)]
    short = run(ledger, lambda d: d.update(form=[asked for asked in d["form"] if asked["pointer"] in ESSENTIALS]))
    assert short.refused == ()


def test_what_was_learned_later_counts_from_then():
    ledger = Ledger().posted(*ESSENTIALS, *REST).call(10).offered(20)
    ledger.tell(30, "partner", ("handover.withdrawn", Ledger.handover()))
    ledger.tell(40, "partner", ("lead.updated", {"known": [*ESSENTIALS, *REST, "/context/concerns"]})).offered(50)
    assert [one.at for one in run(ledger, needs("/context/concerns")).refused] == [after(20)]


def test_a_shorter_clock_is_missed_and_its_ladder_pages_until_it_is_done():
    found = run(a_loss(), within("first_contact", 30))
    assert found.missed == (Missed("first_contact", VENDOR, after(30), after(60)),)
    assert found.paged == (Paged(after(30), "first_contact", 1, (VENDOR,), True),)
    assert found.happened == Happened((), 0, 0)


def test_a_ladder_climbs_to_its_fallback_and_names_whom_it_tells():
    ledger = Ledger().posted(*ESSENTIALS)
    found = run(ledger, within("first_contact", 100), until=after(1000))
    vendor_manager = type(VENDOR)(VENDOR.organization_id, "manager", VENDOR.side)
    assert found.missed == (Missed("first_contact", VENDOR, after(100), None),)
    assert found.paged == (
        Paged(after(100), "first_contact", 1, (VENDOR,), True),
        Paged(after(340), "first_contact", 2, (VENDOR, VENDOR, vendor_manager), True),
        Paged(after(820), "first_contact", 3, (MANAGER,), True),
    )


def test_a_clock_runs_in_the_business_time_of_whoever_owes():
    tokyo = Calendar("Asia/Tokyo", (((540, 1080),),) * 5 + ((), ()))
    ledger = Ledger().posted(*ESSENTIALS, *REST).call(1).offered(2)  # Friday, 09:02 in Tokyo; UTC never closes
    for calendar_of, due in (
        (lambda organization: tokyo if organization == TENANT else always(organization), after(2 + 3 * 1440 + 60)),
        (always, after(2 + 600)),
    ):
        found = replay(changed(within("handover_response", 600)), ledger.history, calendar_of, after(30_000))
        assert found is not None
        assert [(one.clock, one.due_at) for one in found.missed if one.clock == "handover_response"] == [
            ("handover_response", due)
        ]


def test_nobody_is_paged_after_the_moment_in_which_somebody_took_it_up():
    ledger = Ledger().posted(*ESSENTIALS)
    ledger.tell(480, "baton", ("clock.breached", {"clock": "first_contact", "due_at": "2026-11-20T08:00:00Z"}),
                ("escalation.opened", {"clock": "first_contact", "step": 1}))  # fmt: skip
    ledger.tell(500, "partner", ("escalation.acknowledged", {"clock": "first_contact", "step": 1}))
    found = run(ledger, within("first_contact", 240), until=after(5000))
    assert [page.at for page in found.paged] == [after(240), after(480)]
    assert found.happened == Happened((("first_contact", "2026-11-20T08:00:00Z"),), 1, 0)


def test_what_was_let_go_of_is_not_owed_any_more():
    ledger = Ledger().posted(*ESSENTIALS)
    ledger.tell(480, "baton", ("clock.breached", {"clock": "first_contact", "due_at": "2026-11-20T08:00:00Z"}))
    ledger.tell(600, "manager", ("escalation.resolved", {"clock": "first_contact", "step": 1}))
    found = run(ledger, until=after(5000))
    assert found.missed == (Missed("first_contact", VENDOR, after(480), after(600)),)
    assert [page.at for page in found.paged] == [after(480)]


def test_each_question_to_a_consulted_role_has_its_own_clock():
    asked = {"consultation_id": "cns_x", "from_role": "partner", "to_role": "technical", "status": "requested"}
    other = {**asked, "consultation_id": show(Prefix.CONSULTATION, UUID(int=77))}
    ledger = Ledger().posted(*ESSENTIALS, *REST).call(5)
    ledger.tell(10, "partner", ("consultation.requested", asked)).tell(20, "partner", ("consultation.requested", other))
    ledger.tell(30, "technical", ("consultation.answered", {**asked, "status": "answered"}))
    found = run(ledger, within("consultation_response", 15), until=after(60))
    technical = replace(SALES, role="technical")
    assert found.refused == ()
    assert found.missed == (
        Missed("consultation_response", technical, after(25), after(30)),
        Missed("consultation_response", technical, after(35), None),
    )
    assert [one.command for one in run(ledger, lambda d: d["may"].update(consult=["manager"])).refused] == [
        "consult"
    ] * 2


def test_where_the_fallback_would_have_taken_over_the_late_answer_would_have_been_refused():
    found = run(a_loss(), within("handover_response", 10), lambda d: d["ladders"]["handover"]["steps"].pop(1),
                lambda d: d["ladders"]["handover"]["steps"][-1].update(after={"business_minutes": 5}))  # fmt: skip
    assert found.taken_over == (TakenOver(after(135), "handover_response", MANAGER),)
    assert [(one.at, one.command, one.slug) for one in found.refused] == [
        (after(150), "accept", "handover-not-pending")
    ]
    assert found.missed == (Missed("handover_response", SALES, after(130), after(135)),)


def test_while_the_fallback_holds_it_notes_do_not_end_that():
    ledger = Ledger().posted(*ESSENTIALS, *REST).call(60).offered(120)
    ledger.tell(600, "internal_sales", ("note.added", {"kind": "signal"}))
    ledger.tell(610, "partner", ("handover.withdrawn", Ledger.handover()))
    found = run(ledger)
    assert [one.at for one in found.taken_over] == [after(540)]
    assert [(one.at, one.slug) for one in found.refused] == [(after(610), "handover-not-pending")]


def test_a_past_time_out_is_told_beside_the_simulated_one():
    ledger = Ledger().posted(*ESSENTIALS, *REST).call(60).offered(120)
    ledger.tell(
        540,
        "baton",
        ("handover.timed_out", Ledger.handover()),
        ("ownership.changed", {"owner": owner(MANAGER), "previous": owner(VENDOR)}),
        ("escalation.stepped", {"clock": "handover_response", "step": 3}),
    )
    ledger.lost(600, role="manager")
    found = run(ledger, within("handover_response", 480))
    assert (found.taken_over, found.refused, found.missed) == ((), (), ())
    assert found.happened == Happened((), 1, 1)


def test_a_renamed_stage_is_found_by_what_it_was_and_a_vanished_one_is_refused():
    def rename(held: dict[str, Any]) -> None:
        text = stage(held, "evaluation")
        text.update(key="discovery", was=["evaluation"])
        for one in held["stages"]:
            for boundary in (*one["exits"], *one.get("handovers", ())):
                for name in ("to", "enters"):
                    if boundary.get(name) == "evaluation":
                        boundary[name] = "discovery"
        for asked in held["form"]:
            asked["stage"] = asked["stage"].replace("evaluation", "discovery")

    assert run(a_loss(), rename).refused == ()
    found = run(a_loss(), rename, lambda d: stage(d, "discovery").pop("was"))
    assert [(one.command, one.slug, one.rule) for one in found.refused] == [
        ("outcome", "stage-refused", "stages.evaluation")
    ]


def test_a_lead_whose_posting_is_not_in_the_ledger_is_not_guessed():
    ledger = a_loss()
    ledger.facts = ledger.facts[1:]
    assert replay(default(), ledger.history, always, START) is None


def test_a_clock_that_no_calendar_can_keep_refuses_what_starts_it():
    night = Calendar("UTC", (((0, 1),), (), (), (), (), (), ()))
    found = replay(changed(within("first_contact", 480)), Ledger().posted().history, lambda _: night, START)
    assert found is not None
    assert [(one.command, one.slug, one.rule) for one in found.refused] == [
        ("lead.accepted", "validation-failed", "clocks")
    ]


def test_the_summary_counts_leads_rules_clocks_and_parties():
    tally = Tally()
    rules = (needs("/context/concerns"), within("first_contact", 30))
    for ledger in (a_loss(), a_loss(), Ledger().posted()):
        tally.add(run(ledger, *rules, until=after(31)))
    tally.skip()
    summary = tally.summary()
    assert {name: summary[name] for name in ("leads", "events", "commands", "untold")} == {
        "leads": 4, "events": 18, "commands": 8, "untold": 1,
    }  # fmt: skip
    (rule,) = summary["refused"].pop("by_rule")
    assert summary["refused"] == {"commands": 2, "leads": 2}
    assert rule["missing"] == [{"what": "/context/concerns", "times": 2}]
    assert (rule["commands"], rule["leads"], len(rule["examples"])) == (2, 2, 2)
    assert summary["breached"] == {
        "would": 3, "did": 0, "by_clock": [{"clock": "first_contact", "would": 3, "did": 0, "in_both": 0}],
    }  # fmt: skip
    assert summary["paged"] == {
        "would": 3, "did": 0, "notified": [{"side": "partner", "role": "partner", "times": 3}],
    }  # fmt: skip
    line = lead_line(run(a_loss(), *rules))
    assert [line["type"], line["refused"][0]["at"], line["breached"][0]["done_at"]] == [
        "lead", "2026-11-20T02:00:00Z", "2026-11-20T01:00:00Z",
    ]  # fmt: skip


def asked(identity: int) -> dict[str, Any]:
    shown = show(Prefix.CONSULTATION, UUID(int=identity))
    return {"consultation_id": shown, "from_role": "partner", "to_role": "technical", "status": "requested"}


TECHNICAL = replace(SALES, role="technical")


@pytest.mark.parametrize(("minutes", "missed"), [(60, []), (59, [after(59)])])
def test_what_is_done_in_the_moment_in_which_it_is_due_is_in_time(minutes: int, missed: list[datetime]):
    found = run(a_loss(), within("first_contact", minutes))
    assert [one.due_at for one in found.missed] == missed


def test_clocks_are_missed_in_the_order_in_which_they_fall_due():
    ledger = Ledger().posted(*ESSENTIALS)
    for identity in (77, 78):
        ledger.tell(10, "partner", ("consultation.requested", asked(identity)))
    found = run(ledger, within("first_contact", 30), within("consultation_response", 15), until=after(31))
    assert found.missed == (
        Missed("consultation_response", TECHNICAL, after(25)),
        Missed("consultation_response", TECHNICAL, after(25)),
        Missed("first_contact", VENDOR, after(30)),
    )


def test_taking_one_thing_up_silences_neither_another_nor_what_is_not_late_yet():
    ledger = Ledger().posted(*ESSENTIALS).tell(10, "partner", ("consultation.requested", asked(77)))
    ledger.tell(300, "partner", ("escalation.acknowledged", {"clock": "first_contact", "step": 1}))
    rules = within("consultation_response", 100)
    found = run(ledger, rules, within("first_contact", 200), until=after(900))
    assert [(page.at, page.clock, page.step) for page in found.paged] == [
        (after(110), "consultation_response", 1),
        (after(200), "first_contact", 1),
        (after(350), "consultation_response", 2),
        (after(830), "consultation_response", 3),
    ]
    later = run(ledger, rules, within("first_contact", 400), until=after(500))
    assert [(one.clock, one.due_at) for one in later.missed] == [
        ("consultation_response", after(110)),
        ("first_contact", after(400)),
    ]


def test_what_hangs_on_a_result_that_is_gone_is_refused():
    ledger = a_loss().tell(700, "partner", ("outcome.acknowledged", Ledger.outcome("lost", "price")))
    assert run(ledger).refused == ()
    found = run(ledger, lambda d: d["outcomes"].pop("lost"))
    assert [(one.command, one.slug, one.rule) for one in found.refused] == [
        ("outcome", "reason-not-allowed", "outcomes"),
        ("acknowledge", "reason-not-allowed", "outcomes.lost"),
    ]


def test_what_is_learned_while_the_fallback_holds_it_counts():
    asks = {"fields": ["/context/pain_points"], "completeness": 0.2, "activities": ["conversation"]}
    ledger = Ledger().posted().offered(120)  # nobody answers: it goes to the manager at 120 + 240 + 60 + 120
    ledger.tell(600, "manager", ("lead.updated", {"known": [*ESSENTIALS[:2]]})).call(605)
    ledger.tell(610, "partner", ("consultation.requested", asked(77)))
    ledger.offered(620, "partner", "manager")
    found = run(ledger, lambda d: stage(d, "awareness")["handovers"][2].update(requires=asks), until=after(860))
    assert [one.at for one in found.taken_over] == [after(540)]
    assert [(one.at, one.command, one.slug) for one in found.refused] == [
        (after(120), "handover", "handover-incomplete"),
        (after(610), "consult", "not-owner"),
    ]
    assert [one for one in found.missed if one.clock == "consultation_response"] == [
        Missed("consultation_response", TECHNICAL, after(850))
    ]


def test_an_offer_that_came_with_the_lead_is_owed_an_answer_from_its_acceptance():
    said = {"stage": "awareness", "owner": owner(SALES), "known": [*ESSENTIALS]}
    offer = ("handover.requested", Ledger.handover("partner", "internal_sales"))
    ledger = Ledger().tell(0, "internal_sales", ("lead.received", said), offer)
    ledger.tell(100, "baton", ("lead.accepted", {"stage": "awareness"}))
    found = run(ledger, until=after(341))
    assert found.missed == (Missed("handover_response", VENDOR, after(340)),)
    unoffered = run(Ledger().posted(*ESSENTIALS), until=after(341))
    assert unoffered.missed == ()


def test_a_ladder_waits_in_the_business_time_of_whoever_owes():
    tokyo = Calendar("Asia/Tokyo", (((540, 1080),),) * 5 + ((), ()))
    ladder = {"after": {"business_minutes": 30}, "notify": ["owed_by"], "destinations": True}
    rules = changed(within("first_contact", 525), lambda d: d["ladders"]["standard"]["steps"].insert(0, ladder))
    theirs = VENDOR.organization_id

    def calendar_of(organization: UUID) -> Calendar:
        return tokyo if organization == theirs else always(organization)

    found = replay(rules, Ledger().posted(*ESSENTIALS).history, calendar_of, after(5000))
    assert found is not None
    assert found.missed == (Missed("first_contact", VENDOR, after(525)),)
    assert found.paged[0].at == after(3 * 1440 + 15)


MET = ("feedback.given", {"meeting_held": True, "next_update_on": "2026-11-21"})
PUT_OFF = ("outcome.closed", {**Ledger.outcome("pending", "price"), "revisit_on": "2026-11-22"})


@pytest.mark.parametrize(
    ("clock", "fact", "due"),
    [
        pytest.param("feedback_owed", None, after(1300), id="from the meeting"),
        pytest.param("outcome_owed", MET, after(2880), id="until the promised day ends"),
        pytest.param("revisit", PUT_OFF, after(3360), id="from the day of the revisit"),
    ],
)
def test_a_clock_runs_from_the_moment_that_its_command_named(clock: str, fact: tuple | None, due: datetime):
    ledger = Ledger().posted(*ESSENTIALS, *REST).call(60)
    ledger.tell(120, "partner", ("handover.requested", {**Ledger.handover(), "meeting_at": after(1200).isoformat()}))
    ledger.accepted(150)
    if fact is not None:
        ledger.tell(200, "internal_sales", fact)
    found = run(ledger, within("feedback_owed", 100), until=after(4000))
    assert [one.due_at for one in found.missed if one.clock == clock] == [due]


def test_what_happened_is_counted_from_the_ledger():
    ledger = a_loss()
    for n in (1, 2):
        ledger.tell(700 + n, "baton", ("clock.breached", {"clock": f"c{n}", "due_at": "x"}))
        ledger.tell(710 + n, "baton", ("handover.timed_out", Ledger.handover()))
        ledger.tell(720 + n, "baton", ("escalation.stepped", {"clock": "c1", "step": n + 1}))
    for step in (0, 1):
        ledger.tell(730 + step, "baton", ("escalation.opened", {"clock": "c1", "step": step}))
    found = run(ledger)
    assert found.happened == Happened((("c1", "x"), ("c2", "x")), 3, 2)
    assert not found.is_quiet


def test_a_lead_that_was_only_posted_is_replayed():
    ledger = Ledger()
    ledger.facts = Ledger().posted().facts[:1]
    found = run(ledger)
    assert (found.lead_id, found.facts, found.commands, found.is_quiet) == (LEAD, 1, 0, True)
