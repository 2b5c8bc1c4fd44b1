"""A model's answers in a test, written down beforehand."""

from __future__ import annotations

import asyncio
import copy
import json
import re
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from ..errors import TRANSIENT_KINDS, GatewayError, ModelHTTPError, ModelStreamError, kind_of_status
from ..parts import (
    Citation,
    MediaPart,
    OpaquePart,
    Part,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
)
from ..request import LLMRequest, Message, OpaqueTool, Tool
from ..response import Accumulator, Choice, LLMResponse, Usage

__all__ = ["Pause", "ScriptedModel", "Step", "Turn", "every_part", "every_request", "pause", "tool_call"]


@dataclass(slots=True, frozen=True)
class Pause:
    """The model is silent for `seconds`."""

    seconds: float
    """How long; the test waits as well."""


def pause(seconds: float) -> Pause:
    """A step of a script in which the model is silent for a while."""
    return Pause(seconds)


def tool_call(name: str, arguments: dict[str, Any] | str | None = None, *, id: str = "call_1") -> ToolCallPart:
    """A tool call, as a turn or as a step of one."""
    written = arguments if isinstance(arguments, str) else json.dumps(arguments or {})
    return ToolCallPart(id, name, written)


Step: TypeAlias = str | Part | LLMResponse | Pause | Exception | int
"""A fragment of the reply; a chunk of one's own making; a pause; an error, or the HTTP status of one."""

Turn: TypeAlias = str | Part | LLMResponse | Exception | int | Sequence[Step]


class ScriptedModel:
    """Answers each call with its next turn; the last turn repeats.

    A turn is a text, a part (`tool_call("weather", {"city": "Rome"})`, `ThinkingPart("…")`), an error (an exception,
    or a status such as 503), or a list of steps, each of which is one chunk of a stream: texts, parts, pauses, errors.
    A text that is a whole turn is streamed word by word. A function of the request may replace any turn.

        ScriptedModel(503, tool_call("weather", {"city": "Rome"}), ["It is ", pause(0.1), "sunny."])

    `requests` holds what the model was asked, as it arrived. Without turns it answers "Hello from the model.".
    """

    def __init__(self, *turns: Turn | Callable[[LLMRequest], Turn], usage: Usage | None = None) -> None:
        self._turns = turns or ("Hello from the model.",)
        self._usage = usage
        self.requests: list[LLMRequest] = []

    @property
    def calls(self) -> int:
        """How often the model was asked."""
        return len(self.requests)

    async def execute(self, request: LLMRequest) -> LLMResponse:
        """The whole reply. Raises the script's error."""
        total = Accumulator()
        async with aclosing(self.execute_streaming(request)) as chunks:
            async for chunk in chunks:
                total.add(chunk)
        whole = total.value()
        whole.final = False
        return whole

    async def execute_streaming(self, request: LLMRequest) -> AsyncGenerator[LLMResponse, None]:
        """The reply in chunks: one without content first, as real providers do, one with `final` last."""
        turn = self._turns[min(self.calls, len(self._turns) - 1)]
        self.requests.append(copy.deepcopy(request))
        steps = _steps(turn(request) if callable(turn) else turn)
        begun = False
        answered: list[Part] = []
        for step in _placed(steps):
            await asyncio.sleep(step.seconds if isinstance(step, Pause) else 0)
            if isinstance(step, Pause):
                continue
            if isinstance(step, int | Exception):
                raise _error(step, streaming=begun)
            if not begun:
                begun = True
                yield LLMResponse("scripted-1", request.model, 0, [Choice(0, Message("assistant"))])
            if isinstance(step, LLMResponse):
                yield copy.deepcopy(step)
                if step.final:
                    return
                continue
            answered.append(step)
            yield LLMResponse(choices=[Choice(0, Message("assistant", [copy.deepcopy(step)]))])
        if not begun:
            yield LLMResponse("scripted-1", request.model, 0, [Choice(0, Message("assistant"))])
        reason = "tool_calls" if any(isinstance(part, ToolCallPart) for part in answered) else "stop"
        yield LLMResponse(
            choices=[Choice(0, Message(""), finish_reason=reason, raw_finish_reason=reason)],
            usage=self._usage or Usage(_words(request.messages), _words([Message("assistant", answered)])),
            final=True,
        )


