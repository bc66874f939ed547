"""One tenant and another, two API processes, and a superuser's connection: what the tests of identity stand on."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.api.identity_world import Process, a_tenant, running


@pytest.fixture(scope="module")
async def admin(database_url, passwords, master_keys) -> dict:
    return await a_tenant(database_url, passwords, master_keys, "acme")


@pytest.fixture(scope="module")
async def other_admin(database_url, passwords, master_keys) -> dict:
    return await a_tenant(database_url, passwords, master_keys, "rival")


@pytest.fixture
async def no_keys(database_url) -> None:
    """The issuer of the next process that starts is the first of its database."""
    connection = await asyncpg.connect(database_url)
    await connection.execute("delete from baton.signing_key")
    await connection.close()


@pytest.fixture
async def api(database_url, passwords, master_keys, admin, other_admin) -> AsyncIterator[Process]:
    async with running(database_url, passwords, master_keys) as process:
        yield process


@pytest.fixture
async def second(database_url, passwords, master_keys) -> AsyncIterator[Process]:
    async with running(database_url, passwords, master_keys) as process:
        yield process


@pytest.fixture
async def sql(database_url) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's connection, for moving time."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()
