"""Reads programs: the list, the playbook in force as data or as a page, the form; keeps the daily totals of calls."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from app.db import playbooks
from app.db.pages import Key, Listing, Order, Page, Wanted, read, shaped
from app.db.session import Transaction
from app.db.writes import Writes
from app.domain import form, ids, playbook_text
from app.domain.actor import Actor, Side
from app.domain.errors import NotFoundError, NotPermittedError, ValidationFailedError
from app.domain.ids import Prefix, show
from app.domain.playbook import Playbook
from app.domain.playbook_text import Language
from app.domain.view import stamp
from app.schemas.leads import LeadIn
from app.schemas.program_reads import CallCountIn

_SELECT = """
select x.id, x.key, x.name, x.status, x.playbook_id, b.in_force_at, x.version, x.product, x.pilot,
  x.created_at, x.updated_at, c.key as calendar,
  array(select e.partner_id from baton.enrolment e
    where e.tenant_id = x.tenant_id and e.program_id = x.id and ($2::uuid is null or e.partner_id = $2)
    order by e.partner_id) as partners
from baton.program x
left join baton.calendar c on c.tenant_id = x.tenant_id and c.id = x.calendar_id
left join baton.playbook b on b.tenant_id = x.tenant_id and b.id = x.playbook_id
where x.tenant_id = $1 and ($2::uuid is null or exists (
  select from baton.enrolment m where m.tenant_id = x.tenant_id and m.program_id = x.id and m.partner_id = $2))
"""
_LIST = Listing(_SELECT, Order((Key("x.created_at", "created_at", datetime), Key("x.id", "id", UUID))))
_ONE = f"{_SELECT} and (x.key = $3 or x.id = $4)"
_SCHEMA = LeadIn.model_json_schema()


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """A partner is shown its own enrolment only, so that it cannot learn who else takes part."""
    return {
        "id": show(Prefix.PROGRAM, row["id"]),
        "key": row["key"],
        "name": row["name"],
        "status": row["status"],
        "product": row["product"],
        "pilot": row["pilot"],
        "calendar": row["calendar"],
        "partners": [show(Prefix.ORGANIZATION, one) for one in row["partners"]],
        "playbook": show(Prefix.PLAYBOOK, row["playbook_id"]) if row["playbook_id"] else None,
        "created_at": stamp(row["created_at"]),
        "updated_at": stamp(row["updated_at"]),
    }


async def programs(tx: Transaction, actor: Actor, wanted: Wanted) -> Page[dict[str, Any]]:
    """Return a page of the programs that the caller's organisation takes part in."""
    return shaped(await read(tx, wanted, _LIST, (actor.tenant_id, actor.partner_id)), _shown)


async def _find(tx: Transaction, actor: Actor, name: str) -> dict[str, Any]:
    row = await tx.fetchrow(_ONE, actor.tenant_id, actor.partner_id, name, ids.read(Prefix.PROGRAM, name))
    if row is None:
        raise NotFoundError("There is no such program.")
    return dict(row)


async def program(tx: Transaction, actor: Actor, name: str) -> tuple[dict[str, Any], str]:
    """Return (program, entity tag) by key or id. Raises NotFoundError."""
    row = await _find(tx, actor, name)
    return _shown(row), f'"{row["version"]}"'


async def _in_force(tx: Transaction, actor: Actor, name: str) -> tuple[dict[str, Any], Playbook]:
    row = await _find(tx, actor, name)
    if row["playbook_id"] is None:
        raise NotFoundError("No playbook is in force for this program yet.")
    return row, await playbooks.playbook(tx, actor.tenant_id, row["playbook_id"])


async def playbook(tx: Transaction, actor: Actor, name: str) -> dict[str, Any]:
    """Return the playbook in force as data. Raises NotFoundError."""
    row, held = await _in_force(tx, actor, name)
    return {
        "id": show(Prefix.PLAYBOOK, held.id),
        "program": held.program,
        "version": held.version,
        "in_force_at": stamp(row["in_force_at"]),
        "document": dict(held.document),
    }


async def playbook_page(tx: Transaction, actor: Actor, name: str, media_type: str, language: Language) -> str:
    """Return the playbook in force as a page, `text/markdown` or `text/html`. Raises NotFoundError."""
    _, held = await _in_force(tx, actor, name)
    write = playbook_text.html if media_type == "text/html" else playbook_text.markdown
    return write(held, language)


async def context_form(tx: Transaction, actor: Actor, name: str) -> dict[str, Any]:
    """Return the form of the playbook in force: its questions, and the same as JSON Schema. Raises NotFoundError."""
    _, held = await _in_force(tx, actor, name)
    return {
        "program": held.program,
        "version": held.version,
        "fields": form.fields(held),
        "schema": form.schema(held, _SCHEMA),
    }


async def put_call_count(tx: Transaction, actor: Actor, name: str, day: date, body: CallCountIn) -> dict[str, Any]:
    """Keep the totals of one day's calls to numbers that became no lead; sent again they replace what was sent."""
    if actor.side is not Side.PARTNER:
        raise NotPermittedError("A partner counts its own calls.")
    if actor.test:
        raise NotPermittedError("What a test client does is counted nowhere.")
    row, now = await _find(tx, actor, name), await tx.now()
    if day > now.date() + timedelta(days=1):
        error = {"pointer": "/date", "in": "path", "code": "range", "message": "A day that has begun."}
        raise ValidationFailedError("Calls are counted once they were made.", errors=[error])
    writes = Writes()
    key = {
        "tenant_id": actor.tenant_id,
        "partner_id": actor.organization_id,
        "program_id": row["id"],
        "on_date": day,
    }
    writes.upsert("call_count", key, {"calls": body.calls, "connected": body.connected, "updated_at": now})
    await writes.run(tx)
    return {"program": row["key"], "date": day.isoformat(), "calls": body.calls, "connected": body.connected}
