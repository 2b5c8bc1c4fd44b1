"""A store that goes down while replies are on their way: they arrive whole and in time, and are counted once."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from loopback import (
    Call,
    Gateway,
    Reply,
    chat_event,
    chat_stream,
    chat_whole,
    config,
    gateway,
    model,
    run,
    until,
    upstream,
)
from test_store_troubles import DEADLINE, OWN, Redis, SQLite, needs_server

from llm_gateway_sdk import Entry, Store

TOKENS = 18
"""Of each reply."""
STEPS = 4
"""What of the store is asked for at the end of a kept reply, one after the other: each may wait for its deadline."""


def settings(kept: Any, url: str) -> dict[str, Any]:
    tokens = {"name": "tokens", "tokens": 10_000_000, "window": "lifetime", "onStoreDown": "allow"}
    limits = {"limits": [tokens], "usage": "hour", "blocks": {"duration": "0.5s"}}
    return config(
        model(url, api="chat"),
        store={"url": kept.url, "config": {"deadline": f"{DEADLINE * 1000:g}ms"}},
        plugins=[{"name": "limits", "type": "limits", "config": limits}],
    )


async def settled(store: Store) -> int:
    """Tokens, once nothing is reserved any more."""
    async with asyncio.timeout(20):
        while True:
            (state,) = await store.read([Entry("tokens|tokens|lifetime||", 0)])
            if not state.open:
                return state.settled
            await asyncio.sleep(0.1)


async def asked(served: Gateway, conversation: str | None, *, stream: bool) -> tuple[Reply, float]:
    """A reply, and when it was there."""
    body: dict[str, Any] = {"model": "m", "input": "hello", "stream": stream}
    if conversation is not None:
        body["conversation"] = conversation
    client = await served.connect()
    await client.send("POST", "/openai/v1/responses", body)
    reply = await client.reply(timeout=30)
    client.close()
    return reply, time.monotonic()


def response_of(reply: Reply, *, stream: bool) -> dict[str, Any]:
    assert (reply.status, reply.whole) == (200, True), reply.body[-300:]
    if not stream:
        whole: dict[str, Any] = reply.json
        return whole
    events = [json.loads(line[6:]) for line in reply.body.decode().splitlines() if line.startswith("data: ")]
    assert events[-1]["type"] == "response.completed"
    found: dict[str, Any] = events[-1]["response"]
    return found


async def through(kept: Any, trouble: AbstractContextManager[None]) -> None:
    ready = asyncio.Event()

    async def answer(call: Call) -> None:
        if call.streaming:
            await call.open_stream()
            await call.chunk(chat_event({"role": "assistant", "content": "one"}))
            await ready.wait()
            await call.chunk(b"".join(chat_stream(" two")[1:]))
            await call.end_stream()
        else:
            await ready.wait()
            await call.send(200, chat_whole("one two"))

    store = kept.open()
    try:
        async with upstream(answer) as up, gateway(settings(kept, up.url)) as served:
            made = await served.ask({}, path="/openai/v1/conversations")
            assert made.status == 200
            ready.set()
            first = response_of((await asked(served, None, stream=False))[0], stream=False)
            assert (await served.ask(path=f"/openai/v1/responses/{first['id']}", method="GET")).status == 200
            ready.clear()
            before, calls = await settled(store), len(up.calls)
            kinds = [(conversation, stream) for conversation in (made.json["id"], None) for stream in (True, False)]
            tasks = [asyncio.ensure_future(asked(served, place, stream=stream)) for place, stream in kinds]
            await until(lambda: len(up.calls) == calls + len(kinds), 10)
            await asyncio.to_thread(trouble.__enter__)
            began = time.monotonic()
            try:
                ready.set()
                replies = await asyncio.gather(*tasks)
            finally:
                await asyncio.to_thread(trouble.__exit__, None, None, None)
            whole = [response_of(reply, stream=kind[1]) for kind, (reply, _) in zip(kinds, replies, strict=True)]
            await judge_afterwards(served, [each["id"] for each in whole], made.json["id"])
            assert all(each["output"][0]["content"][0]["text"] == "one two" for each in whole)
            assert all(ended - began < STEPS * DEADLINE + OWN for _, ended in replies)
            goal = before + TOKENS * (len(up.calls) - calls)
            async with asyncio.timeout(20):  # until what waits in the journal is there
                while (counted := await settled(store)) < goal:  # noqa: ASYNC110
                    await asyncio.sleep(0.2)
            assert counted == goal, "what was used is on the books, once"
    finally:
        await store.aclose()


async def judge_afterwards(served: Gateway, ids: list[str], conversation: str) -> None:
    """What was kept is whole, and what was not is not there."""

    async def read(path: str) -> Reply:
        async with asyncio.timeout(30):
            while (got := await served.ask(path=path, method="GET")).status == 503:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        return got

    for id_ in ids:
        got = await read(f"/openai/v1/responses/{id_}")
        assert got.status in (200, 404)
        if got.status == 200:
            assert got.json["output"][0]["content"][0]["text"] == "one two"
    items = await read(f"/openai/v1/conversations/{conversation}/items?order=asc")
    assert items.status == 200
    roles = [item["role"] for item in items.json["data"]]
    assert roles == ["user", "assistant"] * (len(roles) // 2), "a turn is kept whole or not at all"


@pytest.fixture(scope="module")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    kept = Redis(Path(tmp_path_factory.mktemp("redis")))
    yield kept
    kept.close()


@needs_server
@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "trouble",
    [Redis.paused, Redis.refused, Redis.read_only, Redis.full, Redis.gone, Redis.slow],
    ids=lambda one: one.__name__,
)
def test_a_redis_server_in_trouble(one_server: Redis, trouble: Any) -> None:
    run(through(one_server, trouble(one_server)), seconds=100)


@pytest.mark.timeout(120)
def test_a_file_that_another_process_has_locked(tmp_path: Path) -> None:
    kept = SQLite(tmp_path)
    run(through(kept, kept.locked()), seconds=100)
