"""One caller of Baton's API: its token, its requests, and what it expected of each."""

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx2

One = TypeVar("One")


class UnexpectedError(Exception):
    """An answer without which the play cannot go on."""

    def __init__(self, what: str, expected: str, came: str) -> None:
        super().__init__(what)
        self.what, self.expected, self.came = what, expected, came


def unexpected(error: BaseException) -> UnexpectedError:
    """Return any error in the form in which the audience reads it: where it was, what was expected, what came."""
    if isinstance(error, UnexpectedError):
        return error
    if isinstance(error, BaseExceptionGroup):
        return unexpected(error.exceptions[0])
    where = ""
    for frame in traceback.extract_tb(error.__traceback__):
        if "demo" in Path(frame.filename).parts:
            where = f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"
    return UnexpectedError(f"stopped at {where}", "an answer in the agreed form", f"{type(error).__name__}: {error}")


@dataclass(frozen=True, slots=True)
class Answer:
    """What Baton answered."""

    status: int
    body: Any
    headers: Any
    took_ms: float

    @property
    def rule(self) -> str:
        """The rule of the playbook that refused, with its version; empty where none did."""
        cited = self.body.get("playbook") or {}
        return f"playbook v{cited['version']} · {cited['rule']}" if cited else ""

    @property
    def slug(self) -> str:
        """The class of the problem."""
        return str(self.body.get("type", "")).rsplit("/", 1)[-1]

    @property
    def missing(self) -> list[str]:
        """What a refusal by the playbook misses."""
        return list(self.body.get("missing") or [])

    @property
    def pointers(self) -> list[str]:
        """The fields that a refusal points at."""
        return [str(error.get("pointer")) for error in self.body.get("errors") or []]


@dataclass(slots=True)
class Caller:
    """A client of one organisation, with its token."""

    name: str
    http: httpx2.AsyncClient
    token: str = ""
    scopes: list[str] = field(default_factory=list)
    organization: str = ""

    async def log_in(self, client_id: str, client_secret: str) -> Answer:
        """Get a token by the client's own id and secret (RFC 6749, 4.4)."""
        began = time.monotonic()
        answer = await self.http.post(
            "/oauth/token", auth=(client_id, client_secret), data={"grant_type": "client_credentials"}
        )
        body = answer.json()
        if answer.status_code == 200:
            self.token = body["access_token"]
            self.scopes = body["scope"].split()
        return Answer(answer.status_code, body, answer.headers, (time.monotonic() - began) * 1000)

    async def send(self, method: str, path: str, *, expect: Iterable[int] | int | None = 200, **what: Any) -> Answer:
        """Send one request; `expect` None takes any answer. Raises UnexpectedError for another status."""
        headers = {"Authorization": f"Bearer {self.token}", **what.pop("headers", {})}
        began = time.monotonic()
        answer = await self.http.request(method, path, headers=headers, **what)
        took_ms = (time.monotonic() - began) * 1000
        try:
            body = answer.json() if answer.content else {}
        except ValueError:
            body = {"text": answer.text}
        wanted = (expect,) if isinstance(expect, int) else expect
        if wanted is not None and answer.status_code not in wanted:
            expected = " or ".join(map(str, wanted))
            raise UnexpectedError(
                f"{self.name}: {method} {path}", expected, f"{answer.status_code} {answer.text[:600]}"
            )
        return Answer(answer.status_code, body, answer.headers, took_ms)

    async def get(self, path: str, **what: Any) -> Answer:
        """Read."""
        return await self.send("GET", path, **what)

    async def post(self, path: str, body: Any = None, **what: Any) -> Answer:
        """Send a command."""
        return await self.send("POST", path, json={} if body is None else body, **what)

    async def pages(self, path: str, params: dict[str, Any] | None = None) -> list[Any]:
        """Read a whole list, page by page."""
        items: list[Any] = []
        cursor: str | None = None
        while True:
            asked = {"limit": 100, **(params or {}), **({"cursor": cursor} if cursor else {})}
            body = (await self.get(path, params=asked)).body
            items += body["items"]
            cursor = body["next_cursor"]
            if cursor is None or not body["items"]:
                return items

    async def rule(self, lead: str, command: str) -> str:
        """Return the rule by which this caller may give `command` to the lead now, as Baton itself names it."""
        for action in (await self.get(f"/v1/leads/{lead}/actions")).body["items"]:
            if action["command"] == command:
                return f"{'allowed' if action['allowed'] else 'refused'} by {action['rule']}"
        return ""


async def side_by_side(
    items: Iterable[One], work: Callable[[One], Awaitable[Any]], done: Callable[[], Any], limit: int = 8
) -> None:
    """Run `work` on every item, `limit` at a time; the first failure ends it."""
    gate = asyncio.Semaphore(limit)

    async def run(item: One) -> None:
        async with gate:
            await work(item)
            done()

    async with asyncio.TaskGroup() as group:
        for item in items:
            group.create_task(run(item))


async def until(
    what: str, ask: Callable[[], Awaitable[One]], enough: Callable[[One], bool], patience_s: float = 20
) -> One:
    """Ask again and again until the answer is enough. Raises UnexpectedError with the last one after `patience_s`."""
    began = time.monotonic()
    while True:
        found = await ask()
        if enough(found):
            return found
        if time.monotonic() - began > patience_s:
            raise UnexpectedError(what, f"within {patience_s:.0f} s", str(found)[:600])
        await asyncio.sleep(0.05)
