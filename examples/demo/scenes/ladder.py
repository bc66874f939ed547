"""Scene 7: one handover is ignored. Its clock runs out in business time and the ladder reaches a person."""

from typing import Any

from examples.demo import plan
from examples.demo.api import until
from examples.demo.receivers import Delivery
from examples.demo.scenes.handovers import offer
from examples.demo.world import World


async def play(world: World) -> None:
    """Ignore, breach, page, acknowledge, do what is owed, resolve."""
    world.show.scene(
        "7  One handover is ignored", "エスカレーション", "a missed clock climbs until a person acknowledges it"
    )
    handed = await _ignored(world)
    escalation = await _breached(world, handed)
    await _climbed(world, escalation)
    await _acknowledged(world, escalation)
    await _done(world, handed, escalation)


async def _ignored(world: World) -> dict[str, Any]:
    show = world.show
    await world.move_to(world.clock.at(10, 30), "the morning goes on")
    body = offer(world, plan.B_IGNORED)
    del body["meeting"]
    handed = (await world.caller("partner_b").post(world.path(plan.B_IGNORED, "/handovers"), body, expect=201)).body
    due = world.clock.local(handed["due_at"])
    show.check(
        "Vendor B",
        f"hands {plan.B_IGNORED} {world.company(plan.B_IGNORED)} over; answer due",
        "15:30",
        f"{due:%H:%M}",
        "240 business minutes without lunch; nobody looks",
    )
    return handed


async def _open_escalations(world: World) -> list[dict[str, Any]]:
    return await world.caller("manager").pages("/v1/escalations", {"status": "open"})


async def _breached(world: World, handed: dict[str, Any]) -> dict[str, Any]:
    show = world.show
    quiet = len(_pages(world))
    await world.move_to(world.clock.at(15, 29), "one minute before it is due")
    show.check("Baton", "has opened escalations", 0, len(await _open_escalations(world)), "not a minute early")
    await world.move_to(world.clock.at(15, 31), "one minute after")
    opened = await until("the missed clock opens an escalation", lambda: _open_escalations(world), bool)
    show.check(
        "Baton",
        "opens escalations",
        1,
        len(opened),
        f"{opened[0]['playbook']['rule']} of playbook v{opened[0]['playbook']['version']}, ladder handover",
    )
    escalation = opened[0]
    who = (escalation["owed_by"]["role"], escalation["waiting"]["role"], escalation["subject"]["id"])
    show.check(
        "Baton",
        "names who owes, who waits, and for what",
        ("internal_sales", "partner", handed["id"]),
        who,
        f"{escalation['subject']['external_id']} {escalation['subject']['company']}",
    )
    page = (await _paged(world, quiet + 1))[-1]
    data = _data(page)
    show.check(
        "On-call",
        "rings: a signed page",
        escalation["id"],
        data["id"],
        f"step {data['step']['n']} of {data['step']['of']}, {data['severity']}; at its end: {data['fallback']['role']}",
    )
    debt = await _debt(world)
    show.check(
        "Baton",
        "shows the same feedback debt to both sides",
        (1, 1),
        debt,
        "an unanswered handover is a debt to the vendor",
    )
    await _explained(world)
    return escalation


async def _debt(world: World) -> tuple[int, int]:
    sales = (await world.caller("sales").get("/v1/kpis/feedback-debt", params={"program": plan.PROGRAM})).body[
        "overdue"
    ]
    vendor = (await world.caller("partner_b").get("/v1/kpis/feedback-debt", params={"program": plan.PROGRAM})).body[
        "overdue"
    ]
    return sales, vendor


async def _explained(world: World) -> None:
    lead = (await world.caller("partner_b").get(world.path(plan.B_IGNORED), params={"expand": "clocks"})).body
    late = next(
        clock for clock in lead["clocks"] if clock["clock"] == "handover_response" and clock["state"] != "stopped"
    )
    told = (await world.caller("partner_b").get(f"/v1/clocks/{late['id']}/explain")).body
    spans = [
        f"{world.clock.local(one['from']):%H:%M}–{world.clock.local(one['until']):%H:%M}" for one in told["intervals"]
    ]
    world.show.check(
        "Vendor B",
        "asks how that was reckoned",
        ["10:30–12:00", "13:00–15:30"],
        spans,
        "GET /v1/clocks/{id}/explain, interval by interval",
    )


