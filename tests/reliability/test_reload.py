"""Another configuration while requests run: none is lost, an invalid one changes nothing, a plugin closes once."""

from __future__ import annotations

# ruff: noqa: SIM117
import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from loopback import (
    ROUTES,
    Call,
    answer,
    chat_event,
    chat_stream,
    config,
    gateway,
    model,
    request,
    run,
    until,
    upstream,
)

from llm_gateway.server.control import STARTUP_SETTINGS

ADMIN = {"enabled": True, "apiKey": "admin-key-for-tests"}
KEY = {"authorization": "Bearer admin-key-for-tests"}

PLUGIN = """
import asyncio
from llm_gateway_sdk import Plugin, plugin_metadata

EVENTS = []

class Shared:
    def close(self):
        EVENTS.append("shared closed")

@plugin_metadata(name="witness", version="1.0.0", description="Tells of its life", configuration_schema={
    "type": "object", "properties": {"mark": {"type": "string"}, "fail": {"type": "boolean"}}})
class Witness(Plugin):
    async def configure(self, config):
        if config.get("fail"):
            raise RuntimeError("can't be made ready")
        self.mark = config["mark"]
        self.events = EVENTS
        EVENTS.append("configured " + self.mark)
        self.gateway.shared("witness", Shared)
        self.http = self.gateway.http_client()

    def before_model(self, ctx):
        self.gateway.shared("witness", Shared)
        ctx.reply_headers["x-witness"] = self.mark

    async def detached_after_response(self, ctx):
        await asyncio.sleep(0.05)
        EVENTS.append(("after close " if "closed " + self.mark in EVENTS else "after ") + self.mark)

    async def close(self):
        EVENTS.append("closed " + self.mark)
"""


def write(folder: Path, url: str, **changes: Any) -> Path:
    (folder / "witness.py").write_text(PLUGIN)
    mark = changes.pop("mark", "one")
    plugins = [{"name": "witness", "type": "witness", "config": {"mark": mark, **changes.pop("plugin", {})}}]
    file = folder / "gateway.yaml"
    settings = config(model(url, **changes.pop("provider", {})), **{"admin": ADMIN, "plugins": plugins, **changes})
    file.write_text(json.dumps({**settings, "availablePlugins": [{"path": str(folder / "witness.py")}]}))
    return file


async def reload(served: Any) -> Any:
    return (await served.ask(path="/admin/reload", headers=KEY)).json


def test_reloading_under_load_loses_no_request_and_streams_end_on_their_own_configuration(tmp_path: Path) -> None:
    async def main() -> None:
        go_on = asyncio.Event()

        async def script(call: Call) -> None:
            if not call.streaming:
                await answer(call)
                return
            events = chat_stream("a", "b")
            await call.open_stream()
            await call.chunk(b"".join(events[:2]))
            await go_on.wait()
            await call.chunk(b"".join(events[2:]))
            await call.end_stream()

        async with upstream(script) as up:
            async with gateway(write(tmp_path, up.url)) as served:
                plugin = served.plugin
                streams = [asyncio.ensure_future(served.ask(request("chat", stream=True))) for _ in range(5)]
                await up.wait_for(5)
                statuses: list[int] = []
                marks: set[str | None] = set()
                stop = False

                async def load() -> None:
                    client = await served.connect()
                    while not stop:
                        await client.send("POST", ROUTES["chat"], request("chat"))
                        reply = await client.reply()
                        statuses.append(reply.status)
                        marks.add(reply.header("x-witness"))
                        await asyncio.sleep(0.02)

                loading = [asyncio.ensure_future(load()) for _ in range(4)]
                for mark in ("two", "three", "four"):
                    # The pool of the old one goes with it: another proxy setting, another client.
                    write(tmp_path, up.url, mark=mark, provider={"timeout": f"{len(mark)}m"})
                    answered = await reload(served)
                    assert (answered["changed"], answered["error"]) == (True, None)
                    await asyncio.sleep(0.1)
                stop = True
                await asyncio.gather(*loading)
                assert set(statuses) == {200}
                assert marks == {"one", "two", "three", "four"}
                await until(lambda: "closed three" in plugin.events)
                assert "closed one" not in plugin.events
                assert "shared closed" not in plugin.events
                go_on.set()
                for stream in streams:
                    assert (await stream).body == b"".join(chat_stream("a", "b"))
                await until(lambda: "closed one" in plugin.events)
            assert "shared closed" in plugin.events
            for mark in ("one", "two", "three", "four"):
                assert plugin.events.count(f"configured {mark}") == 1
                assert plugin.events.count(f"closed {mark}") == 1
                assert f"after close {mark}" not in plugin.events
            assert plugin.events[-1] == "shared closed"

    run(main())


def test_what_has_not_changed_is_carried_over_with_all_it_holds(tmp_path: Path) -> None:
    async def main() -> None:
        async with upstream(answer) as up:
            async with gateway(write(tmp_path, up.url)) as served:
                plugin = served.plugin
                for number in range(3):
                    write(tmp_path, up.url, provider={"timeout": f"{number + 1}m"})
                    assert (await reload(served))["changed"] is True
                    await served.ask(request("chat"))
                    assert (await plugin.http.post(f"{up.url}/v1/chat/completions", json={})).status_code == 200
                await asyncio.sleep(0.2)
                assert plugin.events.count("configured one") == 1
                assert "closed one" not in plugin.events
                assert "shared closed" not in plugin.events
                now = served.plugin
                assert now is plugin
            assert plugin.events[-2:] == ["closed one", "shared closed"]

    run(main())


