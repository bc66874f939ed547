"""A fingerprint that anybody can take again, days of review within bounds, and sheets in which nothing is a formula."""

from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest

from app.domain.actor import Actor, Side
from app.domain.agreements import Said, agreements_view, decisions, fingerprint, review_day, sheet, version_view
from app.domain.ids import Prefix, show
from app.domain.lead import Party
from tests.domain.playbooks import CLIENT, MANAGER, OTHER_PARTNER, PARTNER, TENANT, VENDOR, actor

THEM = Party(OTHER_PARTNER, "manager", Side.PARTNER)
TODAY = date(2026, 11, 20)


def test_a_fingerprint_does_not_depend_on_the_order_of_fields():
    expected = sha256('{"a":[1,0.6],"ä":{"x":null,"y":"課題"}}'.encode()).hexdigest()
    assert fingerprint({"ä": {"y": "課題", "x": None}, "a": [1, 0.6]}) == expected
    with pytest.raises(ValueError, match="JSON"):
        fingerprint({"a": float("nan")})


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (None, date(2027, 5, 21)),
        (date(2026, 11, 20), None),
        (date(2026, 11, 21), date(2026, 11, 21)),
        (date(2028, 11, 20), date(2028, 11, 20)),
        (date(2028, 11, 21), None),
    ],
)
def test_a_review_lies_in_the_next_two_years(asked: date | None, found: date | None):
    assert review_day(asked, TODAY) == found


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "＝1", "＠x"])
def test_no_cell_is_a_formula(text: str):
    assert sheet(("a",), [{"a": text}]).split("\r\n", 1)[1].strip('\r\n"').startswith("'" + text[0])


def test_a_sheet_quotes_and_leaves_nulls_empty():
    rows = [{"a": 'say "no", please\nnow', "b": None}, {"a": "課題", "b": 3}]
    assert sheet(("a", "b"), rows) == 'a,b\r\n"say ""no"", please\nnow",\r\n課題,3\r\n'


FIRST, SECOND, OWN = UUID(int=31), UUID(int=32), UUID(int=33)
PROGRAM = {"key": "smb-inside-sales", "tenant_id": TENANT, "partners": [PARTNER, OTHER_PARTNER]}
CLIENTS, PARTNERS = actor(MANAGER), actor(VENDOR)
PROPOSED = datetime(2026, 11, 20, 1, tzinfo=UTC)
ROW: dict[str, Any] = {
    "id": SECOND,
    "version": 2,
    "status": "proposed",
    "purpose": {"en": "More", "ja": "更に"},
    "comment": "Shorter clocks.",
    "answers_id": FIRST,
    "proposed_by": OTHER_PARTNER,
    "proposed_at": PROPOSED,
    "in_force_at": None,
    "review_on": date(2027, 5, 21),
    "agreements": [Said(OTHER_PARTNER, OWN, PROPOSED), Said(TENANT, CLIENT, PROPOSED + timedelta(hours=1))],
    "declined_at": None,
    "declined_by": None,
    "declined_client": None,
    "declined_comment": None,
}
DECLINED = {"declined_at": PROPOSED + timedelta(hours=2), "declined_comment": "Too short.", "declined_client": CLIENT}


def ids(*organizations: UUID) -> list[str]:
    return sorted(show(Prefix.ORGANIZATION, one) for one in organizations)


def test_a_version_is_told_to_the_client_with_everybody_who_takes_part():
    assert version_view(ROW, PROGRAM, CLIENTS) == {
        "id": show(Prefix.PLAYBOOK, SECOND),
        "program": "smb-inside-sales",
        "version": 2,
        "status": "proposed",
        "purpose": {"en": "More", "ja": "更に"},
        "comment": "Shorter clocks.",
        "answers": show(Prefix.PLAYBOOK, FIRST),
        "proposed_by": show(Prefix.ORGANIZATION, OTHER_PARTNER),
        "proposed_at": "2026-11-20T01:00:00Z",
        "in_force_at": None,
        "review_on": "2027-05-21",
        "agreed_by": ids(TENANT, OTHER_PARTNER),
        "awaits": ids(PARTNER),
        "declined": None,
    }
    bare = version_view({**ROW, "answers_id": None, "review_on": None, "in_force_at": PROPOSED}, PROGRAM, CLIENTS)
    assert (bare["answers"], bare["review_on"], bare["in_force_at"]) == (None, None, "2026-11-20T01:00:00Z")


