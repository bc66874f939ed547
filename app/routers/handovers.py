"""Handovers: offering the baton and answering the offer."""

from fastapi import APIRouter

from app.domain import errors
from app.routers.deps import Caller, HandoverId, Kit, Lead, Tx
from app.routers.edge import BatonRoute, JSONBytes, document, opens
from app.schemas.base import In
from app.schemas.expansions import PulledOut
from app.schemas.handovers import (
    AcceptIn,
    AnswerIn,
    HandoverIn,
    HandoverOut,
    PullIn,
    RejectIn,
    ReturnIn,
)
from app.services import handovers

router = APIRouter(prefix="/v1", tags=["handovers"], route_class=BatonRoute)

_ANSWERS = document(
    errors.NotFoundError, errors.NotPermittedError, errors.LeadNotOpenError, errors.HandoverNotPendingError,
    errors.ValidationFailedError,
)  # fmt: skip


class WithdrawIn(In):
    """Nothing to say."""


@router.post(
    "/leads/{lead}/handovers",
    status_code=201,
    operation_id="request_handover",
    summary="Offer the baton",
    response_model=HandoverOut,
    responses=document(
        errors.NotFoundError,
        errors.NotOwnerError,
        errors.NotPermittedError,
        errors.LeadNotOpenError,
        errors.HandoverPendingError,
        errors.HandoverIncompleteError,
        errors.ValidationFailedError,
    ),
)
@opens("handovers:write")
async def request(lead: Lead, body: HandoverIn, tx: Tx, by: Caller, kit: Kit) -> JSONBytes:
    """Offer the lead to a role; you stay accountable until it is accepted."""
    shown = handovers.shown(await handovers.request(tx, by, kit, lead, body))
    return JSONBytes(shown, 201, {"Location": f"/v1/handovers/{shown['id']}"})


@router.post(
    "/handovers/pull",
    operation_id="pull_handovers",
    summary="Accept waiting handovers",
    response_model=PulledOut,
    responses=document(errors.NotPermittedError, errors.ValidationFailedError),
)
@opens("handovers:write")
async def pull(body: PullIn, tx: Tx, by: Caller, kit: Kit) -> JSONBytes:
    """Accept up to `limit` waiting handovers in due order, never one twice, each with its enriched lead."""
    return JSONBytes({"items": await handovers.pull(tx, by, kit, body)})


@router.post(
    "/handovers/{handover}/accept",
    operation_id="accept_handover",
    summary="Accept the baton",
    response_model=HandoverOut,
    responses=_ANSWERS,
)
@opens("handovers:write")
async def accept(handover: HandoverId, tx: Tx, by: Caller, kit: Kit, body: AcceptIn | None = None) -> JSONBytes:
    """Take the lead: your role is accountable from this moment."""
    return JSONBytes(handovers.shown(await handovers.accept(tx, by, kit, handover, body or AcceptIn())))


@router.post(
    "/handovers/{handover}/reject",
    operation_id="reject_handover",
    summary="Decline the baton",
    response_model=HandoverOut,
    responses=_ANSWERS | document(errors.ReasonNotAllowedError),
)
@opens("handovers:write")
async def reject(handover: HandoverId, body: RejectIn, tx: Tx, by: Caller, kit: Kit) -> JSONBytes:
    """Decline with a reason; the giver still owns the lead."""
    return JSONBytes(handovers.shown(await handovers.reject(tx, by, kit, handover, body)))


@router.post(
    "/handovers/{handover}/return",
    operation_id="return_handover",
    summary="Ask before deciding",
    response_model=HandoverOut,
    responses=_ANSWERS,
)
@opens("handovers:write")
async def send_back(handover: HandoverId, body: ReturnIn, tx: Tx, by: Caller, kit: Kit) -> JSONBytes:
    """Return the handover with questions; the giver owes the answers."""
    return JSONBytes(handovers.shown(await handovers.send_back(tx, by, kit, handover, body)))


@router.post(
    "/handovers/{handover}/answer",
    operation_id="answer_handover",
    summary="Answer the questions",
    response_model=HandoverOut,
    responses=_ANSWERS,
)
@opens("handovers:write")
async def answer(handover: HandoverId, body: AnswerIn, tx: Tx, by: Caller, kit: Kit) -> JSONBytes:
    """Answer; the handover is before the receiver again, on a fresh clock."""
    return JSONBytes(handovers.shown(await handovers.answer(tx, by, kit, handover, body)))


@router.post(
    "/handovers/{handover}/withdraw",
    operation_id="withdraw_handover",
    summary="Take the offer back",
    response_model=HandoverOut,
    responses=_ANSWERS,
)
@opens("handovers:write")
async def withdraw(handover: HandoverId, tx: Tx, by: Caller, kit: Kit, body: WithdrawIn | None = None) -> JSONBytes:
    """Take the offer back; you own the lead as before."""
    del body  # nothing to say; an empty object is as good as none
    return JSONBytes(handovers.shown(await handovers.withdraw(tx, by, kit, handover)))
