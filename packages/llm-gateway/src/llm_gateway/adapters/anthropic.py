"""Clients of the Messages API: the Anthropic SDKs and Claude Code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote

from llm_gateway_sdk import Adapter, Headers, ModelEntry, ModelNotFound, Route, WireReply, WireRequest
from llm_gateway_sdk.numerals import whole_number
from llm_gateway_sdk.waiting import moment_of_seconds
from llm_gateway_sdk.wire import json

from ..dialects.anthropic import Anthropic
from ..operations.batches.forms import AnthropicBatches, AnthropicFiles

__all__ = ["AnthropicAdapter"]


class AnthropicAdapter(Adapter):
    name = "anthropic"
    dialect = "anthropic"
    routes: ClassVar[Sequence[Route]] = (
        Route("POST", "/v1/messages", "generate", "anthropic", "/v1/messages"),
        Route("POST", "/v1/messages/count_tokens", "count_tokens", "anthropic", "/v1/messages/count_tokens"),
        Route("GET", "/v1/models", "models", "anthropic", "/v1/models"),
        Route("GET", "/v1/models/{model}", "models", "anthropic", "/v1/models/{model}"),
        *(
            Route(method, path, "batch", "anthropic", path, form=form)
            for method, path, form in (
                ("POST", "/v1/messages/batches", AnthropicBatches("create")),
                ("GET", "/v1/messages/batches", AnthropicBatches("list")),
                ("GET", "/v1/messages/batches/{id}/results", AnthropicBatches("content")),
                ("GET", "/v1/messages/batches/{id}", AnthropicBatches("read")),
                ("POST", "/v1/messages/batches/{id}/cancel", AnthropicBatches("cancel")),
                ("DELETE", "/v1/messages/batches/{id}", AnthropicBatches("delete")),
            )
        ),
        *(
            Route(method, path, "file", "anthropic", path, form=form)
            for method, path, form in (
                ("POST", "/v1/files", AnthropicFiles("create", multipart=True)),
                ("GET", "/v1/files", AnthropicFiles("list")),
                ("GET", "/v1/files/{id}/content", AnthropicFiles("content")),
                ("GET", "/v1/files/{id}", AnthropicFiles("read")),
                ("DELETE", "/v1/files/{id}", AnthropicFiles("delete")),
            )
        ),
        Route("*", "/v1/{rest}", "native", "anthropic", "/v1/{rest}"),
    )

    def claims(self, wire: WireRequest) -> bool:
        """Clients of this API name its version; the older ones also give their key in its own header."""
        return "anthropic-version" in wire.headers or "x-api-key" in wire.headers

    def list_models(self, models: Sequence[ModelEntry], wire: WireRequest) -> WireReply:
        """A page of `ModelInfo`, or one where the path names it. A name with a wildcard is not a model to list."""
        listed: dict[str, ModelEntry] = {}
        for model in models:
            for name in (model.name, *model.aliases):
                if "*" not in name:
                    listed.setdefault(name, model)
        wanted = _named(wire.path)
        if wanted is not None:
            if wanted not in listed:
                return Anthropic().encode_error(ModelNotFound(wanted, list(listed)).info())
            return _json(_model_info(wanted, listed[wanted]))
        page, more = _page(list(listed), wire.query)
        return _json(
            {
                "data": [_model_info(name, listed[name]) for name in page],
                "has_more": more,
                "first_id": page[0] if page else None,
                "last_id": page[-1] if page else None,
            }
        )

    def estimate_reply(self, input_tokens: int) -> WireReply:
        return _json({"input_tokens": input_tokens})


def _named(path: str) -> str | None:
    """The model in `…/models/{model}`."""
    _, found, name = path.partition("/models/")
    return unquote(name) if found and name else None


def _page(names: list[str], query: str) -> tuple[list[str], bool]:
    """The names that `limit`, `after_id` and `before_id` ask for, and whether there are more that way."""
    asked = parse_qs(query)
    limit = whole_number(asked.get("limit", [""])[0])
    size = 20 if limit is None else min(1000, max(1, limit))
    after, before = asked.get("after_id", [""])[0], asked.get("before_id", [""])[0]
    if after in names:
        names = names[names.index(after) + 1 :]
    elif before in names:
        names = names[: names.index(before)]
        return names[-size:], len(names) > size
    return names[:size], len(names) > size


def _model_info(name: str, model: ModelEntry) -> dict[str, Any]:
    """After the SDK's `ModelInfo`; what the configuration specifies of limits is in the model's metadata."""
    created = moment_of_seconds(model.created)
    metadata = model.metadata
    display = metadata.get("displayName", metadata.get("display_name"))
    info: dict[str, Any] = {
        "type": "model",
        "id": name,
        "display_name": display if isinstance(display, str) else model.description or name,
        "created_at": created,
        "lifecycle": "active",
    }
    for key, camel in (("max_input_tokens", "maxInputTokens"), ("max_tokens", "maxTokens")):
        value = metadata.get(key, metadata.get(camel))
        if isinstance(value, int) and not isinstance(value, bool):
            info[key] = value
    return info


def _json(body: dict[str, Any]) -> WireReply:
    return WireReply(200, Headers.of([("content-type", "application/json")]), json.dumps(body))
