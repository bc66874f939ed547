"""Checks of the promises on what is stored."""

from fastapi import APIRouter

from app.domain import errors
from app.routers.edge import BatonRoute, Caller, JSONBytes, Tx, document, opens
from app.schemas.assurance import AssuranceOut
from app.services import assurance

router = APIRouter(prefix="/v1/assurance", tags=["leads"], route_class=BatonRoute)


@router.get(
    "/ownership",
    operation_id="check_ownership",
    summary="Check that no lead is ever ownerless",
    response_model=AssuranceOut,
    responses=document(errors.NotPermittedError),
)
@opens("leads:read", "audit:read")
async def ownership(tx: Tx, by: Caller) -> JSONBytes:
    """Rebuild every interval of ownership from the ledger, and hold it against what is stored.

    All leads for managers and admins of the tenant's own organisation; its own for a partner.
    """
    return JSONBytes(await assurance.ownership(tx, by))
