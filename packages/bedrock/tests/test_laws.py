"""The laws of dialects on Bedrock's recordings and on generated replies, with a grammar of its streams."""

from __future__ import annotations

import json
import random
import struct
from dataclasses import replace
from typing import Any, ClassVar
from zlib import crc32

import pytest
from llm_gateway_bedrock import Bedrock
from llm_gateway_bedrock.eventstream import EventStreamDecoder, encode_message
from llm_gateway_bedrock.parts import DOCUMENT_ONLY

from llm_gateway_sdk import (
    LLMResponse,
    Losses,
    Part,
    RefusalPart,
    ToolCallPart,
    Usage,
)
from llm_gateway_sdk.testing.dialect_laws import DialectLaws, Recording, damaged, json_differences

_AFTER_STOP = ("metadata",)


def read_messages(stream: bytes) -> list[tuple[str, str, dict[str, Any]]]:
    """(message type, event or exception type, payload), read by another hand than the package's own decoder."""
    messages = []
    while stream:
        total, length, prelude = struct.unpack(">III", stream[:12])
        assert crc32(stream[:8]) == prelude
        assert crc32(stream[: total - 4]) == struct.unpack(">I", stream[total - 4 : total])[0]
        headers, rest = {}, stream[12 : 12 + length]
        while rest:
            size = rest[0]
            name, kind = rest[1 : 1 + size].decode(), rest[1 + size]
            assert kind == 7
            (width,) = struct.unpack(">H", rest[2 + size : 4 + size])
            headers[name] = rest[4 + size : 4 + size + width].decode()
            rest = rest[4 + size + width :]
        body = json.loads(stream[12 + length : total - 4] or b"{}")
        messages.append((headers[":message-type"], headers.get(":event-type") or headers[":exception-type"], body))
        stream = stream[total:]
    return messages


def violations(stream: bytes, *, complete: bool = True) -> list[str]:
    """What is wrong with a ConverseStream, by the service model alone."""
    found: list[str] = []
    opened: int | None = None
    kind = ""
    arguments = ""
    done = -1
    names: list[str] = []
    for message_type, name, body in read_messages(stream):
        if names and names[-1] == "exception":
            found.append(f"{name} follows an exception")
        names.append("exception" if message_type == "exception" else name)
        if message_type == "exception":
            if not body.get("message"):
                found.append("an exception without a message")
            continue
        if name == "messageStart" and len(names) > 1:
            found.append("messageStart is not first")
        if name != "messageStart" and names[0] != "messageStart":
            found.append(f"{name} before messageStart")
        if "messageStop" in names[:-1] and name not in _AFTER_STOP:
            found.append(f"{name} after messageStop")
        index: int = body.get("contentBlockIndex", -1)
        if name in ("contentBlockStart", "contentBlockDelta"):
            if opened is None:
                if index != done + 1:
                    found.append(f"block {index} after block {done}")
                opened, kind, arguments = index, "", ""
            elif name == "contentBlockStart" or index != opened:
                found.append(f"{name} of block {index} while {opened} is open")
        if name == "contentBlockStart":
            kind = next(iter(body["start"]))
        if name == "contentBlockDelta":
            (word, value), *more = body["delta"].items()
            if more or (kind and word != kind and {word, kind} != {"text", "citation"}):
                found.append(f"a delta of {sorted(body['delta'])} in a block of {kind}")
            kind = kind or word
            if word == "toolUse":
                arguments += value["input"]
        if name == "contentBlockStop":
            if index != opened:
                found.append(f"the end of block {index}, which is not open")
            if kind == "toolUse":
                try:
                    json.loads(arguments or "{}")
                except ValueError:
                    found.append(f"block {index} ends within its arguments")
            opened, done = None, index
        if name == "messageStop" and (opened is not None or not body.get("stopReason")):
            found.append("messageStop with an open block or without a reason")
        if name == "metadata" and not {"inputTokens", "outputTokens", "totalTokens"} <= body["usage"].keys():
            found.append("metadata without the three counts")
    ended = "messageStop" in names
    if complete and (not ended or names[-1] != "metadata"):
        found.append("no messageStop, or no metadata after it")
    if not complete and ended:
        found.append("messageStop in a broken stream")
    return found


