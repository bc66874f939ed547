"""Tries a playbook on past leads. Reads one snapshot and writes nothing; a partner tries it on its own leads only."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from app.db import histories, playbooks
from app.db.session import Database, Transaction
from app.domain import ids
from app.domain.actor import Actor
from app.domain.business_time import Calendar
from app.domain.errors import NotFoundError, NotPermittedError, OverloadedError
from app.domain.ids import Prefix
from app.domain.playbook import Playbook
from app.domain.proposals import proven
from app.domain.simulation import replay
from app.domain.simulation_report import Tally, lead_line
from app.domain.view import stamp
from app.schemas.simulation import SimulationIn

AT_ONCE: Final = 3
"""Simulations of one process, each of another organisation: each holds a connection and, at times, the processor."""
PATIENCE_S: Final = 600.0
"""The longest a simulation may hold its snapshot; after it the answer breaks off."""
_RETRY_AFTER_S: Final = 10

_PROGRAM = """
select p.id, p.key, p.calendar_id from baton.program p
where p.tenant_id = $1 and (p.id = $2 or p.key = $3) and ($4::uuid is null or exists (
  select from baton.enrolment m where m.tenant_id = p.tenant_id and m.program_id = p.id and m.partner_id = $4))
"""
_PROGRAM_OF = """
select v.program_id from baton.playbook v where v.tenant_id = $1 and v.id = $2 and ($3::uuid is null or exists (
  select from baton.enrolment m where m.tenant_id = v.tenant_id and m.program_id = v.program_id and m.partner_id = $3))
"""
_CALENDARS = """
select id, calendar_id from baton.organization where tenant_id = $1 and ($2::uuid is null or id in ($1, $2))
"""

_running: set[UUID] = set()


@dataclass(frozen=True, slots=True)
class _Trial:
    """What is replayed under which playbook. Clocks are watched until `watched`."""

    playbook: Playbook
    program: str
    range: histories.Range
    watched: datetime
    calendars: Callable[[UUID], Calendar]


async def simulate(database: Database, actor: Actor, body: SimulationIn) -> AsyncGenerator[dict[str, Any]]:
    """Yield the lines of the answer: what is replayed, progress, leads with something to tell, and the summary.

    Everything that refuses the request is raised before the first line. The same ledger gives the same lines: a range
    that is over is watched to its end, one that is not to the last full hour or its last fact.
    """
    if "manager" not in actor.roles:
        raise NotPermittedError("Only the role manager may do this.")
    async with AsyncExitStack() as held:
        proposed = None
        if body.document is not None:
            held.enter_context(_turn(actor.organization_id))
            proposed = await asyncio.to_thread(proven, body.document)
        tx = await held.enter_async_context(database.transaction(actor, snapshot=True))
        trial = await _trial(tx, actor, body, proposed)
        if proposed is None:
            held.enter_context(_turn(actor.organization_id))
        async for line in _run(tx, trial, body):
            yield line


@contextmanager
def _turn(organization_id: UUID) -> Generator[None]:
    """Keep one of the process's few places, one for an organisation. Raises OverloadedError where there is none."""
    if len(_running) >= AT_ONCE or organization_id in _running:
        raise OverloadedError("Other simulations are still running.", retry_after=_RETRY_AFTER_S)
    _running.add(organization_id)
    try:
        yield
    finally:
        _running.discard(organization_id)


async def _run(tx: Transaction, trial: _Trial, body: SimulationIn) -> AsyncGenerator[dict[str, Any]]:
    of = await histories.count(tx, trial.range)
    yield {
        "type": "start",
        "playbook": {"program": trial.playbook.program, "version": trial.playbook.version or None},
        "program": trial.program,
        "from": body.first.isoformat() if body.first else None,
        "to": body.last.isoformat() if body.last else None,
        "until": stamp(trial.watched),
        "leads": of,
    }
    tally = Tally()
    ends = asyncio.get_running_loop().time() + PATIENCE_S
    async for batch in histories.histories(tx, trial.range):
        for history in batch:
            replayed = replay(trial.playbook, history, trial.calendars, trial.watched)
            if replayed is None:
                tally.skip()
            else:
                tally.add(replayed)
                if not replayed.is_quiet:
                    yield lead_line(replayed)
            await asyncio.sleep(0)  # other requests of this process go on between two leads
        if asyncio.get_running_loop().time() > ends:
            raise OverloadedError("The simulation took too long.", retry_after=_RETRY_AFTER_S)
        yield {"type": "progress", "leads": tally.leads, "of": of, "events": tally.facts}
    yield {"type": "summary", **tally.summary()}


async def _trial(tx: Transaction, actor: Actor, body: SimulationIn, proposed: Playbook | None) -> _Trial:
    """Return what is to be replayed. Raises NotFoundError for a playbook or program that the caller cannot see."""
    playbook, own = proposed, None
    if playbook is None:
        playbook_id = ids.read(Prefix.PLAYBOOK, body.playbook or "")
        own = await tx.fetchval(_PROGRAM_OF, actor.tenant_id, playbook_id, actor.partner_id)
        if playbook_id is None or own is None:
            raise NotFoundError("There is no such playbook.")
        playbook = await playbooks.playbook(tx, actor.tenant_id, playbook_id)
    named = body.program or (ids.show(Prefix.PROGRAM, own) if own else playbook.program)
    program = await tx.fetchrow(_PROGRAM, actor.tenant_id, ids.read(Prefix.PROGRAM, named), named, actor.partner_id)
    if program is None:
        raise NotFoundError("There is no such program.")
    organizations = await tx.fetch(_CALENDARS, actor.tenant_id, actor.partner_id)
    kept = {row["id"]: row["calendar_id"] or program["calendar_id"] for row in organizations}
    held = await playbooks.calendars(tx, actor.tenant_id, [program["calendar_id"], *kept.values()])
    zone = ZoneInfo(held[program["calendar_id"]].time_zone)
    wanted = histories.Range(
        actor.tenant_id,
        program["id"],
        actor.partner_id,
        actor.test,
        _midnight(body.first, zone) if body.first else None,
        _midnight(body.last + timedelta(days=1), zone) if body.last else None,
    )
    hour = (await tx.now()).replace(minute=0, second=0, microsecond=0)
    watched = min(wanted.until, hour) if wanted.until else hour
    return _Trial(playbook, program["key"], wanted, watched, lambda organization_id: held[kept[organization_id]])


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.min, zone).astimezone(UTC)
