"""Use cases on the clients of an organisation: its people's and machines' credentials, made, changed, ended.

Whether the caller administers is decided before these run (`app.domain.access`). The tenant's admin commands the
clients of its own organisation and the first ones of a partner; a partner's admin those of its own organisation, and
what it makes or touches the tenant neither sees nor commands from then on (company to company, never to person).
Nobody gives what it does not have. What must end soon ends by `client.not_before`, which every process reads within
30 s.
"""

from collections.abc import Mapping
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Any, Final
from uuid import UUID

from app.db import clients, pages, partners, rate_limits
from app.db.clients import MAX_SECRET_LIFE, NewClient, NewKey, NewSecret
from app.db.pages import Key, Listing, Order, Page, Wanted
from app.db.session import Transaction
from app.domain import ids
from app.domain.access import Role, Scope
from app.domain.actor import Actor, Side
from app.domain.errors import ConflictError, NotFoundError, NotPermittedError, ValidationFailedError
from app.domain.grants import refuse_foreign, refuse_none, refuse_ungiven, scopes_given
from app.domain.versions import Shown, refuse_stale
from app.schemas.identity import ClientIn, ClientPatch, KeyIn, PublicJwkIn, SecretIn
from app.security.credentials import may_come_from
from app.security.signing_keys import PublicKey, public_jwk, read_public_jwk

Address = IPv4Address | IPv6Address
Row = dict[str, Any]

_COLUMNS: Final = (
    "id, organization_id, name, roles, scopes, test, status, networks, self_managed, version, created_at, last_used_at,"
    f" {rate_limits.OF_CLIENT}"
)
# $3 is the caller's partner, null for the tenant: a second lock beside the policies.
_VISIBLE: Final = "case when $3::uuid is null then not self_managed else organization_id = $3 end"
_CLIENT: Final = f"""
select {_COLUMNS}, now() as now from baton.client
where tenant_id = $1 and id = $2 and status <> 'deleted' and {_VISIBLE}
"""  # noqa: S608  # constants only
_CHANGE: Final = f"""
update baton.client set name = $4, roles = $5, scopes = $6, status = $7, networks = $8, version = version + 1,
  self_managed = $3::uuid is not null, not_before = case when $9 then clock_timestamp() else not_before end
where tenant_id = $1 and id = $2 and {_VISIBLE} returning {_COLUMNS}
"""  # noqa: S608  # constants only
_CLIENTS: Final = Listing(
    f"select {_COLUMNS} from baton.client"  # noqa: S608  # constants only
    f" where tenant_id = $1 and organization_id = $2 and status <> 'deleted' and {_VISIBLE}",
    Order((Key("created_at", "created_at", datetime), Key("id", "id", UUID))),
)
_SECRETS: Final = """
select id, client_id, created_at, expires_at, last_used_at from baton.client_secret
where tenant_id = $1 and client_id = any($2::uuid[]) and expires_at > now() order by created_at, id
"""
_KEYS: Final = """
select id, client_id, kid, created_at, expires_at, last_used_at from baton.client_key
where tenant_id = $1 and client_id = any($2::uuid[]) and expires_at > now() order by created_at, id
"""
_END_SECRET: Final = """
update baton.client_secret set expires_at = now()
where tenant_id = $1 and client_id = $2 and id = $3 and expires_at > now()
"""  # noqa: S105  # a statement, no secret
_END_KEY: Final = """
update baton.client_key set expires_at = now()
where tenant_id = $1 and client_id = $2 and id = $3 and expires_at > now()
"""


MOST_CLIENTS: Final = 100
"""Clients of one organisation: each has limits of its own, so that more of them would be a way around the limits."""


async def list_clients(tx: Transaction, by: Actor, organization: UUID, wanted: Wanted) -> Page[dict[str, Any]]:
    """Return a page of the clients of the caller's organisation, or of a partner those that the tenant manages.

    Raises NotFoundError.
    """
    if organization != by.organization_id:
        await partners.find(tx, by.tenant_id, organization)
    page = await pages.read(tx, wanted, _CLIENTS, [by.tenant_id, organization, by.partner_id])
    held = await _credentials_of(tx, by, [row["id"] for row in page.items])
    return pages.shaped(page, lambda row: _view(dict(row), held[row["id"]]))


