"""What every floor that needs the database begins with: one pool, filled before the first request."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from starlette.applications import Starlette


async def _keep(_: object) -> None:
    """Send no reset query."""


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Open 16 connections, as many as Baton's pool may open, and read whose rows the floor handles."""
    async with asyncpg.create_pool(os.environ["FLOOR_DATABASE"], min_size=16, max_size=16, reset=_keep) as pool:
        app.state.pool = pool
        app.state.whose = await pool.fetchrow(
            "select tenant_id, partner_id, program_id, playbook_id, owner_role, stage from floor.lead"
            " order by created_at limit 1"  # of those copied: other floors add leads of their own
        )
        yield
