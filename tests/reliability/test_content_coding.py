"""Replies in a content coding that was not asked for: read where the gateway can, named where it can't."""

from __future__ import annotations

import json
from typing import Any

import pytest
from loopback import ROUTES, Call, config, gateway, model, request, run, upstream

CODED = b"\x0b\x02\x80{}\x03"
ENDPOINTS: dict[str, tuple[str, Any]] = {
    **{name: (path, request(name)) for name, path in ROUTES.items()},
    "stream": (ROUTES["chat"], request("chat", stream=True)),
    "embeddings": ("/v1/embeddings", {"model": "m", "input": "x"}),
    "moderations": ("/v1/moderations", {"model": "m", "input": "x"}),
    "images": ("/v1/images/generations", {"model": "m", "prompt": "x"}),
    "speech": ("/v1/audio/speech", {"model": "m", "input": "x", "voice": "alloy"}),
}


def coded(status: int, coding: str) -> Any:
    async def script(call: Call) -> None:
        head = (
            f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-encoding: {coding}\r\n"
            f"content-length: {len(CODED)}\r\n\r\n"
        )
        call.writer.write(head.encode() + CODED)
        await call.writer.drain()

    return script


@pytest.mark.parametrize("engine", ["httptools", "aiohttp"])
@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, br"])
def test_every_endpoint_names_the_coding_that_it_can_not_read(engine: str, coding: str) -> None:
    async def main() -> None:
        settings = config(
            model("http://x"), upstream={"engine": engine}, nativePaths=["/v1/files"], breaker={"enabled": False}
        )
        async with upstream(coded(200, coding)) as up:
            settings["models"] = [model(up.url)]
            async with gateway(settings) as served:
                for name, (path, body) in ENDPOINTS.items():
                    reply = await served.ask(body, path=path)
                    assert reply.status == 502, name
                    assert f"content coding '{coding}'" in json.loads(reply.body)["error"]["message"], name
                relayed = await served.ask(path="/v1/files", method="GET")
                assert (relayed.status, relayed.header("content-encoding"), relayed.body) == (200, coding, CODED)

    run(main())


@pytest.mark.parametrize("engine", ["httptools", "aiohttp"])
def test_an_error_in_such_a_coding_keeps_its_status(engine: str) -> None:
    async def main() -> None:
        async with upstream(coded(429, "br")) as up:
            settings = config(model(up.url), upstream={"engine": engine}, breaker={"enabled": False})
            async with gateway(settings) as served:
                for name, (path, body) in ENDPOINTS.items():
                    reply = await served.ask(body, path=path)
                    assert reply.status == 429, name
                    assert CODED not in reply.body, name

    run(main())
