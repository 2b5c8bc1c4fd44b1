"""Routes requests to a model, balances over several, and falls back to others when one fails."""

from __future__ import annotations

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Iterable
from itertools import islice, takewhile
from typing import Any, get_args

from llm_gateway_sdk import (
    GatewayError,
    Message,
    Operation,
    Plugin,
    PluginResult,
    RequestContext,
    TextPart,
    plugin_metadata,
)
from llm_gateway_sdk.errors import TRANSIENT_KINDS

from .balance import least_in_flight, rotated, sticky, weighted

__all__ = ["ModelRouter"]

_CAUSES = [
    "rate_limit", "quota", "overloaded", "timeout", "upstream", "context_length", "content_policy", "authentication",
    "permission", "not_found", "bad_request", "too_large", "unknown",
]  # fmt: skip
_DEFAULT_CAUSES = [
    "rate_limit", "quota", "overloaded", "timeout", "upstream", "context_length", "authentication", "permission",
    "not_found", "unknown",
]  # fmt: skip
_OPERATIONS = ("generate", "count_tokens", "embed", "stored", "native")
_REMEMBERED_CONVERSATIONS = 50_000

_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "model": {"type": "string", "x-llm-gateway-ref": "model", "description": "The model that answers first."},
        "fallbacks": {
            "type": "array",
            "items": {"type": "string", "x-llm-gateway-ref": "model"},
            "default": [],
            "description": "Who is asked, in this order, when the one before has failed.",
        },
        "models": {
            "type": "array",
            "minItems": 1,
            "description": "Models among which requests are divided, in place of `model`.",
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "x-llm-gateway-ref": "model", "description": "A configured model."},
                    "weight": {
                        "type": "number",
                        "minimum": 0,
                        "default": 1,
                        "description": "Its share of the requests, in relation to the others; 0 takes it out.",
                    },
                },
                "required": ["name"],
                "additionalProperties": False,
            },
        },
        "strategy": {
            "enum": ["weighted", "least_in_flight", "sticky"],
            "default": "weighted",
            "description": "How `models` are chosen from.",
        },
        "stickyBy": {
            "type": "string",
            "default": "conversation",
            "description": "What `sticky` goes by: `conversation`, `caller`, or `header:<name>`.",
        },
        "on": {
            "type": "array",
            "items": {"enum": _CAUSES},
            "default": _DEFAULT_CAUSES,
            "description": "The causes of failure that lead to a fallback.",
        },
        "operations": {
            "type": "array",
            "items": {"enum": list(get_args(Operation))},
            "minItems": 1,
            "default": list(_OPERATIONS),
            "description": "The kinds of requests that are routed; another router may have the others.",
        },
    },
    "anyOf": [{"required": ["model"]}, {"required": ["models"]}, {"required": ["fallbacks"]}],
    "not": {"required": ["model", "models"]},
    "additionalProperties": False,
    "examples": [{"model": "gpt", "fallbacks": ["claude", "gpt-fallback"]}],
}


