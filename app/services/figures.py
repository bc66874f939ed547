"""Shapes figures from counts: the funnel with its rates, reasons, and the feedback that is owed and late."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

from app.db import figures, playbooks
from app.db.figures import Scope
from app.db.session import Transaction
from app.domain import ids
from app.domain.actor import Actor
from app.domain.business_time import between
from app.domain.errors import NotFoundError, ValidationFailedError
from app.domain.funnel import Amount, FunnelCounts, rates
from app.domain.ids import Prefix, show
from app.domain.playbook import Playbook
from app.domain.view import reason, stamp
from app.schemas.figures import DebtFilter, FigureFilter

_PROGRAM = """
select p.id from baton.program p
where p.tenant_id = $1 and (p.key = $2 or p.id = $3) and ($4::uuid is null or exists (
  select from baton.enrolment m where m.tenant_id = p.tenant_id and m.program_id = p.id and m.partner_id = $4))
"""
_NOBODY = UUID(int=0)
_COUNTS = (
    "calls", "connected", "connected_leads", "leads", "key_person_leads", "appointments", "appointments_due",
    "meetings_held", "qualified", "won", "lost", "pending",
)  # fmt: skip
_SHOWN = tuple(name for name in _COUNTS if name not in {"connected_leads", "appointments_due"})

Row = Mapping[str, Any]


async def _program(tx: Transaction, actor: Actor, named: str | None) -> UUID | None:
    if named is None:
        return None
    found = await tx.fetchval(_PROGRAM, actor.tenant_id, named, ids.read(Prefix.PROGRAM, named), actor.partner_id)
    if found is None:
        raise NotFoundError("There is no such program.")
    return cast("UUID", found)


def _partner(actor: Actor, named: str | None) -> UUID | None:
    """Return whose leads are counted: those of the partner that is named, for a partner never those of another."""
    found = ids.read(Prefix.ORGANIZATION, named) if named else None
    if named and found is None:
        error = {"in": "query", "pointer": "/partner", "code": "format", "message": "The id of an organisation."}
        raise ValidationFailedError("The partner is named by its id.", errors=[error])
    if actor.partner_id is None:
        return found
    return actor.partner_id if found in (None, actor.partner_id) else _NOBODY


async def _scope(tx: Transaction, actor: Actor, asked: FigureFilter) -> Scope:
    program_id = await _program(tx, actor, asked.program)
    partner_id = _partner(actor, asked.partner)
    return Scope(
        actor.tenant_id, program_id, partner_id, asked.first, asked.last, asked.view, asked.group_by, actor.test
    )


def _group(asked: FigureFilter, key: str | None) -> str | None:
    return show(Prefix.ORGANIZATION, UUID(key)) if key is not None and asked.group_by == "partner" else key


def _by_key(rows: Iterable[Row]) -> list[tuple[str | None, list[Row]]]:
    """Return the rows of each group, in the order of their keys (version 10 after 9), the group without one last."""
    found: dict[str | None, list[Row]] = {}
    for row in rows:
        found.setdefault(row["key"], []).append(row)
    return sorted(found.items(), key=lambda item: (item[0] is None, _natural(item[0] or "")))


def _natural(key: str) -> tuple[str, int]:
    name, _, number = key.rpartition("/")
    return (name, int(number)) if name and number.isdecimal() else (key, 0)


def _sum(rows: Iterable[Row], name: str, currency: str) -> Amount | None:
    values = [cast("Decimal", row[name]) for row in rows if row[name] is not None]
    return Amount(sum(values, Decimal(0)), currency) if values else None


def _money(amount: Amount | None) -> dict[str, str] | None:
    return {"value": amount.text, "currency": amount.currency} if amount else None


def _item(group: str | None, rows: list[Row]) -> dict[str, Any]:
    times: dict[str, int] = dict.fromkeys(_COUNTS, 0)
    for row in rows:
        if row["name"] in times:
            times[row["name"]] += row["times"]
    stated = [row for row in rows if row["name"] == "won" and row["currency"] is not None]
    only = stated[0]["currency"] if len(stated) == 1 else None
    counts = FunnelCounts(
        **times,
        amount_won=_sum(stated, "amount", only) if only else None,
        annual_value_won=_sum(stated, "annual_value", only) if only else None,
    )
    shares = asdict(rates(counts))
    acv = rates(counts).acv
    shares["acv"] = {"numerator": _money(acv.numerator), "denominator": acv.denominator, "value": _money(acv.value)}
    return {
        "group": group,
        **{name: times[name] for name in _SHOWN},
        "amount_won": _money(counts.amount_won),
        "annual_value_won": _money(counts.annual_value_won),
        "by_currency": [_in_currency(row) for row in sorted(stated, key=_currency)] if len(stated) > 1 else [],
        "rates": shares,
    }


def _currency(row: Row) -> str:
    return row["currency"]


def _in_currency(row: Row) -> dict[str, Any]:
    currency = row["currency"]
    return {
        "currency": currency,
        "won": row["times"],
        "amount_won": _money(_sum([row], "amount", currency)),
        "annual_value_won": _money(_sum([row], "annual_value", currency)),
    }


async def funnel(tx: Transaction, actor: Actor, asked: FigureFilter) -> dict[str, Any]:
    """Return the funnel; without a grouping it has one item, also where nothing was counted."""
    rows = await figures.funnel(tx, await _scope(tx, actor, asked))
    groups = _by_key(rows)
    if not groups and asked.group_by is None:
        groups.append((None, []))
    return {
        "as_of": stamp(await tx.now()),
        "view": asked.view,
        "group_by": asked.group_by,
        "items": [_item(_group(asked, key), held) for key, held in groups],
    }


def _choice_set(playbook: Playbook, kind: str) -> str:
    rule = playbook.outcomes.get(kind)
    return rule.reasons if rule else kind


async def reasons(tx: Transaction, actor: Actor, asked: FigureFilter) -> dict[str, Any]:
    """Return the reasons that were given, the most frequent first within each group."""
    items: list[dict[str, Any]] = []
    for key, rows in _by_key(await figures.reasons(tx, await _scope(tx, actor, asked))):
        for row in sorted(rows, key=lambda row: (-row["times"], -row["secondary"], row["kind"], row["code"] or "")):
            playbook = await playbooks.playbook(tx, actor.tenant_id, row["playbook_id"])
            items.append(
                {
                    "group": _group(asked, key),
                    "kind": row["kind"],
                    "reason": reason(playbook, _choice_set(playbook, row["kind"]), row["code"]),
                    "count": row["times"],
                    "secondary": row["secondary"],
                }
            )
    return {"as_of": stamp(await tx.now()), "view": asked.view, "group_by": asked.group_by, "items": items}


async def feedback_debt(tx: Transaction, actor: Actor, asked: DebtFilter) -> dict[str, Any]:
    """Return the answers, feedback and outcomes that are owed, by partner and owing role."""
    now = await tx.now()
    program_id = await _program(tx, actor, asked.program)
    partner_id = _partner(actor, asked.partner)
    rows = await figures.owed(tx, actor.tenant_id, program_id, partner_id, sandboxed=actor.test)
    calendars = await playbooks.calendars(tx, actor.tenant_id, {row["calendar_id"] for row in rows})
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        rule = (await playbooks.playbook(tx, actor.tenant_id, row["playbook_id"])).clocks.get(row["name"])
        if rule is None or not rule.feedback_debt:
            continue
        key = (show(Prefix.ORGANIZATION, row["partner_id"]), row["owed_role"])
        item = found.setdefault(
            key, {"partner": key[0], "role": key[1], "open": 0, "overdue": 0, "oldest_business_minutes": None}
        )
        item["open"] += row["open"]
        item["overdue"] += row["overdue"]
        if row["oldest"] is not None:
            late = int(between(calendars[row["calendar_id"]], row["oldest"], now))
            item["oldest_business_minutes"] = max(late, item["oldest_business_minutes"] or 0)
    items = [found[key] for key in sorted(found)]
    return {"as_of": stamp(now), "overdue": sum(item["overdue"] for item in items), "items": items}
