"""Starts `baton up --demo` on a fresh data directory, waits until it serves, and stops it cleanly."""

import asyncio
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx2

DATA_DIR = Path(".baton/demo")
LOG = Path(".baton/demo.log")
_START_S = 60.0
_STOP_S = 30.0
_KEPT = ("BATON_PORT", "BATON_API_PROCESSES", "BATON_WORKERS", "BATON_LOG_FORMAT")


class CannotStartError(Exception):
    """Baton could not be started; the message is what to tell the user."""


def port() -> int:
    """Return the port to serve on. Raises CannotStartError where something else has it."""
    text = os.environ.get("BATON_PORT") or "8000"
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise CannotStartError(f"BATON_PORT is no port: {text}")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(text)))
        except OSError as error:
            raise CannotStartError(
                f"port {text} cannot be used ({error.strerror}): stop what listens there, or set BATON_PORT to another"
            ) from None
    return int(text)


def clear() -> None:
    """Remove what an earlier demo left. Raises CannotStartError while another one runs in it."""
    lock = DATA_DIR / "lock"
    if lock.exists():
        with lock.open() as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise CannotStartError(f"another demo runs in {DATA_DIR}: stop it first") from None
    cluster = DATA_DIR / "postgres"
    if cluster.is_symlink():  # its account could not enter the data directory: the database stands elsewhere
        home = Path(os.path.realpath(cluster)).parent
        note = home / "data_directory"
        if note.is_file() and note.read_text("utf-8").strip() == str(DATA_DIR.resolve()):
            shutil.rmtree(home, ignore_errors=True)
    shutil.rmtree(DATA_DIR, ignore_errors=True)
    if DATA_DIR.exists():
        raise CannotStartError(f"{DATA_DIR.resolve()} cannot be removed: does it belong to another user?")


class Server:
    """The running demo. Its output goes to a log file, so that the play is not disturbed."""

    def __init__(self, listen_on: int) -> None:
        self._port = listen_on
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where Baton serves."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start Baton in a session of its own: Ctrl-C reaches the demo alone, which then stops it in order."""
        LOG.parent.mkdir(exist_ok=True)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("BATON_")}
        environment |= {name: os.environ[name] for name in _KEPT if name in os.environ}
        environment |= {"BATON_DATA_DIR": str(DATA_DIR), "BATON_TEST_CLOCK": "1", "BATON_PORT": str(self._port)}
        with LOG.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "app.cli", "up", "--demo"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    async def ready(self) -> dict[str, Any]:
        """Wait until Baton serves; return who may log in. Raises CannotStartError with the end of the log."""
        began = time.monotonic()
        async with httpx2.AsyncClient(base_url=self.url) as http:
            while time.monotonic() - began < _START_S:
                if self.ended:
                    raise CannotStartError(f"`baton up --demo` ended before it served:\n{self.last_words()}")
                try:
                    answer = await http.get("/health/ready", timeout=2)
                    if answer.status_code == 200:
                        return json.loads((DATA_DIR / "demo.json").read_text("utf-8"))
                except (httpx2.HTTPError, OSError):
                    pass
                await asyncio.sleep(0.05)
        raise CannotStartError(f"`baton up --demo` did not serve within {_START_S:.0f} s:\n{self.last_words()}")

    @property
    def ended(self) -> bool:
        """Whether Baton has ended by itself."""
        return self._process is not None and self._process.poll() is not None

    def last_words(self, lines: int = 15) -> str:
        """Return the end of Baton's log."""
        text = LOG.read_text("utf-8", "replace") if LOG.exists() else ""
        return "\n".join(f"  {line}" for line in text.splitlines()[-lines:])

    def stop(self) -> bool:
        """Stop Baton; whether it ended in order."""
        if self._process is None or self.ended:
            return True
        self._process.send_signal(signal.SIGTERM)
        try:
            # Before Baton has its own handlers, the signal itself ends it.
            return self._process.wait(_STOP_S) in (0, -signal.SIGTERM)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            return False
