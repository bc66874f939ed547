"""On-call tools of the tenant: where escalations go. Their keys are sealed, and shown once when they are made."""

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from asyncpg import UniqueViolationError  # pyright: ignore[reportMissingTypeStubs] - the driver ships none
from pydantic_core import from_json, to_json

from app.db import lanes
from app.db.pages import Key, Listing, Order, Page, Wanted, read, shaped
from app.db.session import Transaction
from app.delivery.signatures import SECRET_BYTES
from app.delivery.urls import read_target
from app.domain import ids
from app.domain.access import refuse_unless_administrator
from app.domain.actor import Actor
from app.domain.errors import ConflictError, NotFoundError, StaleVersionError, ValidationFailedError
from app.domain.signing import show_secret
from app.domain.view import stamp
from app.schemas.webhooks import DestinationIn, DestinationPatch
from app.services.kit import Kit

Row = Mapping[str, Any]

_COLUMNS = "tenant_id, id, kind, name, shown, key_mode, version, created_at, updated_at"
_LIVE = "tenant_id = $1 and status = 'active'"
_LISTING = Listing(
    f"select {_COLUMNS} from baton.destination where {_LIVE}",  # noqa: S608 - constants
    Order((Key("created_at", "created_at", datetime), Key("id", "id", UUID))),
)
_ONE = f"select {_COLUMNS}, config from baton.destination where {_LIVE} and id = $2"  # noqa: S608 - constants
_CREATE = f"""
insert into baton.destination (tenant_id, id, kind, name, config, shown, key_mode, status, version, created_at,
  updated_at)
values ($1, $2, $3, $4, $5, $6::text::jsonb, $7, 'active', 1, baton.now(), baton.now())
returning {_COLUMNS}
"""  # noqa: S608 - constants
_CHANGE = f"""
update baton.destination set name = $3, config = $4, shown = $5::text::jsonb, key_mode = $6, version = version + 1,
  updated_at = baton.now()
where tenant_id = $1 and id = $2 returning {_COLUMNS}
"""  # noqa: S608 - constants
# The name is free again; escalations that have reached the tool keep naming it by id.
_DELETE = """
update baton.destination set status = 'deleted', name = name || ' ' || id, config = '', version = version + 1,
  updated_at = baton.now()
where tenant_id = $1 and id = $2
"""
_CANCEL = """
with lane as (update baton.lane set next_due_at = null where tenant_id = $1 and id = $2)
update baton.delivery set state = 'cancelled', lease_token = null, lease_until = null, finished_at = now()
where tenant_id = $1 and lane_id = $2 and state in ('pending', 'leased')
"""


def read_id(text: str) -> UUID:
    """Return the id of a destination that stands in a path. Raises NotFoundError for what is none."""
    found = ids.read(ids.Prefix.DESTINATION, text)
    if found is None:
        raise _absent()
    return found


def tag(row: Row) -> str:
    """Return the ETag of a destination."""
    return f'"{row["version"]}"'


def view(row: Row) -> dict[str, Any]:
    """Return a destination without its secret."""
    return {
        "id": ids.show(ids.Prefix.DESTINATION, row["id"]),
        "kind": row["kind"],
        "name": row["name"],
        "config": from_json(row["shown"]),
        "key_mode": row["key_mode"],
        "created_at": stamp(row["created_at"]),
        "updated_at": stamp(row["updated_at"]),
    }


async def create(tx: Transaction, by: Actor, kit: Kit, wanted: DestinationIn) -> tuple[Row, dict[str, Any]]:
    """Add an on-call tool; the second part of the answer holds its secret, for this once."""
    refuse_unless_administrator(by)
    destination_id, secret = uuid4(), show_secret(secrets.token_bytes(SECRET_BYTES))
    shown = {"url": _address(wanted.config.url, kit)}
    sealed = _sealed(by.tenant_id, destination_id, {**shown, "secret": secret}, kit)
    try:
        row = await tx.fetchrow(
            _CREATE,
            by.tenant_id,
            destination_id,
            wanted.kind,
            wanted.name,
            sealed,
            to_json(shown).decode(),
            wanted.key_mode,
        )
    except UniqueViolationError:
        raise _name_in_use() from None
    if row is None:
        raise LookupError("an insert returns its row")
    await lanes.create(tx, by.tenant_id, destination_id, by.organization_id, "page")
    return dict(row), view(dict(row)) | {"secret": secret}


