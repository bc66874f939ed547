"""The one way out: posts a body to a caller-chosen URL, safely, and tells what came of it.

It owns connections, their reuse and the checks at connect time; it never decides whether or when to try again,
and never follows a redirect, reads a proxy from the environment, keeps a cookie or decompresses a reply.

The checks stand in a row: the strict parser, the resolver (every answer has to be good), and the socket
factory, which sees the final address also where no name was resolved.
"""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from ipaddress import ip_address
from time import perf_counter
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client import ClientTimeout
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.tracing import Trace
from yarl import URL

from app.delivery.addresses import Network, is_allowed, is_within
from app.delivery.names import Names
from app.delivery.reply import BODY_LIMIT, ErrorClass, Reply, Timings, read_directive, read_retry_after
from app.delivery.urls import Target, read_target
from app.domain.errors import UrlRefusedError

TOTAL_SECONDS = 15.0
"""From the first look-up to the last byte, the one retry included. Standard Webhooks: 15 to 30 s."""
CONNECT_SECONDS = 3.0
"""TCP and TLS together; security.md 4.1."""
USER_AGENT = "Baton/0.1"
_LOCATION_LIMIT = 2048
_OWN_HEADERS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "upgrade", "expect", "te", "trailer", "cookie"}
    | {"accept-encoding", "user-agent"}
)
# uvloop raises RuntimeError where asyncio raises OSError; HttpProcessingError is no ClientError.
_TROUBLE = (aiohttp.ClientError, HttpProcessingError, OSError, RuntimeError)


@dataclass(slots=True)
class _Attempt:
    """What one exchange has met so far; the checks and clocks below write into it."""

    target: Target
    allow: tuple[Network, ...]
    began: float = field(default_factory=perf_counter)
    refused: bool = False
    dialled: bool = False
    dns_began: float | None = None
    dns_ended: float | None = None
    tls_began: float | None = None
    ready: float | None = None
    answered: float | None = None
    remote_ip: str | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytearray = field(default_factory=bytearray)
    cut: bool = False

    @property
    def reused(self) -> bool:
        return self.ready is not None and not self.dialled

    def check(self, text: str) -> None:
        """Raise OSError unless this attempt may connect to the address."""
        try:
            address = ip_address(text)
        except ValueError:
            good = False
        else:
            good = is_within(address, self.allow) if self.target.allowed_only else is_allowed(address, self.allow)
        if not good:
            self.refused = True
            raise OSError("address refused")


# aiohttp hands neither the request to a socket factory nor the scheme to a resolver; its tasks inherit the context.
_current: ContextVar[_Attempt] = ContextVar("baton_egress_attempt")


class _CheckedResolver(AbstractResolver):
    """Answers only where every address of the name is good: one bad answer among good ones is an attack."""

    def __init__(self, names: Names) -> None:
        self._names = names

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        attempt = _current.get()
        attempt.dns_began = perf_counter()
        found = await self._names.addresses(host)
        for address in found:
            attempt.check(address)
        attempt.dns_ended = perf_counter()
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0) for address in found
        ]

    async def close(self) -> None:
        """Leave the names to their owner."""


def _open_socket(info: tuple[int, int, int, str, tuple[object, ...]]) -> socket.socket:
    """The last word: called with the final address, for literals too. Outside an attempt nothing is opened."""
    attempt = _current.get()
    family, kind, proto, _, address = info
    attempt.check(str(address[0]))
    attempt.dialled = True
    return socket.socket(family=family, type=kind, proto=proto)


class _Connector(aiohttp.TCPConnector):
    """Notes when a connection is ready and whom it reaches."""

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: ClientTimeout,  # noqa: ASYNC109  (aiohttp's signature)
    ) -> Connection:
        connection = await super().connect(req, traces, timeout)
        attempt = _current.get()
        attempt.ready = perf_counter()
        if connection.transport is not None:
            peer = connection.transport.get_extra_info("peername")
            attempt.remote_ip = str(peer[0]) if peer else None
        return connection


