"""Scene 8: one lead's life, and the books: the funnel, the feedback debt, and whether anything was ownerless."""

import itertools
from dataclasses import asdict
from datetime import datetime
from typing import Any

from examples.demo import plan
from examples.demo.api import side_by_side
from examples.demo.console import Mark
from examples.demo.world import World

_JAPANESE = {
    "lead.received": "登録",
    "lead.accepted": "受付",
    "lead.updated": "更新",
    "note.added": "メモ",
    "activity.logged": "活動",
    "stage.entered": "段階",
    "ownership.changed": "担当",
    "handover.requested": "引き継ぎ依頼",
    "handover.accepted": "受領",
    "handover.returned": "差し戻し",
    "handover.answered": "回答",
    "outcome.closed": "結果",
    "outcome.acknowledged": "確認",
}


async def play(world: World) -> None:
    """Tell the hero's story and close the books."""
    world.show.scene(
        "8  The life of one lead",
        "一つのリードの記録",
        f"{plan.HERO} {world.company(plan.HERO)}, as its vendor reads it",
    )
    await world.show.attempt(_story(world))
    world.show.scene("9  The books", "指標", "both sides read the same figures")
    await world.show.attempt(_funnel(world))
    await world.show.attempt(_debt(world))
    await _ownerless(world)


async def _story(world: World) -> None:
    events = await world.caller("partner_a").pages(world.path(plan.HERO, "/timeline"))
    for event in events:
        label = _JAPANESE.get(event["type"], "")
        when = world.clock.local(event["at"])
        world.show.say(f"        {when:%a %d %H:%M}  {event['type']:<22} {_told(event):<44} {label}", "")
    expected = ["partner", "internal_sales", "customer_success"]
    chain = (await world.caller("partner_a").get(world.path(plan.HERO, "/ownership"))).body["items"]
    spans = " → ".join(f"{link['role']} {world.clock.local(link['from']):%a %H:%M}" for link in chain)
    world.show.check("Baton", "always had one accountable owner", expected, [link["role"] for link in chain], spans)


def _told(event: dict[str, Any]) -> str:
    data = event["data"]
    by = event.get("by_role") or ""
    said = {
        "lead.received": lambda: f"{by}, owner {data['owner']['role']}",
        "activity.logged": lambda: f"{by}: {data['kind']} {data['disposition']}",
        "note.added": lambda: f"{by}: {data['kind']}",
        "stage.entered": lambda: f"{by}: {data.get('stage') or data.get('to')}",
        "handover.requested": lambda: f"{data['from_role']} → {data['to_role']}",
        "outcome.closed": lambda: f"{by}: {data['result']}, {data['reason']}",
        "ownership.changed": lambda: f"now {(data.get('owner') or data.get('to') or {}).get('role', '')}",
    }.get(event["type"])
    try:
        return said() if said else by
    except (KeyError, AttributeError, TypeError):
        return by


async def _funnel(world: World) -> None:
    show = world.show
    rows: list[list[str]] = []
    sides = (("partner_a", "Vendor A", plan.A_FIGURES), ("partner_b", "Vendor B", plan.B_FIGURES))
    for vendor, who, expected in sides:
        asked = {"program": plan.PROGRAM, "partner": world.caller(vendor).organization}
        theirs = await _kpi(world, vendor, "funnel", {"program": plan.PROGRAM})
        ours = await _kpi(world, "sales", "funnel", asked)
        item = ours["items"][0]
        show.check("Baton", f"shows {who}'s funnel alike to both sides", theirs["items"], ours["items"])
        show.check(
            "Baton",
            f"has counted {who}'s funnel as it was played",
            asdict(expected),
            _counted(item),
            "counted from the ledger, nothing typed in",
        )
        rows.append([who, *_row(item)])
        theirs, ours = (
            await _kpi(world, vendor, "reasons", {"program": plan.PROGRAM}),
            await _kpi(world, "sales", "reasons", asked),
        )
        show.check("Baton", f"shows {who}'s reasons alike to both sides", theirs["items"], ours["items"])
    show.table(
        "The funnel",
        [
            "",
            "calls",
            "connected",
            "leads",
            "appointments",
            "held",
            "qualified 有効商談",
            "won",
            "lost",
            "pending",
            "won ¥",
            "win rate",
        ],
        rows,
    )
    show.say()


async def _kpi(world: World, name: str, which: str, params: dict[str, str]) -> dict[str, Any]:
    return (await world.caller(name).get(f"/v1/kpis/{which}", params=params)).body


def _counted(item: dict[str, Any]) -> dict[str, Any]:
    names = [name for name in asdict(plan.A_FIGURES) if name != "amount_won"]
    return {**{name: item[name] for name in names}, "amount_won": (item["amount_won"] or {}).get("value")}


def _row(item: dict[str, Any]) -> list[str]:
    figures = plan.Figures(**_counted(item))
    win = item["rates"]["win"]
    shown = [figures.calls, figures.connected, figures.leads, figures.appointments, figures.meetings_held]
    shown += [figures.qualified, figures.won, figures.lost, figures.pending]
    return [
        *map(str, shown),
        f"{int(figures.amount_won):,}",
        f"{win['numerator']}/{win['denominator']} {win['value']:.0%}",
    ]


async def _debt(world: World) -> None:
    figures = {}
    for name in ("sales", "partner_a", "partner_b"):
        figures[name] = (await _kpi(world, name, "feedback-debt", {"program": plan.PROGRAM}))["overdue"]
    world.show.check(
        "Baton",
        "feedback debt: what each side sees",
        {"sales": 0, "partner_a": 0, "partner_b": 0},
        figures,
        "every handover answered, every outcome or news of it told",
    )


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
    show.check("Baton", "keeps leads in all", plan.LEADS, len(leads))
    show.check(
        "Baton",
        f"ownerless: {len(ownerless)}",
        [],
        ownerless,
        f"{links} links over {len(leads)} leads: no gap, no overlap, one owner now",
    )
    if not ownerless:
        show.step("Baton", "never ownerless, never silent, never lost, never leaked, never vague", "", "", Mark.TOLD)


def _unbroken(chain: list[dict[str, Any]], lead: dict[str, Any], now: datetime) -> bool:
    """Whether the chain begins with the lead, has neither gap nor overlap, and ends with one owner, the lead's own."""
    if (
        not chain
        or chain[0]["from"] != lead["created_at"]
        or [link["n"] for link in chain] != list(range(1, len(chain) + 1))
    ):
        return False
    joined = all(before["until"] == after["from"] for before, after in itertools.pairwise(chain))
    current = [link for link in chain if link["until"] is None]
    last = chain[-1]
    same = (last["role"], last["organization_id"]) == (lead["owner"]["role"], lead["owner"]["organization_id"])
    return joined and current == [last] and same and datetime.fromisoformat(last["from"]) <= now
