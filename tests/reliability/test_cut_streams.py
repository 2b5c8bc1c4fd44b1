"""Every dialect's stream, cut after each of its events, is counted by what came, and its reservation is settled.

The streams are written by the dialects themselves. A cut is the provider's (a reset, an early end, silence until the
time limit) or the client's; the stream is forwarded, watched by a plugin, or translated. No word occurs twice, so that
what came is counted from the bytes that the upstream sent, whatever the gateway makes of them.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from llm_gateway_bedrock import Bedrock
from llm_gateway_gemini import Gemini
from llm_gateway_limits import Limits
from loopback import Call, Gateway, config, gateway, run, until, upstream

from llm_gateway.dialects.anthropic import Anthropic
from llm_gateway.dialects.openai_chat import OpenAIChat
from llm_gateway.dialects.openai_responses import OpenAIResponses
from llm_gateway_sdk import (
    Choice,
    Dialect,
    Headers,
    LLMResponse,
    Losses,
    Message,
    Mint,
    Part,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    Usage,
    WireRequest,
)
from llm_gateway_sdk.context import Attempt, RequestMetrics
from llm_gateway_sdk.estimate import estimate_text

KEEPER = """
from llm_gateway_sdk import *

SEEN = {}

@plugin_metadata(name="keeper", version="1.0.0", configuration_schema={})
class Keeper(Plugin):
    def before_request(self, ctx):
        self.seen = SEEN

    def after_request(self, ctx):
        SEEN[ctx.headers.get("x-case", "")] = (ctx.metrics, ctx.attempts)

    def after_chunk(self, ctx):
        return None

    def wants(self, phase, ctx):
        return phase != "after_chunk" or "x-watched" in ctx.headers
"""

KEYS = {"accessKeyId": "AKIAEXAMPLE", "secretAccessKey": "secret", "region": "eu-central-1"}
CHAT: dict[str, Any] = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Go on."}]}
TURNS = {"contents": [{"role": "user", "parts": [{"text": "Go on."}]}]}
BLOCKS = {"messages": [{"role": "user", "content": [{"text": "Go on."}]}]}
DIALECTS: dict[str, tuple[Dialect, str, dict[str, Any], str, dict[str, Any]]] = {
    "chat": (OpenAIChat(), "openai", {"baseUrl": "/v1"}, "/openai/v1/chat/completions", CHAT),
    "responses": (
        OpenAIResponses(),
        "openai",
        {"baseUrl": "/v1", "api": "responses"},
        "/openai/v1/responses",
        {"model": "m", "stream": True, "input": "Go on."},
    ),
    "messages": (Anthropic(), "anthropic", {}, "/anthropic/v1/messages", {**CHAT, "max_tokens": 4000}),
    "gemini": (Gemini(), "gemini", {}, "/gemini/v1beta/models/m:streamGenerateContent?alt=sse", TURNS),
    "bedrock": (Bedrock(), "bedrock", KEYS, "/bedrock/model/m/converse-stream", BLOCKS),
}
"""By name: the dialect, the provider type, its settings, and the path and body of a client's request."""

REPORTED = Usage(123, 500)
"""More than any estimate of what comes, so that a count which the provider reported is recognised."""
INPUT_SEEN = ("chat", "responses", "gemini", "bedrock")
"""Streams that report the input at their end; Anthropic's report it at the beginning."""


def pieces() -> list[list[Part]]:
    names = count()
    words = [f"word{next(names):02}more " for _ in range(10)]
    thoughts = [f"word{next(names):02}less " for _ in range(2)]
    arguments = ['{"city": "', *(f"word{next(names):02}even" for _ in range(3)), '"}']
    called = [ToolCallPart("call_1" if n == 0 else "", "look" if n == 0 else "", text, index=2)
              for n, text in enumerate(arguments)]  # fmt: skip
    return [
        *([ThinkingPart(text, index=0)] for text in thoughts),
        *([TextPart(text, index=1)] for text in words),
        *([part] for part in called),
    ]


