"""A test client works on test leads alone: to it no live lead exists, on any route and in no table; nor tests to others.

Both locks are tried: over HTTP, where the application and the database hold, and as the database's login alone.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from itertools import product
from typing import Any, Final

import pytest

from app.db.session import Identity, Login
from app.domain.ids import Prefix
from tests.isolation.attacks import nothing, send, slots, told
from tests.isolation.population import INTERNAL_ROLES, PARTNER_ROLES, Population
from tests.isolation.routes import KINDS, PLAIN, Who, guarded
from tests.isolation.test_database import known, outcome
from tests.world import lead_body, random_id

MARK: Final = "mk-sandbox"
LIVE: Final = {
    "lead", "lead_external", "handover", "handover_accepted", "consultation", "outcome", "import", "endpoint",
    "delivery", "clock", "escalation",
}  # fmt: skip
"""Kinds of objects that belong to real leads; programs, playbooks and organisations are the sandbox's own as well."""
OWN: Final = {"a_test": ("a",), "i_test": ("a", "b", "i")}
_PARAMETER: Final = re.compile(r"\{(\w+)\}")
NOT_OF_LEADS: Final = {
    "agreement", "alembic_version", "calendar", "client", "client_key", "client_limit", "client_secret", "declination",
    "destination", "enrolment", "feed_counter", "idempotency", "invitation", "organization", "organization_limit", "permit",
    "playbook", "playbook_review", "program", "ratification", "revoked_token", "signing_key", "spent_assertion",
    "suspension", "tenant", "test_clock",
}  # fmt: skip
"""Tables that hold nothing of a lead. Whoever adds one says here, or in a policy, whether a test client reads it."""


@pytest.fixture(scope="module", autouse=True)
async def testers(people: Population) -> None:
    world = people.world
    if "a_test" not in world.clients:
        await world.add_client("a_test", partner_of="a_all", by="i_all", roles=PARTNER_ROLES, test=True)
        await world.add_client("i_test", by="i_all", roles=INTERNAL_ROLES, test=True)


_LOCK: Final = "create or replace function baton.sandboxed() returns boolean language sql stable parallel safe return"


@pytest.fixture(params=["both locks", "the application alone"])
async def locks(request: pytest.FixtureRequest, people: Population) -> AsyncIterator[None]:
    """Without the database's own lock, the application has to hold alone."""
    admin = people.world.admin
    if request.param == "both locks":
        yield
        return
    written = await admin.fetchval("select pg_get_functiondef('baton.sandboxed()'::regprocedure)")
    await admin.execute(f"{_LOCK} false")
    yield
    await admin.execute(written)


@pytest.mark.usefixtures("locks")
async def test_to_a_test_client_a_live_object_is_one_that_names_nothing(people: Population) -> None:
    world, tried = people.world, 0
    wrong: list[str] = []
    before = await world.tables()
    for (key, entry), (who, owners) in product(guarded(world.app), OWN.items()):
        for place, name, kinds in slots(key, entry):
            usual = {
                f"{where}:{other}": random_id(people.objects["a"].get(held[0], "lead_"))
                for where, other, held in slots(key, entry)
                if where != "query"
            }
            for kind, owner in product(LIVE.intersection(kinds), owners):
                real = people.of(owner, kind)
                if real is None:
                    continue
                at = f"{place}:{name}"
                live = await send(world, who, key, entry, {**usual, at: real})
                unknown = await send(world, who, key, entry, {**usual, at: nothing(kind, real)})
                tried += 1
                expected = {404} if place == "path" and entry.who is Who.MEMBER else {200, 400, 403, 404, 422}
                if told(live) != told(unknown) or live.status_code not in expected:
                    wrong.append(f"{who} {key} {at} {kind} of {owner}: {told(live)} is not {told(unknown)}")
    assert wrong == []
    assert tried > 120
    after = await world.tables()
    assert [table for table in before if before[table] != after[table]] == []


