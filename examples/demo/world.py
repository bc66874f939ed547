"""What the scenes share: the callers, the receivers, the files, and the leads by their external id."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx2

from examples.demo.api import Caller
from examples.demo.clock import DemoClock
from examples.demo.console import Mark, Show
from examples.demo.files import VendorFile
from examples.demo.receivers import Receiver


@dataclass(slots=True)
class World:
    """The play's one state."""

    show: Show
    clock: DemoClock
    http: httpx2.AsyncClient
    clients: dict[str, dict[str, str]]
    callers: dict[str, Caller]
    file_a: VendorFile
    file_b: VendorFile
    receiver_a: Receiver
    receiver_b: Receiver
    on_call: Receiver
    leads: dict[str, str] = field(default_factory=dict)
    """Ids by external id, as each vendor learned them."""
    handovers: dict[str, dict[str, Any]] = field(default_factory=dict)
    closed_at: dict[str, float] = field(default_factory=dict)
    """When the demo had the answer to an outcome, by external id (monotonic seconds)."""
    before: dict[str, int] = field(default_factory=dict)
    """How many events a vendor's feed held when its receiver was registered."""

    def caller(self, name: str) -> Caller:
        """Return a client by its name in demo.json."""
        return self.callers[name]

    def vendor(self, external_id: str) -> Caller:
        """Return the vendor whose lead it is."""
        return self.callers["partner_a" if external_id.startswith("A-") else "partner_b"]

    def company(self, external_id: str) -> str:
        """Return the company of a lead as its vendor spells it."""
        file = self.file_a if external_id.startswith("A-") else self.file_b
        return str(file.bodies[external_id]["company"]["name"]).strip()

    def path(self, external_id: str, tail: str = "") -> str:
        """Return the path of a lead."""
        return f"/v1/leads/{self.leads[external_id]}{tail}"

    async def move_to(self, moment: datetime, why: str) -> None:
        """Move Baton's clock, and say so."""
        await self.clock.advance_to(self.http, moment)
        self.show.step("Baton", f"the clock moves to {moment:%a %d %b %H:%M}", why=why, mark=Mark.TIME)
