"""Creates the logins, the schema and its policies, or upgrades them; safe to run from several machines at once.

Needs CREATEROLE and CREATE on the database, not superuser: the caller is made a member of `baton_owner` before anything
is created as that owner. Works on PostgreSQL 15 and later and needs no extension.
"""

from collections.abc import Mapping
from pathlib import Path

import asyncpg  # pyright: ignore[reportMissingTypeStubs]  # the driver ships none
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from sqlalchemy.util import await_only

from alembic import command
from app.db.session import Login

OWNER = "baton_owner"
_LOCK = 7_201_955_001
"""An arbitrary advisory lock number: one migration at a time in one database."""
_LEAST_VERSION = 15
_SCRIPTS = Path(__file__).parents[2] / "alembic"

_PLAIN_CLOCK = """
create or replace function baton.now() returns timestamptz language sql stable parallel safe
  return pg_catalog.now()
"""
_TEST_CLOCK = """
create table if not exists baton.test_clock (
  singleton boolean primary key default true check (singleton), ahead interval not null);
insert into baton.test_clock (ahead) values ('0') on conflict do nothing;
grant select on baton.test_clock to baton_partner, baton_internal, baton_auth, baton_worker;
grant update on baton.test_clock to baton_auth;
create or replace function baton.now() returns timestamptz language sql stable parallel safe
  return pg_catalog.now() + (select ahead from baton.test_clock);
"""


class MigrationError(RuntimeError):
    """The database cannot be migrated; the message is one clear line for the operator."""


def driver_url(url: str) -> URL:
    """Return the SQLAlchemy URL of a plain `postgresql://` URL."""
    return make_url(url).set(drivername="postgresql+asyncpg")


async def migrate(url: str, passwords: Mapping[Login, str], *, test_clock: bool = False) -> None:
    """Bring the database at `url` to the newest revision. Raises MigrationError for what an operator must mend."""
    engine = create_async_engine(driver_url(url), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_check_server)
            await connection.execute(text(f"select pg_advisory_lock({_LOCK})"))
            await connection.commit()
            try:
                await connection.run_sync(_create_roles, passwords)
                await connection.commit()
                await connection.run_sync(_upgrade)
                await connection.commit()
                await connection.run_sync(_install_clock, test_clock)
                await connection.commit()
            finally:
                await connection.rollback()
                await connection.execute(text("reset role"))
                await connection.execute(text(f"select pg_advisory_unlock({_LOCK})"))
                await connection.commit()
    except (OSError, asyncpg.PostgresError) as error:
        raise MigrationError(f"the database cannot be migrated: {error}") from error
    finally:
        await engine.dispose()


def _check_server(connection: Connection) -> None:
    version, encoding = connection.execute(
        text("select current_setting('server_version_num')::int / 10000, current_setting('server_encoding')")
    ).one()
    if version < _LEAST_VERSION:
        raise MigrationError(f"Baton needs PostgreSQL {_LEAST_VERSION} or later, this is {version}")
    if encoding != "UTF8":
        raise MigrationError(f"Baton needs a database with encoding UTF8, this one has {encoding}")


def _create_roles(connection: Connection, passwords: Mapping[Login, str]) -> None:
    def exists(role: str) -> bool:
        return bool(connection.scalar(text("select 1 from pg_roles where rolname = :role"), {"role": role}))

    if not exists(OWNER):
        connection.execute(text(f"create role {OWNER} nologin"))
    member = connection.scalar(text("select pg_has_role(current_user, :role, 'member')"), {"role": OWNER})
    if not member:
        connection.execute(text(f"grant {OWNER} to current_user"))
    for login in Login:
        if not exists(login.user):
            connection.execute(text(f"create role {login.user} login nosuperuser nobypassrls"))
        # a utility statement takes no parameters; the derived password is base64url and is checked to be
        password = passwords[login]
        if not password.replace("-", "").replace("_", "").isalnum():
            raise MigrationError("a derived password is not base64url")
        connection.execute(text(f"alter role {login.user} password '{password}'"))
    database = connection.scalar(text("select quote_ident(current_database())"))
    connection.execute(text(f"grant connect on database {database} to {', '.join(login.user for login in Login)}"))
    connection.execute(text(f"create schema if not exists baton authorization {OWNER}"))
    connection.execute(text(f"set role {OWNER}"))
    connection.execute(text(f"grant usage on schema baton to {', '.join(login.user for login in Login)}"))
    connection.execute(text("reset role"))


def configuration(connection: Connection) -> Config:
    """Return Alembic's configuration, bound to an open connection."""
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: Connection) -> None:
    connection.execute(text(f"set role {OWNER}"))
    connection.commit()
    command.upgrade(configuration(connection), "head")


def run_script(connection: Connection, script: str) -> None:
    """Run several statements in the connection's transaction; the driver prepares only one at a time."""
    connection.exec_driver_sql("select 1")  # the adapter begins its transaction with its first own statement
    driver = connection.connection.driver_connection
    await_only(driver.execute(script))  # pyright: ignore[reportOptionalMemberAccess]  # the connection is open


def _install_clock(connection: Connection, test_clock: bool) -> None:  # run_sync passes positions
    connection.execute(text(f"set role {OWNER}"))
    run_script(connection, _TEST_CLOCK if test_clock else _PLAIN_CLOCK)
