"""Scene 6: what came of it comes back. Each vendor's own receiver verifies the signed closures."""

import statistics
from typing import Any

from standardwebhooks import WebhookVerificationError

from examples.demo import plan
from examples.demo.api import Caller, until
from examples.demo.console import Mark
from examples.demo.receivers import Delivery, Receiver
from examples.demo.world import World


async def play(world: World) -> None:
    """Verify the closures at both receivers, answer two of them."""
    world.show.scene(
        "6  The loop closes", "フィードバック", "signed webhooks at each vendor's own receiver, losses like wins"
    )
    sides = (
        ("partner_a", "Vendor A", world.receiver_a, plan.A_CLOSURES),
        ("partner_b", "Vendor B", world.receiver_b, plan.B_CLOSURES),
    )
    for vendor, who, receiver, expected in sides:
        await _verified(world, who, receiver, expected)
        await _whole(world, vendor, who, receiver)
    await _forged(world)
    await _answered(world)


async def _verified(world: World, who: str, receiver: Receiver, expected: dict[str, int]) -> None:
    async def closures() -> list[Delivery]:
        return receiver.of_type("outcome.closed")

    found = await until(f"{who} hears of every outcome", closures, lambda got: len(got) >= sum(expected.values()))
    tally = {name: sum(_result(one) == name for one in found) for name in expected}
    took = [(one.came_at - world.closed_at[one.body["data"]["external_id"]]) * 1000 for one in found]
    middle = max(0.0, statistics.median(took))
    world.show.check(
        who,
        "verifies the signed closures",
        expected,
        tally,
        f"standardwebhooks package, unchanged; median {middle:.0f} ms after the answer",
    )
    labelled = [one for one in found if _told_why(one.body["data"])]
    world.show.check(
        who,
        "finds in each the reason in both languages and the time it took",
        len(found),
        len(labelled),
        _example(found),
    )


def _result(one: Delivery) -> str:
    return str(one.body["data"]["outcome"]["result"])


def _told_why(data: dict[str, Any]) -> bool:
    reason = data["outcome"]["reason"]
    return bool(
        reason["code"]
        and reason["label_en"]
        and reason["label_ja"]
        and data["outcome"]["stated_by"]
        and data["handover"]["id"]
        and data["hours_to_outcome"] >= 0
    )


def _example(found: list[Delivery]) -> str:
    lost = next(one.body["data"] for one in found if _result(one) == "lost")
    outcome = lost["outcome"]
    reason = f"{outcome['reason']['label_en']} {outcome['reason']['label_ja']}, “{outcome['note']}”"
    return f"{lost['external_id']} lost after {lost['hours_to_outcome']:.1f} h: {reason}"


async def _whole(world: World, vendor: str, who: str, receiver: Receiver) -> None:
    show = world.show
    feed = await feed_of(world.caller(vendor))
    numbers = [event["sequence"] for event in feed]
    show.check(who, "reads its feed; numbers left out", [], _left_out(numbers), f"{len(feed)} events, numbered from 1")
    told = set(numbers[world.before[vendor] :])

    async def awaited() -> set[int]:
        return told - set(receiver.sequences())

    missing = await until(f"{who}'s receiver gets the rest of the feed", awaited, lambda left: not left)
    came = [number for number in receiver.sequences() if number]
    what = f"received {len(came)} webhooks; numbers left out"
    show.check(
        who, what, [], sorted(missing) or _left_out(came), f"all of {came[0]} to {came[-1]}, in order of sequence"
    )
    bodies = {event["id"]: event for event in feed}
    other = [one.id for one in receiver.deliveries if bodies.get(one.body["id"], one.body) != one.body]
    show.check(who, "compares each webhook with the feed; bodies that differ", [], other, "two views of one ledger")
    theirs = b'"B-0' if who == "Vendor A" else b'"A-0'
    found = [one.id for one in receiver.deliveries if theirs in one.raw or b"@c0" in one.raw]
    what = "searches every byte for the other vendor's leads and for contact data"
    show.check(
        who, what, [], found, f"{len(receiver.refused)} signatures refused, {receiver.repeats} messages repeated"
    )


def _left_out(numbers: list[int]) -> list[int]:
    return sorted(set(range(min(numbers), max(numbers) + 1)) - set(numbers))


async def feed_of(caller: Caller) -> list[dict[str, Any]]:
    """Return the whole feed of a caller's organisation."""
    events: list[dict[str, Any]] = []
    asked: dict[str, Any] = {"limit": 100}
    while True:
        page = (await caller.get("/v1/events", params=asked)).body
        events += page["items"]
        if not page["has_more"]:
            return events
        asked["cursor"] = page["next_cursor"]


async def _forged(world: World) -> None:
    closure = world.receiver_a.of_type("outcome.closed")[0]
    forged = closure.raw.replace(b'"result":"', b'"result":"x', 1)
    try:
        await world.receiver_a.verify(forged, closure.headers)
    except WebhookVerificationError as error:
        world.show.step(
            "Vendor A", "is sent a closure with one letter changed", "not verified", str(error), Mark.REFUSED
        )
    else:
        world.show.check("Vendor A", "is sent a closure with one letter changed", "not verified", "verified")


async def _answered(world: World) -> None:
    show = world.show
    outcome = (await world.caller("partner_a").get(world.path(plan.HERO))).body["outcome"]
    taken = await world.caller("partner_a").post(f"/v1/outcomes/{outcome['id']}/acknowledge", expect=(200, 201))
    show.step(
        "Vendor A",
        f"acknowledges {plan.HERO}",
        str(taken.status),
        await _rule(world, "partner_a", plan.HERO, "acknowledge"),
    )
    outcome = (await world.caller("partner_b").get(world.path("B-00018"))).body["outcome"]
    body = {"reason": "missing_feature", "note": "電話連携は来月提供予定と案内済みです。"}
    taken = await world.caller("partner_b").post(f"/v1/outcomes/{outcome['id']}/contest", body, expect=(200, 201))
    show.step(
        "Vendor B",
        f"contests B-00018: {body['note']}",
        str(taken.status),
        await _rule(world, "partner_b", "B-00018", "contest"),
    )


async def _rule(world: World, vendor: str, external_id: str, command: str) -> str:
    return await world.caller(vendor).rule(world.leads[external_id], command)
