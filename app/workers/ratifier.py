"""Tells what was said about playbook versions, puts them in force once all have agreed, and reminds of their review."""

from datetime import datetime

from app.db import ratification
from app.db.session import Database, Identity, Login
from app.workers.loops import AT_ONCE


class Ratifier:
    """Looks at every version about which somebody has just spoken, and at those whose day of review has come."""

    name = "ratifier"
    due = (
        "least((select min(queued_at) from baton.ratification), (select min(due_at) from baton.playbook_review))"
        " - (baton.now() - now())"
    )

    def __init__(self, database: Database) -> None:
        self._database = database

    async def cycle(self) -> datetime | None:
        """Look at up to 50 versions of each kind, each in a transaction of its own tenant."""
        async with self._database.begin(Identity(Login.WORKER)) as tx:
            queued = await ratification.queued(tx)
            due = await ratification.due_for_review(tx)
        for tenant_id, playbook_id in queued:
            async with self._database.begin(Identity(Login.WORKER, tenant_id)) as tx:
                await ratification.ratify(tx, tenant_id, playbook_id)
        for tenant_id, playbook_id in due:
            async with self._database.begin(Identity(Login.WORKER, tenant_id)) as tx:
                await ratification.remind(tx, tenant_id, playbook_id)
        return AT_ONCE if queued or due else None
