"""Each attempt that a provider bills is charged once, at the price of its model, whatever became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from books import KEY, Book, settings
from loopback import Call, gateway, message_event, message_stream, message_whole, model, run, until, upstream

CHEAP, DEAR = (1000, 10_000), (30_000, 500_000)
"""Nano-dollars for a token of input and of output, of the first model and of the one that it falls back to."""
INPUT, OUTPUT = 11, 7
"""What `message_whole` and `message_stream` report."""
BEGUN = message_stream("some words that came", done=False)
DELTA = {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}}
OVERLOADED = message_event({"type": "error", "error": {"type": "overloaded_error", "message": "no"}})


def status(code: int) -> Callable[[Call], Awaitable[None]]:
    async def fail(call: Call) -> None:
        await call.send(code, {"type": "error", "error": {"type": "api_error", "message": "no"}})

    return fail


async def lost(call: Call) -> None:
    call.reset()


async def silent(call: Call) -> None:
    await call.hang()


async def begun_and_lost(call: Call) -> None:
    await call.open_stream()
    await call.chunk(BEGUN[0])
    await asyncio.sleep(0.02)
    call.reset()


async def begun_and_overloaded(call: Call) -> None:
    await call.stream(BEGUN[0] + OVERLOADED)


async def begun_and_silent(call: Call) -> None:
    await call.open_stream()
    await call.chunk(BEGUN[0])
    await call.hang()


async def empty(call: Call) -> None:
    await call.stream(b"")


async def without_content(call: Call) -> None:
    """Tokens were produced, and none of them is content."""
    end = [{**DELTA, "usage": {"output_tokens": OUTPUT}}, {"type": "message_stop"}]
    await call.stream(b"".join([BEGUN[0], *map(message_event, end)]))


async def half_a_body(call: Call) -> None:
    await call.send(200, b'{"id": "msg_1", "type"', {"content-length": "500"})
    await asyncio.sleep(0.02)
    call.reset()


@dataclass(slots=True, frozen=True)
class Fate:
    """What becomes of a first attempt, and what its provider bills."""

    script: Callable[[Call], Awaitable[None]]
    streamed: bool
    input: int | None
    """None: it is billed, and not known how much."""
    output: int = 0


FATES = {
    "refused with 500": Fate(status(500), True, 0),
    "refused with 429": Fate(status(429), False, 0),
    "lost before it answered": Fate(lost, False, 0),
    "silent": Fate(silent, True, None),
    "silent, whole reply": Fate(silent, False, None),
    "begun and lost": Fate(begun_and_lost, True, INPUT, 1),
    "begun and overloaded": Fate(begun_and_overloaded, True, INPUT, 1),
    "begun and silent": Fate(begun_and_silent, True, INPUT, 1),
    "an empty stream": Fate(empty, True, None),
    "no content": Fate(without_content, True, INPUT, OUTPUT),
    "half a body": Fate(half_a_body, False, None),
}


@dataclass(slots=True)
class Found:
    status: int
    attempts: Any
    line: dict[str, int]


async def everything(folder: Path, again: int) -> dict[str, Found]:
    """Each fate once for each try of the first model, then the second model answers."""
    fate = FATES["silent"]

    async def provider(call: Call) -> None:
        if call.body["model"] == "chat-up":
            await fate.script(call)
        elif call.streaming:
            await call.stream(b"".join(message_stream("a", "b")))
        else:
            await call.send(200, message_whole())

    async with upstream(provider) as up:
        models = [
            {**model(up.url, "anthropic", "chat", model="chat-up", firstTokenTimeout="200ms", timeout="500ms",
                     retryAttempts=again, retryDelay="1ms"), "prices": {"input": 1, "output": 10}},
            {**model(up.url, "anthropic", "chat-twin", model="twin-up"), "prices": {"input": 30, "output": 500}},
        ]  # fmt: skip
        async with gateway(settings(folder, models)) as served:
            replies: dict[str, int] = {}
            for name, fate in FATES.items():
                headers = {"authorization": f"Bearer {KEY}", "x-case": name, "x-outcome": "fallback"}
                headers["x-target"] = "chat"
                body = {
                    "model": "chat", "max_tokens": 50, "stream": fate.streamed,
                    "messages": [{"role": "user", "content": "hello there"}],
                }  # fmt: skip
                reply = await served.ask(body, path="/anthropic/v1/messages", headers=headers)
                replies[name] = reply.status
                await until(lambda name=name: len(served.plugin.seen.get(name, ())) >= 2, 5)
            await served.supervisor.drain(2)
            book, found = Book(served), {}
            await book.read()
            for name in FATES:
                _, (_, _, attempts, request_id) = served.plugin.seen[name]
                [line] = book.lines[request_id]
                found[name] = Found(replies[name], attempts, line)
            return found


@pytest.fixture(scope="module", params=[1, 2], ids=["no retry", "one retry"])
def everything_found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return request.param, run(everything(tmp_path_factory.mktemp("attempts"), request.param))


@pytest.mark.parametrize("name", FATES)
def test_each_attempt_that_is_billed_is_charged_once_at_its_price(everything_found: Any, name: str) -> None:
    tries, found = everything_found[0], everything_found[1][name]
    fate, line = FATES[name], found.line
    first = [attempt for attempt in found.attempts if attempt.model == "chat"]
    others = [attempt for attempt in found.attempts if attempt.model != "chat"]
    answered = name == "no content"
    assert len(first) == (1 if answered else tries)
    assert len(others) == (1 if tries == 1 and not answered else 0)

    inputs = fate.input
    if inputs is None:
        inputs = first[0].usage.input_tokens
        assert 20 < inputs < 60, "estimated by what was sent"
    cost = len(first) * (inputs * CHEAP[0] + fate.output * CHEAP[1])
    cost += len(others) * (INPUT * DEAR[0] + OUTPUT * DEAR[1])
    assert line["cost"] == cost
    assert line["inputTokens"] == len(first) * inputs + len(others) * INPUT
    assert line["outputTokens"] == len(first) * fate.output + len(others) * OUTPUT
    assert line["requests"] == 1
    marked = len(first) * (inputs * CHEAP[0] + fate.output * CHEAP[1])
    mark = "estimated" if fate.input is None else "partial"
    assert line.get(f"cost {mark}", 0) == (0 if answered else marked)
