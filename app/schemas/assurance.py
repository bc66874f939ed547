"""The check of the promise that a lead is never ownerless."""

from typing import Literal

from pydantic import Field

from app.schemas.base import Moment, Out


class HoleOut(Out):
    """A time in which nobody, or two at once, were accountable."""

    lead_id: str
    source: Literal["ledger", "chain"] = Field(description="Where it shows: in the events, or in the stored chain.")
    since: Moment = Field(alias="from")
    until: Moment | None = Field(description="Null where it lasts.")


class OwnedOut(Out):
    """Who was accountable from when until when."""

    organization_id: str
    role: str
    since: Moment = Field(alias="from")
    until: Moment | None = Field(description="Null for the current one.")


class DisagreementOut(Out):
    """What the events tell and what is stored, where they differ."""

    lead_id: str
    n: int | None = Field(description="Of which link, from 1; null where it is the lead's owner of today.")
    ledger: OwnedOut | None
    stored: OwnedOut | None


class AssuranceOut(Out):
    """The ownership of every lead that the caller sees, rebuilt from the ledger. Empty lists are the promise kept."""

    as_of: Moment
    leads: int
    ownerless: int
    gaps: list[HoleOut]
    overlaps: list[HoleOut]
    disagreements: list[DisagreementOut]
    truncated: bool = Field(description="Whether there are more than 1,000 of one kind.")
