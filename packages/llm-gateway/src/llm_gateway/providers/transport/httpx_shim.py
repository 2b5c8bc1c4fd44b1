"""A plain `httpx.AsyncClient` over our client, for extensions whose libraries want one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import NoReturn

import httpx

from llm_gateway_sdk.errors import ModelConnectionError, ModelError, ModelTimeout
from llm_gateway_sdk.http import HTTPClient, HTTPReply

__all__ = ["HTTPXTransport", "httpx_client"]


def httpx_client(client: HTTPClient, *, base_url: str = "", timeout: float = 600.0) -> httpx.AsyncClient:
    """A client without cookies, redirects or environment; closing it leaves `client` and its pools open.

    `timeout` in seconds is httpx's read timeout: for the head of a reply, then for each wait for its body.
    """
    return httpx.AsyncClient(
        transport=HTTPXTransport(client),
        base_url=base_url,
        timeout=httpx.Timeout(timeout, connect=5.0),
        follow_redirects=False,
        trust_env=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
    )


class HTTPXTransport(httpx.AsyncBaseTransport):
    """Failures become httpx's own exceptions, with ours as their cause."""

    def __init__(self, client: HTTPClient) -> None:
        self._client = client

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        timeout = request.extensions.get("timeout", {})
        read_timeout = timeout.get("read")
        connect_timeout = timeout.get("connect")
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw]
        try:
            reply = await self._client.send(
                request.method,
                str(request.url.copy_with(fragment=None)),
                headers,
                body,
                connect_timeout=_FOREVER if connect_timeout is None else connect_timeout,
                expires=None if read_timeout is None else asyncio.get_running_loop().time() + read_timeout,
                reason="idle",
            )
        except ValueError as error:
            raise httpx.LocalProtocolError(str(error), request=request) from error
        except ModelError as error:
            _raise(error, request, connecting=True)
        return httpx.Response(
            reply.status,
            headers=[(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers],
            stream=_Body(reply, request, read_timeout),
            request=request,
        )


class _Body(httpx.AsyncByteStream):
    def __init__(self, reply: HTTPReply, request: httpx.Request, read_timeout: float | None) -> None:
        self._reply = reply
        self._request = request
        self._read_timeout = read_timeout

    async def __aiter__(self) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        try:
            while True:
                if self._read_timeout is not None:
                    self._reply.expire_at(loop.time() + self._read_timeout, "idle")
                data = await self._reply.receive()
                if not data:
                    return
                yield data
        except ModelError as error:
            _raise(error, self._request, connecting=False)

    async def aclose(self) -> None:
        self._reply.close()


def _raise(error: ModelError, request: httpx.Request, *, connecting: bool) -> NoReturn:
    match error:
        case ModelTimeout(reason="connect"):
            raise httpx.ConnectTimeout(error.message, request=request) from error
        case ModelTimeout():
            raise httpx.ReadTimeout(error.message, request=request) from error
        case ModelConnectionError() if connecting:
            raise httpx.ConnectError(error.message, request=request) from error
        case ModelConnectionError():
            raise httpx.ReadError(error.message, request=request) from error
    raise httpx.RemoteProtocolError(error.message, request=request) from error


_FOREVER = 86_400.0
