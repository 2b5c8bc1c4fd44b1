"""The `echo` provider: answers without any model, key or network, so that the whole path can be tried.

It repeats the last user message, word by word when streamed. The words of the message steer it:

- `call NAME {"json": "arguments"}`: it calls the tool of that name, if the request has it;
- `fail 503` (any status from 400 to 599): it fails with that status; `fail 503 on MODEL` only where it plays MODEL;
- `think about ...`: it shows a line of thinking before it answers.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any, ClassVar

from llm_gateway_sdk import (
    Call,
    Choice,
    LLMRequest,
    LLMResponse,
    Message,
    ModelHTTPError,
    Provider,
    TextPart,
    ThinkingPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
    Usage,
    parse_duration,
)
from llm_gateway_sdk.errors import TRANSIENT_KINDS, kind_of_status
from llm_gateway_sdk.estimate import estimate_tokens
from llm_gateway_sdk.heavy import run_aside
from llm_gateway_sdk.provider import HTTP_PROVIDER_PROPERTIES

__all__ = ["EchoProvider"]

_CALL = re.compile(r"\bcall\s+([A-Za-z0-9_.-]+)\s*(\{.*\})?", re.DOTALL)
_FAIL = re.compile(r"\bfail\s+([45]\d\d)(?:\s+on\s+([\w./:@-]*\w))?")
_WORD = re.compile(r"\A\s*\S+\s*|\S+\s*")
_LONG = 64 * 1024
"""Letters of a text that is not streamed word by word."""
_PIECES = 4000


class EchoProvider(Provider):
    name = "echo"
    configuration_schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "properties": {
            "model": {"type": "string", "description": "The model name that it answers with."},
            "reply": {"type": "string", "description": "A fixed answer in place of the echo."},
            "prefix": {"type": "string", "default": "", "description": "Put in front of each answer."},
            "delay": {
                **HTTP_PROVIDER_PROPERTIES["retryDelay"],
                "default": 0,
                "description": "Pause between two words of a stream, in ms or with a unit.",
            },
            "failWith": {
                "type": "integer",
                "minimum": 400,
                "maximum": 599,
                "description": "Fail each call with this status, to try fallbacks.",
            },
        },
        "additionalProperties": False,
    }

    async def configure(self, config: dict[str, Any]) -> None:
        await super().configure(config)
        self.delay = parse_duration(config.get("delay", 0))
        self.fixed: str | None = config.get("reply")
        self.prefix: str = config.get("prefix", "")
        self.fail_with: int | None = config.get("failWith")

    async def execute(self, request: LLMRequest, call: Call) -> LLMResponse:
        return (await self._answer(request, call))[1]

    async def execute_streaming(self, request: LLMRequest, call: Call) -> AsyncIterator[LLMResponse]:
        parts, whole = await self._answer(request, call)
        yield LLMResponse(whole.id, whole.model, whole.created, [Choice(0, Message("assistant"))])
        for index, part in enumerate(parts):
            for fragment in _fragments(part, index):
                if self.delay:
                    await asyncio.sleep(self.delay)
                yield LLMResponse(choices=[Choice(0, Message("assistant", [fragment]))])
        yield LLMResponse(
            choices=[Choice(0, Message("assistant"), finish_reason=whole.choices[0].finish_reason)],
            usage=whole.usage,
            final=True,
        )

    async def _answer(
        self, request: LLMRequest, call: Call
    ) -> tuple[list[TextPart | ThinkingPart | ToolCallPart], LLMResponse]:
        if call.heavy:
            return await run_aside(self._parts_and_reply, request, call)
        return self._parts_and_reply(request, call)

    def _parts_and_reply(
        self, request: LLMRequest, call: Call
    ) -> tuple[list[TextPart | ThinkingPart | ToolCallPart], LLMResponse]:
        self._fail_if_asked(request, call)
        parts = self._parts(request, call)
        return parts, self._response(request, call, parts)

    def _response(
        self, request: LLMRequest, call: Call, parts: list[TextPart | ThinkingPart | ToolCallPart]
    ) -> LLMResponse:
        for index, part in enumerate(parts):
            part.index = index
        calls = any(isinstance(part, ToolCallPart) for part in parts)
        answer = "".join(part.arguments if isinstance(part, ToolCallPart) else part.text for part in parts)
        return LLMResponse(
            call.new_id("echo-"),
            call.model,
            call.now(),
            [Choice(0, Message("assistant", list(parts)), finish_reason="tool_calls" if calls else "stop")],
            Usage(input_tokens=estimate_tokens(request), output_tokens=_count(answer), estimated=True),
        )

    def _parts(self, request: LLMRequest, call: Call) -> list[TextPart | ThinkingPart | ToolCallPart]:
        asked = _last_user_text(request)
        order = asked[:_LONG]
        parts: list[TextPart | ThinkingPart | ToolCallPart] = []
        if re.search(r"\bthink about\b", order):
            parts.append(ThinkingPart("I am asked to think, so I repeat the question to myself."))
        match = _CALL.search(order)
        names = [tool.name for tool in request.tools if isinstance(tool, Tool)]
        if match is not None and match[1] in names and not _answered(request):
            parts.append(ToolCallPart(call.new_id("call_"), match[1], match[2] or "{}"))
            return parts
        text = self.fixed if self.fixed is not None else asked or "Hello from the echo provider."
        parts.append(TextPart(self.prefix + text))
        return parts

    def _fail_if_asked(self, request: LLMRequest, call: Call) -> None:
        status = self.fail_with
        match = _FAIL.search(_last_user_text(request)[:_LONG])
        if status is None and match is not None and match[2] in (None, call.model):
            status = int(match[1])
        if status is not None:
            kind = kind_of_status(status)
            raise ModelHTTPError(
                f"The echo provider was asked to fail with {status}.",
                status=status,
                kind=kind,
                retryable=kind in TRANSIENT_KINDS,
            )


def _last_user_text(request: LLMRequest) -> str:
    for message in reversed(request.messages):
        if message.role in ("user", "tool"):
            results = [part for part in message.content if isinstance(part, ToolResultPart)]
            if results:
                return "".join(inner.text for part in results for inner in part.content if isinstance(inner, TextPart))
            return message.text
    return ""


def _answered(request: LLMRequest) -> bool:
    return bool(request.messages) and any(isinstance(part, ToolResultPart) for part in request.messages[-1].content)


def _count(answer: str) -> int:
    """Words, or about as many where there are very many."""
    return max(1, len(_WORD.findall(answer)) if len(answer) < _LONG else len(answer) // 4)


def _fragments(
    part: TextPart | ThinkingPart | ToolCallPart, index: int
) -> Iterator[TextPart | ThinkingPart | ToolCallPart]:
    if isinstance(part, ToolCallPart):
        half = len(part.arguments) // 2
        yield ToolCallPart(part.id, part.name, part.arguments[:half], index=index)
        yield ToolCallPart(arguments=part.arguments[half:], index=index)
        return
    kind = ThinkingPart if isinstance(part, ThinkingPart) else TextPart
    if not part.text or part.text.isspace():
        yield TextPart("", index=index)
    for word in _words(part.text):
        yield kind(word, index=index)


def _words(text: str) -> Iterator[str]:
    """The text word by word; a long one in so many pieces as one of that length would have words."""
    if len(text) < _LONG:
        for word in _WORD.finditer(text):
            yield word[0]
        return
    size = len(text) // _PIECES + 1
    for start in range(0, len(text), size):
        yield text[start : start + size]
