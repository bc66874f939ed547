"""Scene 4: the baton is passed. Incomplete offers are refused, unclear ones come back with questions."""

import asyncio
import secrets
from collections.abc import Iterable
from typing import Any

from examples.demo import plan
from examples.demo.api import side_by_side
from examples.demo.scenes.calls import meeting_day
from examples.demo.world import World


async def play(world: World) -> None:
    """Offer, refuse, return, answer, pull."""
    world.show.scene("4  The baton is passed", "引き継ぎ", "the giver stays accountable until the receiver accepts")
    await world.move_to(world.clock.at(10, 30), "the morning's calls are done")
    await _refused(world)
    await _mended(world)
    await _offered(world)
    await _answered(world)
    await _returned(world)
    await _pulled(world)


def offer(world: World, external_id: str) -> dict[str, Any]:
    """Return the handover of a lead as its vendor writes it."""
    file = world.file_a if external_id.startswith("A-") else world.file_b
    context = file.bodies[external_id]["context"]
    pains = "、".join(point["note"] for point in context["pain_points"])
    return {
        "to_role": "internal_sales",
        "summary": f"{world.company(external_id)}: {pains}",
        "meeting": {"at": meeting_day(world), "minutes": 60, "place": "オンライン"},
    }


async def _refused(world: World) -> None:
    show = world.show
    for external_id in (plan.HERO, plan.B_INCOMPLETE):
        vendor = world.vendor(external_id)
        answer = await vendor.post(world.path(external_id, "/handovers"), offer(world, external_id), expect=None)
        why = f"the receiver would miss {', '.join(answer.missing)}"
        what = f"hands {external_id} {world.company(external_id)} over"
        if answer.missing == ["/context/temperature"]:
            show.refusal(vendor.name, what, "422 handover-incomplete", answer, why)
        else:
            show.check(vendor.name, f"{what}; what is missing", ["/context/temperature"], answer.missing, answer.rule)
    sales = world.caller("sales")
    answer = await sales.post(world.path(plan.HERO, "/advance"), {"to": "negotiation"}, expect=None)
    show.refusal(
        "Sales",
        f"tries to move {plan.HERO}, which it does not own",
        "403 not-owner",
        answer,
    )


async def _mended(world: World) -> None:
    show, vendor = world.show, world.caller("partner_a")
    lead = await vendor.get(world.path(plan.HERO))
    patch = {"context": {"temperature": "hot", "temperature_basis": "来月の役員会に載せると発言"}}
    unseen = await vendor.send("PATCH", world.path(plan.HERO), json=patch, expect=None)
    show.check(
        "Vendor A",
        f"adds the temperature to {plan.HERO} without saying what it read",
        "428 precondition-required",
        f"{unseen.status} {unseen.slug}",
        "If-Match guards against overwriting unseen",
    )
    mended = await vendor.send("PATCH", world.path(plan.HERO), json=patch, headers={"If-Match": lead.headers["ETag"]})
    context = mended.body["context"]
    show.step(
        "Vendor A",
        f"asks the customer, adds the temperature: {patch['context']['temperature_basis']}",
        f"{context['completeness']:.0%} known",
        "allowed by may.update",
    )


async def _offered(world: World) -> None:
    show = world.show
    waiting = [ending.lead for ending in (*plan.A_HANDED, *plan.B_HANDED)] + [
        plan.A_REJECTED,
        plan.A_NO_SHOW,
        plan.B_REJECTED,
    ]
    why = await world.caller("partner_a").rule(world.leads[plan.HERO], "handover")

    async def hand_over(external_id: str) -> None:
        answer = await world.vendor(external_id).post(
            world.path(external_id, "/handovers"), offer(world, external_id), expect=201
        )
        world.handovers[external_id] = answer.body

    await hand_over(plan.HERO)
    due = world.clock.local(world.handovers[plan.HERO]["due_at"])
    show.check(
        "Vendor A",
        f"hands {plan.HERO} over again",
        "requested",
        world.handovers[plan.HERO]["status"],
        f"{why}; answer due {due:%a %H:%M}",
    )
    show.check(
        "Baton",
        "reckons 240 business minutes from 10:30, less the lunch hour",
        "15:30",
        f"{due:%H:%M}",
        "clock handover_response, calendar tokyo",
    )
    twice = await world.caller("partner_a").post(
        world.path(plan.HERO, "/handovers"), offer(world, plan.HERO), expect=None
    )
    show.refusal(
        "Vendor A",
        f"hands {plan.HERO} over once more, impatiently",
        "409 handover-pending",
        twice,
        "one pending handover a lead",
    )
    rest = [external_id for external_id in waiting if external_id != plan.HERO]
    with show.bar("handovers", len(rest)) as done:
        await side_by_side(rest, hand_over, done)
    listed = await world.caller("sales").pages("/v1/handovers", {"side": "receiver", "status": "requested"})
    show.check(
        "Sales",
        "sees the handovers that wait for it",
        plan.HANDED_OVER,
        len(listed),
        "by due time; each vendor still owns its leads",
    )


