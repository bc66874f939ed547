"""The populated world outside of pytest: made once, and put back as it was after whatever changed it."""

import os
import shutil
import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import asyncpg

from app.db.migrate import migrate
from app.db.session import Login
from app.processes.postgres import EmbeddedPostgres
from app.security.keyring import MasterKeys, make_master_key
from tests.conftest import FAST
from tests.isolation.actors import admit
from tests.isolation.overreach import arm
from tests.isolation.population import Population, populate
from tests.isolation.remains import leave
from tests.world import a_world

_PLAYED: Final = "played"
_KEPT: Final = "kept"


@dataclass
class Stage:
    """A population that can be put back: `restore` takes a copy of the database as it was at `keep`."""

    people: Population
    _server: EmbeddedPostgres
    _admin: asyncpg.Connection
    _digests: Mapping[str, str] = field(default_factory=dict)

    async def keep(self) -> None:
        """Remember the database as it is now."""
        self._digests = await self._now()
        await self._copy(_PLAYED, _KEPT)

    async def has_changed(self) -> bool:
        """Return whether any table holds something else than when it was kept."""
        return self._digests != await self._now()

    async def _now(self) -> Mapping[str, str]:
        """Return a digest of every table, those of clients without the minute in which a token was asked for."""
        lasting = "(to_jsonb(t) - 'last_used_at')::text"
        digests = {
            name: await self.people.world.admin.fetchval(
                f"select md5(coalesce(string_agg({lasting}, '|' order by {lasting}), '')) from baton.{name} t"
            )
            for name in ("client", "client_secret", "client_key")
        }
        return {**await self.people.world.tables(), **digests}

    async def restore(self) -> None:
        """Put the database back as it was kept."""
        await self._copy(_KEPT, _PLAYED)

    async def _copy(self, from_: str, to: str) -> None:
        await self.people.world.admin.close()
        await self._admin.execute(f"drop database if exists {to} with (force)")
        await self._admin.execute(f"alter database {from_} with allow_connections false")
        await self._admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()",
            from_,
        )
        await self._admin.execute(f"create database {to} template {from_}")
        await self._admin.execute(f"alter database {_PLAYED} with allow_connections true")
        self.people.world.admin = await asyncpg.connect(self._server.admin_url(_PLAYED))


@asynccontextmanager
async def a_stage() -> AsyncGenerator[Stage]:
    """Start a server of its own and fill the two tenants."""
    place = Path(tempfile.mkdtemp(prefix="baton-mutations-"))
    os.chmod(place, 0o711)  # noqa: PTH101  # root's server runs as another account, which must be able to enter
    server = EmbeddedPostgres(place, settings=FAST)
    server.start()
    try:
        keys = MasterKeys.read(make_master_key())
        admin = await asyncpg.connect(server.admin_url())
        await admin.execute(f"create database {_PLAYED}")
        url = server.admin_url(_PLAYED)
        await migrate(url, {login: keys.derive_password(login.user) for login in Login}, test_clock=True)
        async with a_world(url, keys) as world:
            people = await populate(world)
            await admit(people)
            await arm(people)
            await leave(people)
            stage = Stage(people, server, admin)
            await stage.keep()
            yield stage
        await admin.close()
    finally:
        server.stop()
        shutil.rmtree(place, ignore_errors=True)
