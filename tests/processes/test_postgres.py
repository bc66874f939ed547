"""The embedded database against kills, second holders, stale files, odd paths and closed folders."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
import pytest

from app.processes.binaries import find_bindirs
from app.processes.errors import DataDirectoryInUseError, EmbeddedDatabaseError, WrongMajorVersionError

pytestmark = pytest.mark.database
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root drops to another account")

HOLDER = """
import signal, sys
from pathlib import Path
from app.processes.postgres import EmbeddedPostgres
database = EmbeddedPostgres(Path(sys.argv[1]), settings={"fsync": sys.argv[2]})
database.start()
print(database.pid, database.admin_url(), flush=True)
signal.pause()
"""


def holder(data_dir: Path, fsync: str = "on") -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", HOLDER, str(data_dir), fsync]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)


def execute(url: str, statement: str) -> None:
    value(url, statement)


def value(url: str, query: str):
    async def ask():
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()

    return asyncio.run(ask())


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("binaries", find_bindirs(), ids=lambda found: f"postgresql-{found.major}")
def test_a_database_keeps_its_rows_and_its_version_over_a_restart(embedded, place, binaries):
    database = embedded(place / "data", bindir=binaries.bindir)
    database.start()
    execute(database.admin_url(), "CREATE TABLE kept AS SELECT 7 AS n")
    database.stop()
    assert not database.is_alive()

    again = embedded(place / "data")  # not told which binaries: those that fit the cluster
    again.start()

    assert value(again.admin_url(), "SELECT n FROM kept") == 7
    assert (value(again.admin_url(), "SHOW server_version_num")).startswith(str(binaries.major))


def test_a_new_database_is_durable_checked_and_knows_japanese_letters(embedded, data):
    database = embedded(data, settings={})
    database.start()
    url = database.admin_url()

    assert [value(url, f"SHOW {name}") for name in ("fsync", "synchronous_commit", "data_checksums")] == ["on"] * 3
    assert value(url, "SHOW server_encoding") == "UTF8"
    assert value(url, r"SELECT '東京' ~ '^\w+$' AND lower('ＡＢＣ') = 'ａｂｃ'")
    assert (database.data_dir / "superuser.password").stat().st_mode & 0o777 == 0o600
    with pytest.raises(asyncpg.InvalidPasswordError):
        value(database.url("postgres", "guess", "postgres"), "SELECT 1")


def test_a_killed_postmaster_loses_no_acknowledged_row(embedded, data):
    database = embedded(data, settings={})
    database.start()
    url = database.admin_url()
    execute(url, "CREATE TABLE written (n int)")
    acknowledged: set[int] = set()

    async def write(first: int) -> None:
        connection = await asyncpg.connect(url)
        for n in range(first, first + 100_000):
            await connection.execute("INSERT INTO written VALUES ($1)", n)
            acknowledged.add(n)
            if len(acknowledged) == 200:
                os.kill(database.pid, signal.SIGKILL)

    async def write_until_killed() -> None:
        await asyncio.gather(*(write(k * 100_000) for k in range(8)), return_exceptions=True)

    asyncio.run(write_until_killed())
    while database.is_alive():  # its sessions may end before the kernel has done with it
        time.sleep(0.01)
    database.start()

    stored = value(database.admin_url(), "SELECT array_agg(n) FROM written")
    assert database.admin_url() == url
    assert len(acknowledged) >= 200
    assert acknowledged <= set(stored)


def test_a_killed_holder_takes_its_server_along_and_the_next_finds_every_row(embedded, data):
    with holder(data) as first:
        postmaster, url = first.stdout.readline().split()
        execute(url, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
        os.kill(int(postmaster), signal.SIGSTOP)  # it would be gone before anybody could meet it
        first.kill()
    database = embedded(data)
    with subprocess.Popen(["sh", "-c", f"sleep 0.5; kill -CONT {postmaster}"]):
        database.start()

    assert not runs(int(postmaster))
    assert value(database.admin_url(), "SELECT sum(n) FROM kept") == 500_500


def test_a_second_holder_is_told_who_holds_and_the_first_goes_on(embedded, data):
    first = embedded(data)
    first.start()
    refused = subprocess.run(
        [sys.executable, "-c", HOLDER, str(data), "off"], capture_output=True, text=True, check=False
    )

    with pytest.raises(DataDirectoryInUseError, match=rf"in use by process {os.getpid()}: stop that") as error:
        embedded(data).start()

    assert error.value.pid == os.getpid()
    assert "\n" not in str(error.value)
    assert f"in use by process {os.getpid()}" in refused.stderr
    assert value(first.admin_url(), "SELECT 1") == 1


@pytest.mark.parametrize("ended", [False, True], ids=["living", "zombie"])
def test_a_stale_pid_file_that_names_a_bystander_harms_nobody(embedded, data, ended):
    database = embedded(data)
    database.start()
    cluster = database.data_dir / "postgres"
    left = (cluster / "postmaster.pid").read_text()
    owner = cluster.stat()
    postmaster = database.pid
    database.stop()

    account = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    with subprocess.Popen(["true"] if ended else ["sleep", "60"], cwd="/", **account) as bystander:
        while runs(bystander.pid) == ended:
            time.sleep(0.01)
        (cluster / "postmaster.pid").write_text(left.replace(str(postmaster), str(bystander.pid), 1))
        os.chown(cluster / "postmaster.pid", owner.st_uid, owner.st_gid)

        database.start()

        assert value(database.admin_url(), "SELECT 1") == 1
        assert runs(bystander.pid) != ended
        bystander.kill()


@pytest.mark.parametrize("name", ["with a space", "営業, ＆ %40 'quoted'", "long" * 30], ids=["space", "odd", "long"])
def test_the_path_of_the_data_directory_may_be_odd_or_long(embedded, place, data, name):
    database = embedded(data.rename(place / name))
    database.start()

    assert value(database.admin_url(), "SELECT 1") == 1


def test_a_start_that_is_killed_while_making_the_cluster_can_be_repeated(embedded, place):
    with holder(place / "data", "off") as first:
        while first.poll() is None and not list((place / "data").glob("postgres.init-*/cluster/PG_VERSION")):
            time.sleep(0.001)
        first.kill()
    assert not (place / "data" / "postgres").exists()

    embedded(place / "data").start()

    assert sorted(path.name for path in (place / "data").iterdir()) == [
        "lock", "postgres", "postgres.log", "run", "superuser.password"
    ]  # fmt: skip


def test_a_cluster_of_another_major_version_is_refused_with_the_way_out(embedded, place):
    cluster = place / "data" / "postgres"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("14\n")

    with pytest.raises(WrongMajorVersionError, match=r"written by PostgreSQL 14, here is .*pg_dumpall.*restore"):
        embedded(place / "data").start()

    assert [path.name for path in cluster.iterdir()] == ["PG_VERSION"]


def test_a_server_that_cannot_start_says_why_and_lets_go(embedded, data):
    broken = embedded(data, settings={"fsync": "off", "shared_buffers": "none"})
    with pytest.raises(EmbeddedDatabaseError, match="shared_buffers"):
        broken.start()

    embedded(data).start()


@as_root
def test_root_leaves_a_closed_folder_closed_and_keeps_the_cluster_elsewhere(embedded, place):
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    database = embedded(closed / "data")
    database.start()
    execute(database.admin_url(), "CREATE TABLE kept AS SELECT 7 AS n")
    database.stop()
    database.start()

    assert value(database.admin_url(), "SELECT n FROM kept") == 7
    assert closed.stat().st_mode & 0o777 == 0o700
    assert (closed / "data" / "postgres").resolve().is_relative_to(place / "spare")

    shutil.copytree(closed / "data", closed / "copy", symlinks=True)
    with pytest.raises(DataDirectoryInUseError):  # a copy links to the same cluster
        embedded(closed / "copy").start()

    database.stop()
    shutil.rmtree(closed / "data")
    afresh = embedded(closed / "data")
    afresh.start()
    assert value(afresh.admin_url(), "SELECT to_regclass('kept') IS NULL")


@as_root
def test_root_copies_binaries_that_its_account_cannot_reach(embedded, place, data):
    wheel = next((found for found in find_bindirs() if found.bindir.parent.name == "pginstall"), None)
    if wheel is None:
        pytest.skip("the wheel is not installed")
    package = wheel.bindir.parents[1]
    (place / "closed").mkdir(mode=0o700)
    for folder in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(folder, place / "closed" / folder.name, symlinks=True)

    database = embedded(data, bindir=place / "closed" / package.name / "pginstall" / "bin", cache=place / "cache")
    database.start()

    assert value(database.admin_url(), "SELECT 1") == 1
    assert Path(f"/proc/{database.pid}/exe").readlink().is_relative_to(place / "cache")
    assert (place / "closed").stat().st_mode & 0o777 == 0o700
