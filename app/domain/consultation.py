"""How a consultation ends: the role that was asked answers or declines, whoever asks takes it back. Pure.

Whether it may be asked for at all is the playbook's (`journey`, command `consult`); how it ends is the same for every
playbook. It moves nothing else: the owner stays accountable and its own clocks run on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from app.domain.actor import Actor
from app.domain.journey import Effects, Refusal, Verdict
from app.domain.lead import ENDED, Consultation, Lead, Party
from app.domain.responders import stands

REQUESTED = "requested"


@dataclass(frozen=True, slots=True)
class Ending:
    """What a verb makes of a consultation, and the event that tells of it."""

    status: str
    event: str


ENDINGS: Mapping[str, Ending] = MappingProxyType(
    {
        "answer": Ending("answered", "consultation.answered"),
        "decline": Ending("declined", "consultation.declined"),
        "withdraw": Ending("withdrawn", "consultation.withdrawn"),
    }
)


def _parties(lead: Lead, held: Consultation, verb: str) -> tuple[Party, ...]:
    """A question passes on with the lead: who is accountable now may take it back like whoever asked."""
    return (lead.owner, held.asker) if verb == "withdraw" else (held.asked,)


def acting_role(lead: Lead, actor: Actor, verb: str) -> str | None:
    """Return the role in which the actor may end the lead's consultation by `verb`, or None where it may not."""
    if lead.consultation is None:
        return None
    return next((party.role for party in _parties(lead, lead.consultation, verb) if stands(actor, party)), None)


def settle(lead: Lead, actor: Actor, verb: str) -> Verdict:
    """Return what `verb` does to the consultation that the lead is at hand for, or the refusal."""
    rule = f"consultations.{verb}"
    if acting_role(lead, actor, verb) is None:
        return Refusal("not-permitted", rule, "Only the role that was asked answers; only who asks takes it back.")
    if lead.consultation is None or lead.consultation.status != REQUESTED:
        return Refusal("consultation-not-open", rule, "The consultation has been answered, declined or withdrawn.")
    return Effects(rule, lead.status, lead.stage, lead.owner, events=(ENDINGS[verb].event,))


def lapse(after: Lead) -> bool:
    """Return whether open questions about a lead end with a decision: nobody owes help with a closed lead."""
    return after.status in ENDED
