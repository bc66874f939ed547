"""Webhook endpoints and what was delivered to them."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from app.domain import errors
from app.domain.events import CATALOGUE
from app.routers.deps import Caller, IfMatch, Kit, Tx
from app.routers.edge import BatonRoute, JSONBytes, document, opens
from app.routers.paging import Listed, answer
from app.schemas.webhooks import (
    DeliveriesOut,
    DeliveryDetailOut,
    DeliveryFilter,
    DeliveryOut,
    EnableIn,
    EndpointIn,
    EndpointOut,
    EndpointPatch,
    EndpointSecretOut,
    EndpointsOut,
    EventTypesOut,
    QueuedOut,
    ReplayIn,
    ReplayOut,
    RotateIn,
    envelope_schema,
    example_body,
)
from app.services import deliveries, endpoints

router = APIRouter(prefix="/v1", tags=["webhooks"], route_class=BatonRoute)

_SCOPE = "webhooks:manage"
_ONE = document(errors.NotFoundError)
_CATALOGUE = [
    {
        "type": kind.name,
        "description": kind.meaning,
        "schema": envelope_schema(kind.name, kind.meaning),
        "example": example_body(kind.name),
    }
    for kind in CATALOGUE.values()
]


async def endpoint_id(endpoint: Annotated[str, Path(description="`whe_…`")]) -> UUID:
    """Return the endpoint that the path names."""
    return endpoints.read_id(endpoint)


async def delivery_id(delivery: Annotated[str, Path(description="`dlv_…`")]) -> UUID:
    """Return the delivery that the path names."""
    return deliveries.read_id(delivery)


Endpoint = Annotated[UUID, Depends(endpoint_id)]
Delivery = Annotated[UUID, Depends(delivery_id)]
Tests = Annotated[bool, Query(description="Those for test leads instead; a test client sees no others.")]


@router.post(
    "/webhook-endpoints",
    status_code=201,
    operation_id="create_webhook_endpoint",
    summary="Register a webhook endpoint",
    response_model=EndpointSecretOut,
    responses=document(errors.UrlRefusedError, errors.ConflictError, errors.ValidationFailedError),
)
@opens(_SCOPE, redact=("secret",))
async def create(body: EndpointIn, tx: Tx, by: Caller, kit: Kit) -> JSONBytes:
    """Register an address. A signed `endpoint.test` is sent at once; events follow when it was answered with 2xx."""
    row, shown = await endpoints.create(tx, by, kit, body)
    return JSONBytes(shown, 201, {"Location": f"/v1/webhook-endpoints/{shown['id']}", "ETag": endpoints.tag(row)})


@router.get(
    "/webhook-endpoints",
    operation_id="list_webhook_endpoints",
    summary="List webhook endpoints",
    response_model=EndpointsOut,
)
@opens(_SCOPE)
async def list_endpoints(
    request: Request,
    tx: Tx,
    by: Caller,
    kit: Kit,
    wanted: Listed,
    test: Tests = False,
) -> JSONBytes:
    """Your organisation's endpoints, the oldest first."""
    return answer(request, await endpoints.page(tx, by, kit, wanted, tests=test))


@router.get(
    "/webhook-endpoints/{endpoint}",
    operation_id="get_webhook_endpoint",
    summary="Read a webhook endpoint",
    response_model=EndpointOut,
    responses=_ONE,
)
@opens(_SCOPE)
async def get(endpoint: Endpoint, tx: Tx, by: Caller, kit: Kit) -> JSONBytes:
    """One endpoint, without its secret."""
    row = await endpoints.one(tx, by, endpoint)
    return JSONBytes(endpoints.view(row, kit), headers={"ETag": endpoints.tag(row)})


@router.patch(
    "/webhook-endpoints/{endpoint}",
    operation_id="patch_webhook_endpoint",
    summary="Change a webhook endpoint",
    response_model=EndpointOut,
    responses=document(errors.NotFoundError, errors.UrlRefusedError, errors.ValidationFailedError),
)
@opens(_SCOPE, takes=("application/merge-patch+json", "application/json"))
async def change(endpoint: Endpoint, body: EndpointPatch, tx: Tx, by: Caller, kit: Kit, if_match: IfMatch) -> JSONBytes:
    """Change it; another `url` has to pass its test before anything else is delivered to it."""
    row = await endpoints.change(tx, by, kit, endpoint, body, if_match)
    return JSONBytes(endpoints.view(row, kit), headers={"ETag": endpoints.tag(row)})


