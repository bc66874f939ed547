"""Problem documents: their fields, languages, pages and place in the OpenAPI document; and what must not start."""

import json
import logging
from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import APIRouter, FastAPI

from app.domain.errors import BatonError
from app.routers import problems
from app.routers.edge import BatonRoute, Caller, Services, UndeclaredRouteError, include, install, opens, public
from tests.api.edge_world import CANARY, FakeDatabase, FakeVerifier, World, a_world


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world() as made:
        yield made


ERRORS = [
    ({}, [("/name", "required")]),
    ({"name": "a", "nmae": 1}, [("/nmae", "unknown_field")]),
    ({"name": "a", "not a name": 1}, [("", "unknown_field")]),
    ({"name": "a", "Zebra7731": 1}, [("", "unknown_field")]),
    ({"name": 5}, [("/name", "type")]),
    ({"name": "a" * 101}, [("/name", "length")]),
    ({"name": "a", "contact": {"email": "no"}}, [("/contact/email", "format")]),
    ({"name": "a", "contact": {"email": "a@b", "age": 151}}, [("/contact/age", "range")]),
    ({"name": "a", "temperature": "warm"}, [("/temperature", "enum")]),
    ({"name": "a", "tags": ["x", 1]}, [("/tags/1", "type")]),
    ({"contact": {}}, [("/name", "required"), ("/contact/email", "required")]),
]


@pytest.mark.parametrize(("sent", "expected"), ERRORS, ids=lambda value: json.dumps(value)[:50])
async def test_each_invalid_field_is_pointed_at_by_a_known_code(world: World, sent: dict, expected: list):
    answer = await world.send("POST", "/v1/leads", json=sent)

    errors = answer.json()["errors"]
    assert [(error["pointer"], error["code"]) for error in errors] == expected
    assert all(set(error) == {"pointer", "code", "message"} for error in errors)


async def test_invalid_parameters_say_that_they_stand_in_the_query(world: World):
    wrong = (await world.send("GET", "/v1/leads?limit=0")).json()["errors"]
    unknown = (await world.send("GET", "/v1/leads?lmit=1")).json()["errors"]

    assert wrong == [{"in": "query", "pointer": "/limit", "code": "range", "message": "At least 1."}]
    assert (unknown[0]["in"], unknown[0]["pointer"], unknown[0]["code"]) == ("query", "/lmit", "unknown_field")


async def test_at_most_fifty_errors_are_listed(world: World):
    answer = await world.send("POST", "/v1/leads", json={"name": "a", "tags": [1] * 80})

    assert len(answer.json()["errors"]) == 50


async def test_every_answer_has_a_fresh_request_id(world: World):
    ids = {(await world.send("GET", "/v1/leads")).headers["Request-Id"] for _ in range(5)}

    assert len(ids) == 5
    assert all(value.startswith("req_") and len(value) == 36 for value in ids)


@pytest.mark.parametrize(
    ("languages", "title", "language"),
    [
        ("", "There is nothing here that you may see", "en"),
        ("ja", "該当するものが見つかりません", "ja"),
        ("ja-JP,ja;q=0.9,en-US;q=0.8", "該当するものが見つかりません", "ja"),
        ("en;q=0.9, ja;q=0.8", "There is nothing here that you may see", "en"),
        ("fr", "There is nothing here that you may see", "en"),
    ],
)
async def test_titles_follow_the_language_of_the_caller(world: World, languages: str, title: str, language: str):
    answer = await world.send("GET", "/nowhere", headers={"Accept-Language": languages})

    assert (answer.json()["title"], answer.headers["Content-Language"]) == (title, language)


async def test_every_type_has_a_page_in_both_languages(world: World):
    for slug, kind in problems.KINDS.items():
        english = await world.client.get(f"/problems/{slug}")
        japanese = await world.client.get(f"/problems/{slug}", headers={"Accept-Language": "ja"})
        assert (english.status_code, japanese.status_code) == (200, 200)
        assert kind.title in english.text
        assert kind.title_ja in japanese.text
    assert (await world.client.get("/problems/none")).status_code == 404


