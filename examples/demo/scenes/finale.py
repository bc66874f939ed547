"""Scene 8: one lead's life, and the books: the funnel, the feedback debt, and whether anything was ownerless."""

import itertools
from dataclasses import asdict
from datetime import datetime
from typing import Any

from examples.demo import plan
from examples.demo.api import side_by_side
from examples.demo.tale import told
from examples.demo.world import World


async def play(world: World) -> None:
    """Tell the hero's story and close the books."""
    show = world.show
    show.scene(
        "8  The life of one lead",
        "一つのリードの記録",
        f"{plan.HERO} {world.company(plan.HERO)}, as its vendor reads it",
    )
    await show.attempt(_story(world))
    show.scene("9  The books", "指標", "both sides read the same figures")
    await show.attempt(_funnel(world))
    await show.attempt(_debt(world))
    await show.attempt(_ownerless(world))


async def _story(world: World) -> None:
    vendor = world.caller("partner_a")
    for event in await vendor.pages(world.path(plan.HERO, "/timeline")):
        world.show.tell(world.clock.local(event["at"]), event["type"], told(event))
    chain = (await vendor.get(world.path(plan.HERO, "/ownership"))).body["items"]
    spans = ", ".join(f"{link['role']} from {world.clock.local(link['from']):%a %H:%M}" for link in chain)
    expected = ["partner", "internal_sales", "customer_success"]
    world.show.check(
        "Baton", "one accountable owner at every moment", expected, [link["role"] for link in chain], spans
    )


async def _funnel(world: World) -> None:
    show = world.show
    rows: list[list[str]] = []
    sides = (("partner_a", "Vendor A", plan.A_FIGURES), ("partner_b", "Vendor B", plan.B_FIGURES))
    for vendor, who, expected in sides:
        mine, asked = {"program": plan.PROGRAM}, {"program": plan.PROGRAM, "partner": world.caller(vendor).organization}
        for which in ("funnel", "reasons"):
            theirs, ours = await _kpi(world, vendor, which, mine), await _kpi(world, "sales", which, asked)
            what = f"{which} of {who}, as it and as the client read it; differences"
            show.check("Baton", what, [], _apart(theirs, ours), f"{len(ours)} rows, counted from one ledger")
        item = (await _kpi(world, "sales", "funnel", asked))[0]
        show.check("Baton", f"counts {who}'s funnel as it was played", asdict(expected), _counted(item))
        rows.append([who, *_row(item)])
    columns = [
        "calls",
        "connected",
        "leads",
        "appointments",
        "held",
        "qualified",
        "won",
        "lost",
        "pending",
        "won_¥",
        "show_rate",
        "win_rate",
    ]
    show.keep("The funnel 商談化の推移", ["", *(name.replace("_", " ") for name in columns)], rows)


def _apart(theirs: list[Any], ours: list[Any]) -> list[Any]:
    return [one for one in theirs if one not in ours] + [one for one in ours if one not in theirs]


async def _kpi(world: World, name: str, which: str, params: dict[str, str]) -> list[dict[str, Any]]:
    return (await world.caller(name).get(f"/v1/kpis/{which}", params=params)).body["items"]


def _counted(item: dict[str, Any]) -> dict[str, Any]:
    rates = {name: f"{rate['numerator']}/{rate['denominator']}" for name, rate in item["rates"].items()}
    return {
        **{name: item[name] for name in asdict(plan.A_FIGURES) if name in item},
        "amount_won": (item["amount_won"] or {}).get("value"),
        "show": rates["show"],
        "qualified_rate": rates["qualified"],
        "win": rates["win"],
    }


def _row(item: dict[str, Any]) -> list[str]:
    names = ["calls", "connected", "leads", "appointments", "meetings_held", "qualified", "won", "lost", "pending"]
    won = int((item["amount_won"] or {"value": "0"})["value"])
    rates = [f"{rate['value'] or 0:.0%}" for rate in (item["rates"]["show"], item["rates"]["win"])]
    return [*(str(item[name]) for name in names), f"{won:,}", *rates]


async def _debt(world: World) -> None:
    sides = ("sales", "partner_a", "partner_b")
    asked = {"program": plan.PROGRAM}
    found = {name: (await world.caller(name).get("/v1/kpis/feedback-debt", params=asked)).body for name in sides}
    figures = {name: body["overdue"] for name, body in found.items()}
    theirs = [item for name in sides[1:] for item in found[name]["items"]]
    open_now = sum(item["open"] for item in theirs)
    what = "outcomes that are still owed to the vendors, none of them late"
    world.show.check("Baton", what, plan.STILL_OWED, open_now, "interim feedback ends no obligation")
    what = "what is owed, as the vendors and as the client read it; differences"
    world.show.check("Baton", what, [], _apart(theirs, found["sales"]["items"]))
    why = "every handover answered, every outcome or news of it told"
    if world.show.check("Baton", "feedback debt that each side sees", dict.fromkeys(sides, 0), figures, why):
        world.show.conclude("feedback debt: 0")


async def _ownerless(world: World) -> None:
    show, sales = world.show, world.caller("sales")
    leads = await sales.pages("/v1/leads")
    now = world.clock.now()
    ownerless: list[str] = []
    links = 0

    async def look(lead: dict[str, Any]) -> None:
        nonlocal links
        chain = (await sales.get(f"/v1/leads/{lead['id']}/ownership")).body["items"]
        links += len(chain)
        if not _unbroken(chain, lead, now):
            ownerless.append(lead["external_id"])

    with show.bar("chains of owners", len(leads)) as done:
        await side_by_side(leads, look, done, 12)
    show.check("Baton", "leads in all", plan.LEADS, len(leads))
    books = (await world.caller("manager").get("/v1/assurance/ownership")).body
    why = "every interval rebuilt from the ledger and held against the stored chains"
    found = {name: books[name] for name in ("leads", "ownerless", "gaps", "overlaps", "disagreements")}
    wanted = {"leads": plan.LEADS, "ownerless": 0, "gaps": [], "overlaps": [], "disagreements": []}
    show.check("Baton", "Baton's own audit of who was accountable when", wanted, found, why)
    why = f"{links} links in {len(leads)} chains: no gap, no overlap, one owner now"
    if show.check("Baton", "leads whose chain of owners is broken", [], ownerless, why):
        show.conclude("ownerless: 0")


def _unbroken(chain: list[dict[str, Any]], lead: dict[str, Any], now: datetime) -> bool:
    """Whether the chain begins with the lead, has neither gap nor overlap, and ends with one owner, the lead's own."""
    if not chain or chain[0]["from"] != lead["created_at"]:
        return False
    counted = [link["n"] for link in chain] == list(range(1, len(chain) + 1))
    joined = all(before["until"] == after["from"] for before, after in itertools.pairwise(chain))
    last = chain[-1]
    current = [link for link in chain if link["until"] is None] == [last]
    owner = lead["owner"]
    same = (last["role"], last["organization_id"]) == (owner["role"], owner["organization_id"])
    return counted and joined and current and same and datetime.fromisoformat(last["from"]) <= now