def _pages(world: World) -> list[Delivery]:
    return [one for one in world.on_call.deliveries if str(one.body.get("type", "")).startswith("escalation.")]


async def _paged(world: World, count: int) -> list[Delivery]:
    async def pages() -> list[Delivery]:
        return _pages(world)

    return await until("the page reaches the on-call tool", pages, lambda found: len(found) >= count)


def _data(page: Delivery) -> dict[str, Any]:
    return page.body["data"]


async def _climbed(world: World, escalation: dict[str, Any]) -> None:
    before = len(_pages(world))
    await world.move_to(world.clock.at(16, 31), "an hour later, still nothing")
    data = _data((await _paged(world, before + 1))[-1])
    world.show.check(
        "On-call",
        "rings again, for the manager too",
        (escalation["id"], 2),
        (data["id"], data["step"]["n"]),
        f"late by {data['late_by_s'] // 60} min; step 3 would give the lead to {data['fallback']['role']}",
    )


async def _acknowledged(world: World, escalation: dict[str, Any]) -> None:
    show, manager = world.show, world.caller("manager")
    path = f"/v1/escalations/{escalation['id']}"
    before = len(_pages(world))
    early = await manager.post(f"{path}/resolve", {"note": "夕方に対応します"}, expect=None)
    show.refusal(
        "Manager",
        "would like to be done with it: resolve",
        "409 obligation-open",
        early,
        "what is owed has not been done",
    )
    taken = (await manager.post(f"{path}/acknowledge", {"note": "担当に確認中"})).body
    show.check("Manager", "acknowledges", "acknowledged", taken["status"], "the ladder stops climbing: a person has it")
    data = _data((await _paged(world, before + 1))[-1])
    show.check("On-call", "learns who has it", "acknowledged", data["status"], "one key for the whole escalation")


async def _done(world: World, handed: dict[str, Any], escalation: dict[str, Any]) -> None:
    show, sales = world.show, world.caller("sales")
    path = f"/v1/escalations/{escalation['id']}"
    lead = (await world.caller("partner_b").get(world.path(plan.B_IGNORED))).body
    show.check(
        "Vendor B",
        f"is still accountable for {plan.B_IGNORED}",
        "partner",
        lead["owner"]["role"],
        "the giver keeps it until somebody accepts: never ownerless",
    )
    taken = (await sales.post(f"/v1/handovers/{handed['id']}/accept", {"assignee": "desk-1"})).body
    show.check("Sales", "accepts at last", "accepted", taken["status"], "allowed by may.accept: receiver")
    now = (await world.caller("manager").get(path)).body
    if now["status"] != "resolved":
        await world.caller("manager").post(f"{path}/resolve", {"note": "受領済み"})
    now = await until(
        "the escalation is resolved", lambda: _read(world, path), lambda found: found["status"] == "resolved"
    )
    show.check("Manager", "sees the escalation resolved", "resolved", now["status"], "what was owed is done")

    async def told() -> list[str]:
        return [_data(page)["status"] for page in _pages(world)]

    statuses = await until("the on-call tool learns of it", told, lambda found: found[-1:] == ["resolved"])
    show.check("On-call", "falls silent", "resolved", statuses[-1], f"heard: {', '.join(statuses)}")
    body = {
        "handover_id": handed["id"],
        "rating": 5,
        "reasons": ["clear_need"],
        "note": "遅くなりました。明日お電話します。",
    }
    await sales.post(world.path(plan.B_IGNORED, "/feedback"), body, expect=201)
    show.step(
        "Sales", f"tells Vendor B about {plan.B_IGNORED}", "rating 5", "clock feedback_owed stopped by feedback.given"
    )


async def _read(world: World, path: str) -> dict[str, Any]:
    return (await world.caller("manager").get(path)).body
