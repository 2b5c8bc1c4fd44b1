"""What a reply is charged for at each provider, compared with a sum by hand: tokens of every kind at the tier that
served the request, and calls of the provider's tools; whole and streamed, in the client's API and in another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from books import KEY, Book, settings
from loopback import Call, gateway, run, until, upstream

STANDARD = {
    "input": 1, "output": 10, "cacheRead": 0.1, "cacheWrite": 1.25, "cacheWrite1h": 2, "inputAudio": 4,
    "outputAudio": 40, "inputImage": 3,
}  # fmt: skip
PRICES = {
    **STANDARD,
    "tiers": {"flex": {name: price / 2 for name, price in STANDARD.items()},
              "priority": {name: price * 2 for name, price in STANDARD.items()}},
    "calls": {"webSearch": 0.01, "fileSearch": 0.0025},
}  # fmt: skip
"""US dollars per million tokens, and per call."""
SEARCH, FILES = 10_000_000, 2_500_000
"""Nano-dollars of a call."""


def tokens(tier: float = 1, **counts: float) -> int:
    """Nano-dollars of so many tokens of each kind."""
    return round(sum(counts[kind] * STANDARD[kind] * 1000 * tier for kind in counts))


def sse(*events: Any, named: bool = False) -> bytes:
    lines = []
    for event in events:
        data = event if isinstance(event, str) else json.dumps(event)
        head = f"event: {event['type']}\n" if named and isinstance(event, dict) else ""
        lines.append(f"{head}data: {data}\n\n")
    return "".join(lines).encode()


# OpenAI's Chat Completions.


def chat(usage: dict[str, Any], tier: str) -> tuple[bytes, bytes]:
    common = {"id": "c", "created": 1, "model": "up", "service_tier": tier}
    message = {"role": "assistant", "content": "hi"}
    whole = {**common, "object": "chat.completion", "usage": usage,
             "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}  # fmt: skip
    chunk = {**common, "object": "chat.completion.chunk"}
    streamed = sse(
        {**chunk, "choices": [{"index": 0, "delta": message, "finish_reason": None}]},
        {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {**chunk, "choices": [], "usage": usage},
        "[DONE]",
    )
    return json.dumps(whole).encode(), streamed


CHAT = {
    "prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150,
    "prompt_tokens_details": {"cached_tokens": 40, "audio_tokens": 20},
    "completion_tokens_details": {"reasoning_tokens": 30, "audio_tokens": 10},
}  # fmt: skip


# OpenAI's Responses.


def responses(tier: str, *calls: str) -> tuple[bytes, bytes]:
    usage = {"input_tokens": 100, "input_tokens_details": {"cached_tokens": 40}, "output_tokens": 50,
             "output_tokens_details": {"reasoning_tokens": 30}, "total_tokens": 150}  # fmt: skip
    items: list[dict[str, Any]] = []
    for number, kind in enumerate(calls):
        type_, _, action = kind.partition(":")
        about = {"action": {"type": action, "query": "q"}} if action else {"queries": ["q"]}
        items.append({"type": type_, "id": f"call_{number}", "status": "completed", **about})
    text = {"type": "output_text", "text": "hi", "annotations": []}
    message = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [text]}
    body = {"id": "resp_1", "object": "response", "created_at": 1, "model": "up", "status": "completed",
            "service_tier": tier, "output": [*items, message], "usage": usage}  # fmt: skip
    begun = {**body, "status": "in_progress", "output": [], "usage": None}
    last, part = len(items), {"type": "output_text", "text": "", "annotations": []}
    events: list[dict[str, Any]] = [{"type": "response.created", "response": begun}]
    for number, item in enumerate(items):
        events.append({"type": "response.output_item.added", "output_index": number, "item": item})
        events.append({"type": "response.output_item.done", "output_index": number, "item": item})
    of_text = {"output_index": last, "content_index": 0, "item_id": "msg_1"}
    events += [
        {"type": "response.output_item.added", "output_index": last, "item": {**message, "content": []}},
        {"type": "response.content_part.added", **of_text, "part": part},
        {"type": "response.output_text.delta", **of_text, "delta": "hi"},
        {"type": "response.output_text.done", **of_text, "text": "hi"},
        {"type": "response.content_part.done", **of_text, "part": text},
        {"type": "response.output_item.done", "output_index": last, "item": message},
        {"type": "response.completed", "response": body},
    ]
    numbered = [{**event, "sequence_number": number} for number, event in enumerate(events)]
    return json.dumps(body).encode(), sse(*numbered, named=True)


# Anthropic's Messages.


def messages(usage: dict[str, Any]) -> tuple[bytes, bytes]:
    message: dict[str, Any] = {"id": "msg_1", "type": "message", "role": "assistant", "model": "up",
                               "stop_sequence": None}  # fmt: skip
    text = {"type": "text", "text": "hi"}
    whole = {**message, "content": [text], "stop_reason": "end_turn", "usage": usage}
    begin = {**usage, "output_tokens": 1}
    begin.pop("server_tool_use", None)
    end = {name: usage[name] for name in ("output_tokens", "server_tool_use", "iterations") if name in usage}
    streamed = sse(
        {"type": "message_start", "message": {**message, "content": [], "stop_reason": None, "usage": begin}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": end},
        {"type": "message_stop"},
        named=True,
    )
    return json.dumps(whole).encode(), streamed


CLAUDE = {
    "input_tokens": 60, "cache_read_input_tokens": 40, "cache_creation_input_tokens": 20, "output_tokens": 50,
    "cache_creation": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 15},
}  # fmt: skip
PLAIN_CLAUDE = tokens(input=60, cacheRead=40, cacheWrite=5, cacheWrite1h=15, output=50)


# Google's Gemini.


def gemini(usage: dict[str, Any], *queries: str) -> tuple[bytes, bytes]:
    content = {"role": "model", "parts": [{"text": "hi"}]}
    candidate: dict[str, Any] = {"index": 0, "content": content, "finishReason": "STOP"}
    if queries:
        candidate["groundingMetadata"] = {"webSearchQueries": list(queries)}
    whole = {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "up", "responseId": "r"}
    first = {**whole, "candidates": [{"index": 0, "content": content}]}
    first["usageMetadata"] = {"promptTokenCount": usage["promptTokenCount"], "totalTokenCount": 1}
    last = {**whole, "candidates": [{**candidate, "content": {"role": "model", "parts": [{"text": ""}]}}]}
    return json.dumps(whole).encode(), sse(first, last)


GEMINI = {
    "promptTokenCount": 100, "candidatesTokenCount": 50, "thoughtsTokenCount": 30, "totalTokenCount": 180,
    "cachedContentTokenCount": 40,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 80}, {"modality": "AUDIO", "tokenCount": 20}],
    "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 40}],
}  # fmt: skip


@dataclass(slots=True, frozen=True)
class Charged:
    """A provider's reply and what it costs in nano-dollars."""

    model: str
    reply: tuple[bytes, bytes]
    nanos: int


