"""On-call tools that escalations are sent to."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from app.domain import errors
from app.routers.deps import Caller, IfMatch, Kit, Tx
from app.routers.edge import BatonRoute, JSONBytes, document, opens
from app.routers.paging import Listed, answer
from app.schemas.webhooks import (
    DestinationIn,
    DestinationOut,
    DestinationPatch,
    DestinationSecretOut,
    DestinationsOut,
    QueuedOut,
)
from app.services import destinations

router = APIRouter(prefix="/v1", tags=["destinations"], route_class=BatonRoute)

_SCOPE = "destinations:manage"


async def destination_id(destination: Annotated[str, Path(description="`dst_…`")]) -> UUID:
    """Return the destination that the path names."""
    return destinations.read_id(destination)


Destination = Annotated[UUID, Depends(destination_id)]


@router.post(
    "/destinations",
    status_code=201,
    operation_id="create_destination",
    summary="Add an on-call tool",
    response_model=DestinationSecretOut,
    responses=document(
        errors.NotPermittedError, errors.UrlRefusedError, errors.ConflictError, errors.ValidationFailedError
    ),
)
@opens(_SCOPE, redact=("secret",))
async def create(body: DestinationIn, tx: Tx, by: Caller, kit: Kit) -> JSONBytes:
    """Add a tool; every escalation is sent to it, signed by Standard Webhooks."""
    row, shown = await destinations.create(tx, by, kit, body)
    return JSONBytes(shown, 201, {"Location": f"/v1/destinations/{shown['id']}", "ETag": destinations.tag(row)})


@router.get(
    "/destinations",
    operation_id="list_destinations",
    summary="List on-call tools",
    response_model=DestinationsOut,
    responses=document(errors.NotPermittedError),
)
@opens(_SCOPE)
async def list_destinations(request: Request, tx: Tx, by: Caller, wanted: Listed) -> JSONBytes:
    """The tenant's on-call tools, the oldest first."""
    return answer(request, await destinations.page(tx, by, wanted))


@router.get(
    "/destinations/{destination}",
    operation_id="get_destination",
    summary="Read an on-call tool",
    response_model=DestinationOut,
    responses=document(errors.NotFoundError, errors.NotPermittedError),
)
@opens(_SCOPE)
async def get(destination: Destination, tx: Tx, by: Caller) -> JSONBytes:
    """One tool, without its secret."""
    row = await destinations.one(tx, by, destination)
    return JSONBytes(destinations.view(row), headers={"ETag": destinations.tag(row)})


@router.patch(
    "/destinations/{destination}",
    operation_id="patch_destination",
    summary="Change an on-call tool",
    response_model=DestinationOut,
    responses=document(
        errors.NotFoundError,
        errors.NotPermittedError,
        errors.UrlRefusedError,
        errors.ConflictError,
        errors.ValidationFailedError,
    ),
)
@opens(_SCOPE, takes=("application/merge-patch+json", "application/json"))
async def change(
    destination: Destination, body: DestinationPatch, tx: Tx, by: Caller, kit: Kit, if_match: IfMatch
) -> JSONBytes:
    """Change its name, address or key mode; the secret stays."""
    row = await destinations.change(tx, by, kit, destination, body, if_match)
    return JSONBytes(destinations.view(row), headers={"ETag": destinations.tag(row)})


@router.delete(
    "/destinations/{destination}",
    status_code=204,
    operation_id="delete_destination",
    summary="Remove an on-call tool",
    responses=document(errors.NotFoundError, errors.NotPermittedError),
)
@opens(_SCOPE)
async def delete(destination: Destination, tx: Tx, by: Caller, if_match: IfMatch) -> Response:
    """Remove it; what waits for it is cancelled."""
    await destinations.delete(tx, by, destination, if_match)
    return Response(status_code=204)


@router.post(
    "/destinations/{destination}/test",
    status_code=202,
    operation_id="test_destination",
    summary="Send a test",
    response_model=QueuedOut,
    responses=document(errors.NotFoundError, errors.NotPermittedError),
)
@opens(_SCOPE)
async def test(destination: Destination, tx: Tx, by: Caller) -> JSONBytes:
    """Send a signed test message; its delivery tells how it was answered."""
    return JSONBytes(await destinations.test(tx, by, destination), 202)
