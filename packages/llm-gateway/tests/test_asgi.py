"""The gateway as an application of another server. Sessions are in tests/endpoints/test_realtime.py, under uvicorn."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from llm_gateway.asgi import Application, application

ECHO = "models: [{name: m, isDefault: true, provider: {type: echo}}]\nlogging: {level: error}\n"


async def ask(app: Application, path: str) -> int:
    found: list[Any] = []
    messages = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Any:
        if not messages:
            await asyncio.Event().wait()
        return messages.pop()

    async def send(message: Any) -> None:
        found.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [(b"host", b"localhost")]}
    await app(scope, receive, send)
    return int(found[0]["status"])


@pytest.mark.parametrize("lifespan", [True, False])
def test_it_starts_with_the_server_or_with_the_first_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lifespan: bool
) -> None:
    monkeypatch.setattr("llm_gateway.asgi.configure_logging", lambda *_: None)
    (tmp_path / "gateway.yaml").write_text(ECHO)
    monkeypatch.setenv("LLM_GATEWAY_CONFIG", str(tmp_path / "gateway.yaml"))

    async def main() -> None:
        app = application()
        to_app: asyncio.Queue[Any] = asyncio.Queue()
        from_app: asyncio.Queue[Any] = asyncio.Queue()
        living = asyncio.ensure_future(app({"type": "lifespan"}, to_app.get, from_app.put))
        if lifespan:
            to_app.put_nowait({"type": "lifespan.startup"})
            assert (await from_app.get())["type"] == "lifespan.startup.complete"
            assert await ask(app, "/health/ready") == 200
            to_app.put_nowait({"type": "lifespan.shutdown"})
            assert (await from_app.get())["type"] == "lifespan.shutdown.complete"
            await living
        else:
            living.cancel()
            assert await asyncio.gather(*(ask(app, "/openai/v1/models") for _ in range(3))) == [200] * 3
            await app.shutdown()

    asyncio.run(main())
