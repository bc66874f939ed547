"""Where the embedded database's files and socket stand, and who holds them.

The cluster stands in the data directory unless the server's account cannot enter it: then in a folder of its own
below `spare`, and `postgres` in the data directory is a link to it. Never changes the rights of a parent folder.
"""

import fcntl
import hashlib
import os
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from app.processes.account import Account
from app.processes.console import say
from app.processes.errors import DataDirectoryInUseError, EmbeddedDatabaseError

SPARE = Path("/var/lib/baton")
LONGEST_SOCKET_FOLDER = 93  # bytes: sockaddr_un holds 107 and a NUL, "/.s.PGSQL.5432" takes 14


class Hold:
    """An exclusive hold on a folder, ended by `release` or by the death of this process."""

    def __init__(self, folder: Path) -> None:
        """Take the hold; DataDirectoryInUseError names the process that has it."""
        path = folder / "lock"
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise EmbeddedDatabaseError(
                f"cannot open {path} ({error.strerror}): does it belong to another user?"
            ) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = self._holder()
            os.close(self._descriptor)
            raise DataDirectoryInUseError(
                f"{folder} is in use by process {holder or 'unknown'}: stop that `baton up` first, "
                "or choose another directory with BATON_DATA_DIR",
                holder,
            ) from error
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let the next process in. The file stays: removing it would let two hold two files of one name."""
        os.close(self._descriptor)

    def _holder(self) -> int | None:
        for _ in range(20):  # it may have the lock and not yet have written its name
            text = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip()
            if text.isdecimal():
                return int(text)
            time.sleep(0.01)
        return None


def make_data_directory(data_dir: Path) -> Path:
    """Make `data_dir` if it is absent and return its real path."""
    mode = 0o711 if os.geteuid() == 0 else 0o700  # root's server account has to pass through
    try:
        data_dir.mkdir(mode=mode, parents=True, exist_ok=True)
    except OSError as error:
        raise EmbeddedDatabaseError(f"cannot make the data directory {data_dir}: {error.strerror}") from error
    return data_dir.resolve()


def home_of_cluster(data_dir: Path, account: Account, spare: Path) -> Path:
    """Return the folder that holds, or for a new cluster shall hold, `postgres`."""
    link = data_dir / "postgres"
    if link.is_symlink():
        cluster = Path(os.path.realpath(link))
        if not cluster.is_dir():
            raise EmbeddedDatabaseError(
                f"the database of {data_dir} was kept in {cluster}, which is gone: restore it, "
                f"or remove {data_dir} to begin anew"
            )
        return cluster.parent
    if account.can_enter(data_dir):
        return data_dir
    if link.exists():
        raise EmbeddedDatabaseError(
            f"the account {account.name}, which PostgreSQL runs under, cannot enter {data_dir}: "
            "let it pass through the folders above, or move the data directory"
        )
    return _spare_home(data_dir, account, spare)


def record_home(data_dir: Path, home: Path) -> None:
    """Note in the data directory where its complete cluster stands."""
    if home != data_dir:
        (data_dir / "postgres").symlink_to(home / "postgres")
    for folder in {data_dir, home}:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def socket_folder(home: Path, account: Account) -> Path:
    """Make and return the folder of the server's socket, which only the server's account and root may enter.

    `home/run`, or a short hashed folder below /tmp where that is over 93 bytes or holds a comma, which separates
    hosts in a database URL.
    """
    folder = home / "run"
    if len(os.fsencode(folder)) > LONGEST_SOCKET_FOLDER or set(str(folder)) & set(',"'):
        folder = Path("/tmp") / f"baton-{hashlib.sha256(os.fsencode(home)).hexdigest()[:16]}"  # noqa: S108 - checked below
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        account.give(folder)
    found = folder.lstat()
    owner = os.geteuid() if account.uid is None else account.uid
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or found.st_mode & 0o077:
        raise EmbeddedDatabaseError(f"{folder} is not a private folder of {account.name}: remove it and start again")
    return folder


def _spare_home(data_dir: Path, account: Account, spare: Path) -> Path:
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:10]
    try:
        spare.mkdir(mode=0o755, parents=True, exist_ok=True)
        earlier = [str(found) for found in spare.glob(f"{digest}-*/postgres")]
        home = Path(tempfile.mkdtemp(prefix=f"{digest}-", dir=spare))
        home.chmod(0o711)
        (home / "data_directory").write_text(f"{data_dir}\n", "utf-8")
    except OSError as error:
        raise EmbeddedDatabaseError(
            f"the account {account.name}, which PostgreSQL runs under, cannot enter {data_dir}, "
            f"and {spare} cannot be used instead ({error.strerror}): set BATON_DATA_DIR to a folder it can reach"
        ) from error
    if not account.can_enter(home):
        raise EmbeddedDatabaseError(
            f"{account.name} can enter neither {data_dir} nor {spare}: set BATON_DATA_DIR to another folder"
        )
    say(f"the account {account.name}, which PostgreSQL runs under, cannot enter {data_dir}: the database is in {home}")
    if earlier:
        say(f"earlier databases of {data_dir} are still in {', '.join(earlier)}; remove what you do not need")
    return home
