"""What events say where every event of a kind says the same: (facts for the ledger, what its body shows)."""

from collections.abc import Iterable, Mapping
from typing import Any

from app.domain.ids import Prefix, show
from app.domain.lead import Party
from app.domain.view import handover_view, organization, stamp

Row = Mapping[str, Any]
Content = tuple[Mapping[str, Any], Mapping[str, Any]]


def of_handover(row: Row, steps: Iterable[Row], external_id: str) -> Content:
    """Return what a `handover.*` event says."""
    decision: Row = row["decision"] or {}
    given: Row = decision.get("reason") or {}
    ledger = {
        "handover_id": show(Prefix.HANDOVER, row["id"]),
        "from_role": row["from_role"],
        "to_role": row["to_role"],
        "status": row["status"],
        "reason": given.get("code"),
        "meeting_at": stamp(row["meeting_at"]),
    }
    return ledger, {"handover": handover_view(row, steps, external_id)}


def of_owner(before: Party, after: Party) -> Content:
    """Return what `ownership.changed` says."""
    said = {
        "owner": {"role": after.role, "organization_id": organization(after.organization_id)},
        "previous": {"role": before.role, "organization_id": organization(before.organization_id)},
    }
    return said, said
