"""Ollama's own Chat API (`POST /api/chat`) as a dialect of one file, written with the kit of the SDK alone.

A client of any API can use models at an Ollama server with it, and a client of Ollama's API any model. Source: Ollama
API reference, "Generate a chat message".

Unlike in other APIs, a stream is one JSON object per line and is the default, calls of tools have no ids, and their
arguments are objects.
"""

# ruff: noqa: I001
from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, ClassVar

from llm_gateway_sdk import (
    Choice, Dialect, DialectError, Echo, ErrorInfo, Headers, LLMRequest, LLMResponse, Losses, MediaPart, Message,
    Mint, Part, RefusalPart, ResponseFormat, StreamDecoder, StreamEncoder, Target, TextPart, ThinkingPart, Tool,
    ToolCallPart, ToolChoice, ToolResultPart, Usage, WireReply, WireRequest,
)  # fmt: skip
from llm_gateway_sdk.dialects.answer import finish_that_fits, has_calls, join_choices, parts_of_later_choice
from llm_gateway_sdk.dialects.fields import (
    as_object, optional_bool, optional_int, optional_list, optional_number, optional_object, optional_str,
    read_object, required_str, unknown_fields,
)  # fmt: skip
from llm_gateway_sdk.dialects.metadata import keep, own
from llm_gateway_sdk.dialects.quirks import FLAG, Quirks
from llm_gateway_sdk.dialects.receiver import Receiver, ToolNames
from llm_gateway_sdk.dialects.thinking import is_off, is_wanted, lower_effort
from llm_gateway_sdk.errors import kind_of_status
from llm_gateway_sdk.operations.reading import count
from llm_gateway_sdk.request import Reasoning
from llm_gateway_sdk.response import Accumulator
from llm_gateway_sdk.waiting import retry_after
from llm_gateway_sdk.wire import json

NAME = "ollama_native"
JSON_HEADERS = [("content-type", "application/json")]

# Ollama's name in `options`, ours, and what reads it.
OPTIONS: tuple[tuple[str, str, Any], ...] = (
    ("temperature", "temperature", optional_number),
    ("top_p", "top_p", optional_number),
    ("top_k", "top_k", optional_int),
    ("num_predict", "max_tokens", optional_int),
    ("seed", "seed", optional_int),
    ("frequency_penalty", "frequency_penalty", optional_number),
    ("presence_penalty", "presence_penalty", optional_number),
)
KNOWN = frozenset({"model", "messages", "tools", "format", "options", "stream", "think"})
KNOWN_OPTIONS = {"stop", *(name for name, _, _ in OPTIONS)}
KNOWN_OF_MESSAGE = frozenset({"role", "content", "thinking", "images", "tool_calls", "tool_name"})
# Fields of a request that Ollama has nothing for. The kit reports those of other vendors by itself.
NO_FIELD = ("parallel_tool_calls", "logprobs", "verbosity", "user", "service_tier", "cache_key", "store", "metadata")
QUIRKS: Quirks = {"no_effort": {**FLAG, "description": "`think` is a switch: a level is refused."}}
ASKED, REPLY = "messages[*].content[*]", "choices[*].message.content[*]"


