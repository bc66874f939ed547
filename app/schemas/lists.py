"""Pages of lists as callers read them, and the small objects that only lists hold."""

from typing import Any, Literal

from pydantic import Field

from app.schemas.base import Moment, OfLead, Out
from app.schemas.handovers import HandoverOut
from app.schemas.leads import LeadOut


class _Page(Out):
    next_cursor: str | None = Field(description="Goes into `cursor` for the next page; null on the last one.")


class LeadPage(_Page):
    """A page of leads."""

    items: list[LeadOut]


class NoteOut(OfLead):
    """A note; `metadata` is what the caller's organisation keeps on it."""

    id: str
    kind: str
    body: str
    visibility: Literal["shared", "organization"]
    by_role: str
    external_id: str | None
    created_at: Moment
    metadata: dict[str, str]


class NotePage(_Page):
    """A page of notes."""

    items: list[NoteOut]


class ActivityOut(OfLead):
    """An activity; `metadata` is what the caller's organisation keeps on it."""

    id: str
    kind: str
    at: Moment
    disposition: str
    summary: str | None
    contact_role: str | None
    by_role: str
    external_id: str | None
    created_at: Moment
    metadata: dict[str, str]


class ActivityPage(_Page):
    """A page of activities."""

    items: list[ActivityOut]


class ListedHandover(HandoverOut):
    """A handover; `metadata` is what the caller's organisation keeps on it."""

    metadata: dict[str, str]


class HandoverPage(_Page):
    """A page of handovers."""

    items: list[ListedHandover]


class TimelineEntry(OfLead):
    """An event of the ledger: ids, codes, numbers and times, never free text."""

    id: str
    type: str
    at: Moment
    by_role: str
    data: dict[str, Any]


class TimelinePage(_Page):
    """A page of a lead's events."""

    items: list[TimelineEntry]


class OwnershipLink(OfLead):
    """One owner of the chain, by organisation and role."""

    n: int
    organization_id: str
    role: str
    since: Moment = Field(alias="from", description="The moment at which the link before ended.")
    until: Moment | None = Field(description="Null for the current owner.")


class OwnershipOut(Out):
    """The chain of owners, the current one last."""

    items: list[OwnershipLink]


class ActionOut(Out):
    """A command and whether the caller may give it now."""

    command: str
    allowed: bool
    rule: str
    missing: list[str]
    label_en: str
    label_ja: str


class ActionsOut(Out):
    """Every command of the playbook."""

    items: list[ActionOut]


class ClockParty(Out):
    """A role of one organisation."""

    organization_id: str
    role: str


class ClockOut(OfLead):
    """What is owed on a lead, by whom and to whom."""

    id: str
    clock: str
    lead_id: str
    handover_id: str | None
    consultation_id: str | None
    owed_by: ClockParty
    waiting: ClockParty
    state: Literal["running", "breached", "met", "cancelled"]
    started_at: Moment
    due_at: Moment
    breached_at: Moment | None
    stopped_at: Moment | None