@pytest.mark.parametrize(
    "damage",
    ["{", "models: 7", json.dumps({"models": []}), "plugins: [{name: x, type: nothing-of-that-name}]"],
)
def test_an_invalid_configuration_changes_nothing_and_is_reported(damage: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with upstream(answer) as up:
            file = write(tmp_path, up.url)
            async with gateway(file) as served:
                version = (await served.ask(path="/admin/config/version", method="GET", headers=KEY)).json["version"]
                file.write_text(damage)
                reply = await served.ask(path="/admin/reload", headers=KEY)
                assert reply.status == 422
                assert reply.json["error"]
                reported = (await served.ask(path="/admin/config/version", method="GET", headers=KEY)).json
                assert reported["version"] == version
                assert reported["last_reload"]["error"]
                assert (await served.ask(request("chat"))).header("x-witness") == "one"
                file.unlink()
                assert (await served.ask(path="/admin/reload", headers=KEY)).status == 422
                assert (await served.ask(request("chat"))).status == 200

    run(main())


def test_a_plugin_that_fails_while_it_is_made_ready_changes_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with upstream(answer) as up:
            async with gateway(write(tmp_path, up.url)) as served:
                write(tmp_path, up.url, mark="two", plugin={"fail": True})
                answered = await reload(served)
                assert "can't be made ready" in answered["error"]
                assert (await served.ask(request("chat"))).header("x-witness") == "one"
                write(tmp_path, up.url, mark="three")
                assert (await reload(served))["error"] is None
                assert (await served.ask(request("chat"))).header("x-witness") == "three"

    run(main())


def test_what_needs_a_restart_is_reported(tmp_path: Path) -> None:
    async def main() -> None:
        async with upstream(answer) as up:
            async with gateway(write(tmp_path, up.url)) as served:
                limits = {"idleTimeout": "1m", "drainTimeout": "20s", "maxKeptBytes": "9MB", "maxKeptReplyBytes": "1MB"}
                server = {"host": "::", "port": 4321, "workers": 2, "workerTimeout": "1m", "limits": limits}
                rest = {"secrets": {"refresh": "1m"}, "logging": {"format": "json"}}
                admin = {**ADMIN, "apiKey": "another-key-of-16"}
                write(tmp_path, up.url, server=server, monitoring={"metrics": {"path": "/other"}}, admin=admin, **rest)
                answered = await reload(served)
                assert set(answered["needs_restart"]) == set(STARTUP_SETTINGS)
                assert "needs_restart" not in await reload(served)

    run(main())


def test_limits_of_a_new_configuration_are_in_force_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with upstream(answer) as up:
            async with gateway(write(tmp_path, up.url)) as served:
                large = request("chat", text="x" * 5000)
                assert (await served.ask(large)).status == 200
                write(tmp_path, up.url, server={"limits": {"maxBodyBytes": 2000}})
                await reload(served)
                assert (await served.ask(large)).status == 413

    run(main())


# Ending.


def test_open_streams_are_finished_before_the_end_and_new_connections_are_not_taken() -> None:
    async def main() -> None:
        go_on = asyncio.Event()

        async def script(call: Call) -> None:
            await call.open_stream()
            await call.chunk(chat_event({"content": "a"}))
            await go_on.wait()
            await call.chunk(chat_event({}, "stop") + b"data: [DONE]\n\n")
            await call.end_stream()

        async with upstream(script) as up, gateway(config(model(up.url))) as served:
            client = await served.connect()
            await client.send("POST", ROUTES["chat"], request("chat", stream=True))
            await client.head()
            await client.read_chunk()
            uploading = await served.connect()
            body = json.dumps(request("chat")).encode()
            head = f"POST {ROUTES['chat']} HTTP/1.1\r\nhost: g\r\ncontent-length: {len(body)}\r\n\r\n".encode()
            await uploading.send_raw(head + body[:10])
            idle = await served.connect()
            await idle.send("GET", "/health/ready")
            assert (await idle.reply("GET")).status == 200

            served.stop()
            await asyncio.sleep(0.2)
            with pytest.raises(ConnectionError):
                await served.connect()
            # A request that was on its way when the end was announced.
            await idle.send("GET", "/health/ready")
            ready = await idle.reply("GET")
            assert (ready.status, ready.json["failed"]) == (503, ["accepting"])
            await uploading.send_raw(body[10:])
            await asyncio.sleep(0.1)
            go_on.set()
            rest = b""
            while piece := await client.read_chunk():
                rest += piece
            assert rest.endswith(b"data: [DONE]\n\n")
            assert (await uploading.reply()).header("connection") == "close"

    run(main())


def test_a_stream_beyond_the_drain_time_is_cut_and_hooks_still_run() -> None:
    async def main() -> None:
        async def script(call: Call) -> None:
            await call.open_stream()
            await call.chunk(chat_event({"content": "a"}))
            await call.hang()

        limits = {"limits": {"drainTimeout": "1s"}}
        async with upstream(script) as up, gateway(config(model(up.url), server=limits)) as served:
            client = await served.connect()
            await client.send("POST", ROUTES["chat"], request("chat", stream=True))
            await client.head()
            served.stop()
            async with asyncio.timeout(4):
                await up.calls[0].gone.wait()

    run(main())
