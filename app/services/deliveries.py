"""Deliveries of the caller's own organisation: listed, read with their attempts, sent again, replayed from the feed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from pydantic_core import from_json

from app.db import lanes
from app.db.lanes import MESSAGE_ID, ROUND
from app.db.pages import Key, Listing, Order, Page, Wanted, read, shaped
from app.db.session import Transaction
from app.domain import ids
from app.domain.actor import Actor
from app.domain.errors import ConflictError, NotFoundError, ValidationFailedError
from app.domain.view import stamp
from app.schemas.webhooks import EVERY_TYPE, DeliveryFilter, ReplayIn

REPLAY_LIMIT: Final = 10_000
"""Events of one replay, which is one transaction; a longer range is replayed in parts."""

Row = Mapping[str, Any]

_COLUMNS = """
d.id, d.lane_id, d.message_id, d.type, d.sequence, d.state, d.attempts, d.due_at, d.created_at, d.finished_at, d.test,
l.profile, l.parked
"""
_FROM = "from baton.delivery as d join baton.lane as l on l.tenant_id = d.tenant_id and l.id = d.lane_id"
_OWN = "d.tenant_id = $1 and d.organization_id = $2"
_LISTING = Listing(
    f"select {_COLUMNS} {_FROM} where {_OWN} and d.test = $3 and ($4::uuid is null or d.lane_id = $4)"
    " and ($5::text is null or d.state = $5) and ($6::text is null or d.type = $6)",
    Order((Key("d.created_at", "created_at", datetime), Key("d.id", "id", UUID)), descending=True),
)
_ONE = f"select {_COLUMNS}, d.body {_FROM} where {_OWN} and (d.test or not $3::boolean) and d.id = $4"
_ATTEMPTS = """
select n, started_at, status, error, duration_ms, remote_ip, response_head, timings from baton.attempt
where tenant_id = $1 and delivery_id = $2 order by n
"""
_RESEND = f"""
update baton.delivery as d set state = 'pending', due_at = now(), finished_at = null,
  attempts = case when d.state = 'pending' then d.attempts else (d.attempts / {ROUND} + 1) * {ROUND} end
where d.tenant_id = $1 and d.id = $2 and d.state <> 'leased'
returning true
"""  # noqa: S608 - constants
_ENDPOINT = """
select event_types, test from baton.endpoint
where tenant_id = $1 and organization_id = $2 and id = $3 and status <> 'deleted' and (test or not $4::boolean)
"""
_RANGE = """
from baton.feed as f
where f.tenant_id = $1 and f.organization_id = $2 and ($3::text[] is null or f.type = any($3))
  and ($4::timestamptz is null or f.at >= $4) and ($5::timestamptz is null or f.at <= $5)
  and ($6::bigint is null or f.sequence >= $6) and ($7::bigint is null or f.sequence <= $7) and f.test = $8
