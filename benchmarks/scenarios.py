"""What is measured: one entry per row of the table."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["KEYS", "SCENARIOS", "Scenario", "Setup", "request_body"]

Setup = Literal["plain", "plugins", "tls", "projects", "workers", "traced", "long", "sqlite", "redis"]
"""`sqlite` and `redis`: virtual keys and three limits per key, in a store with `KEYS` keys."""

KEYS = 100_000


@dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    connections: int
    seconds: float = 2.5
    requests: int = 0
    """A fixed number in place of a time."""
    dialect: Literal["openai", "anthropic"] = "openai"
    streamed: bool = False
    large: bool = False
    """A request of 200 KB, 99 messages."""
    setup: Setup = "plain"
    latency: int = 0
    pace: int = 0
    chunks: int = 100
    size: int = 160
    ramp: int = 0
    """Milliseconds over which the connections are opened."""
    long_stream: bool = False
    """Once a second another client asks for a stream of 20,000 chunks."""
    keys: Literal["one per connection", "in turn", "by rank"] | None = None
    """With which of the keys of a store requests are made; `by rank` few of them often and many seldom."""
    only: tuple[str, ...] = ()
    """The gateways that it is for; empty is all."""

    @property
    def per_chunk(self) -> bool:
        return self.streamed and not self.pace


_OURS = ("direct", "nginx", "gateway", "other")
_WITH_KEYS = ("nginx", "gateway", "other")

SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("P1", "passed through, 64 connections", 64),
        Scenario("P2", "passed through, 1 connection", 1),
        Scenario("P3", "Messages in, Chat Completions out, 64 connections", 64, dialect="anthropic"),
        Scenario("P4", "stream of 100 chunks, passed through, 32 connections", 32, streamed=True),
        Scenario(
            "P4t", "stream of 100 chunks, Messages in, Chat Completions out", 32, dialect="anthropic", streamed=True
        ),
        Scenario(
            "P5", "200 streams paced 50 ms", 200, requests=400, streamed=True, pace=50, chunks=40, ramp=2000
        ),
        Scenario("P6", "1,000 connections, upstream takes 200 ms", 1000, requests=4000, latency=200),
        Scenario("P7", "200 KB body, passed through", 8, large=True),
        Scenario("P7t", "200 KB body, Messages in, Chat Completions out", 8, large=True, dialect="anthropic"),
        Scenario("P8", "API key, router and redaction", 64, setup="plugins"),
        Scenario("P8s", "API key, router and redaction, stream of 100 chunks", 32, streamed=True, setup="plugins"),
        Scenario("P9", "4 workers, 64 connections", 64, setup="workers", only=_OURS),
        Scenario("P11-10", "10 connections", 10, only=_OURS),
        Scenario("P11-2000", "2,000 connections", 2000, ramp=500, seconds=4, only=_OURS),
        Scenario("P11-projects", "50 projects, 64 connections", 64, setup="projects", only=_OURS),
        Scenario("P11-chunks", "streams of 20,000 chunks", 4, requests=8, streamed=True, chunks=20_000, only=_OURS),
        Scenario("P11-16MB", "answers of 16 MB", 2, requests=12, size=16_000_000, only=_OURS),
        Scenario(
            "P11-traced", "20 streams paced 20 ms next to a traced reply of 20,000 chunks each second",
            20, requests=80, streamed=True, pace=20, chunks=50, setup="traced", long_stream=True, only=_OURS,
        ),
        Scenario(
            "P11-long", "the same, without tracing",
            20, requests=80, streamed=True, pace=20, chunks=50, setup="long", long_stream=True, only=_OURS,
        ),
        Scenario("P12", "TLS to the upstream, 64 connections", 64, setup="tls", only=_OURS),
        Scenario(
            "P13", "a key and three limits on SQLite, 64 of 100,000 keys", 64, seconds=6, setup="sqlite",
            keys="one per connection", only=_WITH_KEYS,
        ),
        Scenario(
            "P13-turn", "the same, each request with the next key", 64, setup="sqlite", keys="in turn",
            only=_WITH_KEYS,
        ),
        Scenario(
            "P13-rank", "the same, few keys often and many seldom", 64, setup="sqlite", keys="by rank",
            only=_WITH_KEYS,
        ),
        Scenario(
            "P13-redis", "a key and three limits on Redis, 64 of 100,000 keys", 64, seconds=6, setup="redis",
            keys="one per connection", only=_WITH_KEYS,
        ),
        Scenario(
            "P13-redis-turn", "the same, each request with the next key", 64, setup="redis", keys="in turn",
            only=_WITH_KEYS,
        ),
        Scenario(
            "P13-redis-rank", "the same, few keys often and many seldom", 64, setup="redis", keys="by rank",
            only=_WITH_KEYS,
        ),
    )
}  # fmt: skip

_SENTENCE = "the gateway forwards each request to a provider and counts tokens while plugins inspect messages"


def _text(length: int) -> str:
    words = _SENTENCE.split(" ")
    return " ".join(words[place * 7 % len(words)] for place in range(length // 5 + 1))[:length]


_PARAMETERS = {
    "type": "object",
    "properties": {
        "location": {"type": "string", "description": "City and state"},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
    },
    "required": ["location"],
}
_TOOL = {"name": "get_weather", "description": "The current weather in a given location"}


def request_body(scenario: Scenario, model: str) -> bytes:
    """About 2 KB with one tool and an e-mail address in it, or 200 KB."""
    messages = [
        {"role": "user" if place % 2 == 0 else "assistant", "content": _text(2000 if scenario.large else 300)}
        for place in range(99 if scenario.large else 3)
    ]
    messages[-1]["content"] += " my mail is jane.doe@example.com, thanks"
    body: dict[str, Any] = {"model": model, "temperature": 0.7, "max_tokens": 512, "stream": scenario.streamed}
    if scenario.dialect == "openai":
        body["messages"] = [{"role": "system", "content": _text(400)}, *messages]
        body["tools"] = [{"type": "function", "function": {**_TOOL, "parameters": _PARAMETERS}}]
        if scenario.streamed:
            body["stream_options"] = {"include_usage": True}
    else:
        body["system"] = _text(400)
        body["messages"] = messages
        body["tools"] = [{**_TOOL, "input_schema": _PARAMETERS}]
    return json.dumps(body).encode()
