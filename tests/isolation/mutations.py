"""Plants one mutation at a time and looks whether the passes go red: `python -m tests.isolation.mutations`.

    --only policy|where|permission   one kind
    --sample N                       N of each kind, evenly spread
    --match TEXT                     those whose line holds TEXT

A policy that holds for every row is looked for with the logins alone, a condition that is taken out with the
application alone (row-level security off), a scope or a check of rights with both locks. One line for each mutation:
`caught`, `equivalent` with the reason where the mutation cannot make a difference, or `SURVIVED`; exit 1 if any did.
"""

import argparse
import asyncio
import logging
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from tests.isolation import plants, twins
from tests.isolation.attacks import attacks
from tests.isolation.deeds import rows_of_others
from tests.isolation.detect import OUTSIDERS, Suite
from tests.isolation.equivalents import reason
from tests.isolation.logins import catalogue, intruders
from tests.isolation.marks import read_all, reads
from tests.isolation.matrix import cells
from tests.isolation.passes import application_only
from tests.isolation.plants import Administrator, Check, Policy, Scopes, Where
from tests.isolation.population import Population
from tests.isolation.routes import routes_of
from tests.isolation.stage import Stage, a_stage

KINDS = ("policy", "where", "permission")
_TOKENS_LIVE_S = 300
Kept = TypeVar("Kept")


async def suite_of(people: Population, *, recorded: bool = True) -> Suite:
    """Return what the passes ask, with the answers of now and the statements that were sent for them."""
    suite = Suite(
        people,
        await intruders(people),
        await catalogue(people.world),
        await read_all(people, reads(people)),
        attacks(people, OUTSIDERS, brief=True),
        cells(people, routes_of(people.world.app)),
    )
    suite.others = await rows_of_others(people)
    if recorded:
        await suite.record()
    people.heard = {}
    return suite


@dataclass
class Campaign:
    """One run: its mutations, what became of each, and the means to put the world back."""

    suite: Suite
    sample: int | None = None
    match: str = ""
    stage: Stage | None = None
    """Where the suite plays, if what changed is to be put back; without one, whoever calls looks after that."""
    say: Callable[[str], None] = print
    count: Counter[tuple[str, str]] = field(default_factory=Counter)
    survivors: list[str] = field(default_factory=list)
    _tokens_of: float = field(default_factory=time.monotonic)

    async def run(self, kind: str) -> None:
        """Plant every mutation of a kind, one after the other."""
        await {"policy": self._policies, "where": self._wheres, "permission": self._permissions}[kind]()

    async def _policies(self) -> None:
        world = self.suite.people.world
        for planted in self._chosen(await plants.policies(world)):
            async with plants.policy_planted(world, planted):
                red = await self.suite.red_for_policy(planted)
            await self._note("policy", planted, red)

    async def _wheres(self) -> None:
        world = self.suite.people.world
        async with application_only(world):
            await self._keep()
            if self.stage is not None:
                await self._control()
            for planted in self._chosen(sorted(self.suite.sent.wheres.values(), key=str)):
                with plants.where_planted(planted):
                    red = await self.suite.red_for_where(planted)
                await self._note("where", planted, red)
        await self._keep()

    async def _control(self) -> None:
        """Run everything once with nothing planted: it must be green, or no red would mean anything."""
        nothing = Where(("", ""), "", set(routes_of(self.suite.people.world.app)), by_deeds=True)
        if red := await self.suite.red_for_where(nothing):
            raise RuntimeError(f"red without a mutation: {red}")
        await self._note("control", nothing, "nothing planted, nothing red")

    async def _permissions(self) -> None:
        world = self.suite.people.world
        held = [*plants.scopes(world), *plants.administrators(world), *plants.checks()]
        for planted in self._chosen(held):
            with planted.planted():
                red = await self.suite.red_for_permission(planted.key)
            await self._note("permission", planted, red)

    def _chosen(self, found: Sequence[Kept]) -> list[Kept]:
        held = [one for one in found if self.match in str(one)]
        if self.sample is None or self.sample >= len(held):
            return held
        return [held[at * len(held) // self.sample] for at in range(self.sample)]

    async def _note(self, kind: str, planted: Policy | Where | Scopes | Administrator | Check, red: str) -> None:
        """Print what became of a mutation, and put back what the requests let in by it have changed."""
        self.suite.people.heard = {}
        why = "" if red else reason(planted)
        said = "caught" if red else ("equivalent" if why else "SURVIVED")
        self.count[kind, said] += 1
        self.say(f"{said:10} {planted}   {(red or why).split(chr(10))[0][:160]}")
        if said == "SURVIVED":
            self.survivors.append(str(planted))
        if kind != "policy" and self.stage is not None and await self.stage.has_changed():
            await self.stage.restore()
        await self._renew()

    async def _keep(self) -> None:
        if self.stage is not None:
            await self.stage.keep()

    async def _renew(self) -> None:
        """Get new tokens in time; the world's clock is not what they end by."""
        if time.monotonic() - self._tokens_of > _TOKENS_LIVE_S:
            world = self.suite.people.world
            kept = {"expired", "suspended"}
            for who in [name for name in world.tokens if name not in kept]:
                del world.tokens[who]
            self._tokens_of = time.monotonic()


@asynccontextmanager
async def a_campaign() -> AsyncGenerator[Campaign]:
    """Fill a world of its own for a campaign."""
    async with a_stage() as stage:
        await twins.plant(stage.people)
        await stage.keep()
        suite = await suite_of(stage.people)
        for line in suite.done:
            print(f"deed: {line}")
        await stage.restore()
        yield Campaign(suite, stage=stage)


async def _main(asked: argparse.Namespace) -> int:
    logging.disable(logging.CRITICAL)
    began = time.monotonic()
    async with a_campaign() as campaign:
        campaign.sample, campaign.match = asked.sample, asked.match
        campaign.say = lambda line: print(line, flush=True)
        print(f"staged in {time.monotonic() - began:.0f} s", flush=True)
        for kind in [asked.only] if asked.only else KINDS:
            at = time.monotonic()
            await campaign.run(kind)
            ends = {said: campaign.count[kind, said] for said in ("caught", "equivalent", "SURVIVED")}
            print(f"{kind}: {ends}, {time.monotonic() - at:.0f} s", flush=True)
    for line in campaign.survivors:
        print(f"SURVIVED {line}")
    print(f"{campaign.count.total()} mutations, {len(campaign.survivors)} survived")
    return 1 if campaign.survivors else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=KINDS)
    parser.add_argument("--sample", type=int)
    parser.add_argument("--match", default="")
    sys.exit(asyncio.run(_main(parser.parse_args())))
