"""The same client over aiohttp, for those who prefer a widely used engine to the fastest one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from math import inf
from types import SimpleNamespace
from typing import Any, NoReturn

import aiohttp
from yarl import URL

from llm_gateway_sdk import HTTPReply
from llm_gateway_sdk.errors import ModelConnectionError, ModelError, ModelProtocolError, ModelTimeout
from llm_gateway_sdk.http import Room
from llm_gateway_sdk.reading import read_in_pieces

from .decoding import Undecodable, decode_headers, find_decoder, receive_decoded
from .dial import describe_os_error, not_reached
from .head import check_headers, prepare
from .settings import TransportSettings
from .tls import TlsContext

__all__ = ["AiohttpClient", "AiohttpReply"]


class AiohttpClient:
    """See HTTPClient. Belongs to the event loop in which it is used first."""

    def __init__(self, settings: TransportSettings | None = None) -> None:
        self.settings = settings or TransportSettings()
        self._session: aiohttp.ClientSession | None = None
        self._tls = TlsContext(self.settings)
        self._urls: dict[str, URL] = {}
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
    ) -> AiohttpReply:
        """See HTTPClient.send. Raises ValueError for a URL, method or header that can't be sent."""
        if self._closed:
            raise ModelConnectionError("The HTTP client is closed.")
        session = self._session or self._open_session()
        address = self._urls.get(url) or self._prepare(url)
        sent = check_headers(method, headers)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout)
        resent = False
        while True:
            trace = SimpleNamespace(reused=False)
            try:
                async with asyncio.timeout_at(expires):
                    response = await session.request(
                        method,
                        address,
                        headers=sent,
                        data=body or None,
                        allow_redirects=False,
                        ssl=self._tls.current() if address.scheme == "https" else True,
                        timeout=timeout,
                        trace_request_ctx=trace,
                    )
            except aiohttp.ConnectionTimeoutError as error:
                raise ModelTimeout("connect") from error
            except TimeoutError as error:
                raise ModelTimeout(reason) from error
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
                if resent or not trace.reused:
                    _raise(error, "before it replied")
                resent = True
            except aiohttp.ClientError as error:
                _raise(error, "before it replied")
            else:
                return AiohttpReply(response, inf if expires is None else expires, reason, resent=resent)

    async def aclose(self) -> None:
        self._closed = True
        if self._session is not None:
            await self._session.close()

    def _open_session(self) -> aiohttp.ClientSession:
        settings = self.settings
        trace = aiohttp.TraceConfig()
        trace.on_connection_reuseconn.append(_note_reuse)
        connector = aiohttp.TCPConnector(
            limit=0,
            limit_per_host=settings.max_connections or 0,
            keepalive_timeout=settings.idle_timeout,
            ssl=self._tls.current(),
            happy_eyeballs_delay=settings.happy_eyeballs_delay,
            enable_cleanup_closed=False,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            skip_auto_headers=("accept", "accept-encoding", "content-type", "user-agent"),
            read_bufsize=settings.high_water,
            max_line_size=settings.max_head,
            max_field_size=settings.max_head,
            proxy=settings.proxy,
            trace_configs=[trace],
        )
        return self._session

    def _prepare(self, url: str) -> URL:
        prepare(url)
        if len(self._urls) >= _MAX_URLS:
            self._urls.clear()
        address = self._urls[url] = URL(url, encoded=True)
        return address


class AiohttpReply(HTTPReply):
    """See HTTPReply."""

    def __init__(self, response: aiohttp.ClientResponse, deadline: float, reason: str, *, resent: bool) -> None:
        self.status = response.status
        self.headers = [
            (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.raw_headers
        ]
        self.resent = resent
        encoding = next((value for name, value in self.headers if name == "content-encoding"), "")
        self._decoder = find_decoder(encoding) if response.method != "HEAD" else None
        self.headers = decode_headers(self._decoder, self.status, self.headers)
        self._response = response
        self._deadline = deadline
        self._reason = reason
        self._waiting: asyncio.Timeout | None = None
        self._error: ModelError | None = None

    def keep_coding(self) -> None:
        """Gives the body as it comes where its coding can't be undone; its headers name the coding."""
        if isinstance(self._decoder, Undecodable):
            self._decoder = None

    async def receive(self) -> bytes:
        if self._decoder is None:
            return await self._receive()
        try:
            return await receive_decoded(self._decoder, self._receive)
        except ModelProtocolError:
            self.close()
            raise

    async def read(self, limit: int | None = None, room: Room | None = None) -> bytes:
        try:
            return await read_in_pieces(self.receive, limit, room, self._deadline)
        except ModelProtocolError:
            self.close()
            raise

    def expire_at(self, when: float, reason: str) -> None:
        self._deadline = when
        self._reason = reason
        if self._waiting is not None:
            self._waiting.reschedule(when)

    def close(self) -> None:
        if not self._response.content.is_eof() and self._error is None:
            self._error = ModelConnectionError("The reply was closed early.")
        self._response.close()

    async def _receive(self) -> bytes:
        if self._error is not None:
            raise self._error
        content = self._response.content
        try:
            if not content.is_eof() and asyncio.get_running_loop().time() >= self._deadline:
                raise TimeoutError
            async with asyncio.timeout_at(None if self._deadline == inf else self._deadline) as self._waiting:
                return await content.readany()
        except TimeoutError:
            self._fail(ModelTimeout(self._reason))
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as error:
            self._fail(_closed("before its reply ended"), error)
        except aiohttp.ClientError as error:
            self._fail(ModelProtocolError("The reply is not valid HTTP."), error)
        except asyncio.CancelledError:
            self.close()
            raise
        finally:
            self._waiting = None

    def _fail(self, error: ModelError, cause: BaseException | None = None) -> NoReturn:
        self._error = error
        self._response.close()
        raise error from cause


async def _note_reuse(_session: Any, context: SimpleNamespace, _params: Any) -> None:
    context.trace_request_ctx.reused = True


def _raise(error: aiohttp.ClientError, when: str) -> NoReturn:
    match error:
        case aiohttp.ClientSSLError():
            certificate = isinstance(error, aiohttp.ClientConnectorCertificateError)
            cause = "certificate not accepted" if certificate else describe_os_error(error.os_error)
            raise not_reached("No TLS with the model's provider", f"{error.host}:{error.port}", cause) from error
        case aiohttp.ClientConnectorError():
            where, cause = f"{error.host}:{error.port}", describe_os_error(error.os_error)
            raise not_reached("No connection to the model's provider", where, cause) from error
        case aiohttp.ClientHttpProxyError():
            raise ModelConnectionError(
                f"No connection to the model's provider: the proxy refused the tunnel: {error.status}."
            ) from error
        case aiohttp.ClientResponseError() | aiohttp.ClientPayloadError():
            raise ModelProtocolError("The reply is not valid HTTP.") from error
    raise _closed(when) from error


def _closed(when: str) -> ModelConnectionError:
    return ModelConnectionError(f"The model's provider closed the connection {when}.")


_MAX_URLS = 1024
