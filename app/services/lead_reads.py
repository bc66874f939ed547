"""Reads one lead and what hangs on it, as the caller's side sees it. A lead that it may not see does not exist."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

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
from app.domain.errors import NotFoundError, ValidationFailedError
from app.domain.ids import Prefix, show
from app.domain.view import etag, lead_view, marked, ownership_view, stamp

_IN_ORDER = Order((Key("x.n", "n", int),))


def _of_lead(table: str, columns: str = "") -> Listing:
    return Listing(
        f"select x.*, m.document as metadata{columns} from baton.{table} x {METADATA}"  # noqa: S608  # constants only
        " where x.tenant_id = $1 and x.lead_id = $3",
        _IN_ORDER,
    )


_NOTES = _of_lead("note")
_ACTIVITIES = _of_lead("activity")
_HANDOVERS = _of_lead("handover", f", {STEPS}")
_TIMELINE = Listing(
    "select x.n, x.id, x.type, x.at, x.actor_role, x.data from baton.event x where x.tenant_id = $1 and x.lead_id = $2",
    _IN_ORDER,
)
_VISIBLE = f"""
select l.id, l.external_id, l.test from baton.lead l where l.tenant_id = $1 and l.id = $2 and {REACH.format("$3", "$4")}
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


@dataclass(frozen=True, slots=True)
class _Visible:
    """A lead that the caller may see; what hangs on a test lead says that it does."""

    id: UUID
    external_id: str
    test: bool

    def marks(self, shape: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[dict[str, Any]], dict[str, Any]]:
        return lambda row: marked(shape(row), test=self.test)


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


async def _visible(tx: Transaction, actor: Actor, ref: LeadRef) -> "_Visible":
    """Return the lead, as far as it names what hangs on it. Raises NotFoundError."""
    lead_id = await cases.resolve(tx, actor, ref, lock=False)
    row = await tx.fetchrow(_VISIBLE, actor.tenant_id, lead_id, actor.partner_id, actor.test)
    if row is None:
        raise NotFoundError("There is no such lead.")
    return _Visible(row["id"], row["external_id"], row["test"])


async def notes(tx: Transaction, actor: Actor, ref: LeadRef, wanted: Wanted) -> Page[dict[str, Any]]:
    """Return the notes that the caller may see, in the order in which they were written."""
    lead = await _visible(tx, actor, ref)
    page = await read(tx, wanted, _NOTES, (actor.tenant_id, actor.organization_id, lead.id))
    return shaped(page, lead.marks(note_shown))


async def activities(tx: Transaction, actor: Actor, ref: LeadRef, wanted: Wanted) -> Page[dict[str, Any]]:
    """Return the activities in the order in which they were logged."""
    lead = await _visible(tx, actor, ref)
    page = await read(tx, wanted, _ACTIVITIES, (actor.tenant_id, actor.organization_id, lead.id))
    return shaped(page, lead.marks(activity_shown))


async def handovers(tx: Transaction, actor: Actor, ref: LeadRef, wanted: Wanted) -> Page[dict[str, Any]]:
    """Return the handovers in the order in which they were requested."""
    lead = await _visible(tx, actor, ref)
    page = await read(tx, wanted, _HANDOVERS, (actor.tenant_id, actor.organization_id, lead.id))
    return shaped(page, lead.marks(lambda row: handover_shown(row, lead.external_id)))


async def timeline(tx: Transaction, actor: Actor, ref: LeadRef, wanted: Wanted) -> Page[dict[str, Any]]:
    """Return the events that the caller's side sees, in the order in which they happened."""
    lead = await _visible(tx, actor, ref)
    return shaped(await read(tx, wanted, _TIMELINE, (actor.tenant_id, lead.id)), lead.marks(_event))


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
    rows = [dict(row) for row in await tx.fetch(_OWNERSHIP, actor.tenant_id, lead.id)]
    return [marked(link, test=lead.test) for link in ownership_view(rows)]
