"""Writing `/v1/messages` and `/v1/messages/count_tokens` for a provider."""

from __future__ import annotations

from typing import Any

from llm_gateway_sdk import (
    DialectError,
    Headers,
    LLMRequest,
    Losses,
    Target,
    WireRequest,
)
from llm_gateway_sdk.dialects.coverage import report_fields
from llm_gateway_sdk.dialects.model_limits import limits_of
from llm_gateway_sdk.dialects.schemas import structured_schema
from llm_gateway_sdk.estimate import estimate_tokens
from llm_gateway_sdk.wire import json

from .messages import ConversationEncoder, Turn
from .parts import (
    NAME,
    Block,
    encode_cache,
    encode_extras,
    own,
)
from .thinking import ThinkingEncoder, is_native
from .tools import ToolsEncoder
from .versions import VERSION_2023, VERSION_2026

__all__ = ["DEFAULT_MAX_TOKENS", "encode_count", "encode_request"]

DEFAULT_MAX_TOKENS = 4096

_TIERS = {"auto": "auto", "standard_only": "standard_only", "default": "standard_only", "priority": "auto"}
_MERGED = frozenset({"metadata", "output_config"})
_COUNTED = frozenset(
    {
        "model", "messages", "system", "tools", "tool_choice", "thinking", "cache_control", "output_config",
        "output_format", "mcp_servers", "context_management",
    }
)  # fmt: skip
_JSON_PROMPT = "Answer with one JSON object and nothing else: no code fence, no text before or after it."


def encode_request(request: LLMRequest, target: Target, losses: Losses) -> WireRequest:
    """Writes `/v1/messages`. Raises DialectError for audio, video and several answers."""
    return _Encoder(request, target, losses).encode()


def encode_count(request: LLMRequest, target: Target, losses: Losses) -> WireRequest:
    """Writes `/v1/messages/count_tokens`: what fills the context, and nothing of how to answer."""
    wire = _Encoder(request, target, losses).encode()
    body = json.loads(wire.body)
    wire.path += "/count_tokens"
    wire.body = json.dumps({key: value for key, value in body.items() if key in _COUNTED})
    return wire


