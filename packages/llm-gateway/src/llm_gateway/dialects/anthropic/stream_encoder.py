"""Chunks → Messages events for a client."""

from __future__ import annotations

import re
from typing import Any

from llm_gateway_sdk import (
    Choice,
    Echo,
    ErrorInfo,
    LLMResponse,
    Losses,
    Message,
    Mint,
    OpaquePart,
    Part,
    RefusalPart,
    StreamEncoder,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    Usage,
)
from llm_gateway_sdk.dialects.answer import parts_of_later_choice
from llm_gateway_sdk.dialects.reply_coverage import drop_part
from llm_gateway_sdk.response import Accumulator, merge_usage, refusal_of
from llm_gateway_sdk.values import replace
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.wire.sse import encode_event

from .errors import error_body
from .parts import (
    NAME,
    Block,
    encode_extras,
    own,
)
from .response import (
    carrier_after,
    carrier_before,
    encode_citations,
    encode_signature,
    encode_thinking,
    encode_usage,
    refusal_details,
    stop_reason,
)

__all__ = ["AnthropicStreamEncoder"]


class AnthropicStreamEncoder(StreamEncoder):
    def __init__(self, echo: Echo, mint: Mint, losses: Losses) -> None:
        self._echo = echo
        self._mint = mint
        self._losses = losses
        self._started = False
        self._ended = False
        self._open: _Writing | None = None
        self._written: _Writing | None = None
        """The block of the last chunk's last part, where more text for it is written as that was."""
        self._held: list[_Group] = []
        self._count = 0
        self._calls = False
        self._done: set[int | None] = set()
        """Indices of the calls whose blocks are closed."""
        self._refusal: list[str] = []
        self._choice = Choice()
        self._usage: Usage | None = None
        self._tier: str | None = None
        self._extra: dict[str, Any] = {}
        self._opening_extra: dict[str, Any] = {}

    def encode_text(self, text: str) -> bytes | None:
        writing = self._written
        return None if writing is None else b"%b%b%b" % (writing.text_head, json.dumps(text), _TEXT_END)

    def encode(self, chunk: LLMResponse) -> bytes:
        self._written = None
        if self._ended:
            return b""
        out: list[bytes] = []
        if chunk.usage is not None:
            self._usage = merge_usage(self._usage, chunk.usage)
        if chunk.service_tier is not None:
            self._tier = chunk.service_tier
        if chunk.provider_metadata:
            self._extra.update(own(chunk.provider_metadata))
        if not self._started:
            self._start(chunk, out)
        for name, event in chunk.provider_deltas:
            if name == NAME:
                self._unknown_event(event, out)
        for choice in chunk.choices:
            for part in choice.message.content if choice.index == 0 else parts_of_later_choice(choice):
                self._part(part, out)
            if choice.index != 0 and self._choice.finish_reason not in (None, "stop", "tool_calls"):
                continue  # the first choice was cut off, and that is how the answer ends
            if (
                choice.finish_reason is not None
                or choice.stop_sequence is not None
                or choice.finish_message is not None
                or choice.provider_metadata
            ):
                self._note_finish(choice)
        if chunk.final:
            out.append(self.close())
        return b"".join(out)

    def close(self) -> bytes:
        if self._ended:
            return b""
        out: list[bytes] = []
        if not self._started:
            self._start(LLMResponse(), out)
        self._release(out, all_of_it=True)
        self._close_block(out)
        self._ended = True
        delta: Block = {
            "stop_reason": stop_reason(self._choice, calls=self._calls),
            "stop_sequence": self._choice.stop_sequence,
        }
        event: Block = {"type": "message_delta", "delta": delta, "usage": self._final_usage()}
        if self._refusal:
            delta["stop_reason"] = "refusal"
        if words := "".join(self._refusal) or refusal_of(self._choice):
            delta["stop_details"] = refusal_details(words)
        for key, value in self._extra.items():
            if key in _DELTA_KEYS:
                delta[key] = value
            elif not key.startswith("_") and self._opening_extra.get(key, _ABSENT) != value:
                event[key] = value
        out.append(_event(event))
        out.append(_MESSAGE_STOP)
        return b"".join(out)

    def fail(self, error: ErrorInfo) -> bytes:
        self._ended = True
        return _event(error_body(error))

    def keep_alive(self) -> bytes:
        return _PING

    def _unknown_event(self, event: Block, out: list[bytes]) -> None:
        if event.get("type") != "content_block_delta":
            out.append(_event(event))
        elif self._open is not None:
            # Its block may have another number here.
            out.append(_event({**event, "index": self._open.index}))

    # The envelope.

    def _start(self, chunk: LLMResponse, out: list[bytes]) -> None:
        self._started = True
        usage = encode_usage(self._usage, self._tier)
        message: Block = {
            "id": chunk.id or self._mint.id("msg_"),
            "type": "message",
            "role": "assistant",
            "model": chunk.model or self._echo.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage,
        }
        self._opening_extra = {key: value for key, value in self._extra.items() if key not in _DELTA_KEYS}
        encode_extras(message, {NAME: self._opening_extra})
        out.append(_event({"type": "message_start", "message": message}))

    def _note_finish(self, choice: Choice) -> None:
        if choice.finish_reason is not None:
            self._choice.finish_reason = choice.finish_reason
        if choice.stop_sequence is not None:
            self._choice.stop_sequence = choice.stop_sequence
        if choice.finish_message is not None:
            self._choice.finish_message = choice.finish_message
        if choice.provider_metadata:
            self._choice.provider_metadata = choice.provider_metadata

    def _final_usage(self) -> Block:
        if self._usage is None:
            return {"output_tokens": 0}
        usage = encode_usage(self._usage)
        return {key: value for key, value in usage.items() if key in _DELTA_USAGE}

    # Blocks.

    def _part(self, part: Part, out: list[bytes]) -> None:
        writing = self._open
        if isinstance(part, TextPart):
            if not part.citations and part.signature is None:
                if not part.text:
                    return
                if writing is not None and writing.text_head and writing.key == part.index and not self._held:
                    # Nearly all parts are this: more text for the block that is open.
                    out += (writing.text_head, json.dumps(part.text), _TEXT_END)
                    self._written = writing
                    return
        elif isinstance(part, OpaquePart):
            if part.dialect != NAME:
                drop_part(part, self._losses)
                return
            if part.position == "event":
                if isinstance(part.data, dict):
                    out.append(_event(part.data))
                return
        elif isinstance(part, RefusalPart):
            self._refusal.append(part.text)
        elif isinstance(part, ToolCallPart) and not part.id and not part.name and part.index in self._done:
            # The call was whole and its block is closed.
            if part.arguments.strip() or part.signature is not None:
                self._losses.dropped("choices[*].message.calls[*].arguments", "after the end of a whole call")
            return
        elif not isinstance(part, ThinkingPart | ToolCallPart):
            drop_part(part, self._losses)
            return
        if not self._held and writing is not None and writing.takes(part):
            self._write(writing, part, out)
            return
        named = not isinstance(part, ToolCallPart) or bool(part.name)
        if not self._held and named and (writing is None or writing.whole):
            self._open_block(part, out)
            return
        self._hold(part, out)

    def _hold(self, part: Part, out: list[bytes]) -> None:
        """A block is open that must be whole first; what belongs to it is written, the rest waits in order."""
        writing = self._open
        if writing is not None and writing.takes(part):
            self._write(writing, part, out)
        else:
            for group in self._held:
                if group.takes(part):
                    group.add(part)
                    break
            else:
                self._held.append(_Group(part))
        self._release(out)

    def _release(self, out: list[bytes], *, all_of_it: bool = False) -> None:
        while self._held:
            group = self._held[0]
            if not all_of_it and not (group.named and (self._open is None or self._open.whole)):
                return
            del self._held[0]
            for part in group.joined():
                if self._open is not None and self._open.takes(part):
                    self._write(self._open, part, out)
                else:
                    self._open_block(part, out)

    def _open_block(self, part: Part, out: list[bytes]) -> None:
        self._close_block(out)
        match part:
            case ToolCallPart():
                self._calls = True
                self._done.discard(part.index)
                if part.signature is not None:
                    self._whole_block(carrier_before(part)[0], out)
                block: Block = {
                    "type": "tool_use",
                    "id": part.id or self._mint.id("toolu_"),
                    "name": part.name,
                    "input": {},
                }
                encode_extras(block, part.provider_metadata)
            case ThinkingPart():
                if part.redacted is not None:
                    self._whole_block(encode_thinking(part), out)
                    return
                block = {"type": "thinking", "thinking": "", "signature": ""}
                encode_extras(block, part.provider_metadata)
            case OpaquePart():
                block = part.data if isinstance(part.data, dict) else {"type": "text", "text": ""}
            case _:
                block = {"type": "text", "text": ""}
                encode_extras(block, part.provider_metadata)
        self._start_block(block, out)
        self._open = _Writing(part, self._count - 1)
        self._write(self._open, part, out, opening=True)

    def _write(self, writing: _Writing, part: Part, out: list[bytes], *, opening: bool = False) -> None:
        index = writing.index
        match part:
            case TextPart() | RefusalPart():
                if part.text:
                    out += (_TEXT_HEAD % index, json.dumps(part.text), _TEXT_END)
                if isinstance(part, TextPart) and part.citations:
                    for citation in encode_citations(part, "choices[*].message.content[*]", self._losses):
                        out.append(_delta(index, {"type": "citations_delta", "citation": citation}))
                if part.signature is not None:
                    self._close_block(out)
                    self._whole_block(carrier_after(part)[0], out)
            case ThinkingPart():
                if part.text:
                    out.append(_THINKING % (index, json.dumps(part.text)))
                writing.signed_by = part.signed_by or writing.signed_by
                if part.signature:
                    self._sign(writing, part, out)
            case ToolCallPart():
                if part.arguments:
                    fragment = writing.fragment(part)
                    out.append(_ARGUMENTS % (index, json.dumps(fragment)))
                if part.signature is not None and not opening:
                    # Too late for the block before the call.
                    writing.late_signature = carrier_after(part)[0]
            case OpaquePart():
                for delta in part.deltas:
                    out.append(_delta(index, delta))

    def _sign(self, writing: _Writing, part: ThinkingPart, out: list[bytes]) -> None:
        signature = encode_signature(part)
        if signature:
            out.append(_delta(writing.index, {"type": "signature_delta", "signature": signature}))
        writing.signed = True

    def _start_block(self, block: Block, out: list[bytes]) -> None:
        out.append(_event({"type": "content_block_start", "index": self._count, "content_block": block}))
        self._count += 1

    def _whole_block(self, block: Block, out: list[bytes]) -> None:
        index = self._count
        if block["type"] == "thinking":
            self._start_block({**block, "signature": ""}, out)
            out.append(_delta(index, {"type": "signature_delta", "signature": block["signature"]}))
        else:
            self._start_block(block, out)
        out.append(_STOP % index)

    def _close_block(self, out: list[bytes]) -> None:
        writing = self._open
        if writing is None:
            return
        self._open = None
        if writing.is_call:
            self._done.add(writing.key)
        if writing.lacks_signature:
            self._sign(writing, ThinkingPart(signed_by=writing.signed_by), out)
        if rest := writing.rest():
            out.append(_ARGUMENTS % (writing.index, json.dumps(rest)))
        out.append(_STOP % writing.index)
        if writing.late_signature is not None:
            self._whole_block(writing.late_signature, out)


