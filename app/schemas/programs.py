"""Programs, who takes part in them, and the playbook versions that both sides agree to."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from app.schemas.base import Day, In, Line, Moment, Out, Prose
from app.schemas.leads import Provenance

Key = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]


class EnrolmentIn(In):
    """A partner takes part; `provenance_defaults` fill what its leads leave out."""

    partner: Annotated[str, StringConstraints(max_length=40)] = Field(examples=["org_mfrggzdfmztwq2lknnwg23tpob"])
    provenance_defaults: Provenance | None = None


class ProgramIn(In):
    """A collaboration, possibly a small pilot: named partners, one product, a stated common purpose."""

    key: Key = Field(examples=["smb-inside-sales"])
    name: Line
    calendar: Key = Field(examples=["tokyo"])
    product: Line | None = Field(default=None, description="What is sold in it.", examples=["Baton Cloud"])
    pilot: bool = Field(default=False, description="A trial with few partners, to be widened later.")
    partners: Annotated[list[EnrolmentIn], Field(max_length=100)] = Field(default_factory=list[EnrolmentIn])


class ProgramPatch(In):
    """A change of a program; `partners` names all that take part, so that more of them widen a pilot."""

    name: Line | None = None
    product: Line | None = None
    pilot: bool | None = None
    calendar: Key | None = None
    partners: Annotated[list[EnrolmentIn], Field(max_length=100)] | None = None


class ProposalIn(In):
    """A playbook version that one side proposes; with `answers` a counter-proposal, which declines what it answers."""

    document: dict[str, Any]
    comment: Prose
    answers: Annotated[str, StringConstraints(max_length=40)] | None = Field(default=None, description="`pbk_…`")
    review_on: Day | None = Field(
        default=None, description="When all are reminded to look at it again; half a year from now, at most two years."
    )


class DeclineIn(In):
    """Why a version is declined; whoever has something better sends it as a proposal that `answers` this one."""

    comment: Prose


class DocumentIn(In):
    """A playbook that is only checked."""

    document: dict[str, Any]


class AgreeIn(In):
    """Nothing to say."""


class Purpose(Out):
    """The common aim."""

    en: str = Field(examples=["More customers who chose well."])
    ja: str = Field(examples=["納得して選んだ顧客を増やす。"])


class DeclinedOut(Out):
    """Who declined, as far as the caller may see it; null also where Baton did, because leads would be stranded."""

    by: str | None
    comment: str
    at: Moment


class PlaybookOut(Out):
    """A playbook version and who has agreed to it."""

    id: str
    program: str
    version: int
    status: Literal["proposed", "in_force", "superseded", "declined"]
    purpose: Purpose
    comment: str
    answers: str | None = Field(description="The version that this one was proposed instead of.")
    proposed_by: str | None = Field(description="Null where the caller may not see who it was.")
    proposed_at: Moment
    in_force_at: Moment | None
    review_on: Day | None
    agreed_by: list[str]
    awaits: list[str]
    declined: DeclinedOut | None = Field(description="Null also where another partner declined.")


class PlaybooksOut(Out):
    """Every version, the newest first."""

    items: list[PlaybookOut]
    next_cursor: None


class AgreementOut(Out):
    """An organisation agreed. `client` is null where another organisation spoke."""

    organization: str
    client: str | None
    at: Moment


class PlaybookDetail(PlaybookOut):
    """A version with its rules. The hash is the SHA-256 of the document as JSON, keys sorted, no spaces, in UTF-8."""

    document: dict[str, Any]
    document_hash: str
    agreements: list[AgreementOut]


class DecisionRow(Out):
    """What an organisation said to a version, and when."""

    program: str
    version: int
    playbook: str
    decision: Literal["agreed", "declined"]
    organization: str | None
    organization_name: str | None
    client: str | None
    at: Moment
    comment: str | None
    document_hash: str


class AgreementsOut(Out):
    """The history of agreement, the oldest version first."""

    items: list[DecisionRow]
    next_cursor: None


class VersionRef(Out):
    """A version."""

    id: str
    version: int


class Sentence(Out):
    """A sentence in both languages."""

    en: str
    ja: str


class ChangeOut(Sentence):
    """One changed rule as a sentence; `details` say what a new stage, clock or ladder consists of."""

    kind: Literal["added", "removed", "changed"]
    area: str = Field(examples=["clocks"])
    subject: str = Field(examples=["handover_response"])
    en: str = Field(examples=["Answer to a handover: 240 → 120 business minutes"])
    ja: str = Field(examples=["引き継ぎ依頼への回答: 営業時間240 → 120分"])
    details: list[Sentence]


class DiffOut(Out):
    """What one version changes in another."""

    program: str
    purpose: Purpose
    before: VersionRef
    after: VersionRef
    changes: list[ChangeOut]


class FaultOut(Out):
    """What is wrong, where, and how to mend it."""

    pointer: str = Field(examples=["/stages/0/clocks"])
    code: str = Field(examples=["stage.clock"])
    message: str
    message_ja: str


class LintOut(Out):
    """Every fault, and the rules one a line as far as they can be read."""

    valid: bool
    faults: list[FaultOut]
    more_faults: int = Field(description="Faults beyond those listed.")
    rendering: str | None


class ProgramOut(Out):
    """A collaboration; a partner sees itself among those that take part, never the others."""

    id: str
    key: str
    name: str
    status: Literal["active", "ended"]
    product: str | None
    pilot: bool
    calendar: str
    partners: list[str]
    playbook: str | None = Field(description="The version in force; null until all have agreed to one.")
    created_at: Moment
    updated_at: Moment
