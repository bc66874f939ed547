"""The receiving ends: each vendor's webhook receiver and an on-call tool, on loopback ports of their own.

Every delivery is verified by the unchanged `standardwebhooks` package before anything is read from it.
"""

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError


@dataclass(frozen=True, slots=True)
class Delivery:
    """A verified delivery."""

    id: str
    body: dict[str, Any]
    raw: bytes
    headers: dict[str, str]
    came_at: float


@dataclass(slots=True)
class Receiver:
    """An HTTP server that takes signed deliveries. Its secret is set once the registration has been answered."""

    name: str
    deliveries: list[Delivery] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    repeats: int = 0
    url: str = ""
    _secret: asyncio.Future[str] | None = None
    _runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen on a free loopback port."""
        self._secret = asyncio.get_running_loop().create_future()
        app = web.Application(client_max_size=1 << 20)
        app.router.add_post("/", self._take)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/"

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    def knows(self, secret: str) -> None:
        """Give the receiver the secret that was shown once; deliveries that came before it have waited."""
        if self._secret is not None and not self._secret.done():
            self._secret.set_result(secret)

    async def verify(self, raw: bytes, headers: dict[str, str]) -> Any:
        """Return the body of a delivery. Raises WebhookVerificationError for one that is not Baton's."""
        if self._secret is None:
            raise RuntimeError("the receiver was not started")
        secret = await asyncio.wait_for(asyncio.shield(self._secret), 10)
        return Webhook(secret).verify(raw, headers)

    async def _take(self, request: web.Request) -> web.Response:
        raw = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            body = await self.verify(raw, headers)
        except (WebhookVerificationError, TimeoutError, json.JSONDecodeError) as error:
            self.refused.append(f"{type(error).__name__}: {error}")
            return web.Response(status=401)
        if any(known.id == headers["webhook-id"] for known in self.deliveries[-500:]):
            self.repeats += 1
        else:
            self.deliveries.append(Delivery(headers["webhook-id"], body, raw, headers, time.monotonic()))
        return web.Response(status=204)

    def of_type(self, kind: str) -> list[Delivery]:
        """Return the deliveries of one event type."""
        return [one for one in self.deliveries if one.body.get("type") == kind]

    def sequences(self) -> list[int]:
        """Return the sequence numbers that came, in order of number."""
        return sorted(one.body["sequence"] for one in self.deliveries if "sequence" in one.body)