async def create_client(tx: Transaction, by: Actor, organization: UUID, body: ClientIn) -> Shown:
    """Create a client of the caller's organisation or of a partner: with the keys of the body, else a first secret.

    Either lives for a year. Raises NotFoundError, and ValidationFailedError for roles or scopes that such an
    organisation does not have or the caller cannot give, and for what is no key.
    """
    side = Side.INTERNAL if organization == by.tenant_id else Side.PARTNER
    if organization != by.organization_id:
        await partners.find(tx, by.tenant_id, organization)
    scopes = scopes_given(by, side, body.roles, body.scopes, test=body.test)
    if await clients.live(tx, by.tenant_id, organization) >= MOST_CLIENTS:
        raise ConflictError(f"An organisation has at most {MOST_CLIENTS} clients.")
    keys = [_public_key(jwk, f"/keys/{n}") for n, jwk in enumerate(body.keys)]
    if len({public_jwk(key)["kid"] for key in keys}) < len(keys):
        raise _invalid("/keys", "unique", "Two different keys, or one.")
    new = NewClient(
        organization,
        body.name,
        frozenset(body.roles),
        scopes,
        body.test,
        body.networks,
        self_managed=by.side is Side.PARTNER,
    )
    client_id = await clients.add(tx, by.tenant_id, new)
    for key in keys:
        await clients.add_key(tx, by.tenant_id, client_id, key)
    secret = None if keys else await clients.add_secret(tx, by.tenant_id, client_id)
    shown = await read_client(tx, by, client_id)
    return Shown(shown.body | {"client_secret": secret.text if secret else None}, shown.version)


async def read_client(tx: Transaction, by: Actor, client: UUID) -> Shown:
    """Return one client that the caller manages. Raises NotFoundError."""
    return await _shown(tx, by, await _find(tx, by, client))


async def change_client(
    tx: Transaction, by: Actor, client: UUID, body: ClientPatch, tag: str, address: Address | None
) -> Shown:
    """Change what a client may do, how often and from where, suspend or reactivate it; the caller asks from `address`.

    Raises NotFoundError, StaleVersionError, ValidationFailedError, NotPermittedError, and ConflictError where the
    caller would lock itself out: an organisation never loses its last admin by its own hand.
    """
    row = await _find(tx, by, client, lock=True)
    refuse_stale(row["version"], tag)
    given = body.model_dump(exclude_unset=True)
    given |= {name: sorted(given[name]) for name in ("roles", "scopes") if name in given}
    limits = rate_limits.changed(row["limits"], given.pop("limits", {}))
    _refuse_own_limits(by, limits)
    changes = {name: value for name, value in given.items() if value != row[name]}
    if not changes and not limits:
        return await _shown(tx, by, row)
    await rate_limits.set_of_client(tx, by.tenant_id, client, limits)
    after = row | changes
    side = Side.INTERNAL if row["organization_id"] == by.tenant_id else Side.PARTNER
    refuse_foreign(side, after["roles"], after["scopes"])
    refuse_ungiven(by, set(after["scopes"]) - set(row["scopes"]))
    refuse_none(after["scopes"], test=row["test"])
    if client == by.client_id:
        _refuse_lockout(after, address)
    ends_tokens = bool(changes.keys() & {"roles", "scopes", "status", "networks"})
    return await _shown(tx, by, await _write(tx, by, after, ends_tokens=ends_tokens))


async def delete_client(tx: Transaction, by: Actor, client: UUID, tag: str) -> None:
    """End a client, its credentials and its tokens for good. Raises as `change_client` does."""
    row = await _find(tx, by, client, lock=True)
    refuse_stale(row["version"], tag)
    if client == by.client_id:
        raise ConflictError("A client cannot delete itself; let another admin do it.")
    await _end_all(tx, by, client)
    await _write(tx, by, row | {"status": "deleted"}, ends_tokens=True)


