"""A suspended partner's webhooks wait, and none is lost: they follow, in order, once it is active again."""

import asyncio
import json
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from app.db import suspensions
from app.db.session import Identity, Login
from app.workers.suspender import Suspender
from tests.workers.conftest import Bench, reply

pytestmark = pytest.mark.database


async def a_partner(bench: Bench, tenant: UUID) -> UUID:
    now, partner = datetime.now(UTC), uuid4()
    if not await bench.admin.fetchval("select exists (select from baton.tenant where tenant_id = $1)", tenant):
        row = {"tenant_id": tenant, "key": str(tenant), "name": "x", "hmac_key": b"x", "created_at": now}
        await bench.insert("tenant", row)
    row = {"tenant_id": tenant, "id": partner, "kind": "partner", "key": str(partner), "name": "x"}
    row |= {"status": "active", "version": 1, "created_at": now, "updated_at": now}
    await bench.insert("organization", row)
    return partner


async def turn(bench: Bench, tenant: UUID, partner: UUID, status: str) -> None:
    """Change the status as the tenant's admin does, and carry it out as a worker does."""
    async with bench.database.begin(Identity(Login.INTERNAL, tenant, tenant)) as tx:
        await tx.execute("update baton.organization set status = $1 where id = $2", status, partner)
        await suspensions.queue(tx, tenant, partner)
    await carry_out(bench)


async def carry_out(bench: Bench) -> None:
    suspender = Suspender(bench.database)
    while await suspender.cycle() is not None:
        pass


async def test_deliveries_wait_while_a_partner_is_suspended_and_follow_afterwards(bench, receive):
    tenant = uuid4()
    partner, other = await a_partner(bench, tenant), await a_partner(bench, tenant)
    held, free = await receive(), await receive()
    lane = await bench.endpoint(held.url, tenant, partner, ordering="lead")
    await bench.endpoint(free.url, tenant, other)
    lead = uuid4()
    async with bench.worker():
        await bench.emit_and_wake(tenant, partner, lead=lead)
        await held.until(1)
        await turn(bench, tenant, partner, "suspended")
        await bench.emit_and_wake(tenant, partner, count=5, lead=lead)
        await bench.emit_and_wake(tenant, other, count=5)
        await free.until(5)  # another partner of the tenant hears as ever
        await bench.until("not exists (select from baton.outbox)")
        await asyncio.sleep(1.3)  # longer than the poll
        assert len(held.requests) == 1
        assert await bench.states(lane) == ["delivered"] + ["pending"] * 5
        # A held lane is not due: no worker looks at it again and again.
        assert await bench.admin.fetchval("select next_due_at from baton.lane where id = $1", lane) is None
        await turn(bench, tenant, partner, "active")
        await held.until(6)
        await bench.settled()
    assert [json.loads(request.body)["sequence"] for request in held.requests] == [1, 2, 3, 4, 5, 6]
    assert await bench.admin.fetchval("select count(*) from baton.suspension") == 0
    attempts = await bench.attempts(lane)
    assert len(attempts) == 6  # waiting is no attempt and no failure


async def test_what_is_under_way_ends_and_a_failure_waits_with_the_rest(bench, receive):
    tenant = uuid4()
    partner = await a_partner(bench, tenant)
    suspended = asyncio.Event()

    async def answer(_) -> bytes:
        await suspended.wait()
        return reply(500)

    receiver = await receive(answer)
    lane = await bench.endpoint(receiver.url, tenant, partner)
    async with bench.worker():
        await bench.emit_and_wake(tenant, partner)
        await receiver.until(1)
        await turn(bench, tenant, partner, "suspended")
        suspended.set()
        await bench.idle(lane)
        await bench.rush()
        await asyncio.sleep(0.5)
        assert len(receiver.requests) == 1
        assert await bench.states(lane) == ["pending"]
        receiver.answer = None
        await turn(bench, tenant, partner, "active")
        await receiver.until(2)
        await bench.settled()
    assert await bench.states(lane) == ["delivered"]


async def test_several_workers_and_quick_changes_end_with_what_the_tenant_said_last(bench):
    tenant = uuid4()
    partner = await a_partner(bench, tenant)
    lane = await bench.endpoint("http://127.0.0.1:9/x", tenant, partner)

    async def said(status: str) -> None:
        async with bench.database.begin(Identity(Login.INTERNAL, tenant, tenant)) as tx:
            await tx.execute("update baton.organization set status = $1 where id = $2", status, partner)
            await suspensions.queue(tx, tenant, partner)

    for last in ("suspended", "active"):
        for status in ("suspended", "active", "suspended", "active", last):
            await asyncio.gather(said(status), *(carry_out(bench) for _ in range(3)))
        await carry_out(bench)
        held = await bench.admin.fetchval("select suspended from baton.lane where id = $1", lane)
        assert held is (last == "suspended")


async def test_the_tenants_login_reaches_no_lane_of_a_partner(bench):
    tenant = uuid4()
    partner = await a_partner(bench, tenant)
    await bench.endpoint("http://127.0.0.1:9/x", tenant, partner)
    async with bench.database.begin(Identity(Login.INTERNAL, tenant, tenant)) as tx:
        assert await tx.fetch("select id from baton.lane") == []
        assert await tx.execute("update baton.lane set suspended = true") == "UPDATE 0"