def events_of(dialect: Dialect, path: str, body: dict[str, Any]) -> list[bytes]:
    """The events of a whole stream, as the provider of this dialect sends them."""
    if isinstance(dialect, OpenAIChat):
        body = {**body, "stream_options": {"include_usage": True}}
    path = "/" + path.partition("/")[2].partition("/")[2]
    wire = WireRequest("POST", path.partition("?")[0], path.partition("?")[2], Headers(), json.dumps(body).encode())
    mint = Mint(lambda prefix: f"{prefix}1", lambda: 1)
    encoder = dialect.stream_encoder(dialect.decode_request(wire)[1], mint, Losses("response"))
    begin = LLMResponse("r1", "up", 1, [Choice(0, Message("assistant"))])
    if isinstance(dialect, Anthropic):
        begin.usage = Usage(123, 1)
    parts = [LLMResponse(choices=[Choice(0, Message("assistant", content))]) for content in pieces()]
    end = LLMResponse(choices=[Choice(0, Message(""), "tool_calls")], usage=REPORTED)
    data = b"".join(map(encoder.encode, [begin, *parts, end, LLMResponse(final=True)])) + encoder.close()
    if not isinstance(dialect, Bedrock):
        return [event + b"\n\n" for event in data.split(b"\n\n") if event]
    events = []
    while data:
        size = int.from_bytes(data[:4], "big")
        events.append(data[:size])
        data = data[size:]
    return events


def words_in(data: bytes) -> float:
    """Estimated tokens of the distinct words in what was sent."""
    return sum(estimate_text(word.decode()) for word in set(re.findall(rb"word\d\d[a-z]+", data)))


_CASE = re.compile(rb"(\d+) (reset|end|silence|leave)")


def upstream_of(events: list[bytes], kind: str, waiting: set[str]) -> Any:
    """Adds to `waiting` the cases that have been sent all that they get."""

    async def script(call: Call) -> None:
        found = _CASE.search(call.raw)
        assert found is not None
        case, way = found[0].decode(), found[2].decode()
        sent = events[: int(found[1])]
        await call.open_stream(
            {"content-type": "application/vnd.amazon.eventstream" if kind == "bedrock" else "text/event-stream"}
        )
        try:
            for event in sent:
                await call.chunk(event)
                await asyncio.sleep(0)
        finally:
            waiting.add(case)
        match way:
            case "reset":
                await asyncio.sleep(0.4)  # a reset takes with it what has not been read
                call.reset()
            case "end":
                await call.end_stream()
            case _:
                await call.hang()

    return script


async def ask(
    served: Gateway, path: str, body: dict[str, Any], case: str, headers: dict[str, str], waiting: set[str]
) -> None:
    client = await served.connect()
    asked = json.loads(json.dumps(body).replace("Go on.", case))
    await client.send("POST", path, asked, {"x-case": case, **headers})
    if case.endswith("leave"):
        await until(lambda: case in waiting, 20)
        while True:  # until the gateway has nothing more to send
            try:
                async with asyncio.timeout(0.4):
                    if not await client.reader.read(65536):
                        break
            except TimeoutError:
                break
        client.close()
    else:
        await client.reply()


LONG = os.environ.get("HEAVY_LONG") == "1"
WAYS = ("reset", "end", "silence", "leave")
ROUTES = [
    (provider, client, watched)
    for provider in DIALECTS
    for client, watched in ((provider, ""), (provider, "watched"), ("messages" if provider == "chat" else "chat", ""))
]


def cases_of(events: list[bytes]) -> list[str]:
    """Each cut of each kind; those that have to be waited for at every third event, where the long form is not asked
    for."""
    places = range(len(events) + 1)
    return [f"{place} {way}" for place in places for way in WAYS if LONG or way in ("reset", "end") or place % 3 == 0]


async def cut_everywhere(
    folder: Path, provider: str, client: str, watched: str
) -> tuple[list[bytes], dict[str, tuple[RequestMetrics, list[Attempt]]], dict[str, Any]]:
    dialect, kind, settings, path, body = DIALECTS[provider]
    events = events_of(dialect, path, body)
    (folder / "keeper.py").write_text(KEEPER)
    limits: dict[str, Any] = {
        "limits": [{"name": "all", "outputTokens": "10M", "window": "lifetime"}],
        "journal": str(folder),
    }
    limits["blocks"] = {"share": 0}
    waiting: set[str] = set()
    async with upstream(upstream_of(events, provider, waiting)) as up:
        target = {
            "apiKey": "sk-upstream-key-0123456789", "retryAttempts": 1, "model": "up", "streamIdleTimeout": "3s",
            "firstTokenTimeout": "3s", **settings, "baseUrl": up.url + settings.get("baseUrl", ""),
        }  # fmt: skip
        if kind == "bedrock":
            del target["apiKey"]
        given = config(
            {"name": "m", "isDefault": True, "provider": {"type": kind, "config": target}},
            availablePlugins=[{"path": str(folder / "keeper.py")}],
            plugins=[
                {"name": "keeper", "type": "keeper"},
                {"name": "limits", "type": "limits", "config": limits},
            ],
            store={"url": "memory:"},
            breaker={"enabled": False},
        )
        async with gateway(given) as served:
            cases = cases_of(events)
            _, _, _, asked, sent = DIALECTS[client]
            headers = {"x-watched": "1"} if watched else {}
            places = asyncio.Semaphore(24)

            async def ask_in_turn(case: str) -> None:
                async with places:
                    await ask(served, asked, sent, case, headers, waiting)

            await asyncio.gather(*map(ask_in_turn, cases))
            seen: dict[str, Any] = served.plugin.seen
            await until(lambda: len(seen) == len(cases), 20)
            await served.supervisor.drain(2)
            [plugin] = [each for each in served.plugins if isinstance(each, Limits)]
            async with asyncio.timeout(5):
                while not (state := await Limits.state_of(limits, plugin.gateway.store)):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            return events, dict(seen), state[0]