# The request.
def decode_request(wire: WireRequest) -> tuple[LLMRequest, Echo]:
    body = read_object(wire.body)
    options = optional_object(body.get("options"), "options") or {}
    stop = options.get("stop")
    words = [stop] if isinstance(stop, str) else optional_list(stop, "options.stop")
    request = LLMRequest(
        model=optional_str(body.get("model"), "model") or "",
        tools=[_decode_tool(tool, f"tools[{at}]") for at, tool in enumerate(optional_list(body.get("tools"), "tools"))],
        stop=[required_str(word, f"options.stop[{at}]") for at, word in enumerate(words)],
        stream=optional_bool(body.get("stream"), "stream") is not False,
        provider_metadata=keep(NAME, body, KNOWN, options=unknown_fields(options, KNOWN_OPTIONS) or None),
    )
    for name, field, read in OPTIONS:
        setattr(request, field, read(options.get(name), f"options.{name}"))
    form, think = body.get("format"), body.get("think")
    if isinstance(form, dict):
        request.response_format = ResponseFormat("json_schema", form)
    elif optional_str(form, "format"):
        request.response_format = ResponseFormat("json_object")
    if isinstance(think, str):
        request.reasoning = Reasoning(effort=think)
    elif optional_bool(think, "think") is not None:
        request.reasoning = Reasoning(enabled=think)
    waiting: list[ToolCallPart] = []
    for at, message in enumerate(optional_list(body.get("messages"), "messages")):
        request.messages.append(_decode_message(message, f"messages[{at}]", waiting))
    return request, Echo(request.model, request.stream)


def _decode_message(value: Any, path: str, waiting: list[ToolCallPart]) -> Message:
    """`waiting`: calls without a result yet. A result answers the first of its tool, or else the first of all."""
    raw = as_object(value, path)
    role = required_str(raw.get("role"), f"{path}.role")
    parts: list[Part] = []
    if thought := optional_str(raw.get("thinking"), f"{path}.thinking"):
        parts.append(ThinkingPart(thought))
    if text := optional_str(raw.get("content"), f"{path}.content"):
        parts.append(TextPart(text))
    for at, image in enumerate(optional_list(raw.get("images"), f"{path}.images")):
        parts.append(MediaPart("image", data=required_str(image, f"{path}.images[{at}]")))
    for at, item in enumerate(optional_list(raw.get("tool_calls"), f"{path}.tool_calls")):
        call = _decode_call(item, f"{path}.tool_calls[{at}]")
        call.id = f"call_{path}_{at}"
        waiting.append(call)
        parts.append(call)
    if role == "tool":
        name = optional_str(raw.get("tool_name"), f"{path}.tool_name")
        asked = next((call for call in waiting if call.name == name), waiting[0] if waiting else None)
        if asked is not None:
            waiting.remove(asked)
        parts = [ToolResultPart(asked.id if asked is not None else "", parts, name=name)]
    return Message(role, parts, provider_metadata=keep(NAME, raw, KNOWN_OF_MESSAGE))


def _decode_call(value: Any, path: str) -> ToolCallPart:
    function = as_object(as_object(value, path).get("function"), f"{path}.function")
    arguments = optional_object(function.get("arguments"), f"{path}.function.arguments") or {}
    return ToolCallPart("", required_str(function.get("name"), f"{path}.function.name"), json.dumps(arguments).decode())


def _decode_tool(value: Any, path: str) -> Tool:
    function = as_object(as_object(value, path).get("function"), f"{path}.function")
    name = required_str(function.get("name"), f"{path}.function.name")
    description = optional_str(function.get("description"), f"{path}.function.description")
    return Tool(name, description, optional_object(function.get("parameters"), f"{path}.function.parameters"))


