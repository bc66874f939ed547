"""Writes facts into the ledger and their bodies into the outbox, in the transaction of the change (promise 3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from pydantic_core import to_json

from app.db.session import Transaction
from app.db.writes import Writes
from app.domain.actor import BOTH, Side
from app.domain.events import Body, body
from app.domain.ids import Prefix, show


@dataclass(frozen=True, slots=True)
class Origin:
    """Who caused the facts, in which role, and in which request; the engine has no client.

    What the sandbox plays has the client that asked for the play, and says that it was played.
    """

    client_id: UUID | None
    role: str
    request_id: str
    traceparent: str | None = None
    played: bool = False


@dataclass(slots=True)
class Journal:
    """The facts of one decision about one lead. `versions` are the lead's per view and grow with each fact it sees."""

    writes: Writes
    origin: Origin
    at: datetime
    tenant_id: UUID
    partner_id: UUID
    lead_id: UUID
    external_id: str
    test: bool
    versions: dict[Side, int]
    touched: set[Side] = field(default_factory=set[Side])

    def record(
        self,
        kind: str,
        facts: Mapping[str, Any],
        shown: Mapping[str, Any],
        *,
        sides: Sequence[Side] = BOTH,
        page: bool = False,
    ) -> UUID:
        """Add one fact: `facts` (ids, codes, numbers, times) to the ledger, `shown` to the body of each view."""
        event_id = uuid4()
        self.writes.insert(
            "event",
            {
                "tenant_id": self.tenant_id,
                "id": event_id,
                "at": self.at,
                "type": kind,
                "actor_client": self.origin.client_id,
                "actor_role": self.origin.role,
                "request_id": self.origin.request_id,
                "traceparent": self.origin.traceparent,
                "lead_id": self.lead_id,
                "partner_id": self.partner_id,
                "sides": "both" if len(sides) == len(BOTH) else sides[0].value,
                "test": self.test,
                "played": self.origin.played,
                "data": to_json(facts).decode(),
            },
        )
        bodies: dict[int, Body] = {}
        for side in sides:
            self.versions[side] += 1
            self.touched.add(side)
            version = self.versions[side]
            if version not in bodies:  # views that stand at one version get the same bytes
                bodies[version] = self._body(event_id, kind, shown, version)
            self._enclose(event_id, kind, bodies[version], side, page=page and side is Side.INTERNAL)
        return event_id

    def _body(self, event_id: UUID, kind: str, shown: Mapping[str, Any], version: int) -> Body:
        data = {
            "lead_id": show(Prefix.LEAD, self.lead_id),
            "external_id": self.external_id,
            "lead_sequence": version,
            "test": self.test,
            **shown,
        }
        return body(event_id, kind, self.at, self.tenant_id, data)

    def _enclose(self, event_id: UUID, kind: str, rendered: Body, side: Side, *, page: bool) -> None:
        self.writes.insert(
            "outbox",
            {
                "tenant_id": self.tenant_id,
                "organization_id": self.tenant_id if side is Side.INTERNAL else self.partner_id,
                "partner_id": self.partner_id,
                "lead_id": self.lead_id,
                "event_id": event_id,
                "type": kind,
                "at": self.at,
                "test": self.test,
                "page": page,
                "splice": rendered.splice,
                "body": rendered.text,
            },
        )


async def write(tx: Transaction, writes: Writes) -> None:
    """Write everything that was collected in one statement and have the workers woken after the commit."""
    await writes.run(tx)
    tx.wake_workers()
