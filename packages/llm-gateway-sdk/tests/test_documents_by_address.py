from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from llm_gateway_sdk.documents_by_address import read_document


async def without_end() -> AsyncIterator[bytes]:
    while True:
        yield b" " * 65536


async def in_drops() -> AsyncIterator[bytes]:
    while True:
        await asyncio.sleep(0.005)
        yield b" "


def read(answer: Callable[[httpx.Request], httpx.Response], **more: Any) -> tuple[int, Any]:
    async def run() -> tuple[int, Any]:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer), follow_redirects=True) as client:
            return await read_document(client, "POST", "https://login.example.com/token", **more)

    return asyncio.run(run())


def test_a_document_is_read() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert (request.content, request.headers["x-a"]) == (b"a=b", "c")
        return httpx.Response(418, json={"error": "no"})

    assert read(answer, data={"a": "b"}, headers={"x-a": "c"}) == (418, {"error": "no"})


@pytest.mark.parametrize(
    "reply",
    [
        lambda: httpx.Response(200, content=without_end()),
        lambda: httpx.Response(200, content=gzip.compress(b"{}"), headers={"content-encoding": "gzip"}),
        lambda: httpx.Response(200, content=b"[" * 100_000),
        lambda: httpx.Response(200, content=b"<html>"),
        lambda: httpx.Response(302, headers={"location": "https://elsewhere.example/"}),
    ],
    ids=["without end", "packed", "nested", "no JSON", "a redirect"],
)
def test_any_other_reply_is_an_error(reply: Callable[[], httpx.Response]) -> None:
    with pytest.raises(ValueError):
        read(lambda request: reply())


def test_a_document_that_comes_in_drops_is_given_up() -> None:
    with pytest.raises(TimeoutError):
        read(lambda request: httpx.Response(200, content=in_drops()), seconds=0.05)