async def test_the_database_alone_shows_a_test_client_no_row_of_a_live_lead(people: Population) -> None:
    world, a = people.world, people.objects["a"]
    tenant = known(Prefix.TENANT, world.tenant["id"])
    partner = known(Prefix.ORGANIZATION, a["partner"])
    client = known(Prefix.CLIENT, world.clients["a_test"]["client_id"])
    rows = await world.rows()
    live = {
        table
        for table in rows.keys() - NOT_OF_LEADS
        if await world.admin.fetchval(f"select exists (select from baton.{table})")
    }
    assert len(live) >= 22
    wrong: list[str] = []
    flagged = {
        row["table_name"]
        for row in await world.admin.fetch(
            "select table_name::text from information_schema.columns where table_schema = 'baton' and column_name = 'test'"
        )
    }
    for login, organization in ((Login.PARTNER, partner), (Login.INTERNAL, tenant)):
        identity = Identity(login, tenant, organization, client, test=True)
        async with world.database.begin(identity) as tx:
            for table in sorted(live):
                of_live = " where not test" if table in flagged else f" where {_OF_LIVE.get(table, _OF_LIVE_LEAD)}"
                seen = await outcome(tx, f"select from baton.{table}{of_live}")
                removed = await outcome(tx, f"delete from baton.{table}{of_live}")
                for verb, found in (("select", seen), ("delete", removed)):
                    if found not in {("42501", ""), ("done", "SELECT 0"), ("done", "DELETE 0")}:
                        wrong.append(f"{login} {verb} {table}: {found}")
            moved = await outcome(tx, "update baton.lead set stage = 'x' where not test")
            assert moved == ("done", "UPDATE 0")
    assert wrong == []


_OF_LIVE_LEAD: Final = "lead_id not in (select id from baton.lead where test)"
_OF_LIVE: Final = {
    "handover_step": "handover_id not in (select id from baton.handover)",
    "lead_import_row": "import_id not in (select id from baton.lead_import)",
    "claim_key": "true",
    "call_count": "true",
    "lane": "id not in (select id from baton.endpoint)",
    "attempt": "delivery_id not in (select id from baton.delivery)",
}
"""Rows of live leads in tables that do not say themselves what is a test, by what the login sees beside them."""


async def test_no_test_lead_stands_in_anything_that_a_live_client_reads(people: Population) -> None:
    world = people.world
    for scenario in ("ignored", "lost", "returned", "pending"):
        lead = await world.post("a_test", "/v1/leads", lead_body(f"{MARK}.{scenario}", company={"name": MARK}))
        await world.post("a_test", f"/v1/test/leads/{lead['id']}/play", {"scenario": scenario})
    await world.publish()
    at_once = asyncio.Semaphore(8)
    found: dict[str, list[str]] = {}

    async def read(who: str, path: str, query: dict[str, Any]) -> None:
        async with at_once:
            answer = await world.call(who, "GET", path, params=query or None)
            assert answer.status_code < 500, (path, answer.text)
            if MARK in answer.text:
                found.setdefault(who, []).append(path)

    reads = []
    for (key, _), (who, owner) in product(
        guarded(world.app), (("a_all", "a"), ("b_all", "b"), ("i_all", "a"), ("i2_all", "i2"), ("a_test", "a"))
    ):
        if key[0] != "GET":
            continue
        held = people.objects[owner]
        path = _PARAMETER.sub(
            lambda match, held=held: (
                held.get(KINDS.get(match[1], ("",))[0]) or PLAIN.get(match[1]) or "smb-inside-sales"
            ),
            key[1],
        )
        queries: list[dict[str, Any]] = [{}]
        if key[1] == "/v1/leads":
            queries += [{"q": MARK}, {"company": MARK}, {"external_id": f"{MARK}.lost"}]
        reads += [read(who, path, {**query, "limit": 500} if "events" in path else query) for query in queries]
    await asyncio.gather(*reads)
    assert found.keys() == {"a_test"}, found
    assert {"/v1/leads", "/v1/handovers", "/v1/escalations", "/v1/events"} <= set(found["a_test"])
