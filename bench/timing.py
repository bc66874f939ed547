"""Compares how long Baton takes to refuse what is somebody else's and what does not exist: a caller must not tell.

Each pair is asked in turn over one connection, so that whatever else the machine does falls on both alike.
"""

import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import uuid4

import httpx2

from app.domain.ids import Prefix, show
from app.security.credentials import make_client_secret
from bench.stack import Baton

SAMPLES = 2000
BOUND = 0.05
"""How far two medians may lie apart, as a share of the smaller."""

Ask = Callable[[], Awaitable[httpx2.Response]]


@dataclass(frozen=True, slots=True)
class Compared:
    """The medians of both halves of a pair, in microseconds."""

    name: str
    one: float
    other: float

    @property
    def apart(self) -> float:
        return abs(self.one - self.other) / min(self.one, self.other)

    def line(self) -> str:
        kept = "" if self.apart <= BOUND else "   OUT OF BOUNDS"
        return f"{self.name:<44} {self.one:8.0f} us {self.other:8.0f} us   apart {self.apart:5.1%}{kept}"


async def timing(baton: Baton, samples: int = SAMPLES) -> list[Compared]:
    """Measure every pair."""
    owner, stranger = await baton.target("partner_a"), await baton.target("partner_b")
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{baton.port}", timeout=30) as http:
        mine = {"Authorization": f"Bearer {owner.token}"}
        theirs = {"Authorization": f"Bearer {stranger.token}"}
        leads = (await http.get("/v1/leads", params={"limit": 1}, headers=mine)).json()["items"]
        foreign = leads[0]["id"]

        def reading(identity: Callable[[], str]) -> Ask:
            return lambda: http.get(f"/v1/leads/{identity()}", headers=theirs)

        def writing(identity: Callable[[], str]) -> Ask:
            note = {"kind": "context", "body": "x", "visibility": "shared"}
            return lambda: http.post(f"/v1/leads/{identity()}/notes", json=note, headers=theirs)

        def logging_in(client: str) -> Ask:
            secret = make_client_secret(uuid4()).text  # well formed, and nobody's
            form = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret}
            return lambda: http.post("/oauth/token", data=form)

        def nobody() -> str:
            return show(Prefix.LEAD, uuid4())

        pairs = (
            ("GET a foreign lead | none", 404, reading(lambda: foreign), reading(nobody)),
            ("POST a note to a foreign lead | none", 404, writing(lambda: foreign), writing(nobody)),
            (
                "token: wrong secret | no such client", 401, logging_in(baton.client("partner_a")),
                logging_in(show(Prefix.CLIENT, uuid4())),
            ),
        )  # fmt: skip
        return [await _compare(name, status, one, other, samples) for name, status, one, other in pairs]


async def _compare(name: str, status: int, one: Ask, other: Ask, samples: int) -> Compared:
    took: tuple[list[float], list[float]] = ([], [])
    for number in range(samples + 100):
        for ask, times in zip((one, other), took, strict=True):
            began = time.perf_counter()
            answer = await ask()
            if number >= 100:  # the first are warming up
                times.append(time.perf_counter() - began)
            if answer.status_code != status:
                raise RuntimeError(f"{name}: {answer.status_code} {answer.text[:200]}")
    return Compared(name, *(statistics.median(times) * 1e6 for times in took))
