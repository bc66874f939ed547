"""Scene 2: the leads arrive, one by one and as files, and it is decided whose each company is."""

import copy
from typing import Any

from examples.demo import plan
from examples.demo.api import until
from examples.demo.console import Mark
from examples.demo.files import VendorFile
from examples.demo.world import World


async def play(world: World) -> None:
    """Post, import, adjudicate."""
    world.show.scene(
        "2  The leads arrive", "リード登録", "one by one and as files, with everything real files have wrong"
    )
    await _one_by_one(world)
    await _mistakes(world)
    await _imports(world)
    await _adjudicated(world)
    await world.show.attempt(_leaks(world))


async def _one_by_one(world: World) -> None:
    show = world.show
    body = world.file_b.bodies[plan.B_FIRST]
    made = (await world.caller("partner_b").post("/v1/leads", body, expect=201)).body
    world.leads[plan.B_FIRST] = made["id"]
    show.step(
        "Vendor B",
        f"posts {plan.B_FIRST} {world.company(plan.B_FIRST)}",
        made["status"],
        "a spreadsheet formula in it stays plain text",
    )
    for external_id in plan.A_ONE_BY_ONE:
        made = (await world.caller("partner_a").post("/v1/leads", world.file_a.bodies[external_id], expect=201)).body
        world.leads[external_id] = made["id"]
        known = made["context"]
        missing = f"missing {', '.join(known['missing'])}" if known["missing"] else "nothing missing"
        why = f"owned by its {made['owner']['role']} at once; {known['completeness']:.0%} of the form known, {missing}"
        show.step("Vendor A", f"posts {external_id} {world.company(external_id)}", made["status"], why)


async def _mistakes(world: World) -> None:
    show, vendor = world.show, world.caller("partner_a")
    again = world.file_a.bodies["A-00002"]
    same = await vendor.post("/v1/leads", again, expect=None)
    show.check(
        "Vendor A",
        "posts A-00002 a second time",
        (200, world.leads["A-00002"]),
        (same.status, same.body.get("id")),
        "equal body: the same lead, never a second one",
    )
    other = copy.deepcopy(again)
    other["company"]["employees"] = "1000+"
    show.refusal(
        "Vendor A",
        "posts another body under A-00002",
        "409 external-id-in-use",
        await vendor.post("/v1/leads", other, expect=None),
        "change it with PATCH, so that nothing is overwritten unseen",
    )
    for external_id, place in plan.A_FAULTY.items():
        answer = await vendor.post("/v1/leads", world.file_a.bodies[external_id], expect=None)
        if answer.pointers == [place]:
            show.refusal("Vendor A", f"posts {external_id}", "422 validation-failed", answer, f"points at {place}")
        else:
            show.check("Vendor A", f"posts {external_id}; what is wrong", [place], answer.pointers)


async def _import(world: World, vendor: str, file: VendorFile) -> dict[str, Any]:
    headers = {"Content-Type": file.media_type}
    answer = await world.caller(vendor).send("POST", "/v1/lead-imports", content=file.raw, headers=headers, expect=201)
    return answer.body


async def _imports(world: World) -> None:
    show = world.show
    made = await _import(world, "partner_a", world.file_a)
    show.check(
        "Vendor A",
        f"imports {world.file_a.name}, {plan.A_LINES} lines",
        _counts(plan.A_CREATED, plan.A_SAME, len(plan.A_FAULTY_ROWS)),
        _came(made),
        "no row waits for a bad one",
    )
    await _bad_rows(world, "partner_a", made, plan.A_FAULTY_ROWS)
    made = await _import(world, "partner_b", world.file_b)
    bad = len(plan.B_FAULTY_ROWS)
    show.check(
        "Vendor B",
        f"imports {world.file_b.name}, {plan.B_ROWS} rows",
        _counts(plan.B_CREATED, plan.B_SAME, bad),
        _came(made),
        "BOM, CRLF, ㈱ and full-width digits are read",
    )
    await _bad_rows(world, "partner_b", made, plan.B_FAULTY_ROWS)
    made = await _import(world, "partner_b", world.file_b)
    show.check(
        "Vendor B",
        "imports the very same file again",
        _counts(0, plan.B_CREATED + plan.B_SAME, bad),
        _came(made),
        "repeatable by external_id",
    )


def _counts(created: int, same: int, refused: int) -> dict[str, int]:
    return {"created": created, "same": same, "refused": refused}


def _came(made: dict[str, Any]) -> dict[str, int]:
    return {name: made[name] for name in ("created", "same", "refused")}


async def _bad_rows(world: World, vendor: str, made: dict[str, Any], expected: dict[int, str]) -> None:
    caller = world.caller(vendor)
    rows = (await caller.get(f"/v1/lead-imports/{made['id']}", params={"result": "refused"})).body["rows"]
    for row in rows:
        problem = row["problem"]
        errors = problem.get("errors") or []
        why = ", ".join(f"{error['pointer']}: {error['message']}" for error in errors) or problem["detail"]
        place = expected.get(row["line"])
        came = errors[0]["pointer"] if errors else problem["type"]
        name = f"row {row['line']} {row['external_id'] or ''}".rstrip()
        if place == came:
            world.show.step(caller.name, name, "not taken", why, Mark.REFUSED)
        else:
            world.show.check(caller.name, f"{name}; what is wrong with it", place, came, why)
    world.show.check(caller.name, "reads which rows were not taken", sorted(expected), [row["line"] for row in rows])


