"""What a plugin refuses, or has hidden of an error, is in clear text in no record of the request."""

from __future__ import annotations

# ruff: noqa: SIM117
import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from loopback import Call, config, gateway, model, request, run, upstream

SECRET = "secret-4711"

PLUGINS = """
from llm_gateway_sdk import *

SEEN = []

@plugin_metadata(name="refuser", version="1.0.0", configuration_schema={"type": "object"})
class Refuser(Plugin):
    async def configure(self, config):
        self.phase = config["phase"]

    def wants(self, phase, ctx):
        return phase == self.phase

    def before_model(self, ctx):
        return PluginResult(success=False, error="no", status=400)

    after_model = before_model
    after_chunk = before_model

    def on_model_error(self, ctx):
        ctx.error.message = ctx.error.message.replace("secret-4711", "***")


@plugin_metadata(name="recorder", version="1.0.0", configuration_schema={})
class Recorder(Plugin):
    def detached_after_response(self, ctx):
        views = [ctx.upstream_request, ctx.upstream_response, ctx.response, ctx.accumulated_response, ctx.chunk,
                 ctx.buffered_chunk, ctx.error, [str(each.error) for each in ctx.attempts], ctx.attempt_data]
        if ctx.has_request:
            views += [ctx.request, ctx.base_request]
        SEEN.append(repr(views) + repr([w.body for w in (ctx.upstream_request, ctx.upstream_response) if w])
                    + repr(ctx.http_request.body))
        self.seen = SEEN
"""


def settings(folder: Path, url: str, phase: str, **more: Any) -> dict[str, Any]:
    (folder / "witness.py").write_text(PLUGINS)
    return config(
        model(url, **more),
        availablePlugins=[{"path": str(folder / "witness.py")}],
        plugins=[
            {"name": "recorder", "type": "recorder"},
            {"name": "refuser", "type": "refuser", "config": {"phase": phase}},
            {"name": "logger", "type": "logger", "config": {"level": "debug"}},
        ],
        logging={"level": "debug"},
    )


async def shows_the_secret(call: Call) -> None:
    if call.streaming:
        chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "up"}
        delta = {"index": 0, "delta": {"role": "assistant", "content": SECRET}, "finish_reason": None}
        await call.stream(b"data: " + json.dumps({**chunk, "choices": [delta]}).encode() + b"\n\ndata: [DONE]\n\n")
        return
    choice = {"index": 0, "message": {"role": "assistant", "content": SECRET}, "finish_reason": "stop"}
    await call.send(200, {"id": "c", "object": "chat.completion", "created": 1, "model": "up", "choices": [choice]})


@pytest.mark.parametrize("client", ["chat", "messages"])
@pytest.mark.parametrize(
    ("phase", "stream"),
    [("before_model", False), ("before_model", True), ("after_model", False), ("after_chunk", True)],
)
def test_what_was_refused_is_in_no_view_of_the_request(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, phase: str, stream: bool, client: str
) -> None:
    caplog.set_level(logging.DEBUG)

    async def main() -> list[str]:
        async with upstream(shows_the_secret) as up:
            async with gateway(settings(tmp_path, up.url, phase)) as served:
                words = SECRET if phase == "before_model" else "hello"
                path = "/openai/v1/chat/completions" if client == "chat" else "/anthropic/v1/messages"
                reply = await served.ask(request(client, stream=stream, text=words), path=path)
                assert reply.status == 400
                assert SECRET.encode() not in reply.body
                await served.supervisor.drain(2)
                seen: list[str] = served.plugin.seen
                return seen

    seen = run(main())
    assert len(seen) == 1
    assert SECRET not in seen[0]
    assert SECRET not in caplog.text


@pytest.mark.parametrize("tries", [1, 3])
def test_the_text_of_an_error_is_recorded_as_plugins_have_left_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, tries: int
) -> None:
    caplog.set_level(logging.DEBUG)

    async def fails(call: Call) -> None:
        await call.send(500, {"error": {"message": f"can't read {SECRET}", "type": "server_error"}})

    async def main() -> list[str]:
        async with upstream(fails) as up:
            given = settings(tmp_path, up.url, "on_model_error", retryAttempts=tries, retryDelay="10ms")
            async with gateway(given) as served:
                reply = await served.ask(request("chat"))
                assert reply.status == 500
                assert SECRET.encode() not in reply.body
                assert len(up.calls) == tries
                await served.supervisor.drain(2)
                seen: list[str] = served.plugin.seen
                return seen

    seen = run(main())
    assert "can't read ***" in seen[0]
    assert SECRET not in seen[0]
    assert SECRET not in caplog.text


def test_a_retry_is_logged_without_the_providers_words(caplog: pytest.LogCaptureFixture) -> None:
    async def fails(call: Call) -> None:
        await call.send(503, {"error": {"message": f"can't read {SECRET}", "type": "server_error"}})

    async def main() -> None:
        async with upstream(fails) as up:
            given = config(model(up.url, retryAttempts=2, retryDelay="10ms"), logging={"level": "debug"})
            async with gateway(given) as served:
                await served.ask(request("chat"))

    caplog.set_level(logging.DEBUG)
    run(main())
    lines = [record.getMessage() for record in caplog.records if "next try" in record.getMessage()]
    assert len(lines) == 1
    assert "503" in lines[0]
    assert "overloaded" in lines[0]
    assert SECRET not in caplog.text


def test_a_request_that_is_cut_off_in_a_phase_shows_nothing_of_its_bodies(tmp_path: Path) -> None:
    source = (
        PLUGINS
        + """

@plugin_metadata(name="slow", version="1.0.0", configuration_schema={})
class Slow(Plugin):
    async def after_model(self, ctx):
        import asyncio
        await asyncio.sleep(60)
"""
    )

    async def main() -> list[str]:
        async with upstream(shows_the_secret) as up:
            given = settings(
                tmp_path,
                up.url,
                "none",
            )
            (tmp_path / "witness.py").write_text(source)
            given["plugins"].append({"name": "slow", "type": "slow"})
            async with gateway({**given, "requestTimeout": "1s"}) as served:
                assert (await served.ask(request("chat"))).status == 504
                await asyncio.sleep(0)
                await served.supervisor.drain(2)
                seen: list[str] = served.plugin.seen
                return seen

    assert SECRET not in run(main())[0]
