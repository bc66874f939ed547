"""The parent of `baton up`: starts processes in order, restarts what dies, stops all in reverse order.

Owns no setting, no socket and no loop of Baton's own; the standard library is all it loads.
"""

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType, TracebackType
from typing import Any, Protocol, Self

from app.processes.console import say
from app.processes.death_signal import sent_when_parent_dies
from app.processes.errors import EmbeddedDatabaseError
from app.processes.postgres import EmbeddedPostgres

_GRACE_S = 12.0  # a worker finishes its cycle within 10 s
_FIRST_DELAY_S = 0.2
_LONGEST_DELAY_S = 10.0
_STEADY_S = 30.0  # who lived this long starts again after the first delay


@dataclass(frozen=True, slots=True)
class Child:
    """A kind of process: `count` of them run `argv`, with `env` on top of the parent's environment.

    `pass_fds` stay open in the child: a listening socket that the parent holds loses no connection while the child
    that accepts from it is started again.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    count: int = 1
    pass_fds: Sequence[int] = ()


def run_parent(
    postgres: EmbeddedPostgres | None,
    children: Sequence[Child],
    on_ready: Callable[[], None] | None = None,
) -> None:
    """Run until SIGTERM, SIGINT or SIGHUP, then return with everything stopped. Main thread only.

    `postgres` has been started by the caller; here it is started again when it dies, and stopped last. A child that
    dies is started again after 0.2 s, doubling to 10 s. `on_ready` is called once, after every child was started; it
    must return quickly, for nothing is restarted meanwhile. A second signal cuts the 12 s of grace short.
    """
    with _Signals() as signals:
        kinds = [[_Process(child, n) for n in range(1, child.count + 1)] for child in children]
        kept = [_Kept(process) for kind in kinds for process in kind]
        if postgres is not None:
            kept.insert(0, _Kept(_Database(postgres, signals.stopping)))
        try:
            _keep_running(kept, signals, on_ready)
        finally:
            for kind in reversed(kinds):
                _end(kind, signals)
            if postgres is not None:
                postgres.stop()
            say("stopped")


def _keep_running(kept: "Sequence[_Kept]", signals: "_Signals", on_ready: Callable[[], None] | None) -> None:
    while not signals.stopping():
        due = min((one.look() for one in kept if not signals.stopping()), default=_LONGEST_DELAY_S)
        if on_ready is not None and not signals.stopping():
            on_ready()
            on_ready = None
        signals.wait(due)


def _end(processes: "Sequence[_Process]", signals: "_Signals") -> None:
    deadline = time.monotonic() + _GRACE_S
    for process in processes:
        process.ask_to_end()
    while any(process.is_alive() for process in processes) and not signals.impatient():
        left = deadline - time.monotonic()
        if left <= 0:
            break
        signals.wait(left)
    for process in processes:
        process.kill()


class _Runnable(Protocol):
    label: str

    def is_alive(self) -> bool: ...

    def start(self) -> int | None: ...

    def how_it_ended(self) -> str: ...


class _Database:
    """The postmaster, seen as one more process to keep running."""

    label = "postgres"

    def __init__(self, postgres: EmbeddedPostgres, give_up: Callable[[], bool]) -> None:
        self._postgres = postgres
        self._give_up = give_up

    def is_alive(self) -> bool:
        return self._postgres.is_alive()

    def start(self) -> int | None:
        self._postgres.start(self._give_up)
        return self._postgres.pid

    def how_it_ended(self) -> str:
        return "ended"


class _Process:
    """One process of a child, in a session of its own so that Ctrl-C reaches the parent alone."""

    def __init__(self, child: Child, n: int) -> None:
        self.label = child.name if child.count == 1 else f"{child.name} {n}"
        self._child = child
        self._running: subprocess.Popen[bytes] | None = None

    def is_alive(self) -> bool:
        return self._running is not None and self._running.poll() is None

    def start(self) -> int:
        self._running = subprocess.Popen(  # noqa: S603 - the composition root names the program
            self._child.argv,
            env={**os.environ, **self._child.env},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=self._child.pass_fds,
            preexec_fn=sent_when_parent_dies(signal.SIGTERM),  # noqa: PLW1509 - the parent has one thread
        )
        return self._running.pid

    def how_it_ended(self) -> str:
        status = self._running.returncode if self._running is not None else None
        if status is not None and status < 0:
            return f"was ended by signal {-status} ({signal.strsignal(-status)})"
        return f"ended with status {status}"

    def ask_to_end(self) -> None:
        if self._running is not None:
            self._running.terminate()

    def kill(self) -> None:
        """End it now, with whatever it started."""
        if self._running is None or not self.is_alive():
            return
        say(f"{self.label} did not stop in time; killing it")
        with suppress(ProcessLookupError):
            os.killpg(self._running.pid, signal.SIGKILL)
        self._running.wait()


class _Kept:
    """A process to be kept running, and when it may be started again."""

    def __init__(self, what: _Runnable) -> None:
        self._what = what
        self._was_alive = what.is_alive()
        self._started_at = time.monotonic()
        self._next_start = self._started_at
        self._delay = _FIRST_DELAY_S

    def look(self) -> float:
        """Start it where that is due; return after how many seconds to look again without a signal."""
        if self._what.is_alive():
            return _LONGEST_DELAY_S
        now = time.monotonic()
        if self._was_alive:
            self._was_alive = False
            self._postpone(now, self._what.how_it_ended())
        if now >= self._next_start:
            self._start(now)
        return _LONGEST_DELAY_S if self._was_alive else max(0.0, self._next_start - time.monotonic())

    def _start(self, now: float) -> None:
        self._started_at = now
        try:
            pid = self._what.start()
        except (OSError, subprocess.SubprocessError, EmbeddedDatabaseError) as error:
            self._postpone(time.monotonic(), f"could not be started: {error}")
            return
        self._was_alive = True
        say(f"{self._what.label} started (process {pid})")

    def _postpone(self, now: float, why: str) -> None:
        if now - self._started_at >= _STEADY_S:
            self._delay = _FIRST_DELAY_S
        say(f"{self._what.label} {why}; starting it again in {self._delay:.1f} s")
        self._next_start = now + self._delay
        self._delay = min(self._delay * 2, _LONGEST_DELAY_S)


class _Signals:
    """The parent's signals as a thing to wait for; puts the former handlers back."""

    def __init__(self) -> None:
        self._asked = 0
        self._former: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._former_wakeup = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:  # under nohup
                continue
            self._former[number] = signal.signal(number, self._note)
        self._former[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, _wake)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._former_wakeup)
        os.close(self._reader)
        os.close(self._writer)

    def stopping(self) -> bool:
        return self._asked > 0

    def impatient(self) -> bool:
        """Whether a second signal asked to hurry."""
        return self._asked > 1

    def wait(self, seconds: float) -> None:
        """Return at the next signal, a child's death included, or after `seconds`."""
        select.select([self._reader], [], [], seconds)
        with suppress(BlockingIOError):
            os.read(self._reader, 4096)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self._asked += 1


def _wake(_number: int, _frame: FrameType | None) -> None:
    """Exist: without a handler SIGCHLD would not wake the wait."""
