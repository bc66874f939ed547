"""What an earlier server left on a cluster: its processes and its pid file. Never signals a process.

Read from /proc/<pid>/cmdline and stat, which need no right over the process: root in a container without
CAP_SYS_PTRACE may not read the `exe` link of the account it drops to. Without /proc, PostgreSQL's own check stands.
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from app.processes.console import say
from app.processes.errors import DataDirectoryInUseError, StartAbandonedError

_PROC = Path("/proc")
_PATIENCE_S = 60.0  # a killed holder's server writes a last checkpoint before it ends


def cluster_name(cluster: Path) -> str:
    """Return the name that the server's processes carry in their titles, so that we know them again."""
    return f"baton-{hashlib.sha256(os.fsencode(cluster)).hexdigest()[:12]}"


def clear(cluster: Path, give_up: Callable[[], bool]) -> None:
    """Wait until no process of an earlier server uses `cluster`, then remove a pid file that names a foreign one.

    PostgreSQL removes a pid file of a dead process itself, but refuses to start where a process of the same account
    has that number by now. Only the caller, who holds the data directory, may call this.
    DataDirectoryInUseError after 60 s.
    """
    deadline = time.monotonic() + _PATIENCE_S
    told = False
    while users := list(_users_of(cluster)):
        if give_up():
            raise StartAbandonedError("gave up waiting for the previous PostgreSQL")
        if time.monotonic() > deadline:
            raise DataDirectoryInUseError(
                f"a PostgreSQL server that nobody supervises (process {users[0]}) still uses {cluster}: "
                f"stop it with `kill -INT {users[0]}`",
                users[0],
            )
        if not told:
            say(f"waiting for the previous PostgreSQL (process {users[0]}) to finish")
            told = True
        time.sleep(0.02)
    pid = recorded_pid(cluster)
    if pid is not None and _is_foreign(pid):
        (cluster / "postmaster.pid").unlink(missing_ok=True)


def recorded_pid(cluster: Path) -> int | None:
    """Return the process number in the pid file, or None where there is none."""
    with suppress(OSError, ValueError, IndexError):
        return int((cluster / "postmaster.pid").read_text("utf-8", "replace").split("\n", 1)[0])
    return None


def _users_of(cluster: Path) -> Iterator[int]:
    title = f"postgres: {cluster_name(cluster)}:".encode()
    for folder in _PROC.glob("[0-9]*"):
        argv = _argv(int(folder.name))
        if argv and (argv[0].startswith(title) or (_is_postmaster(argv) and os.fsencode(cluster) in argv)):
            yield int(folder.name)


def _is_foreign(pid: int) -> bool:
    """Whether `pid` lives (a zombie counts) and is not a postmaster that might use this cluster."""
    argv = _argv(pid)
    if argv is None:
        return False
    # A postmaster that names another folder is foreign; one that names none may have got it from PGDATA.
    return not (argv and _is_postmaster(argv) and b"-D" not in argv)


def _is_postmaster(argv: list[bytes]) -> bool:
    return argv[0].rsplit(b"/", 1)[-1] in {b"postgres", b"postmaster"}


def _argv(pid: int) -> list[bytes] | None:
    """Return a process's arguments, none for a zombie or a kernel thread, or None where no such process is seen."""
    with suppress(OSError):
        return [part for part in (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0") if part]
    return None
