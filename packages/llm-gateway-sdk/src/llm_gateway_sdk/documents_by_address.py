"""Small JSON documents that a plugin reads from an address: key sets, discovery documents, tokens.

Who answers may be slow, or send without end: both are bounded.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

__all__ = ["MOST_BYTES", "read_document"]

MOST_BYTES = 1 << 20


async def read_document(
    client: Any, method: str, url: str, *, seconds: float = 10.0, most: int = MOST_BYTES, **parts: Any
) -> tuple[int, Any]:
    """Status of the reply, and the JSON value of its body. `client` is an `httpx.AsyncClient`, `parts` are what its
    requests take (`headers`, `data`). Redirects are not followed.

    Raises TimeoutError where it is not whole after `seconds`, ValueError for a body of more than `most` bytes and for
    one that is not JSON, and what the client raises.
    """
    headers = {**(parts.pop("headers", None) or {}), "accept-encoding": "identity"}
    async with (
        asyncio.timeout(seconds),
        client.stream(method, url, headers=headers, timeout=seconds, follow_redirects=False, **parts) as reply,
    ):
        if reply.headers.get("content-encoding", "identity") != "identity":
            raise ValueError("it is in a coding that was not asked for")  # and may inflate without end
        body = bytearray()
        async for data in reply.aiter_bytes():
            body += data
            if len(body) > most:
                raise ValueError(f"it has more than {most} bytes")
    try:
        return reply.status_code, json.loads(body)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