CASES = {
    "chat, flex": Charged(
        "chat", chat(CHAT, "flex"), tokens(0.5, input=40, cacheRead=40, inputAudio=20, output=40, outputAudio=10)
    ),
    "chat, priority": Charged(
        "chat", chat(CHAT, "priority"), tokens(2, input=40, cacheRead=40, inputAudio=20, output=40, outputAudio=10)
    ),
    "chat, default": Charged(
        "chat", chat(CHAT, "default"), tokens(input=40, cacheRead=40, inputAudio=20, output=40, outputAudio=10)
    ),
    "responses, flex": Charged("responses", responses("flex"), tokens(0.5, input=60, cacheRead=40, output=50)),
    "responses, searches": Charged(
        "responses",
        responses("default", "web_search_call:search", "web_search_call:open_page", "web_search_call:search",
                  "file_search_call"),
        tokens(input=60, cacheRead=40, output=50) + 2 * SEARCH + FILES,
    ),
    "claude, caches": Charged("claude", messages({**CLAUDE, "service_tier": "standard"}), PLAIN_CLAUDE),
    "claude, searches": Charged(
        "claude", messages({**CLAUDE, "server_tool_use": {"web_search_requests": 3}}), PLAIN_CLAUDE + 3 * SEARCH
    ),
    "claude, answered by another model": Charged(
        "claude", messages({**CLAUDE, "iterations": [{"type": "message", "input_tokens": 7, "output_tokens": 1},
                                                     {"type": "fallback_message", "model": "claude-opus-4-8"}]}),
        60 * 5000 + 40 * 500 + 5 * 6250 + 15 * 10_000 + 50 * 25_000,
    ),
    "claude, answered by a model that no book knows": Charged(
        "claude", messages({**CLAUDE, "iterations": [{"type": "fallback_message", "model": "elsewhere-1"}]}),
        PLAIN_CLAUDE,
    ),
    "gemini, sound": Charged("gemini", gemini(GEMINI), tokens(input=40, cacheRead=40, inputAudio=20, output=80)),
    "gemini, flex and searches": Charged(
        "gemini", gemini({**GEMINI, "trafficType": "ON_DEMAND_FLEX"}, "one", "two"),
        tokens(0.5, input=40, cacheRead=40, inputAudio=20, output=80) + 2 * SEARCH,
    ),
}  # fmt: skip
CLIENTS = {
    "chat": "/openai/v1/chat/completions",
    "responses": "/openai/v1/responses",
    "claude": "/anthropic/v1/messages",
}
WAYS = [(name, client, stream) for name in CASES for client in CLIENTS for stream in (False, True)]
TARGETS = {"chat": ("openai", "/v1", {}), "responses": ("openai", "/v1", {"api": "responses"}),
           "claude": ("anthropic", "", {}), "gemini": ("gemini", "/v1beta", {})}  # fmt: skip