async def _adjudicated(world: World) -> None:
    show = world.show
    sides = (
        ("partner_a", "Vendor A", {"open": plan.A_HELD, "not_accepted": plan.A_TURNED_AWAY}),
        ("partner_b", "Vendor B", {"open": plan.B_HELD, "not_accepted": plan.B_TURNED_AWAY}),
    )
    total = plan.A_HELD + plan.A_TURNED_AWAY + plan.B_HELD + plan.B_TURNED_AWAY
    with show.bar("leads decided", total) as done:
        seen = 0
        for vendor, who, expected in sides:
            leads = await until(
                f"{who}: every lead is decided", lambda v=vendor: world.caller(v).pages("/v1/leads"), _decided
            )
            for lead in leads:
                world.leads[lead["external_id"]] = lead["id"]
                done()
            seen += len(leads)
            tally = {status: sum(lead["status"] == status for lead in leads) for status in expected}
            show.check(
                "Baton",
                f"has decided {who}'s {len(leads)} leads",
                expected,
                tally,
                "the first claim holds",
            )
            away = {lead["external_id"] for lead in leads if lead["status"] == "not_accepted"}
            what = f"turns away leads of {who}; others than those the other one held"
            why = f"{len(away)}: by number, or by name with domain or telephone, however they are spelt"
            show.check("Baton", what, set(), away ^ plan.TURNED_AWAY[who], why)
    show.check("Baton", "holds leads in all", total, seen)
    await _examples(world)


def _decided(leads: list[Any]) -> bool:
    return bool(leads) and all(lead["status"] != "received" for lead in leads)


async def _examples(world: World) -> None:
    show = world.show
    lead = (await world.caller("partner_a").get(world.path(plan.A_SECOND))).body
    label = f"{lead['decision']['label_en']} {lead['decision']['label_ja']}"
    why = f"Vendor B was first with {world.company(plan.B_FIRST)}; A learns only: {label}"
    show.check(
        "Vendor A",
        f"reads {plan.A_SECOND} {world.company(plan.A_SECOND)}",
        "not_accepted not_available",
        f"{lead['status']} {lead['decision']['reason']}",
        why,
    )
    lead = (await world.caller("partner_b").get(world.path(plan.B_OF_HERO))).body
    until_day = world.clock.local(lead["decision"]["contest_until"])
    why = f"Vendor A holds {world.company(plan.HERO)}; B may contest until {until_day:%a %d %b}"
    show.check(
        "Vendor B",
        f"reads {plan.B_OF_HERO} {world.company(plan.B_OF_HERO)}",
        "not_accepted not_available",
        f"{lead['status']} {lead['decision']['reason']}",
        why,
    )
    second = (await world.caller("partner_a").get(world.path(plan.SAME_COMPANY[1]))).body
    show.check(
        "Vendor A",
        f"reads {plan.SAME_COMPANY[1]} {world.company(plan.SAME_COMPANY[1])}",
        "open",
        second["status"],
        f"a further contact at {plan.SAME_COMPANY[0]}'s company joins its own claim",
    )


async def _leaks(world: World) -> None:
    show = world.show
    outside = {
        "partner_b": "Vendor B",
        "other_tenant_partner": "a vendor of another tenant",
        "other_tenant_admin": "another tenant's admin",
    }
    for name, who in outside.items():
        caller = world.caller(name)
        tails = ("", "/timeline", "/ownership", "/actions", "/notes")
        answers = [await caller.get(world.path(plan.HERO, tail), expect=None) for tail in tails]
        answers.append(
            await caller.post(
                world.path(plan.HERO, "/notes"), {"kind": "context", "body": "?", "visibility": "shared"}, expect=None
            )
        )
        unknown = await caller.get("/v1/leads/lead_aaaaaaaaaaaaaaaaaaaaaaaaaa", expect=None)
        same = {(answer.status, answer.slug, answer.body.get("detail")) for answer in [*answers, unknown]}
        statuses = {answer.status for answer in answers}
        show.check(
            who if who == "Vendor B" else "Outsider",
            f"{'' if who == 'Vendor B' else who + ' '}looks for {plan.HERO} in six ways",
            {404},
            statuses,
            "the same words as for an id that never was" if len(same) == 1 else "",
        )
    mine = await world.caller("partner_b").pages("/v1/leads")
    foreign = [lead["external_id"] for lead in mine if not lead["external_id"].startswith("B-")]
    found = (await world.caller("partner_b").get("/v1/leads", params={"q": world.company(plan.HERO)})).body["items"]
    foreign += [lead["external_id"] for lead in found if not lead["external_id"].startswith("B-")]
    show.check(
        "Vendor B",
        f"lists and searches all it can see: {len(mine)} leads",
        [],
        foreign,
        "none of them vendor A's; the database enforces it too",
    )
