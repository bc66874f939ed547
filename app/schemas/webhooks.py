"""Webhook endpoints, deliveries, on-call destinations and the feed as callers write and read them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field
from pydantic_core import PydanticCustomError

from app.domain.events import CATALOGUE
from app.domain.ids import Prefix
from app.schemas.base import In, Line, Moment, Out, Url
from app.schemas.event_data import own_schema
from app.schemas.example_values import example_id
from app.schemas.examples import example

EVERY_TYPE = "*"


def _known_type(value: str) -> str:
    if value != EVERY_TYPE and value not in CATALOGUE:
        raise PydanticCustomError("enum", "This is no event type; GET /v1/event-types lists them.")
    return value


EventTypes = Annotated[
    list[Annotated[str, AfterValidator(_known_type)]],
    Field(min_length=1, max_length=len(CATALOGUE), examples=[["lead.accepted", "outcome.closed"]]),
]
"""Event types; `*` stands for all of them, later ones included."""
Rate = Annotated[int, Field(ge=1, le=6000, description="At most so many deliveries a minute.")]
Ordering = Literal["none", "lead"]
Sequence = Annotated[int, Field(ge=1, le=2**63 - 1)]
DeliveryState = Literal["pending", "sending", "delivered", "failed", "cancelled"]


class EndpointIn(In):
    """An address that events are posted to, signed by Standard Webhooks."""

    url: Url = Field(examples=["https://partner.example/hooks/baton"])
    event_types: EventTypes
    description: Line | None = None
    signature: Literal["v1", "v1a"] = Field(
        "v1", description="`v1`: HMAC-SHA256 with a shared secret. `v1a`: Ed25519, verified with a public key."
    )
    rate: Rate | None = None
    ordering: Ordering = Field(
        "none", description="`lead`: one delivery of a lead at a time, in order; a failing one holds back its lead."
    )
    test: bool = Field(
        False, description="Gets the events of test leads, and no others; so are all endpoints of test clients."
    )


class EndpointPatch(In):
    """A merge patch. Another `url` has to pass its test again before anything else is delivered to it."""

    url: Url | None = None
    event_types: EventTypes | None = None
    description: Line | None = None
    rate: Rate | None = None
    ordering: Ordering | None = None


class RotateIn(In):
    """How long the old secret goes on signing beside the new one."""

    overlap_hours: Annotated[int, Field(ge=0, le=168)] = 24


class EnableIn(In):
    """What to do with the deliveries that were parked meanwhile: send all, or those since a time."""

    send_since: Moment | None = Field(None, description="Parked deliveries made before this time are cancelled.")


class ReplayIn(In):
    """Which published events to deliver again: by time of the event or by sequence, both ends included."""

    since: Moment | None = None
    until: Moment | None = None
    from_sequence: Sequence | None = None
    to_sequence: Sequence | None = None
    only: Literal["all", "undelivered"] = Field(
        "all", description="`undelivered`: what failed, was cancelled, or was never sent to this endpoint."
    )
    dry_run: bool = Field(False, description="Only count.")


class EndpointOut(Out):
    """A webhook endpoint."""

    id: str = Field(examples=["whe_…"])
    url: str
    description: str | None
    event_types: list[str]
    signature: str
    public_key: str | None = Field(description="`whpk_…`, of `v1a` only.")
    rate: int | None
    ordering: str
    test: bool = Field(description="Gets the events of test leads, and no others.")
    status: Literal["pending", "active", "disabled"] = Field(
        description="`pending` until its first signed `endpoint.test` was answered with 2xx; deliveries wait."
    )
    disabled_reason: Literal["gone", "failing"] | None
    previous_secret_until: datetime | None
    created_at: datetime
    updated_at: datetime


class EndpointSecretOut(EndpointOut):
    """A webhook endpoint with its secret, which is shown this once."""

    secret: str | None = Field(description="`whsec_…`, of `v1` only; null in a replay: rotate it.")


class EndpointsOut(Out):
    """A page of endpoints."""

    items: list[EndpointOut]
    next_cursor: str | None


class QueuedOut(Out):
    """A test that is on its way."""

    delivery_id: str


class ReplayOut(Out):
    """How many events matched, and how many deliveries were queued for them."""

    matched: int
    queued: int


class DeliveryFilter(BaseModel):
    """Which deliveries."""

    endpoint_id: Annotated[str, Field(max_length=40)] | None = None
    destination_id: Annotated[str, Field(max_length=40)] | None = None
    state: DeliveryState | None = None
    type: Annotated[str, Field(max_length=64)] | None = None
    test: bool = Field(False, description="Those about test leads instead; a test client sees no others.")


class AttemptOut(Out):
    """One try of a delivery."""

    n: int = Field(description="Counts from 1 in each round.")
    round: int = Field(description="Grows by one when a delivery is sent again on request.")
    started_at: datetime
    status: int | None
    error: str | None = Field(description="The class of trouble; `worker_lost` where nobody saw the end of it.")
    duration_ms: int | None
    remote_ip: str | None
    timings: dict[str, Any] | None
    response: str | None = Field(description="The first bytes of the answer. Untrusted: escape it before you show it.")


class DeliveryOut(Out):
    """One event on its way to one endpoint or destination."""

    id: str = Field(examples=["dlv_…"])
    endpoint_id: str | None
    destination_id: str | None
    webhook_id: str = Field(description="The `webhook-id` header: the same at every attempt.")
    type: str
    test: bool = Field(description="To an endpoint for test leads.")
    sequence: int | None
    state: DeliveryState
    parked: bool = Field(description="Its endpoint is not active: it waits until it is.")
    attempts: int = Field(description="In this round.")
    next_attempt_at: datetime | None
    created_at: datetime
    finished_at: datetime | None


class DeliveryDetailOut(DeliveryOut):
    """A delivery with its body and the attempts of the last 30 days."""

    body: dict[str, Any]
    log: list[AttemptOut]


class DeliveriesOut(Out):
    """A page of deliveries, the newest first."""

    items: list[DeliveryOut]
    next_cursor: str | None


class EventOut(Out):
    """An event as it was published: the bytes that webhooks carry."""

    id: str
    type: str
    timestamp: datetime
    tenant: str
    sequence: int = Field(description="Grows by one, without gaps, within your organisation's feed.")
    data: dict[str, Any]


class EventsOut(Out):
    """A page of the feed. Keep `next_cursor` and ask again with it: nothing is missed, nothing is repeated."""

    items: list[EventOut]
    next_cursor: str
    has_more: bool = Field(description="Whether asking at once would give more.")


class EventTypeOut(Out):
    """One kind of event."""

    type: str
    description: str
    # Named `schema` on the wire; the attribute of that name belongs to the model.
    schema_: dict[str, Any] = Field(alias="schema")
    example: dict[str, Any]


class EventTypesOut(Out):
    """The catalogue of event types."""

    items: list[EventTypeOut]
    next_cursor: None = None


class WebhookConfigIn(In):
    """Where a generic on-call webhook is posted to."""

    url: Url


class DestinationIn(In):
    """An on-call tool."""

    kind: Literal["webhook"]
    name: Line
    config: WebhookConfigIn
    key_mode: Literal["escalation", "step"] = "escalation"


class DestinationPatch(In):
    """A merge patch."""

    name: Line | None = None
    config: WebhookConfigIn | None = None
    key_mode: Literal["escalation", "step"] | None = None


class DestinationOut(Out):
    """An on-call tool; of its configuration only what is no secret."""

    id: str = Field(examples=["dst_…"])
    kind: str
    name: str
    config: dict[str, Any]
    key_mode: str
    created_at: datetime
    updated_at: datetime


class DestinationSecretOut(DestinationOut):
    """An on-call tool with the secret that its messages are signed with, which is shown this once."""

    secret: str | None


class DestinationsOut(Out):
    """A page of destinations."""

    items: list[DestinationOut]
    next_cursor: str | None


def envelope(kind: str, description: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of the body of one event type; it may grow."""
    properties: Mapping[str, Any] = {
        "id": {"type": "string", "pattern": "^evt_[a-z2-7]{26}$"},
        "type": {"const": kind},
        "timestamp": {"type": "string", "format": "date-time"},
        "tenant": {"type": "string", "pattern": "^ten_[a-z2-7]{26}$"},
        "sequence": {"type": "integer", "minimum": 0 if kind == "endpoint.test" else 1},
        "data": data,
    }
    return {
        "title": kind,
        "description": description,
        "type": "object",
        "required": list(properties),
        "properties": dict(properties),
    }


def envelope_schema(kind: str, description: str) -> dict[str, Any]:
    """Return the schema of one event type's body with everything that it refers to."""
    data, definitions = own_schema(kind)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **envelope(kind, description, data),
        "$defs": definitions,
    }


def example_body(kind: str) -> dict[str, Any]:
    """Return a body of one event type that its schema accepts."""
    data, definitions = own_schema(kind)
    return {
        "id": example_id(Prefix.EVENT),
        "type": kind,
        "timestamp": "2026-11-20T01:30:00.123456Z",
        "tenant": example_id(Prefix.TENANT),
        "sequence": 0 if kind == "endpoint.test" else 42,
        "data": example(data, definitions, owner=str(data.get("title", ""))),
    }
