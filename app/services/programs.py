"""Programs and the playbook versions that run them: in force when every organisation that takes part has agreed."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

from pydantic_core import to_json

from app.db import playbooks
from app.db.session import Transaction
from app.db.writes import Writes
from app.domain import ids
from app.domain.actor import Actor, Side
from app.domain.errors import (
    ConflictError,
    NotFoundError,
    NotPermittedError,
    PlaybookInvalidError,
    StaleVersionError,
    ValidationFailedError,
)
from app.domain.lint import lint
from app.domain.playbook_reader import PlaybookFaultsError, read_playbook
from app.domain.view import stamp
from app.schemas.programs import EnrolmentIn, ProgramIn, ProgramPatch, ProposalIn

_CALENDAR = "select id from baton.calendar where tenant_id = $1 and key = $2 order by version desc limit 1"
_PARTNERS = "select id from baton.organization where tenant_id = $1 and kind = 'partner' and id = any($2::uuid[])"
_PROGRAM = """
select p.*, (select key from baton.calendar c where c.tenant_id = p.tenant_id and c.id = p.calendar_id) as calendar,
  (select coalesce(array_agg(e.partner_id order by e.partner_id), '{}') from baton.enrolment e
    where e.tenant_id = p.tenant_id and e.program_id = p.id) as partners
from baton.program p where p.tenant_id = $1 and (p.id = $2 or p.key = $3)
"""
_LOCKED = _PROGRAM + " for no key update of p"
_NEXT_VERSION = "select coalesce(max(version), 0) + 1 from baton.playbook where tenant_id = $1 and program_id = $2"
_VERSIONS = """
select v.id, v.version, v.status, v.comment, v.proposed_by, v.proposed_at, v.in_force_at,
  (select coalesce(array_agg(a.organization_id), '{}') from baton.agreement a
    where a.tenant_id = v.tenant_id and a.playbook_id = v.id) as agreed_by
from baton.playbook v where v.tenant_id = $1 and v.program_id = $2 order by v.version desc
"""
_PROGRAM_OF = "select program_id from baton.playbook where tenant_id = $1 and id = $2"


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
    if await tx.fetchrow(_PROGRAM, actor.tenant_id, None, body.key):
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
    }
    writes.insert("program", row)
    await writes.run(tx)
    enrolments = Writes()
    await _enrol(tx, enrolments, actor.tenant_id, program_id, body.partners)
    await enrolments.run(tx)
    return await read(tx, actor, ids.show(ids.Prefix.PROGRAM, program_id))


async def _find(tx: Transaction, actor: Actor, name: str, *, lock: bool = False) -> Mapping[str, Any]:
    statement = _LOCKED if lock else _PROGRAM
    row = await tx.fetchrow(statement, actor.tenant_id, ids.read(ids.Prefix.PROGRAM, name), name)
    if row is None:
        raise NotFoundError("There is no such program.")
    return row


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
        "calendar": row["calendar"],
        "partners": [ids.show(ids.Prefix.ORGANIZATION, one) for one in partners],
        "playbook": ids.show(ids.Prefix.PLAYBOOK, row["playbook_id"]) if row["playbook_id"] else None,
        "created_at": stamp(row["created_at"]),
        "updated_at": stamp(row["updated_at"]),
    }


async def read(tx: Transaction, actor: Actor, name: str) -> dict[str, Any]:
    """Return a program by its key or id."""
    return _shown(await _find(tx, actor, name), actor)


async def change(
    tx: Transaction, actor: Actor, name: str, body: ProgramPatch, if_match: str
) -> tuple[dict[str, Any], str]:
    """Change a program; `partners` replaces the list of those that take part."""
    _needs(actor, "manager", "admin")
    if actor.side is not Side.INTERNAL:
        raise NotPermittedError("A program is changed by the client's organisation.")
    row = await _find(tx, actor, name, lock=True)
    if program_etag(row) != if_match:
        raise StaleVersionError("The program has changed since that version.")
    values: dict[str, Any] = {"version": row["version"] + 1, "updated_at": await tx.now()}
    if body.name is not None:
        values["name"] = body.name
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
    await writes.run(tx)
    found = await _find(tx, actor, name)
    return _shown(found, actor), program_etag(found)


async def propose(tx: Transaction, actor: Actor, name: str, body: ProposalIn) -> dict[str, Any]:
    """Propose a playbook version; whoever proposes has agreed. Raises PlaybookInvalidError with every fault."""
    _needs(actor, "manager")
    row = await _find(tx, actor, name, lock=True)
    version = await tx.fetchval(_NEXT_VERSION, actor.tenant_id, row["id"])
    playbook_id = uuid4()
    _refuse_faults(body.document, playbook_id, version)
    writes = Writes()
    writes.insert(
        "playbook",
        {
            "tenant_id": actor.tenant_id,
            "id": playbook_id,
            "program_id": row["id"],
            "version": version,
            "status": "proposed",
            "document": to_json(body.document).decode(),
            "comment": body.comment,
            "proposed_by": actor.organization_id,
            "proposed_at": await tx.now(),
        },
    )
    await writes.run(tx)
    return await agree(tx, actor, playbook_id)


def _refuse_faults(document: Mapping[str, object], playbook_id: UUID, version: int) -> None:
    """Raise PlaybookInvalidError with every fault unless the document is a playbook that holds its promises."""
    try:
        faults = lint(read_playbook(document, playbook_id, version))
    except PlaybookFaultsError as error:
        faults = error.faults
    if faults:
        errors = [
            {"pointer": fault.path, "code": fault.rule, "message": fault.en, "message_ja": fault.ja}
            for fault in faults[:50]
        ]
        raise PlaybookInvalidError("The document is not a playbook that may take effect.", errors=errors)


def read_id(text: str) -> UUID:
    """Return the id of a playbook version in a path. Raises NotFoundError for a malformed one."""
    found = ids.read(ids.Prefix.PLAYBOOK, text)
    if found is None:
        raise NotFoundError("There is no such playbook.")
    return found


async def agree(tx: Transaction, actor: Actor, playbook_id: UUID) -> dict[str, Any]:
    """Agree to a version for the caller's organisation; the worker puts it in force once all have agreed."""
    _needs(actor, "manager")
    program_id = await tx.fetchval(_PROGRAM_OF, actor.tenant_id, playbook_id)
    if program_id is None:
        raise NotFoundError("There is no such playbook.")
    program = await _find(tx, actor, ids.show(ids.Prefix.PROGRAM, program_id), lock=True)
    held = {row["id"]: row for row in await tx.fetch(_VERSIONS, actor.tenant_id, program_id)}
    row = held[playbook_id]
    if row["status"] != "proposed":
        raise ConflictError("The version is not open for agreement any more.")
    now, writes = await tx.now(), Writes()
    if actor.organization_id not in row["agreed_by"]:
        writes.insert(
            "agreement",
            {
                "tenant_id": actor.tenant_id,
                "playbook_id": playbook_id,
                "organization_id": actor.organization_id,
                "client_id": actor.client_id,
                "agreed_at": now,
            },
        )
    writes.upsert("ratification", {"tenant_id": actor.tenant_id, "playbook_id": playbook_id}, {"queued_at": now})
    await writes.run(tx)
    tx.wake_workers()
    return await version(tx, actor, program, playbook_id)


