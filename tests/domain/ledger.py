"""Facts as the ledger holds them, told one by one: a vendor's lead on its way, in a calendar without closed hours."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from app.domain.business_time import Calendar
from app.domain.deeds import Fact
from app.domain.ids import Prefix, show
from app.domain.lead import Party
from app.domain.simulation import History
from tests.domain.playbooks import HANDOVER, LEAD, OUTCOME, PARTNER, SALES, TENANT, VENDOR

ALWAYS = Calendar("UTC", tuple(((0, 1440),) for _ in range(7)))
START = datetime(2026, 11, 20, 0, tzinfo=UTC)
ESSENTIALS = ("/context/pain_points", "/context/temperature", "/context/bant/need")
REST = ("/context/bant/timeline", "/context/bant/budget", "/context/bant/authority", "/context/expectations")


def after(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def owner(party: Party) -> dict[str, str]:
    return {"role": party.role, "organization_id": show(Prefix.ORGANIZATION, party.organization_id)}


@dataclass
class Ledger:
    """Tells facts; each call is one command, at a minute after the start."""

    facts: list[Fact] = field(default_factory=list)
    requests: int = 0

    def tell(self, minute: float, role: str, *events: tuple[str, Mapping[str, Any]]) -> "Ledger":
        self.requests += 1
        self.facts += [Fact(kind, after(minute), role, f"req_{self.requests}", data) for kind, data in events]
        return self

    def posted(self, *known: str) -> "Ledger":
        said = {"stage": "awareness", "owner": owner(VENDOR), "known": [*known], "completeness": 0.0}
        self.tell(0, "partner", ("lead.received", said))
        return self.tell(0, "baton", ("lead.accepted", {"stage": "awareness"}))

    def call(self, minute: float, disposition: str = "connected") -> "Ledger":
        return self.tell(minute, "partner", ("activity.logged", {"kind": "call", "disposition": disposition}))

    def offered(self, minute: float, to_role: str = "internal_sales", role: str = "partner") -> "Ledger":
        return self.tell(minute, role, ("handover.requested", self.handover(to_role, role)))

    @staticmethod
    def handover(to_role: str = "internal_sales", from_role: str = "partner") -> dict[str, Any]:
        identity = show(Prefix.HANDOVER, HANDOVER)
        return {"handover_id": identity, "from_role": from_role, "to_role": to_role, "meeting_at": None}

    def accepted(self, minute: float) -> "Ledger":
        return self.tell(
            minute,
            "internal_sales",
            ("handover.accepted", self.handover()),
            ("ownership.changed", {"owner": owner(SALES), "previous": owner(VENDOR)}),
            ("stage.entered", {"from": "awareness", "to": "evaluation"}),
        )

    def lost(self, minute: float, reason: str = "price", role: str = "internal_sales") -> "Ledger":
        return self.tell(minute, role, ("outcome.closed", self.outcome("lost", reason)))

    @staticmethod
    def outcome(result: str, reason: str) -> dict[str, Any]:
        identity = show(Prefix.OUTCOME, OUTCOME)
        return {"outcome_id": identity, "version": 1, "result": result, "reason": reason, "secondary_reasons": []}

    @property
    def history(self) -> History:
        return History(LEAD, TENANT, PARTNER, tuple(self.facts))


def always(_: UUID) -> Calendar:
    return ALWAYS
