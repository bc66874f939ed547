"""Plays the demo: `python -m examples.demo`. Exit status 0 only if all came as expected; 130 when interrupted."""

import asyncio
import contextlib
import signal
import sys
import time

import httpx2

from examples.demo import files, server
from examples.demo.api import Caller
from examples.demo.clock import DemoClock
from examples.demo.console import Show
from examples.demo.receivers import Receiver
from examples.demo.scenes import calls, closures, finale, handovers, intake, ladder, opening, outcomes
from examples.demo.world import World

_NAMES = {
    "partner_a": "Vendor A",
    "partner_b": "Vendor B",
    "sales": "Sales",
    "success": "Success",
    "manager": "Manager",
    "admin": "Admin",
    "other_tenant_admin": "Outsider",
    "other_tenant_partner": "Outsider",
}
_STORY = (opening, intake, calls, handovers, outcomes)
"""Scenes that each rest on the one before."""
_APART = (closures, ladder, finale)
"""Scenes that are played even if another of them has failed."""


async def _play(show: Show, baton: server.Server) -> None:
    who = await baton.ready()
    show.step(
        "Baton",
        "is up: API, worker and its own PostgreSQL",
        baton.url,
        "baton up --demo, fresh data in .baton/demo",
    )
    receivers = [Receiver("Vendor A"), Receiver("Vendor B"), Receiver("On-call")]
    limits = httpx2.Limits(max_connections=32, max_keepalive_connections=32)
    async with httpx2.AsyncClient(base_url=baton.url, timeout=30, limits=limits) as http:
        try:
            for receiver in receivers:
                await receiver.start()
            callers = {name: Caller(shown, http) for name, shown in _NAMES.items()}
            world = World(
                show, show.clock, http, who["clients"], callers, files.vendor_a(), files.vendor_b(), *receivers
            )
            for scene in _STORY:
                await scene.play(world)
            for scene in _APART:
                await show.attempt(scene.play(world))
        finally:
            for receiver in receivers:
                await receiver.stop()


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _run(show: Show, baton: server.Server) -> bool:
    """Play; whether everything came as expected."""
    try:
        asyncio.run(_play(show, baton))
    except server.CannotStartError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it was, the audience reads what failed
        show.stopped(error)
        if baton.ended:
            show.say(f"Baton itself has ended; the end of {server.LOG}:\n{baton.last_words()}")
    return show.verdict()


def _wait(show: Show, baton: server.Server) -> None:
    show.say(
        f"Baton keeps running at {baton.url} (API pages: {baton.url}/docs, log: {server.LOG}). Ctrl-C stops it.", "bold"
    )
    with contextlib.suppress(KeyboardInterrupt):
        while not baton.ended:
            time.sleep(0.5)


def main() -> int:
    """Start, play, keep running on a terminal, stop in order."""
    show = Show(DemoClock(files.calendar()))
    show.say("Baton · 営業代行と社内営業をつなぐ引き継ぎ", "bold")
    show.say(
        "Two vendors, one client, real files, real HTTP.  ✓ done  ⊘ refused as agreed  » time moves  ✗ not as expected",
        "dim",
    )
    show.say()
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, _interrupt)
    try:
        baton = server.Server(server.port())
        server.clear()
    except server.CannotStartError as error:
        show.say(f"The demo cannot start: {error}", "bold red")
        return 1
    status = 130
    try:
        baton.start()
        good = _run(show, baton)
        status = 0 if good else 1
        if sys.stdin is not None and sys.stdin.isatty():
            _wait(show, baton)
    except server.CannotStartError as error:
        status = 1
        show.say(f"The demo cannot start: {error}", "bold red")
    except KeyboardInterrupt:
        show.say("\nInterrupted.", "bold")
    finally:
        in_order = baton.stop()
        show.say(
            "Baton has stopped." if in_order else f"Baton had to be killed: see {server.LOG}",
            "dim" if in_order else "bold red",
        )
    return status if in_order else status or 1


if __name__ == "__main__":
    sys.exit(main())
