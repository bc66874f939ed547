"""The workloads: what each prepares, and what one round of it measures on Baton and on its floor."""

from typing import Protocol

from bench.floors import tables
from bench.load import Answered, Order
from bench.report import Sample
from bench.stack import Baton, BenchError, Floor, Target, load, peak_of

LEADS = 10_000
_ALIKE = 0.05
"""How far the mean length of an answer may lie from its floor's."""


class Workload(Protocol):
    """One line of the table. Rounds of Baton and of the floor alternate between `start` and `stop`."""

    name: str
    goal: float | None

    async def start(self, baton: Baton) -> None:
        """Bring the database and the floor into place."""
        ...

    async def on_baton(self, seconds: float, batch: int) -> Sample:
        """Measure one round of Baton."""
        ...

    async def on_floor(self, seconds: float, batch: int) -> Sample:
        """Measure one round of the floor."""
        ...

    async def stop(self) -> None:
        """End what `start` began."""
        ...


async def fill(baton: Baton) -> None:
    """Post 10,000 leads of partner A through the API, and give the floors a copy of them."""
    await baton.clear()
    target = await baton.target("partner_a")
    posted = await load(Order("post_lead", target.port, target.token, 0, 201, limit=LEADS))
    waited = await baton.drained()
    print(f"{LEADS:,} leads posted at {posted.per_second:,.0f}/s, all decided and published {waited:.1f} s later\n")
    connection = await baton.admin()
    await tables.make(connection)
    await connection.close()


class HttpWorkload:
    """A stream of equal requests of one client to one endpoint, over 16 connections."""

    def __init__(self, name: str, requests: str, client: str, status: int, goal: float) -> None:
        """`requests` names the floor's module and the requests, `status` is that of every answer."""
        self.name = name
        self.goal = goal
        self._requests = requests
        self._client = client
        self._status = status
        self._baton: Baton | None = None
        self._floor: Floor | None = None
        self._lengths: dict[str, float] = {}

    async def start(self, baton: Baton) -> None:
        """Start the floor."""
        self._baton = baton
        self._floor = await Floor.start(self._requests, baton.database_url)

    async def on_baton(self, seconds: float, batch: int) -> Sample:
        """Measure one round with the worker at its work, then wait until it has done it."""
        baton = self._started[0]
        answered, peak = await self._round(await baton.target(self._client), seconds, batch)
        waited = await baton.drained()
        return self._sample(answered, peak, "baton", f"worker done {waited:.1f} s later" if waited > 0.1 else "")

    async def on_floor(self, seconds: float, batch: int) -> Sample:
        """Measure one round."""
        answered, peak = await self._round(self._started[1].target, seconds, batch)
        return self._sample(answered, peak, "floor")

    async def stop(self) -> None:
        """Stop the floor. Raises BenchError when its answers were of another length than Baton's."""
        if self._floor is not None:
            await self._floor.stop()
        ours, theirs = self._lengths.get("baton", 1.0), self._lengths.get("floor", 1.0)
        if abs(ours / theirs - 1) > _ALIKE:
            raise BenchError(f"{self.name}: Baton answers {ours:.0f} bytes, the floor {theirs:.0f}")

    @property
    def _started(self) -> tuple[Baton, Floor]:
        if self._baton is None or self._floor is None:
            raise BenchError(f"{self.name} has not been started")
        return self._baton, self._floor

    async def _round(self, target: Target, seconds: float, batch: int) -> tuple[Answered, float]:
        order = Order(self._requests, target.port, target.token, batch, self._status, seconds=seconds)
        with peak_of(target.pid) as peaks:
            answered = await load(order)
        return answered, peaks[0]

    def _sample(self, answered: Answered, peak: float, system: str, note: str = "") -> Sample:
        self._lengths[system] = answered.mean_bytes
        return Sample(answered.per_second, answered.latencies_us, answered.mean_bytes, peak, note)


# Posts are the other partner's: the list stays at 10,000 leads.
WORKLOADS: dict[str, Workload] = {
    "list": HttpWorkload("GET /v1/leads, first page", "list_leads", "partner_a", 200, 0.30),
    "post": HttpWorkload("POST /v1/leads", "post_lead", "partner_b", 201, 0.25),
}
