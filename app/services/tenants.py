"""Creates a tenant: its own organisation, the key of its blind indexes, and its first admin client."""

import secrets
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from app.db import clients
from app.db.clients import NewClient
from app.db.session import Identity, Login, Transaction
from app.domain import ids
from app.domain.access import SCOPES_OF, Role
from app.domain.actor import Side
from app.domain.errors import ConflictError
from app.security.keyring import KEY_BYTES, MasterKeys

_ADD_TENANT = """
insert into baton.tenant (tenant_id, key, name, hmac_key, created_at) values ($1, $2, $3, $4, baton.now())
on conflict (key) do nothing
"""
_ADD_ORGANIZATION = """
insert into baton.organization (tenant_id, id, kind, key, name, status, version, created_at, updated_at)
values ($1, $1, 'internal', $2, $3, 'active', 1, baton.now(), baton.now())
"""


@dataclass(frozen=True, slots=True)
class NewTenant:
    """A tenant that has been created; its secret is shown once."""

    tenant_id: UUID
    client_id: UUID
    client_secret: str = field(repr=False)

    def shown(self) -> dict[str, str]:
        """Return what `baton tenant create` prints."""
        return {
            "tenant_id": ids.show(ids.Prefix.TENANT, self.tenant_id),
            "client_id": ids.show(ids.Prefix.CLIENT, self.client_id),
            "client_secret": self.client_secret,
        }


def new_identity() -> Identity:
    """Return the identity under which one new tenant is created: bound to its own id, it can write no other's rows."""
    tenant_id = uuid4()
    return Identity(Login.INTERNAL, tenant_id, tenant_id)


async def create(tx: Transaction, master_keys: MasterKeys, *, key: str, name: str) -> NewTenant:
    """Create the tenant that the transaction of a `new_identity` is bound to.

    `key` is 1 to 63 lower-case letters, digits and hyphens. Raises ConflictError where another tenant has it.
    """
    tenant_id = tx.identity.tenant_id
    if tenant_id is None:
        raise LookupError("a tenant is created in a transaction that is bound to it")
    hmac_key = secrets.token_bytes(KEY_BYTES)
    sealed = master_keys.seal(hmac_key, tenant=tenant_id, table="tenant", column="hmac_key", row=tenant_id)
    if await tx.execute(_ADD_TENANT, tenant_id, key, name, sealed) != "INSERT 0 1":
        raise ConflictError("Another tenant has this key.")
    await tx.execute(_ADD_ORGANIZATION, tenant_id, key, name)
    admin = NewClient(tenant_id, "admin", frozenset({Role.ADMIN}), frozenset(SCOPES_OF[Side.INTERNAL]))
    client_id = await clients.add(tx, tenant_id, admin)
    secret = await clients.add_secret(tx, tenant_id, client_id)
    return NewTenant(tenant_id, client_id, secret.text)
