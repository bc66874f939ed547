"""Keeps the tables small: makes and drops daily partitions, purges what has outlived its promise. Decides nothing."""

from datetime import UTC, datetime, timedelta
from typing import Final

from app.db.idempotency import KEPT_HOURS
from app.db.session import Database, Identity, Login

EVERY: Final = timedelta(hours=1)
DELIVERIES_KEPT_DAYS: Final = 30
"""As long as the attempts that tell what became of them (design 7.7)."""
_BATCH: Final = 5000
_WORKER: Final = Identity(Login.WORKER)
# Dropping a partition waits for readers of its table, and whoever comes meanwhile waits behind it.
_PATIENCE: Final = "set local lock_timeout = '2s'"
_ROTATE: Final = "select baton.rotate_partitions()"
_PURGE_ANSWERS: Final = f"""
delete from baton.idempotency where ctid = any(array(
  select ctid from baton.idempotency where created_at < now() - interval '{KEPT_HOURS} hours' limit {_BATCH}))
"""  # noqa: S608 - the only thing put in are constants
_PURGE_DELIVERIES: Final = f"""
delete from baton.delivery where ctid = any(array(
  select ctid from baton.delivery
  where state in ('delivered', 'failed', 'cancelled')
    and finished_at < now() - interval '{DELIVERIES_KEPT_DAYS} days' limit {_BATCH}))
"""  # noqa: S608 - the only thing put in are constants
# A count that has been restored in full says no more than none at all.
_PURGE_PERMITS: Final = f"""
delete from baton.permit where ctid = any(array(
  select ctid from baton.permit
  where tat < now() - interval '1 hour' and not (now() - interval '1 hour' < any(until)) limit {_BATCH}))
"""  # noqa: S608 - the only thing put in are constants


class Housekeeping:
    """The loop that tidies up: at the start and every hour. Several processes may do so at once."""

    name = "housekeeping"
    due = "null"

    def __init__(self, database: Database) -> None:
        self._database = database

    async def cycle(self) -> datetime | None:
        """Rotate the partitions (eight days ahead exist already), then purge in batches; return the next hour."""
        async with self._database.begin(_WORKER) as tx:
            await tx.execute(_PATIENCE)
            await tx.execute(_ROTATE)
        for purge in (_PURGE_ANSWERS, _PURGE_DELIVERIES, _PURGE_PERMITS):
            removed = _BATCH
            while removed == _BATCH:
                async with self._database.begin(_WORKER) as tx:
                    removed = int((await tx.execute(purge)).removeprefix("DELETE "))
        return datetime.now(UTC) + EVERY
