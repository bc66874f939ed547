"""An endpoint that is called directly answers every body as one that FastAPI calls; who asks for more is left to it."""

import json
from typing import Annotated

import httpx2
import pytest
from fastapi import APIRouter, Depends, FastAPI, Query, Request

from app.routers.edge import BatonRoute, Caller, IfMatch, JSONBytes, Services, Tx, include, install, opens
from app.routers.edge.giving import Asked
from app.schemas.leads import LeadIn
from tests.api.edge_world import FakeDatabase, FakeVerifier
from tests.world import lead_body

BODY = lead_body("A-1", context={"pain_points": [{"category": "speed"}]})
BODIES = {
    "valid": BODY,
    "empty": {},
    "an array": [BODY],
    "a text": "x",
    "a number": 1,
    "null": None,
    "a field that is missing": {name: held for name, held in BODY.items() if name != "company"},
    "a field too much": {**BODY, "colour": "red"},
    "fields of other types": {**BODY, "test": "yes", "company": {"name": 7}, "external_id": ["A"]},
    "a deep field": {**BODY, "context": {"pain_points": [{"category": "speed"}, {"category": "No!"}]}},
    "what a validator of ours refuses": {**BODY, "company": {"name": "x", "corporate_number": "1234567890123"}},
}


def routes() -> APIRouter:
    """Every way to ask, around the same answer."""
    router = APIRouter(route_class=BatonRoute)

    @router.post("/direct")
    @opens()
    async def direct(body: LeadIn, tx: Tx, by: Caller) -> JSONBytes:
        assert tx is not None
        return JSONBytes({"body": body, "by": by.client_id})

    @router.post("/solved")
    @opens()
    async def solved(body: LeadIn, tx: Tx, by: Caller, more: Annotated[str, Query()] = "") -> JSONBytes:
        assert tx is not None
        assert more == ""
        return JSONBytes({"body": body, "by": by.client_id})

    return router


@pytest.fixture
async def client():
    app = FastAPI()
    install(app, Services(FakeVerifier(), FakeDatabase()))
    include(app, routes())
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://baton.test") as made:
        made.headers["Authorization"] = "Bearer writer"
        yield made


@pytest.mark.parametrize("about", BODIES)
async def test_a_body_is_answered_alike_whoever_calls_the_endpoint(client: httpx2.AsyncClient, about: str):
    sent = {"content": json.dumps(BODIES[about]), "headers": {"Content-Type": "application/json"}}
    answers = [await client.post(path, **sent) for path in ("/direct", "/solved")]
    direct, solved = ({**answer.json(), "request_id": None} for answer in answers)

    assert answers[0].status_code == answers[1].status_code == (200 if about == "valid" else 422)
    assert direct == solved
    if about == "valid":
        assert direct["body"]["external_id"] == "A-1"


async def nothing() -> JSONBytes: ...
async def given(by: Caller, tx: Tx) -> JSONBytes: ...
async def body(body: LeadIn, by: Caller) -> JSONBytes: ...
async def path(name: str) -> JSONBytes: ...
async def query(body: LeadIn, q: int = 0) -> JSONBytes: ...
async def optional(body: LeadIn | None = None) -> JSONBytes: ...
async def default(body: LeadIn = LeadIn.model_validate(BODY)) -> JSONBytes: ...  # noqa: B008
async def request(request: Request) -> JSONBytes: ...
async def depends(by: Annotated[str, Depends(nothing)]) -> JSONBytes: ...
async def rendered(body: LeadIn) -> dict[str, str]: ...
async def model() -> LeadIn: ...


def test_only_who_asks_for_nothing_but_a_body_is_called_directly():
    endpoints = (nothing, given, body, path, query, optional, default, request, depends, rendered, model)

    called = [endpoint.__name__ for endpoint in endpoints if Asked.by(endpoint).direct() is not None]

    assert called == ["nothing", "given", "body"]


async def test_dependencies_of_the_route_itself_are_solved():
    """A route may refuse by a dependency that its endpoint does not name."""

    async def refuse() -> None:
        raise AssertionError("solved")

    router = APIRouter(route_class=BatonRoute, dependencies=[Depends(refuse)])

    @router.get("/")
    @opens()
    async def open_(by: Caller) -> JSONBytes:
        return JSONBytes({"by": by.client_id})

    app = FastAPI()
    install(app, Services(FakeVerifier(), FakeDatabase()))
    include(app, router)
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://baton.test") as made:
        answer = await made.get("/", headers={"Authorization": "Bearer reader"})

    assert answer.status_code == 500


async def test_what_is_given_is_handed_beside_an_endpoints_own_request_and_to_dependencies():
    async def named(by: Caller) -> str:
        return str(by.client_id)

    router = APIRouter(route_class=BatonRoute)

    @router.delete("/{thing}")
    @opens()
    async def own(
        thing: str, request: Request, by: Caller, tag: IfMatch, asked: Annotated[str, Depends(named)]
    ) -> JSONBytes:
        return JSONBytes({"thing": thing, "tag": tag, "same": asked == str(by.client_id), "path": request.url.path})

    app = FastAPI()
    install(app, Services(FakeVerifier(), FakeDatabase()))
    include(app, router)
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://baton.test") as made:
        answer = await made.delete("/x", headers={"Authorization": "Bearer writer", "If-Match": '"p1"'})

    assert answer.json() == {"thing": "x", "tag": "p1", "same": True, "path": "/x"}