class _Writing:
    """The block that is open."""

    __slots__ = (
        "_custom",
        "_id",
        "_scanner",
        "_type",
        "index",
        "key",
        "late_signature",
        "signed",
        "signed_by",
        "text_head",
    )

    def __init__(self, part: Part, index: int) -> None:
        self._type = type(part)
        self.key = part.index
        self.index = index
        """Its number on the wire."""
        self.text_head = _TEXT_HEAD % index if self._type is TextPart else b""
        """What is before each text in its event."""
        self.signed = False
        self.signed_by: str | None = None
        self.late_signature: Block | None = None
        self._id = part.id if isinstance(part, ToolCallPart) else ""
        self._custom = isinstance(part, ToolCallPart) and part.kind == "custom"
        self._scanner = _ObjectScanner() if isinstance(part, ToolCallPart) else None

    def takes(self, part: Part) -> bool:
        """Whether the part goes on in this block."""
        if type(part) is not self._type or part.index != self.key:
            return False
        if isinstance(part, ToolCallPart):
            return not part.id or not self._id or part.id == self._id
        if isinstance(part, OpaquePart):
            return part.data is None
        return not (isinstance(part, ThinkingPart) and (part.redacted is not None or (self.signed and part.text)))

    @property
    def lacks_signature(self) -> bool:
        return self._type is ThinkingPart and not self.signed

    @property
    def is_call(self) -> bool:
        return self._scanner is not None

    @property
    def whole(self) -> bool:
        """Whether another block may follow now."""
        return self._scanner is None or (not self._custom and self._scanner.whole)

    def fragment(self, part: ToolCallPart) -> str:
        """What to write of a call's arguments; free text becomes the one string of an object."""
        assert self._scanner is not None
        if self._custom:
            text = json.dumps_text(part.arguments)[1:-1]
            return text if self._scanner.fed else self._begin_custom(text)
        self._scanner.feed(part.arguments)
        return part.arguments

    def _begin_custom(self, text: str) -> str:
        assert self._scanner is not None
        self._scanner.fed = True
        return '{"input":"' + text

    def rest(self) -> str:
        """What ends the arguments of a call with free text."""
        if not self._custom or self._scanner is None:
            return ""
        return '"}' if self._scanner.fed else '{"input":""}'


