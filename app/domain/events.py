"""The catalogue of event types, who sees each, and the body that both feed and webhook carry."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

from app.domain.ids import Prefix, show
from app.domain.view import stamp


@dataclass(frozen=True, slots=True)
class EventType:
    """One kind of fact and what it means to whoever receives it."""

    name: str
    meaning: str


_MEANINGS = {
    "lead.received": "A lead was posted; its adjudication follows.",
    "lead.accepted": "The lead is open: the claim holds and the clocks run.",
    "lead.not_accepted": "The lead was not accepted; `decision` says what can be mended.",
    "lead.updated": "Fields of the lead changed.",
    "lead.reopened": "A pending lead is open again.",
    "lead.contested": "The partner contests that a lead was not accepted.",
    "lead.decided": "A contested lead was decided.",
    "claim.expiring": "A claim ends soon.",
    "claim.expired": "A claim has ended.",
    "note.added": "A note was added.",
    "activity.logged": "A call, mail, meeting or visit was logged.",
    "stage.entered": "The lead entered a stage, or left the last one.",
    "ownership.changed": "Another party is accountable now.",
    "handover.requested": "The baton was offered; the giver stays accountable.",
    "handover.accepted": "The receiver is accountable now.",
    "handover.rejected": "The receiver declined, with a reason.",
    "handover.returned": "The receiver asks before it decides.",
    "handover.answered": "The questions were answered; the receiver decides.",
    "handover.withdrawn": "The giver took the offer back.",
    "handover.timed_out": "Nobody answered in time; the fallback is accountable.",
    "consultation.requested": "The owner asks a consulted role for help; the owner stays accountable.",
    "consultation.answered": "The consulted role answered.",
    "consultation.declined": "The consulted role declined, with a reason and with what is possible instead.",
    "consultation.withdrawn": "The question was taken back, or the lead was closed.",
    "feedback.given": "Interim feedback on a handover.",
    "feedback.overdue": "Feedback is owed and late.",
    "outcome.closed": "What became of the lead, and why.",
    "outcome.corrected": "A later version of an outcome; it supersedes the earlier one.",
    "outcome.acknowledged": "The partner acknowledged an outcome.",
    "outcome.contested": "The partner contests an outcome.",
    "trouble.raised": "A complaint was raised.",
    "trouble.resolved": "A complaint was resolved.",
    "clock.warned": "An obligation falls due soon.",
    "clock.breached": "An obligation was missed.",
    "escalation.opened": "A missed obligation climbs its ladder.",
    "escalation.stepped": "The ladder reached its next step.",
    "escalation.acknowledged": "A person has taken the escalation up.",
    "escalation.resolved": "What was owed has been done, or was waived.",
    "playbook.proposed": "A new version of the playbook was proposed.",
    "playbook.agreed": "All sides agreed; the version is in force.",
    "playbook.declined": "A proposed version was declined; a counter-proposal may follow.",
    "playbook.review_due": "The day has come to look at the rules in force again.",
    "endpoint.disabled": "Deliveries to an endpoint were stopped.",
    "endpoint.test": "A test of an endpoint.",
}
CATALOGUE: Mapping[str, EventType] = MappingProxyType(
    {name: EventType(name, meaning) for name, meaning in _MEANINGS.items()}
)
"""Every event type of contract 6."""


@dataclass(frozen=True, slots=True)
class Body:
    """A rendered body without its number; the publisher writes `"sequence":n,` at `splice` (characters)."""

    text: str
    splice: int


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def body(event_id: UUID, kind: str, at: datetime, tenant_id: UUID, data: Mapping[str, Any]) -> Body:
    """Return the bytes that one view will get, less the sequence, which is given at publication."""
    head = {
        "id": show(Prefix.EVENT, event_id),
        "type": kind,
        "timestamp": stamp(at),
        "tenant": show(Prefix.TENANT, tenant_id),
    }
    front = _encode(head)[:-1] + ","
    return Body(f'{front}"data":{_encode(data)}}}', len(front))
