"""The load generator, a process of its own: keep-alive connections that each wait for one answer before the next.

Reads one `Order` as JSON from standard input and prints one `Answered` as JSON. Speaks just enough HTTP/1.1 for
answers with a Content-Length, so that its own cost per request stays near 20 us.
"""

import asyncio
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

import uvloop

from bench.requests import REQUESTS

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Order:
    """What to send where. Ends after `limit` requests, else `seconds` after a warm-up that is not counted."""

    requests: str
    port: int
    token: str
    batch: int
    status: int
    connections: int = 16
    warm_up: float = 1.0
    seconds: float = 5.0
    limit: int | None = None


@dataclass(slots=True)
class Answered:
    """What came back within the counted time. `unexpected` counts answers of another status, at any time."""

    seconds: float = 0.0
    body_bytes: int = 0
    latencies_us: list[int] = field(default_factory=list[int])
    unexpected: dict[str, int] = field(default_factory=dict[str, int])
    example: str = ""

    @property
    def per_second(self) -> float:
        """Answers per second."""
        return len(self.latencies_us) / self.seconds

    @property
    def mean_bytes(self) -> float:
        """The mean length of a body."""
        return self.body_bytes / max(1, len(self.latencies_us))


class _Round:
    def __init__(self, order: Order) -> None:
        self.order = order
        self.requests: Iterator[bytes] = REQUESTS[order.requests](order.token, order.batch)
        self.answered = Answered()
        self.unexpected: Counter[str] = Counter()
        self.left = order.limit
        self.start = self.end = 0.0

    def next(self, now: float) -> bytes | None:
        if self.left is not None:
            self.left -= 1
            return next(self.requests) if self.left >= 0 else None
        return next(self.requests) if now < self.end else None

    def take(self, sent: float, now: float, head: bytes, body: bytes) -> None:
        status = head[9:12].decode("latin-1")
        if status != str(self.order.status):
            self.unexpected[status] += 1
            self.answered.example = body[:500].decode("utf-8", "replace")
        elif self.start <= now and (self.left is not None or now <= self.end):
            self.answered.latencies_us.append(round((now - sent) * 1e6))
            self.answered.body_bytes += len(body)


class _Connection(asyncio.Protocol):
    def __init__(self, around: _Round) -> None:
        self.around = around
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.held = b""
        self.sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.send(time.perf_counter())

    def send(self, now: float) -> None:
        request = self.around.next(now)
        if request is None:
            self.transport.close()
            return
        self.sent = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        held = self.held + data if self.held else data
        border = held.find(b"\r\n\r\n")
        length = _LENGTH.search(held, 0, border + 2) if border >= 0 else None
        if length is None or len(held) < border + 4 + int(length[1]):
            self.held = held
            return
        self.held = b""
        now = time.perf_counter()
        self.around.take(self.sent, now, held[:border], held[border + 4 :])
        self.send(now)

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None or self.held or (self.around.left is None and time.perf_counter() < self.around.end):
            self.around.unexpected["connection lost"] += 1
        if not self.done.done():
            self.done.set_result(None)


async def load(order: Order) -> Answered:
    """Run one round."""
    around = _Round(order)
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    around.start = began if order.limit else began + order.warm_up
    around.end = around.start + order.seconds
    made = [
        await loop.create_connection(lambda: _Connection(around), "127.0.0.1", order.port)
        for _ in range(order.connections)
    ]
    await asyncio.gather(*(connection.done for _, connection in made))
    answered = around.answered
    answered.seconds = time.perf_counter() - began if order.limit else order.seconds
    answered.unexpected = dict(around.unexpected)
    return answered


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(load(Order(**json.load(sys.stdin)))))))
