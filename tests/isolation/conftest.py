"""One populated world for all modules of this directory's run."""

from collections.abc import AsyncIterator

import pytest

from app.security.keyring import MasterKeys
from tests.isolation.population import Population, populate
from tests.world import a_world


@pytest.fixture(scope="module")
async def people(database_url: str, master_keys: MasterKeys) -> AsyncIterator[Population]:
    async with a_world(database_url, master_keys) as world:
        yield await populate(world)