class _Encoder:
    def __init__(self, request: LLMRequest, target: Target, losses: Losses) -> None:
        self.request = request
        self.target = target
        self.losses = losses
        self.limits = limits_of(target.model, target.quirks, target.facts)
        self.own = own(request.provider_metadata)
        self.version: str = target.api_version or self.own.get("_version") or VERSION_2023
        self.betas: list[str] = list(self.own.get("_betas") or [])
        self.thinking = ThinkingEncoder(request, target, losses, self.limits, self.betas)

    def encode(self) -> WireRequest:
        request = self.request
        if (request.n or 1) > 1:
            raise DialectError("this model's provider gives one answer per request", path="n")
        system, turns = ConversationEncoder(request, self.target, self.losses, self.version, self.betas).encode()
        body: dict[str, Any] = {"model": self.target.model or request.model}
        if request.response_format is not None and request.response_format.kind == "json_object":
            self.losses.converted("response_format", "asked for in the system prompt")
            system = system if isinstance(system, list) else [{"type": "text", "text": system}] if system else []
            system.append({"type": "text", "text": _JSON_PROMPT})
        self._limits(body, turns)
        if system:
            body["system"] = system
        body["messages"] = [turn.write() for turn in turns]
        ToolsEncoder(request, self.losses).write(body)
        self._output(body)
        self._sampling(body)
        self._rest(body)
        headers = [("content-type", "application/json"), ("anthropic-version", self.version)]
        if self.betas:
            headers.append(("anthropic-beta", ",".join(dict.fromkeys(self.betas))))
        return WireRequest("POST", "/v1/messages", "", Headers.of(headers), json.dumps(body))

    def _limits(self, body: dict[str, Any], turns: list[Turn]) -> None:
        """`max_tokens`, and `thinking`, which has to stay below it."""
        request = self.request
        max_tokens = request.max_tokens
        thinking = self.thinking.config(turns)
        if max_tokens is None:
            max_tokens = self._ceiling(thinking)
            self.losses.converted("max_tokens", f"{max_tokens}, which the client left open")
        body["max_tokens"] = max_tokens
        if thinking is not None:
            body["thinking"] = thinking

    def _ceiling(self, thinking: Block | None) -> int:
        """The most that the model can answer, where its name is known."""
        most = self.limits.max_output
        if most is None:
            budget = thinking.get("budget_tokens") if thinking is not None else None
            return DEFAULT_MAX_TOKENS + (budget if isinstance(budget, int) else 0)
        context = self.limits.bounded_context
        if context is None:
            return most
        # These refuse a bound that does not fit into what the conversation leaves of the context.
        return max(DEFAULT_MAX_TOKENS, min(most, context - estimate_tokens(self.request)))

    def _output(self, body: dict[str, Any]) -> None:
        request = self.request
        config: Block = dict(self.own.get("output_config") or {})
        reasoning, format = request.reasoning, request.response_format
        if reasoning is not None and (effort := self.thinking.effort(reasoning, body.get("thinking"))) is not None:
            config["effort"] = effort
        if format is not None:
            raw = own(format.provider_metadata)
            if "format" in raw:
                config["format"] = raw["format"]
            elif format.kind == "json_schema":
                schema = format.schema if raw else self._structured(format.schema or {})
                block = encode_extras({"type": "json_schema", "schema": schema or {}}, format.provider_metadata)
                if raw.get("_output_format"):
                    body["output_format"] = block
                else:
                    config["format"] = block
        if config:
            body["output_config"] = config

    def _structured(self, schema: dict[str, Any]) -> dict[str, Any]:
        structured: dict[str, Any] = structured_schema(schema)
        if structured != schema:
            self.losses.converted("response_format.schema", "brought into the form of structured outputs")
        return structured

    def _sampling(self, body: dict[str, Any]) -> None:
        request = self.request
        values: dict[str, float | None] = {
            "temperature": request.temperature,
            "top_p": request.top_p,
            "top_k": request.top_k,
        }
        refused = self.version >= VERSION_2026 or bool(self.target.quirks.get("no_sampling"))
        thinking = body.get("thinking")
        # A client of this dialect answers for what it combines.
        translated = request.reasoning is not None and not is_native(request.reasoning)
        thinks = translated and thinking is not None and thinking["type"] in ("enabled", "adaptive")
        for key, value in values.items():
            if value is None:
                continue
            if refused:
                self.losses.dropped(key, f"refused under {self.version}" if self.version >= VERSION_2026 else "refused")
            elif thinks and not (key == "top_p" and value >= 0.95):
                if (key, value) != ("temperature", 1):
                    self.losses.dropped(key, "not with thinking")
            elif key == "temperature" and not 0 <= value <= 1:
                body[key] = min(1.0, max(0.0, value))
                self.losses.clamped(key, f"{value} became {body[key]}")
            else:
                body[key] = value

    def _rest(self, body: dict[str, Any]) -> None:
        request, losses = self.request, self.losses
        stop = [word for word in request.stop if word.strip()]
        if len(stop) < len(request.stop):
            losses.dropped("stop", "blank stop words")
        if stop:
            body["stop_sequences"] = stop
        metadata: Block = dict(self.own.get("metadata") or {})
        if request.user is not None:
            metadata["user_id"] = request.user
        if metadata:
            body["metadata"] = metadata
        if request.cache is not None:
            body["cache_control"] = encode_cache(request.cache, losses, "")
        if request.service_tier is not None:
            tier = _TIERS.get(request.service_tier)
            if tier is None:
                losses.dropped("service_tier")
            else:
                if tier != request.service_tier:
                    losses.converted("service_tier", f"{request.service_tier} became {tier}")
                body["service_tier"] = tier
        if request.stream:
            body["stream"] = True
        for key in ("seed", "verbosity", "cache_key", "top_logprobs"):
            if getattr(request, key) is not None:
                losses.dropped(key)
        for key in ("frequency_penalty", "presence_penalty", "logprobs", "store", "metadata"):
            if getattr(request, key):
                losses.dropped(key)
        for dialect, values in request.provider_metadata.items():
            if dialect == NAME:
                body.update(
                    {key: value for key, value in values.items() if key not in _MERGED and not key.startswith("_")}
                )
            else:
                report_fields(values, "", losses)
