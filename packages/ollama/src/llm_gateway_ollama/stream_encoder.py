"""Chunks, written as lines of JSON. Clients take a call only whole, so calls go out when the reply has ended."""

from __future__ import annotations

from typing import Any

from llm_gateway_sdk import (
    Choice,
    ErrorInfo,
    LLMResponse,
    Losses,
    Message,
    Mint,
    Part,
    StreamEncoder,
    ToolCallPart,
    Usage,
)
from llm_gateway_sdk.dialects.answer import parts_of_later_choice
from llm_gateway_sdk.response import Accumulator, merge_usage
from llm_gateway_sdk.wire import json

from .parts import encode_parts
from .request import OllamaEcho
from .response import REPLY, write_end, write_reply

__all__ = ["Encoder"]


class Encoder(StreamEncoder):
    content_type = "application/x-ndjson"

    def __init__(self, echo: OllamaEcho, mint: Mint, losses: Losses) -> None:
        self._echo, self._losses = echo, losses
        self._model = ""
        self._created = mint.now()
        self._calls = Accumulator()
        self._finish: str | None = None
        self._usage: Usage | None = None

    def encode(self, chunk: LLMResponse) -> bytes:
        self._model, self._created = chunk.model or self._model, chunk.created or self._created
        if chunk.usage is not None:
            self._usage = merge_usage(self._usage, chunk.usage)
        written = b""
        for choice in chunk.choices:
            self._finish = choice.finish_reason or self._finish
            parts = parts_of_later_choice(choice) if choice.index else choice.message.content
            calls: list[Part] = [part for part in parts if isinstance(part, ToolCallPart)]
            if calls:
                self._calls.add(LLMResponse(choices=[Choice(0, Message("assistant", calls))]))
            others = [part for part in parts if not isinstance(part, ToolCallPart)]
            found = choice.logprobs.get("content") if choice.logprobs is not None else None
            if others or found:
                fields = encode_parts(others, self._losses, REPLY, "choices[*].message")
                if fields != _NOTHING or found:
                    written += self._line(fields, {"logprobs": found} if found else {})
        return written

    def close(self) -> bytes:
        calls = encode_parts(self._calls.value().message.content, self._losses, REPLY, "choices[*].message")
        written = self._line(calls) if "tool_calls" in calls else b""
        return written + self._line({"content": ""}, end=write_end(self._finish, self._usage))

    def fail(self, error: ErrorInfo) -> bytes:
        return json.dumps({"error": error.message}) + b"\n"

    def keep_alive(self) -> bytes:
        """White space before the next object: clients take each line for an object, an empty one too."""
        return b" "

    def _line(
        self, fields: dict[str, Any], more: dict[str, Any] | None = None, end: dict[str, Any] | None = None
    ) -> bytes:
        body = write_reply(self._echo, self._model, self._created, fields, end)
        return json.dumps({**body, **(more or {})}) + b"\n"


_NOTHING = {"content": ""}
