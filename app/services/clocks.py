"""Lists what is owed, and explains the arithmetic of a clock interval by interval."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from app.db import cases, playbooks
from app.db.cases import REACH, LeadRef
from app.db.pages import Key, Listing, Order, Page, Wanted, read, shaped
from app.db.session import Transaction
from app.domain import ids
from app.domain.actor import Actor
from app.domain.errors import NotFoundError
from app.domain.explanation import Explanation, closed_days, explained
from app.domain.view import clock_view, marked, stamp
from app.schemas.queries import ClockFilter

_COLUMNS = "x.*, l.external_id"
_FROM = """
from baton.clock x
join baton.lead l on l.tenant_id = x.tenant_id and l.id = x.lead_id and l.partner_id = x.partner_id
"""
_LIST = Listing(
    f"""
select {_COLUMNS} {_FROM}
where x.tenant_id = $1 and x.test = $3 and ($4::uuid is null or x.partner_id = $4)
  and ($5::text is null or x.owed_organization_id = $2)
  and ($6::uuid is null or x.lead_id = $6)
  and x.state = any($7::text[])
""",
    Order((Key("x.due_at", "due_at", datetime), Key("x.n", "n", int))),
)
_ONE = f"""
select {_COLUMNS}, c.key as calendar, c.version as calendar_version, c.document as calendar_document {_FROM}
join baton.calendar c on c.tenant_id = x.tenant_id and c.id = x.calendar_id
where x.tenant_id = $1 and x.id = $2 and {REACH.format("$3", "$4")}
"""
_OWED = ("running", "breached")


def read_id(text: str) -> UUID:
    """Return the id of a clock in a path. Raises NotFoundError for a malformed one."""
    found = ids.read(ids.Prefix.CLOCK, text)
    if found is None:
        raise NotFoundError("There is no such clock.")
    return found


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    return marked({**clock_view(row), "external_id": row["external_id"]}, test=row["test"])


async def clocks(tx: Transaction, actor: Actor, asked: ClockFilter, wanted: Wanted) -> Page[dict[str, Any]]:
    """Return a page of clocks in due order; without a `state`, those that are still owed."""
    lead_id = await cases.resolve(tx, actor, LeadRef.read(asked.lead), lock=False) if asked.lead else None
    states = [asked.state] if asked.state else list(_OWED)
    test = asked.test or actor.test
    args = (actor.tenant_id, actor.organization_id, test, actor.partner_id, asked.owed_by, lead_id, states)
    return shaped(await read(tx, wanted, _LIST, args), _shown)


async def explain(tx: Transaction, actor: Actor, clock_id: UUID) -> dict[str, Any]:
    """Return how a clock's due time came about. Raises NotFoundError."""
    found = await tx.fetchrow(_ONE, actor.tenant_id, clock_id, actor.partner_id, actor.test)
    if found is None:
        raise NotFoundError("There is no such clock.")
    row = dict(found)
    calendar = (await playbooks.calendars(tx, actor.tenant_id, [row["calendar_id"]]))[row["calendar_id"]]
    playbook = await playbooks.playbook(tx, actor.tenant_id, row["playbook_id"])
    rule = playbook.clocks.get(row["name"])
    explanation = explained(calendar, row["started_at"], row["due_at"], rule.within if rule else None)
    zone = ZoneInfo(calendar.time_zone)
    first, last = (row[name].astimezone(zone).date() for name in ("started_at", "due_at"))
    labels = _labels(row["calendar_document"])
    return {
        "clock": _shown(row),
        "playbook": playbook.cite(f"clocks.{row['name']}"),
        "within": {rule.within.unit: rule.within.amount} if rule else None,
        "calendar": {"key": row["calendar"], "version": row["calendar_version"], "time_zone": calendar.time_zone},
        "basis": explanation.basis,
        **_counted(explanation, zone),
        "closed": [
            {"on": day.isoformat(), "label": labels.get(day.isoformat())} for day in closed_days(calendar, first, last)
        ],
        "due_at": stamp(row["due_at"]),
    }


def _counted(explanation: Explanation, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "unit": explanation.unit,
        "minutes": explanation.minutes,
        "intervals": [
            {
                "from": stamp(interval.start),
                "until": stamp(interval.end),
                "local": f"{interval.start.astimezone(zone):%Y-%m-%d %H:%M}-{interval.end.astimezone(zone):%H:%M}",
                "minutes": interval.minutes,
            }
            for interval in explanation.intervals
        ],
        "days": [
            {"n": day.n, "on": day.at.astimezone(zone).date().isoformat(), "at": stamp(day.at)}
            for day in explanation.days
        ],
    }


def _labels(stored: str) -> dict[str, str | None]:
    """Return why a calendar is closed on each day of its closures, as far as it says."""
    closures = cast("list[str | dict[str, str]]", playbooks.calendar_document(stored).get("closures", []))
    return {closure["on"]: closure.get("label") for closure in closures if isinstance(closure, dict)}