def encode_request(request: LLMRequest, target: Target, losses: Losses) -> WireRequest:
    """Raises DialectError where several answers are asked for."""
    if (request.n or 1) > 1:
        raise DialectError("Ollama gives one answer per request", path="n")
    body: dict[str, Any] = {"model": target.model or request.model, "stream": request.stream}
    names = {call.id: call.name for message in request.messages for call in message.tool_calls}
    body["messages"] = []
    for of_tools, run in groupby(request.messages, lambda message: message.role == "tool"):
        for message in sorted(run, key=lambda message: _place(message.content[:1], names)) if of_tools else run:
            body["messages"] += _encode_message(message, names, losses)
    if tools := [
        _encode_tool(tool)
        for tool in request.tools
        if isinstance(tool, Tool) and _is_offered(tool, request.tool_choice)
    ]:
        body["tools"] = tools
    if not all(isinstance(tool, Tool) for tool in request.tools):
        losses.dropped("tools[*]")
    if request.tool_choice is not None and request.tool_choice.mode != "auto":
        losses.converted("tool_choice", "by the tools that are offered; a call can't be forced")
    notes = request.provider_metadata.get(NAME, {})
    options = {name: value for name, field, _ in OPTIONS if (value := getattr(request, field)) is not None}
    if request.stop:
        options["stop"] = request.stop
    options.update(notes.get("_options") or {})
    if options:
        body["options"] = options
    if (form := request.response_format) is not None and form.kind != "text":
        body["format"] = form.schema or "json"
    if (reasoning := request.reasoning) is not None and (is_off(reasoning) or is_wanted(reasoning)):
        body["think"] = is_wanted(reasoning)
        if is_wanted(reasoning) and reasoning.effort is not None and not target.quirks.get("no_effort"):
            body["think"] = lower_effort(reasoning.effort, ("low", "medium", "high"))
        if is_wanted(reasoning) and reasoning.budget_tokens is not None:
            losses.dropped("reasoning.budget_tokens")
    for field in NO_FIELD:
        if getattr(request, field) not in (None, False, {}):
            losses.dropped(field)
    body.update(own(NAME, request))
    return WireRequest("POST", "/api/chat", "", Headers(JSON_HEADERS), json.dumps(body))


def _is_offered(tool: Tool, choice: ToolChoice | None) -> bool:
    """Ollama has no choice of tools: those that may not be called are left out."""
    return choice is None or choice.mode in ("auto", "required") or tool.name in (choice.name, *choice.names)


def _encode_tool(tool: Tool) -> dict[str, Any]:
    description = {"description": tool.description} if tool.description is not None else {}
    parameters = tool.parameters or {"type": "object", "properties": {}}
    return {"type": "function", "function": {"name": tool.name, **description, "parameters": parameters}}


def _encode_message(message: Message, names: dict[str, str], losses: Losses) -> list[dict[str, Any]]:
    """One message, and before it one for each result that it holds."""
    results = [part for part in message.content if isinstance(part, ToolResultPart)]
    results.sort(key=lambda result: _place([result], names))
    rest = [part for part in message.content if not isinstance(part, ToolResultPart)]
    written = []
    for result in results:
        name = result.name or names.get(result.tool_call_id)
        fields = _encode_parts(result.content, losses)
        written.append({"role": "tool", **fields, **({"tool_name": name} if name else {})})
    if rest or not results:
        role = "system" if message.role == "developer" else message.role
        written.append({"role": role, **_encode_parts(rest, losses)})
    written[-1].update(own(NAME, message))
    return written


def _place(content: Sequence[Part], names: dict[str, str]) -> int:
    """Results go in the order of their calls: without ids, nothing else distinguishes two calls of one tool."""
    result = content[0] if content else None
    return list(names).index(result.tool_call_id) if getattr(result, "tool_call_id", None) in names else -1


def _encode_parts(parts: Sequence[Part], losses: Losses, root: str = ASKED) -> dict[str, Any]:
    fields: dict[str, Any] = {"content": ""}
    for part in parts:
        match part:
            case TextPart() | RefusalPart():
                fields["content"] += part.text
            case ThinkingPart() if part.redacted is None:
                fields["thinking"] = fields.get("thinking", "") + part.text
                if part.signature is not None:
                    losses.dropped(f"{root}.signature")
            case ToolCallPart():
                fields.setdefault("tool_calls", []).append(_encode_call(part, losses, root))
            case MediaPart(kind="image", data=str(data)):
                fields.setdefault("images", []).append(data)
            case MediaPart(text=str(text)):
                fields["content"] += text
            case _:
                losses.dropped(root)
    return fields


