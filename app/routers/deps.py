"""What endpoints may ask for besides what the edge gives: the kit of the process, and ids that stand in paths."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Request

from app.db.cases import LeadRef
from app.routers.edge import Caller, IfMatch, Tx, given
from app.services import handovers, kit, outcomes

__all__ = ["Caller", "HandoverId", "IfMatch", "Kit", "Lead", "OutcomeId", "Tx"]


@given
async def process_kit(request: Request) -> kit.Kit:
    """Return the kit that the composition root made."""
    held: kit.Kit = request.app.state.kit
    return held


async def lead_ref(
    lead: Annotated[str, Path(description="`lead_…`, or `external:` and your own reference")],
) -> LeadRef:
    """Return the lead that the path names."""
    return LeadRef.read(lead)


async def handover_id(handover: Annotated[str, Path(description="`hov_…`")]) -> UUID:
    """Return the handover that the path names."""
    return handovers.read_id(handover)


async def outcome_id(outcome: Annotated[str, Path(description="`out_…`")]) -> UUID:
    """Return the outcome that the path names."""
    return outcomes.read_id(outcome)


Kit = Annotated[kit.Kit, Depends(process_kit)]
Lead = Annotated[LeadRef, Depends(lead_ref)]
HandoverId = Annotated[UUID, Depends(handover_id)]
OutcomeId = Annotated[UUID, Depends(outcome_id)]
