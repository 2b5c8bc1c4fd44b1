"""The laws of dialects on Gemini's recordings and on generated replies, with a grammar of its streams."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llm_gateway_gemini import Gemini
from llm_gateway_gemini.request import GeminiEcho

from llm_gateway_sdk import (
    Echo,
    LLMRequest,
    LLMResponse,
    Losses,
    Message,
    Part,
    RefusalPart,
    Target,
    TextPart,
    ThinkingPart,
    ToolCallPart,
)
from llm_gateway_sdk.testing.dialect_laws import (
    DialectLaws,
    Recording,
    counting_mint,
    cut_reply,
    json_differences,
    pieces,
    replies,
    summed,
)
from llm_gateway_sdk.wire.sse import SSEDecoder


def violations(stream: bytes, *, complete: bool = True) -> list[str]:
    """What is wrong with a stream of GenerateContentResponses, by the vendor's document alone."""
    decoder = SSEDecoder()
    events = [*decoder.feed(stream), *decoder.close()]
    found: list[str] = []
    finished: set[int] = set()
    identities: set[str] = set()
    failed = False
    for number, event in enumerate(events):
        body = json.loads(event.data)
        if failed:
            found.append(f"event {number} follows an error")
        if "error" in body:
            failed = True
            if not {"code", "message", "status"} <= body["error"].keys():
                found.append(f"event {number}: an error without code, message and status")
            continue
        identities.add(body.get("responseId", ""))
        if not body.get("modelVersion"):
            found.append(f"event {number} names no model")
        for candidate in body.get("candidates", []):
            index = candidate.get("index", 0)
            if index in finished:
                found.append(f"event {number}: candidate {index} goes on after its finish")
            if "finishReason" in candidate:
                finished.add(index)
            found.extend(f"event {number}: {text}" for text in _wrong_parts(candidate.get("content", {})))
        usage = body.get("usageMetadata", {})
        if "totalTokenCount" in usage:
            counted = ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "toolUsePromptTokenCount")
            if usage["totalTokenCount"] != sum(usage.get(key, 0) for key in counted):
                found.append(f"event {number}: the total is not the sum of the counts")
    if len(identities) > 1:
        found.append(f"several response ids: {sorted(identities)}")
    if complete and not finished:
        found.append("no finish reason")
    if not complete and finished:
        found.append("a finish reason in a broken stream")
    return found


_KINDS = {"text", "inlineData", "fileData", "functionCall", "executableCode", "codeExecutionResult"}


def _wrong_parts(content: dict[str, Any]) -> list[str]:
    found = [] if content.get("role", "model") == "model" else [f"role {content['role']}"]
    for part in content.get("parts", []):
        kinds = _KINDS & part.keys()
        if len(kinds) != 1:
            found.append(f"a part of {len(kinds)} kinds: {sorted(part)}")
        call = part.get("functionCall")
        if call is not None and (not call.get("name") or not isinstance(call.get("args", {}), dict)):
            found.append("a function call without a name, or with arguments that are no object")
    return found


@pytest.mark.parametrize(
    ("events", "complete", "wrong"),
    [
        ([{"candidates": [{"content": {"parts": [{"text": "a"}]}}], "modelVersion": "m"}], True, "no finish reason"),
        ([{"candidates": [{"finishReason": "STOP"}], "modelVersion": "m"}], False, "broken stream"),
        ([{"candidates": [{"finishReason": "STOP"}]}], True, "names no model"),
        ([{"error": {"code": 500}}], False, "without code"),
        ([{"candidates": [{"content": {"parts": [{"functionCall": {}}]}}]}], False, "without a name"),
        ([{"candidates": [{"content": {"parts": [{"text": "", "inlineData": {}}]}}]}], False, "2 kinds"),
    ],
)
def test_the_grammar_finds_what_is_wrong(events: list[Any], complete: bool, wrong: str) -> None:
    stream = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)

    assert any(wrong in text for text in violations(stream, complete=complete))


