"""Chunks → `GenerateContentResponse` events for a client."""

from __future__ import annotations

from typing import Any

from llm_gateway_sdk import (
    Choice,
    Citation,
    ErrorInfo,
    LLMResponse,
    Losses,
    Message,
    Mint,
    Part,
    StreamEncoder,
    TextPart,
    ToolCallPart,
    Usage,
    merge_usage,
)
from llm_gateway_sdk.dialects.answer import parts_of_later_choice
from llm_gateway_sdk.response import merge_metadata, merge_parts
from llm_gateway_sdk.values import replace
from llm_gateway_sdk.wire import json

from .errors import build_error
from .parts import own
from .request import GeminiEcho
from .response import build_candidate, build_usage, reply_parts

__all__ = ["Encoder"]


class Encoder(StreamEncoder):
    """Function calls go out whole, so that fragments of arguments are gathered and what follows a call waits after it.
    The finish and the last usage go out with `close`, for usage may come after the finish."""

    def __init__(self, echo: GeminiEcho, mint: Mint, losses: Losses) -> None:
        self._echo = echo
        self._mint = mint
        self._losses = losses
        self._id = ""
        self._model = ""
        self._usage: Usage | None = None
        self._candidates: dict[int, _Candidate] = {}
        self._metadata: dict[str, Any] = {}
        self._opened = False
        self.content_type = "text/event-stream" if echo.sse else "application/json; charset=UTF-8"
        """The fields of the reply's start."""

    def encode(self, chunk: LLMResponse) -> bytes:
        self._usage = merge_usage(self._usage, chunk.usage)
        self._id = self._id or chunk.id
        self._model = self._model or chunk.model
        self._metadata.update(own(chunk))
        candidates = []
        for choice in chunk.choices:
            if choice.index != 0 and not self._echo.several:
                choice = self._of_the_first(choice)
            state = self._candidates.get(choice.index)
            if state is None:
                state = self._candidates[choice.index] = _Candidate(choice.index)
            parts = state.add(choice, self._losses)
            if parts:
                candidates.append(state.build(parts, self._losses))
        return self._event(candidates) if candidates else b""

    def _of_the_first(self, choice: Choice) -> Choice:
        """A further choice, for which the client did not ask, as a part of the first."""
        self._losses.converted("choices[*]", "joined: one answer was asked for")
        message = replace(choice.message, content=parts_of_later_choice(choice))
        first = self._candidates.get(0)
        if first is not None and first.is_cut_off:
            return Choice(0, message)
        return replace(choice, index=0, message=message)

    def close(self) -> bytes:
        candidates = []
        for state in self._candidates.values():
            if not state.blocked:
                candidates.append(state.finish(self._losses))
        return self._event(candidates, last=True) + (b"" if self._echo.sse else b"]")

    def fail(self, error: ErrorInfo) -> bytes:
        data = self._frame(json.dumps(build_error(error)))
        return data if self._echo.sse else data + b"]"

    def keep_alive(self) -> bytes:
        return b": keep-alive\n\n" if self._echo.sse else b"\n"

    def _event(self, candidates: list[dict[str, Any]], *, last: bool = False) -> bytes:
        body: dict[str, Any] = {"candidates": candidates} if candidates else {}
        if self._metadata:
            body.update(self._metadata)
            self._metadata = {}
        if self._usage is not None and (last or self._usage.input_tokens is not None):
            body["usageMetadata"] = build_usage(self._usage)
        if not self._id:
            self._id = self._mint.id("resp_")
        body["modelVersion"] = self._model or self._echo.model
        body["responseId"] = self._id
        return self._frame(json.dumps(body))

    def _frame(self, data: bytes) -> bytes:
        if self._echo.sse:
            return b"data: " + data + b"\r\n\r\n"
        opening = b",\r\n" if self._opened else b"["
        self._opened = True
        return opening + data


