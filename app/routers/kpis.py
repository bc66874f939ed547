"""Figures: the same for both organisations, because they are counted from what both of them see."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.domain import errors
from app.routers.deps import Caller, Tx
from app.routers.edge import BatonRoute, JSONBytes, document, opens
from app.schemas.figures import DebtFilter, DebtOut, FigureFilter, FunnelOut, ReasonsOut
from app.services import figures

router = APIRouter(prefix="/v1/kpis", tags=["figures"], route_class=BatonRoute)

_RESPONSES = document(errors.NotFoundError)


@router.get(
    "/funnel", operation_id="get_funnel", summary="Read the funnel", response_model=FunnelOut, responses=_RESPONSES
)
@opens("kpis:read")
async def funnel(asked: Annotated[FigureFilter, Query()], tx: Tx, by: Caller) -> JSONBytes:
    """From calls to contracts won, with rates that carry numerator and denominator."""
    return JSONBytes(await figures.funnel(tx, by, asked))


@router.get(
    "/reasons", operation_id="get_reasons", summary="Count the reasons", response_model=ReasonsOut, responses=_RESPONSES
)
@opens("kpis:read")
async def reasons(asked: Annotated[FigureFilter, Query()], tx: Tx, by: Caller) -> JSONBytes:
    """Why handovers were rejected or returned, and why leads were lost, pending or disqualified."""
    return JSONBytes(await figures.reasons(tx, by, asked))


@router.get(
    "/feedback-debt",
    operation_id="get_feedback_debt",
    summary="Read the feedback debt",
    response_model=DebtOut,
    responses=_RESPONSES,
)
@opens("kpis:read")
async def feedback_debt(asked: Annotated[DebtFilter, Query()], tx: Tx, by: Caller) -> JSONBytes:
    """Which answers, feedback and outcomes are owed, by whom, and how late the oldest is."""
    return JSONBytes(await figures.feedback_debt(tx, by, asked))
