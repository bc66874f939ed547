"""What a side sees of the company behind a lead: the forms under which it is found, and the claim that holds it."""

from datetime import datetime, timedelta
from typing import Any

from app.domain.ids import Prefix, show
from app.domain.playbook import Playbook
from app.domain.view import Row, stamp


def claim_view(row: Row | None, playbook: Playbook, now: datetime) -> dict[str, Any] | None:
    """Return a claim. It is extendable once, while it is held: the first extension moves its end past `claim_days`."""
    if row is None:
        return None
    granted: timedelta = row["expires_at"] - row["claimed_at"]
    fresh = row["status"] == "held" and row["expires_at"] > now and granted <= timedelta(days=playbook.claim_days)
    return {"status": row["status"], "expires_at": stamp(row["expires_at"]), "extendable": fresh}


def company_view(row: Row, claim: dict[str, Any] | None) -> dict[str, Any]:
    """Return a lead's company with its normalised identity and the claim on it. `row` is a lead row."""
    identity = {
        "name": row["company_key"],
        "corporate_number": row["corporate_number"],
        "domain": row["domain"],
        "phone": row["phone"],
    }
    return {**row["company"], "identity": identity, "claim": claim}


def related_view(row: Row) -> dict[str, Any]:
    """Return another lead of the same company, in short."""
    return {
        "id": show(Prefix.LEAD, row["id"]),
        "external_id": row["external_id"],
        "partner": show(Prefix.ORGANIZATION, row["partner_id"]),
        "company": {"name": row["name"]},
        "status": row["status"],
        "stage": row["stage"],
        "owner": {
            "role": row["owner_role"],
            "organization_id": show(Prefix.ORGANIZATION, row["owner_organization_id"]),
        },
        "result": row["result"],
        "created_at": stamp(row["created_at"]),
    }