async def version(tx: Transaction, actor: Actor, program: Mapping[str, Any], playbook_id: UUID) -> dict[str, Any]:
    """Return one version with its agreements."""
    for row in await tx.fetch(_VERSIONS, actor.tenant_id, program["id"]):
        if row["id"] == playbook_id:
            return _version_shown(row, program, actor)
    raise NotFoundError("There is no such playbook.")


def _version_shown(row: Mapping[str, Any], program: Mapping[str, Any], actor: Actor) -> dict[str, Any]:
    taking_part = {program["tenant_id"], *program["partners"]}
    visible = {program["tenant_id"], actor.organization_id} if actor.partner_id else taking_part
    agreed = set(row["agreed_by"])
    return {
        "id": ids.show(ids.Prefix.PLAYBOOK, row["id"]),
        "program": program["key"],
        "version": row["version"],
        "status": row["status"],
        "comment": row["comment"],
        "proposed_by": ids.show(ids.Prefix.ORGANIZATION, row["proposed_by"]) if row["proposed_by"] in visible else None,
        "proposed_at": stamp(row["proposed_at"]),
        "in_force_at": stamp(row["in_force_at"]),
        "agreed_by": sorted(ids.show(ids.Prefix.ORGANIZATION, one) for one in agreed & visible),
        "awaits": sorted(ids.show(ids.Prefix.ORGANIZATION, one) for one in (taking_part - agreed) & visible),
    }


async def versions(tx: Transaction, actor: Actor, name: str) -> list[dict[str, Any]]:
    """Return every version of a program's playbook, the newest first."""
    program = await _find(tx, actor, name)
    return [_version_shown(row, program, actor) for row in await tx.fetch(_VERSIONS, actor.tenant_id, program["id"])]


async def in_force(tx: Transaction, actor: Actor, name: str) -> Mapping[str, Any]:
    """Return the document of the playbook in force."""
    program = await _find(tx, actor, name)
    if program["playbook_id"] is None:
        raise NotFoundError("No playbook is in force for this program yet.")
    return (await playbooks.playbook(tx, actor.tenant_id, program["playbook_id"])).document