@pytest.mark.parametrize(
    ("who", "status", "agreed", "awaited"),
    [
        (CLIENTS, "in_force", [TENANT, OTHER_PARTNER], [PARTNER]),
        (CLIENTS, "declined", [TENANT, OTHER_PARTNER], []),
        (CLIENTS, "superseded", [TENANT, OTHER_PARTNER], []),
        (PARTNERS, "proposed", [TENANT], [PARTNER]),
        (PARTNERS, "declined", [TENANT], []),
    ],
)
def test_who_agreed_and_who_is_awaited_as_far_as_one_may_know(who: Actor, status: str, agreed: list, awaited: list):
    found = version_view({**ROW, "status": status}, PROGRAM, who)
    assert (found["agreed_by"], found["awaits"]) == (ids(*agreed), ids(*awaited))


@pytest.mark.parametrize(
    ("who", "by", "named"),
    [
        (CLIENTS, OTHER_PARTNER, OTHER_PARTNER),
        (PARTNERS, OTHER_PARTNER, None),
        (PARTNERS, PARTNER, PARTNER),
        (PARTNERS, TENANT, TENANT),
        (CLIENTS, None, None),
    ],
)
def test_a_partner_never_learns_who_the_others_are(who: Actor, by: UUID | None, named: UUID | None):
    found = version_view({**ROW, **DECLINED, "proposed_by": by, "declined_by": by}, PROGRAM, who)
    expected = show(Prefix.ORGANIZATION, named) if named else None
    assert found["proposed_by"] == expected
    assert found["declined"] == {"by": expected, "comment": "Too short.", "at": "2026-11-20T03:00:00Z"}


@pytest.mark.parametrize(
    ("who", "clients"), [(CLIENTS, [OWN, CLIENT]), (PARTNERS, [None, None]), (actor(THEM), [OWN, None])]
)
def test_which_client_spoke_is_known_to_the_tenant_and_to_its_own_side(who: Actor, clients: list[UUID | None]):
    shown = [show(Prefix.CLIENT, one) if one else None for one in clients]
    assert agreements_view(ROW, who) == [
        {
            "organization": show(Prefix.ORGANIZATION, OTHER_PARTNER),
            "client": shown[0],
            "at": "2026-11-20T01:00:00Z",
        },
        {"organization": show(Prefix.ORGANIZATION, TENANT), "client": shown[1], "at": "2026-11-20T02:00:00Z"},
    ]


def test_every_decision_is_listed_with_its_words():
    names = {OTHER_PARTNER: "乙社", PARTNER: "甲社"}
    row = {**ROW, **DECLINED, "declined_by": PARTNER}
    of_version = {"version": 2, "playbook": show(Prefix.PLAYBOOK, SECOND)}
    assert list(decisions(row, PROGRAM, CLIENTS, names)) == [
        {
            **of_version,
            "decision": "agreed",
            "organization": show(Prefix.ORGANIZATION, OTHER_PARTNER),
            "organization_name": "乙社",
            "client": show(Prefix.CLIENT, OWN),
            "at": "2026-11-20T01:00:00Z",
            "comment": "Shorter clocks.",
        },
        {
            **of_version,
            "decision": "agreed",
            "organization": show(Prefix.ORGANIZATION, TENANT),
            "organization_name": None,
            "client": show(Prefix.CLIENT, CLIENT),
            "at": "2026-11-20T02:00:00Z",
            "comment": None,
        },
        {
            **of_version,
            "decision": "declined",
            "organization": show(Prefix.ORGANIZATION, PARTNER),
            "organization_name": "甲社",
            "client": show(Prefix.CLIENT, CLIENT),
            "at": "2026-11-20T03:00:00Z",
            "comment": "Too short.",
        },
    ]
    assert len(list(decisions(ROW, PROGRAM, CLIENTS, names))) == 2
    proposer = {**row, "declined_by": OTHER_PARTNER, "declined_client": None}
    declined = list(decisions(proposer, PROGRAM, PARTNERS, names))[2]
    assert (declined["organization"], declined["client"], declined["comment"]) == (None, None, "Too short.")
    assert [said["client"] for said in decisions(row, PROGRAM, actor(THEM), names)] == [
        show(Prefix.CLIENT, OWN), None, None,
    ]  # fmt: skip
    nobody = list(decisions({**row, "declined_by": None}, PROGRAM, CLIENTS, names))[2]
    assert (nobody["organization"], nobody["organization_name"]) == (None, None)
