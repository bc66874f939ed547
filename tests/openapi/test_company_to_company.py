"""Company to company, never company to person (design decision 11): what the API could not say if it wanted to.

A client of the tenant can neither address, list, rank nor score a partner's people: no request takes a person but
`assignee`, which is the caller's own organisation's reference, and no answer names one but the owner's own.
"""

import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from app.openapi import document_text
from app.security.keyring import MasterKeys
from tests.openapi.described import operations, resolve
from tests.world import World, a_world

PERSON = re.compile(
    r"agent|assignee|attendee|caller|colleague|contact|coworker|email|employee|individual|manager_?id|member|operator"
    r"|people|person(?!ality)|rep(?:s|resentative)?\b|salesperson|staff|supervisor|team|user|worker"
)
JUDGED = re.compile(
    r"badge|efficien|evaluat|grade|leaderboard|league|merit|perform|productiv|quota|rank|rating|score|stars?\b"
)

PEOPLE_ELSEWHERE = {
    "employees": "how many people the customer's company has",
    "contact": "the customer's person",
    "contact_role": "what the customer's person decides",
    "email": "the customer's person's",
    "key_person": "a figure: how often the customer's decision maker was reached",
    "key_person_leads": "the same",
    "attendees": "who comes to the customer's meeting, as the giver writes it down",
}
"""Names that sound of people and are of nobody of a partner."""

OBJECTS = {
    "client", "clock", "consultation", "day", "delivery", "destination", "endpoint", "escalation", "handover", "invitation",
    "key", "lead", "lead_import", "outcome", "partner", "playbook", "program", "public_key", "secret", "slug",
}  # fmt: skip
"""What a path names: objects of companies. A client is a machine; a day, a key and a slug are nobody."""


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return json.loads(document_text())


def named(document: dict[str, Any], node: Any, seen: frozenset[str] = frozenset()) -> Iterator[tuple[str, str]]:
    """Yield (schema, property) of everything that a schema can hold, through its references."""
    if isinstance(node, list):
        for part in node:
            yield from named(document, part, seen)
    if not isinstance(node, dict):
        return
    reference = node.get("$ref")
    if isinstance(reference, str):
        if reference not in seen:
            yield from named(document, resolve(document, node), seen | {reference})
        return
    title = str(node.get("title", ""))
    for name, held in node["properties"].items() if isinstance(node.get("properties"), dict) else ():
        yield title, name
        yield from named(document, held, seen)
    for key, held in node.items():
        if key not in {"properties", "example", "examples", "enum", "const", "default"}:
            yield from named(document, held, seen)


def asked(document: dict[str, Any], operation: dict[str, Any]) -> set[str]:
    """Return every name that a request of an operation can carry."""
    parameters = {resolve(document, one)["name"] for one in operation.get("parameters", ())}
    return parameters | {name for _, name in named(document, resolve(document, operation.get("requestBody", {})))}


def answered(document: dict[str, Any], operation: dict[str, Any]) -> set[str]:
    return {name for one in operation.get("responses", {}).values() for _, name in named(document, one)}


def test_the_test_sees_what_it_looks_for(document):
    sees = {operation.get("operationId"): asked(document, operation) for _, _, operation in operations(document)}
    assert {"assignee", "to_role", "limit"} <= sees["pull_handovers"]
    assert {"email", "contact_role"} & sees["post_lead"] == {"email"}
    for name in ("assignee", "worker_id", "sales_rep", "to_person", "user", "callers"):
        assert PERSON.search(name), name
    for name in ("rating", "score", "rank_by", "leaderboard"):
        assert JUDGED.search(name), name
    for name in ("personality", "report", "to_role", "reported_by", "started_at"):
        assert not PERSON.search(name), name


def test_a_path_names_objects_of_companies(document):
    assert {part for path in document["paths"] for part in re.findall(r"\{(\w+)\}", path)} <= OBJECTS


def test_a_person_is_named_in_no_request_but_by_its_own_organisation(document):
    found: dict[str, set[str]] = {}
    for method, path, operation in operations(document):
        if path.startswith("/"):
            for name in asked(document, operation):
                if PERSON.search(name) and name not in PEOPLE_ELSEWHERE:
                    found.setdefault(name, set()).add(f"{method} {path}")
    assert found == {
        "assignee": {
            "post /v1/leads/{lead}/assign",
            "post /v1/handovers/{handover}/accept",
            "post /v1/handovers/pull",
        }
    }


