"""Mutates bodies and streams and gives them to every decoder: `python tools/fuzz_decoders.py [--seconds N] [--seed S]`.

A decoder may give a value or raise DialectError, nothing else; it may not take long, and what it has read every encoder
must be able to write or to refuse. Starting points are the conformance kit's recordings where it is there, and small
bodies of each API. A finding is printed with the seed that leads to it again, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from typing import Any

from llm_gateway_sdk import Dialect, DialectError, Losses, Mint, Target, WireReply, WireRequest
from llm_gateway_sdk.response import Accumulator
from llm_gateway_sdk.testing.recordings import load_recordings
from llm_gateway_sdk.wire import json

CORPORA = {
    "openai_chat": ("openai-chat", "openai-compat"),
    "openai_responses": ("openai-responses",),
    "anthropic": ("anthropic",),
    "gemini": ("gemini",),
    "bedrock": ("bedrock",),
}
PATHS = {
    "openai_chat": "/chat/completions",
    "openai_responses": "/responses",
    "anthropic": "/v1/messages",
    "gemini": "/models/gemini-3-pro:generateContent",
    "bedrock": "/model/anthropic.claude-sonnet-4-5-v1:0/converse",
}
SMALL: tuple[bytes, ...] = (
    b"",
    b"{}",
    b"[]",
    b"null",
    b'{"messages":[{"role":"user","content":"Hello"}],"max_tokens":5}',
    b'{"input":"Hello","tools":[{"type":"function","name":"f","parameters":{}}]}',
    b'{"contents":[{"role":"user","parts":[{"text":"Hello"}]}]}',
    b'{"messages":[{"role":"user","content":[{"text":"Hello"}]}],"inferenceConfig":{"maxTokens":5}}',
    b'{"choices":[{"index":0,"message":{"role":"assistant","content":"x"},"finish_reason":"stop"}]}',
    b'{"content":[{"type":"tool_use","id":"t","name":"f","input":{}}],"stop_reason":"tool_use"}',
    b'data: {"choices":[{"delta":{"content":"x"}}]}\n\ndata: [DONE]\n\n',
    b'event: message_start\ndata: {"type":"message_start","message":{"content":[]}}\n\n',
    b'data: {"type":"response.created","response":{"output":[]}}\n\n',
    b'data: {"candidates":[{"content":{"parts":[{"text":"x"}]}}]}\r\n\r\n',
)
SECONDS_PER_INPUT = 2.0
"""On a busy machine; what takes longer grows with its input faster than it should."""

JUNK: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 2**70, 1e308, "", "x", "\x00", "\ud800", "é" * 50, [], {}, [None], [[]], [{}],
    {"type": "x"}, {"": None}, ["x"], {"text": "x"}, {"type": "text", "text": 5}, "data:image/png;base64,AA",
    "data:,", "gw1.anthropic.x", "gw1.", {"role": "assistant"}, {"type": "function", "function": None},
)  # fmt: skip
SEAMS = (
    b"\n\n",
    b"\r\n\r\n",
    b"\r",
    b"data: ",
    b"data: [DONE]\n\n",
    b": ping\n\n",
    b"\xef\xbb\xbf",
    b"\xff",
    b"\x00",
    b'"',
)


def dialects() -> dict[str, Dialect]:
    return {entry.name: entry.load()() for entry in entry_points(group="llm_gateway.dialects")}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="how long; default: 20")
    parser.add_argument("--seed", type=int, default=None, help="begin here; default: by the clock")
    parser.add_argument("--only", default="", help="one dialect's name")
    parser.add_argument("--once", action="store_true", help="the one input of --seed, with its whole traceback")
    options = parser.parse_args()
    known = {name: dialect for name, dialect in dialects().items() if options.only in ("", name)}
    if not known:
        parser.error("no dialect of this name is installed")
    seeds = {name: list(seeds_of(name)) for name in known}
    seed = options.seed if options.seed is not None else time.time_ns() % 10**9
    began, counts, findings, runs = time.monotonic(), Counter[str](), 0, 0
    while time.monotonic() - began < options.seconds and findings < 10:
        name = list(known)[seed % len(known)]
        finding = try_one(known, name, seeds[name], seed)
        counts[name] += 1
        runs += 1
        if finding is not None:
            findings += 1
            print(f"--seed {seed} --once ({name}):\n{finding}\n", flush=True)
        if options.once:
            break
        seed += 1
    counted = ", ".join(f"{name} {counts[name]}" for name in known)
    print(f"{runs} inputs in {time.monotonic() - began:.0f} s ({counted}); {findings} findings; next seed {seed}")
    return 1 if findings else 0


def seeds_of(name: str) -> Iterator[bytes]:
    """What mutations begin with. Large recordings say little more and take long."""
    for recording in load_recordings(*CORPORA.get(name, ())):
        for data in (recording.request.body, recording.body, recording.stream):
            if data and len(data) < 60_000:
                yield data
    yield from SMALL


def try_one(known: dict[str, Dialect], name: str, seeds: list[bytes], seed: int) -> str | None:
    """What went wrong with the input of this seed; None where nothing did."""
    chance = random.Random(seed)
    data = mutated(chance.choice(seeds), chance)
    for read in readers(known, name, data, chance):
        took = math.inf
        for _ in range(3):  # what is slow for its length is slow each time, what the machine holds up is not
            began = time.process_time()
            try:
                read()
            except DialectError:
                pass
            except Exception:
                return f"{data[:300]!r}\n" + "".join(traceback.format_exc().splitlines(keepends=True)[-7:])
            took = min(took, time.process_time() - began)
            if took <= SECONDS_PER_INPUT:
                break
        else:
            return f"{len(data)} bytes took {took:.1f} s: {data[:300]!r}"
    return None


def readers(known: dict[str, Dialect], name: str, data: bytes, chance: random.Random) -> list[Callable[[], object]]:
    dialect = known[name]
    other = known[chance.choice(list(known))]
    return [
        lambda: _request(dialect, other, data),
        lambda: _reply(dialect, other, data),
        lambda: _stream(dialect, other, data, chance),
        lambda: dialect.decode_error(WireReply(chance.choice((200, 400, 429, 500)), body=data)).message,
        lambda: dialect.event_kind(data),
        lambda: dialect.usage_of(data, data),
        lambda: _count(dialect, data),
    ]


def _mint() -> Mint:
    numbers = iter(range(10**6))
    return Mint(lambda prefix: f"{prefix}{next(numbers)}", lambda: 1_750_000_000)


def _request(dialect: Dialect, other: Dialect, data: bytes) -> None:
    request, _ = dialect.decode_request(WireRequest("POST", PATHS.get(dialect.name, "/"), body=data))
    if other is not dialect:
        dialect.check_portable(request, Losses())
    json.loads(other.encode_request(request, Target("a-model"), Losses()).body)


def _reply(dialect: Dialect, other: Dialect, data: bytes) -> None:
    reply = dialect.decode_response(WireReply(200, body=data), _mint())
    if reply.error is None:
        json.loads(other.encode_response(reply, _echo(other), _mint(), Losses("response")).body)


def _stream(dialect: Dialect, other: Dialect, data: bytes, chance: random.Random) -> None:
    decoder = dialect.stream_decoder(_mint())
    encoder = other.stream_encoder(_echo(other), _mint(), Losses("response"))
    total = Accumulator()
    at = 0
    chunks = []
    while at < len(data):
        step = chance.choice((1, 7, 100, 4000, 60_000))
        chunks += decoder.feed(data[at : at + step])
        at += step
    chunks += decoder.close()
    for chunk in chunks:
        total.add(chunk)
        if chunk.error is not None:
            encoder.fail(chunk.error)
            total.value()
            return
        encoder.encode(chunk)
    encoder.close()
    total.value()


def _count(dialect: Dialect, data: bytes) -> None:
    dialect.decode_count(WireReply(200, body=data))


def _echo(dialect: Dialect) -> Any:
    asked, _ = dialect.decode_request(
        WireRequest(
            "POST",
            PATHS.get(dialect.name, "/"),
            body=b'{"model":"m","max_tokens":5,"messages":[],"input":"x","contents":[{"parts":[{"text":"x"}]}]}',
        )
    )
    return dialect.decode_request(dialect.encode_request(asked, Target("a-model"), Losses()))[1]


# Mutations.


def mutated(data: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.choice((1, 1, 2, 3, 6))):
        data = chance.choice((_damage_json, _damage_json, _damage_json, _damage_bytes, _damage_events))(data, chance)
    return data


def _damage_json(data: bytes, chance: random.Random) -> bytes:
    """One node of the body, or of one event, replaced, removed, doubled or moved."""
    lines = data.split(b"\n")
    places = [number for number, line in enumerate(lines) if line.startswith(b"data:") and b"{" in line]
    if places:
        place = chance.choice(places)
        try:
            body = json.loads(lines[place][5:])
        except ValueError:
            return data
        lines[place] = b"data: " + _dumped(_changed(body, chance))
        return b"\n".join(lines)
    try:
        return _dumped(_changed(json.loads(data), chance))
    except ValueError:
        return _damage_bytes(data, chance)


def _dumped(value: Any) -> bytes:
    try:
        return json.dumps(value)
    except (ValueError, TypeError):
        return b"{}"


def _changed(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict) and value and chance.random() < 0.85:
        key = chance.choice(list(value))
        match chance.randrange(12):
            case 0:
                return {name: inner for name, inner in value.items() if name != key}
            case 1:
                return {**value, chance.choice(list(value)): value[key]}
            case 2:
                return dict(sorted(value.items(), key=lambda item: chance.random()))
            case _:
                return {**value, key: _changed(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.85:
        place = chance.randrange(len(value))
        match chance.randrange(8):
            case 0:
                return [*value[:place], *value[place + 1 :]]
            case 1:
                return [*value, value[place]]
            case 2:
                return value[::-1]
            case _:
                return [*value[:place], _changed(value[place], chance), *value[place + 1 :]]
    return chance.choice(JUNK)


def _damage_bytes(data: bytes, chance: random.Random) -> bytes:
    at = chance.randint(0, len(data))
    end = min(len(data), at + chance.choice((0, 1, 4, 100)))
    match chance.randrange(4):
        case 0:
            return data[:at] + data[end:]
        case 1:
            return data[:at] + chance.choice(SEAMS) + data[end:]
        case 2:
            return data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]
        case _:
            return data[:at]


def _damage_events(data: bytes, chance: random.Random) -> bytes:
    """Events lost, doubled, in another order, or with other line ends."""
    events = data.split(b"\n\n")
    if len(events) < 3:
        return _damage_bytes(data, chance)
    a, b = chance.randrange(len(events)), chance.randrange(len(events))
    match chance.randrange(5):
        case 0:
            del events[a]
        case 1:
            events.insert(b, events[a])
        case 2:
            events[a], events[b] = events[b], events[a]
        case 3:
            return data.replace(b"\n", b"\r\n")
        case _:
            return data.replace(b"\n", b"\r")
    return b"\n\n".join(events)


if __name__ == "__main__":
    sys.exit(main())
