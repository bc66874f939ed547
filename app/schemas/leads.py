"""Leads as callers post, patch and read them; notes and activities."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from app.domain.matching import corporate_number_is_valid, normalise_phone
from app.schemas.base import Authority, Code, Day, ExternalId, In, Line, Metadata, Moment, Out, Prose, Temperature
from app.schemas.outcomes import OutcomeOut


def _corporate_number(value: str) -> str:
    if not corporate_number_is_valid(value):
        raise ValueError("not a corporate number: 13 digits with a valid check digit")
    return value


def _phone(value: str) -> str:
    if normalise_phone(value) is None:
        raise ValueError("not a telephone number")
    return value


CorporateNumber = Annotated[str, StringConstraints(max_length=13), AfterValidator(_corporate_number)]
Phone = Annotated[str, StringConstraints(max_length=40), AfterValidator(_phone)]
Email = Annotated[
    str,
    StringConstraints(
        max_length=254, pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$"
    ),
]
HostName = Annotated[str, StringConstraints(max_length=253, pattern=r"^[^\s/@:]+\.[^\s/@:]+$")]


class Company(In):
    """The company that the lead is about."""

    name: Line = Field(examples=["株式会社サンプル商事"])
    corporate_number: CorporateNumber | None = Field(None, examples=["7999901000001"])
    domain: HostName | None = Field(None, examples=["sample.example"])
    phone: Phone | None = Field(None, examples=["03-1234-5678"])
    industry: Code | None = Field(None, examples=["manufacturing"])
    employees: Code | None = Field(None, examples=["100-299"])


class Contact(In):
    """The person at the company. Shown to both sides of the lead, never sent in a webhook."""

    name: Line | None = Field(None, examples=["山田 太郎"])
    title: Line | None = Field(None, examples=["情報システム部 部長"])
    email: Email | None = Field(None, examples=["yamada@sample.example"])
    phone: Phone | None = Field(None, examples=["+81312345678"])
    role: Authority | None = Field(None, examples=["decision_maker"])


class Provenance(In):
    """Where the data came from and on which basis it may be used. The enrolment may supply defaults."""

    source_kind: Literal["outbound_list", "event", "inbound", "referral", "purchased", "client_list"] | None = None
    acquired_on: Day | None = None
    appi_relation: Literal["entrustment", "third_party_provision", "joint_use"] | None = None
    basis: Literal["consent", "legitimate_interest", "contract"] | None = None


class PainPoint(In):
    """A problem that the customer named."""

    category: Code
    note: Prose | None = None


class _Fact(In):
    note: Prose | None = None
    asked_on: Day | None = None


class Budget(_Fact):
    """Is there money for it? `unknown` is not `none`."""

    value: Literal["unknown", "none", "planned", "approved"]


class Decides(_Fact):
    """What the contact may decide."""

    value: Authority


class Need(_Fact):
    """How clear the need is."""

    value: Literal["unknown", "none", "latent", "recognised", "urgent"]


class Timeline(_Fact):
    """When they would start."""

    value: Literal["unknown", "over_12m", "6_12m", "3_6m", "under_3m"]


class Bant(In):
    """Budget, authority, need and timeline."""

    budget: Budget | None = None
    authority: Decides | None = None
    need: Need | None = None
    timeline: Timeline | None = None


class NextStep(In):
    """What was agreed with the customer."""

    what: Line
    due_on: Day | None = None


class Context(In):
    """What the partner learned. What a stage may not be left without, the playbook says."""

    pain_points: Annotated[list[PainPoint], Field(max_length=20)] | None = None
    expectations: Prose | None = None
    temperature: Temperature | None = None
    temperature_basis: Prose | None = None
    bant: Bant | None = None
    personality: Prose | None = None
    concerns: Annotated[list[Line], Field(max_length=20)] | None = None
    next_step: NextStep | None = None


class LeadIn(In):
    """A new lead. Only `program`, `external_id`, `company.name` and `provenance` are required."""

    program: Annotated[str, StringConstraints(min_length=1, max_length=64)] = Field(examples=["smb-inside-sales"])
    external_id: ExternalId = Field(examples=["A-2026-0001"])
    partner: str | None = Field(None, description="Required from an internal client, refused from a partner.")
    company: Company
    contact: Contact | None = None
    provenance: Provenance
    context: Context | None = None
    metadata: Metadata | None = None
    test: bool = False


class CompanyPatch(Company):
    """A change of the company; what is left out stays."""

    name: Line | None = None  # pyright: ignore[reportIncompatibleVariableOverride, reportGeneralTypeIssues]  # a patch may leave it out


class LeadPatch(In):
    """An RFC 7396 merge patch: null removes, what is left out stays. `program` and `external_id` never change."""

    company: CompanyPatch | None = None
    contact: Contact | None = None
    provenance: Provenance | None = None
    context: dict[str, Any] | None = None
    metadata: dict[str, str | None] | None = None


class Owner(Out):
    """Who is accountable now; `assignee` only where the owner's organisation shows it."""

    role: str
    organization_id: str
    assignee: str | None


