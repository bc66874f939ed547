"""No cell of the default playbook changes unnoticed: a reviewer reads docs/playbook-default.txt."""

from app.domain.rendering import render
from tests.domain.playbooks import ROOT, default


def test_every_cell_of_the_default_playbook_is_the_reviewed_one():
    reviewed = (ROOT / "docs" / "playbook-default.txt").read_text("utf-8")
    assert render(default()).splitlines() == reviewed.splitlines()


def test_the_stages_and_owners_are_those_of_the_design():
    stages = default().stages
    assert list(stages) == ["awareness", "evaluation", "negotiation", "onboarding"]
    assert [stage.accountable[0] for stage in stages.values()] == [
        "partner",
        "partner",
        "internal_sales",
        "customer_success",
    ]
    assert [stage.label.ja for stage in stages.values()] == [
        "認知・興味関心",
        "比較・検討",
        "商談・クロージング",
        "オンボーディング・活用支援",
    ]


def test_the_clocks_are_those_of_the_contract():
    waits = {key: (rule.within.amount, rule.within.unit, rule.owed_by) for key, rule in default().clocks.items()}
    assert waits == {
        "first_contact": (480, "business_minutes", "owner"),
        "progress_owed": (10, "business_days", "owner"),
        "handover_response": (240, "business_minutes", "receiver"),
        "answer_owed": (480, "business_minutes", "giver"),
        "consultation_response": (240, "business_minutes", "consulted"),
        "feedback_owed": (960, "business_minutes", "owner"),
        "outcome_owed": (20, "business_days", "owner"),
        "revisit": (480, "business_minutes", "owner"),
    }
    debts = {key for key, rule in default().clocks.items() if rule.feedback_debt}
    assert debts == {"handover_response", "feedback_owed", "outcome_owed"}
