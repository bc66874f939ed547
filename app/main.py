"""The composition root of the API: settings in, an application out."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI
from fastapi.telemetry import TelemetryConfig

from app.db.session import Address, Database, Login
from app.routers import (
    agreements,
    assurance,
    clients,
    consultations,
    destinations,
    escalations,
    events,
    handovers,
    health,
    imports,
    invitations,
    kpis,
    leads,
    leads_read,
    me,
    oauth,
    organizations,
    outcomes,
    programs,
    programs_read,
    sandbox,
    simulation,
    testing,
    webhooks,
    work,
)
from app.routers.edge import Gate, Services, include, install
from app.routers.reference import describe
from app.security.cursors import CursorSealer
from app.security.keyring import MasterKeys
from app.services.issuer import Issuer
from app.services.kit import Kit
from app.services.limiter import Limiter
from app.settings import Settings

_SPARE = 4
"""Connections of each login that one tenant alone, with all of its places taken, leaves to the others."""
_AUTH = 4
"""Connections for tokens, keys and counts."""

_UNTOLD: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
"""FastAPI's own telemetry exports query strings and exceptions, which may hold what callers say of people."""

ROUTERS: tuple[APIRouter, ...] = (
    health.router,
    oauth.router,
    me.router,
    organizations.router,
    clients.router,
    invitations.router,
    leads.router,
    imports.router,
    leads_read.router,
    handovers.router,
    outcomes.router,
    consultations.router,
    programs.router,
    agreements.router,
    programs_read.router,
    events.router,
    webhooks.router,
    destinations.router,
    kpis.router,
    work.router,
    escalations.router,
    simulation.router,
    assurance.router,
    sandbox.router,
)


def passwords(keys: MasterKeys) -> dict[Login, str]:
    """Return the database password of each login, derived from the master key (contract 1)."""
    return {login: keys.derive_password(login.user) for login in Login}


def logins(settings: Settings) -> dict[Login, int]:
    """Return how many connections one API process opens at most, per login; opened as they are needed."""
    places = settings.tenant_concurrency + _SPARE
    return {Login.PARTNER: places, Login.INTERNAL: places, Login.AUTH: _AUTH}


def create_app(settings: Settings) -> FastAPI:
    """Return the API. Raises ValueError when a required setting is missing."""
    if settings.database_url is None or settings.master_key is None:
        raise ValueError("BATON_DATABASE_URL and BATON_MASTER_KEY are required")
    keys = MasterKeys.read(settings.master_key.get_secret_value())
    address = Address(settings.database_url.get_secret_value(), passwords(keys))
    database = Database(address, logins(settings), prepared_statements=settings.prepared_statements)
    issuer = Issuer(database, keys, url=settings.token_issuer, audience=settings.token_issuer)

    limiter = Limiter(database, settings.quotas)
    gate = Gate(settings.tenant_concurrency)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        await database.start()
        await issuer.start()
        yield
        await limiter.stop()
        await issuer.stop()
        await database.stop()

    app = FastAPI(
        title="Baton",
        version="1",
        summary="Leads handed from an outsourced sales partner to the in-house team: never ownerless, never silent.",
        lifespan=lifespan,
        docs_url="/docs" if settings.docs else None,
        redoc_url=None,
        telemetry=_UNTOLD,
    )
    app.state.issuer = issuer
    app.state.database = database
    app.state.kit = Kit(
        master_keys=keys,
        cursors=CursorSealer(keys.derive(b"cursors")),
        egress_allow=settings.egress_allow,
        public_url=settings.base_url,
    )
    app.state.limiter, app.state.gate = limiter, gate
    install(app, Services(issuer.verifier, database, issuer.fresh, settings.trusted_proxies, limiter, gate))
    include(app, *ROUTERS)
    if settings.test_clock:
        include(app, testing.router)
    describe(app)
    return app
