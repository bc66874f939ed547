"""The state of one lead that decisions rest on, and what is known about it. No rules."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from uuid import UUID

from app.domain.actor import Side
from app.domain.playbook import FormField

RECEIVED = "received"
OPEN = "open"
CLOSED = "closed"
NOT_ACCEPTED = "not_accepted"
ENDED = frozenset({CLOSED, NOT_ACCEPTED})
"""Statuses in which nobody owes anything any more, but for what an outcome itself starts."""

PENDING_HANDOVER = frozenset({"requested", "answered", "returned"})
"""Statuses in which a handover still awaits somebody; a lead has at most one such handover."""


@dataclass(frozen=True, slots=True)
class Party:
    """A role of one organisation: the only thing that can own a lead or owe something (never a person)."""

    organization_id: UUID
    role: str
    side: Side


@dataclass(frozen=True, slots=True)
class Handover:
    """The handover a command is about: the pending one, or the one that the request names."""

    id: UUID
    status: str
    giver: Party
    receiver: Party
    meeting_at: datetime | None
    enters: str | None


@dataclass(frozen=True, slots=True)
class Consultation:
    """A question of the accountable owner to a consulted role: of organisation to organisation, never to a person."""

    id: UUID
    status: str
    asker: Party
    asked: Party


@dataclass(frozen=True, slots=True)
class Outcome:
    """The last outcome of the lead."""

    id: UUID
    result: str
    version: int
    acknowledged: bool = False


@dataclass(frozen=True, slots=True)
class Lead:
    """What `decide` may know of a lead. `activities` are (kind, disposition) pairs that were logged.

    `handover` and `consultation` are the ones that a command is about; of consultations several may be open.
    """

    id: UUID
    tenant_id: UUID
    partner_id: UUID
    status: str
    stage: str
    owner: Party
    known: frozenset[str]
    completeness: float
    activities: frozenset[tuple[str, str]]
    handover: Handover | None
    outcome: Outcome | None
    test: bool = False
    consultation: Consultation | None = None

    def organization_of(self, side: Side) -> UUID:
        """Return the organisation of a side; the tenant's own organisation has the tenant's id (ADR 2)."""
        return self.tenant_id if side is Side.INTERNAL else self.partner_id


def _is_known(value: object) -> bool:
    """Return whether plain JSON says something: nothing, `""` and `[]` do not, 0 and false do.

    A BANT value `unknown` was asked and not learned: it is not `none` and does not count as known.
    """
    return value != "unknown" if value else isinstance(value, int | float)


def known_fields(body: Mapping[str, object]) -> frozenset[str]:
    """Return the JSON pointers of everything known in a lead's body (plain JSON), objects and leaves alike."""
    found: set[str] = set()
    stack: list[tuple[str, Mapping[str, object]]] = [("", body)]
    while stack:
        path, held = stack.pop()
        for key, value in held.items():
            pointer = f"{path}/{key}"
            if isinstance(value, dict):
                inner = cast("dict[str, object]", value)
                stack.append((pointer, inner))
                known = _is_known(inner["value"]) if "value" in inner else bool(inner)
            else:
                known = _is_known(value)
            if known:
                found.add(pointer)
    return frozenset(found)


def form_state(form: Iterable[FormField], known: frozenset[str]) -> tuple[float, list[str]]:
    """Return completeness (0..1, two decimals) of the context form and the pointers still missing, in form order."""
    pointers = [asked.pointer for asked in form]
    missing = [pointer for pointer in pointers if pointer not in known]
    if not pointers:
        return 1.0, []
    return round((len(pointers) - len(missing)) / len(pointers), 2), missing
