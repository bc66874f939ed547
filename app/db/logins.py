"""Looks at what a database login could do, before anything is served with it. Changes nothing.

Row-level security binds neither superusers nor BYPASSRLS nor, without FORCE, owners; and whoever is a member of such a
role becomes it by SET ROLE. A login that could is no second lock under the application, so Baton does not start.
"""

from collections.abc import Iterable
from typing import Any, Final

import asyncpg  # pyright: ignore[reportMissingTypeStubs]  # the driver ships none

from app.db.session import Address, Login

_PATIENCE_S: Final = 5
_POWERS: Final = """
select r.rolname::text as role, held.power from pg_roles r, lateral (select case
    when r.rolsuper then 'is a superuser'
    when r.rolbypassrls then 'bypasses row-level security'
    when r.rolreplication then 'may copy the whole database by replication'
    when exists (select from pg_class c where c.relowner = r.oid and c.relnamespace = to_regnamespace('baton'))
      or exists (select from pg_namespace n where n.nspowner = r.oid and n.nspname = 'baton')
      then 'owns tables of Baton'
    when exists (select from pg_proc f where f.proowner = r.oid and f.pronamespace = to_regnamespace('baton'))
      then 'owns functions of Baton'
    when exists (select from pg_class c, aclexplode(c.relacl) a where c.relnamespace = to_regnamespace('baton')
      and a.grantee in (r.oid, 0) and a.privilege_type in ('TRUNCATE', 'REFERENCES', 'TRIGGER'))
      then 'may truncate, refer to or put triggers on tables of Baton'
    when exists (select from pg_namespace n, aclexplode(n.nspacl) a where n.nspname = 'baton'
      and a.grantee in (r.oid, 0) and a.privilege_type = 'CREATE') then 'may make objects in its schema'
    when r.rolcreaterole then 'may change roles'
    when r.rolname in ('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program')
      then 'reaches the files or programs of the server'
    when r.rolname <> current_user and r.rolname = any($1::text[]) then 'is another login of Baton'
  end as power) held
where pg_has_role(current_user, r.oid, 'member') and held.power is not null
order by r.rolname <> current_user, r.rolname limit 1
"""


class UnsafeLoginError(RuntimeError):
    """A login that could pass row-level security, or does not work at all; the message is one line for the operator."""


async def refuse_powerful(address: Address, logins: Iterable[Login]) -> None:
    """Raise UnsafeLoginError unless each login works and is held by row-level security."""
    for login in logins:
        try:
            found = await _power(address, login)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            why = type(error).__name__
            raise UnsafeLoginError(f"the database does not let {login.user} in ({why}); is it migrated?") from None
        if found is None:
            continue
        role, power = found
        who = f"the database login {login.user}" + ("" if role == login.user else f" is a member of {role}, which")
        raise UnsafeLoginError(f"{who} {power}; row-level security would not hold it, so Baton does not start")


async def _power(address: Address, login: Login) -> tuple[str, str] | None:
    connect: Any = asyncpg.connect  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    connection = await connect(
        address.url,
        user=login.user,
        password=address.passwords[login],
        timeout=_PATIENCE_S,
        command_timeout=_PATIENCE_S,
        statement_cache_size=0,
    )
    try:
        async with connection.transaction():  # a pooler in transaction mode keeps to one server within it
            row = await connection.fetchrow(_POWERS, [other.user for other in Login])
    finally:
        await connection.close(timeout=_PATIENCE_S)
    return (row["role"], row["power"]) if row else None
