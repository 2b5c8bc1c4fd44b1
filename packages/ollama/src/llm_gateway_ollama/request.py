"""A request of `/api/chat` or `/api/generate`, read into the canonical type.

`/api/generate` has one prompt: it becomes a user message, `system` one before it. That it came so is noted, and the
same dialect writes it so again. Source: Ollama API reference, "Generate a chat message", "Generate a response".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llm_gateway_sdk import (
    DialectError,
    Echo,
    LLMRequest,
    Losses,
    Message,
    ResponseFormat,
    TextPart,
    ToolCallPart,
    WireRequest,
)
from llm_gateway_sdk.dialects.fields import (
    optional_bool,
    optional_int,
    optional_list,
    optional_number,
    optional_object,
    optional_str,
    read_object,
    required_str,
    unknown_fields,
)
from llm_gateway_sdk.dialects.metadata import keep
from llm_gateway_sdk.request import Reasoning

from .parts import NAME, decode_images, decode_message, decode_tool
from .paths import is_generate

__all__ = ["OPTIONS", "OllamaEcho", "check_portable", "decode_request"]

OPTIONS: tuple[tuple[str, str, Any], ...] = (
    ("temperature", "temperature", optional_number),
    ("top_p", "top_p", optional_number),
    ("top_k", "top_k", optional_int),
    ("seed", "seed", optional_int),
    ("frequency_penalty", "frequency_penalty", optional_number),
    ("presence_penalty", "presence_penalty", optional_number),
)
"""Ollama's name in `options`, ours, and what reads it. `num_predict` and `stop` are read apart."""
_OPTIONS = frozenset({"stop", "num_predict", *(name for name, _, _ in OPTIONS)})
_COMMON = frozenset({"model", "format", "options", "stream", "think", "logprobs", "top_logprobs"})
_CHAT = _COMMON | {"messages", "tools"}
_GENERATE = _COMMON | {"prompt", "system", "images"}


@dataclass(slots=True)
class OllamaEcho(Echo):
    generate: bool = False
    """Asked on `/api/generate`, whose replies have another form."""


def decode_request(wire: WireRequest) -> tuple[LLMRequest, OllamaEcho]:
    """Raises DialectError naming the place."""
    body = read_object(wire.body)
    generate = is_generate(wire.path)
    options = optional_object(body.get("options"), "options") or {}
    request = LLMRequest(
        model=optional_str(body.get("model"), "model") or "",
        stop=_stop(options.get("stop")),
        stream=optional_bool(body.get("stream"), "stream") is not False,
        logprobs=optional_bool(body.get("logprobs"), "logprobs"),
        top_logprobs=optional_int(body.get("top_logprobs"), "top_logprobs") or None,
        response_format=_format(body.get("format")),
        reasoning=_reasoning(body.get("think")),
        provider_metadata=keep(NAME, body, _GENERATE if generate else _CHAT, form="generate" if generate else None),
    )
    for name, field, read in OPTIONS:
        setattr(request, field, read(options.get(name), f"options.{name}"))
    most = optional_int(options.get("num_predict"), "options.num_predict")
    request.max_tokens = most if most is not None and most > 0 else None
    own = unknown_fields(options, _OPTIONS if request.max_tokens is not None else _OPTIONS - {"num_predict"})
    if own:
        request.provider_metadata.setdefault(NAME, {})["options"] = own
    if generate:
        _read_prompt(body, request)
    else:
        _read_conversation(body, request)
    return request, OllamaEcho(request.model, request.stream, generate)


def _read_conversation(body: dict[str, Any], request: LLMRequest) -> None:
    tools = optional_list(body.get("tools"), "tools")
    request.tools = [decode_tool(tool, f"tools[{place}]") for place, tool in enumerate(tools)]
    waiting: list[ToolCallPart] = []
    for place, message in enumerate(optional_list(body.get("messages"), "messages")):
        request.messages.append(decode_message(message, f"messages[{place}]", waiting))


def _read_prompt(body: dict[str, Any], request: LLMRequest) -> None:
    if system := optional_str(body.get("system"), "system"):
        request.messages.append(Message("system", [TextPart(system)]))
    prompt = optional_str(body.get("prompt"), "prompt")
    images = decode_images(body.get("images"), "images")
    if prompt or images:
        request.messages.append(Message("user", [*([TextPart(prompt)] if prompt else []), *images]))


def _stop(value: Any) -> list[str]:
    words = [value] if isinstance(value, str) else optional_list(value, "options.stop")
    return [required_str(word, f"options.stop[{place}]") for place, word in enumerate(words)]


def _format(value: Any) -> ResponseFormat | None:
    if isinstance(value, dict):
        return ResponseFormat("json_schema", value)
    word = optional_str(value, "format")
    if word not in (None, "", "json"):
        raise DialectError("expected `json` or a JSON Schema", path="format")
    return ResponseFormat("json_object") if word else None


def _reasoning(value: Any) -> Reasoning | None:
    if isinstance(value, str):
        return Reasoning(effort=value) if value else None
    enabled = optional_bool(value, "think")
    return None if enabled is None else Reasoning(enabled=enabled)


def check_portable(request: LLMRequest, losses: Losses) -> None:
    """Raises DialectError for what only a server of Ollama's API can do."""
    own = request.provider_metadata.get(NAME, {})
    if own.get("suffix"):
        raise DialectError("text can't be inserted before a suffix by this model's provider", path="suffix")
    if own.get("context"):
        raise DialectError(
            "a context in tokens can't be given to this model's provider, which has another vocabulary; "
            "send the conversation to /api/chat",
            path="context",
        )
    for field, value in own.items():
        if field[:1] == "_":
            continue
        if field == "options" and isinstance(value, dict):
            for option in value:
                losses.dropped(f"options.{option}")
        else:
            losses.dropped(field)