def body_for(client: str, model: str, stream: bool) -> dict[str, Any]:
    body: dict[str, Any] = {"model": model, "stream": stream}
    if client == "responses":
        return {**body, "input": "hello"}
    return {**body, "max_tokens": 500, "messages": [{"role": "user", "content": "hello"}]}


async def everything(folder: Path) -> dict[tuple[str, str, bool], dict[str, int]]:
    """The line of the ledger for each way."""
    reply = CASES["chat, flex"].reply

    async def provider(call: Call) -> None:
        if call.body.get("stream") or "stream" in call.path:
            await call.stream(reply[1])
        else:
            await call.send(200, reply[0])

    async with upstream(provider) as up:
        models = [
            {"name": name, "isDefault": name == "chat", "prices": PRICES,
             "provider": {"type": kind, "config": {"baseUrl": up.url + base, "apiKey": "k", "model": "up", **more}}}
            for name, (kind, base, more) in TARGETS.items()
        ]  # fmt: skip
        async with gateway(settings(folder, models)) as served:
            for name, client, stream in WAYS:
                case, reply = CASES[name], CASES[name].reply
                mark = f"{name} {client} {stream}"
                headers = {"authorization": f"Bearer {KEY}", "x-case": mark, "x-outcome": "ok"}
                got = await served.ask(body_for(client, case.model, stream), path=CLIENTS[client], headers=headers)
                assert got.status == 200, (name, got.body)
                await until(lambda mark=mark: len(served.plugin.seen.get(mark, ())) >= 2, 5)
            await served.supervisor.drain(2)
            book = Book(served)
            await book.read()
            found = {}
            for name, client, stream in WAYS:
                request_id = served.plugin.seen[f"{name} {client} {stream}"][0][1]
                [found[name, client, stream]] = book.lines[request_id]
            return found


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, str, bool], dict[str, int]]]:
    return run(everything(tmp_path_factory.mktemp("kinds")))


@pytest.mark.parametrize(("name", "client", "stream"), WAYS)
def test_a_reply_is_charged_what_it_costs_by_hand(lines: Any, name: str, client: str, stream: bool) -> None:
    line = lines[name, client, stream]

    assert line["cost"] == CASES[name].nanos
    assert line.get("cost partial", 0) == line.get("cost estimated", 0) == 0
