"""Work that grows with a reply is done aside, as often as the reply has large pieces, not small ones."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest
from loopback import ROUTES, Call, chat_event, chat_stream, config, gateway, model, request, run, until, upstream

from llm_gateway.exchange import forms
from llm_gateway.exchange.delivery import chunks
from llm_gateway.exchange.delivery.forwarder import StreamForwarder
from llm_gateway_sdk.response import Accumulator
from llm_gateway_sdk.wire.sse import EventSplitter

MIB = 1 << 20
LOGS = {"name": "log", "type": "logger", "config": {"level": "debug"}}


def in_heavy_thread() -> bool:
    return threading.current_thread().name.startswith("heavy")


def test_choices_that_end_with_a_word_are_written_where_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider may answer with thousands of choices, each of which ends."""
    asked, looked = [], []
    run_aside, value = chunks.run_aside, Accumulator.value

    def counted(work: Any, *args: Any) -> Any:
        asked.append(work)
        return run_aside(work, *args)

    def watched(self: Accumulator, most: int | None = None) -> Any:
        if most is None and self.size > 2000:
            looked.append(in_heavy_thread())
        return value(self, most)

    monkeypatch.setattr(chunks, "run_aside", counted)
    monkeypatch.setattr(Accumulator, "value", watched)
    choices = [
        {"index": number, "message": {"role": "assistant", "content": "word " * 20}, "finish_reason": "stop"}
        for number in range(3000)
    ]
    body = {"id": "c1", "object": "chat.completion", "created": 1, "model": "up", "choices": choices}

    async def main() -> None:
        async def answer(call: Call) -> None:
            await call.send(200, body)

        async with upstream(answer) as up, gateway(config(model(up.url), plugins=[LOGS])) as served:
            reply = await served.ask(request("chat", stream=True))
            events = [json.loads(line[6:]) for line in reply.body.split(b"\n\n") if line.startswith(b"data: {")]
            ended = {each["index"] for event in events for each in event["choices"] if each["finish_reason"]}
            assert ended == set(range(3000))
            await until(lambda: not served.supervisor.backlog, 10)

    run(main())

    assert len(asked) <= 3000 * 100 // chunks._FEW_LETTERS + 5
    assert all(looked), "all of a long reply is put together aside"


@pytest.mark.parametrize("form", ROUTES)
def test_a_long_event_is_put_together_aside(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    where: list[bool] = []
    gather, feed = StreamForwarder.gather, EventSplitter.feed

    def gathered(self: StreamForwarder, data: bytes) -> bytes:
        block = gather(self, data)
        if len(block) > 2 * MIB:
            where.append(in_heavy_thread())
        return block

    def fed(self: EventSplitter, data: bytes) -> list[bytes]:
        events = feed(self, data)
        if any(len(event) > 2 * MIB for event in events):
            where.append(in_heavy_thread())
        return events

    monkeypatch.setattr(StreamForwarder, "gather", gathered)
    monkeypatch.setattr(EventSplitter, "feed", fed)
    events = b"".join([chat_event({"content": "a"}), chat_event({"content": "z" * (3 * MIB)}), *chat_stream("end")])

    async def main() -> None:
        async def answer(call: Call) -> None:
            await call.stream(events)

        async with upstream(answer) as up, gateway(config(model(up.url), plugins=[LOGS])) as served:
            reply = await asyncio.wait_for(served.ask(request(form, stream=True), path=ROUTES[form]), 20)
            assert reply.whole
            await until(lambda: not served.supervisor.backlog, 10)

    run(main())

    assert where
    assert all(where)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/gemini/v1beta/models/m:batchEmbedContents", {"requests": [{"content": {"parts": [{"text": "a"}]}}] * 40}),
        ("/cohere/v2/embed", {"texts": ["a"] * 40, "input_type": "search_query", "embedding_types": ["float"]}),
    ],
)
def test_vectors_of_another_api_are_translated_aside(
    monkeypatch: pytest.MonkeyPatch, path: str, body: dict[str, Any]
) -> None:
    """The request is short, and its reply is a hundred thousand numbers."""
    where: list[bool] = []
    read = forms._read_answer

    def watched(*args: Any) -> Any:
        where.append(in_heavy_thread())
        return read(*args)

    monkeypatch.setattr(forms, "_read_answer", watched)
    vectors = [{"object": "embedding", "index": number, "embedding": [0.25] * 3072} for number in range(40)]
    answered = {"object": "list", "model": "up", "data": vectors, "usage": {"prompt_tokens": 1, "total_tokens": 1}}

    async def main() -> None:
        async def answer(call: Call) -> None:
            await call.send(200, answered)

        async with upstream(answer) as up, gateway(config(model(up.url))) as served:
            reply = await served.ask({"model": "m", **body}, path=path)
            assert reply.status == 200, reply.body[:500]
            assert reply.body.count(b"0.25") == 40 * 3072

    run(main())

    assert where == [True]
