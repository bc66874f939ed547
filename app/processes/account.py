"""The operating-system account that PostgreSQL runs under: our own, or one that root drops to.

It never widens the rights of a folder it did not make: what the account cannot reach is put elsewhere by others.
"""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from app.processes.errors import EmbeddedDatabaseError

# A fixed environment: the host's locale may not be generated, and PG* variables would redirect the tools.
ENVIRONMENT = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


@dataclass(frozen=True, slots=True)
class Account:
    """Whom child processes run as; `uid` None means unchanged."""

    name: str
    uid: int | None = None
    gid: int | None = None

    @property
    def groups(self) -> list[int] | None:
        """Supplementary groups: none of root's."""
        return None if self.uid is None else []

    def run(self, *argv: str | Path) -> "subprocess.CompletedProcess[str]":
        """Run a short command as this account; OSError where the account cannot execute it."""
        return subprocess.run(  # noqa: S603 - argv is made of our own paths
            argv,
            cwd="/",
            env=ENVIRONMENT,
            user=self.uid,
            group=self.gid,
            extra_groups=self.groups,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )

    def can_enter(self, folder: Path) -> bool:
        """Whether this account may reach files below `folder`."""
        if self.uid is None:
            return os.access(folder, os.X_OK)
        return self.run("test", "-x", folder).returncode == 0

    def give(self, path: Path) -> None:
        """Make this account the owner of a file or folder that we have just made."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def choose(os_user: str, cluster: Path) -> Account:
    """Return the account for `cluster`: ours, or as root the cluster's owner, or `os_user` for a new one."""
    if os.geteuid() != 0:
        return _own()
    try:
        owner = cluster.stat().st_uid if cluster.exists() else 0
        entry = pwd.getpwuid(owner) if owner else pwd.getpwnam(os_user)
    except KeyError:
        raise EmbeddedDatabaseError(
            f"PostgreSQL does not run as root, and this machine has no account {os_user!r} to run it as: "
            "run baton as an ordinary user or set BATON_DATABASE_URL"
        ) from None
    account = Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    try:
        account.run("true")
    except (OSError, subprocess.SubprocessError) as error:
        raise EmbeddedDatabaseError(
            f"PostgreSQL does not run as root, and root may not become {account.name} here ({error}): "
            "run baton as an ordinary user or set BATON_DATABASE_URL"
        ) from error
    return account


def _own() -> Account:
    uid = os.geteuid()
    try:
        return Account(pwd.getpwuid(uid).pw_name)
    except KeyError:  # initdb refuses: "could not look up effective user ID"
        raise EmbeddedDatabaseError(
            f"PostgreSQL needs an account with a name, and uid {uid} has none: add it to /etc/passwd, "
            "run as another user or set BATON_DATABASE_URL"
        ) from None
