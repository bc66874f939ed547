"""Versions of a playbook: proposed, answered, declined, agreed to; in force once every organisation has agreed.

No partner sees another one, so whether all have agreed, and telling them, is left to the worker (`db/ratification`).
"""

import asyncio
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID, uuid4

from pydantic_core import to_json

from app.db import agreements, playbooks
from app.db.session import Transaction
from app.db.writes import Writes
from app.domain import ids, playbook_diff
from app.domain.actor import Actor
from app.domain.agreements import agreements_view, decisions, fingerprint, review_day, sheet, version_view
from app.domain.errors import (
    ConflictError,
    NotFoundError,
    NotPermittedError,
    OverloadedError,
    ValidationFailedError,
)
from app.domain.ids import Prefix, show
from app.domain.lint import stranded
from app.domain.playbook import Label, Playbook
from app.domain.playbook_names import Fault
from app.domain.playbook_text import Language
from app.domain.proposals import MAX_FAULTS, proof, refusal, told
from app.domain.rendering import render
from app.schemas.programs import DeclineIn, DocumentIn, ProposalIn

EXPORT_COLUMNS = (
    "program", "version", "playbook", "decision", "organization", "organization_name", "client", "at", "comment",
    "document_hash",
)  # fmt: skip
_PROVING = asyncio.Semaphore(2)
"""Proofs at a time in one process: each keeps a processor busy for up to seconds."""
_WAITING = asyncio.Semaphore(8)
"""Proofs that run or wait; each of a proposal holds a connection meanwhile."""


def _needs_manager(actor: Actor) -> None:
    if "manager" not in actor.roles:
        raise NotPermittedError("Only the role manager may do this.")


async def _proved(document: Mapping[str, object]) -> tuple[Playbook | None, tuple[Fault, ...]]:
    """Read and prove a document beside the event loop, so that other requests are answered meanwhile."""
    if _WAITING.locked():
        raise OverloadedError("Too many playbooks are being checked at once.", retry_after=5)
    async with _WAITING, _PROVING:
        return await asyncio.to_thread(proof, document)


async def lint(body: DocumentIn) -> dict[str, Any]:
    """Return every fault of a document, and its rules one a line as far as they can be read; stores nothing."""
    playbook, faults = await _proved(body.document)
    return {
        "valid": not faults,
        "faults": told(faults),
        "more_faults": max(0, len(faults) - MAX_FAULTS),
        "rendering": render(playbook) if playbook else None,
    }


def read_id(text: str) -> UUID:
    """Return the id of a playbook version in a path. Raises NotFoundError for a malformed one."""
    found = ids.read(Prefix.PLAYBOOK, text)
    if found is None:
        raise NotFoundError("There is no such playbook.")
    return found


def _review_day(asked: date | None, today: date) -> date:
    found = review_day(asked, today)
    if found is None:
        error = {"pointer": "/review_on", "code": "range", "message": "A day from tomorrow to two years ahead."}
        raise ValidationFailedError("A version is reviewed in the future.", errors=[error])
    return found


async def propose(tx: Transaction, actor: Actor, name: str, body: ProposalIn) -> dict[str, Any]:
    """Propose a version; whoever proposes has agreed. Raises PlaybookInvalidError with every fault.

    With `answers` it is a counter-proposal: the version that it answers is declined.
    """
    _needs_manager(actor)
    await agreements.find_program(tx, actor, name)
    playbook, faults = await _proved(body.document)
    if playbook is None or faults:
        raise refusal(faults)
    program = await agreements.find_program(tx, actor, name, lock=True)
    if lost := stranded(playbook, await agreements.abandoned(tx, program, playbook, actor.partner_id)):
        raise refusal(lost)
    now, playbook_id, writes = await tx.now(), uuid4(), Writes()
    answered = await _answered(tx, actor, program, body.answers)
    writes.insert(
        "playbook",
        {
            "tenant_id": actor.tenant_id,
            "id": playbook_id,
            "program_id": program["id"],
            "version": await agreements.next_version(tx, actor.tenant_id, program["id"]),
            "status": "proposed",
            "document": to_json(body.document).decode(),
            "comment": body.comment,
            "proposed_by": actor.organization_id,
            "proposed_at": now,
            "answers_id": answered["id"] if answered else None,
            "review_on": _review_day(body.review_on, now.date()),
            "document_hash": fingerprint(body.document),
        },
    )
    if answered and answered["status"] == "proposed":
        _decline(writes, actor, answered["id"], body.comment, now)
    await writes.run(tx)
    return await agree(tx, actor, playbook_id)


async def _answered(
    tx: Transaction, actor: Actor, program: Mapping[str, Any], answers: str | None
) -> Mapping[str, Any] | None:
    """Return the version that a counter-proposal answers. Raises ConflictError where it has taken effect."""
    if answers is None:
        return None
    named = ids.read(Prefix.PLAYBOOK, answers)
    found = await agreements.versions(tx, actor, program["id"], named) if named else []
    if not found:
        error = {"pointer": "/answers", "code": "unknown", "message": "No such version of this program."}
        raise ValidationFailedError("There is no such version to answer.", errors=[error])
    if found[0]["status"] not in ("proposed", "declined"):
        raise ConflictError("The version has taken effect; propose a new one without `answers`.")
    return found[0]


def _decline(writes: Writes, actor: Actor, playbook_id: UUID, comment: str, now: datetime) -> None:
    key = {"tenant_id": actor.tenant_id, "playbook_id": playbook_id}
    writes.update("playbook", {"tenant_id": actor.tenant_id, "id": playbook_id}, {"status": "declined"})
    writes.insert(
        "declination",
        {
            **key,
            "organization_id": actor.organization_id,
            "client_id": actor.client_id,
            "comment": comment,
            "declined_at": now,
        },
    )
    writes.upsert("ratification", key, {"queued_at": now})


