"""Storms, soaks and fuzz: bounded load on loopback, short for the tests, long for `tools/reliability.py`."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loopback import (
    ROUTES,
    Call,
    Client,
    Gateway,
    Reply,
    answer,
    chat_event,
    chat_stream,
    config,
    gateway,
    message_stream,
    model,
    request,
    upstream,
)

from llm_gateway.testing.processes import GatewayProcess

KEY = {"authorization": "Bearer admin-key-for-tests"}
MIB = 1 << 20


@dataclass(slots=True)
class Process:
    """A gateway in its own process, whose memory and descriptors can be looked at."""

    pid: int
    port: int
    file: Path

    async def connect(self) -> Client:
        return Client(*await asyncio.open_connection("127.0.0.1", self.port))

    async def ask(self, body: Any = None, path: str = ROUTES["chat"], headers: dict[str, str] | None = None) -> Reply:
        client = await self.connect()
        try:
            await client.send("POST", path, body, headers)
            return await client.reply(timeout=30)
        finally:
            client.close()

    @property
    def resident(self) -> int:
        """Bytes."""
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{self.pid}/status").read_text())
        assert found is not None
        return int(found[1]) * 1024

    @property
    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))


@asynccontextmanager
async def process(settings: dict[str, Any], folder: Path) -> AsyncIterator[Process]:
    file = folder / "gateway.yaml"
    file.write_text(json.dumps(settings))
    log = folder / "gateway.log"
    child = GatewayProcess(["start", "--config", str(file), "--host", "127.0.0.1", "--port", "0"], output=log)
    try:
        deadline = time.monotonic() + 30
        while (found := re.search(r"Address\s+http://[\d.]+:(\d+)", log.read_text())) is None:
            assert child.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        served = Process(child.pid, int(found[1]), file)
        while True:
            try:
                (await served.connect()).close()
                break
            except ConnectionError:
                await asyncio.sleep(0.05)
        yield served
        child.terminate()
        assert await asyncio.to_thread(child.wait, 30) == 0, log.read_text()[-3000:]
        assert "Traceback" not in log.read_text(), log.read_text()[-3000:]
    finally:
        if child.poll() is None:
            child.kill()
            await asyncio.to_thread(child.wait)


# Storm.


async def storm(clients: int, folder: Path, *, seed: int = 1) -> dict[str, float]:
    """`clients` leave at random moments of random requests; how long it takes until nothing of them is left."""
    chance = random.Random(seed)

    async def slow(call: Call) -> None:
        await asyncio.sleep(chance.uniform(0, 0.2))
        if not call.streaming:
            await asyncio.sleep(0.3)
            await answer(call)
            return
        events = message_stream(*"abcdefgh") if call.path.endswith("/messages") else chat_stream(*"abcdefgh")
        await call.open_stream()
        for event in events:
            await call.chunk(event)
            await asyncio.sleep(0.05)
        await call.end_stream()

    async with upstream(slow) as up:
        models = [model(up.url, name="openai"), model(up.url, "anthropic", name="anthropic")]
        async with process(config(*models), folder) as served:
            await served.ask(request("chat") | {"model": "openai"})
            before = served.descriptors

            async def leave(number: int) -> None:
                await asyncio.sleep(chance.uniform(0, clients / 1000))
                dialect = chance.choice(list(ROUTES))
                body = request(dialect, stream=chance.random() < 0.7) | {
                    "model": chance.choice(["openai", "anthropic"])
                }
                client = await served.connect()
                try:
                    await client.send("POST", ROUTES[dialect], body)
                    await asyncio.sleep(chance.uniform(0, 0.4))
                finally:
                    client.abort() if chance.random() < 0.5 else client.close()

            await asyncio.gather(*(leave(number) for number in range(clients)))
            started = time.monotonic()
            # Connections that wait for their next request are the baseline of a pool.
            while up.busy:
                assert time.monotonic() - started < 2, f"{up.busy} upstream calls outlive their clients"
                await asyncio.sleep(0.01)
            freed = time.monotonic() - started
            assert (await served.ask(request("chat") | {"model": "openai"})).status == 200
            return {
                "clients": clients,
                "upstream calls": len(up.calls),
                "seconds until all are freed": round(freed, 3),
                "descriptors before": before,
                "descriptors after": served.descriptors,
                "idle upstream connections": up.open,
            }


# Soak.

_LAST = {"chat": b"data: [DONE]", "messages": b"message_stop", "responses": b"response.completed"}


@dataclass(slots=True)
class Soaked:
    done: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    memory: list[tuple[int, int]] = field(default_factory=list)
    """(requests so far, resident bytes)."""
    descriptors: list[int] = field(default_factory=list)

    @property
    def slope(self) -> float:
        """Resident MiB per 10,000 requests, by least squares over the second half."""
        points = self.memory[len(self.memory) // 2 :]
        mean_x = sum(x for x, _ in points) / len(points)
        mean_y = sum(y for _, y in points) / len(points)
        below = sum((x - mean_x) ** 2 for x, _ in points)
        return sum((x - mean_x) * (y - mean_y) for x, y in points) / below * 10_000 / MIB if below else 0.0


async def soak(requests: int, folder: Path, *, concurrency: int = 16, seed: int = 2) -> Soaked:
    """Plain, streamed, translated, aborted, failing and fallen-back requests, with reloads in between."""
    chance = random.Random(seed)
    found = Soaked()

    async def script(call: Call) -> None:
        text = json.dumps(call.body)
        if "please fail" in text:
            await call.send(500, {"error": {"message": "as asked", "type": "server_error"}})
        elif "please fall back" in text and call.body["model"] == "first":
            await call.send(503, {"error": {"message": "overloaded", "type": "server_error"}})
        elif "please linger" in text:
            await call.open_stream()
            await call.chunk(chat_event({"content": "a text that nobody hides "}))
            await call.hang()
        else:
            await answer(call)

    def settings(url: str, generation: int) -> dict[str, Any]:
        # The keys stay the first seen, so that memory grows by what leaks alone.
        models = [
            model(url, name="openai", model="first", timeout=f"{60 + generation % 2}s"),
            model(url, name="second"),
            model(url, "anthropic", name="anthropic"),
        ]
        plugins = [
            {"name": "hider", "type": "regex-hider", "config": {"patterns": [{"pattern": "secret-\\d+"}]}},
            {
                "name": "router",
                "type": "model-router",
                "config": {"model": "openai", "fallbacks": ["second"]},
                "conditions": {"headers": {"x-routed": "yes"}},
            },
        ]
        admin = {"enabled": True, "apiKey": "admin-key-for-tests"}
        return config(*models, plugins=plugins, admin=admin, breaker={"enabled": False})

    async with upstream(script) as up, process(settings(up.url, 0), folder) as served:
        left = requests

        async def one(client: Client) -> bool:
            """Whether the connection is good for another."""
            kind = chance.choices(
                ["plain", "stream", "abort", "fail", "fall back", "bad"], [40, 40, 8, 4, 4, 4]
            )[0]  # fmt: skip
            dialect = chance.choice(list(ROUTES))
            target = chance.choice(["openai", "anthropic"])
            headers: dict[str, str] = {}
            body: Any = request(dialect, stream=kind in ("stream", "abort"), text=f"hello secret-{chance.random()}")
            body["model"] = target
            if kind == "abort":
                body = request("chat", stream=True, text="please linger") | {"model": "openai"}
                dialect = "chat"
            elif kind == "fail":
                body = request(dialect, text="please fail") | {"model": target}
            elif kind == "fall back":
                body, headers = request(dialect, text="please fall back") | {"model": "openai"}, {"x-routed": "yes"}
            elif kind == "bad":
                body = b'{"model": 7'
            await client.send("POST", ROUTES[dialect], body, headers)
            found.done[kind] += 1
            if kind == "abort":
                await client.head()
                client.abort()
                return False
            reply = await client.reply(timeout=30)
            wanted = {"fail": 500, "bad": 400}.get(kind, 200)
            if reply.status != wanted or not reply.whole or (kind == "stream" and _LAST[dialect] not in reply.body):
                found.wrong.append(f"{kind} {dialect} {target}: {reply.status} {reply.body[:300]!r}")
            return True

        async def worker() -> None:
            nonlocal left
            client = await served.connect()
            while left > 0:
                left -= 1
                if not await one(client):
                    client = await served.connect()
            client.close()

        async def watch() -> None:
            generation = 0
            while left > 0:
                await asyncio.sleep(0.25)
                found.memory.append((requests - left, served.resident))
                found.descriptors.append(served.descriptors)
                if len(found.memory) % 8 == 0:
                    generation += 1
                    served.file.write_text(json.dumps(settings(up.url, generation)))
                    reply = await served.ask(path="/admin/reload", headers=KEY)
                    found.done["reload"] += 1
                    if reply.status != 200 or not reply.json["changed"]:
                        found.wrong.append(f"reload: {reply.body!r}")
                up.calls.clear()

        await asyncio.gather(watch(), *(worker() for _ in range(concurrency)))
        await asyncio.sleep(1)
        found.descriptors.append(served.descriptors)
    return found


# Fuzz.

_VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1, 1e308, -0.0, 2**63, 10**40, "", "x", "\ud800", "\0", "é" * 50),
    *([], {}, [[]], [None], {"a": None}, {"": ""}, [{}], ["text"], {"type": "text"}, {"type": 7}, {"type": "tool_use"}),
    *("text", "user", "function", "auto", "data:image/png;base64,!!", "../../x", "http://169.254.169.254/"),
    *({"type": "image", "source": None}, {"role": "user"}),
]

_RICH: dict[str, dict[str, Any]] = {
    "chat": {
        "messages": [
            {"role": "system", "content": "be brief"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "hi"},
                    {"type": "image_url", "image_url": {"url": "https://e.example/i"}},
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "c", "content": "ok"},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        "tool_choice": "auto",
        "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}},
        "stop": ["x"],
        "temperature": 0.5,
        "max_tokens": 5,
        "stream_options": {"include_usage": True},
        "reasoning_effort": "low",
        "metadata": {"a": "b"},
    },
    "messages": {
        "system": [{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "hi"}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
                    {"type": "tool_use", "id": "t", "name": "f", "input": {}},
                ],
            },
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "ok"}]},
        ],
        "tools": [{"name": "f", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "auto"},
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "max_tokens": 50,
        "stop_sequences": ["x"],
        "metadata": {"user_id": "u"},
    },
    "responses": {
        "instructions": "be brief",
        "input": [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]},
            {"type": "reasoning", "id": "r", "summary": [], "encrypted_content": "gw1.anthropic.c2ln"},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "ok"},
        ],
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}],
        "tool_choice": "auto",
        "text": {"format": {"type": "text"}},
        "reasoning": {"effort": "low"},
        "max_output_tokens": 50,
        "include": ["reasoning.encrypted_content"],
    },
}
_OTHER_ROUTES = [
    "/openai/v1/embeddings",
    "/openai/v1/responses/input_tokens",
    "/openai/v1/models",
    "/openai/v1/models/m",
    "/openai/v1/files/a",
    "/anthropic/v1/messages/count_tokens",
    "/anthropic/v1/models",
    "/anthropic/v1/messages/batches",
    "/v1/chat/completions",
    "/v1/messages",
    "/nothing/here",
    "/",
    "/health",
    "/admin/reload",
    "/%00",
    "/openai/v1/models/%2e%2e%2f",
    "/openai/v1/files/../../x",
    "/gemini/v1beta/models/m:generateContent",
    "/gemini/v1beta/models/m:streamGenerateContent",
]


_PROVIDERS_ERROR = {"type": "invalid_request_error", "message": "no", "param": None, "code": None}


def _mutate(chance: random.Random, value: Any) -> Any:
    """`value` with one place changed."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        key = chance.choice(list(value))
        if chance.random() < 0.15:
            return {k: v for k, v in value.items() if k != key}
        if chance.random() < 0.1:
            return {**value, chance.choice(["type", "x", "", "cache_control", "\ud83d"]): chance.choice(_VALUES)}
        return {**value, key: _mutate(chance, value[key])}
    if isinstance(value, list) and value and chance.random() < 0.85:
        at = chance.randrange(len(value))
        return [*value[:at], _mutate(chance, value[at]), *value[at + 1 :]]
    return chance.choice(_VALUES)


