"""One populated world for all modules of this directory: what any of them is told is searched for marks of others."""

from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest

from app.processes.postgres import EmbeddedPostgres
from app.security.keyring import MasterKeys
from tests.isolation.actors import admit
from tests.isolation.overreach import arm
from tests.isolation.population import Population, populate
from tests.isolation.remains import leave
from tests.world import a_world


@pytest.fixture(scope="session")
async def people(postgres: EmbeddedPostgres, template: str, master_keys: MasterKeys) -> AsyncIterator[Population]:
    name = f"t_{uuid4().hex}"
    admin = await asyncpg.connect(postgres.admin_url())
    await admin.execute(f"create database {name} template {template}")
    async with a_world(postgres.admin_url(name), master_keys) as world:
        people = await populate(world)
        await admit(people)
        await arm(people)
        await leave(people)
        yield people
    await admin.execute(f"drop database {name} with (force)")
    await admin.close()
