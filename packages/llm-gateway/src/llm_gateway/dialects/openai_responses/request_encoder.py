"""Writing `POST /responses` and `POST /responses/input_tokens` for a provider."""

from __future__ import annotations

from typing import Any

from llm_gateway_sdk.dialect import Headers, Target, WireRequest
from llm_gateway_sdk.dialects.coverage import report_fields
from llm_gateway_sdk.errors import DialectError
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.parts import TextPart
from llm_gateway_sdk.reasoning import effort_of_budget
from llm_gateway_sdk.request import LLMRequest, Message, Reasoning
from llm_gateway_sdk.wire import json

from .fields import NAME, own
from .input import encode_input
from .request import ENCRYPTED_REASONING, LOGPROBS
from .tools import encode_tool_choice, encode_tools

__all__ = ["MIN_OUTPUT_TOKENS", "encode_count", "encode_request"]

MIN_OUTPUT_TOKENS = 16
"""The API refuses a smaller `max_output_tokens`."""


def encode_request(request: LLMRequest, target: Target, losses: Losses) -> WireRequest:
    """`Target.quirks`: `no_encrypted_reasoning` (never ask for `reasoning.encrypted_content` on our own account)."""
    body = _encode_body(request, target, losses)
    if request.stream:
        body["stream"] = True
    return WireRequest("POST", "/responses", "", _headers(), json.dumps(body))


def encode_count(request: LLMRequest, target: Target, losses: Losses) -> WireRequest:
    body = _encode_body(request, target, losses)
    counted = {key: value for key, value in body.items() if key in _COUNTED}
    return WireRequest("POST", "/responses/input_tokens", "", _headers(), json.dumps(counted))


def _encode_body(request: LLMRequest, target: Target, losses: Losses) -> dict[str, Any]:
    native = NAME in request.provider_metadata
    memo = own(request)
    body: dict[str, Any] = {"model": target.model or request.model}
    instructions, messages = _split_instructions(request.messages, native=native)
    if instructions is not None:
        body["instructions"] = instructions
    body["input"] = encode_input(messages, request, losses)
    if memo.get("_input") == "string" and len(body["input"]) == 1 and isinstance(body["input"][0].get("content"), str):
        body["input"] = body["input"][0]["content"]
    elif native and not body["input"] and "_no_input" in memo:
        del body["input"]
    tools = encode_tools(request, losses, native=native)
    if tools:
        body["tools"] = tools
    if request.tool_choice is not None and (tools or native):
        choice = encode_tool_choice(request.tool_choice, request, losses)
        if choice is not None:
            body["tool_choice"] = choice
    if request.parallel_tool_calls is not None and (tools or native):
        body["parallel_tool_calls"] = request.parallel_tool_calls
    if request.max_tokens is not None:
        body["max_output_tokens"] = request.max_tokens
        if request.max_tokens < MIN_OUTPUT_TOKENS and not native:
            body["max_output_tokens"] = MIN_OUTPUT_TOKENS
            losses.clamped("max_tokens", f"the minimum is {MIN_OUTPUT_TOKENS}")
    for name in ("temperature", "top_p", "top_logprobs"):
        value = getattr(request, name)
        if value is not None:
            body[name] = value
    reasoning = _encode_reasoning(request.reasoning, losses)
    if reasoning:
        body["reasoning"] = reasoning
    text_config = _encode_text(request, memo)
    if text_config:
        body["text"] = text_config
    if request.user is not None:
        body["user" if memo.get("_user") == "user" else "safety_identifier"] = request.user
    if request.service_tier is not None:
        tier = request.service_tier if native else _TIERS.get(request.service_tier)
        if tier is None:
            losses.dropped("service_tier", request.service_tier)
        else:
            body["service_tier"] = tier
    if request.cache_key is not None:
        body["prompt_cache_key"] = request.cache_key
    if request.metadata:
        body["metadata"] = request.metadata
    if request.store is not None:
        body["store"] = request.store
    elif not native:
        # Elsewhere nothing is stored unless asked for; here it is the default.
        body["store"] = False
    body.update({key: value for key, value in memo.items() if key[:1] != "_"}, **memo.get("_quiet", {}))
    _encode_include(body, request, target, native=native)
    if not native:
        _refuse_foreign(request, losses)
    return body