@pytest.mark.parametrize(("provider", "client", "watched"), ROUTES, ids=[" ".join(route).strip() for route in ROUTES])
def test_a_stream_that_is_cut_anywhere_is_counted_by_what_came(
    tmp_path: Path, provider: str, client: str, watched: str
) -> None:
    events, seen, state = run(cut_everywhere(tmp_path, provider, client, watched))

    assert len(seen) == len(cases_of(events))
    wrong = {
        case: found for case, (metrics, attempts) in seen.items() if (found := fault(events, case, metrics, attempts))
    }
    assert not wrong, "\n".join(f"{case}: {found}" for case, found in wrong.items())
    assert state["open"] == 0
    assert state["settled"] == sum(metrics.output_tokens or 0 for metrics, _ in seen.values())


def fault(events: list[bytes], case: str, metrics: RequestMetrics, attempts: list[Attempt]) -> str | None:
    """What is wrong with the counts of one request."""
    sent = b"".join(events[: int(case.split()[0])])
    came, output = words_in(sent), metrics.output_tokens
    [attempt] = attempts
    where = f"{came:.0f} came, {output} {attempt.output_precision}, input {metrics.input_tokens}"
    if output is None or not metrics.input_tokens or attempt.usage is None:
        return f"not counted: {where}"
    if output != attempt.usage.output_tokens or metrics.output_precision != attempt.output_precision:
        return f"not the attempt's: {where}"
    if b"500" in sent:
        return None if output == 500 and attempt.output_precision in ("exact", "partial") else f"not reported: {where}"
    if came and attempt.output_precision != "estimated":
        return f"not marked: {where}"
    return None if 0.6 * came - 4 <= output <= 1.7 * came + 6 else f"wrong: {where}"


async def cut_unwatched(provider: str, place: int) -> tuple[list[bytes], float]:
    """The output tokens on the metrics page of a gateway without plugins, which retains nothing of a reply."""
    dialect, kind, settings, path, body = DIALECTS[provider]
    events = events_of(dialect, path, body)
    async with upstream(upstream_of(events, provider, set())) as up:
        target = {"retryAttempts": 1, "model": "up", **settings, "baseUrl": up.url + settings.get("baseUrl", "")}
        if kind != "bedrock":
            target["apiKey"] = "sk-upstream-key-0123456789"
        model = {"name": "m", "isDefault": True, "provider": {"type": kind, "config": target}}
        async with gateway(config(model)) as served:
            await ask(served, path, body, f"{place} end", {}, set())
            page = (await served.ask(path="/metrics", method="GET")).body.decode()
    found = re.findall(r'^llm_gateway_tokens_total{[^}]*kind="output"[^}]*} (\S+)', page, re.MULTILINE)
    return events, sum(map(float, found))


@pytest.mark.parametrize("provider", [name for name in DIALECTS if name != "bedrock"])  # those that are forwarded
@pytest.mark.parametrize("share", [0.3, 0.6, 0.85])
def test_a_stream_that_nothing_retains_is_counted_by_its_bytes(provider: str, share: float) -> None:
    dialect, _, _, path, body = DIALECTS[provider]
    place = round(len(events_of(dialect, path, body)) * share)

    events, output = run(cut_unwatched(provider, place))

    sent = b"".join(events[:place])
    came = words_in(sent)
    if b"500" in sent:
        came = 500
    assert 0.5 * came - 4 <= output <= 2 * came + 6
