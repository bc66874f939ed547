"""The publisher numbers without gaps, in the order of each lead, once, and its reader misses nothing."""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from app.domain.actor import Actor, Side
from app.domain.errors import InvalidCursorError
from app.domain.ids import Prefix, read, show
from app.security.cursors import CursorSealer
from app.services import feed
from app.services.kit import Kit
from app.workers.publisher import Publisher
from tests.workers.conftest import Bench

KIT = Kit(None, CursorSealer(bytes(32)), (), "https://baton.example")


def an_actor(tenant: UUID, organization: UUID | None = None) -> Actor:
    side = Side.INTERNAL if organization in (None, tenant) else Side.PARTNER
    return Actor(tenant, organization or tenant, uuid4(), side, frozenset({"admin"}), frozenset())


async def page_of(database, by: Actor, cursor: str | None = None, limit: int = 100, types=None) -> feed.FeedPage:
    async with database.transaction(by) as tx:
        return await feed.read(tx, by, KIT, cursor, limit, feed.Asked(types))


def names(page: feed.FeedPage) -> list[tuple[int, UUID]]:
    bodies = [json.loads(body) for body in page.bodies]
    return [(body["sequence"], read(Prefix.EVENT, body["id"])) for body in bodies]


async def publish_all(bench) -> None:
    publisher = Publisher(bench.database)
    while await publisher.cycle() is not None:
        pass


@dataclass
class Writing:
    """Writers that lock a lead before they write about it, as requests do; what they committed, lead by lead."""

    bench: Bench
    tenant: UUID
    organizations: list[UUID]
    leads: list[UUID]
    written: list[tuple[UUID, UUID, UUID]] = field(default_factory=list)
    over: bool = False

    async def write(self, n: int) -> None:
        for turn in range(25):
            lead = self.leads[(n * 7 + turn) % len(self.leads)]
            organization = self.organizations[turn % 2]
            async with self.bench.admin.acquire() as connection, connection.transaction():
                await connection.execute("select from public.lead_lock where id = $1 for update", lead)
                events = await self.bench.emit(
                    self.tenant, organization, count=1 + turn % 3, lead=lead, connection=connection
                )
                self.written.extend((organization, lead, event) for event in events)
                await asyncio.sleep(0.003 * (turn % 4 == 0))

    async def publish(self) -> None:
        publisher = Publisher(self.bench.database)
        while await publisher.cycle() is not None or not self.over:  # noqa: ASYNC110 - as fast as it can
            await asyncio.sleep(0)

    async def follow(self, organization: UUID) -> list[tuple[int, UUID]]:
        """Read the feed page by page until the writers are done and all is published."""
        by, cursor, seen = an_actor(self.tenant, organization), None, []
        while True:
            last = self.over and not await self.bench.admin.fetchval("select exists (select from baton.outbox)")
            page = await page_of(self.bench.database, by, cursor, limit=7)
            cursor = page.next_cursor
            seen += names(page)
            if last and not page.has_more:
                return seen

    def events(self, organization: UUID, lead: UUID | None = None) -> list[UUID]:
        return [event for owner, about, event in self.written if owner == organization and lead in (None, about)]


async def test_a_reader_beside_sixteen_writers_and_two_publishers_misses_nothing_and_repeats_nothing(bench):
    writing = Writing(bench, uuid4(), [uuid4(), uuid4()], [uuid4() for _ in range(6)])
    await bench.admin.execute("create table public.lead_lock (id uuid primary key)")
    await bench.admin.executemany("insert into public.lead_lock values ($1)", [(lead,) for lead in writing.leads])

    readers = [asyncio.create_task(writing.follow(organization)) for organization in writing.organizations]
    publishers = [asyncio.create_task(writing.publish()) for _ in range(2)]
    await asyncio.gather(*(writing.write(n) for n in range(16)))
    writing.over = True
    await asyncio.gather(*publishers)

    for organization, reader in zip(writing.organizations, readers, strict=True):
        seen = await reader
        expected = writing.events(organization)
        assert [sequence for sequence, _ in seen] == list(range(1, len(expected) + 1))
        assert Counter(event for _, event in seen) == Counter(expected)
        of_lead = {lead: set(writing.events(organization, lead)) for lead in writing.leads}
        for lead, events in of_lead.items():
            assert [event for _, event in seen if event in events] == writing.events(organization, lead)


async def test_each_event_becomes_one_delivery_for_each_endpoint_that_wants_it(bench):
    tenant, partner = uuid4(), uuid4()
    everything = await bench.endpoint("https://a.example/", tenant, partner)
    outcomes = await bench.endpoint("https://b.example/", tenant, partner, event_types=["outcome.closed"])
    disabled = await bench.endpoint("https://c.example/", tenant, partner, status="disabled")
    gone = await bench.endpoint("https://d.example/", tenant, partner, status="deleted")
    others = await bench.endpoint("https://e.example/", tenant, uuid4())
    elsewhere = await bench.endpoint("https://f.example/", uuid4(), partner)
    await bench.emit(tenant, partner, kind="outcome.closed")
    await bench.emit(tenant, partner, kind="lead.updated", count=2)

    await asyncio.gather(*(Publisher(bench.database).cycle() for _ in range(8)))
    await publish_all(bench)

    counts = {lane: len(await bench.states(lane)) for lane in (everything, outcomes, disabled, gone, others, elsewhere)}
    assert list(counts.values()) == [3, 1, 3, 0, 0, 0]
    rows = await bench.admin.fetch(
        "select message_id, event_id, d.body, f.body as frozen from baton.delivery d"
        " join baton.feed f using (tenant_id, organization_id, event_id) where lane_id = $1",
        everything,
    )
    assert all(row["body"] == row["frozen"] for row in rows)
    assert {row["message_id"] for row in rows} == {show(Prefix.EVENT, row["event_id"]) for row in rows}


