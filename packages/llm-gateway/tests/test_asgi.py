"""The gateway as an application of another server. Sessions are in tests/endpoints/test_realtime.py, under uvicorn."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from llm_gateway.asgi import Application, application

ECHO = "models: [{name: m, isDefault: true, provider: {type: echo}}]\nlogging: {level: error}\n"


async def ask(app: Application, path: str) -> int:
    return (await answer(app, path))[0]


async def answer(app: Application, path: str, method: str = "GET") -> tuple[int, str]:
    found: list[Any] = []
    messages = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Any:
        if not messages:
            await asyncio.Event().wait()
        return messages.pop()

    async def send(message: Any) -> None:
        found.append(message)

    headers = [(b"host", b"localhost"), (b"authorization", b"Bearer an-administration-key")]
    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": headers}
    await app(scope, receive, send)
    return int(found[0]["status"]), b"".join(message.get("body", b"") for message in found).decode()


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


def test_what_the_server_decides_is_not_taken_from_the_file_and_each_process_is_a_gateway_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llm_gateway.asgi.configure_logging", lambda *_: None)
    file = tmp_path / "gateway.yaml"
    admin = "admin: {enabled: true, apiKey: an-administration-key}\n"

    async def main(port: int) -> None:
        file.write_text(f"{ECHO}{admin}server: {{host: 192.0.2.1, port: {port}, workers: 4}}\n")
        one, other = application(file), application(file)
        assert await ask(one, "/health/ready") == await ask(other, "/health/ready") == 200
        assert await ask(one, "/openai/v1/models") == 200
        counted = [(await answer(app, "/metrics"))[1].count('operation="models"') for app in (one, other)]
        assert counted[0] > 0
        assert counted[1] == 0
        assert "llm_gateway_workers 1" in (await answer(one, "/metrics"))[1]
        file.write_text(f"{ECHO}{admin}requestTimeout: 7s\n")
        assert (await answer(one, "/admin/reload", "POST"))[0] == 200
        versions = [json.loads((await answer(app, "/admin/config/version"))[1])["version"] for app in (one, other)]
        assert versions[0] != versions[1]
        for app in (one, other):
            await app.shutdown()

    with socket.create_server(("127.0.0.1", 0)) as taken:
        asyncio.run(main(taken.getsockname()[1]))
