"""Puts a playbook version in force once every organisation that takes part has agreed; runs as the worker.

No partner may see who else takes part, so the last agreement is not noticed in a partner's request but here.
"""

from typing import Any
from uuid import UUID, uuid4

from pydantic_core import to_json

from app.db.session import Transaction
from app.db.writes import Writes
from app.domain import ids
from app.domain.events import body

_QUEUED = "select tenant_id, playbook_id from baton.ratification order by queued_at limit 50"
_PROGRAM = """
select p.id, p.key, p.playbook_id, v.version, v.status, baton.now() as now,
  (select coalesce(array_agg(e.partner_id), '{}') from baton.enrolment e
    where e.tenant_id = p.tenant_id and e.program_id = p.id) as partners,
  (select coalesce(array_agg(a.organization_id), '{}') from baton.agreement a
    where a.tenant_id = v.tenant_id and a.playbook_id = v.id) as agreed
from baton.program p join baton.playbook v on v.tenant_id = p.tenant_id and v.program_id = p.id
where v.tenant_id = $1 and v.id = $2 for no key update of p
"""


async def queued(tx: Transaction) -> list[tuple[UUID, UUID]]:
    """Return (tenant, playbook) of the versions to look at."""
    return [(row["tenant_id"], row["playbook_id"]) for row in await tx.fetch(_QUEUED)]


async def ratify(tx: Transaction, tenant_id: UUID, playbook_id: UUID) -> bool:
    """Put the version in force if all have agreed, and take it off the queue; whether it is in force now."""
    row = await tx.fetchrow(_PROGRAM, tenant_id, playbook_id)
    writes = Writes()
    writes.delete("ratification", {"tenant_id": tenant_id, "playbook_id": playbook_id})
    if row is None or row["status"] != "proposed" or not {tenant_id, *row["partners"]} <= set(row["agreed"]):
        await writes.run(tx)
        return row is not None and row["status"] == "in_force"
    key = {"tenant_id": tenant_id, "id": playbook_id}
    writes.update("playbook", key, {"status": "in_force", "in_force_at": row["now"]})
    if row["playbook_id"] is not None:
        writes.update("playbook", {"tenant_id": tenant_id, "id": row["playbook_id"]}, {"status": "superseded"})
    writes.update("program", {"tenant_id": tenant_id, "id": row["id"]}, {"playbook_id": playbook_id})
    said = {
        "program": row["key"],
        "playbook_id": ids.show(ids.Prefix.PLAYBOOK, playbook_id),
        "version": row["version"],
    }
    _announce(writes, tenant_id, row["partners"], said, row["now"])
    await writes.run(tx)
    tx.wake_workers()
    return True


def _announce(writes: Writes, tenant_id: UUID, partners: list[UUID], said: dict[str, Any], now: Any) -> None:  # noqa: ANN401  # asyncpg's datetime
    event_id = uuid4()
    writes.insert(
        "event",
        {
            "tenant_id": tenant_id,
            "id": event_id,
            "at": now,
            "type": "playbook.agreed",
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
    rendered = body(event_id, "playbook.agreed", now, tenant_id, said)
    for organization_id in (tenant_id, *partners):
        writes.insert(
            "outbox",
            {
                "tenant_id": tenant_id,
                "organization_id": organization_id,
                "partner_id": None if organization_id == tenant_id else organization_id,
                "lead_id": None,
                "event_id": event_id,
                "type": "playbook.agreed",
                "at": now,
                "test": False,
                "page": False,
                "splice": rendered.splice,
                "body": rendered.text,
            },
        )
