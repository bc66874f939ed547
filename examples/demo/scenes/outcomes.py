"""Scene 5: the meetings, and what became of the leads. Losses are told as promptly as wins."""

import time
from datetime import timedelta
from typing import Any

from examples.demo import plan
from examples.demo.api import side_by_side
from examples.demo.world import World

_ENDINGS = (*plan.A_HANDED, *plan.B_HANDED)


async def play(world: World) -> None:
    """Hold the meetings, close the leads, bring the customers in."""
    world.show.scene(
        "5  Meetings and outcomes", "商談・結果", "every result with its reason, by whoever is accountable"
    )
    morning, skipped = world.clock.next_morning()
    await world.move_to(
        morning + timedelta(minutes=30), f"the next business morning{': ' + ', '.join(skipped) if skipped else ''}"
    )
    await _met(world)
    await _no_show(world)
    await _refused(world)
    await _closed(world)
    await _feedback(world)
    await _onboarded(world)


async def _met(world: World) -> None:
    sales, show = world.caller("sales"), world.show
    met = [ending for ending in _ENDINGS if ending.met]

    async def hold(ending: plan.Ending) -> None:
        body = {"kind": "meeting", "at": _at(world), "disposition": "held", "contact_role": "decision_maker"}
        await sales.post(world.path(ending.lead, "/activities"), body, expect=201)
        if ending.negotiated:
            await sales.post(world.path(ending.lead, "/advance"), {"to": "negotiation"})

    early = await sales.post(world.path(plan.HERO, "/advance"), {"to": "negotiation"}, expect=None)
    show.refusal(
        "Sales",
        f"moves {plan.HERO} to negotiation before the meeting is noted",
        "422 stage-refused",
        early,
        f"needs {', '.join(early.missing)}",
    )
    with show.bar("meetings", len(met)) as done:
        await side_by_side(met, hold, done)
    into = sum(ending.negotiated for ending in met)
    leads = await sales.pages("/v1/leads", {"stage": "negotiation"})
    show.check(
        "Sales",
        f"holds {len(met)} meetings; leads now in negotiation",
        into,
        len(leads),
        "allowed by stages.evaluation.exits.negotiation",
    )


def _at(world: World) -> str:
    return world.clock.at(9, 15).isoformat()


async def _no_show(world: World) -> None:
    sales, vendor, show = world.caller("sales"), world.caller("partner_a"), world.show
    for external_id in (plan.A_NO_SHOW, "B-00042"):
        body = {"kind": "meeting", "at": _at(world), "disposition": "no_show"}
        await sales.post(world.path(external_id, "/activities"), body, expect=201)
    back = {"to_role": "partner", "summary": "先方が来られず。時期を見て再度お声がけください。"}
    handed = (await sales.post(world.path(plan.A_NO_SHOW, "/handovers"), back, expect=201)).body
    taken = (await vendor.post(f"/v1/handovers/{handed['id']}/accept")).body
    show.check(
        "Sales",
        f"hands {plan.A_NO_SHOW} {world.company(plan.A_NO_SHOW)} back after a no-show",
        "accepted",
        taken["status"],
        "Vendor A keeps it warm, and is accountable again",
    )
    body = {"result": "pending", "reason": "timing", "stated_by": "partner_hypothesis", "revisit_on": _day(world, 40)}
    await _close(world, vendor, plan.A_NO_SHOW, body)
    show.step(
        "Vendor A",
        f"closes {plan.A_NO_SHOW}, which it owns, as pending",
        "pending timing 時期",
        f"allowed by outcomes.pending; revisit on {body['revisit_on']}",
    )


def _day(world: World, days: int) -> str:
    return f"{world.clock.now() + timedelta(days=days):%Y-%m-%d}"


async def _refused(world: World) -> None:
    vendor, sales, show = world.caller("partner_a"), world.caller("sales"), world.show
    won = {"result": "won", "reason": "speed", "stated_by": "partner_hypothesis"}
    answer = await vendor.post(world.path(plan.HERO, "/outcome"), won, expect=None)
    show.refusal("Vendor A", f"would like to call {plan.HERO} won", "403 not-owner", answer)
    vague = {"result": "lost", "reason": "other", "stated_by": "seller_hypothesis"}
    answer = await sales.post(world.path("A-00005", "/outcome"), vague, expect=None)
    show.refusal(
        "Sales",
        "closes A-00005 as lost for `other`, without a word",
        "422 reason-not-allowed",
        answer,
        f"needs {', '.join(answer.missing)}",
    )


