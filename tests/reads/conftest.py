"""One world per module."""

from collections.abc import AsyncIterator

import pytest

from app.db.session import Database
from tests.reads.world import World, a_world


@pytest.fixture(scope="module")
async def world(database: Database, database_url: str) -> AsyncIterator[World]:
    async with a_world(database, database_url) as held:
        yield held
