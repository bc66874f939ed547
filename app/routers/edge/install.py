"""Puts the edge on an application: the envelope, the answers to errors, the pages of problems, the document."""

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from app.domain.errors import BatonError
from app.routers import problem_pages, problems
from app.routers.edge import handlers, openapi
from app.routers.edge.envelope import Envelope
from app.routers.edge.routing import include
from app.routers.edge.services import Services


def install(app: FastAPI, services: Services) -> None:
    """Make `app` answer as the HTTP contract says; call it once, before the first request.

    Raises RuntimeError where a refusal has no status.
    """
    if missing := problems.missing_kinds():
        raise RuntimeError(f"no status for {', '.join(missing)}")
    app.state.edge = services
    app.router.redirect_slashes = False  # an API never redirects: the credential would travel twice
    app.add_middleware(Envelope)
    app.add_exception_handler(BatonError, handlers.on_refusal)
    app.add_exception_handler(RequestValidationError, handlers.on_invalid)
    app.add_exception_handler(HTTPException, handlers.on_http_exception)
    include(app, problem_pages.router)
    openapi.complete(app)
