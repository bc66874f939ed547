"""Brings Baton up in one command: embedded database, migration, demo tenants, API and worker processes."""

import asyncio
import json
import os
import secrets
import socket
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import asyncpg  # pyright: ignore[reportMissingTypeStubs]  # the driver ships none

from app.db.logins import UnsafeLoginError, refuse_powerful
from app.db.migrate import migrate
from app.db.session import Address, Database, Login
from app.domain.errors import ConflictError
from app.processes.parent import Child, run_parent
from app.processes.postgres import EmbeddedPostgres
from app.security.keyring import MasterKeys, make_master_key
from app.services import tenants
from app.settings import Settings


class StartError(RuntimeError):
    """Baton cannot start; the message is one clear line for the operator."""


def administrator_url(settings: Settings) -> str:
    """Return the URL with which roles and schema are made. Raises StartError when none is set."""
    url = settings.admin_database_url or settings.database_url
    if url is None:
        raise StartError("BATON_DATABASE_URL is not set; `baton up` without it starts an embedded database")
    return url.get_secret_value()


def master_keys(settings: Settings) -> MasterKeys:
    """Return the master keys. Raises StartError when they are missing or malformed."""
    if settings.master_key is None:
        raise StartError("BATON_MASTER_KEY is not set; it must be equal on every machine and part of every backup")
    try:
        return MasterKeys.read(settings.master_key.get_secret_value())
    except ValueError as error:
        raise StartError(f"BATON_MASTER_KEY: {error}") from None


def require_database(settings: Settings, logins: Iterable[Login] = tuple(Login)) -> None:
    """Raise StartError unless a process can reach its database with `logins` that row-level security holds."""
    if settings.database_url is None:
        raise StartError("BATON_DATABASE_URL is not set; `baton up` without it starts an embedded database")
    address = Address(settings.database_url.get_secret_value(), passwords_of(settings))
    try:
        asyncio.run(refuse_powerful(address, logins))
    except UnsafeLoginError as error:
        raise StartError(str(error)) from None


def passwords_of(settings: Settings) -> dict[Login, str]:
    """Return the database password of each login."""
    keys = master_keys(settings)
    return {login: keys.derive_password(login.user) for login in Login}


async def create_tenant(settings: Settings, key: str, name: str) -> dict[str, str]:
    """Create a tenant and its first admin client; the secret is returned once."""
    keys = master_keys(settings)
    url = settings.database_url or settings.admin_database_url
    if url is None:
        raise StartError("BATON_DATABASE_URL is not set")
    database = Database(Address(url.get_secret_value(), passwords_of(settings)), {Login.INTERNAL: 2})
    await database.start()
    try:
        async with database.begin(tenants.new_identity()) as tx:
            made = await tenants.create(tx, keys, key=key, name=name)
    except ConflictError as error:
        raise StartError(error.detail) from None
    except (OSError, asyncpg.PostgresError) as error:
        raise StartError(f"the tenant cannot be created, is the database migrated? {type(error).__name__}") from None
    finally:
        await database.stop()
    return made.shown()


def _embedded_master_key(data_dir: Path) -> str:
    """Return the master key of an embedded database, made once and kept in `master.key` (0600)."""
    path = data_dir / "master.key"
    if not path.exists():
        fresh = data_dir / f".master.key.{secrets.token_hex(4)}"
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(make_master_key() + "\n")
        fresh.rename(path)
    return path.read_text("ascii").strip()


def _listen(settings: Settings) -> socket.socket:
    """Bind the API's socket here, so that a port in use fails at once and a restarting API loses no connection."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise StartError(f"cannot listen on {settings.host}:{settings.port}: {error.strerror}") from None
    listener.listen(2048)
    listener.set_inheritable(True)
    return listener


def up(settings: Settings, *, demo: bool) -> None:
    """Run Baton until SIGTERM or SIGINT. Raises StartError and the database's own start errors."""
    postgres = None
    if settings.database_url is None:
        postgres = EmbeddedPostgres(settings.data_dir)
        postgres.start()
    try:
        ready = _settled(settings, postgres, demo=demo)
        passwords = passwords_of(ready)
        asyncio.run(migrate(administrator_url(ready), passwords, test_clock=ready.test_clock))
        require_database(ready)
        listener = _listen(ready)
        if demo:
            _seed(ready)
        run_parent(postgres, _children(ready, listener), lambda: _say(f"serving on {ready.base_url}"))
    finally:
        if postgres is not None:
            postgres.stop()


def _say(line: str) -> None:
    print(f"baton: {line}", file=sys.stderr, flush=True)


def _settled(settings: Settings, postgres: EmbeddedPostgres | None, *, demo: bool) -> Settings:
    """Return the settings with what `up` supplies: embedded database and key, and what the demo needs."""
    given: dict[str, Any] = {}
    if postgres is not None:
        given["database_url"] = postgres.admin_url()
        given["master_key"] = settings.master_key or _embedded_master_key(settings.data_dir)
    if demo and not settings.egress_allow:
        given["egress_allow"] = "127.0.0.0/8"
    if demo:
        given["docs"] = True
    return Settings.model_validate({**settings.model_dump(), **given})


def _children(settings: Settings, listener: socket.socket) -> list[Child]:
    """Return the processes to run. They never see the administrator's login."""
    if settings.database_url is None or settings.master_key is None:
        raise StartError("BATON_DATABASE_URL and BATON_MASTER_KEY are required")
    listen = settings.listen_database_url
    environment = {
        "BATON_DATABASE_URL": _without_login(settings.database_url.get_secret_value()),
        "BATON_ADMIN_DATABASE_URL": "",
        "BATON_LISTEN_DATABASE_URL": _without_login(listen.get_secret_value()) if listen else "",
        "BATON_MASTER_KEY": settings.master_key.get_secret_value(),
        "BATON_EGRESS_ALLOW": ",".join(str(network) for network in settings.egress_allow),
        "BATON_DOCS": str(int(settings.docs)),
        "BATON_LOG_FORMAT": settings.log_format,
        "PYTHONTZPATH": "",
    }
    command = [sys.executable, "-m", "app.cli"]
    fd = listener.fileno()
    return [
        Child("worker", [*command, "worker"], environment, settings.workers),
        Child("api", [*command, "api", "--fd", str(fd)], environment, settings.api_processes, (fd,)),
    ]


def _without_login(url: str) -> str:
    """Return a database URL without user and password: every process adds its own login."""
    scheme, _, rest = url.partition("://")
    login, found, place = rest.partition("@")
    return f"{scheme}://{place if found else login}"


def _seed(settings: Settings) -> None:
    from app.seed import seed  # noqa: PLC0415  # only the demo needs it

    keys = master_keys(settings)
    address = Address(administrator_url(settings), passwords_of(settings))
    path = settings.data_dir / "demo.json"
    known = json.loads(path.read_text("utf-8")) if path.exists() else None
    document = asyncio.run(seed(address, keys, settings.base_url, known))
    fresh = path.with_suffix(".tmp")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=2)
    fresh.rename(path)