def _split_instructions(messages: list[Message], *, native: bool) -> tuple[str | None, list[Message]]:
    """The leading system message as `instructions`, where it is one plain text; else system items keep its blocks."""
    if not messages:
        return None, messages
    first = messages[0]
    if native and not own(first).get("_instructions"):
        return None, messages
    if first.role != "system" or len(first.content) != 1 or first.name is not None:
        return None, messages
    part = first.content[0]
    if not isinstance(part, TextPart) or part.cache is not None:
        return None, messages
    if not native and len(messages) > 1 and messages[1].role in ("system", "developer"):
        return None, messages
    return part.text, messages[1:]


def _encode_include(body: dict[str, Any], request: LLMRequest, target: Target, *, native: bool) -> None:
    include = list(body.get("include") or [])
    if request.logprobs and LOGPROBS not in include:
        include.append(LOGPROBS)
    # Nothing is stored for a client of another dialect, so that its reasoning can only come back through the client.
    wanted = not native and "reasoning" in body and not target.quirks.get("no_encrypted_reasoning")
    if wanted and body["reasoning"].get("effort") != "none":
        include.append(ENCRYPTED_REASONING)
    if include:
        body["include"] = include


def _refuse_foreign(request: LLMRequest, losses: Losses) -> None:
    if request.n is not None and request.n != 1:
        raise DialectError("the Responses API gives one answer; `n` must be 1", path="n")
    for name in ("top_k", "seed", "frequency_penalty", "presence_penalty"):
        if getattr(request, name) is not None:
            losses.dropped(name)
    if request.stop:
        losses.dropped("stop", "the Responses API has no stop sequences")
    if request.cache is not None:
        losses.dropped("cache", "no breakpoint for a whole request")
    for extra in request.provider_metadata.values():
        report_fields(extra, "", losses)


def _encode_reasoning(reasoning: Reasoning | None, losses: Losses) -> dict[str, Any]:
    if reasoning is None:
        return {}
    written: dict[str, Any] = {}
    if reasoning.effort is not None:
        written["effort"] = reasoning.effort
    elif reasoning.budget_tokens is not None and reasoning.enabled is not False:
        written["effort"] = effort_of_budget(reasoning.budget_tokens)
        losses.converted("reasoning.budget_tokens", f"effort {written['effort']}")
    elif reasoning.enabled:
        written["effort"] = "medium"
    if reasoning.summary in ("auto", "concise", "detailed"):
        written["summary"] = reasoning.summary
    elif reasoning.summary is not None and reasoning.summary not in _NO_SUMMARY:
        written["summary"] = "auto"
    written.update(own(reasoning))
    return written


def _encode_text(request: LLMRequest, memo: dict[str, Any]) -> dict[str, Any]:
    written: dict[str, Any] = {}
    format_ = request.response_format
    if format_ is not None and format_.kind == "json_schema":
        schema: dict[str, Any] = {
            "type": "json_schema",
            "name": format_.name or "output",
            "schema": format_.schema if format_.schema is not None else {},
        }
        if format_.description is not None:
            schema["description"] = format_.description
        if format_.strict is not None:
            schema["strict"] = format_.strict
        written["format"] = {**schema, **own(format_)}
    elif format_ is not None:
        written["format"] = {"type": format_.kind}
    if request.verbosity is not None:
        written["verbosity"] = request.verbosity
    written.update(memo.get("_text", {}))
    return written


def _headers() -> Headers:
    return Headers.of([("content-type", "application/json")])


_COUNTED = frozenset(
    (
        "conversation", "input", "instructions", "model", "parallel_tool_calls", "personality",
        "previous_response_id", "reasoning", "text", "tool_choice", "tools", "truncation",
    )
)  # fmt: skip
_TIERS = {
    "auto": "auto", "default": "default", "flex": "flex", "scale": "scale", "priority": "priority", "fast": "fast",
    "standard_only": "default", "standard": "default", "reserved": "scale",
}  # fmt: skip
_NO_SUMMARY = frozenset(("none", "omitted", "off", "false", "False"))
