"""What endpoints may ask for: the caller, its transaction, the kit of the process."""

from typing import Annotated

from fastapi import Depends, Request

from app.db.session import Transaction
from app.domain.actor import Actor
from app.routers.edge.exchange import SCOPE_KEY, Exchange
from app.services import kit


def exchange(request: Request) -> Exchange:
    """Return what the edge knows about this request."""
    held: Exchange = request.scope[SCOPE_KEY]
    return held


def caller(request: Request) -> Actor:
    """Return the authenticated caller; only routes that declare `opens` may ask."""
    actor = exchange(request).actor
    if actor is None:
        raise LookupError("a public route has no caller")
    return actor


def transaction(request: Request) -> Transaction:
    """Return the request's transaction, which the edge commits before the answer is sent."""
    held = exchange(request)
    tx = held.transaction
    if not isinstance(tx, Transaction):
        raise LookupError("a public route has no transaction")
    tx.request_id = held.request_id
    tx.traceparent = held.traceparent
    return tx


def process_kit(request: Request) -> kit.Kit:
    """Return the kit that the composition root made."""
    held: kit.Kit = request.app.state.kit
    return held


Caller = Annotated[Actor, Depends(caller)]
Tx = Annotated[Transaction, Depends(transaction)]
Kit = Annotated[kit.Kit, Depends(process_kit)]
