"""The gateway under another ASGI server."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from llm_gateway.gateway import Gateway
from llm_gateway.loading import load_text
from llm_gateway.server.app import GatewayApp
from llm_gateway.server.asgi import ASGIForm
from llm_gateway.server.control import Control
from llm_gateway.server.generation import Generation
from llm_gateway.server.management import build_management, management_paths

ECHO = """
logging: {level: error}
models: [{name: m, isDefault: true, provider: {type: echo, config: {delay: 20ms}}}]
server: {limits: {maxBodyBytes: 5000}}
"""


class ServedForm:
    async def __aenter__(self) -> ServedForm:
        loaded = load_text(ECHO)
        self.gateway = Gateway(loaded)
        await self.gateway.start()
        self.control = Control(self.gateway)
        management = build_management(loaded.config, self.control)
        app = GatewayApp(Generation(self.gateway), management, management_paths(loaded.config, self.control))
        self.control.app = app
        self.app = app
        self.form = ASGIForm(app, startup=self.control.startup, shutdown=self.control.shutdown)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.gateway.close()

    async def ask(self, path: str, body: bytes, *, leave: float | None = None) -> tuple[int, bytes]:
        """`leave`: the client leaves after so many seconds."""
        pieces = [body[:10], body[10:]]
        messages = [
            {"type": "http.request", "body": piece, "more_body": number < len(pieces)}
            for number, piece in enumerate(pieces, 1)
        ]
        gone = asyncio.Event()
        found: list[Any] = []

        async def receive() -> Any:
            if messages:
                return messages.pop(0)
            if leave is None:
                await gone.wait()
            elif leave:
                await asyncio.sleep(leave)
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            found.append(message)

        scope = {
            "type": "http", "method": "POST" if body else "GET", "path": path, "query_string": b"",
            "headers": [(b"Host", b"localhost"), (b"content-length", b"%d" % len(body))], "client": ("192.0.2.1", 1),
        }  # fmt: skip
        await self.form(scope, receive, send)
        gone.set()
        status = found[0]["status"] if found else 0
        return status, b"".join(message.get("body", b"") for message in found)


def chat(text: str) -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]}).encode()


def test_model_routes_and_pages_are_served() -> None:
    async def main() -> None:
        async with ServedForm() as served:
            await served.control.startup()
            status, body = await served.ask("/openai/v1/chat/completions", chat("hello"))
            assert status == 200
            assert b"hello" in body
            assert (await served.ask("/health/live", b""))[0] == 200
            assert (await served.ask("/openai/v1/chat/completions", chat("x" * 6000)))[0] == 413

    asyncio.run(main())


def test_a_client_that_leaves_ends_its_request() -> None:
    async def main() -> None:
        async with ServedForm() as served:
            for moment in (0.0, 0.05):
                body = json.loads(chat("w " * 200)) | {"stream": True}
                _, reply = await served.ask("/openai/v1/chat/completions", json.dumps(body).encode(), leave=moment)
                assert b"[DONE]" not in reply
            assert served.app.generation.exchanges == 0
            assert served.app.admission.in_flight == 0

    asyncio.run(main())


def test_the_lifespan_starts_and_ends_the_gateway() -> None:
    async def main() -> None:
        async with ServedForm() as served:
            sent: list[Any] = []
            messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

            async def receive() -> Any:
                return messages.pop(0)

            async def send(message: Any) -> None:
                sent.append((message["type"], served.control.ready_now))

            await served.form({"type": "lifespan"}, receive, send)
            assert sent == [("lifespan.startup.complete", True), ("lifespan.shutdown.complete", False)]

    asyncio.run(main())
