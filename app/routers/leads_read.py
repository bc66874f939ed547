"""Leads: lists and single ones, what hangs on them, and what the caller may do now."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from app.domain import errors
from app.routers.deps import Caller, Lead, Tx
from app.routers.edge import BatonRoute, JSONBytes, document, opens
from app.routers.paging import Listed, answer
from app.schemas.expansions import ExpandedLead
from app.schemas.lists import (
    ActionsOut,
    ActivityPage,
    HandoverPage,
    LeadPage,
    NotePage,
    OwnershipOut,
    TimelinePage,
)
from app.schemas.queries import LeadFilter
from app.services import lead_actions, lead_reads, leads_list

router = APIRouter(prefix="/v1/leads", tags=["leads"], route_class=BatonRoute)

_LIST = document(errors.InvalidCursorError)
_ONE = document(errors.NotFoundError)


@router.get("", operation_id="list_leads", summary="List leads", response_model=LeadPage, responses=_LIST)
@opens("leads:read")
async def list_leads(
    request: Request, asked: Annotated[LeadFilter, Query()], wanted: Listed, tx: Tx, by: Caller
) -> JSONBytes:
    """List the leads that you may see, the newest first unless `sort` says otherwise."""
    return answer(request, await leads_list.leads(tx, by, asked, wanted))


@router.get("/{lead}", operation_id="get_lead", summary="Read a lead", response_model=ExpandedLead, responses=_ONE)
@opens("leads:read")
async def get_lead(
    lead: Lead,
    tx: Tx,
    by: Caller,
    expand: Annotated[
        str | None, Query(description="Of `notes,activities,handovers,outcome,clocks,company,related`.")
    ] = None,
) -> JSONBytes:
    """Read one lead; `expand` adds what hangs on it. With `company` or `related` the answer has no ETag."""
    found = await lead_reads.lead(tx, by, lead, lead_reads.expansions(expand))
    return JSONBytes(found.shown, headers={"ETag": found.tag} if found.tag else None)


@router.get(
    "/{lead}/notes", operation_id="list_notes", summary="List notes", response_model=NotePage, responses=_ONE | _LIST
)
@opens("leads:read")
async def list_notes(request: Request, lead: Lead, wanted: Listed, tx: Tx, by: Caller) -> JSONBytes:
    """List the notes that your organisation may see, the oldest first."""
    return answer(request, await lead_reads.notes(tx, by, lead, wanted))


@router.get(
    "/{lead}/activities",
    operation_id="list_activities",
    summary="List activities",
    response_model=ActivityPage,
    responses=_ONE | _LIST,
)
@opens("leads:read")
async def list_activities(request: Request, lead: Lead, wanted: Listed, tx: Tx, by: Caller) -> JSONBytes:
    """List the activities of both sides, in the order in which they were logged."""
    return answer(request, await lead_reads.activities(tx, by, lead, wanted))


@router.get(
    "/{lead}/handovers",
    operation_id="list_handovers_of_lead",
    summary="List a lead's handovers",
    response_model=HandoverPage,
    responses=_ONE | _LIST,
)
@opens("leads:read")
async def list_handovers(request: Request, lead: Lead, wanted: Listed, tx: Tx, by: Caller) -> JSONBytes:
    """List the handovers of a lead, the oldest first."""
    return answer(request, await lead_reads.handovers(tx, by, lead, wanted))


@router.get(
    "/{lead}/timeline",
    operation_id="get_timeline",
    summary="Read a lead's timeline",
    response_model=TimelinePage,
    responses=_ONE | _LIST,
)
@opens("leads:read")
async def timeline(request: Request, lead: Lead, wanted: Listed, tx: Tx, by: Caller) -> JSONBytes:
    """Read the events that your side sees, in the order in which they happened."""
    return answer(request, await lead_reads.timeline(tx, by, lead, wanted))


@router.get(
    "/{lead}/ownership",
    operation_id="get_ownership",
    summary="Read who was accountable",
    response_model=OwnershipOut,
    responses=_ONE,
)
@opens("leads:read")
async def ownership(lead: Lead, tx: Tx, by: Caller) -> JSONBytes:
    """Read the unbroken chain of owners; the last one is accountable now."""
    return JSONBytes({"items": await lead_reads.ownership(tx, by, lead)})


@router.get(
    "/{lead}/actions",
    operation_id="list_actions",
    summary="What may I do now?",
    response_model=ActionsOut,
    responses=_ONE,
)
@opens("leads:read")
async def actions(lead: Lead, tx: Tx, by: Caller) -> JSONBytes:
    """Say for each command whether you may give it now, by which rule, and what is missing."""
    return JSONBytes({"items": await lead_actions.actions(tx, by, lead)})
