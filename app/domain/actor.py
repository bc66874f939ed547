"""Who acts: one machine client of one organisation in one tenant, with roles and scopes."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Side(StrEnum):
    """The two views that a lead has. Visibility hangs on the organisation, never on client, role or scope."""

    INTERNAL = "internal"
    PARTNER = "partner"


BOTH = (Side.INTERNAL, Side.PARTNER)


@dataclass(frozen=True, slots=True)
class Actor:
    """The caller of one request. `side` picks the database login, `roles` decide what may be done."""

    tenant_id: UUID
    organization_id: UUID
    client_id: UUID
    side: Side
    roles: frozenset[str]
    scopes: frozenset[str]
    test: bool = False

    @property
    def partner_id(self) -> UUID | None:
        """Return the partner this actor belongs to, or None for the tenant's own organisation."""
        return self.organization_id if self.side is Side.PARTNER else None
