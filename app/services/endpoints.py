"""Webhook endpoints of the caller's own organisation: registered, proven by a test, changed, enabled, removed.

A new endpoint, and one whose address changed, is pending: its deliveries wait until a signed test was answered.
"""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from app.db import lanes
from app.db.pages import Key, Listing, Order, Page, Wanted, read, shaped
from app.db.session import Transaction
from app.delivery.signatures import SECRET_BYTES, public_key
from app.delivery.urls import read_target
from app.domain import ids
from app.domain.actor import Actor
from app.domain.errors import ConflictError, NotFoundError, StaleVersionError, ValidationFailedError
from app.domain.signing import show_secret
from app.domain.view import stamp
from app.schemas.webhooks import EndpointIn, EndpointPatch
from app.services.kit import Kit

LIMIT: Final = 50
"""Endpoints of one organisation, and as many for its tests: each event fans out to all of them."""
TESTS_UNDER_WAY: Final = 5
"""Unanswered tests of one endpoint: an address that never agreed to anything gets no more."""

Row = Mapping[str, Any]

_OWN = "e.tenant_id = $1 and e.organization_id = $2 and e.status <> 'deleted'"
_KIND = f"{_OWN} and e.test = $3"
_REACHED = f"{_OWN} and (e.test or not $3::boolean)"
_LISTING = Listing(
    f"select e.* from baton.endpoint as e where {_KIND}",  # noqa: S608 - a constant
    Order((Key("e.created_at", "created_at", datetime), Key("e.id", "id", UUID))),
)
_ONE = f"select e.* from baton.endpoint as e where {_REACHED} and e.id = $4"  # noqa: S608 - a constant
_LOCKED = f"{_ONE} for no key update"
_COUNT = f"select count(*) from baton.endpoint as e where {_KIND}"  # noqa: S608 - a constant
_CREATE = """
insert into baton.endpoint (tenant_id, id, organization_id, url, description, event_types, signature, ordering, rate,
  status, secret, version, created_at, updated_at, test)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'pending', $10, 1, baton.now(), baton.now(), $11)
returning *
"""
_CHANGE = """
update baton.endpoint set url = $3, description = $4, event_types = $5, ordering = $6, rate = $7, status = $8,
  disabled_reason = case when $8 = 'pending' then null else disabled_reason end, version = version + 1,
  updated_at = baton.now()
where tenant_id = $1 and id = $2 returning *
"""
_ROTATE = """
update baton.endpoint set secret = $3, previous_secret = $4, previous_until = now() + $5::interval,
  version = version + 1, updated_at = baton.now()
where tenant_id = $1 and id = $2 returning *
"""
_DELETE = """
with gone as (
  update baton.endpoint set status = 'deleted', secret = '', previous_secret = null, version = version + 1,
    updated_at = baton.now()
  where tenant_id = $1 and id = $2
)
update baton.lane set parked = true, next_due_at = null where tenant_id = $1 and id = $2
"""
_PARK = """
update baton.lane set parked = true, failures = 0, failing_since = null, open_until = null
where tenant_id = $1 and id = $2
"""
# What is under way is cut off too: its lease token goes, and with it the say of its answer.
_CANCEL = """
update baton.delivery set state = 'cancelled', lease_token = null, lease_until = null, finished_at = now()
where tenant_id = $1 and lane_id = $2 and state in ('pending', 'leased') and ($3::text is null or type = $3)
"""
_CANCEL_BEFORE = """
update baton.delivery set state = 'cancelled', finished_at = now()
where tenant_id = $1 and lane_id = $2 and state = 'pending' and created_at < $3
"""
_TESTS = """
select count(*) from baton.delivery
where tenant_id = $1 and lane_id = $2 and type = 'endpoint.test' and state in ('pending', 'leased')
"""


def read_id(text: str) -> UUID:
    """Return the id of an endpoint that stands in a path. Raises NotFoundError for what is none."""
    found = ids.read(ids.Prefix.ENDPOINT, text)
    if found is None:
        raise _absent()
    return found


def tag(row: Row) -> str:
    """Return the ETag of an endpoint."""
    return f'"{row["version"]}"'


