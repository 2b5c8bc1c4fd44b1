"""Writing Chat Completions requests for a provider."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from llm_gateway_sdk.dialect import Headers, Target, WireRequest
from llm_gateway_sdk.dialects.coverage import report_fields
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.reasoning import effort_of_budget, lower_effort
from llm_gateway_sdk.request import LLMRequest, Reasoning, ResponseFormat
from llm_gateway_sdk.wire import json

from .fields import (
    NAME,
    form_of,
    own,
)
from .messages import encode_messages
from .tools import encode_tool_choice, encode_tools

__all__ = ["encode_request"]


def encode_request(request: LLMRequest, target: Target, losses: Losses) -> WireRequest:
    quirks, kept = target.quirks, own(request.provider_metadata)
    is_own = NAME in request.provider_metadata
    form = form_of(request.provider_metadata)
    model = target.model or request.model
    for dialect, values in request.provider_metadata.items():
        if dialect != NAME:
            report_fields(values, "", losses)
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
    form = form_of(wanted.provider_metadata)
    if form.get("object") or quirks.get("reasoning_object"):
        wanted_fields = {"effort": wanted.effort, "max_tokens": wanted.budget_tokens, "enabled": wanted.enabled}
        if wanted.summary in _HIDDEN:
            wanted_fields["exclude"] = True
        if wanted.effort is not None and form.get("effort") == wanted.effort:
            body["reasoning_effort"] = wanted.effort
        elif form.get("effort") is not None:
            body["reasoning_effort"] = form["effort"]
        body["reasoning"] = {key: value for key, value in wanted_fields.items() if value is not None} | own(
            wanted.provider_metadata
        )
        return
    if wanted.summary is not None:
        _report_summary(wanted.summary, losses, quirks)
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
        # To ask for no reasoning at all is a separate effort, which few models know; the default stays.
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


_HIDDEN = ("omitted", "none")


def _report_summary(summary: str, losses: Losses, quirks: Mapping[str, Any]) -> None:
    """Whether the reply is to hold the reasoning, or a summary of it: there is no field for it. OpenAI's replies hold
    none, those of servers with a field for reasoning hold all of it."""
    shown = bool(quirks.get("reasoning_field"))
    if shown and summary in _HIDDEN:
        losses.dropped("reasoning.summary", "the reply holds the reasoning")
    elif not shown and summary not in _HIDDEN:
        losses.dropped("reasoning.summary", "the reply holds no reasoning")


# OpenAI's models before and next to the reasoning ones refuse the field.
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
