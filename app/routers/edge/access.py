"""What an endpoint may ask of the edge, as annotations: `tx: Tx, by: Caller, if_match: IfMatch`."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request
from starlette.types import Receive

from app.db.session import Database, Transaction
from app.domain.actor import Actor
from app.routers.edge import body, exchange
from app.routers.edge.address import Address, client_address
from app.routers.edge.exchange import Exchange
from app.routers.edge.giving import given


@given
async def current_exchange(request: Request) -> Exchange:
    """Return what the edge knows about this request."""
    return request.scope[exchange.SCOPE_KEY]


@given
async def current_actor(request: Request) -> Actor:
    """Return the caller; only on routes that need a token."""
    return request.scope[exchange.SCOPE_KEY].actor


@given
async def current_address(request: Request) -> Address | None:
    """Return where the request comes from; None for a local socket."""
    return client_address(request.scope, request.scope[exchange.SCOPE_KEY].services.trusted_proxies)


@given
async def current_transaction(request: Request) -> Transaction:
    """Return the request's transaction; the edge commits it before the answer is sent."""
    return request.scope[exchange.SCOPE_KEY].transaction


@given
async def current_database(request: Request) -> Database:
    """Return the database, for routes that open several transactions of their own."""
    return request.scope[exchange.SCOPE_KEY].services.database


@given
async def current_if_match(request: Request) -> str:
    """Return the opaque tag of If-Match, without its quotes; only on PATCH and DELETE."""
    return request.scope[exchange.SCOPE_KEY].if_match


@given
async def raw_body(request: Request) -> bytes:
    """Return the body as it came; only on routes that declare a raw body."""
    return request.scope[exchange.SCOPE_KEY].body


@given
async def body_stream(request: Request) -> AsyncIterator[bytes]:
    """Return the body while it arrives, never more than the route's limit; only on routes that declare a stream.

    A body may arrive for as long as it likes: it breaks off, as another request would, once its caller is shut out.
    """
    return _while_let_in(request.receive, request.scope[exchange.SCOPE_KEY])


async def _while_let_in(receive: Receive, current: Exchange) -> AsyncIterator[bytes]:
    async for part in body.stream(receive, current.max_body):
        if current.claims is not None:
            await current.services.refresh()
            current.services.verifier.refuse_revoked(current.claims)
        yield part


CurrentExchange = Annotated[Exchange, Depends(current_exchange)]
CallerAddress = Annotated[Address | None, Depends(current_address)]
Caller = Annotated[Actor, Depends(current_actor)]
Tx = Annotated[Transaction, Depends(current_transaction)]
Store = Annotated[Database, Depends(current_database)]
IfMatch = Annotated[str, Depends(current_if_match)]
RawBody = Annotated[bytes, Depends(raw_body)]
BodyStream = Annotated[AsyncIterator[bytes], Depends(body_stream)]
