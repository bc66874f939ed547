"""Baton does not start with a database login that row-level security would not hold, whichever way it came by that."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from app.db.logins import UnsafeLoginError, refuse_powerful
from app.db.session import Address, Login
from tests.world import spelled

pytestmark = pytest.mark.database

ROOT = Path(__file__).parents[2]
HELD = "row-level security would not hold it, so Baton does not start"

# What an operator could have done -> what undoes it, and what is said.
POWERS = {
    "superuser": (
        "alter role baton_partner superuser",
        "alter role baton_partner nosuperuser",
        "the database login baton_partner is a superuser",
    ),
    "bypassrls": (
        "alter role baton_internal bypassrls",
        "alter role baton_internal nobypassrls",
        "the database login baton_internal bypasses row-level security",
    ),
    "member of the owner": (
        "grant baton_owner to baton_partner",
        "revoke baton_owner from baton_partner",
        "the database login baton_partner is a member of baton_owner, which owns tables of Baton",
    ),
    "member of a member of one that bypasses": (
        (
            "create role t_bypass bypassrls; create role t_between; grant t_bypass to t_between;"
            " grant t_between to baton_auth"
        ),
        "drop role t_between; drop role t_bypass",
        "the database login baton_auth is a member of t_bypass, which bypasses row-level security",
    ),
    "member of a superuser without inheriting": (
        "create role t_root superuser; alter role baton_worker noinherit; grant t_root to baton_worker",
        "drop role t_root; alter role baton_worker inherit",
        "the database login baton_worker is a member of t_root, which is a superuser",
    ),
    "owner of a table": (
        "create table baton.t_own (id uuid); alter table baton.t_own owner to baton_partner",
        "drop table baton.t_own",
        "the database login baton_partner owns tables of Baton",
    ),
    "owner of a function of the policies": (
        "alter function baton.oid() owner to baton_partner",
        "alter function baton.oid() owner to baton_owner",
        "the database login baton_partner owns functions of Baton",
    ),
    "may truncate": (
        "grant truncate on baton.lead to baton_internal",
        "revoke truncate on baton.lead from baton_internal",
        ("the database login baton_internal may truncate, refer to or put triggers on tables of Baton"),
    ),
    "may make itself a member": (
        "alter role baton_auth createrole",
        "alter role baton_auth nocreaterole",
        "the database login baton_auth may change roles",
    ),
    "another login": (
        "grant baton_internal to baton_partner",
        "revoke baton_internal from baton_partner",
        "the database login baton_partner is a member of baton_internal, which is another login of Baton",
    ),
    "programs of the server": (
        "grant pg_execute_server_program to baton_worker",
        "revoke pg_execute_server_program from baton_worker",
        (
            "the database login baton_worker is a member of pg_execute_server_program, which reaches the files or programs"
            " of the server"
        ),
    ),
}


@pytest.fixture
async def sql(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def test_the_logins_that_migrate_makes_are_held(database_url, passwords):
    await refuse_powerful(Address(database_url, passwords), Login)


@pytest.mark.parametrize(("given", "undone", "said"), POWERS.values(), ids=POWERS.keys())
async def test_a_login_that_could_pass_the_policies_is_refused(sql, database_url, passwords, given, undone, said):
    await sql.execute(given)
    try:
        with pytest.raises(UnsafeLoginError) as refusal:
            await refuse_powerful(Address(database_url, passwords), Login)
    finally:
        await sql.execute(undone)
    assert str(refusal.value) == f"{said}; {HELD}"
    await refuse_powerful(Address(database_url, passwords), Login)


def start(command: str, database_url: str, master_key: str) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "BATON_PORT": "0"}
    environment |= {"BATON_DATABASE_URL": database_url, "BATON_MASTER_KEY": master_key}
    argv = [sys.executable, "-m", "app.cli", command]
    return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("command", "power"), [("api", "superuser"), ("worker", "member of a superuser without inheriting")]
)
async def test_a_process_ends_with_one_line(sql, database_url, master_keys, command, power):
    given, undone, said = POWERS[power]
    await sql.execute(given)
    try:
        ended = start(command, database_url, spelled(master_keys))
    finally:
        await sql.execute(undone)
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", f"baton: {said}; {HELD}\n")


async def test_a_login_that_does_not_work_is_said_in_one_line_too(database_url, master_keys):
    other = "k1:" + "A" * 43 + "="
    ended = start("api", database_url, other)
    line = "baton: the database does not let baton_partner in (InvalidPasswordError); is it migrated?\n"
    assert (ended.returncode, ended.stderr) == (1, line)