def view(row: Row, kit: Kit) -> dict[str, Any]:
    """Return an endpoint as its organisation sees it, without its secret."""
    return {
        "id": ids.show(ids.Prefix.ENDPOINT, row["id"]),
        "url": row["url"],
        "description": row["description"],
        "event_types": row["event_types"],
        "signature": row["signature"],
        "public_key": public_key(_opened(row, kit)) if row["signature"] == "v1a" else None,
        "rate": row["rate"],
        "ordering": row["ordering"],
        "test": row["test"],
        "status": row["status"],
        "disabled_reason": row["disabled_reason"],
        "previous_secret_until": stamp(row["previous_until"]) if row["previous_secret"] is not None else None,
        "created_at": stamp(row["created_at"]),
        "updated_at": stamp(row["updated_at"]),
    }


async def create(tx: Transaction, by: Actor, kit: Kit, wanted: EndpointIn) -> tuple[Row, dict[str, Any]]:
    """Register an endpoint and send its test at once. Raises UrlRefusedError, and ConflictError at the limit.

    The second part of the answer holds the secret, for this once.
    """
    url, for_tests = _address(wanted.url, kit), wanted.test or by.test
    if await tx.fetchval(_COUNT, by.tenant_id, by.organization_id, for_tests) >= LIMIT:
        raise ConflictError(f"An organisation has at most {LIMIT} endpoints.")
    endpoint_id, secret = uuid4(), secrets.token_bytes(SECRET_BYTES)
    row = _present(
        await tx.fetchrow(
            _CREATE,
            by.tenant_id,
            endpoint_id,
            by.organization_id,
            url,
            wanted.description,
            wanted.event_types,
            wanted.signature,
            wanted.ordering,
            wanted.rate,
            _sealed(by.tenant_id, endpoint_id, "secret", secret, kit),
            for_tests,
        )
    )
    await lanes.create(tx, by.tenant_id, endpoint_id, by.organization_id, "feed")
    await _send_test(tx, by, endpoint_id, for_tests=for_tests)
    return row, _with_secret(row, secret, kit)


async def page(tx: Transaction, by: Actor, kit: Kit, wanted: Wanted, *, tests: bool) -> Page[dict[str, Any]]:
    """Return a page of the organisation's endpoints, or of those for its tests, the oldest first."""
    rows = await read(tx, wanted, _LISTING, (by.tenant_id, by.organization_id, tests or by.test))
    return shaped(rows, lambda row: view(row, kit))


async def one(tx: Transaction, by: Actor, endpoint_id: UUID) -> Row:
    """Return one endpoint, or raise NotFoundError."""
    row = await tx.fetchrow(_ONE, by.tenant_id, by.organization_id, by.test, endpoint_id)
    if row is None:
        raise _absent()
    return dict(row)


async def change(tx: Transaction, by: Actor, kit: Kit, endpoint_id: UUID, patch: EndpointPatch, if_match: str) -> Row:
    """Apply a merge patch. Another address makes the endpoint pending again, until its own test has passed."""
    row = await _locked(tx, by, endpoint_id, if_match)
    given = patch.model_dump(exclude_unset=True)
    _refuse_removals(given)
    if "url" in given:
        given["url"] = _address(given["url"], kit)
    moved = given.get("url", row["url"]) != row["url"]
    merged = {**row, **given, **({"status": "pending"} if moved else {})}
    changed = await _write(tx, merged)
    if moved:
        await _begin_anew(tx, by, row)
    await lanes.make_due(tx, by.tenant_id, endpoint_id)
    return changed


async def delete(tx: Transaction, by: Actor, endpoint_id: UUID, if_match: str) -> None:
    """Remove an endpoint, its secret and what waits for it."""
    await _locked(tx, by, endpoint_id, if_match)
    await tx.execute(_DELETE, by.tenant_id, endpoint_id)
    await tx.execute(_CANCEL, by.tenant_id, endpoint_id, None)


async def rotate(
    tx: Transaction, by: Actor, kit: Kit, endpoint_id: UUID, overlap: timedelta
) -> tuple[Row, dict[str, Any]]:
    """Give the endpoint a new secret; the old one signs beside it for `overlap`, if that is more than none."""
    row = await _locked(tx, by, endpoint_id)
    secret = secrets.token_bytes(SECRET_BYTES)
    old = _sealed(by.tenant_id, endpoint_id, "previous_secret", _opened(row, kit), kit) if overlap else None
    new = _sealed(by.tenant_id, endpoint_id, "secret", secret, kit)
    changed = _present(await tx.fetchrow(_ROTATE, by.tenant_id, endpoint_id, new, old, overlap))
    return changed, _with_secret(changed, secret, kit)


