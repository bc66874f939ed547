"""Loads what hangs on leads for `expand`: one statement for each expansion, however many leads there are."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, cast
from uuid import UUID

from jiter import from_json

from app.db import playbooks
from app.db.cases import handover_row
from app.db.session import Transaction
from app.domain.actor import Actor
from app.domain.audience import reads_particulars
from app.domain.company_view import claim_view, company_view, related_view
from app.domain.view import activity_view, clock_view, handover_view, note_view, outcome_view, stamp

Rows = Sequence[Mapping[str, Any]]
Found = dict[UUID, Any]
"""What one expansion gives, by lead."""

MOST_RELATED = 20
"""Related leads shown of one lead, the newest first."""

METADATA = """
left join baton.annotation m on m.tenant_id = x.tenant_id and m.subject_id = x.id and m.organization_id = $2
  and m.partner_id = x.partner_id
"""
"""Joins what the organisation $2 keeps on the rows of `x`."""

STEPS = """
(select jsonb_agg(jsonb_build_object('kind', s.kind, 'items', s.items) order by s.n) from baton.handover_step s
  where s.tenant_id = x.tenant_id and s.handover_id = x.id) as steps
"""
"""The questions and answers of the handover `x`, as a column."""

_OWN_OR_TOLD = "and (x.organization_id = $2 or x.lead_id = any($4::uuid[]))"
_NOTES = f"""
select x.*, m.document as metadata from baton.note x {METADATA}
where x.tenant_id = $1 and x.lead_id = any($3::uuid[]) {_OWN_OR_TOLD}
  and (x.visibility = 'shared' or x.organization_id = $2) order by x.n
"""  # noqa: S608  # constants only
_ACTIVITIES = f"""
select x.*, m.document as metadata from baton.activity x {METADATA}
where x.tenant_id = $1 and x.lead_id = any($3::uuid[]) {_OWN_OR_TOLD} order by x.n
"""  # noqa: S608
_HANDOVERS = f"""
select x.*, m.document as metadata, {STEPS}
from baton.handover x {METADATA}
where x.tenant_id = $1 and x.lead_id = any($3::uuid[]) order by x.n
"""  # noqa: S608
_OUTCOMES = """
select o.*,
  (select jsonb_agg(jsonb_build_object('kind', r.kind, 'version', r.outcome_version, 'reason', r.reason,
    'note', r.note, 'at', r.at) order by r.at, r.id)
    from baton.outcome_response r where r.tenant_id = o.tenant_id and r.outcome_id = o.id
      and r.lead_id = o.lead_id) as responses
from baton.outcome o where o.tenant_id = $1 and o.lead_id = any($2::uuid[]) order by o.n desc
"""
_CLOCKS = """
select * from baton.clock where tenant_id = $1 and lead_id = any($2::uuid[]) order by started_at, n
"""
_CLAIMS = """
select k.lead_id, c.status, c.claimed_at, c.expires_at, baton.now() as now
from baton.claimed_lead k
join baton.claim c on c.tenant_id = k.tenant_id and c.id = k.claim_id and c.partner_id = k.partner_id
where k.tenant_id = $1 and k.lead_id = any($2::uuid[])
"""
# Two look-ups, so that each can use its index; the name's index is in the "C" collation.
_RELATED = f"""
select g.lead_id as of_lead, l.* from unnest($2::uuid[]) as g (lead_id)
join baton.lead own on own.tenant_id = $1 and own.id = g.lead_id
cross join lateral (
  select l.id, l.external_id, l.partner_id, l.company->>'name' as name, l.status, l.stage, l.owner_role,
    l.owner_organization_id, l.outcome->>'result' as result, l.created_at
  from (
    select n.id from baton.lead n
    where n.tenant_id = own.tenant_id and n.company_key collate "C" = own.company_key collate "C"
    union
    select n.id from baton.lead n
    where n.tenant_id = own.tenant_id and n.corporate_number = own.corporate_number
  ) k
  join baton.lead l on l.tenant_id = own.tenant_id and l.id = k.id
  where l.id <> own.id and l.test = own.test and ($3::uuid is null or l.partner_id = $3)
  order by l.created_at desc, l.id desc limit {MOST_RELATED}
) l
"""  # noqa: S608  # a constant


async def _fetch(tx: Transaction, statement: str, *args: object) -> list[dict[str, Any]]:
    return [dict(row) for row in await tx.fetch(statement, *args)]


def _list(held: str | None) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", from_json(held.encode())) if held else []


def _grouped(rows: Rows, key: str, shape: Callable[[Mapping[str, Any]], Any]) -> Found:
    found: Found = {}
    for row in rows:
        found.setdefault(row[key], []).append(shape(row))
    return found


def metadata_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the caller's organisation keeps on a row that `METADATA` was joined to."""
    held = row["metadata"]
    return {"metadata": from_json(held.encode()) if held else {}}


def note_shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a note with the metadata of the caller's organisation."""
    return note_view(row) | metadata_of(row)


