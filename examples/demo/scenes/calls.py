"""Scene 3: the vendors call. Every lead gets its first contact before that clock runs out."""

from datetime import timedelta
from typing import Any

from examples.demo import plan
from examples.demo.api import side_by_side
from examples.demo.world import World

APPOINTMENTS = {
    *(ending.lead for ending in (*plan.A_HANDED, *plan.B_HANDED)),
    *(plan.A_REJECTED, plan.A_NO_SHOW, plan.B_REJECTED, plan.B_IGNORED),
}


async def play(world: World) -> None:
    """Call everybody."""
    show = world.show
    show.scene(
        "3  The vendors call",
        "架電・活動",
        "each open lead owes its customer a first contact within 480 business minutes",
    )
    await world.move_to(world.clock.at(9, 20), "the callers have read their lists")
    await _hero(world)
    for vendor, who in (("partner_a", "Vendor A"), ("partner_b", "Vendor B")):
        await _first_calls(world, vendor, who)
    await world.show.attempt(_cold_calls(world))


async def _cold_calls(world: World) -> None:
    day = f"{world.clock.now():%Y-%m-%d}"
    await world.caller("partner_a").send(
        "PUT", f"/v1/programs/{plan.PROGRAM}/call-counts/{day}", json=plan.COLD_CALLS, expect=(200, 201, 204)
    )
    world.show.step(
        "Vendor A",
        f"reports {plan.COLD_CALLS['calls']} calls that became no lead, {plan.COLD_CALLS['connected']} connected",
        "",
        "totals of the day, never per caller",
    )


async def _hero(world: World) -> None:
    show, vendor = world.show, world.caller("partner_a")
    early = await vendor.post(world.path(plan.HERO, "/advance"), {"to": "evaluation"}, expect=None)
    show.refusal(
        "Vendor A",
        f"moves {plan.HERO} to evaluation",
        "422 stage-refused",
        early,
        f"needs {', '.join(early.missing)}",
    )
    body = {
        **_call(world, plan.HERO, "appointment_set"),
        "summary": "引き継ぎの属人化に悩む。来週の訪問で合意。",
        "external_id": "call-1",
    }
    await vendor.post(world.path(plan.HERO, "/activities"), body, expect=201)
    again = await vendor.post(world.path(plan.HERO, "/activities"), body, expect=None)
    show.check(
        "Vendor A",
        f"logs the call with {plan.HERO}; its telephone system sends it twice",
        200,
        again.status,
        "one activity: same external_id, same body",
    )
    note = {"kind": "customer_voice", "body": "「前の業者は引き継ぎのたびに同じ質問をした」", "visibility": "shared"}
    await vendor.post(world.path(plan.HERO, "/notes"), note, expect=201)
    own = {"kind": "context", "body": "受付は午前中がつながりやすい", "visibility": "organization"}
    await vendor.post(world.path(plan.HERO, "/notes"), own, expect=201)
    why = await vendor.rule(world.leads[plan.HERO], "advance")
    moved = (await vendor.post(world.path(plan.HERO, "/advance"), {"to": "evaluation"})).body
    show.check("Vendor A", f"moves {plan.HERO} to evaluation again", "evaluation", moved["stage"], why)


def _call(world: World, external_id: str, disposition: str) -> dict[str, Any]:
    body: dict[str, Any] = {"kind": "call", "at": world.clock.now().isoformat(), "disposition": disposition}
    if disposition in {"connected", "appointment_set"}:
        file = world.file_a if external_id.startswith("A-") else world.file_b
        body["contact_role"] = file.bodies[external_id]["contact"]["role"]
    return body


async def _first_calls(world: World, vendor: str, who: str) -> None:
    caller = world.caller(vendor)
    leads = sorted(lead["external_id"] for lead in await caller.pages("/v1/leads", {"status": "open"}))
    turns = {
        external_id: plan.CALL_TURNS[place % len(plan.CALL_TURNS)]
        for place, external_id in enumerate(one for one in leads if one not in APPOINTMENTS)
    }
    waiting = [external_id for external_id in leads if external_id != plan.HERO]

    async def call(external_id: str) -> None:
        disposition = turns.get(external_id, "appointment_set")
        await caller.post(world.path(external_id, "/activities"), _call(world, external_id, disposition), expect=201)

    with world.show.bar(f"{who} calls", len(waiting)) as done:
        await side_by_side(waiting, call, done)
    late = [
        lead["external_id"]
        for lead in await caller.pages("/v1/leads", {"status": "open"})
        if any(due["clock"] == "first_contact" for due in lead["due"])
    ]
    made = sum(1 for one in leads if one in APPOINTMENTS)
    world.show.check(
        who,
        f"calls {len(leads)} leads, makes {made} appointments; first contacts still owed",
        [],
        late,
        "clock first_contact stopped by activity.logged",
    )


def meeting_day(world: World) -> str:
    """Return the day of the appointments: the business morning after this one."""
    opens, _ = world.clock.next_morning()
    return (opens + timedelta(minutes=15)).isoformat()
