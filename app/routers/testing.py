"""The movable clock of tests and demos; mounted only under BATON_TEST_CLOCK=1."""

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import Field

from app.db.session import Database, Identity, Login
from app.routers.edge import BatonRoute, JSONBytes, public
from app.schemas.base import In

router = APIRouter(prefix="/test", tags=["testing"], route_class=BatonRoute)

_ADVANCE = """
update baton.test_clock set ahead = ahead + make_interval(secs => $1)
returning pg_catalog.now() + ahead as now, extract(epoch from ahead)::float as ahead_s
"""


class AdvanceClockIn(In):
    """How far to move Baton's clock forward, for the whole database."""

    seconds: Annotated[float, Field(ge=0, le=400 * 24 * 3600, strict=False)]


@router.post("/clock/advance", operation_id="advance_clock", summary="Move Baton's clock forward")
@public("exists only under BATON_TEST_CLOCK=1, for tests and demos on their own database")
async def advance(body: AdvanceClockIn, request: Request) -> JSONBytes:
    """Facts, clocks, ladders and claims move with it; tokens, leases and retries stay in real time."""
    database: Database = request.app.state.database
    async with database.begin(Identity(Login.AUTH)) as tx:
        row = await tx.fetchrow(_ADVANCE, body.seconds)
        tx.wake_workers()
    return JSONBytes({"now": row["now"], "ahead_seconds": row["ahead_s"]} if row else {})