def activity_shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return an activity with the metadata of the caller's organisation."""
    return activity_view(row) | metadata_of(row)


def handover_shown(row: Mapping[str, Any], external_id: str) -> dict[str, Any]:
    """Return a handover row that has its `steps` with it."""
    return handover_view(handover_row(row), _list(row["steps"]), external_id) | metadata_of(row)


def _ids(leads: Rows) -> list[UUID]:
    return [lead["id"] for lead in leads]


async def _told(tx: Transaction, actor: Actor, leads: Rows) -> list[UUID]:
    """Return the leads of which the caller's side reads what others wrote."""
    rules = {key: await playbooks.playbook(tx, actor.tenant_id, key) for key in {lead["playbook_id"] for lead in leads}}
    return [lead["id"] for lead in leads if reads_particulars(lead, rules[lead["playbook_id"]], actor.side)]


async def _notes(tx: Transaction, actor: Actor, leads: Rows) -> Found:
    told = await _told(tx, actor, leads)
    rows = await _fetch(tx, _NOTES, actor.tenant_id, actor.organization_id, _ids(leads), told)
    return _grouped(rows, "lead_id", note_shown)


async def _activities(tx: Transaction, actor: Actor, leads: Rows) -> Found:
    told = await _told(tx, actor, leads)
    rows = await _fetch(tx, _ACTIVITIES, actor.tenant_id, actor.organization_id, _ids(leads), told)
    return _grouped(rows, "lead_id", activity_shown)


async def _handovers(tx: Transaction, actor: Actor, leads: Rows) -> Found:
    external = {lead["id"]: lead["external_id"] for lead in leads}
    rows = await _fetch(tx, _HANDOVERS, actor.tenant_id, actor.organization_id, _ids(leads))
    return _grouped(rows, "lead_id", lambda row: handover_shown(row, external[row["lead_id"]]))


def _responses(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{**one, "at": stamp(datetime.fromisoformat(one["at"]))} for one in _list(row["responses"])]


async def _outcome(tx: Transaction, actor: Actor, leads: Rows) -> Found:
    """Each lead's last outcome, with the partner's responses and the versions and outcomes before it."""
    held = {lead["id"]: lead for lead in leads}
    found: Found = {}
    for row in await _fetch(tx, _OUTCOMES, actor.tenant_id, _ids(leads)):
        lead = held[row["lead_id"]]
        shown = outcome_view(row, await playbooks.playbook(tx, actor.tenant_id, lead["playbook_id"]))
        last = found.get(row["lead_id"])
        if last is None:
            now = cast("dict[str, Any]", lead["outcome"] or {})  # says when the partner responded, too
            found[row["lead_id"]] = {**shown, **now, "responses": _responses(row), "earlier": []}
        else:
            last["earlier"].append(shown)
    return found


async def _clocks(tx: Transaction, actor: Actor, leads: Rows) -> Found:
    return _grouped(await _fetch(tx, _CLOCKS, actor.tenant_id, _ids(leads)), "lead_id", clock_view)


async def _company(tx: Transaction, actor: Actor, leads: Rows) -> Found:
    claims = {row["lead_id"]: row for row in await _fetch(tx, _CLAIMS, actor.tenant_id, _ids(leads))}
    found: Found = {}
    for lead in leads:
        playbook = await playbooks.playbook(tx, actor.tenant_id, lead["playbook_id"])
        claim = claims.get(lead["id"])
        shown = claim_view(claim, playbook, claim["now"]) if claim else None
        found[lead["id"]] = company_view(lead, shown)
    return found


async def _related(tx: Transaction, actor: Actor, leads: Rows) -> Found:
    rows = await _fetch(tx, _RELATED, actor.tenant_id, _ids(leads), actor.partner_id)
    return _grouped(rows, "of_lead", related_view)


_Loader = Callable[[Transaction, Actor, Rows], Awaitable[Found]]
_LOADERS: Mapping[str, tuple[_Loader, Callable[[], Any]]] = MappingProxyType(
    {
        "notes": (_notes, list),
        "activities": (_activities, list),
        "handovers": (_handovers, list),
        "outcome": (_outcome, lambda: None),
        "clocks": (_clocks, list),
        "company": (_company, lambda: None),
        "related": (_related, list),
    }
)
NAMES = frozenset(_LOADERS)
"""What `expand` may name."""
UNVERSIONED = frozenset({"company", "related"})
"""Expansions that change without the lead: an answer with one of them has no ETag."""


async def expand(tx: Transaction, actor: Actor, rows: Rows, names: frozenset[str]) -> dict[UUID, dict[str, Any]]:
    """Return what `names` adds to each lead row, by the lead's id: members to lay over its view."""
    found: dict[UUID, dict[str, Any]] = {row["id"]: {} for row in rows}
    if not rows:
        return found
    for name, (load, nothing) in _LOADERS.items():
        if name in names:
            held = await load(tx, actor, rows)
            for lead_id, extras in found.items():
                extras[name] = held.get(lead_id, nothing())
    return found
