"""Outcomes: corrections by whoever closed, and the partner's response."""

from fastapi import APIRouter

from app.domain import errors
from app.routers.deps import Caller, Kit, OutcomeId, Tx
from app.routers.edge import BatonRoute, JSONBytes, document, opens
from app.schemas.outcomes import AcknowledgeIn, ContestIn, OutcomeIn, OutcomeOut
from app.services import outcomes

router = APIRouter(prefix="/v1/outcomes", tags=["outcomes"], route_class=BatonRoute)

_ABOUT = document(errors.NotFoundError, errors.NotPermittedError, errors.NotOwnerError, errors.ValidationFailedError)


@router.post(
    "/{outcome}/correct",
    operation_id="correct_outcome",
    summary="Correct an outcome",
    response_model=OutcomeOut,
    responses=_ABOUT | document(errors.ReasonNotAllowedError),
)
@opens("outcomes:write")
async def correct(outcome: OutcomeId, body: OutcomeIn, tx: Tx, by: Caller, kit: Kit) -> JSONBytes:
    """Write the next version; the partner hears of it as it heard of the first."""
    return JSONBytes(await outcomes.correct(tx, by, kit, outcome, body))


@router.post(
    "/{outcome}/acknowledge",
    operation_id="acknowledge_outcome",
    summary="Acknowledge an outcome",
    response_model=OutcomeOut,
    responses=_ABOUT,
)
@opens("outcomes:write", "leads:write")
async def acknowledge(outcome: OutcomeId, tx: Tx, by: Caller, kit: Kit, body: AcknowledgeIn | None = None) -> JSONBytes:
    """Say that the outcome was read and is taken as it stands."""
    del body  # nothing to say; an empty object is as good as none
    return JSONBytes(await outcomes.respond(tx, by, kit, outcome, None))


@router.post(
    "/{outcome}/contest",
    operation_id="contest_outcome",
    summary="Contest an outcome",
    response_model=OutcomeOut,
    responses=_ABOUT,
)
@opens("outcomes:write", "leads:write")
async def contest(outcome: OutcomeId, body: ContestIn, tx: Tx, by: Caller, kit: Kit) -> JSONBytes:
    """Say why you see it otherwise; a person decides."""
    return JSONBytes(await outcomes.respond(tx, by, kit, outcome, body))
