"""Calls an endpoint with what the edge has at hand, past FastAPI where that has nothing to solve.

Solved as dependencies, the transaction and the caller of one POST cost 35 of the 500 us that it takes outside the
database; read from the request, two. An endpoint that asks for nothing else but its body is called without FastAPI,
which would look for parameters and dependencies that are not there: another 40. A dependency that asks for what is
given still has it solved.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final, Self, TypeVar, cast

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.params import Depends
from pydantic import BaseModel, ValidationError
from starlette.responses import Response

from app.routers.edge.declaration import UndeclaredRouteError

_ATTRIBUTE: Final = "__baton_given__"
_REQUEST: Final = "request_of_the_edge"
"""A parameter that no endpoint has."""

Reader = Callable[[Request], Awaitable[object]]
Reading = TypeVar("Reading", bound=Reader)
Endpoint = Callable[..., Awaitable[Any]]
Handler = Callable[[Request], Awaitable[Response]]


def given(read: Reading) -> Reading:
    """Mark a dependency that needs nothing but the request, waits for nothing and never refuses."""
    setattr(read, _ATTRIBUTE, True)
    return read


@dataclass(frozen=True, slots=True)
class Asked:
    """What an endpoint asks for: readers of what is given, by name, and the parameters that are left to FastAPI."""

    endpoint: Endpoint
    signature: inspect.Signature
    readers: Mapping[str, Reader]
    left: tuple[inspect.Parameter, ...]

    @classmethod
    def by(cls, endpoint: Endpoint) -> Self:
        """Read the signature of `endpoint`. Raises UndeclaredRouteError where it cannot be awaited."""
        if not inspect.iscoroutinefunction(endpoint):
            raise UndeclaredRouteError(f"{endpoint!r} is no `async def` that returns its answer")
        signature = inspect.signature(endpoint, eval_str=True)
        readers = {name: read for name, one in signature.parameters.items() for read in _readers(one)}
        left = tuple(one for name, one in signature.parameters.items() if name not in readers)
        return cls(endpoint, signature, readers, left)

    def for_framework(self) -> Endpoint:
        """Return the endpoint as FastAPI shall see it: without what is given."""
        if not self.readers:
            return self.endpoint
        own = next((one.name for one in self.left if one.annotation is Request), None)
        shown = [*self.left]
        if own is None:
            shown.append(inspect.Parameter(_REQUEST, inspect.Parameter.KEYWORD_ONLY, annotation=Request))

        @wraps(self.endpoint)
        async def called(**values: Any) -> Any:  # noqa: ANN401 - as the endpoint
            return await self._call(values[own] if own else values.pop(_REQUEST), values)

        cast("Any", called).__signature__ = self.signature.replace(parameters=shown)
        return called

    def direct(self) -> Handler | None:
        """Return a handler that needs no FastAPI, or None for an endpoint that asks for more than its body."""
        answer = self.signature.return_annotation
        if not (isinstance(answer, type) and issubclass(answer, Response)) or len(self.left) > 1:
            return None
        if not self.left:
            return lambda request: self._call(request, {})
        name, model = self.left[0].name, self.left[0].annotation
        if (
            not (isinstance(model, type) and issubclass(model, BaseModel))
            or self.left[0].default is not inspect.Parameter.empty
        ):
            return None

        async def handle(request: Request) -> Response:
            return await self._call(request, {name: _checked(model, await request.json())})

        return handle

    async def _call(self, request: Request, values: dict[str, Any]) -> Any:  # noqa: ANN401 - as the endpoint
        for name, read in self.readers.items():
            values[name] = await read(request)
        return await self.endpoint(**values)


def _readers(parameter: inspect.Parameter) -> Iterator[Reader]:
    for mark in getattr(parameter.annotation, "__metadata__", ()):
        if isinstance(mark, Depends) and getattr(mark.dependency, _ATTRIBUTE, False):
            yield cast("Reader", mark.dependency)


def _checked(model: type[BaseModel], value: object) -> BaseModel:
    """Return the body as its model. Raises what FastAPI raises."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        found = [{**one, "loc": ("body", *one["loc"])} for one in error.errors(include_url=False)]
        raise RequestValidationError(found, body=value) from None
