"""Several callers at one object at once, and commits that fail: one wins, the others are told so, nothing half remains."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx2
import pytest

from app.security.keyring import MasterKeys
from tests.world import LOST, World, a_world, lead_body

_NOTE: Final = {"kind": "context", "body": "x", "visibility": "shared"}


@pytest.fixture(scope="module")
async def world(database_url: str, master_keys: MasterKeys) -> AsyncIterator[World]:
    async with a_world(database_url, master_keys) as held:
        await held.add_client("sales_2", roles=["internal_sales"])
        for who in ("sales", "sales_2", "partner_a", "manager"):
            await held.token(who)
        yield held


async def at_once(*requests: Any) -> list[httpx2.Response]:
    return list(await asyncio.gather(*requests))


def told(answers: list[httpx2.Response]) -> list[tuple[int, str]]:
    """Return status and slug of each answer, in order of status."""
    return sorted((answer.status_code, answer.json().get("type", "").removeprefix("/problems/")) for answer in answers)


async def owners(world: World, lead: str) -> list[str]:
    return [link["role"] for link in (await world.get("partner_a", f"/v1/leads/{lead}/ownership"))["items"]]


async def test_of_two_callers_accepting_one_handover_exactly_one_wins(world: World) -> None:
    winners: Counter[str] = Counter()
    for number in range(20):
        handover = await world.offered(f"accept-{number}")
        path = f"/v1/handovers/{handover['id']}/accept"
        callers = ("sales", "sales_2") if number % 2 else ("sales_2", "sales")
        answers = await at_once(*(world.call(who, "POST", path, {"assignee": who}) for who in callers))
        assert told(answers) == [(200, ""), (409, "handover-not-pending")]
        won = next(who for who, answer in zip(callers, answers, strict=True) if answer.status_code == 200)
        winners[won] += 1
        assert await owners(world, handover["lead_id"]) == ["partner", "internal_sales"]
        assert (await world.get("sales", f"/v1/leads/{handover['lead_id']}"))["owner"]["assignee"] == won
    accepted = await world.admin.fetchval(
        "select count(*) from baton.event e join baton.lead l on l.id = e.lead_id"
        " where e.type = 'handover.accepted' and l.external_id like 'accept-%'"
    )
    assert accepted == sum(winners.values()) == 20


@pytest.mark.parametrize(
    ("who", "verb", "body"),
    [("sales_2", "reject", {"reason": "do_not_contact"}), ("partner_a", "withdraw", {}), ("sales_2", "return", {"questions": [{"text": "x"}]})],
)  # fmt: skip
async def test_an_acceptance_and_another_answer_cannot_both_win(
    world: World, who: str, verb: str, body: dict[str, Any]
) -> None:
    for number in range(5):
        handover = await world.offered(f"{verb}-{number}")
        path = f"/v1/handovers/{handover['id']}"
        answers = await at_once(
            world.call("sales", "POST", f"{path}/accept", {}), world.call(who, "POST", f"{path}/{verb}", body)
        )
        assert told(answers) == [(200, ""), (409, "handover-not-pending")]
        assert len(await owners(world, handover["lead_id"])) == (2 if answers[0].status_code == 200 else 1)


async def test_of_two_outcomes_at_once_one_is_taken(world: World) -> None:
    for number in range(5):
        handover = await world.taken_over(f"outcome-{number}")
        path = f"/v1/leads/{handover['lead_id']}/outcome"
        answers = await at_once(*(world.call(who, "POST", path, LOST) for who in ("sales", "sales_2")))
        assert told(answers) == [(201, ""), (409, "outcome-exists")]


async def test_one_external_id_sent_ten_times_at_once_is_one_lead(world: World) -> None:
    body = lead_body("same-body")
    answers = await at_once(*(world.call("partner_a", "POST", "/v1/leads", body) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] * 9 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len({answer.headers["etag"] for answer in answers}) == 1


async def test_one_external_id_with_ten_bodies_at_once_is_one_lead_and_nine_conflicts(world: World) -> None:
    bodies = [lead_body("other-bodies", company={"name": f"株式会社{number}"}) for number in range(10)]
    answers = await at_once(*(world.call("partner_a", "POST", "/v1/leads", body) for body in bodies))
    assert told(answers) == [(201, "")] + [(409, "external-id-in-use")] * 9
    assert await world.admin.fetchval("select count(*) from baton.lead where external_id = 'other-bodies'") == 1


async def test_one_note_sent_ten_times_at_once_is_written_once(world: World) -> None:
    lead = await world.open_lead("notes")
    path, body = f"/v1/leads/{lead['id']}/notes", {**_NOTE, "external_id": "n-1"}
    answers = await at_once(*(world.call("partner_a", "POST", path, body) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] * 9 + [201]
    assert len((await world.get("partner_a", path))["items"]) == 1


async def test_fifty_posts_with_one_idempotency_key_at_once_create_one_lead(world: World) -> None:
    body, headers = lead_body("once"), {"Idempotency-Key": "once"}
    answers = await at_once(*(world.call("partner_a", "POST", "/v1/leads", body, headers=headers) for _ in range(50)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    done = [answer for answer in answers if answer.status_code == 201]
    assert len({answer.content for answer in done}) == 1
    assert len([answer for answer in done if "idempotent-replayed" not in answer.headers]) == 1
    for answer in answers:
        if answer.status_code == 409:
            assert answer.json()["type"] == "/problems/idempotency-key-in-flight"
            assert answer.headers["retry-after"] == "1"
    leads = await world.get("partner_a", "/v1/leads", external_id="once")
    assert [lead["id"] for lead in leads["items"]] == [done[0].json()["id"]]


async def test_no_handover_is_pulled_twice_and_none_is_left(world: World) -> None:
    waiting = [await world.offered(f"pull-{number}") for number in range(12)]
    body = {"to_role": "internal_sales", "limit": 3}
    pulled: list[str] = []
    for _ in range(4):
        callers = ("sales", "sales_2", "sales", "sales_2", "sales")
        answers = await at_once(*(world.call(who, "POST", "/v1/handovers/pull", body) for who in callers))
        assert {answer.status_code for answer in answers} == {200}
        pulled += [item["handover"]["id"] for answer in answers for item in answer.json()["items"]]
    assert len(pulled) == len(set(pulled))
    assert {handover["id"] for handover in waiting} <= set(pulled)


# --- commits that fail

_SLEEPER: Final = """
create function baton.planted() returns trigger language plpgsql security definer as $$
begin
  {deed};
  return null;
