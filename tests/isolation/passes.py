"""The three passes. There are two locks on every row: the conditions that the application writes into its statements,
and row-level security. Each pass opens one of them and leaves the other in place, so that each must hold alone.

- both locks: nothing is opened;
- application only: row-level security is switched off on every table, grants stay;
- database only: the conditions on whose row it is are taken out of every statement on its way to the database.
"""

import re
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from functools import lru_cache
from typing import Any, Final

import asyncpg

from app.db.session import Login, Transaction
from tests.isolation.conditions import Condition, conditions, opened
from tests.world import World

Rewrite = Callable[[str], str]

API: Final = frozenset({Login.PARTNER, Login.INTERNAL})
"""The logins of requests. That of the token endpoint and the workers' are rewritten by nobody."""


@asynccontextmanager
async def application_only(world: World) -> AsyncGenerator[None]:
    """Switch row-level security off; the owner of the tables does it, no login of the application could."""
    tables = [row["name"] for row in await world.admin.fetch(_TABLES)]
    assert len(tables) > 40
    await _switch(world.admin, tables, "disable")
    try:
        yield
    finally:
        await _switch(world.admin, tables, "enable")


_TABLES: Final = """
select c.relname as name from pg_class c where c.relnamespace = 'baton'::regnamespace and c.relrowsecurity
"""


async def _switch(admin: asyncpg.Connection, tables: list[str], verb: str) -> None:
    await admin.execute("; ".join(f"alter table baton.{table} {verb} row level security" for table in tables))


@contextmanager
def rewritten(rewrite: Rewrite) -> Generator[None]:
    """Let every statement of a request reach the database as `rewrite` returns it."""
    kept: dict[str, Any] = {name: getattr(Transaction, name) for name in ("fetch", "fetchrow", "fetchval", "execute")}

    def double(run: Callable[..., Any]) -> Callable[..., Any]:
        async def send(self: Transaction, sql: str, *args: object) -> Any:
            return await run(self, rewrite(sql) if self.identity.login in API else sql, *args)

        return send

    for name, run in kept.items():
        setattr(Transaction, name, double(run))
    try:
        yield
    finally:
        for name, run in kept.items():
            setattr(Transaction, name, run)


@contextmanager
def database_only() -> Generator[None]:
    """Take the application's own conditions out of every statement that a request sends."""
    with rewritten(without_conditions):
        yield


@lru_cache(maxsize=4096)
def without_conditions(sql: str) -> str:
    """Return a statement whose conditions on whose row it is hold for every row; its parameters stay typed."""
    return opened(sql, [one for one in conditions(sql) if _says_whose(one)])


_OWNERS: Final = frozenset(
    {"tenant_id", "partner_id", "organization_id", "client_id", "writer_id", "sides", "visibility", "proposed_by"}
)
"""Columns that say whose a row is, or who may see it."""


def _says_whose(one: Condition) -> bool:
    """Return whether a condition compares with who the caller is; `any` asks for rows that were found before."""
    return bool(one.columns & _OWNERS) and one.compares_a_parameter and "any" not in one.words


OTHERWISE: Final = {
    r"/v1/(leads/|clocks\?lead=)external:.*": "An external id is a name within its writer's own. Without the writer the tenant's own"
    " organisation finds the lead of its partner, which it may see, under a name that it did not give.",
    r"/v1/(partners/[^/]+/)?(clients|invitations)": "The tenant's administrator asks for those of one organisation. Those"
    " of the others are of its tenant, too: which to list is what it asked, not what it may see.",
}
"""Reads that the tenant's own organisation is answered otherwise with the database alone, and why that is no leak."""


def differs_rightly(who: str, path: str) -> bool:
    """Return whether `OTHERWISE` names a read."""
    return who in {"i_all", "i2_all"} and any(re.fullmatch(one, path) for one in OTHERWISE)