@router.delete(
    "/webhook-endpoints/{endpoint}",
    status_code=204,
    operation_id="delete_webhook_endpoint",
    summary="Remove a webhook endpoint",
    responses=_ONE,
)
@opens(_SCOPE)
async def delete(endpoint: Endpoint, tx: Tx, by: Caller, if_match: IfMatch) -> Response:
    """Remove it; what waits for it is cancelled. The feed still has every event."""
    await endpoints.delete(tx, by, endpoint, if_match)
    return Response(status_code=204)


@router.post(
    "/webhook-endpoints/{endpoint}/rotate-secret",
    operation_id="rotate_webhook_secret",
    summary="Give an endpoint a new secret",
    response_model=EndpointSecretOut,
    responses=_ONE,
)
@opens(_SCOPE, redact=("secret",))
async def rotate(endpoint: Endpoint, tx: Tx, by: Caller, kit: Kit, body: RotateIn | None = None) -> JSONBytes:
    """Make a new secret. Messages carry a signature of each until the overlap has passed."""
    overlap = timedelta(hours=(body or RotateIn()).overlap_hours)
    row, shown = await endpoints.rotate(tx, by, kit, endpoint, overlap)
    return JSONBytes(shown, headers={"ETag": endpoints.tag(row)})


@router.post(
    "/webhook-endpoints/{endpoint}/test",
    status_code=202,
    operation_id="test_webhook_endpoint",
    summary="Send a test",
    response_model=QueuedOut,
    responses=document(errors.NotFoundError, errors.ConflictError),
)
@opens(_SCOPE)
async def test(endpoint: Endpoint, tx: Tx, by: Caller) -> JSONBytes:
    """Send a signed `endpoint.test`; its delivery tells how it was answered."""
    return JSONBytes(await endpoints.test(tx, by, endpoint), 202)


@router.post(
    "/webhook-endpoints/{endpoint}/enable",
    operation_id="enable_webhook_endpoint",
    summary="Enable an endpoint again",
    response_model=EndpointOut,
    responses=_ONE,
)
@opens(_SCOPE)
async def enable(endpoint: Endpoint, tx: Tx, by: Caller, kit: Kit, body: EnableIn | None = None) -> JSONBytes:
    """Send a test; once it was answered with 2xx, what was parked is delivered."""
    row = await endpoints.enable(tx, by, endpoint, body.send_since if body else None)
    return JSONBytes(endpoints.view(row, kit), headers={"ETag": endpoints.tag(row)})


@router.post(
    "/webhook-endpoints/{endpoint}/replays",
    status_code=202,
    operation_id="replay_to_webhook_endpoint",
    summary="Deliver events again",
    response_model=ReplayOut,
    responses=document(errors.NotFoundError, errors.ValidationFailedError),
)
@opens(_SCOPE)
async def replay(endpoint: Endpoint, body: ReplayIn, tx: Tx, by: Caller) -> JSONBytes:
    """Queue published events again, the same bytes under the same `webhook-id`: all of the range, or nothing."""
    return JSONBytes(await deliveries.replay(tx, by, endpoint, body), 202)


@router.get("/deliveries", operation_id="list_deliveries", summary="List deliveries", response_model=DeliveriesOut)
@opens(_SCOPE)
async def list_deliveries(
    request: Request, tx: Tx, by: Caller, wanted: Listed, which: Annotated[DeliveryFilter, Query()]
) -> JSONBytes:
    """Deliveries to your organisation's endpoints, the newest first."""
    return answer(request, await deliveries.page(tx, by, wanted, which))


@router.get(
    "/deliveries/{delivery}",
    operation_id="get_delivery",
    summary="Read a delivery",
    response_model=DeliveryDetailOut,
    responses=_ONE,
)
@opens(_SCOPE)
async def get_delivery(delivery: Delivery, tx: Tx, by: Caller) -> JSONBytes:
    """One delivery with its body and every attempt."""
    return JSONBytes(await deliveries.one(tx, by, delivery))


@router.post(
    "/deliveries/{delivery}/resend",
    status_code=202,
    operation_id="resend_delivery",
    summary="Send a delivery again",
    response_model=DeliveryOut,
    responses=document(errors.NotFoundError, errors.ConflictError),
)
@opens(_SCOPE)
async def resend(delivery: Delivery, tx: Tx, by: Caller) -> JSONBytes:
    """Send it again at once, the same bytes under the same `webhook-id`, on a fresh schedule of retries."""
    return JSONBytes(await deliveries.resend(tx, by, delivery), 202)


@router.get("/event-types", operation_id="list_event_types", summary="List event types", response_model=EventTypesOut)
@opens(_SCOPE, "events:read")
async def event_types() -> JSONBytes:
    """Every type of event with the JSON Schema of its body and an example."""
    return JSONBytes({"items": _CATALOGUE, "next_cursor": None})
