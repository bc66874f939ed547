"""Lists leads as the caller's side sees them: one statement for a page, its rows shown without a second look-up."""

import re
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from jiter import from_json

from app.db import playbooks
from app.db.pages import Key, Listing, Order, Page, Wanted, read
from app.db.session import Transaction
from app.domain import ids
from app.domain.actor import Actor, Side
from app.domain.matching import (
    corporate_number_is_valid,
    normalise_company_name,
    normalise_domain,
    normalise_phone,
)
from app.domain.view import lead_view
from app.schemas.queries import LeadFilter

_DOCUMENTS = (
    "company", "provenance", "context", "missing", "decision", "outcome", "due", "contact", "metadata", "claim",
)  # fmt: skip
_COLUMNS = """
l.tenant_id, l.id, l.partner_id, l.external_id, l.playbook_id, l.test, l.status, l.stage, l.owner_organization_id,
l.owner_role, l.company, l.provenance, l.context, l.completeness, l.missing, l.decision, l.outcome, l.due, l.due_at,
l.updated_internal, l.updated_partner, l.created_at
"""
# The page is cut before anything is looked up for it, and looked up row by row: each is one probe of a primary key,
# whatever the planner thinks of the sizes of these tables.
_AROUND = """
select l.*,
  (select c.document from baton.contact c
    where c.tenant_id = l.tenant_id and c.lead_id = l.id and c.partner_id = l.partner_id) as contact,
  (select a.assignee from baton.assignment a
    where a.tenant_id = l.tenant_id and a.lead_id = l.id and a.organization_id = $2
      and a.partner_id = l.partner_id) as assignee,
  (select m.document from baton.annotation m
    where m.tenant_id = l.tenant_id and m.subject_id = l.id and m.organization_id = $2
      and m.partner_id = l.partner_id) as metadata,
  (select json_build_object('status', k.status, 'claimed_at', k.claimed_at, 'expires_at', k.expires_at)
    from baton.claimed_lead j
    join baton.claim k on k.tenant_id = j.tenant_id and k.id = j.claim_id and k.partner_id = j.partner_id
    where j.tenant_id = l.tenant_id and j.lead_id = l.id and j.partner_id = l.partner_id) as claim
from ({}) l
"""
_PROGRAM = """l.program_id = (
  select p.id from baton.program p where p.tenant_id = $1 and (p.key = {0} or p.id = {1}) limit 1
)"""
# Prefixes by the operators of the index: they may run before row-level security, LIKE may not.
_PREFIX = """(l.company_key collate "C" ~>=~ {0} and l.company_key collate "C" ~<~ {1})"""
_LAST = "\U0010ffff"
"""Sorts after every character that a normal form can hold."""
_NEVER = {False: "9000-01-01 00:00:00+00", True: "1000-01-01 00:00:00+00"}
"""Where a lead that nothing is due on stands: last in either direction."""
_EXTERNAL_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_NUMBER = re.compile(r"[0-9]{13}")


class _Conditions:
    """The WHERE clause of one filter: its text depends on which filters are given, its values are parameters."""

    def __init__(self, actor: Actor) -> None:
        self.args: list[object] = [actor.tenant_id, actor.organization_id]
        self.texts = ["l.tenant_id = $1"]

    def add(self, text: str, *values: object) -> None:
        """Add a condition that all rows meet; `{0}` and on are its values."""
        self.texts.append(self.placed(text, *values))

    def placed(self, text: str, *values: object) -> str:
        """Return a condition with its values made parameters."""
        places = [f"${len(self.args) + n}" for n in range(1, len(values) + 1)]
        self.args.extend(values)
        return text.format(*places)


def _company(text: str) -> tuple[str, str]:
    number = _NUMBER.fullmatch(text) is not None and corporate_number_is_valid(text)
    return ("corporate_number", text) if number else ("company_key", normalise_company_name(text))


def _search(conditions: _Conditions, q: str) -> None:
    """Add what `q` may mean; a text that can be no number or domain is not looked for among them."""
    readings: list[tuple[str, str | None]] = [
        ("l.external_id = {0}", q if _EXTERNAL_ID.fullmatch(q) else None),
        ("l.corporate_number = {0}", q if _NUMBER.fullmatch(q) else None),
        ("l.domain = {0}", normalise_domain(q)),
        ("l.phone = {0}", normalise_phone(q)),
    ]
    texts = [conditions.placed(text, value) for text, value in readings if value is not None]
    if prefix := normalise_company_name(q):
        texts.append(conditions.placed(_PREFIX, prefix, prefix + _LAST))
    conditions.texts.append(f"({' or '.join(texts)})" if texts else "false")


def _conditions(actor: Actor, asked: LeadFilter) -> _Conditions:
    held = _Conditions(actor)
    if actor.partner_id is not None:
        held.add("l.partner_id = {0}", actor.partner_id)
    held.texts.append("l.test" if asked.test or actor.test else "not l.test")
    for name in ("stage", "status", "owner_role", "external_id"):
        if (value := getattr(asked, name)) is not None:
            held.add(f"l.{name} = {{0}}", value)
    if asked.program is not None:
        held.add(_PROGRAM, asked.program, ids.read(ids.Prefix.PROGRAM, asked.program))
    if asked.updated_since is not None:
        held.add(f"l.updated_{actor.side.value} >= {{0}}", asked.updated_since)
    if asked.due_before is not None:
        held.add("l.due_at < {0}", asked.due_before)
    if asked.company is not None:
        column, value = _company(asked.company)
        collation = ' collate "C"' if column == "company_key" else ""
        held.add(f"l.{column}{collation} = {{0}}", value)
    if asked.q is not None:
        _search(held, asked.q)
    return held


@lru_cache(maxsize=64)
def _order(sort: str, side: Side, *, all_due: bool) -> Order:
    descending, column = sort.startswith("-"), sort.removeprefix("-")
    names = {"updated_at": f"updated_{side.value}"}
    column = names.get(column, column)
    first = Key(f"l.{column}", column, datetime)
    if column == "due_at" and not all_due:
        first = Key(f"coalesce(l.due_at, '{_NEVER[descending]}'::timestamptz)", "placed_at", datetime)
    return Order((first, Key("l.id", "id", UUID)), descending)


@lru_cache(maxsize=512)
def _listing(texts: tuple[str, ...], order: Order) -> Listing:
    first = order.keys[0]
    columns = f"{_COLUMNS}, {first.expression} as placed_at" if first.column == "placed_at" else _COLUMNS
    select = f"select {columns} from baton.lead l where {' and '.join(texts)}"  # noqa: S608  # the program's own texts
    return Listing(select, order, _AROUND)


async def leads(tx: Transaction, actor: Actor, asked: LeadFilter, wanted: Wanted) -> Page[dict[str, Any]]:
    """Return a page of the leads that the caller may see and asks for."""
    conditions = _conditions(actor, asked)
    order = _order(asked.sort, actor.side, all_due=asked.due_before is not None)
    page = await read(tx, wanted, _listing(tuple(conditions.texts), order), conditions.args)
    return Page([await _shown(tx, actor, row) for row in page.items], page.next_cursor)


async def _shown(tx: Transaction, actor: Actor, row: dict[str, Any]) -> dict[str, Any]:
    for name in _DOCUMENTS:
        if (text := row[name]) is not None:
            row[name] = from_json(text.encode())
    return lead_view(row, await playbooks.playbook(tx, actor.tenant_id, row["playbook_id"]), actor.side)
