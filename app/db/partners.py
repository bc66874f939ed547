"""Reads a partner of a tenant, also to hold it while it is changed."""

from typing import Any, Final
from uuid import UUID

from app.db.session import Transaction
from app.domain.errors import NotFoundError

_FIND: Final = """
select id, key, name, status, version, created_at, updated_at from baton.organization
where tenant_id = $1 and id = $2 and kind = 'partner'
"""


async def find(tx: Transaction, tenant_id: UUID, partner: UUID, *, lock: bool = False) -> dict[str, Any]:
    """Return the row of one of the tenant's partners, locked if asked for. Raises NotFoundError."""
    row = await tx.fetchrow(f"{_FIND} for no key update" if lock else _FIND, tenant_id, partner)
    if row is None:
        raise NotFoundError("There is no such partner.")
    return dict(row)