class _TlsContext(ssl.SSLContext):
    """A verifying client context that notes when each handshake begins."""

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        attempt = _current.get(None)
        if attempt is not None:
            attempt.tls_began = perf_counter()
        return super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)


class Egress:
    """The egress client of one process: start it in its event loop, post, stop it. Safe for many tasks at once."""

    def __init__(
        self,
        allow: tuple[Network, ...] = (),
        *,
        own_hosts: frozenset[str] = frozenset(),
        names: Names | None = None,
        total_seconds: float = TOTAL_SECONDS,
        connect_seconds: float = CONNECT_SECONDS,
    ) -> None:
        """`allow`: networks that may be reached although private. `own_hosts`: names of this installation."""
        self._allow = allow
        self._own_hosts = own_hosts
        self._names = names
        self._total_seconds = total_seconds
        self._connect_seconds = connect_seconds
        self._pooled: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Load the trusted authorities of the system and get ready to post."""
        self._names = self._names or Names()
        tls = _TlsContext(ssl.PROTOCOL_TLS_CLIENT)
        tls.minimum_version = ssl.TLSVersion.TLSv1_2
        tls.set_alpn_protocols(["http/1.1"])
        tls.load_default_certs()
        self._pooled = self._session(tls, self._names, force_close=False)
        self._fresh = self._session(tls, self._names, force_close=True)

    async def stop(self) -> None:
        """Close every connection. Posts still under way end with an error."""
        for session in (self._pooled, self._fresh):
            if session is not None:
                await session.close()
        self._pooled = self._fresh = None
        if self._names is not None:
            await self._names.stop()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Post `body` to `url` and return what came of it; trouble of the network never raises.

        One attempt, and one more on a fresh connection where a kept one had died before the reply began:
        its receiver closed it while idle, which says nothing about the message. ValueError for a header
        that is this client's own or not sendable; RuntimeError outside start and stop.
        """
        if self._pooled is None or self._fresh is None:
            raise RuntimeError("the egress client is not started")
        if not _OWN_HEADERS.isdisjoint(name.lower() for name in headers):
            raise ValueError("a header that belongs to the egress client")
        began = perf_counter()
        try:
            target = read_target(url, self._allow, self._own_hosts)
        except UrlRefusedError:
            return _reply(None, "refused_url", began)
        attempt = _Attempt(target, self._allow)
        error: ErrorClass | None = None
        try:
            async with asyncio.timeout(self._total_seconds):
                try:
                    await _exchange(self._pooled, attempt, headers, body)
                except _TROUBLE as trouble:
                    if not _died_idle(attempt, trouble):
                        raise
                    attempt = _Attempt(target, self._allow)
                    await _exchange(self._fresh, attempt, headers, body)
        except TimeoutError:
            error = "timeout"
        except _TROUBLE as trouble:
            error = _classify(attempt, trouble)
        if error is not None and attempt.ready is None and self._names is not None:
            self._names.forget(target.host)
        return _reply(attempt, error, began)

    def _session(self, tls: ssl.SSLContext, names: Names, *, force_close: bool) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=_Connector(
                resolver=_CheckedResolver(names),
                use_dns_cache=False,
                socket_factory=_open_socket,
                ssl=tls,
                limit=0,
                force_close=force_close,
            ),
            # aiohttp rounds totals over 5 s up to whole seconds and starts anew for a retry: `post` holds the deadline.
            timeout=ClientTimeout(total=None, sock_connect=self._connect_seconds),
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
            skip_auto_headers=("Content-Type",),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            read_bufsize=BODY_LIMIT,
        )