@plugin_metadata(
    name="model-router",
    version="0.1.0",
    description="Routes requests to a model, with fallbacks and load balancing.",
    configuration_schema=_SCHEMA,
    keywords=("routing", "fallback", "load balancing"),
)
class ModelRouter(Plugin):
    operations = frozenset(_OPERATIONS)

    async def validate_config(self, config: Any) -> bool | str:
        weights = [entry.get("weight", 1) for entry in config.get("models", [])]
        if weights and not any(weight > 0 for weight in weights):
            return "models: at least one weight must be above 0"
        by = config.get("stickyBy", "conversation")
        if by not in ("conversation", "caller") and not (by.startswith("header:") and len(by) > 7):
            return f"stickyBy: '{by}' is none of conversation, caller, header:<name>"
        return True

    async def configure(self, config: Any) -> None:
        self._weights: dict[str, float] = {entry["name"]: entry.get("weight", 1) for entry in config.get("models", [])}
        if "model" in config:
            self._weights = {config["model"]: 1}
        self._weights = {name: weight for name, weight in self._weights.items() if weight > 0}
        self._fallbacks: list[str] = list(config.get("fallbacks", []))
        if not self._weights and self._fallbacks:
            self._weights = {self._fallbacks.pop(0): 1}
        self._strategy: str = config.get("strategy", "weighted")
        self._sticky_by: str = config.get("stickyBy", "conversation")
        self._causes = frozenset(config.get("on", _DEFAULT_CAUSES))
        self.operations = frozenset(config.get("operations", _OPERATIONS))  # type: ignore[misc]
        self._falls_back_from_failures = bool(self._causes & TRANSIENT_KINDS)
        self._in_flight: Counter[str] = Counter()
        self._conversations: OrderedDict[str, str] = OrderedDict()
        self._single = next(iter(self._weights)) if len(self._weights) == 1 else None
        self._shared_out = getattr(getattr(self, "gateway", None), "workers", 1) > 1
        self._data_key = f"model-router:{id(self)}"

    def attempts_wanted(self) -> int:
        return len(self._weights) + len(self._fallbacks)

    def before_model(self, ctx: RequestContext) -> None:
        route: _Route | None = ctx.plugin_data.get(self._data_key)
        if route is None:
            if self._single is not None:
                order = [self._single]
            else:
                order = rotated(list(self._weights), self._choose(ctx))
            route = ctx.plugin_data[self._data_key] = _Route(order + self._fallbacks)
        ctx.target_model = route.current
        # Where a passing failure does not lead on, another try of the same model is all there is.
        ctx.has_fallback = self._falls_back_from_failures and route.position + 1 < len(route.order)
        ctx.fallback_kinds = self._causes
        if self._single is None:
            route.count(self._in_flight)

    def on_model_error(self, ctx: RequestContext) -> PluginResult | None:
        route: _Route | None = ctx.plugin_data.get(self._data_key)
        if route is None or route.position + 1 >= len(route.order):
            return None
        error = ctx.error
        if isinstance(error, GatewayError) and error.kind not in self._causes and error.code != "model_cooling_down":
            return None
        route.uncount(self._in_flight)
        route.position += 1
        ctx.metadata.setdefault("model_router", []).append(
            {"failed": route.order[route.position - 1], "next": route.current}
        )
        return PluginResult(reevaluate_request=True)

    def detached_after_response(self, ctx: RequestContext) -> None:
        route: _Route | None = ctx.plugin_data.get(self._data_key)
        if route is not None:
            route.uncount(self._in_flight)

    def wants(self, phase: str, ctx: RequestContext) -> bool:
        # Only balancing has books to close after a reply; a fixed route keeps the request free of detached hooks.
        return phase != "detached_after_response" or self._single is None

    def _choose(self, ctx: RequestContext) -> str:
        if self._strategy == "sticky":
            return sticky(self._weights, self._sticky_key(ctx))
        conversation = _conversation_key(ctx)
        if conversation is not None and self._shared_out and ctx.request.reasoning is not None:
            # The next turn may come to another process, which remembers nothing of this one.
            return sticky(self._weights, conversation)
        if conversation is not None and _has_signatures(ctx):
            # Signed reasoning verifies only where it was made.
            known = self._conversations.get(conversation)
            return known if known in self._weights else sticky(self._weights, conversation)
        if self._strategy == "least_in_flight":
            chosen = least_in_flight(self._weights, self._in_flight)
        else:
            chosen = weighted(self._weights)
        if conversation is not None:
            self._conversations[conversation] = chosen
            self._conversations.move_to_end(conversation)
            if len(self._conversations) > _REMEMBERED_CONVERSATIONS:
                self._conversations.popitem(last=False)
        return chosen

    def _sticky_key(self, ctx: RequestContext) -> str:
        if self._sticky_by.startswith("header:"):
            value = ctx.http_request.raw_headers.get(self._sticky_by[7:].lower())
            if value is not None:
                return value
        elif self._sticky_by == "caller" and ctx.caller is not None:
            return ctx.caller
        return _conversation_key(ctx) or ctx.request_id


class _Route:
    """Where one request is on its list of models."""

    __slots__ = ("_counted", "order", "position")

    def __init__(self, order: list[str]) -> None:
        self.order = order
        self.position = 0
        self._counted: str | None = None

    @property
    def current(self) -> str:
        return self.order[self.position]

    def count(self, in_flight: Counter[str]) -> None:
        self.uncount(in_flight)
        self._counted = self.current
        in_flight[self._counted] += 1

    def uncount(self, in_flight: Counter[str]) -> None:
        if self._counted is not None:
            in_flight[self._counted] -= 1
            self._counted = None


_COMPARED = 64 * 1024
"""Letters of texts that make two conversations differ."""
_LONGEST_KEY = 1024
"""Keys up to this length are remembered as they are."""
_SESSION_HEADERS = ("x-claude-code-session-id", "session-id", "thread-id", "x-session-id")


def _conversation_key(ctx: RequestContext) -> str | None:
    """What stays the same over the turns of a conversation: a session header, the prompt cache key, else the beginnings
    of the system prompt and of the first user message."""
    for name in _SESSION_HEADERS:
        value = ctx.http_request.raw_headers.get(name)
        if value:
            return _short(value)
    if not ctx.has_request:
        return None
    request = ctx.request
    if request.cache_key:
        return _short(request.cache_key)
    instructions = takewhile(lambda message: message.role in ("system", "developer"), request.messages)
    question = islice((message for message in request.messages if message.role == "user"), 1)
    return _digest(_beginning(instructions), _beginning(question))


def _short(key: str) -> str:
    """A key that takes little room however long it is."""
    return key if len(key) <= _LONGEST_KEY else _digest(key[:_COMPARED])


def _digest(*texts: str) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for text in texts:
        digest.update(text.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _beginning(messages: Iterable[Message]) -> str:
    """As much of their texts as is compared. These may be of any size, and are looked at on the event loop."""
    texts, room = [], _COMPARED
    for message in messages:
        for part in message.content:
            if room <= 0:
                break
            if isinstance(part, TextPart):
                texts.append(part.text[:room])
                room -= len(part.text) + 1
        texts.append("\n\n")
    return "".join(texts)


def _has_signatures(ctx: RequestContext) -> bool:
    if not ctx.has_request:
        return False
    return any(part.signature is not None for message in ctx.request.messages for part in message.content)