async def add_secret(tx: Transaction, by: Actor, client: UUID, body: SecretIn) -> dict[str, Any]:
    """Give a client a further secret; of two live ones the older ends, or all other credentials as the body says.

    Raises NotFoundError, NotPermittedError for a client that may do more than the caller, and ValidationFailedError
    unless it expires within a year.
    """
    await _make_room(tx, by, client, body)
    if not body.end_others:
        await clients.end_secrets(tx, by.tenant_id, client)
    secret = await clients.add_secret(tx, by.tenant_id, client, expires_at=body.expires_at)
    return _secret_view(_row_of(secret)) | {
        "client_id": ids.show(ids.Prefix.CLIENT, client),
        "client_secret": secret.text,
    }


async def add_key(tx: Transaction, by: Actor, client: UUID, body: KeyIn) -> dict[str, Any]:
    """Register a further public key of a client, as `add_secret` does. Raises ConflictError where it has it already."""
    key = _public_key(body.jwk, "/jwk")
    await _make_room(tx, by, client, body)
    kid = public_jwk(key)["kid"]
    if any(held["kid"] == kid for held in (await _credentials_of(tx, by, [client]))[client]["keys"]):
        raise ConflictError("The client has this key.")
    await clients.end_keys(tx, by.tenant_id, client)
    made = await clients.add_key(tx, by.tenant_id, client, key, expires_at=body.expires_at)
    return _key_view(_row_of(made)) | {"client_id": ids.show(ids.Prefix.CLIENT, client)}


async def end_secret(tx: Transaction, by: Actor, client: UUID, secret: UUID, tag: str) -> None:
    """End one live secret at once. Raises as `change_client` does, and NotFoundError where it has none of this id."""
    await _end_one(tx, by, client, tag, _END_SECRET, secret)


async def end_key(tx: Transaction, by: Actor, client: UUID, key: UUID, tag: str) -> None:
    """End one live public key at once. Raises as `end_secret` does."""
    await _end_one(tx, by, client, tag, _END_KEY, key)


async def _make_room(tx: Transaction, by: Actor, client: UUID, body: SecretIn | KeyIn) -> None:
    """Take the client's row, refuse what may not be given, and end everything else where the body says so."""
    row = await _find(tx, by, client, lock=True)
    if not set(row["scopes"]) <= by.scopes:
        raise NotPermittedError("This client may do more than the token that asks for its credential.")
    if body.expires_at is not None and not row["now"] < body.expires_at <= row["now"] + MAX_SECRET_LIFE:
        raise _invalid("/expires_at", "range", "Within the next 365 days.")
    if body.end_others:
        await _end_all(tx, by, client)
    await _write(tx, by, row, ends_tokens=body.end_others)


async def _end_one(tx: Transaction, by: Actor, client: UUID, tag: str, statement: str, credential: UUID) -> None:
    row = await _find(tx, by, client, lock=True)
    if await tx.execute(statement, by.tenant_id, client, credential) != "UPDATE 1":
        raise NotFoundError("There is no such client.")
    refuse_stale(row["version"], tag)
    held = (await _credentials_of(tx, by, [client]))[client]
    if client == by.client_id and not any(held.values()):
        raise ConflictError("A client cannot end its own last credential; add another one first.")
    await _write(tx, by, row, ends_tokens=False)


async def _end_all(tx: Transaction, by: Actor, client: UUID) -> None:
    await clients.end_secrets(tx, by.tenant_id, client, keep=0)
    await clients.end_keys(tx, by.tenant_id, client, keep=0)


async def _find(tx: Transaction, by: Actor, client: UUID, *, lock: bool = False) -> Row:
    statement = f"{_CLIENT} for no key update" if lock else _CLIENT
    row = await tx.fetchrow(statement, by.tenant_id, client, by.partner_id)
    if row is None:
        raise NotFoundError("There is no such client.")
    if lock:  # only now: nobody holds up the tokens of a client that it does not manage
        await clients.change_alone(tx, client)
    return dict(row)


