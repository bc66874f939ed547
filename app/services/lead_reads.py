"""Reads one lead and what hangs on it, as the caller's side sees it. A lead that it may not see does not exist."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jiter import from_json

from app.db import cases, playbooks
from app.db.cases import REACH, LeadRef
from app.db.expansions import (
    METADATA,
    NAMES,
    STEPS,
    UNVERSIONED,
    activity_shown,
    expand,
    handover_shown,
    note_shown,
)
from app.db.pages import Key, Listing, Order, Page, Wanted, read, shaped
from app.db.session import Transaction
from app.domain.actor import Actor
from app.domain.audience import reads_particulars
from app.domain.errors import NotFoundError, ValidationFailedError
from app.domain.ids import Prefix, show
from app.domain.view import etag, lead_view, marked, ownership_view, stamp

Shape = Callable[[dict[str, Any]], dict[str, Any]]

_IN_ORDER = Order((Key("x.n", "n", int),))


def _of_lead(table: str, columns: str = "", only: str = "") -> Listing:
    return Listing(
        f"select x.*, m.document as metadata{columns} from baton.{table} x {METADATA}"  # noqa: S608  # constants only
        f" where x.tenant_id = $1 and x.lead_id = $3{only}",
        _IN_ORDER,
    )


_OWN_OR_ALL = " and ($4 or x.organization_id = $2)"
_NOTES = _of_lead("note", only=f"{_OWN_OR_ALL} and (x.visibility = 'shared' or x.organization_id = $2)")
_ACTIVITIES = _of_lead("activity", only=_OWN_OR_ALL)
_HANDOVERS = _of_lead("handover", f", {STEPS}")
_TIMELINE = Listing(
    "select x.n, x.id, x.type, x.at, x.actor_role, x.data from baton.event x"
    " where x.tenant_id = $1 and x.lead_id = $2 and x.sides in ('both', $3)",
    _IN_ORDER,
)
_VISIBLE = f"""
select l.id, l.external_id, l.test, l.tenant_id, l.playbook_id, l.stage, l.owner_organization_id, l.due
from baton.lead l where l.tenant_id = $1 and l.id = $2 and {REACH.format("$3", "$4")}
"""  # noqa: S608  # constants only
# The end of the current link is infinity, which is no datetime: SQL says which link is current.
_OWNERSHIP = """
select n, organization_id, role, from_at, until_at = 'infinity' as current,
  case when until_at <> 'infinity' then until_at end as until_at
from baton.ownership where tenant_id = $1 and lead_id = $2 order by n
"""


@dataclass(frozen=True, slots=True)
class Found:
    """A lead as the caller sees it; without a tag where the answer may change and the lead's version does not."""

    shown: dict[str, Any]
    tag: str | None


def expansions(text: str | None) -> frozenset[str]:
    """Return the names in `expand=a,b`. Raises ValidationFailedError for one that is not known."""
    names = frozenset(text.split(",")) if text else frozenset[str]()
    if names - NAMES:
        error = {"in": "query", "pointer": "/expand", "code": "enum", "message": f"One of {', '.join(sorted(NAMES))}."}
        raise ValidationFailedError("There is no such expansion.", errors=[error])
    return names


async def lead(tx: Transaction, actor: Actor, ref: LeadRef, names: frozenset[str]) -> Found:
    """Return the lead with the expansions that `names` asks for. Raises NotFoundError."""
    row = await cases.read_lead(tx, actor, await cases.resolve(tx, actor, ref, lock=False))
    playbook = await playbooks.playbook(tx, actor.tenant_id, row["playbook_id"])
    extras = await expand(tx, actor, [row], names)
    return Found(
        {**lead_view(row, playbook, actor.side), **extras[row["id"]]},
        None if names & UNVERSIONED else etag(row, actor.side),
    )


async def _visible(tx: Transaction, actor: Actor, ref: LeadRef) -> Mapping[str, Any]:
    """Return the columns of `_VISIBLE` of a lead that the caller may see. Raises NotFoundError."""
    lead_id = await cases.resolve(tx, actor, ref, lock=False)
    row = await tx.fetchrow(_VISIBLE, actor.tenant_id, lead_id, actor.partner_id, actor.test)
    if row is None:
        raise NotFoundError("There is no such lead.")
    return row


def _marking(lead: Mapping[str, Any], shape: Shape) -> Shape:
    """Return `shape` for what hangs on a lead: of a test lead it says that it does."""
    return lambda row: marked(shape(row), test=lead["test"])


async def _particulars(
    tx: Transaction, actor: Actor, lead: Mapping[str, Any], wanted: Wanted, listing: Listing
) -> Page[dict[str, Any]]:
    """Return a page of notes or activities; a side without part in the lead's stage reads its own only."""
    playbook = await playbooks.playbook(tx, actor.tenant_id, lead["playbook_id"])
    told = reads_particulars({**lead, "due": from_json(lead["due"].encode())}, playbook, actor.side)
    return await read(tx, wanted, listing, (actor.tenant_id, actor.organization_id, lead["id"], told))


async def notes(tx: Transaction, actor: Actor, ref: LeadRef, wanted: Wanted) -> Page[dict[str, Any]]:
    """Return the notes that the caller may see, in the order in which they were written."""
    lead = await _visible(tx, actor, ref)
    return shaped(await _particulars(tx, actor, lead, wanted, _NOTES), _marking(lead, note_shown))


async def activities(tx: Transaction, actor: Actor, ref: LeadRef, wanted: Wanted) -> Page[dict[str, Any]]:
    """Return the activities in the order in which they were logged."""
    lead = await _visible(tx, actor, ref)
    return shaped(await _particulars(tx, actor, lead, wanted, _ACTIVITIES), _marking(lead, activity_shown))


async def handovers(tx: Transaction, actor: Actor, ref: LeadRef, wanted: Wanted) -> Page[dict[str, Any]]:
    """Return the handovers in the order in which they were requested."""
    lead = await _visible(tx, actor, ref)
    page = await read(tx, wanted, _HANDOVERS, (actor.tenant_id, actor.organization_id, lead["id"]))
    return shaped(page, _marking(lead, lambda row: handover_shown(row, lead["external_id"])))


async def timeline(tx: Transaction, actor: Actor, ref: LeadRef, wanted: Wanted) -> Page[dict[str, Any]]:
    """Return the events that the caller's side sees, in the order in which they happened."""
    lead = await _visible(tx, actor, ref)
    page = await read(tx, wanted, _TIMELINE, (actor.tenant_id, lead["id"], actor.side.value))
    return shaped(page, _marking(lead, _event))


def _event(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": show(Prefix.EVENT, row["id"]),
        "type": row["type"],
        "at": stamp(row["at"]),
        "by_role": row["actor_role"],
        "data": from_json(row["data"].encode()),
    }


async def ownership(tx: Transaction, actor: Actor, ref: LeadRef) -> list[dict[str, Any]]:
    """Return the unbroken chain of owners."""
    lead = await _visible(tx, actor, ref)
    rows = [dict(row) for row in await tx.fetch(_OWNERSHIP, actor.tenant_id, lead["id"])]
    return [marked(link, test=lead["test"]) for link in ownership_view(rows)]