def _encode_call(part: ToolCallPart, losses: Losses, root: str) -> dict[str, Any]:
    try:
        arguments = read_object(part.arguments.encode() or b"{}")
    except DialectError:
        arguments = {"input": part.arguments}
        losses.converted(f"{root}.arguments", "not a JSON object; under the key `input`")
    return {"function": {"name": part.name, "arguments": arguments}}


# The reply: whole, and a line of a stream, which has the same fields.
def read_reply(body: dict[str, Any], mint: Mint) -> LLMResponse:
    message = _decode_message({"role": "assistant", **(optional_object(body.get("message"), "message") or {})}, "m", [])
    for part in message.content:
        if isinstance(part, ToolCallPart):
            part.id = mint.id("call_")
    choice = Choice(0, Message("assistant", message.content))
    reply = LLMResponse("", optional_str(body.get("model"), "model") or "", _seconds(body.get("created_at")), [choice])
    if optional_bool(body.get("done"), "done"):
        reply.final = True
        choice.raw_finish_reason = optional_str(body.get("done_reason"), "done_reason") or "stop"
        choice.finish_reason = "length" if choice.raw_finish_reason == "length" else "stop"
        counts = [count(body.get(key)) for key in ("prompt_eval_count", "eval_count")]
        reply.usage = Usage(*counts) if counts != [None, None] else None
    return reply