def _bad_body(chance: random.Random, dialect: str) -> bytes:
    body: Any = {
        "model": chance.choice(["openai", "anthropic", "echo"]),
        "stream": chance.random() < 0.3,
        **_RICH[dialect],
    }
    for _ in range(chance.randint(1, 4)):
        body = _mutate(chance, body)
    data = json.dumps(body, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")
    match chance.randrange(12):
        case 0:
            return chance.randbytes(chance.randrange(200))
        case 1:
            return data[: chance.randrange(len(data) + 1)]
        case 2:
            at = chance.randrange(len(data))
            return data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]
        case 3:
            depth = chance.choice([10, 500, 20_000])
            closed = b'{"messages":' + b"[" * depth + b"]" * depth + b"}"
            return chance.choice([b"[" * depth, b'{"a":' * depth, closed])
        case 4:
            return chance.choice(
                [b"", b"null", b"[]", b"7", b'""', b"NaN", b"{}", b'{"model":null}', b"\xef\xbb\xbf{}"]
            )
    return data


def _bad_headers(chance: random.Random) -> dict[str, str]:
    headers: dict[str, str] = {}
    names = ["x-request-id", "x-llm-gateway-timeout", "anthropic-version", "anthropic-beta", "content-type", "accept"]
    names += ["authorization", "x-api-key", "x-forwarded-for", "cookie", "content-encoding", "x-llm-gateway-model"]
    values = ["", "x", "é", "a" * 3000, "Bearer ", "gzip", "1", "text/html", ", ,", "\t", '"', "%00", "2023-06-01"]
    for _ in range(chance.choice([0, 0, 1, 2])):
        headers[chance.choice(names)] = chance.choice(values)
    return headers