class _Group:
    """Parts that wait, all of one block."""

    __slots__ = ("_id", "named", "parts")

    def __init__(self, part: Part) -> None:
        self.parts: list[Part] = []
        self._id = ""
        self.named = not isinstance(part, ToolCallPart)
        """Whether its block can be opened: a call's name is in the block's start."""
        self.add(part)

    def add(self, part: Part) -> None:
        self.parts.append(part)
        if isinstance(part, ToolCallPart):
            self._id = self._id or part.id
            self.named = self.named or bool(part.name)

    def takes(self, part: Part) -> bool:
        first = self.parts[0]
        if type(part) is not type(first) or part.index != first.index:
            return False
        return not isinstance(part, ToolCallPart) or not part.id or not self._id or part.id == self._id

    def joined(self) -> list[Part]:
        """The parts; a call's as one, for its id and name may have come late."""
        calls = [part for part in self.parts if isinstance(part, ToolCallPart)]
        if not calls:
            return self.parts
        whole = Accumulator()
        for call in calls:
            # Pieces without an index are pieces of this call all the same.
            piece = call if call.index is not None else replace(call, index=0)
            whole.add(LLMResponse(choices=[Choice(0, Message("assistant", [piece]))]))
        return [replace(part, index=calls[0].index) for part in whole.value().message.content]


