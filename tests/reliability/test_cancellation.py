"""A client that leaves: the upstream call ends within a second, the books are closed, the hooks after it run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from loopback import (
    ROUTES,
    Call,
    Gateway,
    answer,
    chat_event,
    chat_stream,
    config,
    gateway,
    message_stream,
    model,
    request,
    run,
    until,
    upstream,
)

WATCHER = """
from llm_gateway_sdk import Plugin, plugin_metadata

SEEN = []

@plugin_metadata(name="watcher", version="1.0.0", description="Notes how requests ended", configuration_schema={})
class Watcher(Plugin):
    def detached_after_response(self, ctx):
        SEEN.append((ctx.request_id, ctx.metrics, ctx.error, ctx.metadata.get("status"), ctx.response, ctx.attempts))
        self.seen = SEEN

@plugin_metadata(name="looker", version="1.0.0", description="Sees every chunk", configuration_schema={})
class Looker(Plugin):
    def after_chunk(self, ctx):
        return None
"""


async def hang(call: Call) -> None:
    await call.hang()


async def content_then_hang(call: Call) -> None:
    await call.open_stream()
    if call.path.endswith("/messages"):
        await call.chunk(b"".join(message_stream("partial", done=False)))
    else:
        await call.chunk(b"".join(chat_stream("partial", done=False)))
    await call.hang()


async def half_a_body(call: Call) -> None:
    call.writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 5000\r\n\r\n{")
    await call.hang()


MOMENTS: dict[str, tuple[Callable[[Call], Awaitable[None]], bool, bool]] = {
    "before the first byte": (hang, True, False),
    "in the stream": (content_then_hang, True, True),
    "waiting for a whole reply": (hang, False, False),
    "within a whole reply": (half_a_body, False, False),
}


def plugins(folder: Path, *, looking: bool) -> dict[str, Any]:
    file = folder / "watcher.py"
    file.write_text(WATCHER)
    used = [{"name": "watcher", "type": "watcher"}]
    if looking:
        used.append({"name": "looker", "type": "looker"})
    return {"availablePlugins": [{"path": str(file)}], "plugins": used}


def seen(served: Gateway) -> list[Any]:
    plugin = served.plugin
    return list(getattr(plugin, "seen", []))


@pytest.mark.parametrize("looking", [False, True], ids=["passed through", "seen by a plugin"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_the_upstream_is_freed_and_the_books_are_closed(moment: str, looking: bool, tmp_path: Path) -> None:
    script, stream, begun = MOMENTS[moment]

    async def main() -> None:
        async with upstream(script) as up:
            models = [model(up.url, kind, name=kind) for kind in ("openai", "anthropic")]
            async with gateway(config(*models, **plugins(tmp_path, looking=looking))) as served:
                count = 0
                for dialect, path in ROUTES.items():
                    for kind in ("openai", "anthropic"):
                        for abrupt in (False, True):
                            where = f"{dialect} to {kind}"
                            count += 1
                            client = await served.connect()
                            body = request(dialect, stream=stream) | {"model": kind}
                            await client.send("POST", path, body, {"x-request-id": f"r{count}"})
                            call = await up.wait_for(count)
                            if begun:
                                await client.head()
                                await client.read_chunk()
                            elif script is half_a_body:
                                await asyncio.sleep(0.02)
                            client.abort() if abrupt else client.close()

                            async with asyncio.timeout(1):
                                await call.gone.wait()
                            await until(lambda: len(seen(served)) == count, 1)  # noqa: B023
                            request_id, metrics, error, status, response, attempts = seen(served)[-1]
                            assert request_id == f"r{count}", where
                            assert metrics.ended is not None
                            assert error.code == "client_disconnected", where
                            assert attempts[0].ended is not None
                            assert status == 499
                            if begun:
                                assert response is not None, where
                                assert response.text == "partial", where
                            if begun and kind == "anthropic":
                                assert metrics.input_tokens == 11, where
                await until(lambda: served.app.admission.in_flight == 0 and served.app.generation.exchanges == 0)
                await until(lambda: up.open == 0)
                assert {target.in_flight for target in served.targets().values()} == {0}
                assert served.supervisor.backlog == 0

    run(main())


def test_leaving_while_waiting_for_a_place_frees_the_queue() -> None:
    async def main() -> None:
        limits = {"limits": {"maxConcurrent": 1, "maxQueued": 5}}
        async with upstream(hang) as up, gateway(config(model(up.url), server=limits)) as served:
            clients = [await served.connect() for _ in range(4)]
            for client in clients:
                await client.send("POST", ROUTES["chat"], request("chat"))
            await until(lambda: served.app.admission.queued == 3)
            for client in clients[1:]:
                client.abort()
            await until(lambda: served.app.admission.queued == 0)
            clients[0].abort()
            await until(lambda: served.app.admission.in_flight == 0)
            assert len(up.calls) == 1

    run(main())


def test_beyond_concurrency_and_queue_requests_are_refused_in_the_clients_form() -> None:
    async def main() -> None:
        limits = {"limits": {"maxConcurrent": 2, "maxQueued": 1, "queueTimeout": "300ms"}}
        go_on = asyncio.Event()

        async def wait(call: Call) -> None:
            await go_on.wait()
            await answer(call)

        async with upstream(wait) as up, gateway(config(model(up.url), server=limits)) as served:
            running = [asyncio.ensure_future(served.ask(request("chat"))) for _ in range(3)]
            await until(lambda: served.app.admission.queued == 1)
            for dialect, path in ROUTES.items():
                client = await served.connect()
                # Refused before the body has come.
                await client.send_raw(f"POST {path} HTTP/1.1\r\nhost: g\r\ncontent-length: 500000\r\n\r\n".encode())
                reply = await client.reply()
                assert reply.status == (529 if dialect == "messages" else 503)
                assert int(reply.header("retry-after") or 0) >= 1
                assert ("overloaded_error" if dialect == "messages" else "overloaded") in reply.body.decode()
            await asyncio.sleep(0.35)
            go_on.set()
            statuses = sorted([(await asked).status for asked in running])
            assert statuses == [200, 200, 503]

    run(main())


def test_a_stalled_reader_stops_the_upstream_and_a_slow_one_gets_everything() -> None:
    async def main() -> None:
        events = [chat_event({"content": f"{number} " + "x" * 4000}) for number in range(500)]

        async def much(call: Call) -> None:
            await call.open_stream()
            for event in events:
                await call.chunk(event)
            await call.chunk(chat_event({}, "stop") + b"data: [DONE]\n\n")
            await call.end_stream()

        async with upstream(much) as up, gateway(config(model(up.url))) as served:
            client = await served.connect(limit=2**12)
            await client.send("POST", ROUTES["chat"], request("chat", stream=True))
            await client.head()
            body = bytearray()
            while piece := await client.read_chunk():
                body += piece
                if len(body) % 5 == 0:
                    await asyncio.sleep(0.001)
            assert bytes(body) == b"".join(events) + chat_event({}, "stop") + b"data: [DONE]\n\n"

    run(main())
