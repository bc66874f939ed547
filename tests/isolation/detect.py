"""Runs the passes against a planted mutation, what it is near to first, until the first red."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TypeVar

from tests.isolation import plants
from tests.isolation.attacks import Attack, launch
from tests.isolation.deeds import do_all, rows_of_others
from tests.isolation.logins import Intruder, Table, faults
from tests.isolation.marks import Answers, read_all, reads
from tests.isolation.matrix import Cell, ask
from tests.isolation.overreach import gone_through
from tests.isolation.plants import Policy, Where
from tests.isolation.population import Population
from tests.isolation.routes import Key, routes_of

OUTSIDERS = ("b_all", "p2_all", "i2_all")
_One = TypeVar("_One")


@dataclass(repr=False)
class Suite:
    """What the ordinary tests ask and what they are answered, ready to be asked again in part."""

    people: Population
    intruders: tuple[Intruder, ...]
    tables: dict[str, Table]
    answers: Answers
    attacks: list[Attack]
    cells: list[Cell]
    sent: plants.Sent = field(default_factory=plants.Sent)
    done: list[str] = field(default_factory=list)
    """How the deeds are answered."""
    others: dict[str, str] = field(default_factory=dict)
    """What others hold, whatever partner A and its client do."""

    async def record_reads(self, paths: Collection[str]) -> None:
        """Note which statements the reads of a few routes send."""
        with plants.rewritten(self.sent.take):
            for key, read in self._reads():
                if key[1] in paths:
                    self.sent.route = key
                    await read_all(self.people, [read])

    async def record(self) -> None:
        """Note which route sends which statement; one request at a time."""
        with plants.rewritten(self.sent.take):
            for key, read in self._reads():
                self.sent.route = key
                await read_all(self.people, [read])
            for attack in self.attacks:
                self.sent.route = attack.key
                await attack.run()
            self.sent.route = None
            self.done = await do_all(self.people)

    def _reads(self) -> list[tuple[Key, tuple[str, str]]]:
        keys = [key for key in routes_of(self.people.world.app) if key[0] == "GET"]
        return [(key, read) for key in keys for read in reads(self.people, {key})]

    def everywhere(self) -> Where:
        """Return a condition that nothing sends, looked for with everything that there is."""
        return Where(("", ""), "", set(routes_of(self.people.world.app)), by_deeds=True)

    async def red_for_policy(self, planted: Policy) -> str:
        """Return the first fault that a login or a request with the database alone finds, empty where there is none."""
        table = self.tables.get(planted.table)
        concerned = [one for one in self.intruders if planted.login in {None, one.login}]
        for intruder in concerned if table is not None else ():
            if found := await faults(self.people.world, intruder, table):
                return found[0]
        return ""

    async def red_for_where(self, planted: Where) -> str:
        """Return the first difference that a request makes with the application alone; the pass is open already."""
        near = planted.routes
        asked = [read for key, read in self._reads() if key in near]
        if red := await self._reads_differ(asked):
            return red
        if red := await self._attacks_succeed([one for one in self.attacks if one.key in near]):
            return red
        if changed := self._differing(await rows_of_others(self.people)):
            return f"an attack changed {changed}"
        return await self._deeds_differ() if planted.by_deeds else ""

    async def _deeds_differ(self) -> str:
        done = await do_all(self.people)
        if different := [now for before, now in zip(self.done, done, strict=True) if before != now]:
            return f"a deed is answered otherwise: {different[0]}"
        changed = self._differing(await rows_of_others(self.people))
        return f"a deed of A changed {changed} of others" if changed else ""

    def _differing(self, now: dict[str, str]) -> str:
        return ", ".join(table for table, digest in now.items() if digest != self.others[table])

    async def _reads_differ(self, wanted: Collection[tuple[str, str]]) -> str:
        for some in _batches(list(wanted), 24):
            try:
                now = await read_all(self.people, some)
            except AssertionError as error:
                return f"a read fails: {str(error)[:120]}"
            for read in some:
                if now[read] != self.answers[read]:
                    return f"{' '.join(read)} is answered otherwise: {_difference(self.answers[read], now[read])}"
        return ""

    async def _attacks_succeed(self, wanted: Collection[Attack]) -> str:
        for some in _batches(list(wanted), 12):
            _, wrong = await launch(some)
            if wrong:
                return wrong[0]
        return ""

    async def red_for_permission(self, key: Key | None) -> str:
        """Return the first cell of the matrix that is answered otherwise; of one route where it is known.

        Where none is known, a check of rights is gone: what overreaches is tried as well.
        """
        if key is None and (through := await gone_through(self.people)):
            return through[0]
        wanted = [cell for cell in self.cells if key is None or cell.key == key]
        for some in _batches(wanted, 24):
            asked = await asyncio.gather(*(ask(self.people, cell) for cell in some))
            if wrong := [one.wrong for one in asked if one.wrong]:
                return wrong[0]
        return ""


def _difference(before: object, now: object) -> str:
    """Return where two answers part."""
    one, other = str(before), str(now)
    at = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return f"…{one[max(0, at - 30) : at + 200]}… is now …{other[max(0, at - 30) : at + 300]}…"


def _batches(of: list[_One], size: int) -> list[list[_One]]:
    return [of[at : at + size] for at in range(0, len(of), size)]