def _judge(path: str, reply: Reply) -> str | None:
    """What is wrong with an answer to a bad request."""
    if reply.status == 500:
        return "a 500 without a cause"
    if not reply.whole:
        return "broken off"
    if reply.status < 400:
        return None
    if path.startswith("/health"):
        return None
    try:
        body = reply.json
    except ValueError:
        return "no JSON"
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict) or not isinstance(error.get("message"), str):
        return "no error object"
    if path.startswith("/anthropic") and body.get("type") != "error":
        return "not in the form of Messages"
    if path.startswith("/openai") and not {"type", "code", "param"} <= set(error):
        return "not in the form of OpenAI"
    if reply.header("x-request-id") is None:
        return "no request id"
    return None


async def fuzz(count: int, *, seed: int = 3, progress: Callable[[str], object] | None = None) -> Counter[str]:
    """Sends `count` bad requests; statuses by number. Raises AssertionError with the first ones answered wrongly."""
    chance = random.Random(seed)
    statuses: Counter[str] = Counter()
    wrong: list[str] = []

    async def script(call: Call) -> None:
        """Bytes that pass through are the provider's to judge."""
        try:
            await answer(call)
        except (ValueError, AttributeError):
            await call.send(400, {"type": "error", "error": _PROVIDERS_ERROR})

    async with upstream(script) as up:
        models = [
            model(up.url, name="openai"),
            model(up.url, "anthropic", name="anthropic"),
            {"name": "echo", "isDefault": True, "provider": {"type": "echo"}},
        ]
        async with gateway(config(*models, nativePaths=["/files", "/batches"])) as served:
            client = await served.connect()
            for number in range(count):
                dialect = chance.choice(list(ROUTES))
                path = ROUTES[dialect] if chance.random() < 0.8 else chance.choice(_OTHER_ROUTES)
                method = "POST" if chance.random() < 0.9 else chance.choice(["GET", "PUT", "DELETE", "HEAD", "OPTIONS"])
                body = _bad_body(chance, dialect)
                reply = await _ask(served, client, method, path, body, _bad_headers(chance))
                if reply is None:
                    client = await served.connect()
                    wrong.append(f"{method} {path}: no answer to {body[:2000]!r}")
                else:
                    statuses[str(reply.status)] += 1
                    what = _judge(path, reply) if method != "HEAD" else None
                    if what is not None:
                        wrong.append(f"{method} {path}: {what}: {reply.status} {reply.body[:500]!r} to {body[:2000]!r}")
                    if reply.header("connection") == "close":
                        client = await served.connect()
                assert len(wrong) < 5, "\n".join(wrong)
                if number % 1000 == 0:
                    up.calls.clear()
                    if progress is not None:
                        progress(f"{number}: {dict(statuses)}")
            assert (await served.ask(request("chat") | {"model": "openai"})).status == 200
    assert not wrong, "\n".join(wrong)
    return statuses


async def _ask(
    served: Gateway, client: Client, method: str, path: str, body: bytes, headers: dict[str, str]
) -> Reply | None:
    try:
        await client.send(method, path, body, headers)
        return await client.reply(method)
    except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):
        return None