async def test_a_page_reaches_every_destination_of_its_tenant_under_ids_of_their_own(bench):
    tenant = uuid4()
    endpoint = await bench.endpoint("https://a.example/", tenant)
    tools = [await bench.destination("https://tool.example/", tenant) for _ in range(2)]
    await bench.destination("https://tool.example/", uuid4())
    await bench.emit(tenant, kind="escalation.opened", page=True)
    await bench.emit(tenant, kind="lead.updated")

    await publish_all(bench)

    rows = await bench.admin.fetch("select lane_id, message_id, type, sequence from baton.delivery")
    ids = [row["message_id"] for row in rows]
    assert len(set(ids)) == len(ids)
    assert not any("." in one for one in ids)
    assert Counter(row["lane_id"] for row in rows) == {endpoint: 2, tools[0]: 1, tools[1]: 1}


async def test_a_row_that_cannot_be_published_holds_up_no_other(bench, caplog):
    tenant = uuid4()
    before = await bench.emit(tenant, count=2)
    await bench.emit(tenant)
    await bench.admin.execute(
        "update baton.outbox set splice = 2147483647 where id = (select max(id) from baton.outbox)"
    )
    after = await bench.emit(tenant, count=2)
    publisher = Publisher(bench.database)

    while await publisher.cycle() is not None:
        pass

    page = await page_of(bench.database, an_actor(tenant))
    assert names(page) == list(enumerate(before + after, start=1))
    assert await bench.admin.fetchval("select count(*) from baton.outbox") == 1
    assert "cannot be published" in caplog.text


async def test_bodies_are_frozen_with_their_number_spliced_in(bench):
    tenant = uuid4()
    (event,) = await bench.emit(tenant, kind="outcome.closed")

    await publish_all(bench)

    (body,) = (await page_of(bench.database, an_actor(tenant))).bodies
    head = f'{{"id":"{show(Prefix.EVENT, event)}","type":"outcome.closed","timestamp":"'
    assert body.startswith(head.encode())
    assert body.endswith('","sequence":1,"data":{"n":0,"note":"引き継ぎ"}}'.encode())


async def test_a_filtered_reader_goes_on_where_it_stopped_looking(bench):
    tenant = uuid4()
    await bench.emit(tenant, count=3)
    (wanted,) = await bench.emit(tenant, kind="outcome.closed")
    await bench.emit(tenant, count=3)
    await publish_all(bench)
    by = an_actor(tenant)

    first = await page_of(bench.database, by, types=("outcome.closed",))
    (later,) = await bench.emit(tenant, kind="outcome.closed")
    await publish_all(bench)
    second = await page_of(bench.database, by, first.next_cursor, types=("outcome.closed",))
    third = await page_of(bench.database, by, second.next_cursor)

    assert [names(page) for page in (first, second, third)] == [[(4, wanted)], [(8, later)], []]
    assert not any(page.has_more for page in (first, second, third))


async def test_a_cursor_is_its_organisations_and_no_one_elses(bench):
    tenant, partner = uuid4(), uuid4()
    await bench.emit(tenant, partner)
    await publish_all(bench)
    cursor = (await page_of(bench.database, an_actor(tenant, partner))).next_cursor

    assert names(await page_of(bench.database, an_actor(tenant, partner), cursor)) == []
    for stranger in (an_actor(tenant), an_actor(tenant, uuid4()), an_actor(uuid4(), partner)):
        with pytest.raises(InvalidCursorError):
            await page_of(bench.database, stranger, cursor)


async def test_a_cursor_whose_following_events_are_no_longer_kept_is_refused(bench):
    tenant = uuid4()
    by = an_actor(tenant)
    bound_to = b"feed" + tenant.bytes + tenant.bytes
    today = await bench.admin.fetchval("select current_date")
    kept = KIT.cursors.seal({"s": 3, "d": str(today - timedelta(days=90))}, bound_to=bound_to)
    old = KIT.cursors.seal({"s": 3, "d": str(today - timedelta(days=91))}, bound_to=bound_to)

    assert names(await page_of(bench.database, by, kept)) == []
    with pytest.raises(InvalidCursorError, match="updated_since"):
        await page_of(bench.database, by, old)


async def test_a_new_reader_starts_at_the_oldest_event_that_is_kept(bench):
    tenant = uuid4()
    await bench.insert("feed_counter", {"tenant_id": tenant, "organization_id": tenant, "last": 50000})
    await bench.emit(tenant, count=3)
    await publish_all(bench)

    page = await page_of(bench.database, an_actor(tenant), limit=2)
    rest = await page_of(bench.database, an_actor(tenant), page.next_cursor, limit=2)

    assert [sequence for sequence, _ in names(page) + names(rest)] == [50001, 50002, 50003]
    assert (page.has_more, rest.has_more) == (True, False)
