"""What `data` of each event type holds, for the document and the catalogue. Receivers take what is new as it comes."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal

from pydantic import Field
from pydantic.json_schema import models_json_schema

from app.domain.events import CATALOGUE
from app.schemas.base import Day, Moment, Out
from app.schemas.consultations import ConsultationOut
from app.schemas.escalations import EscalationOut
from app.schemas.expansions import CompanyName, LoggedActivity, PostedNote
from app.schemas.handovers import HandoverOut
from app.schemas.leads import DecisionOut, PlaybookRef
from app.schemas.lists import ClockOut, ClockParty
from app.schemas.outcomes import FeedbackOut, OutcomeOut


class LeadFact(Out):
    """A fact about one lead."""

    lead_id: str
    external_id: str
    lead_sequence: int = Field(ge=1, description="The lead's version in this side's view; drop what is older.")
    test: bool


class LeadReceived(LeadFact):
    """The lead as it was posted, in short; it holds no contact data."""

    program: str
    status: str = Field(examples=["received"])
    stage: str
    company: CompanyName


class LeadAccepted(LeadFact):
    """Where the lead stands now."""

    status: str = Field(examples=["open"])
    stage: str


class LeadNotAccepted(LeadFact):
    """Why, as far as it can be mended."""

    status: str = Field(examples=["not_accepted"])
    decision: DecisionOut


class LeadUpdated(LeadFact):
    """Which members changed and what the form still asks for; read the lead for their values."""

    changed: list[str] = Field(examples=[["context"]])
    completeness: float
    missing: list[str] = Field(examples=[["/context/next_step"]])


class NoteAdded(LeadFact):
    """The note."""

    note: PostedNote


class ActivityLogged(LeadFact):
    """The activity."""

    activity: LoggedActivity


class StageEntered(LeadFact):
    """From where to where, and under which rules from now on; `to` is `closed` where the last stage was left."""

    left: str = Field(alias="from", examples=["evaluation"])
    to: str = Field(examples=["negotiation"])
    playbook: PlaybookRef


class OwnershipChanged(LeadFact):
    """Who is accountable now, and who was."""

    owner: ClockParty
    previous: ClockParty


class HandoverEvent(LeadFact):
    """The handover as it stands."""

    handover: HandoverOut


class ConsultationEvent(LeadFact):
    """The consultation as it stands."""

    consultation: ConsultationOut


class FeedbackGiven(LeadFact):
    """The feedback."""

    feedback: FeedbackOut


class ClockEvent(LeadFact):
    """The clock."""

    clock: ClockOut


class AcceptedHandover(Out):
    """The handover that brought the lead to whoever closed it."""

    id: str
    accepted_at: Moment


class OutcomeEvent(LeadFact):
    """The outcome, and how long it took since the handover was accepted."""

    outcome: OutcomeOut
    handover: AcceptedHandover | None
    hours_to_outcome: float | None


class OutcomeAnswered(LeadFact):
    """What the partner says to which version."""

    outcome_id: str
    version: int
    reason: str | None
    note: str | None


class EscalationEvent(EscalationOut, LeadFact):
    """The escalation as it stands; also what a generic on-call webhook receives."""


class PlaybookFact(Out):
    """A version of a playbook."""

    program: str
    playbook_id: str
    version: int


class PlaybookProposed(PlaybookFact):
    """What to agree to, and which version it was proposed instead of."""

    answers: str | None
    review_on: Day | None


class PlaybookDeclined(PlaybookFact):
    """Which version nobody can agree to any more; read it for the reason."""

    stranded: bool = Field(description="Declined by Baton: leads stand in a stage that the version does not continue.")


class PlaybookReviewDue(PlaybookFact):
    """Which version in force is to be looked at again."""

    review_on: Day | None


class EndpointDisabled(Out):
    """Which endpoint, and why: `gone` (it answered 410) or `failing` (nothing arrived for days)."""

    endpoint_id: str
    reason: Literal["gone", "failing"]
    url: str


class EndpointTest(Out):
    """What is tested: a webhook endpoint, or an on-call destination."""

    endpoint_id: str | None = None
    destination_id: str | None = None


_FAMILIES: Final[Mapping[str, type[Out]]] = MappingProxyType(
    {
        "handover": HandoverEvent,
        "consultation": ConsultationEvent,
        "clock": ClockEvent,
        "escalation": EscalationEvent,
        "playbook": PlaybookFact,
    }
)
_TYPES: Final[Mapping[str, type[Out]]] = MappingProxyType(
    {
        "lead.received": LeadReceived,
        "lead.accepted": LeadAccepted,
        "lead.not_accepted": LeadNotAccepted,
        "lead.updated": LeadUpdated,
        "note.added": NoteAdded,
        "activity.logged": ActivityLogged,
        "stage.entered": StageEntered,
        "ownership.changed": OwnershipChanged,
        "feedback.given": FeedbackGiven,
        "feedback.overdue": ClockEvent,
        "outcome.closed": OutcomeEvent,
        "outcome.corrected": OutcomeEvent,
        "outcome.acknowledged": OutcomeAnswered,
        "outcome.contested": OutcomeAnswered,
        "playbook.proposed": PlaybookProposed,
        "playbook.declined": PlaybookDeclined,
        "playbook.review_due": PlaybookReviewDue,
        "endpoint.disabled": EndpointDisabled,
        "endpoint.test": EndpointTest,
    }
)


def model_of(kind: str) -> type[Out]:
    """Return the model of the `data` of one event type."""
    return _TYPES.get(kind) or _FAMILIES.get(kind.partition(".")[0], LeadFact)


def data_schemas(ref_template: str) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Return the schema of `data` by event type, and the definitions that they share, open to additions."""
    models = {model_of(kind) for kind in CATALOGUE}
    keyed, shared = models_json_schema(
        [(model, "serialization") for model in sorted(models, key=lambda model: model.__name__)],
        ref_template=ref_template,
    )
    definitions: dict[str, Any] = shared.get("$defs", {})
    for held in definitions.values():
        held.pop("additionalProperties", None)
    return {kind: dict(keyed[model_of(kind), "serialization"]) for kind in CATALOGUE}, definitions


def own_schema(kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the schema of one event type's `data` and the definitions that it refers to, open to additions."""
    data = model_of(kind).model_json_schema(mode="serialization")
    definitions: dict[str, Any] = data.pop("$defs", {})
    for held in (data, *definitions.values()):
        held.pop("additionalProperties", None)
    return data, definitions
