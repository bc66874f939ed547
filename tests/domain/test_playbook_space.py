"""Every state of playbooks so small that they were enumerated by hand: who gets where, with which clocks running."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from app.domain import playbook_space
from app.domain.actor import Side
from app.domain.lead import Party
from app.domain.playbook_reader import read_playbook
from app.domain.playbook_space import Space, SpaceTooLargeError, State, explore, is_final
from tests.domain.playbooks import PARTNER, TENANT

LABEL = {"en": "X", "ja": "X"}
CALLER, CLOSER = Party(PARTNER, "caller", Side.PARTNER), Party(TENANT, "closer", Side.INTERNAL)
Change = Callable[[dict[str, Any]], object]


def small() -> dict[str, Any]:
    """A caller hands its lead to a closer, who loses it; nobody may do anything else."""
    return {
        "playbook": 1, "program": "small", "purpose": LABEL, "entry": "first", "qualified": "first", "form": [],
        "roles": {"caller": {"side": "partner", **LABEL}, "closer": {"side": "internal", **LABEL}},
        "may": {"handover": ["owner"], "accept": ["receiver"], "outcome": ["owner"], "advance": ["owner"]},
        "activities": {"held": {"kinds": ["meeting", "visit"], "dispositions": ["held"], **LABEL}},
        "stages": [{
            "key": "first", **LABEL, "accountable": ["caller", "closer"], "clocks": ["work", "answer", "revisit"],
            "exits": [], "handovers": [
                {"from": "caller", "to": "closer", "requires": {"fields": ["/x"], "completeness": 1, "activities": ["held"]}},
            ],
        }],
        "outcomes": {
            "lost": {"by": ["closer"], "closes": True, "final": True, "reasons": "lost"},
            "pending": {"by": [], "closes": True, "final": False, "reasons": "lost"},
        },
        "clocks": {
            "work": {
                **LABEL, "owed_by": "owner", "ladder": "plain", "within": {"business_minutes": 1},
                "starts": [{"event": e} for e in ("lead.accepted", "ownership.changed", "handover.rejected", "handover.withdrawn", "lead.reopened", "stage.entered")],
                "stops": ["handover.requested", "outcome.closed"],
            },
            "answer": {
                **LABEL, "owed_by": "receiver", "ladder": "taking", "within": {"business_minutes": 1},
                "starts": [{"event": "handover.requested"}, {"event": "handover.answered"}],
                "stops": ["handover.accepted", "handover.rejected", "handover.returned", "handover.withdrawn", "handover.timed_out"],
            },
            "revisit": {
                **LABEL, "owed_by": "owner", "ladder": "plain", "within": {"business_minutes": 1},
                "starts": [{"event": f"outcome.{e}", "from": "revisit_on", "results": ["pending"]} for e in ("closed", "corrected")],
                "stops": ["lead.reopened", "outcome.closed", "outcome.corrected"],
            },
        },
        "ladders": {
            "plain": {"severity": "info", "fallback": {"side": "internal", "role": "closer"}, "steps": [{"after": {"business_minutes": 0}, "notify": ["fallback"]}]},
            "taking": {"severity": "info", "fallback": {"side": "internal", "role": "closer"}, "steps": [
                {"after": {"business_minutes": 0}, "notify": ["fallback"]},
                {"after": {"business_minutes": 0}, "notify": ["fallback"], "assign_fallback": True},
            ]},
        },
        "choices": {"lost": {"other": LABEL, "price": LABEL}, "rejected": {"other": LABEL, "price": LABEL}},
    }  # fmt: skip


def walked(*changes: Change) -> Space:
    held = small()
    for change in changes:
        change(held)
    return explore(read_playbook(held, UUID(int=9), 1))


def at(owner: Party, *clocks: str, status: str = "open", offer: str | None = None, **given: Any) -> State:
    """Return a state; an offer is that of the caller to the closer unless it says otherwise."""
    giver, receiver = given.pop("between", (CALLER, CLOSER))
    handover = (offer, giver, receiver, given.pop("enters", None)) if offer else None
    return State(status, given.pop("stage", "first"), owner, handover, given.pop("result", None), frozenset(clocks))


POSTED, OFFERED, TAKEN = at(CALLER, "work"), at(CALLER, "answer", offer="requested"), at(CLOSER, "work")
LOST = at(CLOSER, status="closed", result="lost")


def test_a_lead_is_posted_offered_taken_and_lost():
    space = walked()
    assert space.following == {POSTED: (OFFERED,), OFFERED: (TAKEN, TAKEN), TAKEN: (LOST,), LOST: ()}
    assert {state: space.story(state) for state in space.steps} == {
        POSTED: "caller posts the lead and it is accepted",
        OFFERED: "caller posts the lead and it is accepted, caller offers it to closer",
        TAKEN: "caller posts the lead and it is accepted, caller offers it to closer, closer accepts it",
        LOST: "caller posts the lead and it is accepted, caller offers it to closer, closer accepts it, "
        "closer closes it as lost",
    }


def test_a_missed_clock_gives_the_lead_to_the_fallback_where_it_runs():
    space = walked(lambda held: held["may"].pop("accept"))
    assert space.following[OFFERED] == (TAKEN,)
    assert space.story(TAKEN).endswith("offers it to closer, closer gets it because nobody answered within answer")
    silent = at(CALLER, offer="requested")
    unclocked = walked(
        lambda held: held["stages"][0]["clocks"].remove("answer"), lambda held: held["may"].pop("accept")
    )
    assert unclocked.following == {POSTED: (silent,), silent: ()}
    assert walked(
        lambda held: held["clocks"]["answer"].update(ladder="plain"), lambda held: held["may"].pop("accept")
    ).following == {POSTED: (OFFERED,), OFFERED: ()}


def test_an_offer_goes_back_and_forth():
    back = {"reject": ["receiver"], "return": ["receiver"], "answer": ["giver"], "withdraw": ["giver"]}
    space = walked(lambda held: held["may"].update(back))
    asked, answered = at(CALLER, offer="returned"), at(CALLER, "answer", offer="answered")
    assert space.following == {
        POSTED: (OFFERED,),
        OFFERED: (TAKEN, asked, POSTED, POSTED, TAKEN),
        asked: (answered, POSTED),
        answered: (TAKEN, asked, POSTED, POSTED, TAKEN),
        TAKEN: (LOST,),
        LOST: (),
    }
    assert space.story(answered).endswith("closer returns it with questions, caller answers the questions")
    unlisted = walked(lambda held: held["may"].update(back), lambda held: held["choices"].update(rejected={}))
    assert unlisted.following[OFFERED] == (TAKEN, asked, POSTED, TAKEN)
    gone = walked(lambda held: held["may"].update(back), lambda held: held["choices"].pop("rejected"))
    assert gone.following[OFFERED] == (TAKEN, asked, POSTED, TAKEN)


def test_a_lead_that_was_put_off_is_reopened_closed_again_or_corrected():
    space = walked(
        lambda held: held["outcomes"]["pending"].update(by=["closer"]),
        lambda held: held["may"].update(reopen=["owner"], correct=["owner"]),
    )
    pending = at(CLOSER, "revisit", status="closed", result="pending")
    assert space.following == {
        POSTED: (OFFERED,),
        OFFERED: (TAKEN, TAKEN),
        TAKEN: (LOST, pending),
        LOST: (LOST, pending),
        pending: (TAKEN, LOST, LOST, pending, pending),
    }
    playbook = read_playbook(small(), UUID(int=9), 1)
    assert [is_final(playbook, state) for state in (LOST, pending, TAKEN, at(CLOSER, status="closed"))] == [
        True, False, False, False,
    ]  # fmt: skip
    assert not is_final(playbook, at(CLOSER, result="lost"))


def second(held: dict[str, Any]) -> None:
    held["stages"].append({
        "key": "second", **LABEL, "accountable": ["closer"], "clocks": ["work"], "exits": [{"to": "closed"}],
    })  # fmt: skip


def test_a_stage_is_left_entered_by_acceptance_and_entered_by_an_outcome():
    def enter(held: dict[str, Any]) -> None:
        second(held)
        held["stages"][0]["handovers"][0]["enters"] = "second"
        held["stages"][0]["exits"] = [{"to": "second"}, {"to": "closed"}]
        held["outcomes"]["lost"].update(closes=False, enters="second", by=["caller"])

    space = walked(enter)
    offered = at(CALLER, "answer", offer="requested", enters="second")
    there, over = at(CLOSER, "work", stage="second"), at(CLOSER, status="closed", stage="second")
    left = at(CALLER, status="closed")
    lost = at(CALLER, "work", stage="second", result="lost")
    ended = at(CALLER, status="closed", stage="second", result="lost")
    first = at(CLOSER, "work")
    assert space.following == {
        POSTED: (left, offered, lost),
        left: (),
        offered: (there, lost, first),
        there: (over,),
        over: (),
        first: (there, over_first := at(CLOSER, status="closed")),
        over_first: (),
        lost: (ended,),
        ended: (),
    }
    assert space.story(over).endswith("closer accepts it, closer moves it to closed")


def test_an_outcome_hands_on_and_takes_back_what_was_pending():
    def hand_on(held: dict[str, Any]) -> None:
        held["outcomes"]["lost"].update(closes=False, by=["caller"], handover_to="closer")

    space = walked(hand_on)
    handed = at(CALLER, "answer", offer="requested", result="lost")
    taken = at(CLOSER, "work", result="lost")
    assert space.following[POSTED] == (OFFERED, handed)
    assert space.following[OFFERED] == (TAKEN, handed, TAKEN)
    assert space.following[handed] == (taken, taken)


def test_the_client_posts_where_a_way_leads_to_the_partner():
    space = walked(lambda held: held["stages"][0]["handovers"].append({"from": "closer", "to": "caller"}))
    back = at(CLOSER, "answer", offer="requested", between=(CLOSER, CALLER))
    assert list(space.steps)[:2] == [POSTED, back]
    assert space.story(back) == "closer posts the lead and it is accepted"
    assert space.following[back] == (POSTED, LOST, TAKEN)
    assert space.following[TAKEN] == (back, LOST)


def slow(held: dict[str, Any]) -> None:
    """Add a clock that runs from the acceptance of the lead until its outcome."""
    held["clocks"]["slow"] = {
        **held["clocks"]["work"],
        "starts": [{"event": "lead.accepted"}],
        "stops": ["outcome.closed"],
    }
    held["stages"][0]["clocks"].append("slow")


def test_a_clock_that_nothing_stops_runs_on_beside_the_others():
    def back(held: dict[str, Any]) -> None:
        held["stages"][0]["handovers"].append({"from": "closer", "to": "caller"})

    posted, offered, taken = (replace(one, clocks=one.clocks | {"slow"}) for one in (POSTED, OFFERED, TAKEN))
    assert walked(slow).following == {posted: (offered,), offered: (taken, taken), taken: (LOST,), LOST: ()}
    by_client = at(CLOSER, "answer", "slow", offer="requested", between=(CLOSER, CALLER))
    assert list(walked(slow, back).steps)[:2] == [posted, by_client]


@pytest.mark.parametrize(("bound", "clocks"), [("closer", {"answer"}), ("caller", set())])
def test_a_clock_binds_the_role_that_owes(bound: str, clocks: set[str]):
    space = walked(lambda held: held["clocks"]["answer"]["starts"][0].update(roles=[bound]))
    assert space.following[POSTED] == (at(CALLER, *clocks, offer="requested"),)


def test_only_who_may_post_does_in_whatever_order_they_stand():
    def clerk(held: dict[str, Any]) -> None:
        held["roles"]["clerk"] = {"side": "internal", **LABEL}
        held["stages"][0]["accountable"] = ["closer", "caller"]
        held["stages"][0]["handovers"].append({"from": "closer", "to": "clerk"})

    assert [state for state, step in walked(clerk).steps.items() if step.before is None] == [POSTED]


def test_what_a_stage_says_of_performers_holds_there():
    space = walked(lambda held: held["stages"][0].update(may={"accept": []}))
    assert space.following[OFFERED] == (TAKEN,)

    def there_alone(held: dict[str, Any]) -> None:
        held["stages"][0]["may"] = {"accept": [*held["may"].pop("accept")]}

    assert walked(there_alone).following[OFFERED] == (TAKEN, TAKEN)


def test_a_role_of_either_side_posts_at_the_partner_where_no_way_leads_there():
    def lead_by_chief(held: dict[str, Any]) -> None:
        held["roles"]["chief"] = {"side": "either", **LABEL}
        held["stages"][0].update(accountable=["chief"], handovers=[])

    assert list(walked(lead_by_chief).steps) == [at(Party(PARTNER, "chief", Side.PARTNER), "work")]


def test_a_role_of_either_side_posts_on_both():
    def lead_by_chief(held: dict[str, Any]) -> None:
        held["roles"]["chief"] = {"side": "either", **LABEL}
        held["outcomes"]["lost"]["by"] = ["chief"]
        held["stages"][0].update(
            accountable=["chief"], handovers=[{"from": "chief", "to": "caller", "enters": "first"}]
        )

    theirs, ours = Party(PARTNER, "chief", Side.PARTNER), Party(TENANT, "chief", Side.INTERNAL)
    space = walked(lead_by_chief)
    offered = at(ours, "answer", offer="requested", between=(ours, CALLER), enters="first")
    assert [state for state, step in space.steps.items() if step.before is None] == [offered, at(theirs, "work")]
    taken = at(CALLER, "work")
    assert space.following[offered] == (taken, at(ours, status="closed", result="lost"), at(CLOSER, "work"))
    assert space.following[at(theirs, "work")] == (
        at(theirs, "answer", offer="requested", between=(theirs, CALLER), enters="first"),
        at(theirs, status="closed", result="lost"),
    )


@pytest.mark.parametrize("missing", ["kinds", "dispositions"])
def test_a_boundary_that_asks_for_what_cannot_be_logged_is_never_crossed(missing: str):
    assert walked(lambda held: held["activities"]["held"].update({missing: []})).following == {POSTED: ()}


def test_what_changes_nothing_leads_back_to_where_it_began():
    space = walked(lambda held: held["may"].update(activity=["caller"], feedback=["closer"]))
    assert space.following[POSTED] == (POSTED, POSTED, OFFERED)
    assert space.following[LOST] == (LOST,)


def test_a_space_is_walked_up_to_its_bounds(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(playbook_space, "MAX_STATES", 4)
    assert len(walked().steps) == 4
    monkeypatch.setattr(playbook_space, "MAX_STATES", 3)
    with pytest.raises(SpaceTooLargeError):
        walked()
    monkeypatch.undo()
    monkeypatch.setattr(playbook_space, "MAX_EFFORT", 10)
    with pytest.raises(SpaceTooLargeError):
        walked()
