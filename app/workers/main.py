"""Composes the loops of one worker process and runs them until it is told to stop."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from app.db.session import Address, Database
from app.db.watch import Watch
from app.delivery.addresses import Network
from app.delivery.client import Egress
from app.security.keyring import MasterKeys
from app.workers.dispatcher import SLOTS, Dispatcher, Reaper
from app.workers.housekeeping import Housekeeping
from app.workers.loops import Loop, Runner
from app.workers.publisher import Publisher


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a worker process works with; `database` has been started and has the worker's login.

    At `address` it waits for wake-ups, unless there is only a pooler in transaction mode (`pooled`).
    """

    database: Database
    address: Address
    master_keys: MasterKeys
    egress_allow: tuple[Network, ...] = ()
    own_hosts: frozenset[str] = frozenset()
    pooled: bool = False
    slots: int = SLOTS


async def run(around: Surroundings, stop: asyncio.Event, *, more: Sequence[Loop] = ()) -> None:
    """Run publisher, dispatcher, reaper, housekeeping and `more` until `stop`; returns within about 20 s of it."""
    woken = asyncio.Event()

    def published() -> None:
        woken.set()
        around.database.wake_workers()  # the other processes take their share of the sending

    watch = Watch(around.address, woken.set, pooled=around.pooled)
    egress = Egress(around.egress_allow, own_hosts=around.own_hosts)
    await egress.start()
    dispatcher = Dispatcher(around.database, egress, around.master_keys, slots=around.slots, finished=woken.set)
    await dispatcher.start()
    loops: list[Loop] = [
        Publisher(around.database, published),
        dispatcher,
        Reaper(around.database, woken.set),
        Housekeeping(around.database),
        *more,
    ]
    try:
        await Runner(watch, loops, woken).run(stop)
    finally:
        await dispatcher.stop()
        await egress.stop()
        await watch.stop()
