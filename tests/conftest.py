"""One PostgreSQL server per run (fsync off), one migrated template, a fresh clone for each test module."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from app.db.migrate import migrate
from app.db.session import Address, Database, Login
from app.processes.postgres import EmbeddedPostgres
from app.security.keyring import MasterKeys, make_master_key

TEMPLATE = "baton_template"
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "300"}


def named(server: EmbeddedPostgres, database: str) -> str:
    """Return the administrator's URL of one database of the server."""
    return server.admin_url(database)


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    bindir = os.environ.get("TEST_POSTGRES_BINDIR")
    place = Path(tempfile.mkdtemp(prefix="baton-test-"))
    place.chmod(0o711)  # root's server runs as another account, which must be able to enter
    server = EmbeddedPostgres(place, bindir=Path(bindir) if bindir else None, settings=FAST)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="session")
def master_keys() -> MasterKeys:
    return MasterKeys.read(make_master_key())


@pytest.fixture(scope="session")
def passwords(master_keys: MasterKeys) -> dict[Login, str]:
    return {login: master_keys.derive_password(login.user) for login in Login}


@pytest.fixture(scope="session")
async def template(postgres: EmbeddedPostgres, passwords: dict[Login, str]) -> str:
    admin = await asyncpg.connect(postgres.admin_url())
    await admin.execute(f"create database {TEMPLATE}")
    await admin.close()
    await migrate(named(postgres, TEMPLATE), passwords, test_clock=True)
    return TEMPLATE


@pytest.fixture(scope="module")
async def database_url(postgres: EmbeddedPostgres, template: str) -> AsyncIterator[str]:
    """The administrator's URL of a fresh database with Baton's schema, test clock included."""
    name = f"t_{uuid4().hex}"
    admin = await asyncpg.connect(postgres.admin_url())
    await admin.execute(f"create database {name} template {template}")
    yield named(postgres, name)
    await admin.execute(f"drop database {name} with (force)")
    await admin.close()


@pytest.fixture(scope="module")
async def database(database_url: str, passwords: dict[Login, str]) -> AsyncIterator[Database]:
    """The application's own pools: every login, no superuser."""
    held = Database(Address(database_url, passwords), dict.fromkeys(Login, 20))
    await held.start()
    yield held
    await held.stop()