class Due(Out):
    """A clock that runs on this lead."""

    clock: str
    due_at: Moment
    owed_by: str
    late: bool


class PlaybookRef(Out):
    """The version of the rules that the lead stands under."""

    program: str
    version: int


class ContextOut(Context):
    """What the partner learned, and how much of the playbook's form that answers."""

    completeness: float = Field(ge=0, le=1)
    missing: list[str] = Field(description="JSON pointers of what the form asks for and is not known.")


class DecisionOut(Out):
    """Why a lead was not accepted: what the vendor can mend, or `not_available`."""

    reason: str
    label_en: str
    label_ja: str
    contest_until: Moment | None


class ClaimOut(Out):
    """The partner's claim on the company of its lead."""

    status: Literal["held", "expired", "released"]
    expires_at: Moment
    extendable: bool


_PARTICULAR = "Null while the lead is in a stage in which the playbook gives the caller's side no part."


class LeadOut(Out):
    """A lead as the caller's side sees it."""

    id: str = Field(examples=["lead_mfrggzdfmztwq2lknnwg23tpob"])
    external_id: str
    program: str
    partner: str
    company: Company
    contact: Contact | None
    provenance: Provenance | None = Field(description=_PARTICULAR)
    context: ContextOut | None = Field(description=_PARTICULAR)
    metadata: dict[str, str]
    test: bool
    status: Literal["received", "open", "closed", "not_accepted"]
    stage: str
    owner: Owner
    playbook: PlaybookRef
    due: list[Due]
    decision: DecisionOut | None
    outcome: OutcomeOut | None
    created_at: Moment
    updated_at: Moment
    claim: ClaimOut | None = Field(None, description="Only in the partner's view.")


class NoteIn(In):
    """A context note; who may see it is always stated."""

    kind: Literal["context", "customer_voice", "signal", "objection", "competitor", "other"]
    body: Prose
    visibility: Literal["shared", "organization"]
    external_id: ExternalId | None = None
    metadata: Metadata | None = None


_CALLS = {
    "connected", "no_answer", "voicemail", "gatekeeper_blocked", "callback_requested", "wrong_number", "refused",
    "do_not_call", "appointment_set",
}  # fmt: skip
_APPOINTMENTS = {"scheduled", "held", "no_show", "rescheduled", "cancelled_by_customer", "cancelled_by_us"}
DISPOSITIONS: dict[str, set[str]] = {
    "call": _CALLS,
    "mail": {"sent", "replied", "bounced"},
    "meeting": _APPOINTMENTS,
    "visit": _APPOINTMENTS,
}
"""Which dispositions a kind of activity may have (contract 5)."""


class ActivityIn(In):
    """A call, mail, meeting or visit; `at` may lie ahead for a meeting that is scheduled."""

    kind: Literal["call", "mail", "meeting", "visit"]
    at: Moment
    disposition: str = Field(examples=["connected"], max_length=40)
    summary: Prose | None = None
    contact_role: Authority | None = None
    external_id: ExternalId | None = None
    metadata: Metadata | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.disposition not in DISPOSITIONS[self.kind]:
            raise ValueError("this kind of activity has no such disposition")
        return self
