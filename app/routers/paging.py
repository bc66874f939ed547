"""How a list is asked for and answered: `limit`, `cursor`, `next_cursor` and the Link header (RFC 8288)."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl, urlencode

from fastapi import Depends, Query, Request

from app.db.pages import DEFAULT_LIMIT, MAX_LIMIT, Page, Wanted
from app.routers.edge import Caller, JSONBytes

Shown = TypeVar("Shown")


async def wanted(
    request: Request,
    by: Caller,
    limit: Annotated[int, Query(ge=1, description="At most 100; more is taken for 100.")] = DEFAULT_LIMIT,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before.")] = None,
) -> Wanted:
    """Return the page that is asked for. Its cursor is bound to the client, the path and every filter."""
    asked = f"{request.url.path}?{urlencode(_filters(request))}"
    bound_to = by.client_id.bytes + sha256(asked.encode()).digest()
    return Wanted(min(limit, MAX_LIMIT), cursor, bound_to, request.app.state.kit.cursors)


def answer(request: Request, page: Page[Any]) -> JSONBytes:
    """Answer a page; `Link` names the next one, relative to this one's address."""
    headers: dict[str, str] = {}
    if page.next_cursor is not None:
        limit = request.query_params.get("limit")
        asked = [*_filters(request), *([("limit", limit)] if limit else []), ("cursor", page.next_cursor)]
        headers["Link"] = f'<{request.url.path}?{urlencode(asked)}>; rel="next"'
    return JSONBytes({"items": page.items, "next_cursor": page.next_cursor}, headers=headers)


def _filters(request: Request) -> Sequence[tuple[str, str]]:
    pairs = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
    return sorted((name, value) for name, value in pairs if name not in {"cursor", "limit"})


Listed = Annotated[Wanted, Depends(wanted)]
