"""What hangs on a lead as callers read it with `expand` or a pull, and what was just written to it."""

from typing import Literal

from app.schemas.base import Moment, OfLead, Out
from app.schemas.handovers import HandoverOut
from app.schemas.leads import Company, LeadOut
from app.schemas.lists import ActivityOut, ClockOut, ListedHandover, NoteOut
from app.schemas.outcomes import OutcomeOut


class PostedNote(OfLead):
    """A note that was just added."""

    id: str
    kind: str
    body: str
    visibility: Literal["shared", "organization"]
    by_role: str
    external_id: str | None
    created_at: Moment


class LoggedActivity(OfLead):
    """An activity that was just logged."""

    id: str
    kind: str
    at: Moment
    disposition: str
    summary: str | None
    contact_role: str | None
    by_role: str
    external_id: str | None
    created_at: Moment


class OutcomeResponse(Out):
    """What the partner said to a version of an outcome."""

    kind: Literal["acknowledged", "contested"]
    version: int
    reason: str | None
    note: str | None
    at: Moment


class OutcomeHistory(OutcomeOut):
    """The last outcome with the partner's responses, and the versions and outcomes before it."""

    responses: list[OutcomeResponse]
    earlier: list[OutcomeOut]


class CompanyIdentity(Out):
    """The normal forms under which the company is found and matched."""

    name: str
    corporate_number: str | None
    domain: str | None
    phone: str | None


class ClaimOut(Out):
    """The claim under which the company is held for its partner."""

    status: Literal["held", "expired", "released"]
    expires_at: Moment
    extendable: bool


class ExpandedCompany(Company):
    """The company with its normalised identity and the claim on it."""

    identity: CompanyIdentity
    claim: ClaimOut | None


class CompanyName(Out):
    """A company by its name alone."""

    name: str


class RelatedOwner(Out):
    """Who is accountable for a related lead."""

    role: str
    organization_id: str


class RelatedLead(Out):
    """Another lead of the same company, in short."""

    id: str
    external_id: str
    partner: str
    company: CompanyName
    status: str
    stage: str
    owner: RelatedOwner
    result: str | None
    created_at: Moment


class ExpandedLead(LeadOut):
    """A lead with what `expand` added to it."""

    company: Company | ExpandedCompany  # pyright: ignore[reportIncompatibleVariableOverride]  # wider on purpose
    outcome: OutcomeOut | OutcomeHistory | None  # pyright: ignore[reportIncompatibleVariableOverride]
    notes: list[NoteOut] | None = None
    activities: list[ActivityOut] | None = None
    handovers: list[ListedHandover] | None = None
    clocks: list[ClockOut] | None = None
    related: list[RelatedLead] | None = None


class PulledHandover(Out):
    """An accepted handover with its enriched lead."""

    handover: HandoverOut
    lead: ExpandedLead


class PulledOut(Out):
    """What a pull accepted, each handover with its enriched lead."""

    items: list[PulledHandover]
