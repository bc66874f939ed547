"""Use cases on partners: created, renamed, suspended; and what a caller learns about itself.

Whether the caller administers the tenant is decided before these run (`app.domain.access`). A suspension reaches every
process within 30 s: the organisation's status ends its tokens, and its `not_before` keeps them ended afterwards.
"""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from app.db import pages, partners, rate_limits, suspensions
from app.db.pages import Key, Listing, Order, Page, Wanted
from app.db.session import Transaction
from app.domain import ids
from app.domain.access import OPENS, Scope
from app.domain.actor import Actor
from app.domain.errors import ConflictError, NotFoundError
from app.domain.versions import Shown, refuse_stale
from app.schemas.identity import PartnerIn, PartnerPatch

_ADD_PARTNER = f"""
insert into baton.organization (tenant_id, id, kind, key, name, status, version, created_at, updated_at)
values ($1, $2, 'partner', $3, $4, 'active', 1, baton.now(), baton.now())
on conflict (tenant_id, key) do nothing
returning {partners.COLUMNS}
"""  # noqa: S608  # constants only
_CHANGE_PARTNER = f"""
update baton.organization set name = $3, status = $4, version = version + 1, updated_at = baton.now(),
  not_before = case when status <> $4 then now() else not_before end
where tenant_id = $1 and id = $2 returning {partners.COLUMNS}
"""  # noqa: S608  # constants only
_IN_ORDER = Order((Key("created_at", "created_at", datetime), Key("id", "id", UUID)))
_PARTNERS = Listing(
    f"select {partners.COLUMNS} from baton.organization"  # noqa: S608  # constants only
    " where tenant_id = $1 and kind = 'partner'",
    _IN_ORDER,
)

_SELF = """
select o.id, o.kind, o.name,
  array(select p.key from baton.program p where p.tenant_id = $1 and p.status = 'active'
    and ($3::uuid is null or exists (
      select from baton.enrolment m where m.tenant_id = p.tenant_id and m.program_id = p.id and m.partner_id = $3))
    order by p.key) as programs
from baton.organization o where o.tenant_id = $1 and o.id = $2
"""

Row = dict[str, Any]


async def list_partners(tx: Transaction, by: Actor, wanted: Wanted) -> Page[dict[str, Any]]:
    """Return a page of the tenant's partners, the oldest first."""
    return pages.shaped(await pages.read(tx, wanted, _PARTNERS, [by.tenant_id]), lambda row: _partner_view(dict(row)))


async def create_partner(tx: Transaction, by: Actor, body: PartnerIn) -> Shown:
    """Create a partner. Raises ConflictError where an organisation of the tenant has this key."""
    row = await tx.fetchrow(_ADD_PARTNER, by.tenant_id, uuid4(), body.key, body.name)
    if row is None:
        raise ConflictError("An organisation with this key exists.")
    return Shown(_partner_view(dict(row)), row["version"])


async def read_partner(tx: Transaction, by: Actor, partner: UUID) -> Shown:
    """Return one partner. Raises NotFoundError."""
    row = await partners.find(tx, by.tenant_id, partner)
    return Shown(_partner_view(row), row["version"])


async def change_partner(tx: Transaction, by: Actor, partner: UUID, body: PartnerPatch, tag: str) -> Shown:
    """Rename, suspend or reactivate a partner, or limit its clients; while it is suspended, its deliveries wait.

    Raises NotFoundError and StaleVersionError.
    """
    row = await partners.find(tx, by.tenant_id, partner, lock=True)
    refuse_stale(row["version"], tag)
    given = body.model_dump(exclude_unset=True)
    limits = rate_limits.changed(row["limits"], given.pop("limits", {}))
    changes = {name: value for name, value in given.items() if value != row[name]}
    await rate_limits.set_of_organization(tx, by.tenant_id, partner, limits)
    if changes or limits:
        after = row | changes
        if "status" in changes:
            await suspensions.queue(tx, by.tenant_id, partner)
        row = await _write(tx, _CHANGE_PARTNER, by.tenant_id, partner, after["name"], after["status"])
    return Shown(_partner_view(row), row["version"])


async def describe_caller(tx: Transaction, by: Actor) -> dict[str, Any]:
    """Return who the caller is, what its token opens, and the programs that it takes part in."""
    row = await tx.fetchrow(_SELF, by.tenant_id, by.organization_id, by.partner_id)
    if row is None:
        raise NotFoundError("The organisation of this token does not exist.")
    return {
        "organization": {
            "id": ids.show(ids.Prefix.ORGANIZATION, row["id"]),
            "kind": row["kind"],
            "name": row["name"],
        },
        "client_id": ids.show(ids.Prefix.CLIENT, by.client_id),
        "roles": sorted(by.roles),
        "scopes": [{"scope": scope, "opens": OPENS[scope]} for scope in Scope if scope in by.scopes],
        "programs": row["programs"],
        "mode": "test" if by.test else "live",
    }


async def _write(tx: Transaction, statement: str, *values: object) -> Row:
    row = await tx.fetchrow(statement, *values)
    if row is None:
        raise LookupError("a locked row cannot be gone")
    return dict(row)


def _partner_view(row: Row) -> dict[str, Any]:
    return {
        "id": ids.show(ids.Prefix.ORGANIZATION, row["id"]),
        "key": row["key"],
        "name": row["name"],
        "status": row["status"],
        "limits": rate_limits.shown(row["limits"]),
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }
