"""Use cases on partners and on machine clients: created, changed, suspended, given secrets, deleted.

Whether the caller administers the tenant is decided before these run (`app.domain.access`). What must end soon ends by
`client.not_before`, which every process reads within 30 s.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from app.db import clients, pages
from app.db.clients import MAX_SECRET_LIFE, NewClient, NewSecret
from app.db.pages import Key, Listing, Order, Page, Wanted
from app.db.session import Transaction
from app.domain import ids
from app.domain.access import OPENS, ROLES_OF, SCOPES_OF, Role, Scope, default_scopes
from app.domain.actor import Actor, Side
from app.domain.errors import ConflictError, NotFoundError, StaleVersionError, ValidationFailedError
from app.schemas.identity import ClientIn, ClientPatch, PartnerIn, PartnerPatch, SecretIn

_ADD_PARTNER = """
insert into baton.organization (tenant_id, id, kind, key, name, status, version, created_at, updated_at)
values ($1, $2, 'partner', $3, $4, 'active', 1, baton.now(), baton.now())
on conflict (tenant_id, key) do nothing
returning id, key, name, status, version, created_at, updated_at
"""
_PARTNER = """
select id, key, name, status, version, created_at, updated_at from baton.organization
where tenant_id = $1 and id = $2 and kind = 'partner'
"""
_CHANGE_PARTNER = """
update baton.organization set name = $3, status = $4, version = version + 1, updated_at = baton.now()
where tenant_id = $1 and id = $2 returning id, key, name, status, version, created_at, updated_at
"""
_END_TOKENS_OF = """
update baton.client set not_before = now() where tenant_id = $1 and organization_id = $2 and status <> 'deleted'
"""
_IN_ORDER = Order((Key("created_at", "created_at", datetime), Key("id", "id", UUID)))
_PARTNERS = Listing(
    "select id, key, name, status, version, created_at, updated_at from baton.organization"
    " where tenant_id = $1 and kind = 'partner'",
    _IN_ORDER,
)

_CLIENT_COLUMNS = "id, organization_id, name, roles, scopes, test, status, version, created_at, last_used_at"
_CLIENT = f"""
select {_CLIENT_COLUMNS}, now() as now from baton.client where tenant_id = $1 and id = $2 and status <> 'deleted'
"""  # noqa: S608  # constants only
_CHANGE_CLIENT = f"""
update baton.client set name = $3, roles = $4, scopes = $5, status = $6, version = version + 1,
  not_before = case when $7 then now() else not_before end
where tenant_id = $1 and id = $2 returning {_CLIENT_COLUMNS}
"""  # noqa: S608  # constants only
_CLIENTS = Listing(
    f"select {_CLIENT_COLUMNS} from baton.client"  # noqa: S608  # constants only
    " where tenant_id = $1 and organization_id = $2 and status <> 'deleted'",
    _IN_ORDER,
)
_LIVE_SECRETS = """
select id, client_id, created_at, expires_at, last_used_at from baton.client_secret
where tenant_id = $1 and client_id = any($2::uuid[]) and expires_at > now() order by created_at, id
"""
_SELF = """
select o.id, o.kind, o.name,
  array(select p.key from baton.program p where p.tenant_id = $1 and p.status = 'active'
    and ($3::uuid is null or exists (
      select from baton.enrolment m where m.tenant_id = p.tenant_id and m.program_id = p.id and m.partner_id = $3))
    order by p.key) as programs
from baton.organization o where o.tenant_id = $1 and o.id = $2
"""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Shown:
    """An object as its reader sees it, with the version that If-Match names."""

    body: dict[str, Any]
    version: int


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
    row = await _partner(tx, by, partner)
    return Shown(_partner_view(row), row["version"])


async def change_partner(tx: Transaction, by: Actor, partner: UUID, body: PartnerPatch, tag: str) -> Shown:
    """Rename, suspend or reactivate a partner. Raises NotFoundError and StaleVersionError."""
    row = await _partner(tx, by, partner, lock=True)
    _refuse_stale(row, tag)
    changes = {name: value for name, value in body.model_dump(exclude_unset=True).items() if value != row[name]}
    if changes:
        after = row | changes
        if "status" in changes:
            await tx.execute(_END_TOKENS_OF, by.tenant_id, partner)
        row = await _write(tx, _CHANGE_PARTNER, by.tenant_id, partner, after["name"], after["status"])
    return Shown(_partner_view(row), row["version"])


async def list_clients(tx: Transaction, by: Actor, organization: UUID, wanted: Wanted) -> Page[dict[str, Any]]:
    """Return a page of the clients of the tenant's own organisation or of one partner. Raises NotFoundError."""
    if organization != by.tenant_id:
        await _partner(tx, by, organization)
    page = await pages.read(tx, wanted, _CLIENTS, [by.tenant_id, organization])
    secrets = await _secrets_of(tx, by, [row["id"] for row in page.items])
    return pages.shaped(page, lambda row: _client_view(dict(row), secrets[row["id"]]))


async def create_client(tx: Transaction, by: Actor, organization: UUID, body: ClientIn) -> Shown:
    """Create a client of the tenant's own organisation or of one partner, with a first secret for a year.

    Raises NotFoundError, and ValidationFailedError for roles or scopes that such an organisation does not have.
    """
    side = _side(by, organization)
    if side is Side.PARTNER:
        await _partner(tx, by, organization)
    scopes = default_scopes(side, body.roles) if body.scopes is None else body.scopes
    _refuse_foreign(side, body.roles, scopes)
    new = NewClient(organization, body.name, frozenset(body.roles), frozenset(scopes), body.test)
    client_id, secret = await clients.add(tx, by.tenant_id, new)
    shown = await read_client(tx, by, client_id)
    return Shown(shown.body | {"client_secret": secret.text}, shown.version)


async def read_client(tx: Transaction, by: Actor, client: UUID) -> Shown:
    """Return one client of the tenant. Raises NotFoundError."""
    row = await _client(tx, by, client)
    return await _shown_client(tx, by, row)


async def change_client(tx: Transaction, by: Actor, client: UUID, body: ClientPatch, tag: str) -> Shown:
    """Change what a client may do, suspend or reactivate it.

    Raises NotFoundError, StaleVersionError, ValidationFailedError, and ConflictError where the caller would take its
    own administration away: a tenant never loses its last admin by its own hand.
    """
    row = await _client(tx, by, client, lock=True)
    _refuse_stale(row, tag)
    given = body.model_dump(exclude_unset=True)
    given |= {name: sorted(given[name]) for name in ("roles", "scopes") if name in given}
    changes = {name: value for name, value in given.items() if value != row[name]}
    if not changes:
        return await _shown_client(tx, by, row)
    after = row | changes
    _refuse_foreign(_side(by, row["organization_id"]), after["roles"], after["scopes"])
    if client == by.client_id and not _administers(after):
        raise ConflictError("A client cannot take its own administration away; let another admin do it.")
    ends_tokens = bool(changes.keys() & {"roles", "scopes", "status"})
    values = (after["name"], after["roles"], after["scopes"], after["status"], ends_tokens)
    return await _shown_client(tx, by, await _write(tx, _CHANGE_CLIENT, by.tenant_id, client, *values))


async def delete_client(tx: Transaction, by: Actor, client: UUID, tag: str) -> None:
    """End a client, its secrets and its tokens for good. Raises as `change_client` does."""
    row = await _client(tx, by, client, lock=True)
    _refuse_stale(row, tag)
    if client == by.client_id:
        raise ConflictError("A client cannot delete itself; let another admin do it.")
    await clients.end_secrets(tx, by.tenant_id, client, keep=0)
    values = (row["name"], row["roles"], row["scopes"], "deleted", True)
    await _write(tx, _CHANGE_CLIENT, by.tenant_id, client, *values)


async def add_secret(tx: Transaction, by: Actor, client: UUID, body: SecretIn) -> dict[str, Any]:
    """Give a client a further secret; of two live ones the older ends, or all others where the body says so.

    Raises NotFoundError, and ValidationFailedError unless it expires within a year.
    """
    row = await _client(tx, by, client, lock=True)
    if body.expires_at is not None and not row["now"] < body.expires_at <= row["now"] + MAX_SECRET_LIFE:
        fault = {"pointer": "/expires_at", "code": "range", "message": "Within the next 365 days."}
        raise ValidationFailedError("Some fields are not valid.", errors=[fault])
    keep = 0 if body.end_others else clients.LIVE_SECRETS - 1
    await clients.end_secrets(tx, by.tenant_id, client, keep=keep)
    values = (row["name"], row["roles"], row["scopes"], row["status"], body.end_others)
    await _write(tx, _CHANGE_CLIENT, by.tenant_id, client, *values)
    return _new_secret_view(client, await clients.add_secret(tx, by.tenant_id, client, expires_at=body.expires_at))


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


def _side(by: Actor, organization: UUID) -> Side:
    return Side.INTERNAL if organization == by.tenant_id else Side.PARTNER


def _administers(client: Row) -> bool:
    opens = not {Scope.ADMIN, Scope.PARTNERS_MANAGE}.isdisjoint(client["scopes"])
    return opens and client["status"] == "active" and Role.ADMIN in client["roles"]


def _refuse_foreign(side: Side, roles: Collection[str], scopes: Collection[str]) -> None:
    errors = [
        {"pointer": f"/{name}", "code": "enum", "message": f"A client of this organisation holds of {', '.join(held)}."}
        for name, given, held in (("roles", roles, sorted(ROLES_OF[side])), ("scopes", scopes, sorted(SCOPES_OF[side])))
        if not set(given) <= set(held)
    ]
    if errors:
        raise ValidationFailedError("Some fields are not valid.", errors=errors)


def _refuse_stale(row: Row, tag: str) -> None:
    if tag != str(row["version"]):
        raise StaleVersionError("Another version is current; read it again.")


async def _partner(tx: Transaction, by: Actor, partner: UUID, *, lock: bool = False) -> Row:
    row = await tx.fetchrow(f"{_PARTNER} for no key update" if lock else _PARTNER, by.tenant_id, partner)
    if row is None:
        raise NotFoundError("There is no such partner.")
    return dict(row)


async def _client(tx: Transaction, by: Actor, client: UUID, *, lock: bool = False) -> Row:
    row = await tx.fetchrow(f"{_CLIENT} for no key update" if lock else _CLIENT, by.tenant_id, client)
    if row is None:
        raise NotFoundError("There is no such client.")
    return dict(row)


async def _write(tx: Transaction, statement: str, *values: object) -> Row:
    row = await tx.fetchrow(statement, *values)
    if row is None:
        raise LookupError("a locked row cannot be gone")
    return dict(row)


async def _secrets_of(tx: Transaction, by: Actor, wanted: list[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    found: dict[UUID, list[dict[str, Any]]] = {client: [] for client in wanted}
    for row in await tx.fetch(_LIVE_SECRETS, by.tenant_id, wanted) if wanted else ():
        found[row["client_id"]].append(
            _secret_view(row["id"], row["created_at"], row["expires_at"], row["last_used_at"])
        )
    return found


async def _shown_client(tx: Transaction, by: Actor, row: Row) -> Shown:
    secrets = await _secrets_of(tx, by, [row["id"]])
    return Shown(_client_view(row, secrets[row["id"]]), row["version"])


def _partner_view(row: Row) -> dict[str, Any]:
    return {
        "id": ids.show(ids.Prefix.ORGANIZATION, row["id"]),
        "key": row["key"],
        "name": row["name"],
        "status": row["status"],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }


def _client_view(row: Row, secrets: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "client_id": ids.show(ids.Prefix.CLIENT, row["id"]),
        "organization_id": ids.show(ids.Prefix.ORGANIZATION, row["organization_id"]),
        "name": row["name"],
        "roles": row["roles"],
        "scopes": row["scopes"],
        "test": row["test"],
        "status": row["status"],
        "secrets": secrets,
        "created_at": row["created_at"],
        "last_used_at": row["last_used_at"],
    }


def _secret_view(secret: UUID, created_at: datetime, expires_at: datetime, used_at: datetime | None) -> dict[str, Any]:
    return {
        "id": ids.show(ids.Prefix.SECRET, secret),
        "created_at": created_at,
        "expires_at": expires_at,
        "last_used_at": used_at,
    }


def _new_secret_view(client: UUID, secret: NewSecret) -> dict[str, Any]:
    shown = _secret_view(secret.id, secret.created_at, secret.expires_at, None)
    return shown | {"client_id": ids.show(ids.Prefix.CLIENT, client), "client_secret": secret.text}