async def page(tx: Transaction, by: Actor, wanted: Wanted) -> Page[dict[str, Any]]:
    """Return a page of the tenant's on-call tools, the oldest first."""
    refuse_unless_administrator(by)
    return shaped(await read(tx, wanted, _LISTING, (by.tenant_id,)), view)


async def one(tx: Transaction, by: Actor, destination_id: UUID) -> Row:
    """Return one destination, or raise NotFoundError."""
    refuse_unless_administrator(by)
    row = await tx.fetchrow(_ONE, by.tenant_id, destination_id)
    if row is None:
        raise _absent()
    return dict(row)


async def change(
    tx: Transaction, by: Actor, kit: Kit, destination_id: UUID, patch: DestinationPatch, if_match: str
) -> Row:
    """Apply a merge patch; the secret stays."""
    row = await _locked(tx, by, destination_id, if_match)
    given = patch.model_dump(exclude_unset=True)
    _refuse_removals(given)
    config: dict[str, str] = from_json(
        kit.master_keys.open(
            row["config"], tenant=by.tenant_id, table="destination", column="config", row=destination_id
        )
    )
    if "config" in given:
        config["url"] = _address(given["config"]["url"], kit)
    sealed = _sealed(by.tenant_id, destination_id, config, kit)
    shown = to_json({"url": config["url"]}).decode()
    merged = {**row, **given}
    try:
        changed = await tx.fetchrow(
            _CHANGE, by.tenant_id, destination_id, merged["name"], sealed, shown, merged["key_mode"]
        )
    except UniqueViolationError:
        raise _name_in_use() from None
    if changed is None:
        raise LookupError("a locked row can be changed")
    return dict(changed)


async def delete(tx: Transaction, by: Actor, destination_id: UUID, if_match: str) -> None:
    """Remove an on-call tool, its keys and what waits for it."""
    await _locked(tx, by, destination_id, if_match)
    await tx.execute(_DELETE, by.tenant_id, destination_id)
    await tx.execute(_CANCEL, by.tenant_id, destination_id)


async def test(tx: Transaction, by: Actor, destination_id: UUID) -> dict[str, str]:
    """Send a test message to the tool."""
    await one(tx, by, destination_id)
    shown = {"destination_id": ids.show(ids.Prefix.DESTINATION, destination_id)}
    delivery_id = await lanes.enqueue_test(tx, by, destination_id, shown)
    return {"delivery_id": ids.show(ids.Prefix.DELIVERY, delivery_id)}


async def _locked(tx: Transaction, by: Actor, destination_id: UUID, if_match: str) -> Row:
    """Lock the lane, which stands for its destination, and compare the version. `one` refuses who may not."""
    await lanes.lock(tx, by.tenant_id, destination_id)
    row = await one(tx, by, destination_id)
    if if_match != str(row["version"]):
        raise StaleVersionError("The destination has changed since that version.")
    return row


def _refuse_removals(given: Mapping[str, Any]) -> None:
    errors = [
        {"pointer": f"/{name}", "code": "required", "message": "This can be changed, not removed."}
        for name, value in given.items()
        if value is None
    ]
    if errors:
        raise ValidationFailedError("Some fields are not valid.", errors=errors)


def _address(url: str, kit: Kit) -> str:
    own = urlsplit(kit.public_url).hostname
    return read_target(url, kit.egress_allow, frozenset({own} if own else ())).url


def _sealed(tenant_id: UUID, destination_id: UUID, config: Mapping[str, str], kit: Kit) -> bytes:
    return kit.master_keys.seal(
        to_json(config), tenant=tenant_id, table="destination", column="config", row=destination_id
    )


def _name_in_use() -> ConflictError:
    return ConflictError("Another destination has this name.")


def _absent() -> NotFoundError:
    return NotFoundError("There is no such destination.")
