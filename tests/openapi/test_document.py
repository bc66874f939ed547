"""The OpenAPI document is valid, whole, the same everywhere, and the one that is committed."""

import json
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from app.openapi import document_text
from tests.openapi.described import Validator, operations, references, resolve

COMMITTED = Path(__file__).parents[2] / "openapi" / "openapi.json"
SCOPES = """
leads:read leads:write handovers:write outcomes:write webhooks:manage events:read escalations:read escalations:write
destinations:manage playbooks:read playbooks:write partners:manage kpis:read audit:read admin
"""
"""The scopes of contract 2."""
EVENT_TYPES = """
lead.received lead.accepted lead.not_accepted lead.updated lead.reopened lead.contested lead.decided claim.expiring
claim.expired note.added activity.logged stage.entered ownership.changed handover.requested handover.accepted
handover.rejected handover.returned handover.answered handover.withdrawn handover.timed_out consultation.requested consultation.answered consultation.declined consultation.withdrawn feedback.given
feedback.overdue outcome.closed outcome.corrected outcome.acknowledged outcome.contested trouble.raised trouble.resolved
clock.warned clock.breached escalation.opened escalation.stepped escalation.acknowledged escalation.resolved
playbook.proposed playbook.agreed playbook.declined playbook.review_due endpoint.disabled endpoint.test
"""
"""The event types of contract 6, and those that were added."""


@pytest.fixture(scope="module")
def text() -> str:
    return document_text()


@pytest.fixture(scope="module")
def document(text: str) -> dict[str, Any]:
    return json.loads(text)


def test_the_document_is_valid_openapi_3_1(document):
    assert document["openapi"].startswith("3.1.")
    assert [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_the_committed_document_is_the_one_that_the_code_describes(text):
    assert COMMITTED.read_text("utf-8") == text, "run: make openapi"


def test_the_document_is_the_same_on_every_machine(text, monkeypatch, tmp_path):
    monkeypatch.setenv("BATON_PORT", "9")
    monkeypatch.setenv("BATON_TEST_CLOCK", "1")
    monkeypatch.setenv("BATON_PUBLIC_URL", "https://elsewhere.example")
    monkeypatch.chdir(tmp_path)
    assert document_text() == text
    assert "/test/clock" not in text


def test_every_operation_has_its_parts(document):
    described = {tag["name"] for tag in document["tags"] if tag["description"]}
    for method, path, operation in operations(document):
        where = f"{method} {path}"
        assert operation["operationId"].isidentifier(), where
        assert operation["summary"], where
        assert operation["description"], where
        assert operation["tags"], where
        assert set(operation["tags"]) <= described, where
        assert "security" in operation, where
        assert any(status.startswith("2") for status in operation["responses"]), where
        for parameter in operation.get("parameters", ()):
            assert parameter.get("description"), f"{where} {parameter['name']}"


def test_every_operation_id_is_its_own(document):
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids))


def test_every_reference_resolves(document):
    for reference in set(references(document)):
        assert resolve(document, {"$ref": reference}) is not None


def test_every_body_has_a_schema_and_an_example_that_it_accepts(document):
    validator = Validator(document)
    for method, path, operation in operations(document):
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for body in (resolve(document, one) for one in bodies):
            for media_type, content in body.get("content", {}).items():
                where = f"{method} {path} {media_type} {body.get('description', '')}"
                shown = [content["example"]] if "example" in content else []
                shown += [resolve(document, one)["value"] for one in content.get("examples", {}).values()]
                assert shown, where
                assert content["schema"], where
                for example in shown:
                    assert validator.faults(content["schema"], example) == [], where


WITHOUT_TOKEN = {"/v1/invitations/redeem"}
"""What is called by somebody who has no credential yet."""


def test_every_route_below_v1_needs_a_token_and_says_how_it_refuses(document):
    for method, path, operation in operations(document):
        if not path.startswith("/v1/"):
            continue
        where = f"{method} {path}"
        assert bool(operation["security"]) == (path not in WITHOUT_TOKEN), where
        for status in ("403", "500") if path in WITHOUT_TOKEN else ("401", "403", "500"):
            answer = resolve(document, operation["responses"][status])
            assert answer["content"]["application/problem+json"]["examples"], where


def test_a_path_that_names_something_may_name_nothing(document):
    made_by_put = {"put /v1/calendars/{key}"}
    for method, path, operation in operations(document):
        if "{" in path and f"{method} {path}" not in made_by_put:
            assert "404" in operation["responses"], f"{method} {path}"


def test_the_scopes_of_client_credentials_are_those_of_the_contract_in_words(document):
    flow = document["components"]["securitySchemes"]["oauth2"]["flows"]["clientCredentials"]
    assert set(flow["scopes"]) == set(SCOPES.split())
    assert all(about.endswith(".") for about in flow["scopes"].values())
    named = {
        scope for _, _, one in operations(document) for held in one["security"] for scope in held.get("oauth2", ())
    }
    assert named <= set(flow["scopes"])


def test_every_event_type_is_a_signed_webhook(document):
    assert set(document["webhooks"]) == set(EVENT_TYPES.split())
    for kind, item in document["webhooks"].items():
        operation = item["post"]
        headers = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "header"}
        assert headers == {"webhook-id", "webhook-timestamp", "webhook-signature"}
        body = operation["requestBody"]["content"]["application/json"]
        assert body["example"]["type"] == kind
        assert set(body["schema"]["required"]) == {"id", "type", "timestamp", "tenant", "sequence", "data"}


def test_answers_may_grow_and_requests_may_not(document):
    schemas = document["components"]["schemas"]
    assert "additionalProperties" not in schemas["LeadOut"]
    assert schemas["LeadIn"]["additionalProperties"] is False


def test_every_operation_says_where_it_is_limited_and_what_to_wait_for(document):
    counted = {"RateLimit", "RateLimit-Policy"}
    for method, path, operation in operations(document):
        if path in document["webhooks"]:
            continue
        where = f"{method} {path}"
        answers = {status: resolve(document, answer) for status, answer in operation["responses"].items()}
        headers = {status: set(answer.get("headers", {})) for status, answer in answers.items()}
        assert "Retry-After" in headers["503"], where
        authenticated = bool(operation["security"])
        assert ("429" in answers) == (authenticated or path.startswith("/oauth/") or path in WITHOUT_TOKEN), where
        if "429" in answers:
            assert "Retry-After" in headers["429"], where
            assert set(answers["429"]["content"]) == {"application/problem+json"}, where
        for status, named in headers.items():
            assert (counted <= named) == (authenticated and status not in {"401", "414", "431"}), f"{where} {status}"
        assert {"414", "431"} <= set(answers), where
        if "requestBody" in operation:
            assert "408" in answers, where


def test_every_list_that_a_request_may_hold_is_bounded(document):
    own = [operation for _, path, operation in operations(document) if path in document["paths"]]
    waiting: list[Any] = [operation.get("requestBody", {}) for operation in own]
    seen: set[str] = set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting.extend(node)
        if not isinstance(node, dict):
            continue
        assert node.get("type") != "array" or "maxItems" in node, node
        reference = node.get("$ref")
        if isinstance(reference, str) and reference not in seen:
            seen.add(reference)
            waiting.append(resolve(document, node))
        waiting.extend(value for name, value in node.items() if name not in {"example", "examples"})
    assert len(seen) > 20