class _ObjectScanner:
    """Knows when fragments of JSON are a whole object, at a cost that grows with their length only.

    Fragments are looked at when somebody asks, which is when another block wants to start.
    """

    __slots__ = ("_depth", "_escaped", "_in_string", "_opened", "_waiting", "fed")

    def __init__(self) -> None:
        self._waiting: list[str] = []
        self._depth = 0
        self._opened = False
        self._in_string = False
        self._escaped = False
        self.fed = False

    def feed(self, text: str) -> None:
        self._waiting.append(text)
        self.fed = True

    @property
    def whole(self) -> bool:
        if self._waiting:
            text = "".join(self._waiting)
            self._waiting.clear()
            self._scan(text)
        return self._opened and self._depth <= 0 and not self._in_string

    def _scan(self, text: str) -> None:
        at = 1 if self._escaped else 0
        self._escaped = False
        for match in _STRUCTURE.finditer(text, at):
            token = match[0]
            if token == '"':
                self._in_string = not self._in_string
            elif token[0] == "\\":
                self._escaped = len(token) == 1
            elif not self._in_string:
                self._opened = True
                self._depth += 1 if token in "{[" else -1


def _event(body: Block) -> bytes:
    return encode_event(json.dumps(body), str(body.get("type", "message")))


def _delta(index: int, delta: Block) -> bytes:
    return _event({"type": "content_block_delta", "index": index, "delta": delta})


_DELTA = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":'
_TEXT_HEAD = _DELTA + b'"text_delta","text":'
_TEXT_END = b"}}\n\n"
_THINKING = _DELTA + b'"thinking_delta","thinking":%b}}\n\n'
_ARGUMENTS = _DELTA + b'"input_json_delta","partial_json":%b}}\n\n'
_STOP = b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n'
_MESSAGE_STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
_PING = b'event: ping\ndata: {"type":"ping"}\n\n'
_STRUCTURE = re.compile(r'\\(?:.|\Z)|["{}\[\]]', re.S)
_ABSENT = object()
_DELTA_KEYS = frozenset({"stop_details", "container"})
_DELTA_USAGE = frozenset(
    {
        "input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens",
        "output_tokens_details", "server_tool_use", "iterations",
    }
)  # fmt: skip