def write_reply(model: str, created: int | None, fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    when = datetime.fromtimestamp(created or 0, UTC).isoformat().replace("+00:00", "Z")
    return {"model": model, "created_at": when, "message": {"role": "assistant", **fields}, "done": bool(more), **more}


def _seconds(value: Any) -> int | None:
    try:
        return int(datetime.fromisoformat(value).timestamp())
    except (TypeError, ValueError, OverflowError):
        return None


def _end(finish: str | None, usage: Usage | None) -> dict[str, Any]:
    end: dict[str, Any] = {"done_reason": "length" if finish == "length" else "stop"}
    if usage is not None:
        end |= {"prompt_eval_count": usage.input_tokens or 0, "eval_count": usage.output_tokens or 0}
    return end


class OllamaStreamDecoder(StreamDecoder):
    """Lines → chunks. Texts are part 1, thinking is part 0, and each call is its own part."""

    def __init__(self, mint: Mint) -> None:
        self._mint = mint
        self._rest = b""
        self._calls = 0
        self.finished = False

    def feed(self, data: bytes) -> list[LLMResponse]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [self._read(line) for line in lines if line.strip()]

    def close(self) -> list[LLMResponse]:
        return self.feed(b"\n")

    def _read(self, line: bytes) -> LLMResponse:
        body = read_object(line, "a line")
        if "error" in body:
            return LLMResponse(error=ErrorInfo(str(body["error"]), 502, "upstream"))
        chunk = read_reply(body, self._mint)
        self.finished = self.finished or chunk.final
        for part in chunk.message.content:
            part.index = 0 if isinstance(part, ThinkingPart) else 1
            if isinstance(part, ToolCallPart):
                self._calls += 1
                part.index = 1 + self._calls
        if chunk.final:
            chunk.choices[0].finish_reason = finish_that_fits(chunk.finish_reason, calls=self._calls > 0)
        return chunk


class OllamaStreamEncoder(StreamEncoder):
    """Chunks → lines. A call goes out whole, when the reply has ended."""

    content_type = "application/x-ndjson"

    def __init__(self, echo: Echo, losses: Losses) -> None:
        self._model, self._losses = echo.model, losses
        self._created: int | None = None
        self._calls = Accumulator()
        self._finish: str | None = None
        self._usage: Usage | None = None

    def encode(self, chunk: LLMResponse) -> bytes:
        self._model, self._created = chunk.model or self._model, chunk.created or self._created
        self._usage = chunk.usage or self._usage
        written = b""
        for choice in chunk.choices:
            self._finish = choice.finish_reason or self._finish
            parts = parts_of_later_choice(choice) if choice.index else choice.message.content
            calls: list[Part] = [part for part in parts if isinstance(part, ToolCallPart)]
            self._calls.add(LLMResponse(choices=[Choice(0, Message("assistant", calls))]))
            if others := [part for part in parts if part not in calls]:
                written += self._line(_encode_parts(others, self._losses, REPLY))
        return written

    def close(self) -> bytes:
        calls = _encode_parts(self._calls.value().message.content, self._losses, REPLY)
        end = self._line({"content": ""}, **_end(self._finish, self._usage))
        return self._line(calls) + end if "tool_calls" in calls else end

    def fail(self, error: ErrorInfo) -> bytes:
        return json.dumps({"error": error.message}) + b"\n"

    def keep_alive(self) -> bytes:
        return b"\n"

    def _line(self, fields: dict[str, Any], **more: Any) -> bytes:
        return json.dumps(write_reply(self._model, self._created, fields, **more)) + b"\n"


class OllamaNative(Dialect):
    name: ClassVar[str] = NAME
    sse: ClassVar[bool] = False
    quirks: ClassVar[Quirks] = QUIRKS
    end_markers: ClassVar[tuple[bytes, ...]] = (b'"done":true', b'"done": true')
    lacks = frozenset({"citations", "citations.prompt", "media.name", "messages.name", "reasoning.summary",
                       "response_format.description", "response_format.strict"})  # fmt: skip

    def decode_request(self, wire: WireRequest) -> tuple[LLMRequest, Echo]:
        return decode_request(wire)

    def encode_request(self, request: LLMRequest, target: Target, losses: Losses) -> WireRequest:
        return encode_request(request, target, losses)

    def receiver(self, target: Target) -> Receiver:
        return Receiver(tool_names=ToolNames(64), whole_schemas=True, audio=False)

    def decode_response(self, wire: WireReply, mint: Mint) -> LLMResponse:
        reply = read_reply(read_object(wire.body, "the reply"), mint)
        choice = reply.choices[0]
        choice.finish_reason = finish_that_fits(choice.finish_reason, calls=has_calls(choice.message.content))
        return reply

    def encode_response(self, response: LLMResponse, echo: Echo, mint: Mint, losses: Losses) -> WireReply:
        choice = join_choices(response.choices)
        fields = _encode_parts(choice.message.content, losses, REPLY)
        end = _end(choice.finish_reason, response.usage)
        body = write_reply(response.model or echo.model, response.created, fields, **end)
        return WireReply(200, Headers(JSON_HEADERS), json.dumps(body))

    def stream_decoder(self, mint: Mint) -> StreamDecoder:
        return OllamaStreamDecoder(mint)

    def stream_encoder(self, echo: Echo, mint: Mint, losses: Losses) -> StreamEncoder:
        return OllamaStreamEncoder(echo, losses)

    def decode_error(self, wire: WireReply) -> ErrorInfo:
        try:
            message = str(read_object(wire.body).get("error") or "")
        except DialectError:
            message = wire.body.decode("utf-8", "replace").strip()[:1000]
        message = message or f"The server answered with status {wire.status}."
        return ErrorInfo(message, wire.status, kind_of_status(wire.status), retry_after=retry_after(wire.headers))

    def encode_error(self, error: ErrorInfo) -> WireReply:
        waits = [("retry-after", f"{error.retry_after:g}")] if error.retry_after is not None else []
        return WireReply(error.status, Headers([*JSON_HEADERS, *waits]), json.dumps({"error": error.message}))

    def peek(self, wire: WireRequest) -> tuple[str | None, bool]:
        model, _ = json.peek(wire.body)
        return model, json.loads(wire.body).get("stream") is not False

    def usage_of(self, head: bytes, tail: bytes) -> Usage | None:
        try:
            return read_reply(read_object(tail.splitlines()[-1]), Mint(str, int)).usage
        except (DialectError, IndexError):
            return None
