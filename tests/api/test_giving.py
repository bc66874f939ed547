"""An endpoint that is called directly answers every body as one that FastAPI calls; who asks for more is left to it."""

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import APIRouter, Depends, FastAPI, Query, Request, routing
from fastapi.dependencies.models import Dependant

from app.domain.errors import NotPermittedError
from app.routers.edge import BatonRoute, Caller, IfMatch, JSONBytes, Services, Tx, include, install, opens
from app.routers.edge.declaration import UndeclaredRouteError
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


async def test_only_one_of_the_two_was_called_by_fastapi(client: httpx2.AsyncClient, monkeypatch):
    called: list[str] = []

    async def noting(*, dependant: Dependant, values: dict[str, Any], is_coroutine: bool) -> Any:
        assert is_coroutine
        called.append(str(dependant.path))
        return await dependant.call(**values)

    monkeypatch.setattr(routing, "run_endpoint_function", noting)

    for path in ("/direct", "/solved"):
        assert (await client.post(path, json=BODY)).status_code == 200

    assert called == ["/solved"]


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


def test_an_endpoint_that_cannot_be_awaited_does_not_start():
    def plain(by: Caller) -> JSONBytes: ...
    async def parts(by: Caller) -> AsyncIterator[bytes]:
        yield b""

    for endpoint in (plain, parts):
        with pytest.raises(UndeclaredRouteError, match="async def"):
            BatonRoute("/", opens()(endpoint))


@pytest.mark.parametrize("where", ["nowhere", "router", "inclusion"])
async def test_what_an_endpoint_does_not_name_is_solved_wherever_it_was_asked_for(where: str):
    async def refuse() -> None:
        raise NotPermittedError("A dependency refuses.")

    asked = [Depends(refuse)]
    router = APIRouter(route_class=BatonRoute, dependencies=asked if where == "router" else [])

    @router.get("/")
    @opens()
    async def open_(by: Caller) -> JSONBytes:
        return JSONBytes({"by": by.client_id})

    app = FastAPI()
    install(app, Services(FakeVerifier(), FakeDatabase()))
    if where == "inclusion":
        app.include_router(router, dependencies=asked)
    else:
        include(app, router)
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://baton.test") as made:
        answer = await made.get("/", headers={"Authorization": "Bearer reader"})

    assert answer.status_code == (200 if where == "nowhere" else 403)


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
