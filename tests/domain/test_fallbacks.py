"""What the end of a ladder changes: nothing where the fallback owns the lead already and no handover waits."""

from uuid import UUID, uuid4

import pytest

from app.domain.actor import Side
from app.domain.fallbacks import take_over
from app.domain.lead import Handover, Lead, Party
from app.domain.playbook import Fallback

TENANT, PARTNER = UUID(int=1), UUID(int=2)
MANAGER = Party(TENANT, "manager", Side.INTERNAL)
VENDOR = Party(PARTNER, "partner", Side.PARTNER)


def a_lead(owner: Party, handover: str | None) -> Lead:
    offered = Handover(uuid4(), handover, owner, VENDOR, None, None) if handover else None
    return Lead(
        uuid4(), TENANT, PARTNER, "open", "awareness", owner, frozenset(), 0.0, frozenset(), offered, None
    )  # fmt: skip


@pytest.mark.parametrize(
    ("owner", "handover", "events", "settles"),
    [
        pytest.param(VENDOR, "requested", ("handover.timed_out", "ownership.changed"), "timed_out", id="both"),
        pytest.param(MANAGER, "returned", ("handover.timed_out",), "timed_out", id="it owns the lead that it offered"),
        pytest.param(VENDOR, "accepted", ("ownership.changed",), None, id="no handover waits"),
        pytest.param(VENDOR, None, ("ownership.changed",), None, id="there never was one"),
    ],
)
def test_the_fallback_takes_over_what_is_left(
    owner: Party, handover: str | None, events: tuple[str, ...], settles: str | None
) -> None:
    effects = take_over(a_lead(owner, handover), Fallback(Side.INTERNAL, "manager"))
    assert effects is not None
    assert (effects.events, effects.handover, effects.owner) == (events, settles, MANAGER)


@pytest.mark.parametrize("handover", [None, "accepted", "rejected"])
def test_a_fallback_that_owns_the_lead_is_only_told(handover: str | None) -> None:
    assert take_over(a_lead(MANAGER, handover), Fallback(Side.INTERNAL, "manager")) is None
