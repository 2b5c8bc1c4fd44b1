"""Opening a connection: addresses of a host tried in a race, through a proxy or not, with TLS or not.

None of it is on the hot path. Sockets are connected first and given to a transport afterwards, because that way is the
same for every event loop and every route, and leaves the race over addresses (RFC 8305) to us: uvloop has none.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from llm_gateway_sdk.errors import ModelConnectionError

from .head import Origin
from .settings import Proxy, TransportSettings

__all__ = ["Dialer", "describe_os_error", "not_reached"]

_P = TypeVar("_P", bound=asyncio.BaseProtocol)
_Address = tuple[int, int, int, str, Any]
"""Family, type, protocol, canonical name and socket address, as getaddrinfo gives them."""


class Dialer:
    """Opens connections to one origin."""

    def __init__(
        self,
        origin: Origin,
        settings: TransportSettings,
        ssl_context: Callable[[], ssl.SSLContext] | None,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._origin = origin
        self._ssl_context = ssl_context
        self._loop = loop
        self._delay = settings.happy_eyeballs_delay
        self._proxy = Proxy.from_url(settings.proxy) if settings.proxy else None
        self._addresses: list[_Address] = []
        self._resolved_until = 0.0
        self._resolving: asyncio.Task[list[_Address]] | None = None

    async def dial(self, factory: Callable[[], _P], *, tunnel: bool = False) -> _P:
        """Raises ModelConnectionError. With `tunnel` a proxy is asked for a tunnel also where there is no TLS."""
        try:
            if self._proxy is None:
                address = await self._only_address()
                if address is not None:
                    return await self._open_directly(factory, address)
            sock = await self._connect()
            if self._proxy is not None and (tunnel or self._ssl_context is not None):
                await self._open_tunnel(sock, self._proxy)
            try:
                _, protocol = await self._loop.create_connection(
                    factory,
                    sock=sock,
                    ssl=self._ssl_context() if self._ssl_context is not None else None,
                    server_hostname=self._origin.host if self._ssl_context is not None else None,
                )
            except BaseException:
                # The socket belongs to a transport now, which a cancelled handshake may leave alive: it must not be
                # closed without the event loop's knowledge, but at the end of the stream the transport closes it
                # itself.
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
                raise
        except ssl.SSLError as error:
            raise self._failure("No TLS with the model's provider", error) from error
        except OSError as error:
            self._resolved_until = 0.0
            raise self._failure("No connection to the model's provider", error) from error
        return protocol

    def _failure(self, what: str, error: OSError) -> ModelConnectionError:
        place = self._origin.authority
        if self._proxy is not None:
            place = f"{place} by way of the proxy {self._proxy.host}:{self._proxy.port}"
        return not_reached(what, place, describe_os_error(error))

    async def _only_address(self) -> tuple[str, int] | None:
        """Where there is nothing to race: the event loop's own way to a connection is half as dear as ours."""
        addresses = await self._resolve()
        if len(addresses) != 1 or addresses[0][0] != socket.AF_INET:
            return None
        host, port = addresses[0][4][:2]
        return host, port

    async def _open_directly(self, factory: Callable[[], _P], address: tuple[str, int]) -> _P:
        transport, protocol = await self._loop.create_connection(
            factory,
            *address,
            ssl=self._ssl_context() if self._ssl_context is not None else None,
            server_hostname=self._origin.host if self._ssl_context is not None else None,
        )
        sock = transport.get_extra_info("socket")
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _keep_alive(sock)
        except OSError:
            transport.abort()
            raise
        return protocol

    async def _connect(self) -> socket.socket:
        addresses = await self._resolve()
        if len(addresses) == 1:
            return await self._try_address(addresses[0])
        return await _race([partial(self._try_address, address) for address in addresses], self._delay)

    async def _try_address(self, address: _Address) -> socket.socket:
        family, kind, protocol, _, where = address
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _keep_alive(sock)
            await self._loop.sock_connect(sock, where)
        except BaseException:
            sock.close()
            raise
        return sock

    async def _resolve(self) -> list[_Address]:
        """Many connections opened at once ask for the name only once, and again after some seconds."""
        if self._loop.time() < self._resolved_until:
            return self._addresses
        if self._resolving is None:
            self._resolving = self._loop.create_task(self._look_up())
            self._resolving.add_done_callback(self._resolve_done)
        return await asyncio.shield(self._resolving)

    def _resolve_done(self, task: asyncio.Task[list[_Address]]) -> None:
        self._resolving = None
        if not task.cancelled() and task.exception() is None:
            self._addresses = task.result()
            self._resolved_until = self._loop.time() + _RESOLVED_FOR

    async def _look_up(self) -> list[_Address]:
        host, port = (
            (self._proxy.host, self._proxy.port) if self._proxy is not None else (self._origin.host, self._origin.port)
        )
        found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        if not found:
            raise OSError("its host name has no address")
        return _interleave([(int(f), int(t), p, c, a) for f, t, p, c, a in found])

    async def _open_tunnel(self, sock: socket.socket, proxy: Proxy) -> None:
        try:
            await self._ask_for_tunnel(sock, proxy)
        except BaseException:
            sock.close()
            raise

    async def _ask_for_tunnel(self, sock: socket.socket, proxy: Proxy) -> None:
        address = self._origin.address
        authorization = f"proxy-authorization: {proxy.authorization}\r\n" if proxy.authorization else ""
        request = f"CONNECT {address} HTTP/1.1\r\nhost: {address}\r\n{authorization}\r\n"
        await self._loop.sock_sendall(sock, request.encode("latin-1"))
        reply = b""
        while b"\r\n\r\n" not in reply:
            if len(reply) > _MAX_TUNNEL_HEAD:
                raise OSError("the proxy's reply is too large")
            data = await self._loop.sock_recv(sock, 4096)
            if not data:
                raise OSError("the proxy closed the connection")
            reply += data
        version, _, rest = reply.partition(b" ")
        if not version.startswith(b"HTTP/1.") or rest[:1] != b"2" or not reply.endswith(b"\r\n\r\n"):
            status = rest.split(b"\r\n", 1)[0].decode("latin-1")
            raise OSError(f"the proxy refused the tunnel: {status[:100]}")


