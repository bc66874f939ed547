"""Consultations: asking a consulted role for help on a lead, and answering."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request

from app.domain import errors
from app.routers.deps import Caller, Kit, Lead, Tx
from app.routers.edge import BatonRoute, JSONBytes, document, opens
from app.routers.paging import Listed, answer
from app.schemas.base import NothingIn
from app.schemas.consultations import (
    ConsultationAnswerIn,
    ConsultationDeclineIn,
    ConsultationIn,
    ConsultationOut,
    ConsultationPage,
)
from app.schemas.queries import ConsultationFilter
from app.services import consultations

router = APIRouter(prefix="/v1", tags=["consultations"], route_class=BatonRoute)

_LIST = document(errors.InvalidCursorError)
_ONE = document(errors.NotFoundError)
_ENDS = document(
    errors.NotFoundError, errors.NotPermittedError, errors.ConsultationNotOpenError, errors.ValidationFailedError
)


async def consultation_id(consultation: Annotated[str, Path(description="`con_…`")]) -> UUID:
    """Return the consultation that the path names."""
    return consultations.read_id(consultation)


ConsultationId = Annotated[UUID, Depends(consultation_id)]


@router.post(
    "/leads/{lead}/consultations",
    status_code=201,
    operation_id="request_consultation",
    summary="Ask a consulted role",
    response_model=ConsultationOut,
    responses=document(
        errors.NotFoundError,
        errors.NotOwnerError,
        errors.NotPermittedError,
        errors.LeadNotOpenError,
        errors.ValidationFailedError,
    ),
)
@opens("leads:write")
async def request(lead: Lead, body: ConsultationIn, tx: Tx, by: Caller, kit: Kit) -> JSONBytes:
    """Ask a role for help on a lead that you own; you stay accountable, and the role owes an answer by `due_at`."""
    shown = await consultations.ask(tx, by, kit, lead, body)
    return JSONBytes(shown, 201, {"Location": f"/v1/consultations/{shown['id']}"})


@router.get(
    "/leads/{lead}/consultations",
    operation_id="list_consultations_of_lead",
    summary="List a lead's consultations",
    response_model=ConsultationPage,
    responses=_ONE | _LIST,
)
@opens("leads:read")
async def list_of_lead(request: Request, lead: Lead, wanted: Listed, tx: Tx, by: Caller) -> JSONBytes:
    """List what was asked about a lead, the oldest first."""
    return answer(request, await consultations.of_lead(tx, by, lead, wanted))


@router.get(
    "/consultations",
    operation_id="list_consultations",
    summary="List consultations by due time",
    response_model=ConsultationPage,
    responses=_LIST,
)
@opens("leads:read")
async def list_consultations(
    request: Request, asked: Annotated[ConsultationFilter, Query()], wanted: Listed, tx: Tx, by: Caller
) -> JSONBytes:
    """List what your organisation asks or is asked. What is due comes first."""
    return answer(request, await consultations.consultations(tx, by, asked, wanted))


@router.get(
    "/consultations/{consultation}",
    operation_id="get_consultation",
    summary="Read a consultation",
    response_model=ConsultationOut,
    responses=_ONE,
)
@opens("leads:read")
async def get_consultation(consultation: ConsultationId, tx: Tx, by: Caller) -> JSONBytes:
    """Read one consultation with its purpose, question and how it ended."""
    return JSONBytes(await consultations.consultation(tx, by, consultation))


@router.post(
    "/consultations/{consultation}/answer",
    operation_id="answer_consultation",
    summary="Answer a consultation",
    response_model=ConsultationOut,
    responses=_ENDS,
)
@opens("leads:write")
async def give_answer(
    consultation: ConsultationId, body: ConsultationAnswerIn, tx: Tx, by: Caller, kit: Kit
) -> JSONBytes:
    """Answer what your role was asked."""
    return JSONBytes(await consultations.answer(tx, by, kit, consultation, body))


@router.post(
    "/consultations/{consultation}/decline",
    operation_id="decline_consultation",
    summary="Decline a consultation",
    response_model=ConsultationOut,
    responses=_ENDS,
)
@opens("leads:write")
async def decline(consultation: ConsultationId, body: ConsultationDeclineIn, tx: Tx, by: Caller, kit: Kit) -> JSONBytes:
    """Decline with a reason, and say what is possible instead."""
    return JSONBytes(await consultations.decline(tx, by, kit, consultation, body))


@router.post(
    "/consultations/{consultation}/withdraw",
    operation_id="withdraw_consultation",
    summary="Take the question back",
    response_model=ConsultationOut,
    responses=_ENDS,
)
@opens("leads:write")
async def withdraw(
    consultation: ConsultationId, tx: Tx, by: Caller, kit: Kit, body: NothingIn | None = None
) -> JSONBytes:
    """Take the question back; whoever owns the lead now may, like whoever asked."""
    del body  # nothing to say; an empty object is as good as none
    return JSONBytes(await consultations.withdraw(tx, by, kit, consultation))
