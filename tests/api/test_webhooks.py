"""Endpoints, deliveries, the feed and destinations over HTTP, on a real database with a real worker."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

import httpx2
import pytest
from fastapi import FastAPI
from standardwebhooks.webhooks import Webhook

from app.domain.actor import Actor, Side
from app.domain.errors import UnauthenticatedError
from app.domain.ids import Prefix, read
from app.routers import destinations, events, webhooks
from app.routers.edge import Services, include, install
from app.security.cursors import CursorSealer
from app.services.kit import Kit
from tests.workers import conftest as workers
from tests.workers.conftest import LOOPBACK, Bench, reply

# The fixtures of the workers' tests serve here too.
bench, receive, keys, master_key = workers.bench, workers.receive, workers.keys, workers.master_key

TENANT, PARTNER, OTHER = uuid4(), uuid4(), uuid4()
SCOPES = frozenset({"webhooks:manage", "events:read", "destinations:manage"})


def an_actor(organization: UUID, *roles: str, tenant: UUID = TENANT, scopes: frozenset[str] = SCOPES) -> Actor:
    side = Side.INTERNAL if organization == tenant else Side.PARTNER
    return Actor(tenant, organization, uuid4(), side, frozenset(roles), scopes)


CALLERS = {
    "partner": an_actor(PARTNER, "partner"),
    "other": an_actor(OTHER, "partner"),
    "admin": an_actor(TENANT, "admin"),
    "sales": an_actor(TENANT, "internal_sales"),
    "foreign": an_actor(PARTNER, "partner", tenant=OTHER),
    "poor": an_actor(PARTNER, "partner", scopes=frozenset({"leads:read"})),
}


@dataclass(frozen=True)
class Claims:
    actor: Actor
    networks: tuple = ()


class Verifier:
    def verify(self, token: str) -> Claims:
        if token not in CALLERS:
            raise UnauthenticatedError("refused")
        return Claims(CALLERS[token])


@dataclass
class Api:
    http: httpx2.AsyncClient
    bench: Bench
    app: FastAPI

    async def call(self, method: str, path: str, body=None, *, by: str = "partner", **headers: str) -> httpx2.Response:
        sent = {"Authorization": f"Bearer {by}"} | {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.request(method, f"/v1{path}", json=body, headers=sent)

    async def register(self, url: str, *types: str, by: str = "partner", **fields) -> dict:
        answer = await self.call(
            "POST", "/webhook-endpoints", {"url": url, "event_types": list(types or ("*",)), **fields}, by=by
        )
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def status(self, endpoint: dict) -> str:
        return (await self.call("GET", f"/webhook-endpoints/{endpoint['id']}")).json()["status"]

    async def active(self, endpoint: dict) -> None:
        lane = read(Prefix.ENDPOINT, endpoint["id"])
        await self.bench.until("status = 'active' from baton.endpoint where id = $1", lane)


@pytest.fixture
async def api(bench: Bench) -> AsyncIterator[Api]:
    app = FastAPI()
    app.state.kit = Kit(bench.keys, CursorSealer(bytes(32)), LOOPBACK, "https://baton.example")
    install(app, Services(Verifier(), bench.database))
    include(app, webhooks.router, events.router, destinations.router)
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://baton.test") as client:
        yield Api(client, bench, app)


def verify(request, secret: str) -> dict:
    return Webhook(secret).verify(request.body, request.headers)


async def test_a_partner_registers_an_address_proves_it_and_gets_its_events_signed(api, receive):
    receiver = await receive()
    async with api.bench.worker():
        endpoint = await api.register(receiver.url, "outcome.closed")
        assert endpoint["status"] == "pending"
        await receiver.until(1)
        await api.active(endpoint)
        await api.bench.emit_and_wake(TENANT, PARTNER, kind="outcome.closed")
        await api.bench.emit_and_wake(TENANT, PARTNER, kind="lead.updated")
        await api.bench.emit_and_wake(TENANT, OTHER, kind="outcome.closed")
        await receiver.until(2)
        await api.bench.settled()

    test, event = receiver.requests
    assert verify(test, endpoint["secret"])["data"]["endpoint_id"] == endpoint["id"]
    assert verify(event, endpoint["secret"])["type"] == "outcome.closed"
    feed = await api.call("GET", "/events")
    assert event.body in feed.content


async def test_a_secret_is_shown_once_and_is_null_in_a_replayed_answer(api):
    body = {"url": "https://partner.example/hook", "event_types": ["*"]}
    first = await api.call("POST", "/webhook-endpoints", body, Idempotency_Key="k")
    again = await api.call("POST", "/webhook-endpoints", body, Idempotency_Key="k")

    assert first.json()["secret"].startswith("whsec_")
    assert (again.json()["id"], again.json()["secret"]) == (first.json()["id"], None)
    listed = await api.call("GET", "/webhook-endpoints")
    assert [item["id"] for item in listed.json()["items"]] == [first.json()["id"]]
    one = await api.call("GET", f"/webhook-endpoints/{first.json()['id']}")
    assert first.json()["secret"] not in listed.text + one.text
    assert "secret" not in one.json()
    stored = await api.bench.admin.fetchval("select secret from baton.endpoint")
    assert first.json()["secret"].encode() not in stored


@pytest.mark.parametrize(
    ("url", "slug"),
    [
        ("http://partner.example/", "url-refused"),
        ("https://10.0.0.8/", "url-refused"),
        ("https://user:word@partner.example/", "url-refused"),
        ("https://baton.example/v1/leads", "url-refused"),
        ("gopher://partner.example/", "url-refused"),
        ("", "validation-failed"),
        ("https://partner.example/" + "a" * 2048, "validation-failed"),
    ],
)
async def test_an_address_that_baton_would_not_send_to_is_not_registered(api, url: str, slug: str):
    api.app.state.kit = replace(api.app.state.kit, egress_allow=())
    answer = await api.call("POST", "/webhook-endpoints", {"url": url, "event_types": ["*"]})

    assert (answer.status_code, answer.json()["type"]) == (422, f"/problems/{slug}")
    assert await api.bench.admin.fetchval("select count(*) from baton.endpoint") == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"event_types": []},
        {"event_types": ["lead.invented"]},
        {"rate": 0},
        {"ordering": "strict"},
        {"signature": "v2"},
        {"secret": "whsec_mine"},
    ],
)
async def test_a_field_that_means_nothing_is_refused(api, fields: dict):
    body = {"url": "https://partner.example/", "event_types": ["*"]} | fields
    answer = await api.call("POST", "/webhook-endpoints", body)

    assert answer.json()["type"] == "/problems/validation-failed"


async def test_nobody_else_sees_changes_or_tests_an_endpoint(api):
    endpoint = await api.register("https://partner.example/")
    path = f"/webhook-endpoints/{endpoint['id']}"
    calls = [
        ("GET", path, None),
        ("PATCH", path, {"description": "mine"}),
        ("DELETE", path, None),
        ("POST", f"{path}/rotate-secret", None),
        ("POST", f"{path}/test", None),
        ("POST", f"{path}/enable", None),
        ("POST", f"{path}/replays", {"from_sequence": 1}),
    ]
    for by in ("other", "admin", "sales", "foreign"):
        for method, where, body in calls:
            answer = await api.call(method, where, body, by=by, If_Match='"1"')
            assert answer.status_code == 404, (by, method, where)
        assert (await api.call("GET", "/webhook-endpoints", by=by)).json()["items"] == []
        assert (await api.call("GET", "/deliveries", by=by)).json()["items"] == []
    assert (await api.call("GET", path, by="poor")).status_code == 403
    assert (await api.call("GET", path, by="nobody")).status_code == 401
    assert (await api.call("GET", "/webhook-endpoints/whe_nonsense")).status_code == 404


async def test_a_change_needs_the_version_it_was_made_for(api):
    endpoint = await api.register("https://partner.example/")
    path = f"/webhook-endpoints/{endpoint['id']}"
    tag = (await api.call("GET", path)).headers["ETag"]

    assert (await api.call("PATCH", path, {"rate": 5})).status_code == 428
    changed = await api.call("PATCH", path, {"rate": 5, "description": "ours"}, If_Match=tag)
    assert (changed.status_code, changed.json()["rate"]) == (200, 5)
    assert (await api.call("PATCH", path, {"rate": 6}, If_Match=tag)).status_code == 412
    removed = await api.call("PATCH", path, {"rate": None}, If_Match=changed.headers["ETag"])
    assert (removed.json()["rate"], removed.json()["description"]) == (None, "ours")
    refused = await api.call("PATCH", path, {"url": None}, If_Match=removed.headers["ETag"])
    assert refused.json()["errors"][0]["pointer"] == "/url"


async def test_another_address_has_to_pass_a_test_of_its_own(api, receive):
    hold = asyncio.Event()

    async def slowly(_) -> bytes:
        await hold.wait()
        return reply(200)

    async def refuse(_) -> bytes:
        return reply(500)

    old, new = await receive(slowly), await receive(refuse)
    async with api.bench.worker():
        endpoint = await api.register(old.url)
        await old.until(1)
        moved = await api.call("PATCH", f"/webhook-endpoints/{endpoint['id']}", {"url": new.url}, If_Match='"1"')
        assert moved.json()["status"] == "pending"
        await new.until(1)
        hold.set()  # the old address now answers its test, and it must not let the new one in
        await api.bench.emit_and_wake(TENANT, PARTNER)
        await api.bench.settled()
        await asyncio.sleep(0.2)

    assert await api.status(endpoint) == "pending"
    assert {json.loads(request.body)["type"] for request in (*old.requests, *new.requests)} == {"endpoint.test"}


async def test_what_was_under_way_to_the_old_address_does_not_let_the_new_one_in(api, receive):
    hold = asyncio.Event()

    async def slowly(_) -> bytes:
        await hold.wait()
        return reply(200)

    async def refuse(_) -> bytes:
        return reply(500)

    old, new = await receive(slowly), await receive(refuse)
    lane = await api.bench.endpoint(old.url, TENANT, PARTNER)
    endpoint = (await api.call("GET", "/webhook-endpoints")).json()["items"][0]
    async with api.bench.worker():
        await api.bench.emit_and_wake(TENANT, PARTNER)
        await old.until(1)
        await api.call("PATCH", f"/webhook-endpoints/{endpoint['id']}", {"url": new.url}, If_Match='"1"')
        await new.until(1)
        hold.set()
        await api.bench.until("exists (select from baton.delivery where lane_id = $1 and state = 'delivered')", lane)
        await api.bench.idle(lane)

    assert await api.status(endpoint) == "pending"


async def test_a_disabled_endpoint_is_enabled_by_its_test_and_gets_what_was_parked(api, receive):
    well = asyncio.Event()

    async def answer(_) -> bytes:
        return reply(200 if well.is_set() else 410)

    receiver = await receive(answer)
    async with api.bench.worker():
        endpoint = await api.register(receiver.url)
        lane = read(Prefix.ENDPOINT, endpoint["id"])
        await api.bench.until("status = 'disabled' from baton.endpoint where id = $1", lane)
        await api.bench.emit_and_wake(TENANT, PARTNER, count=3)
        await api.bench.settled()
        parked = (await api.call("GET", "/deliveries?state=pending")).json()["items"]
        assert {item["parked"] for item in parked} == {True}
        well.set()
        enabled = await api.call("POST", f"/webhook-endpoints/{endpoint['id']}/enable")
        assert (enabled.status_code, enabled.json()["status"]) == (200, "pending")
        await api.active(endpoint)
        await api.bench.settled()

    types = [json.loads(request.body)["type"] for request in receiver.requests]
    assert sorted(types) == ["endpoint.disabled", "endpoint.test", "endpoint.test", *["lead.updated"] * 3]


async def test_parked_deliveries_before_a_time_can_be_left_out(api, receive):
    receiver = await receive()
    lane = await api.bench.endpoint(receiver.url, TENANT, PARTNER, status="disabled")
    await api.bench.emit(TENANT, PARTNER, count=2)
    await api.bench.publish()
    await api.bench.admin.execute("update baton.delivery set created_at = now() - interval '2 days' where sequence = 1")
    since = await api.bench.admin.fetchval("select now() - interval '1 day'")
    endpoint = (await api.call("GET", "/webhook-endpoints")).json()["items"][0]
    body = {"send_since": since.isoformat()}
    async with api.bench.worker():
        await api.call("POST", f"/webhook-endpoints/{endpoint['id']}/enable", body)
        await receiver.until(2)
        await api.bench.settled()

    assert await api.bench.states(lane) == ["cancelled", "delivered", "delivered"]


async def test_a_rotated_secret_signs_beside_the_old_one(api, receive):
    receiver = await receive()
    async with api.bench.worker():
        endpoint = await api.register(receiver.url)
        await receiver.until(1)
        await api.active(endpoint)
        rotated = await api.call("POST", f"/webhook-endpoints/{endpoint['id']}/rotate-secret", {"overlap_hours": 1})
        await api.bench.emit_and_wake(TENANT, PARTNER)
        await receiver.until(2)
        revoked = await api.call("POST", f"/webhook-endpoints/{endpoint['id']}/rotate-secret", {"overlap_hours": 0})
        await api.bench.emit_and_wake(TENANT, PARTNER)
        await receiver.until(3)

    old, new, newest = endpoint["secret"], rotated.json()["secret"], revoked.json()["secret"]
    assert len({old, new, newest}) == 3
    assert verify(receiver.requests[1], old) == verify(receiver.requests[1], new)
    verify(receiver.requests[2], newest)
    with pytest.raises(Exception, match="No matching signature"):
        verify(receiver.requests[2], new)
    assert rotated.json()["previous_secret_until"] is not None
    assert revoked.json()["previous_secret_until"] is None


async def test_a_deleted_endpoint_is_gone_with_what_waited_for_it(api, receive):
    endpoint = await api.register((await receive()).url)
    await api.bench.emit(TENANT, PARTNER, count=2)
    await api.bench.publish()
    deleted = await api.call("DELETE", f"/webhook-endpoints/{endpoint['id']}", If_Match='"1"')
    await api.bench.emit(TENANT, PARTNER)
    await api.bench.publish()

    assert deleted.status_code == 204
    assert (await api.call("GET", f"/webhook-endpoints/{endpoint['id']}")).status_code == 404
    lane = read(Prefix.ENDPOINT, endpoint["id"])
    assert set(await api.bench.states(lane)) == {"cancelled"}
    assert await api.bench.admin.fetchval("select secret from baton.endpoint where id = $1", lane) == b""


async def test_a_delivery_tells_its_attempts_and_is_sent_again_with_the_same_bytes(api, receive):
    answers = iter([reply(200), reply(418, text=b"<script>"), reply(200), reply(200)])

    async def answer(_) -> bytes:
        return next(answers)

    receiver = await receive(answer)
    async with api.bench.worker():
        endpoint = await api.register(receiver.url)
        await api.active(endpoint)
        await api.bench.emit_and_wake(TENANT, PARTNER, kind="outcome.closed")
        await receiver.until(2)
        await api.bench.settled()
        listed = await api.call("GET", f"/deliveries?endpoint_id={endpoint['id']}&type=outcome.closed")
        (item,) = listed.json()["items"]
        assert (item["state"], item["attempts"]) == ("pending", 1)
        await api.call("POST", f"/deliveries/{item['id']}/resend")
        await receiver.until(3)
        await api.bench.settled()
        resent = await api.call("POST", f"/deliveries/{item['id']}/resend")
        assert resent.status_code == 202
        await receiver.until(4)
        await api.bench.settled()

    shown = (await api.call("GET", f"/deliveries/{item['id']}")).json()
    tries = [(one["round"], one["n"], one["status"], one["response"]) for one in shown["log"]]
    assert tries == [(1, 1, 418, "<script>"), (1, 2, 200, "ok"), (2, 1, 200, "ok")]
    assert (shown["state"], shown["endpoint_id"], shown["sequence"]) == ("delivered", endpoint["id"], 1)
    assert len({(request.id, request.body) for request in receiver.requests[1:]}) == 1
    assert shown["body"] == json.loads(receiver.requests[1].body)


async def test_a_replay_delivers_a_range_again_and_what_was_never_sent(api, receive):
    receiver = await receive()
    await api.bench.emit(TENANT, PARTNER, count=3, kind="outcome.closed")
    await api.bench.emit(TENANT, PARTNER, count=1, kind="lead.updated")
    await api.bench.publish()
    async with api.bench.worker():
        endpoint = await api.register(receiver.url, "outcome.closed")
        await api.active(endpoint)
        path = f"/webhook-endpoints/{endpoint['id']}/replays"
        counted = await api.call("POST", path, {"from_sequence": 2, "dry_run": True})
        missing = await api.call("POST", path, {"from_sequence": 2, "only": "undelivered"})
        await receiver.until(3)
        await api.bench.settled()
        nothing = await api.call("POST", path, {"from_sequence": 2, "only": "undelivered"})
        everything = await api.call("POST", path, {"since": "2020-01-01T00:00:00Z", "to_sequence": 2})
        await receiver.until(5)
        await api.bench.settled()

    assert [one.json() for one in (counted, missing, nothing, everything)] == [
        {"matched": 2, "queued": 0},
        {"matched": 2, "queued": 2},
        {"matched": 2, "queued": 0},
        {"matched": 2, "queued": 2},
    ]
    assert [verify(request, endpoint["secret"])["sequence"] for request in receiver.requests[:3]][1:] == [2, 3]
    assert sorted(json.loads(request.body)["sequence"] for request in receiver.requests[3:]) == [1, 2]
    assert (await api.call("POST", path, {"only": "all"})).status_code == 422


async def test_the_list_of_deliveries_pages_and_filters(api):
    lanes = [await api.bench.endpoint("https://a.example/", TENANT, PARTNER) for _ in range(2)]
    await api.bench.emit(TENANT, PARTNER, count=5)
    await api.bench.publish()
    first = await api.call("GET", "/deliveries?limit=4")
    rest = await api.call("GET", f"/deliveries?limit=100&cursor={first.json()['next_cursor']}")

    ids = [item["id"] for answer in (first, rest) for item in answer.json()["items"]]
    assert len(ids) == len(set(ids)) == 10
    assert rest.json()["next_cursor"] is None
    assert 'rel="next"' in first.headers["Link"]
    endpoints = (await api.call("GET", "/webhook-endpoints")).json()["items"]
    assert len(endpoints) == len(lanes)
    of_one = await api.call("GET", f"/deliveries?endpoint_id={endpoints[0]['id']}")
    assert {item["endpoint_id"] for item in of_one.json()["items"]} == {endpoints[0]["id"]}
    for nothing in ("state=delivered", "type=outcome.closed", "endpoint_id=whe_none", "destination_id=dst_none"):
        assert (await api.call("GET", f"/deliveries?{nothing}")).json()["items"] == []
    assert (await api.call("GET", "/deliveries?state=lost")).status_code == 422


async def test_the_feed_is_followed_by_a_cursor_that_always_comes(api):
    empty = (await api.call("GET", "/events")).json()
    await api.bench.emit(TENANT, PARTNER, count=3)
    await api.bench.emit(TENANT, TENANT, count=2)
    await api.bench.publish()
    page = await api.call("GET", f"/events?limit=2&cursor={empty['next_cursor']}")
    rest = await api.call("GET", f"/events?limit=2&cursor={page.json()['next_cursor']}")
    end = await api.call("GET", f"/events?cursor={rest.json()['next_cursor']}")

    assert empty["items"] == []
    assert [item["sequence"] for item in page.json()["items"] + rest.json()["items"]] == [1, 2, 3]
    assert [answer.json()["has_more"] for answer in (page, rest, end)] == [True, False, False]
    assert (end.json()["items"], end.json()["next_cursor"]) == ([], rest.json()["next_cursor"])
    stored = await api.bench.admin.fetch(
        "select body from baton.feed where organization_id = $1 order by sequence", PARTNER
    )
    assert page.content.startswith(b'{"items":[' + b",".join(row["body"].encode() for row in stored[:2]) + b'],"next')


async def test_a_bad_cursor_or_type_is_refused(api):
    cursor = (await api.call("GET", "/events")).json()["next_cursor"]

    for stranger in ("other", "admin", "foreign"):
        answer = await api.call("GET", f"/events?cursor={cursor}", by=stranger)
        assert (answer.status_code, answer.json()["type"]) == (400, "/problems/invalid-cursor")
    assert (await api.call("GET", "/events?cursor=nonsense")).status_code == 400
    unknown = await api.call("GET", "/events?types=lead.accepted,lead.invented")
    assert (unknown.status_code, unknown.json()["errors"][0]["pointer"]) == (422, "/types")
    assert (await api.call("GET", "/events", by="poor")).status_code == 403


async def test_the_catalogue_describes_every_type_with_an_example_that_its_schema_accepts(api):
    items = (await api.call("GET", "/event-types")).json()["items"]

    # Contract 6, typed again.
    names = [
        "lead.received",
        "lead.accepted",
        "lead.not_accepted",
        "lead.updated",
        "lead.reopened",
        "lead.contested",
        "lead.decided",
        "claim.expiring",
        "claim.expired",
        "note.added",
        "activity.logged",
        "stage.entered",
        "ownership.changed",
        "handover.requested",
        "handover.accepted",
        "handover.rejected",
        "handover.returned",
        "handover.answered",
        "handover.withdrawn",
        "handover.timed_out",
        "feedback.given",
        "feedback.overdue",
        "outcome.closed",
        "outcome.corrected",
        "outcome.acknowledged",
        "outcome.contested",
        "trouble.raised",
        "trouble.resolved",
        "clock.warned",
        "clock.breached",
        "escalation.opened",
        "escalation.stepped",
        "escalation.acknowledged",
        "escalation.resolved",
        "playbook.proposed",
        "playbook.agreed",
        "endpoint.disabled",
        "endpoint.test",
    ]
    assert {item["type"] for item in items} >= set(names)
    jsonschema = pytest.importorskip("jsonschema")
    for item in items:
        jsonschema.Draft202012Validator.check_schema(item["schema"])
        jsonschema.validate(item["example"], item["schema"])


async def test_an_on_call_tool_is_the_tenants_admins_alone_and_its_test_is_signed(api, receive):
    receiver = await receive()
    body = {"kind": "webhook", "name": "pager", "config": {"url": receiver.url}}
    for by in ("partner", "sales"):
        refused = await api.call("POST", "/destinations", body, by=by)
        assert (refused.status_code, refused.json()["type"]) == (403, "/problems/not-permitted")
    created = await api.call("POST", "/destinations", body, by="admin")
    assert created.status_code == 201, created.text
    tool = created.json()
    assert (await api.call("POST", "/destinations", body, by="admin")).status_code == 409
    async with api.bench.worker():
        await api.call("POST", f"/destinations/{tool['id']}/test", by="admin")
        await receiver.until(1)
        await api.bench.settled()

    assert verify(receiver.requests[0], tool["secret"])["data"] == {"destination_id": tool["id"]}
    listed = await api.call("GET", "/deliveries", by="admin")
    assert [item["destination_id"] for item in listed.json()["items"]] == [tool["id"]]
    path = f"/destinations/{tool['id']}"
    renamed = await api.call("PATCH", path, {"name": "night pager"}, by="admin", If_Match='"1"')
    assert (renamed.status_code, renamed.json()["name"]) == (200, "night pager")
    assert tool["secret"] not in (await api.call("GET", "/destinations", by="admin")).text
    moved = await api.call("PATCH", path, {"config": {"url": "http://10.0.0.1/"}}, by="admin", If_Match='"2"')
    assert moved.json()["type"] == "/problems/url-refused"
    assert (await api.call("DELETE", path, by="admin", If_Match='"1"')).status_code == 412
    assert (await api.call("DELETE", path, by="admin", If_Match='"2"')).status_code == 204
    assert (await api.call("GET", path, by="admin")).status_code == 404


async def test_an_organisation_has_a_bounded_number_of_endpoints(api):
    for _ in range(50):
        await api.bench.endpoint("https://a.example/", TENANT, PARTNER)
    answer = await api.call("POST", "/webhook-endpoints", {"url": "https://b.example/", "event_types": ["*"]})

    assert answer.status_code == 409
