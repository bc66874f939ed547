"""Tells all who take part what became of a playbook version, and puts it in force once all have agreed; as the worker.

No partner may see who else takes part, so neither is done in a partner's request but here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID, uuid4

from pydantic_core import to_json

from app.db import agreements, playbooks
from app.db.session import Transaction
from app.db.writes import Writes
from app.domain import ids
from app.domain.events import body
from app.domain.lint import stranded

_BATCH = 50
_QUEUED = f"select tenant_id, playbook_id from baton.ratification order by queued_at limit {_BATCH}"  # noqa: S608
_LOCK = """
select 1 from baton.program p join baton.playbook v on v.tenant_id = p.tenant_id and v.program_id = p.id
where v.tenant_id = $1 and v.id = $2 for no key update of p
"""
_VERSION = """
select p.tenant_id, p.id, p.key, p.playbook_id, v.version, v.status, v.announced, v.answers_id, v.review_on,
  v.proposed_at, d.declined_at, d.organization_id is null as stranded, baton.now() as now,
  v.review_on::timestamp at time zone coalesce((select c.document->>'time_zone' from baton.calendar c
    where c.tenant_id = p.tenant_id and c.id = p.calendar_id), 'UTC') as review_at,
  (select coalesce(array_agg(e.partner_id), '{}') from baton.enrolment e
    where e.tenant_id = p.tenant_id and e.program_id = p.id) as partners,
  (select coalesce(array_agg(a.organization_id), '{}') from baton.agreement a
    where a.tenant_id = v.tenant_id and a.playbook_id = v.id) as agreed
from baton.program p join baton.playbook v on v.tenant_id = p.tenant_id and v.program_id = p.id
left join baton.declination d on d.tenant_id = v.tenant_id and d.playbook_id = v.id
where v.tenant_id = $1 and v.id = $2
"""
_OVERTAKEN = """
update baton.playbook set status = 'superseded'
where tenant_id = $1 and program_id = $2 and status = 'proposed' and version < $3
"""
_DUE = f"""
select tenant_id, playbook_id from baton.playbook_review where due_at <= baton.now() order by due_at limit {_BATCH}
"""  # noqa: S608  # a number of the program's own
_TAKEN = "delete from baton.playbook_review where tenant_id = $1 and playbook_id = $2 returning 1"

STRANDED = "Leads stand in a stage that no stage of this version continues; list it in `was`."


@dataclass(frozen=True, slots=True)
class _Version:
    """A version as it stands under the program's lock, and what is written about it."""

    row: Mapping[str, Any]
    playbook_id: UUID
    writes: Writes

    @property
    def key(self) -> dict[str, UUID]:
        return {"tenant_id": self.row["tenant_id"], "playbook_id": self.playbook_id}

    def said(self, **more: object) -> dict[str, object]:
        return {
            "program": self.row["key"],
            "playbook_id": ids.show(ids.Prefix.PLAYBOOK, self.playbook_id),
            "version": self.row["version"],
            **more,
        }

    @property
    def review_on(self) -> str | None:
        return self.row["review_on"].isoformat() if self.row["review_on"] else None

    def announce(self, kind: str, said: Mapping[str, object], at: datetime) -> None:
        """Write one fact and its body for every organisation that takes part."""
        partners: Sequence[UUID] = self.row["partners"]
        _announce(self.writes, self.row["tenant_id"], partners, (kind, at), said)


async def queued(tx: Transaction) -> list[tuple[UUID, UUID]]:
    """Return (tenant, playbook) of the versions to look at."""
    return [(row["tenant_id"], row["playbook_id"]) for row in await tx.fetch(_QUEUED)]


async def due_for_review(tx: Transaction) -> list[tuple[UUID, UUID]]:
    """Return (tenant, playbook) of the versions whose day of review has come."""
    return [(row["tenant_id"], row["playbook_id"]) for row in await tx.fetch(_DUE)]


async def _locked(tx: Transaction, tenant_id: UUID, playbook_id: UUID) -> _Version | None:
    # Two statements: the joined rows of one that waited for the lock would be those from before the wait.
    await tx.fetchval(_LOCK, tenant_id, playbook_id)
    row = await tx.fetchrow(_VERSION, tenant_id, playbook_id)
    return _Version(row, playbook_id, Writes()) if row is not None else None


