"""A second playbook, of other stages and another order of hands, runs a lead to its outcome with no line of code."""

from functools import cache
from uuid import UUID

import yaml

from app.domain.actor import Side
from app.domain.journey import Command, Effects, Refusal
from app.domain.lead import CLOSED
from app.domain.lint import lint
from app.domain.playbook import Playbook
from app.domain.playbook_reader import read_playbook
from tests.domain.engine import LATER, Engine, somebody
from tests.domain.playbooks import ROOT

VENDOR = somebody("partner", Side.PARTNER)
SALES, TECHNICIAN = somebody("internal_sales", Side.INTERNAL), somebody("technical", Side.INTERNAL)


@cache
def gate() -> Playbook:
    text = (ROOT / "examples" / "playbook-technical-gate.yaml").read_text("utf-8")
    return read_playbook(yaml.safe_load(text), UUID(int=7), 1)


def done(engine: Engine, actor, name: str, **arguments) -> Effects:
    verdict = engine.give(actor, Command(name, **arguments))
    assert isinstance(verdict, Effects), verdict
    assert engine.clocks or engine.lead.status == CLOSED
    return verdict


def refused(engine: Engine, actor, name: str, **arguments) -> Refusal:
    verdict = engine.give(actor, Command(name, **arguments))
    assert isinstance(verdict, Refusal), verdict
    return verdict


def standing(engine: Engine) -> tuple[str, str]:
    return engine.lead.stage, engine.lead.owner.role


def test_it_passes_the_lint_and_differs_from_the_default_in_more_than_names():
    assert lint(gate()) == ()
    assert list(gate().stages) == ["prospecting", "discovery", "technical_review", "proposal", "nurturing"]


def test_a_lead_goes_back_to_the_partner_passes_the_gate_and_is_won():
    engine = Engine.posted(gate())
    assert standing(engine) == ("prospecting", "partner")
    verdict = refused(engine, VENDOR, "handover", to_role="internal_sales")
    assert verdict.missing == ("/context/pain_points", "/company/industry", "completeness:0.4", "activity:conversation")

    engine.log(VENDOR, "call", "connected")
    done(engine, VENDOR, "advance", to_stage="nurturing")
    done(engine, VENDOR, "advance", to_stage="prospecting")
    engine.learn("/context/pain_points", "/company/industry")
    done(engine, VENDOR, "handover", to_role="internal_sales")
    done(engine, SALES, "accept")
    assert standing(engine) == ("discovery", "internal_sales")

    done(engine, SALES, "handover", to_role="partner")
    done(engine, VENDOR, "accept")
    assert standing(engine) == ("nurturing", "partner")
    assert refused(engine, VENDOR, "handover", to_role="internal_sales").missing == ("/context/next_step",)
    engine.learn("/context/next_step")
    done(engine, VENDOR, "handover", to_role="internal_sales")
    done(engine, SALES, "accept")

    assert refused(engine, SALES, "advance", to_stage="proposal").rule == "stages.discovery.exits"
    engine.log(SALES, "meeting", "held")
    engine.learn("/context/bant/need", "/context/expectations")
    done(engine, SALES, "advance", to_stage="technical_review")
    assert refused(engine, SALES, "advance", to_stage="proposal").rule == "stages.technical_review.exits"
    done(engine, SALES, "handover", to_role="technical")
    done(engine, TECHNICIAN, "accept")
    assert standing(engine) == ("technical_review", "technical")
    assert "review_owed" in {clock.key for clock in engine.clocks.values()}

    verdict = refused(engine, TECHNICIAN, "handover", to_role="internal_sales")
    assert verdict.missing == ("/context/concerns", "activity:site_survey")
    assert refused(engine, TECHNICIAN, "outcome", result="won", reason="price").rule == "outcomes.won"
    engine.learn("/context/concerns")
    engine.log(TECHNICIAN, "visit", "held")
    done(engine, TECHNICIAN, "handover", to_role="internal_sales")
    assert "review_owed" not in {clock.key for clock in engine.clocks.values()}
    done(engine, SALES, "accept")
    assert standing(engine) == ("proposal", "internal_sales")
    done(engine, SALES, "outcome", result="won", reason="feature_fit")
    assert (engine.lead.status, engine.lead.outcome.result, engine.clocks) == (CLOSED, "won", {})


def test_a_technician_who_sees_no_fit_gives_it_back_to_the_partner_or_closes_it():
    for end in ("partner", None):
        engine = Engine.posted(gate())
        engine.log(VENDOR, "call", "connected")
        engine.learn("/context/pain_points", "/company/industry", "/context/bant/need", "/context/expectations")
        done(engine, VENDOR, "handover", to_role="internal_sales")
        done(engine, SALES, "accept")
        engine.log(SALES, "meeting", "held")
        done(engine, SALES, "advance", to_stage="technical_review")
        done(engine, SALES, "handover", to_role="technical")
        done(engine, TECHNICIAN, "accept")
        if end == "partner":
            done(engine, TECHNICIAN, "handover", to_role="partner")
            done(engine, VENDOR, "accept")
            assert standing(engine) == ("nurturing", "partner")
            done(engine, VENDOR, "outcome", result="pending", reason="timing", revisit_on=LATER)
            assert {clock.key for clock in engine.clocks.values()} == {"revisit"}
        else:
            done(engine, TECHNICIAN, "outcome", result="lost", reason="site_not_suitable")
            assert engine.lead.status == CLOSED


def test_nobody_but_a_technician_brings_a_lead_to_a_proposal():
    ways = [way for stage in gate().stages.values() for way in stage.handovers if way.enters == "proposal"]
    assert [(way.giver, way.receiver) for way in ways] == [("technical", "internal_sales")]
    assert not [leaving for stage in gate().stages.values() for leaving in stage.exits if leaving.to == "proposal"]