async def _answered(world: World) -> None:
    sales, show = world.caller("sales"), world.show
    bad = await sales.post(
        f"/v1/handovers/{world.handovers[plan.A_REJECTED]['id']}/reject", {"reason": "not_my_taste"}, expect=None
    )
    show.refusal(
        "Sales",
        f"rejects {plan.A_REJECTED} for a reason of its own",
        "422 reason-not-allowed",
        bad,
        "only reasons that both sides agreed to count",
    )
    for external_id, reason in (
        (plan.A_REJECTED, "outside_target_profile"),
        (plan.B_REJECTED, "below_agreed_qualification"),
    ):
        answer = await sales.post(f"/v1/handovers/{world.handovers[external_id]['id']}/reject", {"reason": reason})
        why = answer.body["decision"]["reason"]
        lead = (await world.vendor(external_id).get(world.path(external_id))).body
        show.check(
            "Sales",
            f"rejects {external_id} {world.company(external_id)}",
            "rejected",
            answer.body["status"],
            f"{why['label_en']} {why['label_ja']}; owner still: {lead['owner']['role']}",
        )


async def _returned(world: World) -> None:
    sales, show = world.caller("sales"), world.show
    questions = {plan.HERO: "稟議の決裁者はどなたですか。", plan.B_ASKED: "現行契約の満了はいつですか。"}
    answers = {plan.HERO: "窓口の方ご自身です。来月の役員会で決まります。", plan.B_ASKED: "来年三月末です。"}
    for external_id, question in questions.items():
        path = f"/v1/handovers/{world.handovers[external_id]['id']}"
        body = {"questions": [{"text": question, "field": "/context/bant/authority"}]}
        back = (await sales.post(f"{path}/return", body)).body
        show.check(
            "Sales",
            f"returns {external_id} with a question: {question}",
            "returned",
            back["status"],
            "now the giver owes an answer: clock answer_owed",
        )
    for external_id, text in answers.items():
        vendor = world.vendor(external_id)
        mine = await vendor.pages("/v1/handovers", {"side": "giver", "status": "returned"})
        asked = next(one for one in mine if one["id"] == world.handovers[external_id]["id"])
        body = {"answers": [{"question_id": question["id"], "text": text} for question in asked["questions"]]}
        told = (await vendor.post(f"/v1/handovers/{asked['id']}/answer", body)).body
        show.check(
            vendor.name,
            f"finds {external_id} in its list and answers: {text}",
            "answered",
            told["status"],
            "before the receiver again, on a fresh clock",
        )


async def _pulled(world: World) -> None:
    sales, show = world.caller("sales"), world.show
    body = {"to_role": "internal_sales", "limit": 8, "assignee": "desk-1"}
    key = {"Idempotency-Key": f"pull-{secrets.token_hex(4)}"}
    first, second = await asyncio.gather(
        sales.post("/v1/handovers/pull", body, headers=key),
        sales.post("/v1/handovers/pull", {**body, "assignee": "desk-2"}),
    )
    pulled = _pulled_ids(first.body["items"]), _pulled_ids(second.body["items"])
    show.check(
        "Sales",
        f"two desks pull at the same moment: {len(pulled[0])} and {len(pulled[1])}; in both hands",
        set(),
        pulled[0] & pulled[1],
        "a handover is accepted once, however many pull",
    )
    again = _pulled_ids((await sales.post("/v1/handovers/pull", body, headers=key)).body["items"])
    why = "the same Idempotency-Key answers the same leads"
    what = "lost the first answer on the way, asks again; the same leads come"
    show.check("Sales", what, len(pulled[0]), len(pulled[0] & again), why)
    items = [*first.body["items"], *second.body["items"]]
    while True:
        more = (await sales.post("/v1/handovers/pull", {"to_role": "internal_sales", "limit": 10})).body["items"]
        if not more:
            break
        items += more
    show.check(
        "Sales",
        "pulls until nothing waits; handovers accepted",
        plan.PULLED,
        len(_pulled_ids(items)),
        "allowed by may.accept: receiver",
    )
    hero = next(item for item in items if item["lead"]["external_id"] == plan.HERO)
    _enriched(world, hero)


def _pulled_ids(items: Iterable[dict[str, Any]]) -> set[str]:
    return {item["handover"]["id"] for item in items}


def _enriched(world: World, item: dict[str, Any]) -> None:
    lead = item["lead"]
    world.show.check(
        "Sales",
        f"{plan.HERO} came enriched; owner and stage",
        ("internal_sales", "evaluation"),
        (lead["owner"]["role"], lead["stage"]),
        "from this moment sales is accountable",
    )
    notes = [note["body"] for note in lead["notes"]]
    world.show.check(
        "Sales",
        f"reads the customer's voice: {notes[0] if notes else ''}; notes",
        1,
        len(notes),
        "vendor A's second note is for its own organisation",
    )
    calls = [activity["disposition"] for activity in lead["activities"]]
    world.show.check(
        "Sales",
        f"reads its calls, temperature {lead['context']['temperature']} and {len(item['handover']['answers'])} answer",
        ["appointment_set"],
        calls,
        "nothing is asked of the customer twice",
    )
