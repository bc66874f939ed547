"""Answers to what Starlette and FastAPI raise, as problem documents like all others."""

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app.domain.errors import BatonError, NotFoundError, ValidationFailedError
from app.routers import problems
from app.routers.edge import fields
from app.routers.refusals import InternalError, MethodNotAllowedError


async def on_refusal(request: Request, error: Exception) -> Response:
    """Answer a refusal of Baton's own."""
    if not isinstance(error, BatonError):
        raise error
    return problems.render(error, request.scope)


async def on_invalid(request: Request, error: Exception) -> Response:
    """Answer fields that were found invalid; a path that cannot be an id is one that names nothing."""
    if not isinstance(error, RequestValidationError):
        raise error
    found = error.errors()
    if fields.concerns_the_path(found):
        return problems.render(NotFoundError("There is nothing of that name."), request.scope)
    refusal = ValidationFailedError("Some fields are not valid.", errors=fields.errors_of(found, error.body))
    return problems.render(refusal, request.scope)


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Answer what the framework itself refuses: an unknown path or method."""
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 405:
        allowed = ", ".join(sorted(_methods_at(request)))
        refusal: BatonError = MethodNotAllowedError("This path has other methods.", headers={"Allow": allowed})
    elif error.status_code == 404:
        refusal = NotFoundError("There is nothing of that name.")
    else:
        refusal = InternalError("The framework refused the request.")
    return problems.render(refusal, request.scope)


def _methods_at(request: Request) -> set[str]:
    """Return the methods of every route at this path; the framework knows only those of the first."""
    app: FastAPI = request.app
    methods: set[str] = set()
    for route in iter_route_contexts(app.routes):
        pattern = getattr(route, "path_regex", None)
        if pattern is not None and pattern.match(request.scope["path"]):
            methods.update(route.methods or ())
    return methods