end $$;
create constraint trigger planted after insert on baton.event deferrable initially deferred
  for each row execute function baton.planted();
"""
_DEEDS: Final = {
    "a broken constraint": "raise exception 'planted' using errcode = '23514'",
    "a unique key taken by another": "raise exception 'planted' using errcode = '23505'",
    "a deadlock": "raise exception 'planted' using errcode = '40P01'",
    "a full disk": "raise exception 'planted' using errcode = '53100'",
    "a killed connection": "perform pg_terminate_backend(pg_backend_pid())",
}


@asynccontextmanager
async def failing_commits(world: World, deed: str) -> AsyncIterator[None]:
    """Let every COMMIT of a fact fail, by a trigger that sleeps until then."""
    await world.admin.execute(_SLEEPER.format(deed=deed))
    try:
        yield
    finally:
        await world.admin.execute("drop trigger planted on baton.event; drop function baton.planted()")


@pytest.mark.parametrize("deed", _DEEDS)
async def test_a_commit_that_fails_is_never_answered_as_done_and_leaves_nothing(world: World, deed: str) -> None:
    name = deed.replace(" ", "-")
    handover = await world.offered(f"{name}-1")
    lead = f"/v1/leads/{handover['lead_id']}"
    tag = (await world.call("partner_a", "GET", lead)).headers["etag"]
    requests: list[tuple[str, str, str, Any, dict[str, str]]] = [
        ("partner_a", "POST", "/v1/leads", lead_body(f"{name}-2"), {}),
        ("partner_a", "POST", f"{lead}/notes", _NOTE, {}),
        ("partner_a", "PATCH", lead, {"context": {"personality": "x"}}, {"If-Match": tag}),
        ("sales", "POST", f"/v1/handovers/{handover['id']}/accept", {}, {}),
        ("sales", "POST", "/v1/handovers/pull", {"to_role": "internal_sales", "limit": 50}, {}),
        ("partner_a", "POST", f"{lead}/notes", _NOTE, {"Idempotency-Key": f"{name}-1"}),
    ]
    before = await world.tables()
    async with failing_commits(world, _DEEDS[deed]):
        answers = [await world.call(who, *request, headers=headers) for who, *request, headers in requests]
    after = await world.tables()
    for (_, method, path, *_), answer in zip(requests, answers, strict=True):
        assert answer.status_code in {500, 503}, (method, path, answer.text)
        assert answer.headers["content-type"] == "application/problem+json; charset=utf-8"
        assert answer.json()["type"] in {"/problems/internal", "/problems/overloaded"}
        assert "planted" not in answer.text
    assert [table for table in before if before[table] != after[table]] == []

    again = [await world.call(who, *request, headers=headers) for who, *request, headers in requests]
    assert [answer.status_code for answer in again] == [201, 201, 412, 200, 200, 201]
    assert "idempotent-replayed" not in again[-1].headers


async def test_an_import_whose_commits_fail_counts_nothing_as_created(world: World) -> None:
    rows = b"\n".join(json.dumps(lead_body(f"import-{n}")).encode() for n in range(3))
    headers = {"content-type": "application/x-ndjson"}
    async with failing_commits(world, _DEEDS["a broken constraint"]):
        answer = await world.call("partner_a", "POST", "/v1/lead-imports", content=rows, headers=headers)
    assert answer.status_code >= 500 or answer.json()["created"] == 0, answer.text
    assert await world.admin.fetchval("select count(*) from baton.lead where external_id like 'import-%'") == 0
    again = await world.call("partner_a", "POST", "/v1/lead-imports", content=rows, headers=headers)
    assert (again.status_code, again.json()["created"]) == (201, 3)
