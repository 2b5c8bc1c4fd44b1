"""Is this a legal stream of the Messages API? A checker that shares no code with the dialect.

It reads events by the rules of server-sent events and follows docs.anthropic.com/en/api/messages-streaming: names and
types agree, one block is open at a time, indices are dense from 0, each kind of delta is in its kind of block, and
a whole stream ends in `message_delta` and `message_stop`.
"""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["violations"]

_LINE_END = re.compile(r"\r\n|\n|\r")
_DELTAS = {
    "text_delta": ("text",),
    "citations_delta": ("text",),
    "thinking_delta": ("thinking",),
    "signature_delta": ("thinking",),
    "input_json_delta": ("tool_use", "server_tool_use", "mcp_tool_use"),
}
_KNOWN_BLOCKS = {block for blocks in _DELTAS.values() for block in blocks}
_FIELDS = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
    "input_json_delta": "partial_json",
}
_START_FIELDS: dict[str, dict[str, type]] = {
    "text": {"text": str},
    "thinking": {"thinking": str, "signature": str},
    "redacted_thinking": {"data": str},
    "tool_use": {"id": str, "name": str, "input": dict},
}


def violations(stream: bytes, *, complete: bool = True) -> list[str]:
    """What is wrong, in order; nothing for a legal stream.

    `complete` False is for a stream that broke off: its end is not asked for, but nothing may follow an error.
    """
    checker = _Checker()
    for at, (name, data) in enumerate(_events(stream)):
        checker.event(at, name, data)
    return checker.finish(complete=complete)


class _Checker:
    def __init__(self) -> None:
        self.found: list[str] = []
        self.state = "start"
        self.block: dict[str, Any] | None = None
        self.block_index = -1
        self.signed = False

    def event(self, at: int, name: str | None, data: str) -> None:
        try:
            body = json.loads(data)
        except ValueError:
            self.say(at, f"not JSON: {data[:80]!r}")
            return
        if not isinstance(body, dict) or not isinstance(body.get("type"), str):
            self.say(at, "not an object with a type")
            return
        kind = body["type"]
        if name != kind:
            self.say(at, f"event name {name!r}, type {kind!r}")
        if kind == "ping":
            return
        if self.state in ("stop", "error"):
            self.say(at, f"{kind} after the {self.state}")
        if kind == "error":
            self.error(at, body)
        elif self.state == "start" and kind != "message_start":
            self.say(at, f"{kind} before message_start")
        elif (handler := getattr(self, f"on_{kind}", None)) is not None:
            handler(at, body)

    def error(self, at: int, body: dict[str, Any]) -> None:
        self.state = "error"
        error = body.get("error")
        if not isinstance(error, dict) or not all(isinstance(error.get(key), str) for key in ("type", "message")):
            self.say(at, "an error without type and message")

    def on_message_start(self, at: int, body: dict[str, Any]) -> None:
        if self.state != "start":
            self.say(at, "a second message_start")
            return
        self.state = "body"
        message = body.get("message")
        if not isinstance(message, dict):
            self.say(at, "message_start without a message")
            return
        wanted: dict[str, Any] = {"type": "message", "role": "assistant", "content": [], "stop_reason": None}
        for key, value in wanted.items():
            if message.get(key) != value:
                self.say(at, f"message.{key} is {message.get(key)!r}, not {value!r}")
        for key in ("id", "model"):
            if not isinstance(message.get(key), str) or (key == "id" and not message[key]):
                self.say(at, f"message.{key} is {message.get(key)!r}")
        usage = message.get("usage")
        if not isinstance(usage, dict) or not all(_is_count(usage.get(k)) for k in ("input_tokens", "output_tokens")):
            self.say(at, "message.usage without its two counts")

    def on_content_block_start(self, at: int, body: dict[str, Any]) -> None:
        if self.state != "body":
            self.say(at, "a block after message_delta")
        if self.block is not None:
            self.say(at, f"a block opened while {self.block_index} is open")
        if body.get("index") != self.block_index + 1:
            self.say(at, f"block index {body.get('index')!r} after {self.block_index}")
        self.block_index += 1
        block = body.get("content_block")
        if not isinstance(block, dict) or not isinstance(block.get("type"), str):
            self.say(at, "no content_block with a type")
            block = {"type": "?"}
        for key, type_ in _START_FIELDS.get(block["type"], {}).items():
            if not isinstance(block.get(key), type_):
                self.say(at, f"a {block['type']} block whose {key} is {block.get(key)!r}")
        if block["type"] == "tool_use" and not (block.get("id") and block.get("name")):
            self.say(at, "a tool_use block without id or name")
        self.block, self.signed = block, False

    def on_content_block_delta(self, at: int, body: dict[str, Any]) -> None:
        if self.block is None or body.get("index") != self.block_index:
            self.say(at, f"a delta of block {body.get('index')!r}, which is not open")
            return
        delta = body.get("delta")
        kind = delta.get("type") if isinstance(delta, dict) else None
        if not isinstance(delta, dict) or not isinstance(kind, str):
            self.say(at, "no delta with a type")
            return
        block = self.block["type"]
        if kind in _DELTAS and block not in _DELTAS[kind] and block in _KNOWN_BLOCKS:
            self.say(at, f"{kind} in a {block} block")
        if kind in _FIELDS and not isinstance(delta.get(_FIELDS[kind]), str):
            self.say(at, f"{kind} without {_FIELDS[kind]}")
            return
        if kind == "signature_delta":
            self.signed = True
        elif kind == "thinking_delta" and self.signed:
            self.say(at, "thinking after its signature")

    def on_content_block_stop(self, at: int, body: dict[str, Any]) -> None:
        if self.block is None or body.get("index") != self.block_index:
            self.say(at, f"a stop of block {body.get('index')!r}, which is not open")
        self.block = None

    def on_message_delta(self, at: int, body: dict[str, Any]) -> None:
        if self.block is not None:
            self.say(at, f"message_delta while block {self.block_index} is open")
        if self.state == "delta":
            self.say(at, "a second message_delta")
        self.state = "delta"
        delta, usage = body.get("delta"), body.get("usage")
        if not isinstance(delta, dict) or not isinstance(delta.get("stop_reason"), str):
            self.say(at, "message_delta without a stop_reason")
        if not isinstance(usage, dict) or not _is_count(usage.get("output_tokens")):
            self.say(at, "message_delta without usage.output_tokens")

    def on_message_stop(self, at: int, body: dict[str, Any]) -> None:
        if self.state != "delta":
            self.say(at, "message_stop without message_delta")
        self.state = "stop"

    def finish(self, *, complete: bool) -> list[str]:
        if complete and self.state != "stop":
            self.found.append(f"the stream ends in state {self.state!r}, without message_stop")
        return self.found

    def say(self, at: int, what: str) -> None:
        self.found.append(f"event {at}: {what}")


def _events(stream: bytes) -> list[tuple[str | None, str]]:
    events: list[tuple[str | None, str]] = []
    name: str | None = None
    data: list[str] = []
    for line in _LINE_END.split(stream.decode()):
        if not line:
            if data:
                events.append((name, "\n".join(data)))
            name, data = None, []
        elif not line.startswith(":"):
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "event":
                name = value
            elif field == "data":
                data.append(value)
    if data or name is not None:
        events.append((name, "\n".join(data)))
    return events


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
