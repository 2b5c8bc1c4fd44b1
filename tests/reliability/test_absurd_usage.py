"""Whatever a provider reports as usage, the books stay whole: nothing is given back that was not taken, no caller is
locked out by a slip of a provider, and what is not a count is taken as not reported."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from loopback import Call, chat_event, chat_whole, config, gateway, message_stream, message_whole, model, run, upstream

ABSURD = [
    "-1", "-1e9", "1e30", "1267650600228229401496703205376", "4503599627370497", "1.5", '"12"', '"\\u00b2"', "true",
    "null", "[]", "{}", '{"a": 1}',
]  # fmt: skip
"""JSON in place of a count."""
PLACES = ("input", "output", "cached")
BUDGET = 10**9
PRICES = {"input": 1, "output": 10, "cacheRead": 0.1}


def chat_usage(counts: dict[str, str]) -> str:
    return (
        f'{{"prompt_tokens": {counts["input"]}, "completion_tokens": {counts["output"]}, '
        f'"prompt_tokens_details": {{"cached_tokens": {counts["cached"]}}}}}'
    )


def message_usage(counts: dict[str, str]) -> str:
    return (
        f'{{"input_tokens": {counts["input"]}, "output_tokens": {counts["output"]}, '
        f'"cache_read_input_tokens": {counts["cached"]}}}'
    )


def bodies(kind: str, counts: dict[str, str]) -> tuple[bytes, bytes]:
    """A whole reply and a streamed one."""
    if kind == "embeddings":
        whole = '{"object": "list", "model": "up", "data": [{"object": "embedding", "index": 0, "embedding": [0.1]}], '
        return f'{whole}"usage": {chat_usage(counts)}}}'.encode(), b""
    if kind == "openai":
        used = chat_usage(counts).encode()
        whole = json.dumps({**chat_whole(), "usage": "U"}).encode().replace(b'"U"', used)
        last = b'data: {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "up", "choices": [], '
        events = [chat_event({"role": "assistant", "content": "hi"}), chat_event({}, "stop")]
        return whole, b"".join([*events, last, b'"usage": ', used, b"}\n\n", b"data: [DONE]\n\n"])
    used = message_usage(counts).encode()
    whole = json.dumps({**message_whole(), "usage": "U"}).encode().replace(b'"U"', used)
    streamed = []
    for event in message_stream("hi"):
        name, _, data = event.partition(b"data: ")
        content = json.loads(data)
        for holder in (content, content.get("message", {})):
            if "usage" in holder:
                holder["usage"] = "U"
        streamed.append(name + b"data: " + json.dumps(content).encode().replace(b'"U"', used) + b"\n\n")
    return whole, b"".join(streamed)


def settings(url: str, folder: Path, blocks: bool) -> dict[str, Any]:
    limits = [
        {"name": "cost", "cost": f"{BUDGET / 1e9} USD", "window": "lifetime"},
        {"name": "tokens", "tokens": 10**9, "window": "lifetime"},
    ]
    more = {} if blocks else {"blocks": {"share": 0}}
    models = [{**model(url, kind, kind), "prices": PRICES} for kind in ("openai", "anthropic")]
    models[0]["isDefault"] = True
    return config(
        *models,
        store={"url": f"sqlite:{folder}/state.db"},
        plugins=[{"name": "limits", "type": "limits", "config": {"limits": limits, "ledger": True, **more}}],
    )


async def everything(folder: Path, *, blocks: bool) -> tuple[dict[str, int], list[str], int]:
    """What was answered with another status than 200, what the counters have in the end, and how many were asked."""
    reply = [b"", b""]
    wrong: list[str] = []
    asked = 0

    async def vendor(call: Call) -> None:
        if call.streaming:
            await call.stream(reply[1])
        else:
            await call.send(200, reply[0])

    async with upstream(vendor) as up, gateway(settings(up.url, folder, blocks)) as served:
        for kind in ("openai", "anthropic", "embeddings"):
            for place in PLACES:
                for value in ABSURD:
                    reply[:] = bodies(kind, {**dict.fromkeys(PLACES, "2"), place: value})
                    for stream in (False, True) if kind != "embeddings" else (False,):
                        body: dict[str, Any] = {"model": "openai", "input": "a"}
                        path = "/openai/v1/embeddings"
                        if kind != "embeddings":
                            path = "/openai/v1/chat/completions"
                            body = {"model": kind, "stream": stream, "max_tokens": 20}
                            body["messages"] = [{"role": "user", "content": "hello"}]
                        got = await served.ask(body, path=path)
                        asked += 1
                        if got.status != 200:
                            wrong.append(f"{kind} {place} {value} {stream}: {got.status} {got.body[:200]!r}")
        plugin = served.plugin
        await served.supervisor.drain(2)
        store = plugin.gateway.store
        await plugin._books.close()
        tables = dict.fromkeys(("cost", "tokens"), 0)
        cursor = ""
        while events := await store.read_since("ledger", cursor):
            cursor = events[-1].cursor
            for event in events:
                for key, amount in event.event["charges"].items():
                    assert amount >= 0, event
                    tables[key.partition("|")[0]] += amount
        for row in await type(plugin).state_of(
            {"limits": settings(up.url, folder, blocks)["plugins"][0]["config"]["limits"]}, store
        ):
            assert row["settled"] == tables[row["limit"]], "the counter is the sum of the ledger"
            assert row["open"] == 0
        return tables, wrong, asked


@pytest.mark.parametrize("blocks", [False, True])
def test_no_report_of_a_provider_breaks_the_books(tmp_path: Path, blocks: bool) -> None:
    charged, wrong, asked = run(asyncio.wait_for(everything(tmp_path, blocks=blocks), 100), 110)

    assert not wrong, "\n".join(wrong)
    assert asked * 2 * 1000 <= charged["cost"] < BUDGET, "each has cost something, and none the budget"
    assert charged["tokens"] < asked * 10_000
