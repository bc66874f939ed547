"""Answers to escalations: take one up, put it off, let go of what is owed, or end it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path

from app.domain import errors
from app.routers.deps import Caller, Kit, Tx
from app.routers.edge import BatonRoute, JSONBytes, document, opens
from app.schemas.escalations import EscalationOut, ResolveIn, SnoozeIn, TakeUpIn, WaiveIn
from app.services import escalations

router = APIRouter(prefix="/v1/escalations", tags=["escalations"], route_class=BatonRoute)

_ANSWERS = document(errors.NotFoundError, errors.NotPermittedError, errors.ValidationFailedError)


async def escalation_id(escalation: Annotated[str, Path(description="`esc_…`")]) -> UUID:
    """Return the escalation that the path names."""
    return escalations.read_id(escalation)


EscalationId = Annotated[UUID, Depends(escalation_id)]


@router.post(
    "/{escalation}/acknowledge",
    operation_id="acknowledge_escalation",
    summary="Take an escalation up",
    response_model=EscalationOut,
    responses=_ANSWERS,
)
@opens("escalations:write")
async def acknowledge(
    escalation: EscalationId, tx: Tx, by: Caller, kit: Kit, body: TakeUpIn | None = None
) -> JSONBytes:
    """Stop the ladder: you have taken it up. Acknowledging again changes nothing."""
    return JSONBytes(await escalations.acknowledge(tx, by, kit, escalation, body or TakeUpIn()))


@router.post(
    "/{escalation}/resolve",
    operation_id="resolve_escalation",
    summary="End an escalation",
    response_model=EscalationOut,
    responses=_ANSWERS | document(errors.ObligationOpenError),
)
@opens("escalations:write")
async def resolve(escalation: EscalationId, tx: Tx, by: Caller, kit: Kit, body: ResolveIn | None = None) -> JSONBytes:
    """End it once what is owed is done; before that it is refused."""
    return JSONBytes(await escalations.resolve(tx, by, kit, escalation, body or ResolveIn()))


@router.post(
    "/{escalation}/waive",
    operation_id="waive_escalation",
    summary="Waive what is owed",
    response_model=EscalationOut,
    responses=_ANSWERS,
)
@opens("escalations:write")
async def waive(escalation: EscalationId, body: WaiveIn, tx: Tx, by: Caller, kit: Kit) -> JSONBytes:
    """Let go of what is owed to your side; whoever owes it cannot."""
    return JSONBytes(await escalations.waive(tx, by, kit, escalation, body))


@router.post(
    "/{escalation}/snooze",
    operation_id="snooze_escalation",
    summary="Put the next step off",
    response_model=EscalationOut,
    responses=_ANSWERS,
)
@opens("escalations:write")
async def snooze(escalation: EscalationId, body: SnoozeIn, tx: Tx, by: Caller, kit: Kit) -> JSONBytes:
    """Put the next step off, at most three business days."""
    return JSONBytes(await escalations.snooze(tx, by, kit, escalation, body))
