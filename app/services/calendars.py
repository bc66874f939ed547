"""Business calendars: versioned, so that what ran under an old version can still be explained."""

import re
from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

from pydantic_core import to_json

from app.db.playbooks import calendar_document
from app.db.session import Transaction
from app.db.writes import Writes
from app.domain.actor import Actor, Side
from app.domain.business_time import parse_calendar
from app.domain.errors import NotPermittedError, ValidationFailedError
from app.domain.view import stamp

KEY: Final = re.compile(r"^[a-z0-9][a-z0-9-]{0,63}$")
"""How a calendar may be called; the first PUT gives it its name, so that another one is not valid, not missing."""

_NEWEST = """
select distinct on (key) id, key, version, document, created_at from baton.calendar
where tenant_id = $1 and ($2::text is null or key = $2) order by key, version desc
"""
_MOVE_PROGRAMS = """
update baton.program set calendar_id = $3 where tenant_id = $1 and calendar_id in (
  select id from baton.calendar where tenant_id = $1 and key = $2)
"""
_MOVE_ORGANIZATIONS = """
update baton.organization set calendar_id = $3 where tenant_id = $1 and calendar_id in (
  select id from baton.calendar where tenant_id = $1 and key = $2)
"""


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "key": row["key"],
        "version": row["version"],
        **calendar_document(row["document"]),
        "created_at": stamp(row["created_at"]),
    }


def _needs_admin(actor: Actor) -> None:
    """A calendar's key may name another partner: the client's own admin alone reads and writes them."""
    if actor.side is not Side.INTERNAL or "admin" not in actor.roles:
        raise NotPermittedError("Only an admin of the tenant's own organisation may do this.")


async def listed(tx: Transaction, actor: Actor) -> list[dict[str, Any]]:
    """Return the newest version of every calendar of the tenant. Raises NotPermittedError."""
    _needs_admin(actor)
    return [_shown(row) for row in await tx.fetch(_NEWEST, actor.tenant_id, None)]


async def put(tx: Transaction, actor: Actor, key: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """Write the next version of a calendar; programs and organisations that ran on the last one run on it from now.

    Clocks that are running keep the version they started on. Raises ValidationFailedError with the path of the first
    wrong part.
    """
    _needs_admin(actor)
    if KEY.fullmatch(key) is None:
        message = "1 to 64 lower case letters, digits and hyphens, no hyphen first."
        error = {"pointer": "/key", "in": "path", "code": "pattern", "message": message}
        raise ValidationFailedError("The calendar cannot have this key.", errors=[error])
    try:
        parse_calendar(document)
    except ValueError as error:
        path, _, message = str(error).partition(": ")
        pointer = "" if path == "calendar" else "/" + path.replace(".", "/").replace("[", "/").replace("]", "")
        raise ValidationFailedError(
            "The calendar is not valid.", errors=[{"pointer": pointer, "code": "value", "message": message}]
        ) from None
    newest = await tx.fetchrow(_NEWEST, actor.tenant_id, key)
    calendar_id, writes = uuid4(), Writes()
    row = {
        "tenant_id": actor.tenant_id,
        "id": calendar_id,
        "key": key,
        "version": newest["version"] + 1 if newest else 1,
        "document": to_json(document).decode(),
        "created_at": await tx.now(),
    }
    writes.insert("calendar", row)
    await writes.run(tx)
    await tx.execute(_MOVE_PROGRAMS, actor.tenant_id, key, calendar_id)
    await tx.execute(_MOVE_ORGANIZATIONS, actor.tenant_id, key, calendar_id)
    return _shown(row)