async def _race(attempts: Sequence[Callable[[], Coroutine[Any, Any, socket.socket]]], delay: float) -> socket.socket:
    """Starts the next attempt when the ones before have failed, or have not succeeded for `delay` seconds.

    Returns the first success; raises the first failure if all fail. Sockets that come too late are closed.
    """
    waiting: set[asyncio.Task[socket.socket]] = set()
    failure: BaseException | None = None
    todo = list(reversed(attempts))
    try:
        while todo or waiting:
            if todo:
                waiting.add(asyncio.ensure_future(todo.pop()()))
            done, waiting = await asyncio.wait(
                waiting, timeout=delay if todo else None, return_when=asyncio.FIRST_COMPLETED
            )
            winners = [task for task in done if task.exception() is None]
            for late in winners[1:]:
                late.result().close()
            if winners:
                return winners[0].result()
            failure = failure or next((task.exception() for task in done), None)
        assert failure is not None
        raise failure
    finally:
        for task in waiting:
            task.cancel()
            task.add_done_callback(_close_late)


def _close_late(task: asyncio.Task[socket.socket]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().close()


def _interleave(addresses: list[_Address]) -> list[_Address]:
    """Alternates between address families, beginning with the resolver's first choice."""
    first = [address for address in addresses if address[0] == addresses[0][0]]
    other = [address for address in addresses if address[0] != addresses[0][0]]
    mixed: list[_Address] = []
    while first or other:
        mixed += first[:1] + other[:1]
        first, other = first[1:], other[1:]
    return mixed


def _keep_alive(sock: socket.socket) -> None:
    """Reasoning models may be silent for minutes, longer than many address translators remember a connection."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 30), ("TCP_KEEPCNT", 5)):
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def not_reached(what: str, place: str, cause: str) -> ModelConnectionError:
    """The client reads what failed and who knows more; the log also where: the provider's host, or the proxy's."""
    return ModelConnectionError(f"{what}: {cause}. The gateway's log has its address.", reason=f"{place}: {cause}")


def describe_os_error(error: OSError) -> str:
    """The kind of failure without host and address, which are the operator's business."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"certificate not accepted ({error.verify_message})"
        case ssl.SSLError():
            return str(error.reason or "handshake failed").lower().replace("_", " ")
        case socket.gaierror():
            return "its host name can't be resolved"
        case ConnectionRefusedError():
            return "connection refused"
        case ConnectionResetError():
            return "connection reset"
    return os.strerror(error.errno) if error.errno else str(error) or type(error).__name__


_RESOLVED_FOR = 10.0
_MAX_TUNNEL_HEAD = 64 * 1024
