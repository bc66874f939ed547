"""Programs, who takes part in them, and the playbook versions that both sides agree to."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from app.schemas.base import In, Line, Moment, Out, Prose
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
    partners: Annotated[list[EnrolmentIn], Field(max_length=100)] = Field(default_factory=list[EnrolmentIn])


class ProgramPatch(In):
    """A change of a program; `partners` names all that take part."""

    name: Line | None = None
    calendar: Key | None = None
    partners: Annotated[list[EnrolmentIn], Field(max_length=100)] | None = None


class ProposalIn(In):
    """A playbook version that one side proposes."""

    document: dict[str, Any]
    comment: Prose


class AgreeIn(In):
    """Nothing to say."""


class PlaybookOut(Out):
    """A playbook version and who has agreed to it."""

    id: str
    program: str
    version: int
    status: Literal["proposed", "in_force", "superseded", "declined"]
    comment: str
    proposed_by: str | None = Field(description="Null where the caller may not see who it was.")
    proposed_at: Moment
    in_force_at: Moment | None
    agreed_by: list[str]
    awaits: list[str]


class PlaybooksOut(Out):
    """Every version, the newest first."""

    items: list[PlaybookOut]
    next_cursor: None


class ProgramOut(Out):
    """A collaboration; a partner sees itself among those that take part, never the others."""

    id: str
    key: str
    name: str
    status: Literal["active", "ended"]
    calendar: str
    partners: list[str]
    playbook: str | None = Field(description="The version in force; null until all have agreed to one.")
    created_at: Moment
    updated_at: Moment