def test_a_person_is_named_in_no_answer_and_no_event_but_the_owners_own(document):
    found = {
        (title, name)
        for _, _, operation in operations(document)
        for part in (operation.get("responses", {}), operation.get("requestBody", {}))
        for title, name in named(document, part)
        if PERSON.search(name) and name not in PEOPLE_ELSEWHERE
    }
    assert found <= {("Owner", "assignee"), ("AssignIn", "assignee"), ("AcceptIn", "assignee"), ("PullIn", "assignee")}
    told = {name for item in document["webhooks"].values() for _, name in named(document, item["post"])}
    assert "assignee" not in told


def test_nobody_is_ranked_or_scored(document):
    found: dict[str, set[str]] = {}
    for method, path, operation in operations(document):
        for name in asked(document, operation) | answered(document, operation):
            if JUDGED.search(name):
                found.setdefault(name, set()).add(f"{method} {path}")
    # Feedback rates a handover, which is of an organisation; its body has no place for a person.
    assert found == {"rating": {"post /v1/leads/{lead}/feedback", "post feedback.given"}}
    feedback = document["components"]["schemas"]["FeedbackIn"]
    assert set(feedback["properties"]) == {
        "handover_id", "meeting_held", "rating", "reasons", "note", "next_update_on",
    }  # fmt: skip


def test_lists_and_figures_are_of_organisations_and_roles(document):
    for method, path, operation in operations(document):
        for parameter in (resolve(document, one) for one in operation.get("parameters", ())):
            values = json.dumps(parameter.get("schema", {}).get("anyOf", parameter.get("schema", {})))
            assert not PERSON.search(values), (method, path, parameter["name"])
            assert not JUDGED.search(values), (method, path, parameter["name"])
    (groups,) = [
        parameter["schema"]
        for _, path, operation in operations(document)
        if path == "/v1/kpis/funnel"
        for parameter in operation["parameters"]
        if parameter["name"] == "group_by"
    ]
    values = next(branch["enum"] for branch in groups["anyOf"] if "enum" in branch)
    assert set(values) == {"month", "partner", "industry", "source_kind", "pain_category", "playbook"}


def test_what_asks_for_work_names_a_role(document):
    schemas = document["components"]["schemas"]
    assert set(schemas["ConsultationIn"]["properties"]) == {"role", "question", "purpose", "due"}
    assert set(schemas["HandoverIn"]["properties"]) == {"to_role", "summary", "meeting", "note", "metadata"}
    for party in (schemas["ClockParty"], schemas["EscalationParty"]):
        assert {name.removesuffix("_id") for name in party["properties"]} == {"organization", "role"}


@pytest.fixture(scope="module")
async def world(database_url: str, master_keys: MasterKeys) -> AsyncIterator[World]:
    async with a_world(database_url, master_keys) as held:
        yield held


async def test_only_the_owners_organisation_puts_a_person_on_a_lead_and_sees_who(world: World):
    roles = ["internal_sales", "technical", "customer_success", "manager", "admin"]
    await world.add_client("all_internal", roles=roles)
    path = f"/v1/leads/{(await world.open_lead('P-1'))['id']}"
    answer = await world.call("all_internal", "POST", f"{path}/assign", {"assignee": "vendor-17"})
    assert answer.status_code == 403, answer.text
    await world.post("partner_a", f"{path}/assign", {"assignee": "vendor-17"})
    assert (await world.get("partner_a", path))["owner"]["assignee"] == "vendor-17"
    names = "notes,activities,handovers,outcome,clocks,related"
    for place in (f"{path}?expand={names}", f"{path}/timeline", f"{path}/ownership", "/v1/leads", "/v1/events"):
        await world.publish()
        assert "vendor-17" not in (await world.call("all_internal", "GET", place)).text, place
    body = {"to_role": "internal_sales", "summary": "引き継ぎ"}
    handover = await world.post("partner_a", f"{path}/handovers", body)
    offer = f"/v1/handovers/{handover['id']}"
    assert (await world.call("partner_a", "POST", f"{offer}/accept", {"assignee": "inside-1"})).status_code == 403
    await world.post("all_internal", f"{offer}/accept", {"assignee": "inside-1"})
    assert (await world.get("all_internal", path))["owner"]["assignee"] == "inside-1"
    assert "inside-1" not in (await world.call("partner_a", "GET", path)).text