class _Candidate:
    __slots__ = ("_called", "_choice", "_cited", "_grounded", "_queue", "_texts", "blocked")

    def __init__(self, index: int) -> None:
        self._choice = Choice(index)
        """What is known of the choice next to its parts."""
        self._queue: list[Part] = []
        """An open call, and what came after it."""
        self._texts: dict[int | None, list[str]] = {}
        """The pieces of each text part: places of citations are counted in the whole text."""
        self._cited: dict[int | None, list[Citation]] = {}
        self._called = False
        """A call has gone out."""
        self._grounded = False
        """The citations came as `groundingMetadata`, which goes out as it is."""
        self.blocked = False

    @property
    def is_cut_off(self) -> bool:
        """It ended otherwise than by itself."""
        return self._choice.finish_reason not in (None, "stop", "tool_calls")

    def add(self, choice: Choice, losses: Losses) -> list[dict[str, Any]]:
        """The parts that can go out now."""
        known = self._choice
        if choice.finish_reason is not None:
            known.finish_reason = choice.finish_reason
            known.raw_finish_reason = choice.raw_finish_reason
            known.stop_sequence = choice.stop_sequence
            known.finish_message = choice.finish_message
        if choice.logprobs is not None:
            known.logprobs = choice.logprobs
        if choice.provider_metadata:
            known.provider_metadata = merge_metadata(known.provider_metadata, choice.provider_metadata)
            self.blocked = bool(own(known).get("_prompt_blocked"))
            self._grounded = self._grounded or "groundingMetadata" in own(choice)
        content = choice.message.content
        if not content:
            return []
        if not self._queue and not any(isinstance(part, ToolCallPart) for part in content):
            self._note_citations(content)
            return reply_parts(content, losses)
        for part in content:
            self._put(part)
        ready = self._ready()
        self._note_citations(ready)
        return self._write(ready, losses)

    def _put(self, part: Part) -> None:
        for position in range(len(self._queue) - 1, -1, -1):
            waiting = self._queue[position]
            if waiting.index == part.index and type(waiting) is type(part):
                joined = merge_parts(waiting, part)
                if joined is not None:
                    self._queue[position] = joined
                    return
                break
        self._queue.append(part)

    def _ready(self, *, ended: bool = False) -> list[Part]:
        count = 0
        for position, part in enumerate(self._queue):
            last = position == len(self._queue) - 1
            if isinstance(part, ToolCallPart) and not ended and (last or not _complete(part.arguments)):
                break
            count = position + 1
        ready, self._queue = self._queue[:count], self._queue[count:]
        return ready

    def _note_citations(self, parts: list[Part]) -> None:
        for part in parts:
            if type(part) is TextPart:
                pieces = self._texts.get(part.index)
                if pieces is None:
                    pieces = self._texts[part.index] = []
                pieces.append(part.text)
                if part.citations:
                    self._cited.setdefault(part.index, []).extend(part.citations)

    def build(self, parts: list[dict[str, Any]], losses: Losses) -> dict[str, Any]:
        return self._take(parts, losses, finish=False)

    def finish(self, losses: Losses) -> dict[str, Any]:
        ready = self._ready(ended=True)
        self._note_citations(ready)
        if self._cited and not self._grounded:
            self._choice.message.content = [
                TextPart("".join(pieces), self._cited.get(index, [])) for index, pieces in self._texts.items()
            ]
        return self._take(self._write(ready, losses), losses, finish=True)

    def _write(self, ready: list[Part], losses: Losses) -> list[dict[str, Any]]:
        parts = reply_parts(ready, losses, called=self._called)
        self._called = self._called or any(isinstance(part, ToolCallPart) for part in ready)
        return parts

    def _take(self, parts: list[dict[str, Any]], losses: Losses, *, finish: bool) -> dict[str, Any]:
        known = self._choice
        candidate = build_candidate(known, parts, losses, finish=finish)
        kept = {name: {"finish_reason": value} for name, value in _finish_words(known).items()}
        self._choice = Choice(
            known.index,
            Message("assistant"),
            known.finish_reason,
            known.raw_finish_reason,
            known.stop_sequence,
            finish_message=known.finish_message,
            provider_metadata=kept,
        )
        return candidate


def _finish_words(choice: Choice) -> dict[str, Any]:
    return {
        name: values["finish_reason"] for name, values in choice.provider_metadata.items() if "finish_reason" in values
    }


def _complete(arguments: str) -> bool:
    try:
        json.loads(arguments)
    except ValueError:
        return False
    return True
