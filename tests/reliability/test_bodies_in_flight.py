"""The memory for bodies of requests in flight is bounded over all of them, over real sockets: what finds none waits for
a while, what is more than may wait is refused at once, and small requests go on."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from loopback import ROUTES, Call, Gateway, answer, config, error_shape, gateway, model, request, run, until, upstream

PATH = ROUTES["chat"]
SLOW = """
import asyncio

from llm_gateway_sdk import Plugin, plugin_metadata


@plugin_metadata(name="slow", version="1.0.0", description="Records slowly.")
class Slow(Plugin):
    async def configure(self, config):
        self.go = asyncio.Event()

    async def detached_after_response(self, ctx):
        await self.go.wait()
"""


def limited(most: str, **more: Any) -> dict[str, Any]:
    return {"server": {"limits": {"maxInFlightBytes": most, **more}}}


def large(size: int = 1_000_000) -> dict[str, Any]:
    return request("chat", text="x" * size)


def memory(served: Gateway) -> Any:
    return served.app.generation.gateway.services.bodies


def test_what_finds_no_memory_waits_and_what_is_more_is_refused_while_small_requests_go_on() -> None:
    async def main() -> None:
        go = asyncio.Event()

        async def late(call: Call) -> None:
            if len(call.raw) > 100_000:
                await go.wait()
            await answer(call)

        async with upstream(late) as up, gateway(config(model(up.url), **limited("1500KB"))) as served:
            first, second, third, small = [await served.connect() for _ in range(4)]
            await first.send("POST", PATH, large())
            await up.wait_for(1)
            await second.send("POST", PATH, large())
            await until(lambda: memory(served).queued)
            await third.send("POST", PATH, large())

            refused = await third.reply()
            assert refused.status == 503
            assert refused.header("retry-after") == "1"
            assert "memory for request bodies" in error_shape("chat", refused.body)["message"]
            await small.send("POST", PATH, request("chat"))
            assert (await small.reply()).status == 200
            assert len(up.calls) == 2, "the second has not been sent"

            go.set()
            assert (await first.reply()).status == 200
            assert (await second.reply()).status == 200
            await until(lambda: not memory(served).in_flight)
            assert memory(served).queued == 0

    run(main())


def test_a_wait_has_an_end_and_a_client_that_leaves_meanwhile_waits_no_more() -> None:
    async def main() -> None:
        async def never(call: Call) -> None:
            await call.hang()

        limits = limited("1500KB", queueTimeout="300ms")
        async with upstream(never) as up, gateway(config(model(up.url), **limits)) as served:
            first, second, third = [await served.connect() for _ in range(3)]
            await first.send("POST", PATH, large())
            await up.wait_for(1)
            await second.send("POST", PATH, large())
            refused = await second.reply()
            assert refused.status == 503
            assert "no other request ended in time" in error_shape("chat", refused.body)["message"]

            await third.send("POST", PATH, large())
            await until(lambda: memory(served).queued)
            third.abort()
            await until(lambda: not memory(served).queued)
            first.abort()
            await until(lambda: not memory(served).in_flight)

    run(main())


def test_a_body_larger_than_all_the_memory_is_served_alone() -> None:
    async def main() -> None:
        async with upstream(answer) as up, gateway(config(model(up.url), **limited("100KB"))) as served:
            reply = await served.ask(large())

            assert reply.status == 200

    run(main())


def test_detached_hooks_that_look_at_it_later_still_hold_it(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    plugins = {
        "availablePlugins": [{"path": str(tmp_path / "slow.py")}],
        "plugins": [{"name": "slow", "type": "slow"}],
    }

    async def main() -> None:
        async with upstream(answer) as up, gateway(config(model(up.url), **plugins, **limited("1500KB"))) as served:
            assert (await served.ask(large())).status == 200
            second = await served.connect()
            await second.send("POST", PATH, large())
            await until(lambda: memory(served).queued)
            assert memory(served).in_flight > 1_000_000

            served.plugin.go.set()
            assert (await second.reply()).status == 200
            await until(lambda: not memory(served).in_flight)

    run(main())


def test_a_request_that_names_what_is_kept_holds_as_much_as_it(tmp_path: Path) -> None:
    async def main() -> None:
        held: list[int] = []

        async def look(call: Call) -> None:
            held.append(memory(served).in_flight)
            await answer(call)

        store = {"store": {"url": f"sqlite:{tmp_path}/state.db"}, "responses": {"store": True}}
        async with upstream(look) as up, gateway(config(model(up.url), **store)) as served:
            client = await served.connect()
            await client.send("POST", "/openai/v1/responses", {"model": "m", "input": "x" * 300_000})
            first = json.loads((await client.reply()).body)
            await client.send(
                "POST", "/openai/v1/responses", {"model": "m", "input": "on", "previous_response_id": first["id"]}
            )
            assert (await client.reply()).status == 200
            await until(lambda: not memory(served).in_flight)

        assert [size > 300_000 for size in held] == [True, True]

    run(main())
