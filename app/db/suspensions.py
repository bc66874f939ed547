"""What a suspension means to the deliveries of a partner: its lanes hold them, and send them once it is back.

Written by the tenant's login, which neither sees nor touches a partner's lanes; carried out by the worker.
"""

from typing import Final
from uuid import UUID, uuid4

from app.db.session import Transaction

_QUEUE: Final = """
insert into baton.suspension (tenant_id, id, organization_id, queued_at) values ($1, $2, $3, now())
"""
# A row is seen once its transaction has committed: what the later statements read is at least as young as the change.
_TAKE: Final = """
delete from baton.suspension where (tenant_id, id) in (
  select tenant_id, id from baton.suspension order by tenant_id, organization_id limit 1
)
returning tenant_id, organization_id
"""
_BIND: Final = "select set_config('baton.tenant_id', $1, true)"
_LOCK_LANES: Final = """
select from baton.lane where tenant_id = $1 and organization_id = $2 order by tenant_id, id for no key update
"""
_HOLD_OR_SEND: Final = """
update baton.lane as l
set suspended = o.status = 'suspended', next_due_at = case when o.status = 'suspended' then null else now() end
from baton.organization as o
where o.tenant_id = $1 and o.id = $2 and l.tenant_id = o.tenant_id and l.organization_id = o.id
  and l.suspended <> (o.status = 'suspended')
"""


async def queue(tx: Transaction, tenant_id: UUID, organization_id: UUID) -> None:
    """Have the workers look at the status of a partner once this transaction has committed."""
    await tx.execute(_QUEUE, tenant_id, uuid4(), organization_id)
    tx.wake_workers()


async def carry_out(tx: Transaction) -> bool:
    """Bring the lanes of one partner into line with its status; False where none waits. For the worker."""
    row = await tx.fetchrow(_TAKE)
    if row is None:
        return False
    partner = (row["tenant_id"], row["organization_id"])
    await tx.execute(_BIND, str(row["tenant_id"]))  # organisations are bound to a tenant for the worker too
    await tx.execute(_LOCK_LANES, *partner)
    await tx.execute(_HOLD_OR_SEND, *partner)
    return True
