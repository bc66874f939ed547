"""Parsed playbooks and calendars, kept in the process. Both are immutable by id, so a cache cannot be stale."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar, cast
from uuid import UUID

from jiter import from_json

from app.db.session import Transaction
from app.domain.business_time import Calendar, parse_calendar
from app.domain.playbook import Playbook
from app.domain.playbook_reader import read_playbook

_KEPT = 256

Held = TypeVar("Held")

_PLAYBOOK = """
select v.version, v.document, p.key from baton.playbook v
left join baton.program p on p.tenant_id = v.tenant_id and p.id = v.program_id
where v.tenant_id = $1 and v.id = $2
"""
_CALENDARS = "select id, document from baton.calendar where tenant_id = $1 and id = any($2::uuid[])"

_playbooks: OrderedDict[tuple[UUID, UUID], Playbook] = OrderedDict()
_calendars: OrderedDict[tuple[UUID, UUID], Calendar] = OrderedDict()


async def playbook(tx: Transaction, tenant_id: UUID, playbook_id: UUID) -> Playbook:
    """Return a playbook version. Raises LookupError when the tenant has none of that id."""
    key = (tenant_id, playbook_id)
    held = _playbooks.get(key)
    if held is None:
        row = await tx.fetchrow(_PLAYBOOK, tenant_id, playbook_id)
        if row is None:
            raise LookupError("no such playbook")
        document = cast("dict[str, object]", from_json(row["document"].encode()))
        held = read_playbook(document, playbook_id, row["version"])
        if row["key"] is not None:  # what is cited is the program that agreed, whatever the document calls it
            held = replace(held, program=row["key"])
        _remember(_playbooks, key, held)
    return held


async def calendars(tx: Transaction, tenant_id: UUID, ids: Iterable[UUID]) -> dict[UUID, Calendar]:
    """Return the calendars of those ids; an id that is not the tenant's is left out."""
    wanted = set(ids)
    found = {id_: _calendars[tenant_id, id_] for id_ in wanted if (tenant_id, id_) in _calendars}
    if len(found) < len(wanted):
        for row in await tx.fetch(_CALENDARS, tenant_id, list(wanted - found.keys())):
            read = parse_calendar(calendar_document(row["document"]))
            _remember(_calendars, (tenant_id, row["id"]), read)
            found[row["id"]] = read
    return found


def calendar_document(stored: str) -> dict[str, object]:
    """Return a stored calendar document as `parse_calendar` takes it."""
    return cast("dict[str, object]", from_json(stored.encode()))


def _remember(cache: OrderedDict[tuple[UUID, UUID], Held], key: tuple[UUID, UUID], value: Held) -> None:
    cache[key] = value
    if len(cache) > _KEPT:
        cache.popitem(last=False)
