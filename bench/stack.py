"""Starts what is measured: Baton as its users start it, and floors beside it on the same PostgreSQL."""

import asyncio
import base64
import json
import os
import socket
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

import asyncpg

from bench.load import Answered, Order

DATA_DIR = Path(".baton/bench")
_START_S = 120.0
_DRAINED_S = 120.0
_BUSY = "select exists (select from baton.adjudication) or exists (select from baton.outbox)"
_UNLIMITED = dict.fromkeys(
    ("BATON_RATE_DEFAULT", "BATON_RATE_WRITE", "BATON_RATE_TOKEN", "BATON_RATE_ADDRESS"), "600000"
)
"""One client sends here what many would; its requests are counted all the same."""
_LEDGER = "baton.event, baton.outbox, baton.feed, baton.delivery, baton.attempt, baton.idempotency"


class BenchError(RuntimeError):
    """The benchmark cannot go on; the message says why."""


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def peak_mib(pid: int) -> float:
    """Return the peak resident memory of a process since `forget_peak`, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def forget_peak(pid: int) -> None:
    """Begin a new peak at what the process holds now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", "ascii")


@dataclass(frozen=True, slots=True)
class Target:
    """One server to load: where it listens, its process, and the token that opens it."""

    port: int
    pid: int
    token: str


async def load(order: Order) -> Answered:
    """Run one round in a process of its own. Raises BenchError when any answer was not the expected one."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.load", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate(json.dumps(asdict(order)).encode())
    if process.returncode != 0:
        raise BenchError("the load generator failed")
    answered = Answered(**json.loads(out))
    if answered.unexpected:
        raise BenchError(f"{order.requests}: unexpected answers {answered.unexpected} {answered.example}")
    return answered


class Baton:
    """`baton up --demo` on a data directory of the benchmark's own, and the superuser's view of its database."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._process = process
        self.port = port
        self._demo: Mapping[str, Any] = json.loads((DATA_DIR / "demo.json").read_text("utf-8"))

    @classmethod
    async def start(cls) -> "Baton":
        """Start Baton and wait until it is ready."""
        port = free_port()
        with _log() as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "app.cli", "up", "--demo"),
                env={**os.environ, **_UNLIMITED, "BATON_DATA_DIR": str(DATA_DIR), "BATON_PORT": str(port)},
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _START_S
        while not await asyncio.to_thread(_answers, f"http://127.0.0.1:{port}/health/ready"):
            if process.returncode is not None or time.monotonic() > deadline:
                await _end(process)
                raise BenchError(f"Baton did not start: see {DATA_DIR / 'baton.log'}")
            await asyncio.sleep(0.2)
        return cls(process, port)

    async def stop(self) -> None:
        """Stop Baton and its database."""
        await _end(self._process)

    @property
    def api_pid(self) -> int:
        """The process number of the one API process."""
        return next(pid for pid, line in self._children() if "api" in line)

    @property
    def worker_pid(self) -> int:
        """The process number of the one worker."""
        return next(pid for pid, line in self._children() if "worker" in line)

    def _children(self) -> Iterator[tuple[int, list[str]]]:
        pid = self._process.pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split():
            line = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
            if b"app.cli" in line:
                yield int(child), [part.decode() for part in line]

    def client(self, name: str) -> str:
        """Return the id of a demo client."""
        return self._demo["clients"][name]["client_id"]

    async def target(self, client: str) -> Target:
        """Return Baton with a fresh token of one of the demo's clients."""
        return Target(self.port, self.api_pid, await asyncio.to_thread(self._token, client))

    def _token(self, client: str) -> str:
        held = self._demo["clients"][client]
        login = base64.b64encode(f"{held['client_id']}:{held['client_secret']}".encode()).decode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/oauth/token",
            b"grant_type=client_credentials",
            {"Authorization": f"Basic {login}", "Content-Type": "application/x-www-form-urlencoded"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)["access_token"]

    @property
    def database_url(self) -> str:
        """The superuser's URL of the embedded database; `postmaster.pid` names the folder of its socket."""
        folder = (DATA_DIR / "postgres" / "postmaster.pid").read_text("utf-8").splitlines()[4].strip()
        password = (DATA_DIR / "superuser.password").read_text("ascii").strip()
        return f"postgresql://postgres:{quote(password, safe='')}@/postgres?host={quote(folder, safe='')}&port=5432"

    async def admin(self) -> asyncpg.Connection:
        """Return a new connection that row-level security does not bind; the caller closes it."""
        return await asyncpg.connect(self.database_url)

    async def clear(self) -> None:
        """Remove every lead and all that hangs on leads, so that each run begins alike."""
        connection = await self.admin()
        await connection.execute(f"truncate baton.lead, {_LEDGER} cascade")
        await connection.close()

    async def drained(self) -> float:
        """Wait until nothing is left to adjudicate or publish; return how many seconds that took.

        Raises BenchError where the worker has not done it after `_DRAINED_S`.
        """
        connection = await self.admin()
        began = time.monotonic()
        while await connection.fetchval(_BUSY):
            if time.monotonic() - began > _DRAINED_S:
                raise BenchError(f"the worker does not keep up, see {DATA_DIR}/baton.log")
            await asyncio.sleep(0.05)
        await connection.close()
        return time.monotonic() - began


@dataclass(slots=True)
class Floor:
    """One floor as a server of its own: uvicorn with the event loop and the HTTP parser that Baton's API has."""

    process: asyncio.subprocess.Process
    port: int

    @classmethod
    async def start(cls, module: str, database_url: str) -> "Floor":
        """Start `bench.floors.<module>` and wait until it listens."""
        port = free_port()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "uvicorn", f"bench.floors.{module}:app", "--port", str(port)),
            *("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"),
            *("--no-server-header", "--no-proxy-headers"),
            env={**os.environ, "FLOOR_DATABASE": database_url},
        )
        deadline = time.monotonic() + _START_S
        while not await asyncio.to_thread(_listens, port):
            if process.returncode is not None or time.monotonic() > deadline:
                await _end(process)
                raise BenchError(f"the floor {module} did not start")
            await asyncio.sleep(0.1)
        return cls(process, port)

    @property
    def target(self) -> Target:
        """The floor; it asks for no token, but gets one of the same length."""
        return Target(self.port, self.process.pid, "x" * 800)

    async def stop(self) -> None:
        """Stop the floor."""
        await _end(self.process)


@contextmanager
def peak_of(*pids: int) -> Iterator[list[float]]:
    """Fill the list with the peak of each process within the block, in MiB."""
    peaks: list[float] = []
    for pid in pids:
        forget_peak(pid)
    yield peaks
    peaks.extend(peak_mib(pid) for pid in pids)


def _log() -> BinaryIO:
    DATA_DIR.mkdir(parents=True, exist_ok=True)
    return (DATA_DIR / "baton.log").open("wb")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    await process.wait()