async def _exchange(session: aiohttp.ClientSession, attempt: _Attempt, headers: Mapping[str, str], body: bytes) -> None:
    token = _current.set(attempt)
    try:
        response = await session.post(
            URL(attempt.target.url, encoded=True), headers=headers, data=body, allow_redirects=False
        )
        attempt.answered = perf_counter()
        attempt.status = response.status
        attempt.headers = response.headers
        try:
            # One byte over the limit tells a cut reply from one that just fits.
            while chunk := await response.content.read(BODY_LIMIT + 1 - len(attempt.body)):
                attempt.body += chunk
                if len(attempt.body) > BODY_LIMIT:
                    attempt.cut = True
                    break
        finally:
            if not response.closed:  # a reply read to its end has given its connection back already
                response.close()
    finally:
        _current.reset(token)


def _died_idle(attempt: _Attempt, trouble: Exception) -> bool:
    """Whether a kept connection was dead before the receiver said anything on it."""
    if not attempt.reused or attempt.status is not None:
        return False
    if isinstance(trouble, aiohttp.ServerDisconnectedError):
        return isinstance(trouble.message, str)  # otherwise it holds the part of a reply that had come
    return isinstance(trouble, aiohttp.ClientOSError | ConnectionError)


def _classify(attempt: _Attempt, trouble: Exception) -> ErrorClass:
    if attempt.refused:
        return "refused_address"
    if isinstance(trouble, aiohttp.InvalidURL):
        return "refused_url"
    if attempt.ready is None:
        return _classify_connecting(attempt, trouble)
    if isinstance(trouble, aiohttp.ClientResponseError | HttpProcessingError):
        return "too_large" if _caused_by(trouble, LineTooLong) else "protocol"
    return "reset"


def _classify_connecting(attempt: _Attempt, trouble: Exception) -> ErrorClass:
    if isinstance(trouble, aiohttp.ClientConnectorDNSError):
        return "dns"
    certificate = aiohttp.ClientConnectorCertificateError
    if attempt.tls_began is not None or isinstance(trouble, aiohttp.ClientSSLError | certificate | ssl.SSLError):
        return "tls"
    return "connect"


def _caused_by(trouble: BaseException | None, kind: type[BaseException]) -> bool:
    while trouble is not None:
        if isinstance(trouble, kind):
            return True
        trouble = trouble.__cause__
    return False


def _reply(attempt: _Attempt | None, error: ErrorClass | None, began: float) -> Reply:
    now = perf_counter()
    if attempt is None:
        nothing = Timings(None, None, None, None, _milliseconds(began, now))
        return Reply(None, error, None, b"", False, None, None, None, False, nothing)
    headers = attempt.headers
    location = headers.get("Location")
    return Reply(
        status=attempt.status,
        error=error,
        retry_after=read_retry_after(headers.get("Retry-After")),
        response_head=bytes(attempt.body[:BODY_LIMIT]),
        response_cut=attempt.cut,
        # aiohttp keeps stray bytes as lone surrogates, which no database column takes
        location=None if location is None else location[:_LOCATION_LIMIT].encode("ascii", "replace").decode(),
        directive=read_directive(headers.get("webhook-delivery")),
        remote_ip=attempt.remote_ip,
        reused=attempt.reused,
        timings=_timings(attempt, began, now),
    )


def _timings(attempt: _Attempt, began: float, now: float) -> Timings:
    dns = connect = tls = ttfb = None
    if attempt.dns_began is not None:
        dns = _milliseconds(attempt.dns_began, attempt.dns_ended or now)
    if attempt.dialled:
        connected = attempt.tls_began or attempt.ready or now
        connect = _milliseconds(attempt.dns_ended or attempt.began, connected)
    if attempt.tls_began is not None:
        tls = _milliseconds(attempt.tls_began, attempt.ready or now)
    if attempt.ready is not None and attempt.answered is not None:
        ttfb = _milliseconds(attempt.ready, attempt.answered)
    return Timings(dns, connect, tls, ttfb, _milliseconds(began, now))


def _milliseconds(began: float, ended: float) -> float:
    return round((ended - began) * 1000, 3)
