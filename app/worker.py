"""The composition root of a worker process: settings in, every loop running until told to stop."""

import asyncio
from urllib.parse import urlsplit

from app.db.session import Address, Database, Login
from app.security.keyring import MasterKeys
from app.settings import Settings
from app.workers import main as engine
from app.workers.adjudicator import Adjudicator
from app.workers.main import Surroundings
from app.workers.ratifier import Ratifier
from app.workers.suspender import Suspender
from app.workers.timekeeper import Timekeeper

LOGINS = {Login.WORKER: 12}
"""Connections of one worker process; opened as they are needed."""


def _own_hosts(settings: Settings) -> frozenset[str]:
    """Return the public name of this service, to which it sends nothing; none when only its listener is known."""
    host = urlsplit(settings.public_url).hostname if settings.public_url else None
    return frozenset({host}) if host else frozenset()


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Run the loops until `stop`. Raises ValueError when a required setting is missing."""
    if settings.database_url is None or settings.master_key is None:
        raise ValueError("BATON_DATABASE_URL and BATON_MASTER_KEY are required")
    keys = MasterKeys.read(settings.master_key.get_secret_value())
    passwords = {login: keys.derive_password(login.user) for login in Login}
    address = Address(settings.database_url.get_secret_value(), passwords)
    listen = settings.listen_database_url
    database = Database(address, LOGINS, prepared_statements=settings.prepared_statements)
    await database.start()
    try:
        around = Surroundings(
            database,
            Address(listen.get_secret_value(), passwords) if listen else address,
            keys,
            settings.egress_allow,
            _own_hosts(settings),
            pooled=not settings.prepared_statements and not listen,
        )
        await engine.run(
            around,
            stop,
            more=[
                Adjudicator(database),
                Timekeeper(database, settings.base_url),
                Ratifier(database),
                Suspender(database),
            ],
        )
    finally:
        await database.stop()