async def decline(tx: Transaction, actor: Actor, playbook_id: UUID, body: DeclineIn) -> dict[str, Any]:
    """Decline an open version for the caller's organisation, with a reason; nobody can agree to it any more."""
    _needs_manager(actor)
    _, row = await agreements.find_version(tx, actor, playbook_id, lock=True)
    if row["status"] != "proposed":
        raise ConflictError("The version is not open any more.")
    writes = Writes()
    _decline(writes, actor, playbook_id, body.comment, await tx.now())
    await writes.run(tx)
    tx.wake_workers()
    program, row = await agreements.find_version(tx, actor, playbook_id)
    return version_view(row, program, actor)


async def agree(tx: Transaction, actor: Actor, playbook_id: UUID) -> dict[str, Any]:
    """Agree to a version for the caller's organisation; the worker puts it in force once all have agreed.

    A partner that joined later agrees to the version that is in force already.
    """
    _needs_manager(actor)
    program, row = await agreements.find_version(tx, actor, playbook_id, lock=True)
    spoken = actor.organization_id in {said.organization_id for said in row["agreements"]}
    if row["status"] not in ("proposed", "in_force") or (spoken and row["status"] == "in_force"):
        raise ConflictError("The version is not open for agreement any more.")
    if row["status"] == "proposed":
        playbook = await playbooks.playbook(tx, actor.tenant_id, playbook_id)
        if lost := stranded(playbook, await agreements.abandoned(tx, program, playbook, actor.partner_id)):
            raise refusal(lost)
    now, writes = await tx.now(), Writes()
    key = {"tenant_id": actor.tenant_id, "playbook_id": playbook_id}
    if not spoken:
        said = {"organization_id": actor.organization_id, "client_id": actor.client_id, "agreed_at": now}
        writes.insert("agreement", {**key, **said})
    if row["status"] == "proposed":
        writes.upsert("ratification", key, {"queued_at": now})
        tx.wake_workers()
    await writes.run(tx)
    program, row = await agreements.find_version(tx, actor, playbook_id)
    return version_view(row, program, actor)


async def versions(tx: Transaction, actor: Actor, name: str) -> list[dict[str, Any]]:
    """Return every version of a program's playbook, the newest first."""
    program = await agreements.find_program(tx, actor, name)
    return [version_view(row, program, actor) for row in await agreements.versions(tx, actor, program["id"])]


async def read(tx: Transaction, actor: Actor, playbook_id: UUID) -> dict[str, Any]:
    """Return a version with its document, and who agreed when as far as the caller may see it."""
    program, row = await agreements.find_version(tx, actor, playbook_id)
    held = await playbooks.playbook(tx, actor.tenant_id, playbook_id)
    return {
        **version_view(row, program, actor),
        "document": dict(held.document),
        "document_hash": row["document_hash"] or fingerprint(held.document),
        "agreements": agreements_view(row, actor),
    }


async def _compared(tx: Transaction, actor: Actor, playbook_id: UUID, against: str | None) -> tuple[Playbook, Playbook]:
    program, _ = await agreements.find_version(tx, actor, playbook_id)
    before = read_id(against) if against is not None else program["playbook_id"]
    if before is None:
        error = {"pointer": "/against", "in": "query", "code": "required", "message": "Name a version."}
        raise ValidationFailedError("No playbook is in force to compare with.", errors=[error])
    await agreements.find_version(tx, actor, before)
    return (
        await playbooks.playbook(tx, actor.tenant_id, before),
        await playbooks.playbook(tx, actor.tenant_id, playbook_id),
    )


def _both(label: Label) -> dict[str, str]:
    return {"en": label.en, "ja": label.ja}


async def diff(tx: Transaction, actor: Actor, playbook_id: UUID, against: str | None) -> dict[str, Any]:
    """Return what a version changes in another one (else in the one in force), as sentences in both languages."""
    before, after = await _compared(tx, actor, playbook_id, against)
    return {
        "program": after.program,
        "purpose": _both(after.purpose),
        "before": {"id": show(Prefix.PLAYBOOK, before.id), "version": before.version},
        "after": {"id": show(Prefix.PLAYBOOK, after.id), "version": after.version},
        "changes": [
            {
                "kind": change.kind,
                "area": change.area,
                "subject": change.subject,
                **_both(change.text),
                "details": [_both(detail) for detail in change.details],
            }
            for change in playbook_diff.diff(before, after)
        ],
    }


async def diff_page(tx: Transaction, actor: Actor, playbook_id: UUID, against: str | None, language: Language) -> str:
    """Return the same as a Markdown page in one language."""
    before, after = await _compared(tx, actor, playbook_id, against)
    return playbook_diff.markdown(before, after, language)


async def export(tx: Transaction, actor: Actor, name: str) -> tuple[str, list[dict[str, Any]]]:
    """Return (program, rows): who agreed to or declined which version when, the oldest version first."""
    program = await agreements.find_program(tx, actor, name)
    names = await agreements.names(tx, actor)
    rows: list[dict[str, Any]] = []
    for row in reversed(await agreements.versions(tx, actor, program["id"])):
        held = row["document_hash"]
        if held is None:  # proposed before fingerprints were kept
            held = fingerprint((await playbooks.playbook(tx, actor.tenant_id, row["id"])).document)
        rows.extend(
            {"program": program["key"], **said, "document_hash": held} for said in decisions(row, program, actor, names)
        )
    return program["key"], rows


async def export_sheet(tx: Transaction, actor: Actor, name: str) -> tuple[str, str]:
    """Return (program, the same as CSV)."""
    program, rows = await export(tx, actor, name)
    return program, sheet(EXPORT_COLUMNS, rows)
