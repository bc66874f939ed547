"""Who may answer an escalation, who may waive what is owed, and how long a ladder may be put off."""

from datetime import UTC, datetime

import pytest

from app.domain.actor import Actor, Side
from app.domain.business_time import Calendar
from app.domain.lead import Party
from app.domain.responders import answers_as, latest_snooze, waives_as
from tests.domain.playbooks import MANAGER, OTHER_PARTNER, PARTNER, SALES, SUCCESS, VENDOR, actor, lead

CHIEF = Party(PARTNER, "manager", Side.PARTNER)
STRANGER = Party(OTHER_PARTNER, "partner", Side.PARTNER)
STRANGE_CHIEF = Party(OTHER_PARTNER, "manager", Side.PARTNER)

ANSWERS = [
    ("whoever owes", actor(SALES), (SALES, VENDOR), "internal_sales"),
    ("whoever waits", actor(VENDOR), (SALES, VENDOR), "partner"),
    ("the first party for which it stands", actor(SALES, "customer_success"), (SUCCESS, SALES), "customer_success"),
    ("a party before a manager", actor(SALES, "manager"), (VENDOR, SALES), "internal_sales"),
    ("a manager of either side", actor(CHIEF), (SALES,), "manager"),
    ("a manager, as which no party stands", actor(MANAGER), (SALES, VENDOR), "manager"),
    ("another role of the organisation", actor(SUCCESS), (SALES, VENDOR), None),
    ("the same role of another organisation", actor(STRANGER), (SALES, VENDOR), None),
]


@pytest.mark.parametrize(("who", "parties", "role"), [row[1:] for row in ANSWERS], ids=[row[0] for row in ANSWERS])
def test_the_parties_and_managers_answer(who: Actor, parties: tuple[Party, ...], role: str | None):
    assert answers_as(who, *parties) == role


WAIVES = [
    ("who owes never waives", actor(SALES), SALES, VENDOR, None),
    ("nor as a manager", actor(SALES, "manager"), SALES, SALES, None),
    ("who waits waives", actor(VENDOR), SALES, VENDOR, "partner"),
    ("so does its manager", actor(CHIEF), SALES, VENDOR, "manager"),
    ("not the manager of whoever owes", actor(MANAGER), SALES, VENDOR, None),
    ("not a manager of a third organisation", actor(STRANGE_CHIEF), SALES, VENDOR, None),
    ("not another role of the organisation that waits", actor(SUCCESS), VENDOR, SALES, None),
    ("within one organisation whoever waits", actor(SUCCESS), SALES, SUCCESS, "customer_success"),
    ("but not its manager, who is that of whoever owes", actor(MANAGER), SALES, SUCCESS, None),
    ("what the partner owes itself is waived by the client's manager", actor(MANAGER), VENDOR, VENDOR, "manager"),
    ("not by its own manager", actor(CHIEF), VENDOR, VENDOR, None),
    ("not by another role of the client", actor(SALES), VENDOR, VENDOR, None),
    ("what the client owes itself is waived by the partner's manager", actor(CHIEF), SALES, SALES, "manager"),
    ("not by the client's manager", actor(MANAGER), SALES, SALES, None),
    ("not by a manager of another partner", actor(STRANGE_CHIEF), SALES, SALES, None),
]


@pytest.mark.parametrize(("who", "owed_by", "waiting", "role"), [row[1:] for row in WAIVES], ids=[r[0] for r in WAIVES])
def test_only_the_side_that_waits_waives(who: Actor, owed_by: Party, waiting: Party, role: str | None):
    assert waives_as(who, lead(), owed_by, waiting) == role


def test_a_ladder_is_put_off_by_three_business_days_at_most():
    tokyo = Calendar("Asia/Tokyo", (((540, 1080),),) * 5 + ((), ()))
    friday = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
    assert latest_snooze(tokyo, friday) == datetime(2026, 11, 25, 8, 30, tzinfo=UTC)