# Contract 7 and security.md 1.3, typed again by hand so that the table is compared and not copied.
STATUSES = {
    400: "malformed-body invalid-request invalid-cursor",
    401: "unauthenticated",
    403: "insufficient-scope not-permitted not-owner partner-suspended",
    404: "not-found",
    405: "method-not-allowed",
    406: "not-acceptable",
    408: "request-timeout",
    409: "conflict external-id-in-use idempotency-key-in-flight lead-not-open handover-pending handover-not-pending "
    "outcome-exists consultation-not-open obligation-open playbook-not-agreed",
    412: "stale-version",
    413: "payload-too-large",
    414: "uri-too-long",
    415: "unsupported-media-type",
    422: "validation-failed idempotency-key-reused stage-refused handover-incomplete reason-not-allowed "
    "playbook-invalid url-refused",
    428: "precondition-required",
    429: "rate-limited",
    431: "headers-too-large",
    500: "internal",
    503: "overloaded",
}


def test_every_slug_has_the_status_of_the_contract():
    expected = {slug: status for status, slugs in STATUSES.items() for slug in slugs.split()}

    assert {slug: kind.status for slug, kind in problems.KINDS.items()} == expected


def test_a_refusal_without_a_status_stops_the_start():
    class StrayError(BatonError):
        slug = "stray"

    with pytest.raises(RuntimeError, match="stray"):
        install(FastAPI(), Services(FakeVerifier(), FakeDatabase()))
    StrayError.slug = "conflict"


def test_a_route_without_a_declaration_does_not_start():
    router = APIRouter(route_class=BatonRoute)

    with pytest.raises(UndeclaredRouteError, match="declares neither"):

        @router.get("/open")
        async def forgotten() -> None: ...


def test_a_public_route_that_asks_for_a_caller_does_not_start():
    router = APIRouter(route_class=BatonRoute)

    with pytest.raises(UndeclaredRouteError, match="current_actor"):

        @router.get("/open")
        @public("a reason")
        async def confused(by: Caller) -> None: ...


async def test_a_literal_segment_wins_over_a_variable_one_and_an_unknown_method_is_405():
    router = APIRouter(route_class=BatonRoute)

    @router.get("/handovers/{handover}")
    @opens()
    async def show(handover: str) -> dict[str, str]:
        return {"shown": handover}

    @router.get("/handovers/mine")
    @opens()
    async def mine() -> dict[str, str]:
        return {"shown": "my own"}

    app = FastAPI()
    install(app, Services(FakeVerifier(), FakeDatabase()))
    include(app, router)
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://baton.test") as client:
        client.headers["Authorization"] = "Bearer reader"
        shown = [(await client.get(f"/handovers/{name}")).json()["shown"] for name in ("x", "mine")]
        refused = await client.put("/handovers/x")

    assert shown == ["x", "my own"]
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET")


async def test_the_document_names_every_status_and_every_reference_resolves(world: World):
    described = world.app.openapi()
    operation = described["paths"]["/v1/leads"]["post"]

    assert set(operation["responses"]) >= {
        "201",
        "400",
        "401",
        "403",
        "406",
        "409",
        "413",
        "415",
        "422",
        "429",
        "500",
        "503",
    }
    conflict = operation["responses"]["409"]["content"]["application/problem+json"]
    assert set(conflict["examples"]) == {"handover-pending", "idempotency-key-in-flight"}
    assert operation["security"] == [{"oauth2": ["leads:write"]}]
    assert [parameter["name"] for parameter in operation["parameters"]] == ["Idempotency-Key"]
    text = json.dumps(described)
    for name in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in described["components"]["schemas"]
    assert "HTTPValidationError" not in text


async def test_a_bug_is_logged_by_its_place_and_not_by_its_words(world: World, caplog):
    with caplog.at_level(logging.ERROR):
        await world.send("POST", "/v1/leads", json={"name": "bug", "contact": {"email": f"{CANARY}@a"}})

    assert "RuntimeError" in caplog.text
    assert "post_lead" in caplog.text
    assert CANARY not in caplog.text