async def _write(tx: Transaction, by: Actor, after: Row, *, ends_tokens: bool) -> Row:
    values = (after["name"], after["roles"], after["scopes"], after["status"], after["networks"], ends_tokens)
    row = await tx.fetchrow(_CHANGE, by.tenant_id, after["id"], by.partner_id, *values)
    if row is None:
        raise LookupError("a locked row cannot be gone")
    return dict(row)


def _refuse_own_limits(by: Actor, limits: Mapping[str, int | None]) -> None:
    if limits and by.side is Side.PARTNER:
        raise NotPermittedError("The limits of a partner's clients are the tenant's to set.")


def _refuse_lockout(after: Row, address: Address | None) -> None:
    opens = not {Scope.ADMIN, Scope.PARTNERS_MANAGE}.isdisjoint(after["scopes"])
    if not (opens and after["status"] == "active" and Role.ADMIN in after["roles"]):
        raise ConflictError("A client cannot take its own administration away; let another admin do it.")
    if not may_come_from(address, [ip_network(network) for network in after["networks"]]):
        raise ConflictError("A client cannot shut its own address out; let another admin do it.")


def _public_key(jwk: PublicJwkIn, pointer: str) -> PublicKey:
    try:
        return read_public_jwk(jwk.model_dump())
    except ValueError:
        raise _invalid(pointer, "format", "The public JWK of a P-256 key.") from None


def _invalid(pointer: str, code: str, message: str) -> ValidationFailedError:
    fault = {"pointer": pointer, "code": code, "message": message}
    return ValidationFailedError("Some fields are not valid.", errors=[fault])


Credentials = dict[str, list[dict[str, Any]]]


async def _credentials_of(tx: Transaction, by: Actor, wanted: list[UUID]) -> dict[UUID, Credentials]:
    found: dict[UUID, Credentials] = {client: {"secrets": [], "keys": []} for client in wanted}
    if wanted:
        for row in await tx.fetch(_SECRETS, by.tenant_id, wanted):
            found[row["client_id"]]["secrets"].append(_secret_view(row))
        for row in await tx.fetch(_KEYS, by.tenant_id, wanted):
            found[row["client_id"]]["keys"].append(_key_view(row))
    return found


async def _shown(tx: Transaction, by: Actor, row: Row) -> Shown:
    held = await _credentials_of(tx, by, [row["id"]])
    return Shown(_view(row, held[row["id"]]), row["version"])


def _view(row: Row, held: Credentials) -> dict[str, Any]:
    return {
        "client_id": ids.show(ids.Prefix.CLIENT, row["id"]),
        "organization_id": ids.show(ids.Prefix.ORGANIZATION, row["organization_id"]),
        "name": row["name"],
        "roles": row["roles"],
        "scopes": row["scopes"],
        "test": row["test"],
        "status": row["status"],
        "networks": row["networks"],
        "limits": rate_limits.shown(row["limits"]),
        "managed_by": "partner" if row["self_managed"] else "internal",
        "secrets": held["secrets"],
        "keys": held["keys"],
        "created_at": row["created_at"],
        "last_used_at": row["last_used_at"],
    }


def _secret_view(row: Mapping[str, Any]) -> dict[str, Any]:
    return _credential_view(ids.Prefix.SECRET, row)


def _key_view(row: Mapping[str, Any]) -> dict[str, Any]:
    return _credential_view(ids.Prefix.CLIENT_KEY, row) | {"kid": row["kid"]}


def _credential_view(prefix: ids.Prefix, row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": ids.show(prefix, row["id"]),
        "created_at": row["created_at"],
        "expires_at": row["expires_at"],
        "last_used_at": row["last_used_at"],
    }


def _row_of(made: NewSecret | NewKey) -> dict[str, Any]:
    row = {"id": made.id, "created_at": made.created_at, "expires_at": made.expires_at, "last_used_at": None}
    return row | {"kid": made.kid} if isinstance(made, NewKey) else row