def _steps(turn: Any) -> list[Step]:
    if isinstance(turn, str):
        return cast(list[Step], re.findall(r"\s*\S+\s*", turn) or [turn])
    if isinstance(turn, Sequence):
        return list(turn)
    return [turn]


def _placed(steps: Sequence[Step]) -> Iterator[Part | LLMResponse | Pause | Exception | int]:
    """Texts become parts, and fragments that belong together get one index."""
    last: Part | None = None
    index = -1
    for step in steps:
        if isinstance(step, LLMResponse | Pause | Exception | int):
            yield step
            continue
        part: Part = TextPart(step) if isinstance(step, str) else copy.deepcopy(step)
        if part.index is None:
            if not _continues(last, part):
                index += 1
            part.index = index
        else:
            index = part.index
        last = part
        yield part


def _continues(last: Part | None, part: Part) -> bool:
    if last is None or type(last) is not type(part) or last.item_id != part.item_id or last.signature is not None:
        return False
    if isinstance(last, ToolCallPart) and isinstance(part, ToolCallPart):
        return not part.id or part.id == last.id
    return isinstance(part, TextPart | ThinkingPart | RefusalPart)


def _error(step: int | Exception, *, streaming: bool) -> Exception:
    if not isinstance(step, int):
        if not isinstance(step, GatewayError):
            return step
        # Each raising is its own error: hooks may change the one that they see.
        own = step.__class__.__new__(step.__class__, *step.args)
        own.__dict__.update(step.__dict__)
        return own
    kind = kind_of_status(step)
    cls = ModelStreamError if streaming else ModelHTTPError
    return cls(f"The scripted model fails with {step}.", status=step, kind=kind, retryable=kind in TRANSIENT_KINDS)


def _words(messages: Sequence[Message]) -> int:
    return sum(len(place.text.split()) for message in messages for place in message.texts())


def every_part() -> list[Part]:
    """One of every kind of content that a reply can hold, whole and broken, for plugins to survive."""
    return [
        TextPart("A text."),
        ThinkingPart("A thought."),
        ThinkingPart("", signature="sig-1", signed_by="anthropic"),
        ThinkingPart(redacted="ZW5jcnlwdGVk", signed_by="anthropic"),
        TextPart("Another, with a source.", citations=[Citation(url="https://example.com", cited_text="source")]),
        ToolCallPart("call_1", "lookup", '{"city": "Rome"}'),
        ToolCallPart("call_2", "lookup", '{"cut off'),
        ToolCallPart("call_3", "nothing", ""),
        ToolCallPart("call_4", "shell", "ls -l", kind="custom"),
        MediaPart("image", "image/png", data="iVBORw0KGgo="),
        MediaPart("document", "text/plain", text="A document.", name="notes.txt"),
        RefusalPart("I would rather not."),
        OpaquePart("anthropic", {"type": "server_tool_use", "name": "web_search", "input": {"query": "weather"}}),
        OpaquePart("openai_responses", {"type": "made.up.event", "text": "?"}, position="event"),
        TextPart(""),
    ]


def every_request() -> LLMRequest:
    """A conversation in which every role and every kind of content occurs."""
    return LLMRequest(
        model="model",
        messages=[
            Message("system", [TextPart("Be helpful.")]),
            Message("developer", [TextPart("Be brief.")]),
            Message(
                "user",
                [
                    TextPart("Look at these."),
                    MediaPart("image", url="https://example.com/cat.png", detail="low"),
                    MediaPart("document", "application/pdf", file_id="file-1", name="contract.pdf"),
                    MediaPart("audio", "audio/wav", data="UklGRg=="),
                ],
            ),
            Message("assistant", [part for part in every_part() if not isinstance(part, MediaPart)]),
            Message(
                "tool",
                [
                    ToolResultPart(
                        "call_1", [TextPart('{"weather": "fair"}'), MediaPart("image", data="iVBORw0KGgo=")]
                    ),
                    ToolResultPart("call_2", [], is_error=True),
                ],
            ),
            Message("user", []),
            Message("opaque", [OpaquePart("openai_responses", {"type": "item_reference", "id": "rs_1"})]),
            Message("user", [TextPart("And now?")]),
        ],
        tools=[
            Tool("lookup", "Finds things.", {"type": "object", "properties": {"city": {"type": "string"}}}),
            Tool("bare"),
            Tool("shell", kind="custom"),
            OpaqueTool("anthropic", {"type": "web_search_20250305", "name": "web_search"}, "web_search"),
        ],
    )
