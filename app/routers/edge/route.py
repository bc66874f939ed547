"""The one pipeline of every route, in the order in which the first wrong thing decides (security.md 1.3).

size -> authentication -> rate -> scope -> a place at work -> idempotency -> preconditions -> strict JSON ->
validation -> work -> commit -> answer.
"""

from collections.abc import Callable, Container, Coroutine
from dataclasses import dataclass
from typing import Any

import asyncpg  # pyright: ignore[reportMissingTypeStubs] - the driver ships none
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from app.domain.actor import Actor
from app.domain.errors import (
    BatonError,
    InsufficientScopeError,
    MalformedBodyError,
    NotFoundError,
    ValidationFailedError,
)
from app.domain.limits import Policy
from app.routers import problems
from app.routers.edge import (
    access,
    body,
    credentials,
    exchange,
    idempotency,
    limits,
    openapi,
    preconditions,
    query,
    strict_json,
)
from app.routers.edge.address import client_address
from app.routers.edge.declaration import BodyKind, Declaration, UndeclaredRouteError, declaration_of
from app.routers.edge.exchange import Exchange
from app.routers.edge.giving import Asked, Handler

_BODILESS = frozenset({"GET", "DELETE"})  # a body of these is never read; the server discards it


class BatonRoute(APIRoute):
    """A route that fails to start without a declaration, and runs the pipeline with one."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401 - passed on
        self.declaration = declaration_of(endpoint)
        self.asked = Asked.by(endpoint)
        methods = frozenset(options.get("methods") or {"GET"})
        options["responses"] = openapi.responses(self.declaration, methods, options.get("responses"))
        options["openapi_extra"] = openapi.operation(self.declaration, methods, options.get("openapi_extra"))
        super().__init__(path, self.asked.for_framework(), **options)
        asked = {*self.asked.readers.values(), *(dependency.call for dependency in query.flat(self.dependant))}
        _refuse_contradictions(path, asked, self.declaration, methods)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the pipeline around the endpoint, called directly or by FastAPI's own handler."""
        known = query.known_names(self.dependant)
        needed = self.body_field is not None and self.body_field.field_info.is_required()
        # FastAPI asks again where a router includes this one, maybe with dependencies of its own.
        included = hasattr(self, "app")
        direct = None if self.dependencies or included else self.asked.direct()
        pipeline = _Pipeline(
            self.declaration,
            direct or super().get_route_handler(),
            known,
            self.body_field is not None,
            needed,
            limits.policy_of(self.declaration, frozenset(self.methods or ())),
            self.declaration.deprecated.headers() if self.declaration.deprecated else (),
        )
        return pipeline.run


LOST_RACES = (asyncpg.UniqueViolationError, asyncpg.DeadlockDetectedError)