def _stream(*events: tuple[str, dict[str, Any]]) -> bytes:
    return b"".join(
        encode_message({":event-type": name, ":message-type": "event"}, json.dumps(body).encode())
        for name, body in events
    )


_START = ("messageStart", {"role": "assistant"})
_TEXT = ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "a"}})


@pytest.mark.parametrize(
    ("events", "wrong"),
    [
        ([_TEXT], "before messageStart"),
        ([_START, _TEXT, ("messageStop", {"stopReason": "end_turn"})], "open block"),
        ([_START, _TEXT, ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"text": "b"}})], "while 0 is open"),
        ([_START, _TEXT, ("contentBlockStop", {"contentBlockIndex": 1})], "not open"),
        ([_START], "no messageStop"),
        (
            [_START, _TEXT, ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"toolUse": {"input": "{"}}})],
            "in a block of text",
        ),
    ],
)
def test_the_grammar_finds_what_is_wrong(events: list[Any], wrong: str) -> None:
    assert any(wrong in text for text in violations(_stream(*events)))


class TestBedrockLaws(DialectLaws):
    dialect = Bedrock()
    corpus = ("bedrock",)
    grammar = staticmethod(violations)
    request_path: ClassVar[str] = "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"
    parallel: ClassVar[tuple[str, ...]] = ("messages", "system")
    lost_error_kinds: ClassVar[frozenset[str]] = frozenset({"unknown", "too_large", "context_length", "content_policy"})

    def holds(self, part: Part) -> bool:
        return not isinstance(part, RefusalPart)

    def normalise_request(self, body: Any) -> Any:
        """Empty lists and objects at the top say nothing."""
        body = super().normalise_request(body)
        for message in body.get("messages", []):
            content = message["content"]
            for place, block in enumerate(content):
                # A document that ends what is cached has a text after it, which is not empty.
                if block == {"text": "\n"} and place and "document" in content[place - 1]:
                    content[place] = {"text": DOCUMENT_ONLY}
        return {key: value for key, value in body.items() if value not in ([], {})}

    def normalise_reply(self, reply: LLMResponse) -> LLMResponse:
        """Neither model nor a missing usage are reported; arguments are an object, not its text."""
        reply = super().normalise_reply(reply)
        usage = reply.usage if reply.usage and reply.usage.total_tokens else None
        for part in reply.message.content:
            if isinstance(part, ToolCallPart):
                part.arguments = json.dumps(json.loads(part.arguments))
        return replace(reply, model="", usage=usage and Usage(usage.input_tokens, usage.output_tokens))

    def damaged_stream(self, data: bytes, chance: random.Random) -> bytes:
        messages = EventStreamDecoder().feed(data)
        place = chance.randrange(len(messages))
        junk: Any = chance.choice((None, True, 0, "", "x", [], {}, [{}], {"type": "x"}))
        messages[place].payload = json.dumps(damaged(json.loads(messages[place].payload), chance, junk)).encode()
        return b"".join(encode_message(message.headers, message.payload) for message in messages)

    def test_law_8_one_edit_stays_one_edit(self, recording: Recording) -> None:
        """A result that came as JSON goes as JSON, as long as the edit leaves it JSON."""
        wire = self.make_request(recording)
        pristine, _ = self.dialect.decode_request(wire)
        before = json.loads(self.dialect.encode_request(pristine, self.target(pristine), Losses()).body)
        for number in range(min(12, len(list(pristine.texts())))):
            edited, _ = self.dialect.decode_request(wire)
            place = list(edited.texts())[number]
            place.text = '{"edited": true}' if place.text[:1] in ("{", "[") else "an edited text"

            after = json.loads(self.dialect.encode_request(edited, self.target(edited), Losses()).body)

            found = json_differences(before, after)
            if place.kind == "tool_arguments" and found:
                assert all(".input" in path for path in found)
                continue
            assert len(found) == 1, (place.path, found)
