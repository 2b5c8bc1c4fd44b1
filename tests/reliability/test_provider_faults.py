"""What a provider, or a plugin, does wrong stays its own fault: the client gets an error in its own API's shape."""

from __future__ import annotations

# ruff: noqa: SIM117
import asyncio
import gzip
import time
from pathlib import Path
from typing import Any

import pytest
from loopback import (
    ROUTES,
    Call,
    Script,
    answer,
    chat_stream,
    chat_whole,
    config,
    error_shape,
    gateway,
    message_stream,
    message_whole,
    model,
    request,
    run,
    upstream,
)

DIALECTS = {"chat": "openai", "messages": "anthropic"}


def replies(status: int, body: Any = None, **headers: str) -> Script:
    async def script(call: Call) -> None:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        await call.send(status, b"{}" if body is None else body, given)

    return script


def router(*names: str) -> dict[str, Any]:
    return {"name": "router", "type": "model-router", "config": {"model": names[0], "fallbacks": list(names[1:])}}


def plugin(folder: Path, source: str, *uses: dict[str, Any]) -> dict[str, Any]:
    file = folder / "faulty.py"
    file.write_text("from llm_gateway_sdk import *\n\n" + source)
    return {"availablePlugins": [{"path": str(file)}], "plugins": list(uses)}


OPERATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "generate": ("/openai/v1/chat/completions", request("chat")),
    "stream": ("/openai/v1/chat/completions", request("chat", stream=True)),
    "generate, translated": ("/anthropic/v1/messages", request("messages")),
    "stream, translated": ("/anthropic/v1/messages", request("messages", stream=True)),
    "embeddings": ("/openai/v1/embeddings", {"model": "m", "input": "x"}),
    "count": ("/anthropic/v1/messages/count_tokens", {"model": "a", "messages": request("messages")["messages"]}),
    "native": ("/openai/v1/moderations", {"model": "m", "input": "x"}),
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308, 399])
def test_a_redirect_is_the_providers_error_on_every_route(operation: str, status: int) -> None:
    async def main() -> None:
        script = replies(status, b'{"moved":true}', location="http://other.example/v1", content_location="/x")
        async with upstream(script) as up:
            settings = config(
                model(up.url, retryAttempts=2), model(up.url, "anthropic", "a"), nativePaths=["/v1/moderations"]
            )
            async with gateway(settings) as served:
                path, body = OPERATIONS[operation]
                reply = await served.ask(body, path=path)
        assert reply.status == 502
        assert reply.header("location") is None
        assert b"other.example" not in reply.body
        assert b"moved" not in reply.body
        error = error_shape("messages" if "anthropic" in path else "chat", reply.body)
        assert "the provider answered with a redirect" in error["message"].lower()
        assert reply.header("x-llm-gateway-error-source") == "upstream"
        assert len(up.calls) == 1, "not asked blindly again"

    run(main())


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "fault",
    [
        replies(307, b"x", location="http://other.example/"),
        replies(200, b"<html><p>log in</p>\n\n</html>", content_type="text/html"),
        replies(200, b"\n\n<!doctype html>", content_type="Text/HTML; charset=utf-8"),
        replies(200, b"[1]"),
        replies(200, b"ok", content_type="text/plain"),
        replies(777),
    ],
    ids=["redirect", "web page", "web page with a parameter", "list", "text", "no such status"],
)
def test_another_model_answers_in_the_place_of_one_that_does_not_speak_its_api(fault: Script, stream: bool) -> None:
    async def script(call: Call) -> None:
        await (fault if call.body["model"] == "one" else answer)(call)

    async def main() -> None:
        async with upstream(script) as up:
            models = [model(up.url, name="m", model="one"), model(up.url, name="n", model="two")]
            async with gateway(config(*models, plugins=[router("m", "n")])) as served:
                reply = await served.ask(request("chat", stream=stream))
                assert reply.status == 200
                assert reply.header("x-llm-gateway-model") == "n"
                assert reply.header("x-llm-gateway-attempts") == "2"

    run(main())


def test_statuses_without_a_meaning_are_errors_of_the_provider() -> None:
    async def script(call: Call) -> None:
        await call.send(int(call.body["messages"][0]["content"]), b"{}")

    async def main() -> None:
        async with upstream(script) as up, gateway(config(model(up.url))) as served:
            for status in (600, 799, 999):
                reply = await served.ask(request("chat", text=str(status)))
                assert reply.status == 502
                error_shape("chat", reply.body)

    run(main())


