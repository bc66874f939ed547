"""Reads a partner of a tenant, also to hold it while it is changed."""

from typing import Any, Final
from uuid import UUID

from app.db import rate_limits
from app.db.session import Transaction
from app.domain.errors import NotFoundError

COLUMNS: Final = f"id, key, name, status, version, created_at, updated_at, {rate_limits.OF_ORGANIZATION}"
"""What a partner shows of itself, selected from `baton.organization`."""

_FIND: Final = f"""
select {COLUMNS} from baton.organization
where tenant_id = $1 and id = $2 and kind = 'partner'
"""  # noqa: S608  # constants only


async def find(tx: Transaction, tenant_id: UUID, partner: UUID, *, lock: bool = False) -> dict[str, Any]:
    """Return the row of one of the tenant's partners, locked if asked for. Raises NotFoundError."""
    row = await tx.fetchrow(f"{_FIND} for no key update" if lock else _FIND, tenant_id, partner)
    if row is None:
        raise NotFoundError("There is no such partner.")
    return dict(row)
