"""Programs: one collaboration each, with the partners that take part and the calendar it runs on."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

from pydantic_core import to_json

from app.db import agreements
from app.db.session import Transaction
from app.db.writes import Writes
from app.domain import ids
from app.domain.actor import Actor, Side
from app.domain.errors import (
    ConflictError,
    NotPermittedError,
    StaleVersionError,
    ValidationFailedError,
)
from app.domain.view import stamp
from app.schemas.programs import EnrolmentIn, ProgramIn, ProgramPatch

_CALENDAR = "select id from baton.calendar where tenant_id = $1 and key = $2 order by version desc limit 1"
_PARTNERS = "select id from baton.organization where tenant_id = $1 and kind = 'partner' and id = any($2::uuid[])"


def _needs(actor: Actor, *roles: str) -> None:
    if actor.roles.isdisjoint(roles):
        raise NotPermittedError(f"Only the role {' or '.join(roles)} may do this.")


async def _calendar(tx: Transaction, tenant_id: UUID, key: str) -> UUID:
    found = await tx.fetchval(_CALENDAR, tenant_id, key)
    if found is None:
        raise ValidationFailedError(
            "There is no such calendar.",
            errors=[{"pointer": "/calendar", "code": "unknown", "message": "No such calendar."}],
        )
    return found


async def _enrol(
    tx: Transaction, writes: Writes, tenant_id: UUID, program_id: UUID, enrolments: Sequence[EnrolmentIn]
) -> None:
    """Add the partners of a program. Raises ValidationFailedError for one that the tenant does not have."""
    named = [ids.read(ids.Prefix.ORGANIZATION, one.partner) for one in enrolments]
    found = {row["id"] for row in await tx.fetch(_PARTNERS, tenant_id, [one for one in named if one])}
    errors = [
        {"pointer": f"/partners/{index}/partner", "code": "unknown", "message": "No such partner."}
        for index, one in enumerate(named)
        if one not in found or one in named[:index]
    ]
    if errors:
        raise ValidationFailedError("Some partners are not known, or named twice.", errors=errors)
    now = await tx.now()
    for partner_id, one in zip(named, enrolments, strict=True):
        given = one.provenance_defaults.model_dump(mode="json", exclude_none=True) if one.provenance_defaults else {}
        writes.upsert(
            "enrolment",
            {"tenant_id": tenant_id, "program_id": program_id, "partner_id": partner_id},
            {"provenance_defaults": to_json(given).decode(), "created_at": now},
        )


async def create(tx: Transaction, actor: Actor, body: ProgramIn) -> dict[str, Any]:
    """Create a program; it takes leads once a playbook is in force."""
    _needs(actor, "manager", "admin")
    if actor.side is not Side.INTERNAL:
        raise NotPermittedError("A program is opened by the client's organisation.")
    if await agreements.program(tx, actor, body.key):
        raise ConflictError("There is a program of that key already.")
    now, program_id, writes = await tx.now(), uuid4(), Writes()
    row = {
        "tenant_id": actor.tenant_id,
        "id": program_id,
        "key": body.key,
        "name": body.name,
        "status": "active",
        "playbook_id": None,
        "calendar_id": await _calendar(tx, actor.tenant_id, body.calendar),
        "version": 1,
        "created_at": now,
        "updated_at": now,
        "product": body.product,
        "pilot": body.pilot,
    }
    writes.insert("program", row)
    await writes.run(tx)
    enrolments = Writes()
    await _enrol(tx, enrolments, actor.tenant_id, program_id, body.partners)
    await enrolments.run(tx)
    return await read(tx, actor, ids.show(ids.Prefix.PROGRAM, program_id))


def program_etag(row: Mapping[str, Any]) -> str:
    """Return the strong ETag of a program."""
    return f'"{row["version"]}"'


def _shown(row: Mapping[str, Any], actor: Actor) -> dict[str, Any]:
    """A partner sees itself among those that take part, never the others."""
    partners = [one for one in row["partners"] if actor.partner_id in (None, one)]
    return {
        "id": ids.show(ids.Prefix.PROGRAM, row["id"]),
        "key": row["key"],
        "name": row["name"],
        "status": row["status"],
        "product": row["product"],
        "pilot": row["pilot"],
        "calendar": row["calendar"],
        "partners": [ids.show(ids.Prefix.ORGANIZATION, one) for one in partners],
        "playbook": ids.show(ids.Prefix.PLAYBOOK, row["playbook_id"]) if row["playbook_id"] else None,
        "created_at": stamp(row["created_at"]),
        "updated_at": stamp(row["updated_at"]),
    }


async def read(tx: Transaction, actor: Actor, name: str) -> dict[str, Any]:
    """Return a program by its key or id."""
    return _shown(await agreements.find_program(tx, actor, name), actor)


async def change(
    tx: Transaction, actor: Actor, name: str, body: ProgramPatch, if_match: str
) -> tuple[dict[str, Any], str]:
    """Change a program; `partners` replaces the list of those that take part, which widens a pilot."""
    _needs(actor, "manager", "admin")
    if actor.side is not Side.INTERNAL:
        raise NotPermittedError("A program is changed by the client's organisation.")
    row = await agreements.find_program(tx, actor, name, lock=True)
    if program_etag(row) != if_match:
        raise StaleVersionError("The program has changed since that version.")
    values: dict[str, Any] = {"version": row["version"] + 1, "updated_at": await tx.now()}
    values |= body.model_dump(include={"name", "product", "pilot"}, exclude_none=True)
    if body.calendar is not None:
        values["calendar_id"] = await _calendar(tx, actor.tenant_id, body.calendar)
    writes = Writes()
    writes.update("program", {"tenant_id": actor.tenant_id, "id": row["id"]}, values)
    if body.partners is not None:
        await _enrol(tx, writes, actor.tenant_id, row["id"], body.partners)
        named = {one.partner for one in body.partners}
        for gone in row["partners"]:
            if ids.show(ids.Prefix.ORGANIZATION, gone) not in named:
                key = {"tenant_id": actor.tenant_id, "program_id": row["id"], "partner_id": gone}
                writes.delete("enrolment", key)
        # Whoever was missing may have left: an open version may have been agreed to by all that remain.
        for playbook_id in await agreements.open_versions(tx, actor.tenant_id, row["id"]):
            key = {"tenant_id": actor.tenant_id, "playbook_id": playbook_id}
            writes.upsert("ratification", key, {"queued_at": values["updated_at"]})
        tx.wake_workers()
    await writes.run(tx)
    found = await agreements.find_program(tx, actor, name)
    return _shown(found, actor), program_etag(found)