"""
_MATCHED = f"select count(*) from (select {_RANGE} limit {REPLAY_LIMIT + 1}) as matched"  # noqa: S608 - constants
_REPLAY = f"""
with queued as (
  insert into baton.delivery as d (tenant_id, id, lane_id, organization_id, message_id, event_id, lead_id, type,
    sequence, body, state, attempts, due_at, created_at, test)
  select f.tenant_id, gen_random_uuid(), $9, f.organization_id, {MESSAGE_ID}, f.event_id, f.lead_id, f.type,
    f.sequence, f.body, 'pending', 0, now(), now(), f.test
  {_RANGE}
  on conflict (tenant_id, lane_id, message_id) do update
  set state = 'pending', attempts = (d.attempts / {ROUND} + 1) * {ROUND}, due_at = now(), finished_at = null
  where d.state = any($10::text[])
  returning 1
)
select count(*) from queued
"""  # noqa: S608 - constants
_SENT_AGAIN = {"all": ["delivered", "failed", "cancelled"], "undelivered": ["failed", "cancelled"]}
_NEVER = UUID(int=0)


def read_id(text: str) -> UUID:
    """Return the id of a delivery that stands in a path. Raises NotFoundError for what is none."""
    found = ids.read(ids.Prefix.DELIVERY, text)
    if found is None:
        raise _absent()
    return found


async def page(tx: Transaction, by: Actor, wanted: Wanted, which: DeliveryFilter) -> Page[dict[str, Any]]:
    """Return a page of deliveries, the newest first. An id of nothing the caller has matches nothing."""
    lane: UUID | None = None
    if which.endpoint_id is not None:
        lane = ids.read(ids.Prefix.ENDPOINT, which.endpoint_id) or _NEVER
    if which.destination_id is not None:
        named = ids.read(ids.Prefix.DESTINATION, which.destination_id) or _NEVER
        lane = named if lane in (None, named) else _NEVER
    state = "leased" if which.state == "sending" else which.state
    rows = await read(
        tx, wanted, _LISTING, (by.tenant_id, by.organization_id, which.test or by.test, lane, state, which.type)
    )
    return shaped(rows, view)


async def one(tx: Transaction, by: Actor, delivery_id: UUID) -> dict[str, Any]:
    """Return a delivery with its body and its attempts, or raise NotFoundError."""
    row = await _found(tx, by, delivery_id)
    attempts = await tx.fetch(_ATTEMPTS, by.tenant_id, delivery_id)
    return view(row) | {"body": from_json(row["body"]), "log": [_attempt_view(dict(attempt)) for attempt in attempts]}


async def resend(tx: Transaction, by: Actor, delivery_id: UUID) -> dict[str, Any]:
    """Send a delivery again, the same bytes under the same id. Raises ConflictError while it is being sent."""
    row = await _found(tx, by, delivery_id)
    await lanes.lock(tx, by.tenant_id, row["lane_id"])
    if await tx.fetchval(_RESEND, by.tenant_id, delivery_id) is None:
        raise ConflictError("This delivery is being sent just now.")
    await lanes.make_due(tx, by.tenant_id, row["lane_id"])
    return view(await _found(tx, by, delivery_id))


async def replay(tx: Transaction, by: Actor, endpoint_id: UUID, wanted: ReplayIn) -> dict[str, int]:
    """Queue published events for an endpoint again, in one transaction: all of the range, or nothing.

    Raises ValidationFailedError for a range without a beginning or of more than REPLAY_LIMIT events.
    """
    if wanted.since is None and wanted.from_sequence is None:
        raise _unfit("/since", "required", "Say since when, or from which sequence.")
    await lanes.lock(tx, by.tenant_id, endpoint_id)
    endpoint = await tx.fetchrow(_ENDPOINT, by.tenant_id, by.organization_id, endpoint_id, by.test)
    if endpoint is None:
        raise NotFoundError("There is no such endpoint.")
    types = None if EVERY_TYPE in endpoint["event_types"] else endpoint["event_types"]
    within = (by.tenant_id, by.organization_id, types, wanted.since, wanted.until)
    within = (*within, wanted.from_sequence, wanted.to_sequence, endpoint["test"])
    matched: int = await tx.fetchval(_MATCHED, *within)
    if matched > REPLAY_LIMIT:
        raise _unfit("", "range", f"More than {REPLAY_LIMIT} events match: replay them in parts.")
    if wanted.dry_run or not matched:
        return {"matched": matched, "queued": 0}
    queued: int = await tx.fetchval(_REPLAY, *within, endpoint_id, _SENT_AGAIN[wanted.only])
    await lanes.make_due(tx, by.tenant_id, endpoint_id)
    return {"matched": matched, "queued": queued}


def view(row: Row) -> dict[str, Any]:
    """Return a delivery as its organisation sees it."""
    waits = row["state"] == "pending"
    parked = waits and row["parked"] and row["type"] != lanes.TEST_TYPE
    page = row["profile"] == "page"
    return {
        "id": ids.show(ids.Prefix.DELIVERY, row["id"]),
        "endpoint_id": None if page else ids.show(ids.Prefix.ENDPOINT, row["lane_id"]),
        "destination_id": ids.show(ids.Prefix.DESTINATION, row["lane_id"]) if page else None,
        "webhook_id": row["message_id"],
        "type": row["type"],
        "test": row["test"],
        "sequence": row["sequence"],
        "state": "sending" if row["state"] == "leased" else row["state"],
        "parked": parked,
        "attempts": row["attempts"] % ROUND,
        "next_attempt_at": stamp(row["due_at"]) if waits and not parked else None,
        "created_at": stamp(row["created_at"]),
        "finished_at": stamp(row["finished_at"]),
    }


def _attempt_view(row: Row) -> dict[str, Any]:
    head: bytes | None = row["response_head"]
    return {
        "n": row["n"] % ROUND,
        "round": row["n"] // ROUND + 1,
        "started_at": stamp(row["started_at"]),
        "status": row["status"],
        "error": row["error"],
        "duration_ms": row["duration_ms"],
        "remote_ip": row["remote_ip"],
        "timings": from_json(row["timings"]) if row["timings"] else None,
        "response": None if head is None else head.decode("utf-8", "replace"),
    }


async def _found(tx: Transaction, by: Actor, delivery_id: UUID) -> Row:
    row = await tx.fetchrow(_ONE, by.tenant_id, by.organization_id, by.test, delivery_id)
    if row is None:
        raise _absent()
    return dict(row)


def _unfit(pointer: str, code: str, message: str) -> ValidationFailedError:
    return ValidationFailedError(
        "This cannot be replayed.", errors=[{"pointer": pointer, "code": code, "message": message}]
    )


def _absent() -> NotFoundError:
    return NotFoundError("There is no such delivery.")
