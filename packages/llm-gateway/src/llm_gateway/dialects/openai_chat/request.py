"""Chat Completions requests: `POST /chat/completions`. OpenAI API reference, "Create chat completion"."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from llm_gateway_sdk.dialect import Echo, WireRequest
from llm_gateway_sdk.errors import DialectError
from llm_gateway_sdk.request import LLMRequest, Reasoning, ResponseFormat, Tool
from llm_gateway_sdk.wire import json

from .fields import (
    NAME,
    describe,
    extras,
    metadata,
    optional_bool,
    optional_int,
    optional_number,
    optional_object,
    optional_str,
    read_object,
    required_str,
)
from .messages import decode_messages
from .responses_form import as_chat_body, is_responses_body
from .tools import decode_tool_choice, decode_tools, is_legacy

__all__ = ["ChatEcho", "ask_for_usage", "decode_request"]


@dataclass(slots=True)
class ChatEcho(Echo):
    include_usage: bool = False
    """The client asked for the usage chunk of a stream."""
    legacy_functions: bool = False
    """The client gave `functions`, and reads `function_call`."""
    custom_tools: frozenset[str] = frozenset()
    """Names of its free-text tools, for providers that only know functions."""


def decode_request(wire: WireRequest) -> tuple[LLMRequest, ChatEcho]:
    body = read_object(wire.body)
    if "messages" not in body and is_responses_body(body):
        body = as_chat_body(body)
    if "messages" not in body:
        raise DialectError("expected a list, found nothing", path="messages")
    form: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    messages, is_bare = decode_messages(body["messages"])
    request = LLMRequest(
        optional_str(body.get("model"), "model") or "",
        messages,
        decode_tools(body),
        decode_tool_choice(body),
    )
    for key, value in body.items():
        if value is None or key in _READ_APART:
            continue
        field = _FIELDS.get(key)
        if field is None:
            rest[key] = value
        else:
            name, read = field
            setattr(request, name, read(value, key))
    if not _FORMED.isdisjoint(body):
        _decode_formed(request, body, form, rest)
    # Always there, so that an encoder knows that the values are in this dialect's own words.
    request.provider_metadata = metadata(rest, form) or {NAME: {}}
    return request, _echo_of(request, body, is_bare=is_bare)


_FIELDS: dict[str, tuple[str, Callable[[Any, str], Any]]] = {
    "parallel_tool_calls": ("parallel_tool_calls", optional_bool),
    "temperature": ("temperature", optional_number),
    "top_p": ("top_p", optional_number),
    "top_k": ("top_k", optional_int),
    "seed": ("seed", optional_int),
    "n": ("n", optional_int),
    "frequency_penalty": ("frequency_penalty", optional_number),
    "presence_penalty": ("presence_penalty", optional_number),
    "logprobs": ("logprobs", optional_bool),
    "top_logprobs": ("top_logprobs", optional_int),
    "verbosity": ("verbosity", optional_str),
    "service_tier": ("service_tier", optional_str),
    "prompt_cache_key": ("cache_key", optional_str),
    "store": ("store", optional_bool),
    "stream": ("stream", optional_bool),
}
"""Fields of the body that are each one field of the request, and what reads them."""

_FORMED = frozenset(
    {
        "max_tokens", "max_completion_tokens", "stop", "response_format", "reasoning_effort", "reasoning", "user",
        "safety_identifier", "metadata",
    }
)  # fmt: skip
"""Fields that can be stated in several forms."""

_READ_APART = _FORMED | {"model", "messages", "tools", "functions", "tool_choice", "function_call"}


def _decode_formed(request: LLMRequest, body: dict[str, Any], form: dict[str, Any], rest: dict[str, Any]) -> None:
    request.max_tokens = _decode_max_tokens(body, form, rest)
    if "stop" in body:
        request.stop = _decode_stop(body["stop"], form)
    if "response_format" in body:
        request.response_format = _decode_response_format(body["response_format"])
    if "reasoning_effort" in body or "reasoning" in body:
        request.reasoning = _decode_reasoning(body)
    if "user" in body or "safety_identifier" in body:
        request.user = _decode_user(body, form, rest)
    if "metadata" in body:
        request.metadata = _decode_metadata(body["metadata"])


def _echo_of(request: LLMRequest, body: dict[str, Any], *, is_bare: bool) -> ChatEcho:
    echo = ChatEcho(request.model, request.stream, is_bare=is_bare)
    options = optional_object(body.get("stream_options"), "stream_options")
    if options:
        echo.include_usage = optional_bool(options.get("include_usage"), "stream_options.include_usage") or False
    custom: list[str] = []
    for tool in request.tools:
        if isinstance(tool, Tool):
            if tool.kind == "custom":
                custom.append(tool.name)
            if tool.provider_metadata and is_legacy(tool.provider_metadata):
                echo.legacy_functions = True
    if custom:
        echo.custom_tools = frozenset(custom)
    return echo


def _decode_max_tokens(body: dict[str, Any], form: dict[str, Any], rest: dict[str, Any]) -> int | None:
    newer = optional_int(body.get("max_completion_tokens"), "max_completion_tokens")
    older = optional_int(body.get("max_tokens"), "max_tokens")
    if newer is None:
        if older is not None:
            form["max_tokens"] = "max_tokens"
        return older
    if older is not None:
        rest["max_tokens"] = older
    return newer


def _decode_user(body: dict[str, Any], form: dict[str, Any], rest: dict[str, Any]) -> str | None:
    identifier = optional_str(body.get("safety_identifier"), "safety_identifier")
    user = optional_str(body.get("user"), "user")
    if identifier is None:
        if user is not None:
            form["user"] = "user"
        return user
    if user is not None:
        rest["user"] = user
    return identifier


def _decode_stop(value: Any, form: dict[str, Any]) -> list[str]:
    if value is None:
        return []
    if isinstance(value, str):
        form["stop"] = "string"
        return [value]
    if not isinstance(value, list):
        raise DialectError(f"expected a string or a list of strings, found {describe(value)}", path="stop")
    return [required_str(stop, f"stop[{place}]") for place, stop in enumerate(value)]


def _decode_metadata(value: Any) -> dict[str, str]:
    values = optional_object(value, "metadata") or {}
    return {key: text if isinstance(text, str) else json.dumps_text(text) for key, text in values.items()}


def _decode_response_format(value: Any) -> ResponseFormat | None:
    wire = optional_object(value, "response_format")
    if wire is None:
        return None
    match wire.get("type"):
        case "text":
            return ResponseFormat("text", provider_metadata=metadata(extras(wire, _TEXT_FORMAT)))
        case "json_object":
            # Some servers take a schema as a further field.
            rest = extras(wire, _OBJECT_FORMAT)
            schema = optional_object(wire.get("schema"), "response_format.schema")
            return ResponseFormat("json_object", schema=schema, provider_metadata=metadata(rest))
        case "json_schema":
            inner = optional_object(wire.get("json_schema"), "response_format.json_schema") or {}
            path = "response_format.json_schema"
            return ResponseFormat(
                "json_schema",
                schema=optional_object(inner.get("schema"), f"{path}.schema"),
                name=optional_str(inner.get("name"), f"{path}.name"),
                description=optional_str(inner.get("description"), f"{path}.description"),
                strict=optional_bool(inner.get("strict"), f"{path}.strict"),
                provider_metadata=metadata(extras(inner, _SCHEMA_FORMAT)),
            )
        case kind:
            # A kind of some server's own (grammars and the like): only its own dialect can say it.
            if not isinstance(kind, str):
                raise DialectError(f"expected a string, found {describe(kind)}", path="response_format.type")
            return ResponseFormat("text", provider_metadata=metadata({}, {"verbatim": wire}))


_TEXT_FORMAT = frozenset({"type"})
_OBJECT_FORMAT = frozenset({"type", "schema"})
_SCHEMA_FORMAT = frozenset({"schema", "name", "description", "strict"})


def _decode_reasoning(body: dict[str, Any]) -> Reasoning | None:
    effort = optional_str(body.get("reasoning_effort"), "reasoning_effort")
    wire = body.get("reasoning")
    if isinstance(wire, dict):
        # OpenRouter's object.
        written = optional_str(wire.get("effort"), "reasoning.effort")
        enabled = optional_bool(wire.get("enabled"), "reasoning.enabled")
        budget = optional_int(wire.get("max_tokens"), "reasoning.max_tokens")
        rest = extras(wire, frozenset({"effort", "max_tokens", "enabled"}))
        form = {"object": True, "effort": effort} if effort is not None else {"object": True}
        return Reasoning(written or effort, budget, enabled, provider_metadata=metadata(rest, form))
    if wire is not None:
        raise DialectError(f"expected an object, found {describe(wire)}", path="reasoning")
    return Reasoning(effort) if effort is not None else None


def ask_for_usage(wire: WireRequest) -> WireRequest | None:
    """The request with `stream_options.include_usage`; None where it is there already."""
    body = read_object(wire.body)
    options = optional_object(body.get("stream_options"), "stream_options") or {}
    if options.get("include_usage") is True or not body.get("stream"):
        return None
    asking = json.replace_top_level(wire.body, {"stream_options": {**options, "include_usage": True}})
    return WireRequest(wire.method, wire.path, wire.query, wire.headers, asking)
