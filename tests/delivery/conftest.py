"""A scripted receiver on a real socket, which counts every connection that reaches it."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Script = Callable[[asyncio.StreamWriter, int], Awaitable[None]]


class Receiver:
    """Answers every request with `answer`: bytes, or a script that gets the writer and the request's number."""

    def __init__(self, answer: bytes | Script = OK) -> None:
        self.answer = answer
        self.connections = 0
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while not writer.is_closing():
                await self._serve_one(reader, writer)
        with suppress(RuntimeError):
            writer.transport.abort()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *rest = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.requests.append((first, headers, body))
        if isinstance(self.answer, bytes):
            writer.write(self.answer)
            await writer.drain()
        else:
            await self.answer(writer, len(self.requests))


@pytest.fixture
async def receive():
    """Open receivers: `receiver = await receive(answer, host=..., tls=...)`; all close with the test."""
    servers: list[asyncio.Server] = []

    async def open_one(
        answer: bytes | Script = OK, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None, port: int = 0
    ) -> Receiver:
        receiver = Receiver(answer)
        server = await asyncio.start_server(receiver.serve, host, port, ssl=tls)
        receiver.port = server.sockets[0].getsockname()[1]
        servers.append(server)
        return receiver

    yield open_one
    for server in servers:
        server.close()
