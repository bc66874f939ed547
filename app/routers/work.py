"""Work by due time: handovers of either side, what is owed, and what was missed."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request

from app.domain import errors
from app.routers.deps import Caller, HandoverId, Kit, Tx
from app.routers.edge import BatonRoute, JSONBytes, document, opens
from app.routers.paging import Listed, answer
from app.schemas.escalations import EscalationOut
from app.schemas.lists import HandoverPage, ListedHandover
from app.schemas.queries import ClockFilter, EscalationFilter, HandoverFilter
from app.schemas.work import ClockPage, EscalationPage, ExplanationOut
from app.services import clocks, escalations, escalations_list, handovers_list

router = APIRouter(prefix="/v1", route_class=BatonRoute)

_LIST = document(errors.InvalidCursorError)
_ONE = document(errors.NotFoundError)


async def clock_id(clock: Annotated[str, Path(description="`clk_…`")]) -> UUID:
    """Return the clock that the path names."""
    return clocks.read_id(clock)


async def escalation_id(escalation: Annotated[str, Path(description="`esc_…`")]) -> UUID:
    """Return the escalation that the path names."""
    return escalations.read_id(escalation)


@router.get(
    "/handovers",
    operation_id="list_handovers",
    summary="List handovers by due time",
    tags=["handovers"],
    response_model=HandoverPage,
    responses=_LIST,
)
@opens("leads:read")
async def list_handovers(
    request: Request, asked: Annotated[HandoverFilter, Query()], wanted: Listed, tx: Tx, by: Caller
) -> JSONBytes:
    """List your work: what waits for your answer, and what was rejected or returned to you. What is due comes first."""
    return answer(request, await handovers_list.handovers(tx, by, asked, wanted))


@router.get(
    "/handovers/{handover}",
    operation_id="get_handover",
    summary="Read a handover",
    tags=["handovers"],
    response_model=ListedHandover,
    responses=_ONE,
)
@opens("leads:read")
async def get_handover(handover: HandoverId, tx: Tx, by: Caller) -> JSONBytes:
    """Read one handover with its questions, answers and decision."""
    return JSONBytes(await handovers_list.handover(tx, by, handover))


@router.get(
    "/clocks",
    operation_id="list_clocks",
    summary="List what is owed",
    tags=["clocks"],
    response_model=ClockPage,
    responses=_LIST | _ONE,
)
@opens("leads:read")
async def list_clocks(
    request: Request, asked: Annotated[ClockFilter, Query()], wanted: Listed, tx: Tx, by: Caller
) -> JSONBytes:
    """List clocks by due time, yours and the other side's; without `state`, those that are still owed."""
    return answer(request, await clocks.clocks(tx, by, asked, wanted))


@router.get(
    "/clocks/{clock}/explain",
    operation_id="explain_clock",
    summary="Explain a due time",
    tags=["clocks"],
    response_model=ExplanationOut,
    responses=_ONE,
)
@opens("leads:read")
async def explain_clock(clock: Annotated[UUID, Depends(clock_id)], tx: Tx, by: Caller) -> JSONBytes:
    """Show the arithmetic: the rule, the calendar, and every interval that was counted."""
    return JSONBytes(await clocks.explain(tx, by, clock))


@router.get(
    "/escalations",
    operation_id="list_escalations",
    summary="List escalations",
    tags=["escalations"],
    response_model=EscalationPage,
    responses=_LIST,
)
@opens("escalations:read")
async def list_escalations(
    request: Request, asked: Annotated[EscalationFilter, Query()], wanted: Listed, tx: Tx, by: Caller, kit: Kit
) -> JSONBytes:
    """List what was missed and who has been told, the newest first."""
    page = await escalations_list.escalations(tx, by, asked, wanted, public_url=kit.public_url)
    return answer(request, page)


@router.get(
    "/escalations/{escalation}",
    operation_id="get_escalation",
    summary="Read an escalation",
    tags=["escalations"],
    response_model=EscalationOut,
    responses=_ONE,
)
@opens("escalations:read")
async def get_escalation(
    escalation: Annotated[UUID, Depends(escalation_id)], tx: Tx, by: Caller, kit: Kit
) -> JSONBytes:
    """Read one escalation with its ladder and timeline."""
    return JSONBytes(await escalations_list.escalation(tx, by, escalation, public_url=kit.public_url))
