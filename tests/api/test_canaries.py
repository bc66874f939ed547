"""Words of callers occur in no error, no log line and no metric: a word is planted in every string of every request."""

import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from opentelemetry import _logs, metrics, trace

from app.security.keyring import MasterKeys
from tests.api.refusals import addressed, send, writing
from tests.isolation.population import Population, populate
from tests.isolation.routes import ENTRIES, PLAIN, guarded
from tests.world import a_world

WORD = "canaria7741"


@pytest.fixture(scope="module")
async def people(database_url: str, master_keys: MasterKeys) -> AsyncIterator[Population]:
    async with a_world(database_url, master_keys) as world:
        yield await populate(world)


def planted(body: Any) -> Any:
    """Return the body with the word in every string, numbers as strings of it, and in one more field."""
    if isinstance(body, dict):
        return {name: planted(part) for name, part in body.items()} | {WORD: WORD}
    if isinstance(body, list):
        return [planted(part) for part in body]
    return WORD


def one_at_a_time(body: Any) -> list[Any]:
    """Return copies of the body, each with the word in the place of one value at any depth."""
    if isinstance(body, dict):
        return [{**body, name: part} for name, held in body.items() for part in (*one_at_a_time(held), WORD)]
    if isinstance(body, list):
        return [[part] for held in body[:1] for part in (*one_at_a_time(held), WORD)]
    return []


async def test_no_error_log_or_metric_repeats_what_a_caller_said(people: Population, caplog):
    world, leaked, refused = people.world, [], 0
    caplog.set_level(logging.DEBUG)

    async def look(name: str, answer: Any) -> None:
        nonlocal refused
        if answer.status_code >= 400:
            refused += 1
            said = f"{answer.text}\n{answer.headers!r}"
            if WORD in said:
                leaked.append(f"{name}: {said}")
        assert answer.status_code < 500, f"{name}: {answer.text}"

    for key, _ in writing(people):
        body = ENTRIES[key].body or {}
        for content in (planted(body), *one_at_a_time(body)):
            await look(f"{key}", await send(people, key, json.dumps(content).encode()))
        await look(f"{key}", await send(people, key, json.dumps(body).encode()[:-1] + WORD.encode()))
        await look(f"{key}", await send(people, key, b"{}", headers={"Idempotency-Key": f"{WORD} \x7f"}))
        await look(f"{key}", await send(people, key, b"{}", headers={"If-Match": WORD}))
    for key, _ in guarded(world.app):
        who, path = addressed(people, key)
        for name in ("cursor", "limit", "expand", WORD, "q", "sort"):
            await look(f"{key}", await world.call(who, "GET", path, params={name: WORD}))
        held = [part for part in path.split("/") if "_" in part or part in PLAIN.values()]
        for part in held:
            await look(f"{key}", await world.call(who, key[0], path.replace(part, f"{part[:5]}{WORD}")))
    form = {"grant_type": WORD, "scope": WORD, "client_id": WORD, "client_secret": WORD}
    for path in ("token", "revoke", "introspect"):
        await look(path, await world.http.post(f"/oauth/{path}", data={**form, "token": WORD}))
    headers = {"Authorization": f"Bearer {WORD}", "User-Agent": WORD, "traceparent": WORD, "X-Request-Id": WORD}
    await look("headers", await world.http.get(f"/v1/{WORD}", headers=headers))

    assert refused > 900
    assert leaked == []
    metrics = await world.http.get("/metrics")
    assert metrics.status_code == 200
    assert WORD not in metrics.text
    # The client of this test logs what it sends; the access log is off, and pytest listens to it all the same.
    assert not logging.getLogger("uvicorn.access").propagate
    others = ("httpx2", "httpcore2", "asyncio", "uvicorn.access")
    ours = [record for record in caplog.records if not record.name.startswith(others)]
    assert [record.getMessage() for record in ours if WORD in record.getMessage() or WORD in str(record.args)] == []
    assert not any(WORD in (record.exc_text or "") for record in ours)


async def test_the_framework_tells_no_telemetry_of_requests(people: Population, monkeypatch):
    asked: list[str] = []

    class Provider:
        """An operator's own, as the framework finds it in the process."""

        def __getattr__(self, name: str) -> Any:
            asked.append(name)
            raise AttributeError(name)

    for module, get in (
        (trace, "get_tracer_provider"),
        (metrics, "get_meter_provider"),
        (_logs, "get_logger_provider"),
    ):
        monkeypatch.setattr(module, get, Provider)

    answer = await people.world.http.post("/v1/leads", json={WORD: WORD}, headers={"Authorization": "Bearer x"})

    assert answer.status_code == 401
    assert asked == []
