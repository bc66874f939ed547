"""What a vendor asks of the sandbox, and what was played."""

from typing import Literal

from pydantic import Field

from app.schemas.base import In, Out
from app.schemas.leads import LeadOut

Scenario = Literal["accepted", "rejected", "returned", "won", "lost", "pending", "ignored", "not_accepted"]


class PlayIn(In):
    """What the other side is to do."""

    scenario: Scenario = Field(
        examples=["lost"],
        description="`accepted` `rejected` `returned`: the other side answers your handover, or one that is requested "
        "for you where none waits. `won` `lost` `pending`: it takes the lead over, works on it, gives feedback and "
        "states that outcome; on a closed lead it corrects the outcome or reopens the lead. `ignored`: it lets what it "
        "owes run out, and every escalation is climbed to its end. `not_accepted`: the lead turns out not to be "
        "available.",
    )


class PlayOut(Out):
    """What was played: the events that your organisation is told of, in their order, and the lead as it stands now."""

    scenario: Scenario
    events: list[str] = Field(examples=[["handover.requested", "handover.accepted"]])
    lead: LeadOut