def test_a_reply_without_a_body_has_no_length() -> None:
    async def script(call: Call) -> None:
        call.writer.write(b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n")
        await call.writer.drain()

    async def main() -> None:
        async with upstream(script) as up:
            async with gateway(config(model(up.url), nativePaths=["/v1/files/*"])) as served:
                reply = await served.ask(method="DELETE", path="/openai/v1/files/f1")
                assert (reply.status, reply.header("content-length")) == (204, None)

    run(main())


LIMITS = {
    "x-ratelimit-reset-tokens": ["300000000d", "1e999s", "9" * 400 + "d", ""],
    "x-ratelimit-reset-requests": ["999999999999h"],
    "retry-after": ["inf", "nan", "1e400", "-5", "99999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT", "soon"],
    "retry-after-ms": ["inf", "nan", "-inf", "1e308"],
    "anthropic-ratelimit-tokens-reset": ["9999-12-31T23:59:59Z", "10000-01-01", "0001-01-01T00:00:00+14:00"],
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("status", [200, 429])
@pytest.mark.parametrize("stream", [False, True])
def test_numbers_in_headers_never_cost_an_answer(dialect: str, status: int, stream: bool) -> None:
    """Whatever a provider writes there: good replies stay good, errors stay errors."""

    async def script(call: Call) -> None:
        content = call.body["messages"][-1]["content"]
        name, value = (content if isinstance(content, str) else content[0]["text"]).split("=", 1)
        if status == 429:
            await call.send(429, {"error": {"message": "slow down", "type": "rate_limit_error"}}, {name: value})
        elif stream:
            events = message_stream("a") if call.path.endswith("/messages") else chat_stream("a")
            await call.open_stream({name: value})
            await call.chunk(b"".join(events))
            await call.end_stream()
        else:
            await call.send(200, message_whole() if call.path.endswith("/messages") else chat_whole(), {name: value})

    async def main() -> None:
        async with upstream(script) as up:
            other = next(kind for name, kind in DIALECTS.items() if name != dialect)
            async with gateway(config(model(up.url, other), breaker={"enabled": False})) as served:
                for name, values in LIMITS.items():
                    for value in values:
                        reply = await served.ask(
                            request(dialect, stream=stream, text=f"{name}={value}"), path=ROUTES[dialect]
                        )
                        assert reply.status == status, (name, value)
                        assert reply.whole
                        if status == 429:
                            error_shape(dialect, reply.body)

    run(main())


@pytest.mark.parametrize("given", ["retry-after: 61", "retry-after: 45", "retry-after-ms: 3600000"])
def test_a_long_wait_before_another_try_goes_to_the_client(given: str) -> None:
    name, value = given.split(": ")
    timeout = "10s" if value == "45" else "10m"

    async def main() -> None:
        async with upstream(replies(429, b'{"error":{"message":"slow"}}', **{name.replace("-", "_"): value})) as up:
            settings = config(
                model(up.url, retryAttempts=3, retryDelay="10ms"), breaker={"enabled": False}, requestTimeout=timeout
            )
            async with gateway(settings) as served:
                started = time.monotonic()
                reply = await served.ask(request("chat"))
                assert reply.status == 429
                assert len(up.calls) == 1
                assert time.monotonic() - started < 2

    run(main())


EXITS = ["SystemExit(3)", "KeyboardInterrupt()", "asyncio.CancelledError()", "GeneratorExit()", "BaseException('x')"]
PHASES = ["before_model", "after_model", "after_chunk", "on_model_error", "detached_after_response", "wants"]

RAISING = """
import asyncio

@plugin_metadata(name="raising", version="1.0.0", configuration_schema={})
class Raising(Plugin):
    async def PHASE(self, ctx, *more):
        await asyncio.sleep(WAIT)
        raise ERROR
"""


@pytest.mark.parametrize("waiting", [False, True])
@pytest.mark.parametrize("error", EXITS[:3])
@pytest.mark.parametrize("phase", PHASES[:5])
def test_nothing_that_a_hook_raises_ends_the_gateway(tmp_path: Path, phase: str, error: str, waiting: bool) -> None:
    source = RAISING.replace("PHASE", phase).replace("ERROR", error).replace("WAIT", "0.01" if waiting else "0")

    async def script(call: Call) -> None:
        await (replies(500, b'{"error":{"message":"no"}}') if phase == "on_model_error" else answer)(call)

    async def main() -> None:
        async with upstream(script) as up:
            used = plugin(tmp_path, source, {"name": "raising", "type": "raising"})
            async with gateway(config(model(up.url), **used)) as served:
                stream = phase == "after_chunk"
                first = await served.ask(request("chat", stream=stream))
                assert first.status == (200 if phase == "detached_after_response" else 500)
                assert first.whole
                if first.status == 500 and phase != "on_model_error":
                    error_shape("chat", first.body)
                await asyncio.sleep(0.05)
                assert (await served.ask(method="GET", path="/health/live")).status == 200

    run(main())


@pytest.mark.parametrize("header", ["5: 'x'", "None: 'x'", "'x': None", "'\\ud800': 'x'", "'x': '\\ud800'", "b'x': 1"])
def test_a_reply_header_that_cannot_be_written_costs_no_connection(tmp_path: Path, header: str) -> None:
    source = f"""
@plugin_metadata(name="odd", version="1.0.0", configuration_schema={{}})
class Odd(Plugin):
    def before_model(self, ctx):
        ctx.reply_headers = {{{header}}}
"""

    async def main() -> None:
        async with upstream(answer) as up:
            used = plugin(tmp_path, source, {"name": "odd", "type": "odd"})
            async with gateway(config(model(up.url), **used)) as served:
                for stream in (False, True):
                    reply = await served.ask(request("chat", stream=stream))
                    assert reply.status in (200, 500)
                    assert reply.whole
                    if reply.status == 500:
                        error_shape("chat", reply.body)

    run(main())


def test_a_hook_that_swallows_its_cancellation_ends_its_request(tmp_path: Path) -> None:
    source = """
import asyncio

@plugin_metadata(name="stubborn", version="1.0.0", configuration_schema={})
class Stubborn(Plugin):
    async def before_model(self, ctx):
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                pass
"""

    async def main() -> None:
        async with upstream(answer) as up:
            used = plugin(tmp_path, source, {"name": "stubborn", "type": "stubborn"})
            async with gateway(config(model(up.url), requestTimeout="1s", **used)) as served:
                started = time.monotonic()
                reply = await served.ask(request("chat"))
                assert reply.status == 504
                assert time.monotonic() - started < 4

    run(main())


READER = """
@plugin_metadata(name="reader", version="1.0.0", configuration_schema={})
class Reader(Plugin):
    def after_model(self, ctx):
        ctx.response.text

    def on_model_error(self, ctx):
        pass
"""


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_reply_that_a_plugin_is_the_first_to_read_is_the_providers_failure(tmp_path: Path, dialect: str) -> None:
    async def script(call: Call) -> None:
        if call.body["model"] == "one":
            await call.send(200, {"foo": 1, "choices": "x", "content": 5})
        else:
            await answer(call)

    async def main() -> None:
        async with upstream(script) as up:
            kind = DIALECTS[dialect]
            models = [model(up.url, kind, "m", model="one"), model(up.url, kind, "n", model="two")]
            used = plugin(tmp_path, READER, {"name": "reader", "type": "reader"})
            alone = await _ask(config(*models, **used), dialect)
            used["plugins"].append(router("m", "n"))
            with_fallback = await _ask(config(*models, **used), dialect)

        assert alone.status == 502
        assert alone.header("x-llm-gateway-error-source") == "upstream"
        assert "plugin" not in error_shape(dialect, alone.body)["message"].lower()
        assert (with_fallback.status, with_fallback.header("x-llm-gateway-model")) == (200, "n")

    run(main())


async def _ask(settings: dict[str, Any], dialect: str) -> Any:
    async with gateway(settings) as served:
        return await served.ask(request(dialect), path=ROUTES[dialect])


@pytest.mark.parametrize("name", ["..", ".", "../x", "a/../b", "a/..", "..%2fx", "%2e%2e", "a\\..\\b"])
def test_a_model_name_cannot_lead_out_of_its_path(name: str) -> None:
    async def main() -> None:
        async with upstream(answer) as up:
            settings = config({**model(up.url), "provider": _azure(up.url)})
            async with gateway(settings) as served:
                reply = await served.ask({**request("chat"), "model": name})
                assert reply.status == 400
                assert up.calls == []

    run(main())


def _azure(url: str) -> dict[str, Any]:
    return {
        "type": "azure-openai",
        "config": {"apiKey": "k" * 20, "baseUrl": url, "bypassModel": True, "version": "2024-10-21"},
    }


@pytest.mark.parametrize("way", ["passed through", "translated", "watched"])
def test_one_event_is_bounded_on_every_way(tmp_path: Path, way: str) -> None:
    source = """
@plugin_metadata(name="watcher", version="1.0.0", configuration_schema={})
class Watcher(Plugin):
    def after_chunk(self, ctx):
        pass
"""
    large = chat_stream("x" * 400_000, done=False)[-1]

    async def script(call: Call) -> None:
        await call.open_stream()
        for start in range(0, len(large), 20_000):
            await call.chunk(large[start : start + 20_000])
        await call.hang()

    async def main() -> None:
        dialect = "messages" if way == "translated" else "chat"
        async with upstream(script) as up:
            used = plugin(tmp_path, source, *([{"name": "w", "type": "watcher"}] if way == "watched" else []))
            settings = config(model(up.url), server={"limits": {"maxEventBytes": "100KiB"}}, **used)
            async with gateway(settings) as served:
                reply = await served.ask(request(dialect, stream=True), path=ROUTES[dialect])
                assert reply.status == 502
                assert "102400" in error_shape(dialect, reply.body)["message"]

    run(main())


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_stream_of_nothing_that_was_packed_small_does_not_hold_the_loop(dialect: str) -> None:
    packed = gzip.compress(b"\n\n:\n\n" * 1_500_000)

    async def script(call: Call) -> None:
        await call.open_stream({"content-encoding": "gzip"})
        await call.chunk(packed)
        await call.hang()

    async def main() -> None:
        async with upstream(script) as up, gateway(config(model(up.url))) as served:
            client = await served.connect()
            await client.send("POST", ROUTES[dialect], request(dialect, stream=True))
            await up.wait_for(1)
            worst = 0.0
            for _ in range(10):
                started = time.monotonic()
                assert (await served.ask(method="GET", path="/health/live")).status == 200
                worst = max(worst, time.monotonic() - started)
                await asyncio.sleep(0.02)
            assert worst < 0.5

    run(main())