async def ratify(tx: Transaction, tenant_id: UUID, playbook_id: UUID) -> bool:
    """Tell what was said about the version, put it in force if all have agreed; whether it is in force now."""
    version = await _locked(tx, tenant_id, playbook_id)
    if version is None:
        return False
    row, writes = version.row, version.writes
    writes.delete("ratification", version.key)
    values: dict[str, object] = {"announced": row["status"]}
    if row["announced"] is None:
        answers = ids.show(ids.Prefix.PLAYBOOK, row["answers_id"]) if row["answers_id"] else None
        said = version.said(answers=answers, review_on=version.review_on)
        version.announce("playbook.proposed", said, row["proposed_at"])
    if row["status"] == "declined" and row["announced"] != "declined":
        version.announce("playbook.declined", version.said(stranded=False), row["declined_at"])
    ratified = row["status"] == "proposed" and {tenant_id, *row["partners"]} <= set(row["agreed"])
    if ratified:
        values = await _taken_up(tx, version)
    writes.update("playbook", {"tenant_id": tenant_id, "id": playbook_id}, values)
    await writes.run(tx)
    tx.wake_workers()
    return values.get("status", row["status"]) == "in_force"


async def _taken_up(tx: Transaction, version: _Version) -> dict[str, object]:
    """Write that the version to which all agreed is in force, or declined where it would strand leads."""
    row, writes, now = version.row, version.writes, cast("datetime", version.row["now"])
    proposed = await playbooks.playbook(tx, row["tenant_id"], version.playbook_id)
    if stranded(proposed, await agreements.abandoned(tx, row, proposed, None)):
        said = {"organization_id": None, "client_id": None, "comment": STRANDED, "declined_at": now}
        writes.insert("declination", {**version.key, **said})
        version.announce("playbook.declined", version.said(stranded=True), now)
        return {"announced": "declined", "status": "declined"}
    if row["playbook_id"] is not None:
        before = {"tenant_id": row["tenant_id"], "playbook_id": row["playbook_id"]}
        writes.update("playbook", {"tenant_id": row["tenant_id"], "id": row["playbook_id"]}, {"status": "superseded"})
        writes.delete("playbook_review", before)
    # Agreeing to an older proposal now would undo what has just been agreed to.
    await tx.execute(_OVERTAKEN, row["tenant_id"], row["id"], row["version"])
    program = {"tenant_id": row["tenant_id"], "id": row["id"]}
    writes.update("program", program, {"playbook_id": version.playbook_id})
    if row["review_at"] is not None:
        writes.insert("playbook_review", {**version.key, "due_at": row["review_at"]})
    version.announce("playbook.agreed", version.said(), now)
    return {"announced": "in_force", "status": "in_force", "in_force_at": now}


async def remind(tx: Transaction, tenant_id: UUID, playbook_id: UUID) -> None:
    """Remind all who take part, once, that the version in force is to be looked at again."""
    version = await _locked(tx, tenant_id, playbook_id)
    if await tx.fetchval(_TAKEN, tenant_id, playbook_id) is None or version is None:
        return
    if version.row["status"] == "in_force":
        said = version.said(review_on=version.review_on)
        version.announce("playbook.review_due", said, version.row["now"])
    await version.writes.run(tx)
    tx.wake_workers()


def _announce(
    writes: Writes, tenant_id: UUID, partners: Sequence[UUID], fact: tuple[str, datetime], said: Mapping[str, object]
) -> None:
    event_id, (kind, at) = uuid4(), fact
    writes.insert(
        "event",
        {
            "tenant_id": tenant_id,
            "id": event_id,
            "at": at,
            "type": kind,
            "actor_client": None,
            "actor_role": "baton",
            "request_id": "",
            "traceparent": None,
            "lead_id": None,
            "partner_id": None,
            "sides": "both",
            "test": False,
            "data": to_json(said).decode(),
        },
    )
    rendered = body(event_id, kind, at, tenant_id, said)
    for organization_id in (tenant_id, *partners):
        writes.insert(
            "outbox",
            {
                "tenant_id": tenant_id,
                "organization_id": organization_id,
                "partner_id": None if organization_id == tenant_id else organization_id,
                "lead_id": None,
                "event_id": event_id,
                "type": kind,
                "at": at,
                "test": False,
                "page": False,
                "splice": rendered.splice,
                "body": rendered.text,
            },
        )
