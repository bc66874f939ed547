"""What counts as known of a lead, and how much of the form that is."""

import pytest

from app.domain.actor import Side
from app.domain.lead import form_state, known_fields
from tests.domain.playbooks import PARTNER, TENANT, default, lead


def test_what_is_empty_or_was_asked_and_not_learned_is_not_known():
    body = {
        "company": {"name": "甲社", "domain": "", "phone": None, "tags": []},
        "contact": {},
        "test": False,
        "count": 0,
        "context": {
            "pain_points": [{"category": "cost"}],
            "concerns": [],
            "temperature": "unknown",
            "bant": {"need": {"value": "unknown", "note": "asked"}, "budget": {"value": "none"}, "authority": {"value": None}},
        },
    }  # fmt: skip
    assert known_fields(body) == {
        "/company",
        "/company/name",
        "/test",
        "/count",
        "/context",
        "/context/pain_points",
        "/context/bant",
        "/context/bant/need/note",
        "/context/bant/budget",
        "/context/bant/budget/value",
    }


FORM = [
    "/context/pain_points", "/context/temperature", "/context/bant/need", "/context/bant/timeline",
    "/context/bant/budget", "/context/bant/authority", "/context/expectations", "/context/concerns",
    "/context/next_step",
]  # fmt: skip


@pytest.mark.parametrize(
    ("known", "share", "missing"),
    [
        (set(), 0.0, FORM),
        ({"/company", FORM[0]}, 0.11, FORM[1:]),
        ({FORM[1], FORM[8]}, 0.22, [FORM[0], *FORM[2:8]]),
        ({*FORM[:6]}, 0.67, FORM[6:]),
        ({*FORM}, 1.0, []),
    ],
)
def test_completeness_is_the_share_of_the_form_that_is_known(known: set[str], share: float, missing: list[str]):
    assert form_state(default().form, frozenset(known)) == (share, missing)


def test_a_form_that_asks_nothing_is_complete():
    assert form_state((), frozenset()) == (1.0, [])


def test_the_tenants_own_organisation_has_the_tenants_id():
    assert [lead().organization_of(side) for side in (Side.INTERNAL, Side.PARTNER)] == [TENANT, PARTNER]
