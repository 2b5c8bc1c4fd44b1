"""The canonical request, written for `/api/chat`, or for `/api/generate` where it came from there."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from llm_gateway_sdk import (
    DialectError,
    Headers,
    LLMRequest,
    Losses,
    Message,
    Target,
    Tool,
    ToolChoice,
    ToolResultPart,
    WireRequest,
)
from llm_gateway_sdk.dialects.coverage import drop_message, drop_tool, report_fields
from llm_gateway_sdk.dialects.metadata import noted, own
from llm_gateway_sdk.dialects.thinking import is_off, is_wanted, lower_effort
from llm_gateway_sdk.wire import json

from .parts import NAME, encode_message, encode_parts, encode_tool, place_of
from .paths import CHAT, GENERATE
from .request import OPTIONS

__all__ = ["encode_request"]

_NO_FIELD = (
    "verbosity",
    "user",
    "service_tier",
    "cache_key",
    "cache",
    "store",
    "metadata",
)
"""Fields of a request that Ollama has nothing for."""
_LEVELS = ("low", "medium", "high")


def encode_request(request: LLMRequest, target: Target, losses: Losses) -> WireRequest:
    """Raises DialectError where several answers are wanted."""
    if (request.n or 1) > 1:
        raise DialectError("Ollama gives one answer per request", path="n")
    body: dict[str, Any] = {"model": target.model or request.model, "stream": request.stream}
    generate = noted(NAME, request, "form") == "generate"
    if generate:
        _write_prompt(body, request, losses)
    else:
        _write_conversation(body, request, losses)
    _write_options(body, request)
    _write_wishes(body, request, target, losses)
    for field in _NO_FIELD:
        if getattr(request, field) not in (None, False, {}):
            losses.dropped(field)
    if request.parallel_tool_calls is False:
        losses.dropped("parallel_tool_calls")
    for dialect, values in request.provider_metadata.items():
        if dialect != NAME:
            report_fields(values, "", losses)
    body.update({field: value for field, value in own(NAME, request).items() if field != "options"})
    return WireRequest(
        "POST",
        GENERATE if generate else CHAT,
        "",
        Headers.of([("content-type", "application/json")]),
        json.dumps(body),
    )


def _write_conversation(body: dict[str, Any], request: LLMRequest, losses: Losses) -> None:
    names = {call.id: call.name for message in request.messages for call in message.tool_calls}
    messages: list[dict[str, Any]] = []
    for of_tools, run in groupby(request.messages, lambda message: message.role == "tool"):
        turns = list(run)
        if of_tools:
            turns.sort(key=lambda message: _first_place(message, names))
        for message in turns:
            if message.role == "opaque":
                drop_message(message, losses)
            else:
                messages += encode_message(message, names, losses)
    body["messages"] = messages
    tools: list[dict[str, Any]] = []
    for tool in request.tools:
        if not isinstance(tool, Tool):
            drop_tool(tool, losses)
        elif _is_offered(tool, request.tool_choice):
            tools.append(encode_tool(tool))
            _report_tool(tool, losses)
    if tools:
        body["tools"] = tools
    if request.tool_choice is not None and request.tool_choice.mode != "auto":
        losses.converted("tool_choice", "by the tools that are offered; a call can't be forced")


def _first_place(message: Message, names: dict[str, str]) -> int:
    first = message.content[0] if message.content else None
    return place_of(first, names) if isinstance(first, ToolResultPart) else -1


def _is_offered(tool: Tool, choice: ToolChoice | None) -> bool:
    """Ollama has no choice of tools: those that may not be called are left out."""
    return choice is None or choice.mode in ("auto", "required") or tool.name in (choice.name, *choice.names)


def _report_tool(tool: Tool, losses: Losses) -> None:
    if tool.kind == "custom":
        losses.converted("tools[*]", "a tool of free text, without its grammar")
    if tool.strict:
        losses.dropped("tools[*].strict")
    if tool.cache is not None:
        losses.dropped("tools[*].cache")


def _write_prompt(body: dict[str, Any], request: LLMRequest, losses: Losses) -> None:
    """What a plugin has added to the conversation is put into the texts that there are."""
    system: list[str] = []
    prompt: list[str] = []
    images: list[str] = []
    for message in request.messages:
        fields = encode_parts(message.content, losses, "messages[*].content[*]")
        texts = system if message.role in ("system", "developer") else prompt
        if fields["content"]:
            texts.append(fields["content"])
        images += fields.get("images", ())
    if system:
        body["system"] = "\n\n".join(system)
    if prompt:
        body["prompt"] = "\n\n".join(prompt)
    if images:
        body["images"] = images


def _write_options(body: dict[str, Any], request: LLMRequest) -> None:
    options = {name: value for name, field, _ in OPTIONS if (value := getattr(request, field)) is not None}
    if request.max_tokens is not None:
        options["num_predict"] = request.max_tokens
    if request.stop:
        options["stop"] = list(request.stop)
    options.update(own(NAME, request).get("options") or {})
    if options:
        body["options"] = options


def _write_wishes(body: dict[str, Any], request: LLMRequest, target: Target, losses: Losses) -> None:
    wanted, reasoning = request.response_format, request.reasoning
    if wanted is not None and wanted.kind != "text":
        body["format"] = wanted.schema if wanted.schema is not None else "json"
    if request.logprobs is not None:
        body["logprobs"] = request.logprobs
    if request.top_logprobs is not None:
        body["top_logprobs"] = request.top_logprobs
    if reasoning is None or not (is_off(reasoning) or is_wanted(reasoning)):
        return
    body["think"] = is_wanted(reasoning)
    if not is_wanted(reasoning):
        return
    if reasoning.effort is not None and not target.quirks.get("no_effort"):
        body["think"] = lower_effort(reasoning.effort, _LEVELS)
        if body["think"] != reasoning.effort:
            losses.clamped("reasoning.effort", f"{body['think']} is the nearest level")
    elif reasoning.effort is not None:
        losses.dropped("reasoning.effort")
    if reasoning.budget_tokens is not None:
        losses.dropped("reasoning.budget_tokens")
