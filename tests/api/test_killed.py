"""A killed API process has done the whole request or none of it, and the retry with the same key gets it done."""

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import httpx2
import pytest

from app.security.keyring import MasterKeys
from tests.world import World, a_world, lead_body, spelled

ROOT = Path(__file__).parents[2]
HEADERS = {"Idempotency-Key": "posted-once"}


@pytest.fixture(scope="module")
async def world(database_url: str, master_keys: MasterKeys) -> AsyncIterator[World]:
    async with a_world(database_url, master_keys) as held:
        yield held


def start(descriptor: int, settings: bytes) -> subprocess.Popen:
    command = [sys.executable, "-m", "tests.api.api_process"]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, pass_fds=[descriptor])
    assert process.stdin is not None
    process.stdin.write(settings)
    process.stdin.close()
    return process


@asynccontextmanager
async def api(world: World, database_url: str) -> AsyncIterator[tuple[subprocess.Popen, httpx2.AsyncClient]]:
    """Serve the same database from a process of its own, with the same issuer."""
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        issuer = str(world.http.base_url).rstrip("/")
        given = {"url": database_url, "master_key": spelled(world.keys), "public_url": issuer, "fd": listener.fileno()}
        process = start(listener.fileno(), json.dumps(given).encode())
    try:
        async with httpx2.AsyncClient(base_url=url, timeout=30) as http:
            for _ in range(400):
                try:
                    if (await http.get("/health/live")).status_code == 200:
                        break
                except httpx2.TransportError:
                    await asyncio.sleep(0.05)
            yield process, http
    finally:
        process.kill()
        process.wait()


async def test_a_process_killed_before_the_commit_leaves_nothing_and_the_retry_creates(world: World, database_url: str):
    bearer = {"Authorization": f"Bearer {await world.token('partner_a')}"}
    before = await world.rows()
    holder = await asyncpg.connect(database_url)
    async with api(world, database_url) as (process, http):
        async with holder.transaction():
            await holder.execute("lock table baton.outbox in exclusive mode")  # all is written, but for this
            posting = asyncio.create_task(http.post("/v1/leads", json=lead_body("KILL-1"), headers=bearer | HEADERS))
            while not await holder.fetchval(
                "select exists (select from pg_locks where not granted and relation = 'baton.outbox'::regclass)"
            ):
                assert not posting.done()
                await asyncio.sleep(0.02)
            process.kill()
            process.wait()
            with pytest.raises(httpx2.TransportError):
                await posting
        await holder.execute("select pg_sleep(0.5)")  # its statement has the lock now, and nobody who would commit it
    await holder.close()

    assert await world.rows() == before
    async with api(world, database_url) as (_, http):
        first = await http.post("/v1/leads", json=lead_body("KILL-1"), headers=bearer | HEADERS)
        again = await http.post("/v1/leads", json=lead_body("KILL-1"), headers=bearer | HEADERS)
    assert first.status_code == 201, first.text
    assert (again.status_code, again.content, again.headers["idempotent-replayed"]) == (201, first.content, "true")
    assert await world.admin.fetchval("select count(*) from baton.lead where external_id = 'KILL-1'") == 1
