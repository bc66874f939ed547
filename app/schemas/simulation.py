"""The simulation of a playbook on past leads: what is asked, and the lines that are answered."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from app.schemas.base import Day, In, Moment, Out
from app.schemas.queries import Named


class SimulationIn(In):
    """A playbook, and the past leads that it is tried on. Days are those of the program's calendar, both inclusive."""

    document: dict[str, Any] | None = Field(None, description="A playbook that nobody has proposed yet.")
    playbook: Annotated[str, Field(max_length=40)] | None = Field(None, description="`pbk_…`: a proposed version.")
    program: Named | None = Field(
        None, description="Whose leads, by key or id; without it, those of the playbook's own program."
    )
    first: Day | None = Field(None, alias="from", description="Leads received on this day or later.")
    last: Day | None = Field(
        None, alias="to", description="Leads received, and everything that happened, until the end of this day."
    )

    @model_validator(mode="after")
    def _one_playbook(self) -> "SimulationIn":
        if (self.document is None) == (self.playbook is None):
            raise ValueError("either `document` or `playbook`")
        if self.first is not None and self.last is not None and self.last < self.first:
            raise ValueError("`to` lies before `from`")
        return self


class Tried(Out):
    """The playbook that was tried; a document has no version yet."""

    program: str
    version: int | None


class StartLine(Out):
    """The first line: what is replayed."""

    type: Literal["start"]
    playbook: Tried
    program: str
    first: Day | None = Field(alias="from")
    last: Day | None = Field(alias="to")
    until: Moment = Field(description="Until when clocks were watched.")
    leads: int


class ProgressLine(Out):
    """How far it is."""

    type: Literal["progress"]
    leads: int
    of: int
    events: int


class PartyOut(Out):
    """A role of one organisation."""

    organization: str
    role: str


class RefusedOut(Out):
    """A command that was given and would have been refused."""

    at: Moment
    command: str
    by_role: str
    problem: str = Field(description="The slug of the problem that would have been answered.")
    rule: str
    missing: list[str]


class BreachedOut(Out):
    """A clock that would have been missed."""

    clock: str
    owed_by: PartyOut
    due_at: Moment
    done_at: Moment | None = Field(description="When what was owed was done after all.")


class PagedOut(Out):
    """A step of a ladder that would have fired."""

    at: Moment
    clock: str
    step: int
    notified: list[PartyOut]
    destinations: bool = Field(description="Whether the on-call tools would have been told.")


class TakenOverOut(Out):
    """A lead that would have gone to the fallback."""

    at: Moment
    clock: str
    by: PartyOut


class BreachHappened(Out):
    """A clock that was missed at the time."""

    clock: str
    due_at: Moment


class HappenedOut(Out):
    """What really happened to the lead."""

    breached: list[BreachHappened]
    paged: int
    taken_over: int


class LeadLine(Out):
    """One lead that has something to tell."""

    type: Literal["lead"]
    lead_id: str
    refused: list[RefusedOut]
    breached: list[BreachedOut]
    paged: list[PagedOut]
    taken_over: list[TakenOverOut]
    happened: HappenedOut


class MissingOut(Out):
    """What commands would have been refused for want of."""

    what: str
    times: int


class RuleOut(Out):
    """One rule that would have refused."""

    rule: str
    command: str
    problem: str
    commands: int
    leads: int
    missing: list[MissingOut]
    examples: list[str]


class RefusalsOut(Out):
    """All that would have been refused, the most frequent rule first."""

    commands: int
    leads: int
    by_rule: list[RuleOut]


class ClockOut(Out):
    """How often a clock would have been missed, was missed, and both on the same lead."""

    clock: str
    would: int
    did: int
    in_both: int


class BreachesOut(Out):
    """Missed clocks."""

    would: int
    did: int
    by_clock: list[ClockOut]


class NotifiedOut(Out):
    """How often a role of one side would have been told."""

    side: Literal["internal", "partner"]
    role: str
    times: int


class PagesOut(Out):
    """Steps of ladders."""

    would: int
    did: int
    notified: list[NotifiedOut]


class TakeoversOut(Out):
    """Leads that went to the fallback."""

    would: int
    did: int


class SummaryLine(Out):
    """The last line. A stream without it broke off."""

    type: Literal["summary"]
    leads: int
    events: int
    commands: int
    untold: int = Field(description="Leads that could not be replayed, because their ledger lacks their posting.")
    refused: RefusalsOut
    breached: BreachesOut
    paged: PagesOut
    taken_over: TakeoversOut


SimulationLine = Annotated[StartLine | ProgressLine | LeadLine | SummaryLine, Field(discriminator="type")]
"""One line of the answer."""
