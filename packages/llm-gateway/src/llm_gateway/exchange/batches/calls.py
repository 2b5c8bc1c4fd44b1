"""Calls of a provider without a client's request, for batches that the gateway itself looks after."""

from __future__ import annotations

import asyncio

from llm_gateway_sdk import HTTPProvider, HTTPReply, ModelHTTPError, WireRequest
from llm_gateway_sdk.credentials import CredentialUnavailable

__all__ = ["ask"]

_ERROR_BYTES = 64 * 1024


async def ask(http: HTTPProvider, wire: WireRequest, *, token: str | None = None, seconds: float = 60.0) -> HTTPReply:
    """The reply of a success, its body still on its way. `token` is the client's own credential, for a provider that is
    called with those. Raises ModelError; of a refusal ModelHTTPError, without a word of its body."""
    wire.headers.set("accept-encoding", "identity")
    if http.settings.credentials == "client" and token:
        http.forward_credential(wire.headers, token)
    if http.tokens is not None:
        await http.tokens.ready()
    method, url, headers, body = http.prepare(wire)
    expires = asyncio.get_running_loop().time() + seconds
    reply = await http.http.send(
        method, url, headers.items, body,
        connect_timeout=http.settings.connect_timeout, expires=expires, reason="total",
    )  # fmt: skip
    if 200 <= reply.status < 300:
        reply.expire_at(expires, "total")
        return reply
    try:
        await reply.read(_ERROR_BYTES)
    finally:
        reply.close()
    if http.tokens is not None and reply.status == 401:
        http.tokens.refused(http.tokens.value)
        raise CredentialUnavailable(http.name, retryable=True)
    raise ModelHTTPError(f"The provider answered {reply.status}.", status=reply.status)
