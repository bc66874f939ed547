"""The sandbox: Baton plays the other side of a vendor's test leads."""

from typing import Final

from fastapi import APIRouter

from app.domain import errors
from app.routers.deps import Caller, Kit, Lead, Tx
from app.routers.edge import BatonRoute, JSONBytes, document, opens
from app.schemas.sandbox import PlayIn, PlayOut
from app.services import consultations, escalations, handovers, outcomes, plays, progress

router = APIRouter(prefix="/v1/test", tags=["sandbox"], route_class=BatonRoute)

_MEANS: Final = plays.Means(
    advance=progress.advance,
    activity=progress.activity,
    note=progress.note,
    ask=consultations.ask,
    answer=consultations.answer,
    handover=handovers.request,
    accept=handovers.accept,
    reject=handovers.reject,
    send_back=handovers.send_back,
    feedback=outcomes.feedback,
    close=outcomes.close,
    correct=outcomes.correct,
    reopen=outcomes.reopen,
    acknowledge=escalations.acknowledge,
    resolve=escalations.resolve,
)


@router.post(
    "/leads/{lead}/play",
    operation_id="play_test_lead",
    summary="Have the other side played",
    response_model=PlayOut,
    responses=document(
        errors.NotFoundError,
        errors.NotPermittedError,
        errors.LeadNotOpenError,
        errors.HandoverNotPendingError,
        errors.HandoverIncompleteError,
        errors.StageRefusedError,
        errors.OutcomeExistsError,
        errors.ReasonNotAllowedError,
        errors.ConflictError,
        errors.ValidationFailedError,
    ),
)
@opens("leads:write")
async def play(lead: Lead, body: PlayIn, tx: Tx, by: Caller, kit: Kit) -> JSONBytes:
    """Play what a client's people would do with your test lead, by the rules of the playbook, in a moment.

    Your endpoints for test leads get the ordinary signed webhooks. A real lead does not exist here. A scenario that
    does not fit where the lead stands is refused and changes nothing. `external:` names one of your test leads.
    """
    return JSONBytes(await plays.play(tx, by, kit, _MEANS, lead, body.scenario))
