"""What a playbook answers about itself: whom a rule names, what it cites, which stage continues a former one."""

from dataclasses import replace
from uuid import UUID

import pytest

from app.domain.playbook import Label
from app.domain.playbook_reader import read_playbook
from tests.domain.playbooks import default, document


def test_a_stage_replaces_who_may_for_the_commands_it_names():
    held = document()
    held["stages"][0]["may"] = {"advance": ["manager"], "note": []}
    playbook = read_playbook(held, UUID(int=9), 1)
    assert [playbook.performers(stage, command) for stage, command in (
        ("awareness", "advance"), ("awareness", "note"), ("awareness", "accept"),
        ("evaluation", "advance"), ("nowhere", "advance"), ("awareness", "destroy"),
    )] == [("manager",), (), ("receiver",), ("owner",), ("owner",), ()]  # fmt: skip


def test_a_citation_names_program_version_and_rule():
    assert replace(default(), version=7).cite("moves.note") == {
        "program": "smb-inside-sales",
        "version": 7,
        "rule": "moves.note",
    }


@pytest.mark.parametrize(
    ("stage", "heir"), [("negotiation", "negotiation"), ("closing", "negotiation"), ("demo", "evaluation"), ("x", None)]
)
def test_a_stage_is_continued_by_its_namesake_or_by_the_one_that_it_was(stage: str, heir: str | None):
    held = document()
    held["stages"][1]["was"], held["stages"][2]["was"] = ["demo"], ["trial", "closing"]
    assert read_playbook(held, UUID(int=9), 1).heir(stage) == heir


def test_a_code_that_no_set_holds_is_shown_as_itself():
    found = [default().label(*named) for named in (("lost", "price"), ("lost", "bored"), ("none", "price"))]
    assert found == [Label("Price", "価格"), Label("bored", "bored"), Label("price", "price")]
