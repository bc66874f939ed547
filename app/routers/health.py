"""Liveness, readiness and metrics; none of them names a tenant, a partner or a client."""

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from app.db.session import Database
from app.domain.errors import OverloadedError
from app.routers.edge import BatonRoute, Gate, JSONBytes, document, public
from app.schemas.operations import HealthOut
from app.services.limiter import Limiter

router = APIRouter(tags=["operations"], route_class=BatonRoute)


@router.get("/health/live", operation_id="health_live", summary="The process runs", response_model=HealthOut)
@public("load balancers and process managers have no token")
async def live() -> JSONBytes:
    """Answer as long as the process runs."""
    return JSONBytes({"status": "live"})


@router.get(
    "/health/ready",
    operation_id="health_ready",
    summary="The process can serve",
    response_model=HealthOut,
    responses=document(OverloadedError),
)
@public("load balancers and process managers have no token")
async def ready(request: Request) -> JSONBytes:
    """Answer 200 when the database answers, 503 otherwise."""
    database: Database = request.app.state.database
    await database.ping()
    return JSONBytes({"status": "ready"})


@router.get("/metrics", operation_id="metrics", summary="Figures of this process", response_class=PlainTextResponse)
@public("a scraper inside the operator's network has no token", produces=("text/plain",))
async def metrics(request: Request) -> Response:
    """Prometheus text: what this process is doing now."""
    database: Database = request.app.state.database
    limiter: Limiter = request.app.state.limiter
    gate: Gate = request.app.state.gate
    lines = [
        "# HELP baton_pool_connections Open database connections of this process by login.",
        "# TYPE baton_pool_connections gauge",
        *(f'baton_pool_connections{{login="{login}"}} {size}' for login, size in database.open_connections().items()),
        "# HELP baton_rate_limited_total Requests refused with 429 by policy.",
        "# TYPE baton_rate_limited_total counter",
        *(f'baton_rate_limited_total{{policy="{name.value}"}} {count}' for name, count in limiter.refusals.items()),
        "# HELP baton_rate_uncounted_total Times that the database could not count requests.",
        "# TYPE baton_rate_uncounted_total counter",
        f"baton_rate_uncounted_total {limiter.failures}",
        "# HELP baton_places_refused_total Requests refused with 503 because their tenant had all of its places taken.",
        "# TYPE baton_places_refused_total counter",
        f"baton_places_refused_total {gate.refusals}",
    ]
    return PlainTextResponse("\n".join(lines) + "\n")
