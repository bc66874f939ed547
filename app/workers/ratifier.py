"""Puts playbook versions in force once all who take part have agreed."""

from datetime import datetime

from app.db import ratification
from app.db.session import Database, Identity, Login
from app.workers.loops import AT_ONCE


class Ratifier:
    """Looks at every version to which somebody has just agreed."""

    name = "ratifier"
    due = "(select min(queued_at) from baton.ratification) - (baton.now() - now())"

    def __init__(self, database: Database) -> None:
        self._database = database

    async def cycle(self) -> datetime | None:
        """Look at up to 50 versions, each in a transaction of its own tenant."""
        async with self._database.begin(Identity(Login.WORKER)) as tx:
            queued = await ratification.queued(tx)
        for tenant_id, playbook_id in queued:
            async with self._database.begin(Identity(Login.WORKER, tenant_id)) as tx:
                await ratification.ratify(tx, tenant_id, playbook_id)
        return AT_ONCE if queued else None
