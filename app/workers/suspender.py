"""Holds the deliveries of suspended partners, and lets them go once the partner is back."""

from datetime import datetime

from app.db import suspensions
from app.db.session import Database, Identity, Login
from app.workers.loops import AT_ONCE


class Suspender:
    """The loop that carries suspensions out. What is under way ends; nothing that waits is lost."""

    name = "suspender"
    due = "select min(queued_at) from baton.suspension"

    def __init__(self, database: Database) -> None:
        self._database = database

    async def cycle(self) -> datetime | None:
        """Look at one partner that was suspended or reactivated."""
        async with self._database.begin(Identity(Login.WORKER)) as tx:
            if not await suspensions.carry_out(tx):
                return None
            tx.wake_workers()
        return AT_ONCE