class TestGeminiLaws(DialectLaws):
    dialect = Gemini()
    corpus = ("gemini",)
    grammar = staticmethod(violations)
    request_path: ClassVar[str] = "/models/gemini-3-pro:generateContent"
    parallel: ClassVar[tuple[str, ...]] = ("contents", "tools")

    def holds(self, part: Part) -> bool:
        return not isinstance(part, RefusalPart)

    def normalise_request(self, body: Any) -> Any:
        """An empty configuration specifies nothing; a lone tool is a list of one; base64 has two alphabets; whole
        numbers may be written with a point."""
        body = _plain(super().normalise_request(body))
        if body.get("generationConfig") == {}:
            del body["generationConfig"]
        if isinstance(body.get("tools"), dict):
            body["tools"] = [body["tools"]]
        return body

    def normalise_reply(self, reply: LLMResponse) -> LLMResponse:
        """Arguments are an object here, not its text. A proof ends all that was thought since the last one."""
        reply = super().normalise_reply(reply)
        parts: list[Part] = []
        for part in reply.message.content:
            last = parts[-1] if parts else None
            if isinstance(part, ToolCallPart):
                part.arguments = json.dumps(json.loads(part.arguments))
            if isinstance(part, ThinkingPart) and part.signature is not None and _unproven(last):
                assert isinstance(last, ThinkingPart)
                parts.pop()
                part = replace(part, text=last.text + part.text)
            parts.append(part)
        reply.message.content = parts
        return reply

    def test_law_8_one_edit_stays_one_edit(self, recording: Recording) -> None:
        """A function response is an object, shown as JSON text: an edit that leaves it an object stays one edit."""
        wire = self.make_request(recording)
        pristine, _ = self.dialect.decode_request(wire)
        before = json.loads(self.dialect.encode_request(pristine, self.target(pristine), Losses()).body)
        for number in range(min(12, len(list(pristine.texts())))):
            edited, _ = self.dialect.decode_request(wire)
            place = list(edited.texts())[number]
            place.text = _edited(place.text) if place.kind in ("tool_arguments", "tool_result") else "an edited text"

            after = json.loads(self.dialect.encode_request(edited, self.target(edited), Losses()).body)

            found = json_differences(before, after)
            assert len(found) == 1, (place.path, found)

    @settings(max_examples=40, deadline=None)
    @given(data=st.data())
    def test_a_json_array_equals_the_events(self, data: st.DataObject) -> None:
        reply = data.draw(replies(self.holds))
        seed = data.draw(st.integers(0, 2**16))
        written = self.encoded(cut_reply(reply, random.Random(seed)), GeminiEcho("some-model", True, sse=False))

        assert isinstance(json.loads(written), list)
        decoder = self.dialect.stream_decoder(counting_mint())
        chunks = [chunk for piece in pieces(written, seed) for chunk in decoder.feed(piece)] + decoder.close()
        assert decoder.finished
        self.assert_alike(summed(chunks), reply, usage=False)

    def plain_echo(self) -> Echo:
        request = LLMRequest("some-model", [Message("user", [TextPart("Hello.")])], stream=True)
        wire = self.dialect.encode_request(request, Target("some-model"), Losses())
        return self.dialect.decode_request(wire)[1]


def _unproven(part: Part | None) -> bool:
    return isinstance(part, ThinkingPart) and part.signature is None and part.redacted is None


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        plain = {key: _plain(inner) for key, inner in value.items()}
        if isinstance(plain.get("data"), str):
            plain["data"] = plain["data"].replace("-", "+").replace("_", "/")
        return plain
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _edited(text: str) -> str:
    try:
        value = json.loads(text)
    except ValueError:
        return "an edited text"
    if not isinstance(value, dict):
        return "an edited text"
    key = next(iter(value), "edited")
    return json.dumps({**value, key: "an edited value"})
