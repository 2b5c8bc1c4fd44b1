"""The native HTTP/1.1 client. The way of one request: target, head, connection, one write, one wait."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Sequence
from math import inf
from typing import Any

from llm_gateway_sdk.errors import ModelConnectionError, ModelTimeout

from .byte_stream import Stream
from .dial import Dialer
from .head import Origin, Target, close_head, encode_head, encode_open_head, prepare
from .pool import Pool
from .reply import Reply
from .settings import Proxy, TransportSettings
from .tls import TlsContext

__all__ = ["NativeClient", "PreparedHead"]


async def converse(
    pool: Pool, head: bytes, body: bytes, connect_timeout: float, deadline: float, reason: str, *, bodyless: bool
) -> Reply:
    """Sends a request and waits for the head of its reply. A reused connection that its server closes before any byte
    of a reply is replaced by a fresh one, once."""
    reply = Reply(deadline, reason)
    connection = pool.take()
    if connection is None:
        connection = await pool.open(connect_timeout, deadline, reason)
    while True:
        connection.start(reply, head, body, bodyless=bodyless)
        await reply.wait_for_head(connection.loop)
        if reply.status:
            return reply
        if not reply.stale or reply.resent:
            raise reply.error or ModelConnectionError("No reply.")
        reply.resent = True
        reply.stale = False
        connection = await pool.open(connect_timeout, deadline, reason, fresh=True)


class PreparedHead:
    """See the protocol of this name: the head of requests that are alike."""

    __slots__ = ("_bodyless", "_head", "_pool")

    def __init__(self, pool: Pool, head: bytes, *, bodyless: bool) -> None:
        """`head` ends where the value of the header begins that varies."""
        self._pool = pool
        self._head = head
        self._bodyless = bodyless

    def send(
        self,
        value: str,
        body: bytes,
        *,
        connect_timeout: float = 5.0,
        expires: float | None = None,
        reason: str = "total",
    ) -> Coroutine[Any, Any, Reply]:
        head = close_head(self._head, value, len(body))
        deadline = inf if expires is None else expires
        return converse(self._pool, head, body, connect_timeout, deadline, reason, bodyless=self._bodyless)


class NativeClient:
    """See HTTPClient. Belongs to the event loop in which it is used first."""

    def __init__(self, settings: TransportSettings | None = None) -> None:
        self.settings = settings or TransportSettings()
        self._proxy = Proxy.from_url(self.settings.proxy) if self.settings.proxy else None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tls: TlsContext | None = None
        self._targets: dict[str, tuple[Target, Pool]] = {}
        self._pools: dict[Origin, Pool] = {}
        self._closed = False

    async def send(
        self,
        method: str,
        url: str,
        headers: Sequence[tuple[str, str]],
        body: bytes,
        *,
        connect_timeout: float = 5.0,
        expires: float | None = None,
        reason: str = "total",
    ) -> Reply:
        """See HTTPClient.send. Raises ValueError for a URL, method or header that can't be sent.

        `expires` limits the waiting for a free connection and for the head of the reply, and stays in force for the
        body until `expire_at` replaces it; opening a connection is limited by `connect_timeout` too.
        """
        target, pool = self._targets.get(url) or self._prepare(url)
        start = target.starts.get(method) or self._add_start(target, method)
        head = encode_head(start, headers, len(body) if body or method not in _WITHOUT_BODY else None)
        deadline = inf if expires is None else expires
        return await converse(pool, head, body, connect_timeout, deadline, reason, bodyless=method == "HEAD")

    def prepare_head(self, method: str, url: str, headers: Sequence[tuple[str, str]], varying: str) -> PreparedHead:
        """See PreparingHTTPClient."""
        target, pool = self._targets.get(url) or self._prepare(url)
        start = target.starts.get(method) or self._add_start(target, method)
        return PreparedHead(pool, encode_open_head(start, headers, varying), bodyless=method == "HEAD")

    async def send_streamed(
        self,
        method: str,
        url: str,
        headers: Sequence[tuple[str, str]],
        body: AsyncIterable[bytes],
        length: int | None,
        *,
        connect_timeout: float = 5.0,
        expires: float | None = None,
        reason: str = "total",
    ) -> Reply:
        """See StreamingHTTPClient.send_streamed. The connection is a new one: the request could not be sent again."""
        target, pool = self._targets.get(url) or self._prepare(url)
        start = target.starts.get(method) or self._add_start(target, method)
        head = encode_head(start, headers, length)
        if length is None:
            head = head.removesuffix(b"\r\n") + b"transfer-encoding: chunked\r\n\r\n"
            body = _chunked(body)
        deadline = inf if expires is None else expires
        reply = Reply(deadline, reason)
        connection = await pool.open(connect_timeout, deadline, reason, fresh=True)
        connection.start(reply, head, b"", bodyless=method == "HEAD")
        pump = connection.loop.create_task(connection.pump(body))
        try:
            await reply.wait_for_head(connection.loop)
        finally:
            if not pump.done():
                pump.cancel()  # a provider that answers before it has read all reads no more
            await asyncio.wait((pump,))
            failure = None if pump.cancelled() else pump.exception()
        if failure is not None:
            raise failure
        if not reply.status:
            raise reply.error or ModelConnectionError("No reply.")
        return reply

    async def open_stream(self, url: str, *, connect_timeout: float = 5.0) -> Stream:
        """See TunnellingHTTPClient. The connection is none of the pool's: it lasts as long as a session."""
        _, pool = self._targets.get(url) or self._prepare(url)
        try:
            async with asyncio.timeout(connect_timeout):
                return await pool.dialer.dial(Stream, tunnel=True)
        except TimeoutError:
            raise ModelTimeout("connect", "No connection to the model's provider in time.") from None

    def pool(self, url: str) -> Pool:
        """The pool that requests to this URL use."""
        return (self._targets.get(url) or self._prepare(url))[1]

    async def aclose(self) -> None:
        """Closes all connections; replies that are still arriving break off."""
        self._closed = True
        self._targets.clear()
        for pool in list(self._pools.values()):
            await pool.aclose()

    def _prepare(self, url: str) -> tuple[Target, Pool]:
        """URLs come back with every request; those that never do must not fill the memory."""
        if self._closed:
            raise ModelConnectionError("The HTTP client is closed.")
        target = prepare(url)
        pool = self._pools.get(target.origin)
        if pool is None:
            pool = self._pools[target.origin] = self._make_pool(target.origin)
        if len(self._targets) >= _MAX_TARGETS:
            self._targets.clear()
        self._targets[url] = target, pool
        return target, pool

    def _make_pool(self, origin: Origin) -> Pool:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        context: Callable[[], ssl.SSLContext] | None = None
        if origin.scheme == "https":
            tls = self._tls = self._tls or TlsContext(self.settings)
            tls.current()  # fails before a pool is made of it
            context = tls.current
        return Pool(Dialer(origin, self.settings, context, self._loop), self.settings, self._loop)

    def _add_start(self, target: Target, method: str) -> str:
        if self._proxy is not None and target.origin.scheme == "http":
            return target.add_start(method, absolute=True, proxy_authorization=self._proxy.authorization)
        return target.add_start(method)


async def _chunked(body: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    async for piece in body:
        if piece:
            yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


_WITHOUT_BODY = frozenset({"GET", "HEAD", "DELETE", "OPTIONS", "TRACE"})
_MAX_TARGETS = 1024
