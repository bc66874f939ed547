"""The parent of `baton up`, run as a real process with real children."""

import asyncio
import itertools
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

PARENT = """
import json, sys
from pathlib import Path
from app.processes.parent import Child, run_parent
from app.processes.postgres import EmbeddedPostgres
data, specs = sys.argv[1], json.loads(sys.argv[2])
database = EmbeddedPostgres(Path(data), settings={"fsync": "off"}) if data else None
if database:
    database.start()
    print(database.pid, database.admin_url(), flush=True)
run_parent(database, [Child(**spec) for spec in specs], lambda: print("ready", flush=True))
"""


@pytest.fixture
def parent(place):
    """Start parents of shell children whose `$LOG` is a file that they may write to."""
    started: list[subprocess.Popen[str]] = []

    def start(*children: dict[str, object], data: Path | str = "", fds: tuple[int, ...] = ()) -> subprocess.Popen[str]:
        specs = [
            {**child, "argv": ["sh", "-c", child["argv"]], "env": {"LOG": str(place / "log")}} for child in children
        ]
        argv = [sys.executable, "-c", PARENT, str(data), json.dumps(specs)]
        started.append(subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, pass_fds=fds))
        return started[-1]

    yield start
    for process in started:
        process.terminate()
        process.communicate(timeout=30)


def log(place: Path) -> list[str]:
    return (place / "log").read_text().split() if (place / "log").exists() else []


def runs(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until(condition: Callable[[], object], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


SLEEPER = "echo $$ >> $LOG; exec sleep 60"


def test_a_dead_child_is_started_again_and_a_stop_leaves_none(place, parent):
    process = parent({"name": "worker", "argv": SLEEPER, "count": 2})
    until(lambda: len(log(place)) == 2)
    assert process.stdout.readline() == "ready\n"
    killed = log(place)[0]

    subprocess.run(["kill", "-9", killed], check=True)

    until(lambda: len(log(place)) == 3)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=10)
    assert process.returncode == 0
    assert not any(runs(pid) for pid in log(place))
    assert "was ended by signal 9 (Killed); starting it again in 0.2 s" in said


def test_a_connection_made_while_the_child_is_down_is_served_by_the_next_one(parent):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        fd = listening.fileno()
        serve_one = f"import socket; socket.socket(fileno={fd}).accept()[0].sendall(b'served')"
        parent({"name": "api", "argv": f'{sys.executable} -c "{serve_one}"', "pass_fds": [fd]}, fds=(fd,))
        for _ in range(2):
            with socket.create_connection(listening.getsockname(), timeout=10) as client:
                assert client.recv(6) == b"served"


def test_a_child_that_keeps_dying_is_started_ever_more_slowly(place, parent):
    parent({"name": "broken", "argv": "date +%s.%N >> $LOG; exit 3"})
    until(lambda: len(log(place)) == 4)
    at = [float(stamp) for stamp in log(place)]

    least = (0.2, 0.4, 0.8)
    waits = [later - earlier for earlier, later in itertools.pairwise(at)]
    assert all(waited > asked - 0.1 for waited, asked in zip(waits, least, strict=True)), waits


def test_a_killed_parent_leaves_no_orphan(place, data, parent):
    process = parent({"name": "api", "argv": SLEEPER, "count": 2}, {"name": "worker", "argv": SLEEPER}, data=data)
    postmaster = process.stdout.readline().split()[0]
    until(lambda: len(log(place)) == 3)

    process.kill()

    until(lambda: not any(runs(pid) for pid in [postmaster, *log(place)]))


def test_a_killed_postmaster_is_started_again_under_the_same_url(place, data, parent):
    process = parent({"name": "worker", "argv": SLEEPER}, data=data)
    postmaster, url = process.stdout.readline().split()
    assert process.stdout.readline() == "ready\n"
    until(lambda: log(place))

    subprocess.run(["kill", "-9", postmaster], check=True)

    async def ask() -> int:
        connection = await asyncpg.connect(url)
        answer = await connection.fetchval("SELECT 1")
        await connection.close()
        return answer

    def answers() -> bool:
        with suppress(OSError, asyncpg.PostgresError):
            return asyncio.run(ask()) == 1
        return False

    until(answers)
    assert runs(log(place)[0])


def test_children_are_stopped_in_reverse_and_the_database_last(place, data, parent):
    child = (
        "trap 'ls {0}/data/postgres/postmaster.pid >/dev/null && echo {1} >> $LOG; exit' TERM; "
        "echo up >> $LOG; while :; do sleep 0.05; done"
    )
    process = parent(
        {"name": "api", "argv": child.format(place, "api")},
        {"name": "worker", "argv": child.format(place, "worker")},
        data=data,
    )
    until(lambda: log(place) == ["up", "up"])

    process.send_signal(signal.SIGINT)

    process.communicate(timeout=10)
    assert log(place) == ["up", "up", "worker", "api"]
    assert not (place / "data/postgres/postmaster.pid").exists()


def test_a_second_signal_kills_a_child_that_does_not_stop(place, parent):
    process = parent({"name": "deaf", "argv": "trap '' TERM; echo $$ >> $LOG; while :; do sleep 0.05; done"})
    until(lambda: log(place))
    process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    assert runs(log(place)[0])

    process.send_signal(signal.SIGTERM)

    process.communicate(timeout=5)
    assert not runs(log(place)[0])
