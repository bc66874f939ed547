"""What the audience sees: one line per step with its time, bars on the long ones, colours only on a terminal."""

import sys
import time
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from examples.demo.api import Answer, unexpected
from examples.demo.clock import DemoClock

_STYLES = {
    "Vendor A": "cyan",
    "Vendor B": "magenta",
    "Sales": "green",
    "Success": "bright_blue",
    "Manager": "yellow",
    "On-call": "bright_red",
}
_MARGIN = 24
_WHO = 9
_WHAT = 70
_PLAIN_WIDTH = 200


class Mark(Enum):
    """What a line says: done, refused as the rules have it, time moved, or failed."""

    DONE = ("✓", "green")
    REFUSED = ("⊘", "yellow")
    TIME = ("»", "blue")
    TOLD = ("·", "dim")
    FAILED = ("✗", "bold red")


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that came otherwise than expected."""

    what: str
    expected: str
    came: str


def _console() -> Console:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    terminal = sys.stdout.isatty()
    return Console(highlight=False, markup=False, emoji=False, width=None if terminal else _PLAIN_WIDTH)


@dataclass(slots=True)
class Show:
    """Prints the play and remembers what failed."""

    clock: DemoClock
    failures: list[Failure] = field(default_factory=list)
    steps: int = 0
    console: Console = field(default_factory=_console)
    _tables: list[tuple[str, list[str], list[list[str]]]] = field(default_factory=list)
    _last: list[str] = field(default_factory=list)
    _started: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Seconds since the demo began."""
        return time.monotonic() - self._started

    def say(self, text: str = "", style: str = "") -> None:
        """Print a line outside the play."""
        self.console.print(Text(text, style=style), soft_wrap=True)

    def scene(self, title: str, japanese: str, what_for: str) -> None:
        """Begin a scene."""
        self.say()
        head = Text(f"── {title} ", style="bold")
        head.append(f"{japanese} ", style="bold dim")
        head.append(f"· {what_for}", style="dim")
        self.console.print(head, soft_wrap=True)

    def step(self, who: str, what: str, came: str = "", why: str = "", mark: Mark = Mark.DONE) -> None:
        """Print one step: who did what, what came of it, and by which rule."""
        self.steps += 1
        sign, style = mark.value
        line = Text()
        line.append(f"{self.seconds:5.1f}s  {self.clock.now():%a %d %H:%M}  ", style="dim")
        line.append(f"{sign} ", style=style)
        line.append(set_cell_size(who, _WHO) + " ", style=_STYLES.get(who, "bold"))
        body = f"{what} → {came}" if came else what
        line.append(body, style="yellow" if mark is Mark.REFUSED else "")
        if why:
            line.append(self._placed(why, cell_len(body), self.console.width - cell_len(line.plain)), style="dim")
        self.console.print(line, soft_wrap=True)

    def _placed(self, why: str, body: int, room: int) -> str:
        """Return the reason as it stands beside a step `body` cells wide, with `room` cells left on the line.

        In a column where that fits, at the right edge of a narrower terminal, below the step where neither does.
        """
        need = cell_len(why)
        gap = max(2, _WHAT - body)
        if need + gap <= room or not self.console.is_terminal:
            return " " * gap + why
        if need + 2 <= room:
            return " " * (room - need) + why
        return "\n" + " " * (_MARGIN + _WHO + 1) + "╰ " + why

    async def attempt(self, part: Awaitable[None]) -> None:
        """Play a part that others do not rest on: where it stops, that is remembered and the play goes on."""
        try:
            await part
        except Exception as error:  # noqa: BLE001 - whatever it was, the audience reads what failed
            self.stopped(error)

    def stopped(self, error: Exception) -> None:
        """Remember what stopped the play or a part of it, and print it."""
        found = unexpected(error)
        self.failures.append(Failure(found.what, found.expected, found.came))
        self.step("Baton", found.what, f"{_short(found.came, 300)}, expected {found.expected}", "", Mark.FAILED)

    def refusal(self, who: str, what: str, expected: str, answer: Answer, why: str = "") -> None:
        """Print a step that has to be refused; `expected` is status and slug. The rule that refused is the why."""
        came = f"{answer.status} {answer.slug}"
        why = ": ".join(part for part in (answer.rule, why) if part)
        if expected == came:
            self.step(who, what, came, why, Mark.REFUSED)
        else:
            self.check(who, what, expected, came, why)

    def check(self, who: str, what: str, expected: object, came: object, why: str = "") -> bool:
        """Print a step whose outcome is known beforehand; remember it where something else came."""
        if expected == came:
            self.step(who, what, _short(came), why)
            return True
        if isinstance(expected, dict) and isinstance(came, dict):
            names = [name for name in {**expected, **came} if expected.get(name) != came.get(name)]
            expected, came = ({name: found.get(name) for name in names} for found in (expected, came))
        self.failures.append(Failure(what, _short(expected, 400), _short(came, 400)))
        self.step(who, what, f"{_short(came)}, expected {_short(expected)}", why, Mark.FAILED)
        return False

    @contextmanager
    def bar(self, label: str, total: int) -> Iterator[Any]:
        """Show a progress bar on a terminal; yields a function to call once for each thing done."""
        if not self.console.is_terminal:
            yield lambda: None
            return
        columns = (
            TextColumn(" " * 21 + "{task.description}"),
            BarColumn(bar_width=40),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self.console, transient=True) as progress:
            task = progress.add_task(label, total=total)
            yield lambda: progress.advance(task)

    def tell(self, when: datetime, kind: str, sentence: str) -> None:
        """Print one event of a story."""
        line = Text(f"        {when:%a %d %H:%M}  ", style="dim")
        line.append("│ ", style="blue")
        line.append(f"{sentence:<{max(0, 78 - cell_len(sentence) + len(sentence))}}", style="default")
        line.append(kind, style="dim")
        self.console.print(line, soft_wrap=True)

    def conclude(self, words: str) -> None:
        """Keep a line for the end of the play."""
        self._last.append(words)

    def keep(self, title: str, columns: list[str], rows: list[list[str]]) -> None:
        """Keep a table for the end of the play."""
        self._tables.append((title, columns, rows))

    def _table(self, title: str, columns: list[str], rows: list[list[str]]) -> None:
        """Print a table."""
        table = Table(
            title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 3, 0, 0)
        )
        for number, column in enumerate(columns):
            table.add_column(column, justify="left" if number == 0 else "right", header_style="dim", no_wrap=True)
        for row in rows:
            table.add_row(*row)
        self.say()
        self.console.print(table)

    def verdict(self) -> bool:
        """Print the tables and what failed, or that nothing did; return whether all was as expected."""
        for title, columns, rows in self._tables:
            self._table(title, columns, rows)
        self.say()
        for words in self._last:
            self.say(words, "bold")
        if not self.failures:
            self.say(f"All {self.steps} steps came as expected, in {self.seconds:.1f} s.", "bold green")
            return True
        self.say(f"{len(self.failures)} of {self.steps} steps came otherwise than expected:", "bold red")
        for failure in self.failures:
            self.say(f"  ✗ {failure.what}", "red")
            self.say(f"      expected  {failure.expected}")
            self.say(f"      came      {failure.came}")
        return False


def _short(value: object, most: int = 60) -> str:
    text = value if isinstance(value, str) else _plain(value) or "none"
    return text if len(text) <= most else text[: most - 1] + "…"


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {count}" for name, count in value.items())
    if isinstance(value, (list, tuple, set)):
        return ", ".join(str(one) for one in value)
    return str(value)