@dataclass(frozen=True, slots=True)
class _Pipeline:
    declaration: Declaration
    endpoint: Handler
    query_names: frozenset[str]
    body_known: bool
    body_needed: bool
    policy: Policy
    fields: tuple[tuple[bytes, bytes], ...]

    async def run(self, request: Request) -> Response:
        """Answer one request; a refusal leaves as an exception, with everything rolled back."""
        current = exchange.begin(request.scope)
        current.max_body, current.fields = self.declaration.max_body, self.fields
        await self._size(request, current)
        credentials.refuse_query_token(request.scope["query_string"])
        if self.declaration.public:
            response = await self._unauthenticated(request, current)
        else:
            response = await self._authorised(request, current)
        return preconditions.unchanged(current, response) if request.method == "GET" else response

    async def _size(self, request: Request, current: Exchange) -> None:
        if request.method in _BODILESS:
            return
        body.refuse_announced(current, self.declaration.max_body)
        if self.declaration.body is not BodyKind.STREAM:
            current.body = await body.read(request.receive, self.declaration.max_body)

    async def _authorised(self, request: Request, current: Exchange) -> Response:
        await current.services.refresh()
        claims = current.claims = current.services.verifier.verify(credentials.bearer_token(current))
        if claims.networks:
            credentials.refuse_elsewhere(claims, client_address(request.scope, current.services.trusted_proxies))
        by = current.actor = claims.actor
        if not limits.spend(current, by, self.policy):
            await limits.ask(current, by, self.policy)
        self._refuse_scope(by)
        gate = current.services.gate
        if gate is None:
            return await self._opened(request, current, by)
        place = (by.tenant_id, by.organization_id if self.declaration.body is BodyKind.STREAM else None)
        if not gate.take(place):
            await gate.enter(place)
        try:
            return await self._opened(request, current, by)
        finally:
            gate.leave(place)

    async def _unauthenticated(self, request: Request, current: Exchange) -> Response:
        declared = self.declaration
        if declared.policy is not None:
            claimed = declared.claimed(current) if declared.claimed else None
            await limits.count_stranger(current, request.scope, declared.policy, claimed)
        return await self._work(request, current)

    async def _opened(self, request: Request, current: Exchange, by: Actor) -> Response:
        if self.declaration.body is BodyKind.STREAM:
            return await self._work(request, current)
        key = idempotency.key_of(current) if request.method == "POST" else None
        try:
            return await self._in_transaction(request, current, by, key)
        except LOST_RACES:
            # Another request wrote first. Done again, this one sees what that one committed and is answered by it.
            return await self._in_transaction(request, current, by, key)

    async def _in_transaction(self, request: Request, current: Exchange, by: Actor, key: str | None) -> Response:
        if key is not None:
            return await self._once(request, current, by, key)
        async with current.services.database.transaction(by) as tx:
            current.give(tx)
            return await self._work(request, current)

    def _refuse_scope(self, by: Actor) -> None:
        needed = self.declaration.scopes
        if needed and needed.isdisjoint(by.scopes):
            names = " ".join(sorted(needed))
            raise InsufficientScopeError("The token lacks the scope that opens this.", scope=names)

    async def _once(self, request: Request, current: Exchange, by: Actor, key: str) -> Response:
        """Do the work under an Idempotency-Key, or replay its answer."""
        print_ = idempotency.fingerprint(request, current.body)
        began = False
        try:
            async with current.services.database.transaction(by) as tx:
                replayed = await idempotency.answered(tx, by, key, print_)
                if replayed is not None:
                    return replayed
                current.give(tx)
                self._refuse_unreadable(request, current)
                began = True
                response = await self.endpoint(_Parsed(request, current))
                began = False
                await idempotency.keep(tx, by, key, print_, response, self.declaration.redact)
                return response
        except BatonError as refusal:
            answer = problems.render(refusal, request.scope)
            if not began or not idempotency.is_kept(answer.status_code):
                raise
        async with current.services.database.transaction(by) as tx:
            replayed = await idempotency.answered(tx, by, key, print_)
            if replayed is None:
                await idempotency.keep(tx, by, key, print_, answer, frozenset())
        return replayed or answer

    async def _work(self, request: Request, current: Exchange) -> Response:
        self._refuse_unreadable(request, current)
        return await self.endpoint(_Parsed(request, current))

    def _refuse_unreadable(self, request: Request, current: Exchange) -> None:
        scope = request.scope
        if request.method in preconditions.GUARDED_METHODS and not self.declaration.public:
            current.if_match = preconditions.strong_tag(current)
        preconditions.refuse_unacceptable(current, self.declaration.produces)
        if request.method not in _BODILESS:
            self._read_body(request.method, current)
        if "\0" in scope["path"]:
            raise NotFoundError("There is nothing of that name.")
        if scope["query_string"]:
            query.refuse_unreadable(scope["query_string"], self.query_names)

    def _read_body(self, method: str, current: Exchange) -> None:
        body.refuse_encoding(current)
        kind = self.declaration.body
        if kind is BodyKind.STREAM or current.body:
            body.refuse_media_type(current, method, self.declaration.takes)
        if kind is not BodyKind.JSON:
            return
        if current.body:
            current.value = strict_json.parse(current.body)
            if not self.body_known and current.value != {}:
                raise ValidationFailedError("This takes no fields.")
        elif self.body_needed:
            raise MalformedBodyError("This needs a JSON body.")


class _Parsed(Request):
    """The request that the endpoint is called with: its body has been read and parsed already."""

    def __init__(self, request: Request, current: Exchange) -> None:
        super().__init__(request.scope, request.receive)
        self._current = current

    async def body(self) -> bytes:
        """Return the bytes that the edge read."""
        return self._current.body

    async def json(self) -> object:
        """Return the value that the edge parsed."""
        return self._current.value


def _refuse_contradictions(
    path: str, asked: Container[Callable[..., Any] | None], declared: Declaration, methods: frozenset[str]
) -> None:
    """Refuse an endpoint that asks for what its declaration will not give it."""
    has_transaction = not declared.public and declared.body is not BodyKind.STREAM
    given: dict[Callable[..., Any], bool] = {
        access.current_actor: not declared.public,
        access.current_transaction: has_transaction,
        access.current_if_match: not declared.public and methods <= preconditions.GUARDED_METHODS,
        access.raw_body: declared.body is BodyKind.RAW,
        access.body_stream: declared.body is BodyKind.STREAM,
    }
    for call, is_given in given.items():
        if call in asked and not is_given:
            name = getattr(call, "__name__", "")
            raise UndeclaredRouteError(f"{path} asks for {name}, which its declaration does not give")