async def _close(world: World, caller: Any, external_id: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await caller.post(world.path(external_id, "/outcome"), body, expect=201)
    world.closed_at[external_id] = time.monotonic()
    return answer.body


def _outcome(world: World, ending: plan.Ending) -> dict[str, Any]:
    body: dict[str, Any] = {"result": ending.result, "reason": ending.reason, "stated_by": "customer_stated"}
    if ending.note:
        body["note"] = ending.note
    if ending.amount:
        money = {"value": ending.amount, "currency": "JPY"}
        body |= {"amount": money, "annual_value": money}
    if ending.result == "pending":
        body["revisit_on"] = _day(world, 60)
    if ending.result == "lost":
        body |= {"learnings": "初回に予算の時期を確かめる", "recoverable": ending.reason in {"timing", "price"}}
    return body


async def _closed(world: World) -> None:
    sales, show = world.caller("sales"), world.show
    closing = [ending for ending in _ENDINGS if ending.result]
    why = await sales.rule(world.leads[plan.HERO], "outcome")

    async def close(ending: plan.Ending) -> None:
        await _close(world, sales, ending.lead, _outcome(world, ending))

    with show.bar("outcomes", len(closing)) as done:
        await side_by_side(closing, close, done)
    for ending in closing:
        if ending.lead in {plan.HERO, "A-00005", "A-00022", "B-00042"}:
            lead = (await sales.get(world.path(ending.lead))).body
            said = lead["outcome"]["reason"]
            shown = f"{lead['outcome']['result']}, lead {lead['status']} in {lead['stage']}"
            expected = f"{ending.result}, lead {_standing(ending)}"
            because = f"{said['label_en']} {said['label_ja']}{': ' + ending.note if ending.note else ''}"
            show.check("Sales", f"closes {ending.lead} {world.company(ending.lead)}", expected, shown, because)
    tally = {
        name: sum(ending.result == name for ending in closing) for name in ("won", "lost", "pending", "disqualified")
    }
    show.step(
        "Sales",
        f"closes {len(closing)} leads in all",
        ", ".join(f"{name} {count}" for name, count in tally.items()),
        why,
    )
    again = await sales.post(world.path("A-00005", "/outcome"), _outcome(world, closing[4]), expect=None)
    show.check(
        "Sales",
        "closes A-00005 a second time",
        "409 outcome-exists",
        f"{again.status} {again.slug}",
        "correct it instead: nothing is overwritten",
    )


def _standing(ending: plan.Ending) -> str:
    if ending.result == "won":
        return "open in onboarding"
    return f"closed in {'negotiation' if ending.negotiated else 'evaluation'}"


async def _feedback(world: World) -> None:
    sales, show = world.caller("sales"), world.show
    still = [ending.lead for ending in _ENDINGS if not ending.result]

    async def tell(external_id: str) -> None:
        body = {
            "handover_id": world.handovers[external_id]["id"],
            "meeting_held": True,
            "rating": 4,
            "reasons": ["well_prepared", "right_person"],
            "next_update_on": _day(world, 14),
        }
        await sales.post(world.path(external_id, "/feedback"), body, expect=201)

    with show.bar("feedback", len(still)) as done:
        await side_by_side(still, tell, done)
    show.step(
        "Sales",
        f"gives feedback on the {len(still)} that are still open",
        f"next news by {_day(world, 14)}",
        "clock feedback_owed stopped by feedback.given",
    )


async def _onboarded(world: World) -> None:
    success, show = world.caller("success"), world.show
    won = [ending.lead for ending in _ENDINGS if ending.result == "won"]
    items = (await success.post("/v1/handovers/pull", {"to_role": "customer_success", "limit": 20})).body["items"]
    show.check(
        "Success",
        "pulls the customers that were won",
        len(won),
        len(items),
        "requested by outcome won, with the expectations heard while selling",
    )
    why = await success.rule(world.leads[plan.HERO], "advance")
    closed = (await success.post(world.path(plan.HERO, "/advance"), {"to": "closed"})).body
    show.check("Success", f"finishes the onboarding of {plan.HERO}", "closed", closed["status"], why)
