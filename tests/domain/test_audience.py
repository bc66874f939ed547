"""Which side reads the particulars of a lead: whoever has part in its stage, owns it, or owes something on it."""

from functools import cache
from uuid import UUID

import pytest

from app.domain.actor import Side
from app.domain.audience import audience, reads_particulars
from app.domain.playbook import Playbook
from app.domain.playbook_reader import read_playbook
from tests.domain.playbooks import PARTNER, TENANT, document


@cache
def apart() -> Playbook:
    """Return a playbook whose first stage is the partner's alone, and whose third is the client's alone."""
    held = document()
    for stage, role in ((held["stages"][0], "partner"), (held["stages"][2], "internal_sales")):
        stage["accountable"], stage["consulted"], stage["informed"] = [role], [], []
    return read_playbook(held, UUID(int=9), 1)


READ = [
    ("the partner's stage is the partner's", "awareness", PARTNER, [], {"partner"}),
    ("whoever owns a lead reads it in a stage of the others", "awareness", TENANT, [], {"partner", "internal"}),
    ("the client's stage is the client's", "negotiation", TENANT, [], {"internal"}),
    ("an owning partner reads it there", "negotiation", PARTNER, [], {"partner", "internal"}),
    ("a stage of both is read by both", "evaluation", TENANT, [], {"partner", "internal"}),
    ("whoever owes an answer reads what it answers", "awareness", PARTNER, ["internal_sales"], {"partner", "internal"}),
    ("a role of either side may be anybody's", "awareness", PARTNER, ["manager"], {"partner", "internal"}),
    ("one debt among several is enough", "negotiation", TENANT, ["internal_sales", "partner"], {"partner", "internal"}),
    ("what the others owe opens nothing", "awareness", PARTNER, ["partner", "partner"], {"partner"}),
    ("neither for the partner", "negotiation", TENANT, ["technical"], {"internal"}),
]


@pytest.mark.parametrize(("stage", "owner", "owed", "readers"), [row[1:] for row in READ], ids=[row[0] for row in READ])
def test_particulars_are_read_by_whoever_has_part(stage: str, owner: UUID, owed: list[str], readers: set[str]):
    row = {
        "owner_organization_id": owner,
        "tenant_id": TENANT,
        "stage": stage,
        "due": [{"owed_by": role} for role in owed],
    }
    assert {side.value for side in Side if reads_particulars(row, apart(), side)} == readers


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("lead.received", {"partner", "internal"}),
        ("lead.contested", {"partner", "internal"}),
        ("lead.updated", {"partner"}),
        ("outcome.acknowledged", {"partner", "internal"}),
        ("feedback.overdue", {"partner", "internal"}),
        ("feedback.given", {"partner"}),
        ("handover.requested", {"partner"}),
        ("trouble.raised", {"partner"}),
    ],
)
def test_an_event_is_told_to_the_sides_of_its_stage_unless_no_playbook_keeps_it(kind: str, told: set[str]):
    assert {side.value for side in audience(kind, [(apart(), "awareness")], [])} == told


def test_nobody_is_told_of_what_concerns_nobody():
    assert audience("note.added", [], []) == frozenset()
    assert audience("note.added", [], [Side.PARTNER]) == {Side.PARTNER}
