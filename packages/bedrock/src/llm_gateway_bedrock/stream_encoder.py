"""Chunks → ConverseStream messages for a client."""

from __future__ import annotations

from typing import Any

from llm_gateway_sdk import (
    UNSIGNED,
    Choice,
    Echo,
    ErrorInfo,
    LLMResponse,
    Losses,
    MediaPart,
    Mint,
    OpaquePart,
    Part,
    RefusalPart,
    StreamEncoder,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
    Usage,
    merge_usage,
    wrap_signature,
)
from llm_gateway_sdk.dialects.answer import parts_of_later_choice
from llm_gateway_sdk.dialects.reply_coverage import drop_part
from llm_gateway_sdk.response import merge_metadata, merge_parts, refusal_of
from llm_gateway_sdk.wire import json

from .carriers import carried_signature
from .errors import encode_exception
from .eventstream import encode_message
from .parts import NAME, BlockEncoder, encode_citation, own, wire_id, write_blob
from .response import build_metadata, build_usage, encode_stop

__all__ = ["Encoder"]


class Encoder(StreamEncoder):
    """Blocks go out one by one: a newcomer waits while an open call's arguments are no whole JSON."""

    def __init__(self, echo: Echo, mint: Mint, losses: Losses) -> None:
        self._losses = losses
        self._blocks = BlockEncoder(losses, "choices[*].message.content[*]", reply=True)
        self._started = False
        self._open: Part | None = None
        """The part whose block is open, with all its arguments if it is a call."""
        self._unproven = False
        """It is reasoning of another dialect, so far without a signature."""
        self._called = False
        """The answer has a call."""
        self._waiting: list[Part] = []
        self._count = 0
        self._choice = Choice(0)
        self._usage: Usage | None = None
        self._extras = LLMResponse()
        self.content_type = "application/vnd.amazon.eventstream"
        """The fields of the reply's start."""

    def encode(self, chunk: LLMResponse) -> bytes:
        self._usage = merge_usage(self._usage, chunk.usage)
        self._extras.provider_metadata = merge_metadata(self._extras.provider_metadata, chunk.provider_metadata)
        self._extras.service_tier = chunk.service_tier or self._extras.service_tier
        out = self._start()
        for choice in chunk.choices:
            known = self._choice
            later = choice.index != 0
            if not later or known.finish_reason in (None, "stop", "tool_calls"):
                # Otherwise the first choice was cut off, and that is how the answer ends.
                known.finish_reason = choice.finish_reason or known.finish_reason
            known.stop_sequence = choice.stop_sequence or known.stop_sequence
            if refusal_of(choice):
                self._losses.dropped("choices[*].finish_message", "Converse has no field for it")
            known.provider_metadata = merge_metadata(known.provider_metadata, choice.provider_metadata)
            for part in parts_of_later_choice(choice) if later else choice.message.content:
                out += self._add(part)
        return out

    def close(self) -> bytes:
        out = self._start() + self._drain(ended=True) + self._stop_block()
        stop: dict[str, Any] = {"stopReason": encode_stop(self._choice, calls=self._called)}
        fields = own(self._choice).get("additionalModelResponseFields")
        if fields is not None:
            stop["additionalModelResponseFields"] = fields
        metadata = {"metrics": {"latencyMs": 0}, "usage": build_usage(self._usage), **build_metadata(self._extras)}
        return out + _event("messageStop", stop) + _event("metadata", metadata)

    def fail(self, error: ErrorInfo) -> bytes:
        return encode_exception(error)

    def keep_alive(self) -> bytes:
        """The encoding has no comments."""
        return b""

    def _start(self) -> bytes:
        if self._started:
            return b""
        self._started = True
        return _event("messageStart", {"role": "assistant"})

    def _add(self, part: Part) -> bytes:
        opened = self._open
        if opened is not None and not self._waiting and _continues(opened, part):
            return self._grow(part)
        for position in range(len(self._waiting) - 1, -1, -1):
            if _continues(self._waiting[position], part):
                joined = merge_parts(self._waiting[position], part)
                if joined is not None:
                    self._waiting[position] = joined
                    return b""
                break
        if opened is not None and _continues(opened, part) and isinstance(part, ToolCallPart):
            return self._grow(part) + self._drain()
        self._waiting.append(part)
        return self._drain()

    def _drain(self, *, ended: bool = False) -> bytes:
        out = b""
        while self._waiting:
            opened = self._open
            if isinstance(opened, ToolCallPart) and not ended and not _complete(opened.arguments):
                break
            out += self._stop_block() + self._begin(self._waiting.pop(0))
        return out

    def _begin(self, part: Part) -> bytes:
        if isinstance(part, RefusalPart):
            part = TextPart(part.text, index=part.index)
        start: dict[str, Any] | None = None
        before = b""
        match part:
            case TextPart():
                if not part.text and not part.citations:
                    return b""
            case ThinkingPart():
                if not part.text and part.signature is None and part.redacted is None:
                    return b""
            case ToolCallPart():
                self._called = True
                before = self._carrier(part)
                call = {"toolUseId": wire_id(part.id), "name": part.name, **own(part)}
                start = {"toolUse": call}
                part = ToolCallPart(part.id, part.name, part.arguments, index=part.index)
            case OpaquePart() if part.dialect == NAME and isinstance(part.data, dict):
                return self._begin_opaque(part)
            case MediaPart() if part.kind == "image":
                block = self._blocks.encode([part])[0]["image"]
                self._open = part
                return self._event(
                    "contentBlockStart", {"start": {"image": {"format": block["format"]}}}
                ) + self._event("contentBlockDelta", {"delta": {"image": {"source": block["source"]}}})
            case OpaquePart() | MediaPart() | ToolResultPart():
                drop_part(part, self._losses)
                return b""
        self._open = part
        self._unproven = isinstance(part, ThinkingPart)
        out = self._event("contentBlockStart", {"start": start}) if start is not None else b""
        return before + out + self._deltas(part)

    def _carrier(self, part: ToolCallPart) -> bytes:
        """A whole block before a call whose signature has no other place."""
        carried = carried_signature(part)
        if carried is None:
            return b""
        deltas = ({"reasoningContent": {"text": ""}}, {"reasoningContent": {"signature": carried}})
        out = b"".join(self._event("contentBlockDelta", {"delta": delta}) for delta in deltas)
        out += self._event("contentBlockStop", {})
        self._count += 1
        return out

    def _begin_opaque(self, part: OpaquePart) -> bytes:
        self._open = OpaquePart(NAME, part.data, index=part.index)
        out = self._event("contentBlockStart", {"start": part.data}) if part.data else b""
        return out + b"".join(self._event("contentBlockDelta", {"delta": delta}) for delta in part.deltas)

    def _grow(self, part: Part) -> bytes:
        opened = self._open
        if isinstance(opened, ToolCallPart) and isinstance(part, ToolCallPart):
            opened.arguments += part.arguments
        if isinstance(part, OpaquePart):
            return b"".join(self._event("contentBlockDelta", {"delta": delta}) for delta in part.deltas)
        if isinstance(part, RefusalPart):
            part = TextPart(part.text)
        return self._deltas(part)

    def _deltas(self, part: Part) -> bytes:
        deltas: list[dict[str, Any]] = []
        if isinstance(part, TextPart):
            if part.text:
                deltas.append({"text": part.text})
            deltas += [{"citation": encode_citation(citation)} for citation in part.citations]
        elif isinstance(part, ThinkingPart):
            if part.text:
                deltas.append({"reasoningContent": {"text": part.text}})
            if part.redacted is not None:
                deltas.append({"reasoningContent": {"redactedContent": write_blob(part.redacted, part.signed_by)}})
            if part.signature is not None:
                signature = wrap_signature(part.signature, part.signed_by, NAME)
                deltas.append({"reasoningContent": {"signature": signature}})
            if part.signed_by == NAME or part.signature is not None or part.redacted is not None:
                self._unproven = False
        elif isinstance(part, ToolCallPart) and part.arguments:
            deltas.append({"toolUse": {"input": part.arguments}})
        return b"".join(self._event("contentBlockDelta", {"delta": delta}) for delta in deltas)

    def _stop_block(self) -> bytes:
        if self._open is None:
            return b""
        out = b""
        if self._unproven:
            mark = wrap_signature("", UNSIGNED, NAME)
            out = self._event("contentBlockDelta", {"delta": {"reasoningContent": {"signature": mark}}})
            self._unproven = False
        out += self._event("contentBlockStop", {})
        self._open = None
        self._count += 1
        return out

    def _event(self, name: str, body: dict[str, Any]) -> bytes:
        return _event(name, {"contentBlockIndex": self._count, **body})


def _continues(a: Part, b: Part) -> bool:
    same = type(a) is type(b) or (isinstance(a, TextPart) and isinstance(b, RefusalPart))
    if not same or a.index != b.index:
        return False
    if isinstance(a, ThinkingPart) and isinstance(b, ThinkingPart) and a.signature is not None:
        return not b.text and b.signature is None
    return not isinstance(a, MediaPart)


def _complete(arguments: str) -> bool:
    try:
        json.loads(arguments)
    except ValueError:
        return False
    return True


def _event(name: str, body: dict[str, Any]) -> bytes:
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return encode_message(headers, json.dumps(body))
