"""One key, one effect, one answer: the rows of security.md 1.3 about Idempotency-Key."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from tests.api.edge_world import TENANT, TOKENS, World, a_world, an_actor


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world() as made:
        yield made


async def test_the_same_key_answers_the_same_without_the_secret(world: World):
    first = await world.post(key="k-1")
    again = await world.post(key='"k-1"')

    assert first.json() == {"name": "acme", "secret": "s3cret"}
    assert again.json() == {"name": "acme", "secret": None}
    assert again.status_code == 201
    assert (again.headers["Location"], again.headers["ETag"]) == ("/v1/leads/lead_1", '"1"')
    assert (again.headers["Idempotent-Replayed"], "Idempotent-Replayed" in first.headers) == ("true", False)
    assert again.headers["Content-Type"] == "application/json; charset=utf-8"
    assert again.headers["Request-Id"] != first.headers["Request-Id"]
    assert world.database.notes == ["note acme"]


async def test_a_key_used_for_another_request_is_refused_without_the_stored_answer(world: World):
    await world.post(key="k")
    body = await world.post("other", key="k")
    query = await world.send("POST", "/v1/leads?a=1", json={"name": "acme"}, headers={"Idempotency-Key": "k"})
    path = await world.send("POST", "/v1/leads/x/accept", json={"name": "acme"}, headers={"Idempotency-Key": "k"})

    for answer in (body, query, path):
        assert answer.status_code == 422
        assert answer.json()["type"] == "/problems/idempotency-key-reused"
        assert "acme" not in answer.text
    assert world.database.notes == ["note acme"]


async def test_the_same_key_of_another_client_is_independent(world: World):
    first = await world.post(key="k")
    other = await world.post(key="k", token="second")

    assert (first.status_code, other.status_code) == (201, 201)
    assert world.database.notes == ["note acme", "note acme"]


async def test_a_key_in_flight_answers_409_and_then_the_answer(world: World):
    running = asyncio.create_task(world.post("slow", key="k"))
    await world.gate.entered.wait()
    meanwhile = await world.post("slow", key="k")
    world.gate.go.set()
    first = await running
    after = await world.post("slow", key="k")

    assert (meanwhile.status_code, meanwhile.headers["Retry-After"]) == (409, "1")
    assert meanwhile.json()["type"] == "/problems/idempotency-key-in-flight"
    assert (first.status_code, after.headers["Idempotent-Replayed"]) == (201, "true")
    assert world.database.notes == ["note slow"]


async def test_an_answer_kept_between_look_up_and_claim_rolls_this_work_back(world: World):
    """The snapshot of the look-up may be older than the lock: only keeping the answer meets the other's row."""
    running = asyncio.create_task(world.post("slow", key="k"))
    await world.gate.entered.wait()
    world.database.kept[TENANT, UUID(int=10), "k"] = (b"", 201, "{}", b"{}")
    world.gate.go.set()
    answer = await running

    assert answer.json()["type"] == "/problems/idempotency-key-in-flight"
    assert world.database.notes == []


async def test_a_refusal_after_the_work_began_is_kept(world: World):
    first = await world.post("conflict", key="k")
    again = await world.post("conflict", key="k")

    assert (first.status_code, again.status_code) == (409, 409)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.content == first.content
    assert world.database.notes == []


@pytest.mark.parametrize("name", ["forbidden", "limited", "bug", "lost", ""])
async def test_a_refusal_that_a_retry_may_turn_is_not_kept(world: World, name: str):
    await world.post(name, key="k")
    again = await world.post(name, key="k")

    assert "Idempotent-Replayed" not in again.headers
    assert world.database.kept == {}


async def test_authorisation_comes_before_the_replay(world: World, monkeypatch):
    await world.post(key="k")
    monkeypatch.setitem(TOKENS, "writer", an_actor(10, "leads:read"))
    without_scope = await world.post(key="k")
    monkeypatch.delitem(TOKENS, "writer")
    suspended = await world.post(key="k")

    assert (without_scope.status_code, suspended.status_code) == (403, 401)
