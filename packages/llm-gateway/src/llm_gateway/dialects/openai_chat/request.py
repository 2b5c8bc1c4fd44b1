"""Chat Completions requests: `POST /chat/completions`. OpenAI API reference, "Create chat completion"."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from llm_gateway_sdk.dialect import Echo, Headers, Target, WireRequest
from llm_gateway_sdk.errors import DialectError
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.reasoning import effort_of_budget, lower_effort
from llm_gateway_sdk.request import LLMRequest, Reasoning, ResponseFormat, Tool
from llm_gateway_sdk.wire import json

from .fields import (
    NAME,
    describe,
    extras,
    form_of,
    metadata,
    optional_bool,
    optional_int,
    optional_number,
    optional_object,
    optional_str,
    own,
    read_object,
    required_str,
)
from .messages import decode_messages, encode_messages
from .parts import list_foreign
from .responses_form import as_chat_body, is_responses_body
from .tools import decode_tool_choice, decode_tools, encode_tool_choice, encode_tools, is_legacy

__all__ = ["ChatEcho", "ask_for_usage", "decode_request", "encode_request"]


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
    request = LLMRequest(
        optional_str(body.get("model"), "model") or "",
        decode_messages(body["messages"]),
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
    return request, _echo_of(request, body)


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
"""Fields that can be said in several forms."""

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


def _echo_of(request: LLMRequest, body: dict[str, Any]) -> ChatEcho:
    echo = ChatEcho(request.model, request.stream)
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
            # Some servers take a schema beside it.
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
        said = optional_str(wire.get("effort"), "reasoning.effort")
        enabled = optional_bool(wire.get("enabled"), "reasoning.enabled")
        budget = optional_int(wire.get("max_tokens"), "reasoning.max_tokens")
        rest = extras(wire, frozenset({"effort", "max_tokens", "enabled"}))
        form = {"object": True, "effort": effort} if effort is not None else {"object": True}
        return Reasoning(said or effort, budget, enabled, provider_metadata=metadata(rest, form))
    if wire is not None:
        raise DialectError(f"expected an object, found {describe(wire)}", path="reasoning")
    return Reasoning(effort) if effort is not None else None


def encode_request(request: LLMRequest, target: Target, losses: Losses) -> WireRequest:
    quirks, kept = target.quirks, own(request.provider_metadata)
    is_own = NAME in request.provider_metadata
    form = form_of(request.provider_metadata)
    model = target.model or request.model
    list_foreign(request.provider_metadata, "", losses)
    body: dict[str, Any] = {"model": model, "messages": encode_messages(request.messages, losses, quirks, model)}
    if request.tools:
        encode_tools(request.tools, body, losses, quirks)
    if request.tool_choice is not None and (is_own or "tools" in body or "functions" in body):
        body.update(encode_tool_choice(request.tool_choice, request.tools, losses, quirks))
    if request.parallel_tool_calls is not None and (is_own or "tools" in body):
        if quirks.get("no_parallel_tool_calls"):
            if not request.parallel_tool_calls:
                losses.dropped("parallel_tool_calls")
        else:
            body["parallel_tool_calls"] = request.parallel_tool_calls
    if request.max_tokens is not None:
        field = quirks.get("max_tokens_field") or form.get("max_tokens") or "max_completion_tokens"
        body[field] = request.max_tokens
    _encode_sampling(request, body, losses, quirks, is_own=is_own)
    if request.stop:
        _encode_stop(request.stop, body, losses, quirks, as_string=form.get("stop") == "string")
    if request.response_format is not None:
        _encode_response_format(request.response_format, body, losses, quirks)
    if request.reasoning is not None:
        _encode_reasoning(request.reasoning, body, losses, quirks, model)
    if request.user is not None:
        body[form.get("user") or quirks.get("user_field") or "safety_identifier"] = request.user
    if request.service_tier is not None:
        tier = request.service_tier if is_own else _TIERS.get(request.service_tier)
        if tier is None or (quirks.get("no_service_tier") and not is_own):
            losses.dropped("service_tier")
        else:
            body["service_tier"] = tier
    _encode_vendor_fields(request, body, losses, is_own=is_own)
    if kept:
        body.update({key: value for key, value in kept.items() if key != "stream_options"})
    for field in quirks.get("no_fields", ()):
        if body.pop(field, None) is not None:
            losses.dropped(field)
    if request.stream:
        body["stream"] = True
        options = kept.get("stream_options")
        options = dict(options) if isinstance(options, dict) else {}
        if target.include_usage:
            options["include_usage"] = True
        if options and not quirks.get("no_stream_options"):
            body["stream_options"] = options
    headers = Headers.of([("content-type", "application/json")])
    return WireRequest("POST", "/chat/completions", "", headers, json.dumps(body))


def _encode_sampling(
    request: LLMRequest, body: dict[str, Any], losses: Losses, quirks: Mapping[str, Any], *, is_own: bool
) -> None:
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.top_p is not None:
        body["top_p"] = request.top_p
    if request.frequency_penalty is not None:
        body["frequency_penalty"] = request.frequency_penalty
    if request.presence_penalty is not None:
        body["presence_penalty"] = request.presence_penalty
    if request.n is not None:
        body["n"] = request.n
    if request.logprobs is not None:
        body["logprobs"] = request.logprobs
    if request.top_logprobs is not None:
        body["top_logprobs"] = request.top_logprobs
    if request.seed is not None:
        body[quirks.get("seed_field") or "seed"] = request.seed
    if request.top_k is not None:
        if is_own or quirks.get("top_k"):
            body["top_k"] = request.top_k
        else:
            losses.dropped("top_k")


def _encode_stop(
    stop: list[str], body: dict[str, Any], losses: Losses, quirks: Mapping[str, Any], *, as_string: bool
) -> None:
    limit = int(quirks.get("max_stop", 4))
    if len(stop) > limit:
        losses.clamped("stop", f"the first {limit}")
        stop = stop[:limit]
    if stop:
        body["stop"] = stop[0] if as_string and len(stop) == 1 else stop


def _encode_response_format(
    wanted: ResponseFormat, body: dict[str, Any], losses: Losses, quirks: Mapping[str, Any]
) -> None:
    list_foreign(wanted.provider_metadata, "response_format", losses)
    verbatim = form_of(wanted.provider_metadata).get("verbatim")
    if verbatim is not None:
        body["response_format"] = verbatim
        return
    rest = own(wanted.provider_metadata)
    if wanted.kind != "json_schema":
        schema = {"schema": wanted.schema} if wanted.schema is not None and wanted.kind == "json_object" else {}
        body["response_format"] = {"type": wanted.kind, **schema, **rest}
        return
    if quirks.get("no_json_schema"):
        losses.dropped("response_format.json_schema", "asked for any JSON instead")
        body["response_format"] = {"type": "json_object"}
        return
    inner: dict[str, Any] = {"name": wanted.name or "output"}
    if wanted.description is not None:
        inner["description"] = wanted.description
    if wanted.schema is not None:
        inner["schema"] = wanted.schema
    if wanted.strict is not None:
        inner["strict"] = wanted.strict
    body["response_format"] = {"type": "json_schema", "json_schema": {**inner, **rest}}


def _encode_reasoning(
    wanted: Reasoning, body: dict[str, Any], losses: Losses, quirks: Mapping[str, Any], model: str
) -> None:
    list_foreign(wanted.provider_metadata, "reasoning", losses)
    form = form_of(wanted.provider_metadata)
    if form.get("object") or quirks.get("reasoning_object"):
        said = {"effort": wanted.effort, "max_tokens": wanted.budget_tokens, "enabled": wanted.enabled}
        if wanted.effort is not None and form.get("effort") == wanted.effort:
            body["reasoning_effort"] = wanted.effort
        elif form.get("effort") is not None:
            body["reasoning_effort"] = form["effort"]
        body["reasoning"] = {key: value for key, value in said.items() if value is not None} | own(
            wanted.provider_metadata
        )
        return
    effort = wanted.effort
    if effort is None and wanted.budget_tokens is not None and wanted.enabled is not False:
        effort = effort_of_budget(wanted.budget_tokens)
        losses.converted("reasoning.budget_tokens", f"effort {effort}")
    if effort is None and wanted.enabled:
        effort = "high" if wanted.mode == "adaptive" else "medium"
    if quirks.get("thinking_switch") and wanted.enabled is not None:
        body["thinking"] = {"type": "enabled" if wanted.enabled else "disabled"}
        if not wanted.enabled:
            return
    if effort is None:
        # To ask for no reasoning at all is an effort of its own which few models know; the default stands.
        if wanted.enabled is False:
            losses.converted("reasoning.enabled", "the model's default")
        return
    if quirks.get("no_reasoning") or _WITHOUT_REASONING.match(model):
        losses.dropped("reasoning", "not a reasoning model")
        return
    efforts = quirks.get("efforts")
    if efforts:
        nearest = lower_effort(effort, tuple(efforts))
        if nearest != effort:
            losses.clamped("reasoning.effort", f"{effort} to {nearest}")
        effort = nearest
    body["reasoning_effort"] = effort


# OpenAI's models before and beside the reasoning ones refuse the field.
_WITHOUT_REASONING = re.compile(r"(?:openai/)?(?:gpt-3|gpt-4|chatgpt|gpt-5(?:\.\d+)?-chat)")

# OpenAI's tiers, and other vendors' words for them.
_TIERS = {
    "auto": "auto", "default": "default", "flex": "flex", "scale": "scale", "priority": "priority", "fast": "fast",
    "standard_only": "default", "standard": "default",
}  # fmt: skip


def _encode_vendor_fields(request: LLMRequest, body: dict[str, Any], losses: Losses, *, is_own: bool) -> None:
    if request.verbosity is not None:
        body["verbosity"] = request.verbosity
    if request.cache_key is not None:
        body["prompt_cache_key"] = request.cache_key
    if request.store is not None:
        body["store"] = request.store
    if request.metadata:
        body["metadata"] = request.metadata
    if request.cache is not None and not is_own:
        losses.converted("cache", "prefixes are cached by the provider itself")


def ask_for_usage(wire: WireRequest) -> WireRequest | None:
    """The request with `stream_options.include_usage`; None where it stands there already."""
    body = read_object(wire.body)
    options = optional_object(body.get("stream_options"), "stream_options") or {}
    if options.get("include_usage") is True or not body.get("stream"):
        return None
    asking = json.replace_top_level(wire.body, {"stream_options": {**options, "include_usage": True}})
    return WireRequest(wire.method, wire.path, wire.query, wire.headers, asking)