async def test(tx: Transaction, by: Actor, endpoint_id: UUID) -> dict[str, str]:
    """Send a test, whatever the endpoint's status. Raises ConflictError while too many are unanswered."""
    row = await _locked(tx, by, endpoint_id)
    if await tx.fetchval(_TESTS, by.tenant_id, endpoint_id) >= TESTS_UNDER_WAY:
        raise ConflictError("Earlier tests of this endpoint are still under way.")
    sent = await _send_test(tx, by, endpoint_id, for_tests=row["test"])
    return {"delivery_id": ids.show(ids.Prefix.DELIVERY, sent)}


async def enable(tx: Transaction, by: Actor, endpoint_id: UUID, send_since: datetime | None) -> Row:
    """Give an endpoint another chance: its test is sent, and what is parked follows once that has passed.

    With `send_since`, what was parked before is cancelled. An active endpoint stays as it is.
    """
    row = await _locked(tx, by, endpoint_id)
    if row["status"] == "active":
        return row
    changed = await _write(tx, {**row, "status": "pending"})
    if send_since is not None:
        await tx.execute(_CANCEL_BEFORE, by.tenant_id, endpoint_id, send_since)
    await _begin_anew(tx, by, row)
    return changed


async def _locked(tx: Transaction, by: Actor, endpoint_id: UUID, if_match: str | None = None) -> Row:
    """Lock lane and endpoint, in this order, and compare the version if there is one to compare."""
    await lanes.lock(tx, by.tenant_id, endpoint_id)
    row = await tx.fetchrow(_LOCKED, by.tenant_id, by.organization_id, by.test, endpoint_id)
    if row is None:
        raise _absent()
    if if_match is not None and if_match != str(row["version"]):
        raise StaleVersionError("The endpoint has changed since that version.")
    return dict(row)


async def _write(tx: Transaction, row: Row) -> Row:
    names = ("tenant_id", "id", "url", "description", "event_types", "ordering", "rate", "status")
    return _present(await tx.fetchrow(_CHANGE, *(row[name] for name in names)))


async def _begin_anew(tx: Transaction, by: Actor, row: Row) -> None:
    """Park the lane until a new test has passed; the answer to an older one, of another address, counts no more."""
    await tx.execute(_PARK, by.tenant_id, row["id"])
    await tx.execute(_CANCEL, by.tenant_id, row["id"], lanes.TEST_TYPE)
    await _send_test(tx, by, row["id"], for_tests=row["test"])


async def _send_test(tx: Transaction, by: Actor, endpoint_id: UUID, *, for_tests: bool) -> UUID:
    data = {"endpoint_id": ids.show(ids.Prefix.ENDPOINT, endpoint_id)}
    return await lanes.enqueue_test(tx, by, endpoint_id, data, sandbox=for_tests)


def _refuse_removals(given: Mapping[str, Any]) -> None:
    errors = [
        {"pointer": f"/{name}", "code": "required", "message": "This can be changed, not removed."}
        for name in ("url", "event_types", "ordering")
        if name in given and given[name] is None
    ]
    if errors:
        raise ValidationFailedError("Some fields are not valid.", errors=errors)


def _address(url: str, kit: Kit) -> str:
    """Return the canonical form of an address that may be sent to. Raises UrlRefusedError."""
    own = urlsplit(kit.public_url).hostname
    return read_target(url, kit.egress_allow, frozenset({own} if own else ())).url


def _sealed(tenant_id: UUID, endpoint_id: UUID, column: str, secret: bytes, kit: Kit) -> bytes:
    return kit.master_keys.seal(secret, tenant=tenant_id, table="endpoint", column=column, row=endpoint_id)


def _opened(row: Row, kit: Kit) -> bytes:
    return kit.master_keys.open(
        row["secret"], tenant=row["tenant_id"], table="endpoint", column="secret", row=row["id"]
    )


def _with_secret(row: Row, secret: bytes, kit: Kit) -> dict[str, Any]:
    # The private half of a v1a pair never leaves; its receiver needs the public one only.
    return view(row, kit) | {"secret": show_secret(secret) if row["signature"] == "v1" else None}


def _present(row: Row | None) -> Row:
    if row is None:
        raise LookupError("a row that is locked, or was just written, is there")
    return row


def _absent() -> NotFoundError:
    return NotFoundError("There is no such endpoint.")
