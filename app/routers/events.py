"""The feed of events, for those who have no public address or want to repair a gap."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from pydantic_core import to_json

from app.domain import errors
from app.domain.events import CATALOGUE
from app.routers.deps import Caller, Kit, Tx
from app.routers.edge import BatonRoute, JSONBytes, document, opens
from app.schemas.queries import EventFilter
from app.schemas.webhooks import EventsOut
from app.services import feed

router = APIRouter(prefix="/v1", tags=["events"], route_class=BatonRoute)


@router.get(
    "/events",
    operation_id="list_events",
    summary="Read the feed",
    response_model=EventsOut,
    responses=document(errors.InvalidCursorError, errors.ValidationFailedError),
)
@opens("events:read")
async def read(
    request: Request,
    tx: Tx,
    by: Caller,
    kit: Kit,
    wanted: Annotated[EventFilter, Query()],
    cursor: Annotated[
        str | None, Query(description="`next_cursor` of the page before; none starts at the oldest.")
    ] = None,
    limit: Annotated[int, Query(ge=1, description="At most 500; more is taken for 500.")] = feed.DEFAULT_LIMIT,
) -> JSONBytes:
    """Your organisation's events in the order of their sequence, the same bytes as the webhooks.

    Keep `next_cursor` and ask again with it, for as long as you like: nothing is missed, nothing comes twice.
    """
    page = await feed.read(tx, by, kit, cursor, limit, feed.Asked(_read_types(wanted.types), wanted.test))
    asked = {
        "limit": limit,
        **({"types": wanted.types} if wanted.types else {}),
        **({"test": "true"} if wanted.test else {}),
        "cursor": page.next_cursor,
    }
    link = f'<{request.url.path}?{urlencode(asked)}>; rel="next"'
    tail = to_json({"next_cursor": page.next_cursor, "has_more": page.has_more})
    return JSONBytes(b'{"items":[' + b",".join(page.bodies) + b"]," + tail[1:], headers={"Link": link})


def _read_types(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    types = tuple(part.strip() for part in text.split(","))
    if not CATALOGUE.keys() >= set(types):
        found = {"in": "query", "pointer": "/types", "code": "enum", "message": "GET /v1/event-types lists the types."}
        raise errors.ValidationFailedError("Some query parameters are not valid.", errors=[found])
    return types
