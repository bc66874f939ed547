"""Leads: taking them in and moving them on."""

from fastapi import APIRouter

from app.domain import errors
from app.domain.view import etag, lead_view
from app.routers.deps import Caller, IfMatch, Kit, Lead, Tx
from app.routers.edge import BatonRoute, JSONBytes, document, opens
from app.schemas.expansions import LoggedActivity, PostedNote
from app.schemas.leads import ActivityIn, LeadIn, LeadOut, LeadPatch, NoteIn
from app.schemas.outcomes import AdvanceIn, AssignIn, FeedbackIn, FeedbackOut, OutcomeIn, OutcomeOut, ReopenIn
from app.services import amendments, intake, outcomes, progress

router = APIRouter(prefix="/v1/leads", tags=["leads"], route_class=BatonRoute)

_ACTS = document(
    errors.NotFoundError, errors.NotPermittedError, errors.NotOwnerError, errors.LeadNotOpenError,
    errors.ValidationFailedError,
)  # fmt: skip


@router.post(
    "",
    status_code=201,
    operation_id="post_lead",
    summary="Post a lead",
    response_model=LeadOut,
    responses=document(
        errors.ExternalIdInUseError,
        errors.ValidationFailedError,
        errors.PlaybookNotAgreedError,
        errors.NotPermittedError,
    ),
)
@opens("leads:write")
async def post_lead(body: LeadIn, tx: Tx, by: Caller) -> JSONBytes:
    """Take a lead in. The same external id with an equal body answers 200 and the same lead."""
    taken = await intake.take(tx, by, body)
    lead = lead_view(taken.row, taken.playbook, by.side)
    headers = {"Location": f"/v1/leads/{lead['id']}", "ETag": etag(taken.row, by.side)}
    return JSONBytes(lead, 201 if taken.created else 200, headers)


@router.patch(
    "/{lead}",
    operation_id="patch_lead",
    summary="Change a lead",
    response_model=LeadOut,
    responses=_ACTS,
)
@opens("leads:write", takes=("application/merge-patch+json", "application/json"))
async def patch_lead(lead: Lead, body: LeadPatch, tx: Tx, by: Caller, kit: Kit, if_match: IfMatch) -> JSONBytes:
    """Apply an RFC 7396 merge patch: null removes, what is left out stays."""
    case = await amendments.patch(tx, by, kit, lead, body, f'"{if_match}"')
    return JSONBytes(lead_view(case.row, case.playbook, by.side), headers={"ETag": etag(case.row, by.side)})


@router.post(
    "/{lead}/advance",
    operation_id="advance_lead",
    summary="Enter another stage",
    response_model=LeadOut,
    responses=_ACTS | document(errors.StageRefusedError, errors.HandoverPendingError),
)
@opens("leads:write")
async def advance(lead: Lead, body: AdvanceIn, tx: Tx, by: Caller, kit: Kit) -> JSONBytes:
    """Bring the lead into the stage `to`, or close it by leaving the last one; 422 lists what is missing."""
    case = await progress.advance(tx, by, kit, lead, body)
    return JSONBytes(lead_view(case.row, case.playbook, by.side), headers={"ETag": etag(case.row, by.side)})


@router.post(
    "/{lead}/assign",
    operation_id="assign_lead",
    summary="Put a person on a lead",
    response_model=LeadOut,
    responses=_ACTS,
)
@opens("leads:write")
async def assign(lead: Lead, body: AssignIn, tx: Tx, by: Caller, kit: Kit) -> JSONBytes:
    """Name a person of your own organisation; the other side never sees who."""
    case = await progress.assign(tx, by, kit, lead, body)
    return JSONBytes(lead_view(case.row, case.playbook, by.side), headers={"ETag": etag(case.row, by.side)})


@router.post(
    "/{lead}/notes",
    status_code=201,
    operation_id="post_note",
    summary="Add a context note",
    response_model=PostedNote,
    responses=_ACTS | document(errors.ExternalIdInUseError),
)
@opens("leads:write")
async def post_note(lead: Lead, body: NoteIn, tx: Tx, by: Caller, kit: Kit) -> JSONBytes:
    """Add a note for both sides, or for your own organisation only. Sent again with an external id it answers 200."""
    note, created = await progress.note(tx, by, kit, lead, body)
    return JSONBytes(note, 201 if created else 200)


@router.post(
    "/{lead}/activities",
    status_code=201,
    operation_id="post_activity",
    summary="Log an activity",
    response_model=LoggedActivity,
    responses=_ACTS | document(errors.ExternalIdInUseError),
)
@opens("leads:write")
async def post_activity(lead: Lead, body: ActivityIn, tx: Tx, by: Caller, kit: Kit) -> JSONBytes:
    """Log a call, mail, meeting or visit. Sent again with an external id it answers 200."""
    activity, created = await progress.activity(tx, by, kit, lead, body)
    return JSONBytes(activity, 201 if created else 200)


@router.post(
    "/{lead}/outcome",
    status_code=201,
    operation_id="close_lead",
    summary="Close with an outcome",
    response_model=OutcomeOut,
    responses=_ACTS | document(errors.OutcomeExistsError, errors.ReasonNotAllowedError),
)
@opens("outcomes:write")
async def post_outcome(lead: Lead, body: OutcomeIn, tx: Tx, by: Caller, kit: Kit) -> JSONBytes:
    """Say what became of the lead and why. `won` goes on to onboarding, every other result closes the lead."""
    outcome = await outcomes.close(tx, by, kit, lead, body)
    return JSONBytes(outcome, 201)


@router.post(
    "/{lead}/feedback",
    status_code=201,
    operation_id="give_feedback",
    summary="Give interim feedback",
    response_model=FeedbackOut,
    responses=_ACTS | document(errors.ReasonNotAllowedError),
)
@opens("outcomes:write", "handovers:write")
async def post_feedback(lead: Lead, body: FeedbackIn, tx: Tx, by: Caller, kit: Kit) -> JSONBytes:
    """Tell the giver how the handover went before the outcome is known."""
    return JSONBytes(await outcomes.feedback(tx, by, kit, lead, body), 201)


@router.post(
    "/{lead}/reopen",
    operation_id="reopen_lead",
    summary="Reopen a pending lead",
    response_model=LeadOut,
    responses=_ACTS | document(errors.OutcomeExistsError),
)
@opens("outcomes:write", "leads:write")
async def reopen(lead: Lead, tx: Tx, by: Caller, kit: Kit, body: ReopenIn | None = None) -> JSONBytes:
    """Open a pending lead again, in the stage it was closed in."""
    del body  # nothing to say; an empty object is as good as none
    case = await outcomes.reopen(tx, by, kit, lead)
    return JSONBytes(lead_view(case.row, case.playbook, by.side), headers={"ETag": etag(case.row, by.side)})
