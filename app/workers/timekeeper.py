"""Watches what is owed: writes that a clock was missed, opens its escalation, climbs the ladder until somebody acts.

A clock or step is claimed together with its lead and written in that transaction, with its event and its page: a kill
at any point loses nothing and fires nothing twice. Due times are computed from due times, so an outage does not make
a ladder slide: the highest overdue step fires once and names the ones it skipped.
"""

import logging
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from app.db import cases, lateness, overdue
from app.db.cases import Case
from app.db.overdue import Agenda, Due
from app.db.session import Database, Identity, Login
from app.db.watch import LOST
from app.domain.ids import Prefix, show
from app.workers.loops import AT_ONCE

BATCH: Final = 50
"""Clocks or steps that one transaction takes on."""
_SET_ASIDE_S: Final = 60.0
_WORKER: Final = Identity(Login.WORKER)

_log = logging.getLogger(__name__)

Act = Callable[[Case, Sequence[UUID], str], Awaitable[None]]


@dataclass(slots=True)
class Timekeeper:
    """The loop that watches clocks and ladders. What it could not do it sets aside for a minute, and tries again."""

    database: Database
    public_url: str
    _aside: dict[UUID, float] = field(default_factory=dict[UUID, float])

    @property
    def name(self) -> str:
        """A word for the log."""
        return "timekeeper"

    @property
    def due(self) -> str:
        """When the next clock or step falls due."""
        return overdue.NEXT_DUE

    async def cycle(self) -> datetime | None:
        """Take on one batch of missed clocks and one of due steps of every tenant that has some."""
        self._aside = {id_: until for id_, until in self._aside.items() if until > time.monotonic()}
        done = await self._work(overdue.CLOCKS, lateness.miss) + await self._work(overdue.STEPS, lateness.step)
        return AT_ONCE if done else None

    async def _work(self, agenda: Agenda, act: Act) -> int:
        async with self.database.begin(_WORKER) as tx:
            tenants = await overdue.tenants(tx, agenda, self._aside)
        return sum([await self._tenant(agenda, act, tenant_id) for tenant_id in tenants])

    async def _tenant(self, agenda: Agenda, act: Act, tenant_id: UUID) -> int:
        try:
            return await self._batch(agenda, act, tenant_id, BATCH, [])
        except LOST:
            raise
        except Exception as error:  # noqa: BLE001 - one bad lead must not hold up the others
            _report("a batch failed, what it held is tried one by one", error)
        done = 0
        while done < BATCH:
            claimed: list[Due] = []
            try:
                if not await self._batch(agenda, act, tenant_id, 1, claimed):
                    break
            except LOST:
                raise
            except Exception as error:
                if not claimed:
                    raise
                self._aside[claimed[0].id] = time.monotonic() + _SET_ASIDE_S
                _report(f"{show(Prefix.LEAD, claimed[0].lead_id)} is set aside", error)
            done += 1
        return done

    async def _batch(self, agenda: Agenda, act: Act, tenant_id: UUID, limit: int, claimed: list[Due]) -> int:
        """Do the first due of a tenant in one transaction; `claimed` tells the caller what was at hand."""
        async with self.database.begin(Identity(Login.WORKER, tenant_id)) as tx:
            claimed += await overdue.claim(tx, agenda, tenant_id, limit, self._aside)
            by_lead: dict[UUID, list[UUID]] = {}
            for one in claimed:
                by_lead.setdefault(one.lead_id, []).append(one.id)
            for lead_id, ids in by_lead.items():
                await act(await cases.for_engine(tx, tenant_id, lead_id), ids, self.public_url)
            return len(claimed)


def _report(what: str, error: Exception) -> None:
    # Type and place only: a message may quote a row.
    place = "".join(traceback.format_tb(error.__traceback__))
    _log.error("timekeeper: %s: %s\n%s", what, type(error).__name__, place)
