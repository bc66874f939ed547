"""Decides received leads: whose a company is within a program. The first lead holds it; nobody learns who does.

A batch is one transaction of one tenant. What it cannot decide it sets aside alone, so one bad row stops no other.
"""

import logging
import traceback
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from app.db import admission, claims
from app.db.batches import Batches
from app.db.cases import Case
from app.db.session import Database, Identity, Login, Transaction
from app.db.watch import LOST
from app.db.writes import Writes
from app.domain import adjudication
from app.domain.ids import Prefix, show
from app.workers.loops import AT_ONCE, SOON

BATCH: Final = 50
"""Leads decided by one transaction."""
_SET_ASIDE: Final = timedelta(minutes=1)
_PATIENCE_S: Final = 5.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Adjudicator:
    """The loop that decides received leads."""

    database: Database
    public_url: str = ""
    batches: Batches = field(default_factory=Batches)

    @property
    def name(self) -> str:
        """A word for the log."""
        return "adjudicator"

    @property
    def due(self) -> str:
        """When the next lead waits."""
        return claims.QUEUE_DUE

    async def cycle(self) -> datetime | None:
        """Decide one batch of every tenant that has leads waiting."""
        found = await self.database.single(Login.WORKER, _PATIENCE_S, claims.TENANTS)
        worked = [await self._tenant(tenant_id) for tenant_id in found["tenants"] or ()]
        if not any(worked):
            return None
        return AT_ONCE if max(worked) >= BATCH else SOON

    async def _tenant(self, tenant_id: UUID) -> int:
        try:
            return await self._batch(tenant_id, BATCH)
        except LOST:
            raise
        except Exception as error:  # noqa: BLE001 - one bad lead must not hold up the others
            _report("a batch failed, its leads are tried one by one", error)
        async with self.database.begin(Identity(Login.WORKER, tenant_id)) as tx:
            leads = [one.lead_id for one in await claims.waiting(tx, tenant_id, BATCH)]
        for lead_id in leads:
            await self._alone(tenant_id, lead_id)
        return len(leads)

    async def _alone(self, tenant_id: UUID, lead_id: UUID) -> None:
        try:
            await self._batch(tenant_id, 1, lead_id)
        except LOST:
            raise
        except Exception as error:  # noqa: BLE001 - one bad lead must not hold up the others
            _report(f"{show(Prefix.LEAD, lead_id)} is set aside", error)
            async with self.database.begin(Identity(Login.WORKER, tenant_id)) as tx:
                await claims.postpone(tx, tenant_id, lead_id, _SET_ASIDE)

    async def _batch(self, tenant_id: UUID, limit: int, only: UUID | None = None) -> int:
        """Decide the first leads of the queue in one transaction; returns how many were decided."""
        async with self.database.begin(Identity(Login.WORKER, tenant_id)) as tx:
            if not await claims.take_turn(tx, tenant_id):
                return 0
            queue = await claims.waiting(tx, tenant_id, limit, only)
            if not queue:
                return 0
            free = await claims.lock(tx, tenant_id, [one.lead_id for one in queue])
            turn = adjudication.in_turn(((one.lead_id, one.keys) for one in queue), frozenset(free))
            if not turn:
                return 0
            loaded = await claims.load(tx, tenant_id, [free[lead_id] for lead_id in turn])
            await self._decide(tx, tenant_id, loaded)
            return len(loaded)

    async def _decide(self, tx: Transaction, tenant_id: UUID, loaded: list[Case]) -> None:
        # An edit may have changed the company between the look at the queue and the lock: only these keys count.
        keys = {case.lead.id: claims.lead_keys(case.row["company"], test=case.lead.test) for case in loaded}
        wanted = {(case.row["program_id"], key) for case in loaded for key in keys[case.lead.id]}
        held = await claims.held(tx, tenant_id, wanted)
        decided: list[Writes] = []
        for case in loaded:
            program_id = case.row["program_id"]
            mine = {key: held[program_id, key] for key in keys[case.lead.id] if (program_id, key) in held}
            judgement = adjudication.judge(case.lead.partner_id, keys[case.lead.id], mine)
            decided.append(admission.settle(case, judgement, held, public_url=self.public_url))
        await self.batches.run(tx, decided)
        tx.wake_workers()


def _report(what: str, error: Exception) -> None:
    # Type and place only: a message may quote a row.
    place = "".join(traceback.format_tb(error.__traceback__))
    _log.error("adjudicator: %s: %s\n%s", what, type(error).__name__, place)
