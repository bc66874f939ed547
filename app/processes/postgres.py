"""The embedded PostgreSQL of one data directory, run as a direct child of this process.

Owns the cluster's making, start and stop, and the superuser's password. Never makes roles or tables, never listens
on the network by itself, and never signals a process that it did not start.

Below the data directory: `postgres/` (the cluster, or a link to it), `run/` (socket), `postgres.log`,
`superuser.password`, `lock`.
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from app.processes import binaries, leftovers, placement
from app.processes.account import ENVIRONMENT, Account
from app.processes.account import choose as choose_account
from app.processes.binaries import Binaries
from app.processes.console import say
from app.processes.death_signal import sent_when_parent_dies
from app.processes.errors import EmbeddedDatabaseError, StartAbandonedError

PORT = 5432  # names the socket file; nothing listens on it
_NOTICE_EVERY_S = 10.0
_STOP_S = 60.0  # a fast shutdown ends sessions and writes one checkpoint
_LOG_LIMIT_BYTES = 10 * 1024 * 1024

# Durable, small when idle, and without row values in the log: DETAIL and statements would carry personal data.
# Random reads are priced as those of a solid-state disk: at a spinning disk's price, plans that are made while a table
# is young, and kept until it is analysed, walk through the whole of it.
DEFAULTS: Mapping[str, str] = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "random_page_cost": "1.1",
    "jit": "off",
    "max_logical_replication_workers": "0",
    "listen_addresses": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
}


def _never() -> bool:
    return False


class EmbeddedPostgres:
    """One server on one data directory, held exclusively from `start` to `stop`."""

    def __init__(
        self,
        data_dir: Path,
        *,
        bindir: Path | None = None,
        settings: Mapping[str, str] | None = None,
        os_user: str = "nobody",
        spare: Path = placement.SPARE,
        cache: Path = binaries.CACHE,
    ) -> None:
        """Only remember; nothing is touched before `start`.

        `bindir` overrides the search for binaries, `settings` the defaults above. For root only: `os_user` runs the
        server, `spare` holds the cluster where that account cannot enter `data_dir`, `cache` a copy of the binaries
        where it cannot execute them.
        """
        self._data_dir = data_dir
        self._bindir = bindir
        self._settings = {**DEFAULTS, **(settings or {})}
        self._os_user = os_user
        self._spare = spare
        self._cache = cache
        self._held = ExitStack()
        self._holding = False
        self._account = Account("")
        self._server: subprocess.Popen[bytes] | None = None
        self._socket: Path | None = None
        self._home = data_dir
        self._log_start = 0

    @property
    def data_dir(self) -> Path:
        """The data directory; its real path once started."""
        return self._data_dir

    @property
    def pid(self) -> int | None:
        """The postmaster's process number, None before the first start."""
        return None if self._server is None else self._server.pid

    def is_alive(self) -> bool:
        """Whether the postmaster runs; also collects it when it has ended."""
        return self._server is not None and self._server.poll() is None

    def start(self, give_up: Callable[[], bool] = _never) -> None:
        """Return when the server takes connections; also starts a server anew that has died. Main thread only.

        Crash recovery may take as long as it needs; `give_up` is asked meanwhile, and ends it with
        StartAbandonedError. Every other EmbeddedDatabaseError says what the operator can do. If it raises on the
        first start, nothing runs and nothing is held.
        """
        if self.is_alive():
            return
        first = not self._holding
        try:
            self._start(give_up)
        except BaseException:  # Ctrl-C too must leave neither a server nor the hold behind
            self._stop_server()
            if first:
                self._release()
            raise

    def stop(self) -> None:
        """Shut down: sessions end, everything committed is on disk. Does nothing when stopped."""
        self._stop_server()
        self._release()

    def admin_url(self, database: str = "postgres") -> str:
        """Return the superuser's URL of `database`, for `baton migrate` only: row-level security does not bind it."""
        path = self._data_dir / "superuser.password"
        return self.url("postgres", path.read_text("ascii").strip(), database)

    def url(self, user: str, password: str, database: str) -> str:
        """Return a database URL over the socket, as asyncpg and SQLAlchemy read it. Only once started."""
        if self._socket is None:
            raise EmbeddedDatabaseError("the embedded database has not been started")
        user, password, database, host = (
            quote(part, safe="") for part in (user, password, database, str(self._socket))
        )
        return f"postgresql://{user}:{password}@/{database}?host={host}&port={PORT}"

    def _start(self, give_up: Callable[[], bool]) -> None:
        if not self._holding:
            self._data_dir = placement.make_data_directory(self._data_dir)
            self._held.callback(placement.Hold(self._data_dir).release)
            self._holding = True
            self._account = choose_account(self._os_user, self._data_dir / "postgres")
            self._home = self._place()
        cluster = self._home / "postgres"
        leftovers.clear(cluster, give_up)
        chosen = binaries.reachable(binaries.choose(self._bindir, cluster), self._account, self._cache)
        if not (cluster / "PG_VERSION").exists():
            self._make_cluster(chosen, cluster)
        if not (self._data_dir / "superuser.password").exists():
            raise EmbeddedDatabaseError(f"{self._data_dir / 'superuser.password'} is missing: restore it from a backup")
        self._socket = placement.socket_folder(self._home, self._account)
        self._launch(chosen, cluster)
        self._await_ready(cluster, give_up)

    def _place(self) -> Path:
        home = placement.home_of_cluster(self._data_dir, self._account, self._spare)
        if home != self._data_dir:  # a copy of the data directory would link to the same cluster
            self._held.callback(placement.Hold(home).release)
            self._held.callback(_remove_unused, home)
        return home

    def _release(self) -> None:
        if self._socket is not None and not self._socket.is_relative_to(self._home):
            with suppress(OSError):
                self._socket.rmdir()
        self._socket = None
        self._held.close()
        self._holding = False

    def _make_cluster(self, chosen: Binaries, cluster: Path) -> None:
        """Make the cluster beside its place and move it there when it is complete."""
        # A name of its own: the initdb of a killed start may still be writing into the former one.
        making = Path(tempfile.mkdtemp(prefix="postgres.init-", dir=self._home))
        try:
            self._account.give(making)
            self._initdb(chosen, making)
            (making / "cluster").rename(cluster)
        finally:
            for remains in self._home.glob("postgres.init-*"):
                shutil.rmtree(remains, ignore_errors=True)
        placement.record_home(self._data_dir, self._home)

    def _initdb(self, chosen: Binaries, making: Path) -> None:
        password = making / "password"
        _write_private(password, self._superuser_password() + "\n")
        self._account.give(password)
        options = [f"--pgdata={making / 'cluster'}", "--username=postgres", f"--pwfile={password}"]
        options += ["--auth=scram-sha-256", "--encoding=UTF8", "--data-checksums", *_locale_options(chosen.major)]
        if self._settings["fsync"] == "off":
            options.append("--no-sync")
        running = self._spawn([str(chosen.bindir / "initdb"), *options], subprocess.PIPE, signal.SIGTERM)
        try:
            output, _ = running.communicate()
        finally:
            running.kill()
            running.wait()
        if running.returncode != 0:
            raise EmbeddedDatabaseError(f"initdb failed: {output.decode('utf-8', 'replace').strip()[-800:]}")

    def _superuser_password(self) -> str:
        path = self._data_dir / "superuser.password"
        with suppress(FileNotFoundError):
            return path.read_text("ascii").strip()
        password = secrets.token_urlsafe(24)
        complete = path.with_suffix(".new")
        complete.unlink(missing_ok=True)
        _write_private(complete, password + "\n")
        complete.rename(path)
        return password

    def _launch(self, chosen: Binaries, cluster: Path) -> None:
        settings = {
            **self._settings,
            "unix_socket_directories": str(self._socket),
            "port": str(PORT),
            "cluster_name": leftovers.cluster_name(cluster),
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with self._open_log() as log:
            self._log_start = log.seek(0, os.SEEK_END)
            argv = [str(chosen.bindir / "postgres"), "-D", str(cluster), *options]
            self._server = self._spawn(argv, log.fileno(), signal.SIGINT)

    def _spawn(self, argv: list[str], output: int, on_parent_death: signal.Signals) -> "subprocess.Popen[bytes]":
        try:
            return subprocess.Popen(  # noqa: S603 - argv is made of our own paths
                argv,
                cwd="/",
                env=ENVIRONMENT,
                user=self._account.uid,
                group=self._account.gid,
                extra_groups=self._account.groups,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the parent, which stops the server last
                preexec_fn=sent_when_parent_dies(on_parent_death),  # noqa: PLW1509 - after setuid, which clears it
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise EmbeddedDatabaseError(f"cannot run {argv[0]}: {error}") from error

    def _open_log(self) -> BinaryIO:
        path = self._data_dir / "postgres.log"
        with suppress(FileNotFoundError):
            if path.stat().st_size > _LOG_LIMIT_BYTES:
                path.replace(path.with_suffix(".log.1"))
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600), "ab")

    def _await_ready(self, cluster: Path, give_up: Callable[[], bool]) -> None:
        notice = time.monotonic() + _NOTICE_EVERY_S
        while not _is_ready(cluster, self.pid):
            if not self.is_alive():
                raise EmbeddedDatabaseError(f"PostgreSQL did not start: {self._last_words()}")
            if give_up():
                raise StartAbandonedError("gave up waiting for PostgreSQL")
            if time.monotonic() > notice:
                say(f"PostgreSQL is still recovering; see {self._data_dir / 'postgres.log'}")
                notice += _NOTICE_EVERY_S
            time.sleep(0.01)

    def _last_words(self) -> str:
        path = self._data_dir / "postgres.log"
        with path.open("rb") as log:
            log.seek(self._log_start)
            lines = log.read().decode("utf-8", "replace").splitlines()
        fatal = [line for line in lines if "FATAL:" in line or "PANIC:" in line]
        return f"{(fatal or lines or ['it said nothing'])[-1]} (see {path})"

    def _stop_server(self) -> None:
        if self._server is None or self._server.poll() is not None:
            return
        self._server.send_signal(signal.SIGINT)
        try:
            self._server.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            say(f"PostgreSQL did not stop within {_STOP_S:.0f} s; it stops at once and recovers at its next start")
            self._server.send_signal(signal.SIGQUIT)
            self._server.wait()


def _remove_unused(home: Path) -> None:
    if not (home / "postgres").exists():  # no start got as far as a cluster
        shutil.rmtree(home, ignore_errors=True)


def _locale_options(major: int) -> list[str]:
    # Order by code point, and a UTF-8 LC_CTYPE: under LC_CTYPE=C full-width letters do not fold and no regular
    # expression knows a Japanese letter.
    ctype = "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"
    if major >= 17:
        return ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", f"--locale={ctype}"]
    return [f"--locale={ctype}"]


def _is_ready(cluster: Path, pid: int | None) -> bool:
    with suppress(FileNotFoundError):
        lines = (cluster / "postmaster.pid").read_text("utf-8", "replace").splitlines()
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"
    return False


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
