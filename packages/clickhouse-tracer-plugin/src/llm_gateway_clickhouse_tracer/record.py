"""One finished request as one row: a JSON object whose keys are the columns of `schema.py`.

Runs in the writer's thread, after the reply has left. Bodies are decoded here, at the latest; what does not decode is
recorded without its text.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from llm_gateway_sdk import (
    Attempt,
    DialectError,
    GatewayError,
    LLMRequest,
    LLMResponse,
    ModelError,
    RequestContext,
    Usage,
)
from llm_gateway_sdk.wire import json

from .canonical import dump_request, dump_response
from .counters import Counters
from .interactions import interaction_id, last_user_text, session_id, user_id
from .prices import PriceTable, TokenCounts
from .redaction import hidden_headers, secrets_of, without_secrets
from .settings import TracerSettings

__all__ = ["Recorder"]

logger = logging.getLogger(__name__)

_EXCERPT_CHARACTERS: Final = 2000
_CLIENT_CLOSED: Final = 499
_SHORTENED_TO: Final = (65_536, 4_096, 256)
_LOG_EVERY_SECONDS: Final = 60.0


class Recorder:
    """Turns contexts into lines. Holds no state of requests."""

    def __init__(self, settings: TracerSettings, prices: PriceTable, counters: Counters) -> None:
        self._settings = settings
        self._prices = prices
        self._counters = counters
        self._gateway = socket.gethostname()
        self._last_log = -_LOG_EVERY_SECONDS

    def line(self, ctx: RequestContext) -> bytes:
        """The record with its line feed. Never raises: a record without its bodies is better than none."""
        try:
            return _line(self.row(ctx))
        except Exception:  # any plugin or dialect may have left anything in the context
            self._counters.unreadable += 1
            if time.monotonic() - self._last_log >= _LOG_EVERY_SECONDS:
                self._last_log = time.monotonic()
                logger.exception("a trace is recorded without its bodies (request %s)", ctx.request_id)
            return _line(self._bare_row(ctx))

    def row(self, ctx: RequestContext) -> dict[str, Any]:
        row = self._bare_row(ctx)
        capture = self._settings.capture
        headers = ctx.http_request.headers
        request = self._request(ctx) if capture.request != "none" else None
        response = self._response(ctx) if capture.response != "none" else None
        row["interaction_id"] = interaction_id(
            request, response, scope=f"{ctx.project}\0{ctx.caller or ''}", request_id=ctx.request_id
        )
        row["session_id"] = session_id(headers, request)
        row["user_id"] = user_id(headers, request)
        if request is not None:
            self._add_request(row, request, text=capture.request == "all")
        if response is not None:
            self._add_response(row, ctx, response, text=capture.response == "all")
        if capture.original == "all":
            row["original"] = self._cut(ctx.http_request.body.decode(errors="replace"), row)
        self._add_usage(row, ctx, response.usage if response is not None else None)
        return row

    def _bare_row(self, ctx: RequestContext) -> dict[str, Any]:
        """What needs no body."""
        metrics, http, error = ctx.metrics, ctx.http_request, ctx.error
        ended = metrics.ended if metrics.ended is not None else time.time()
        last = ctx.attempts[-1] if ctx.attempts else None
        first_token = metrics.first_token
        secrets = secrets_of(http.raw_headers, self._settings) if error is not None or len(ctx.attempts) > 1 else []
        status, http_status = _outcome(ctx)
        row: dict[str, Any] = {
            "ts": datetime.fromtimestamp(metrics.started, UTC).isoformat(timespec="microseconds"),
            "request_id": ctx.request_id,
            "interaction_id": ctx.request_id,
            "project": ctx.project,
            "adapter": ctx.adapter,
            "dialect": ctx.client_dialect,
            "operation": ctx.operation,
            "caller": ctx.caller or "",
            "client_ip": ctx.client_ip or "",
            "user_agent": ctx.user_agent or "",
            "model_requested": ctx.requested_model or "",
            "model_routed": last.model if last is not None else ctx.target_model or "",
            "provider": _provider(ctx, last),
            "status": status,
            "http_status": http_status,
            "attempts": min(255, len(ctx.attempts)),
            "stream": ctx.streaming,
            "duration_us": max(0, round((ended - metrics.started) * 1e6)),
            "method": http.method,
            "path": http.path,
            "headers": hidden_headers(http.raw_headers, self._settings),
            "gateway": self._gateway,
            "timings": {name: round(seconds * 1e6) for name, seconds in ctx.timings.items()},
        }
        if first_token is not None:
            row["ttft_us"] = max(0, round((first_token - metrics.started) * 1e6))
        if error is not None:
            row["error_kind"] = getattr(error, "kind", None) or type(error).__name__
            row["error"] = without_secrets(str(error), secrets)[:_EXCERPT_CHARACTERS]
        if ctx.attempts:
            row["attempt_log"] = json.dumps_text([_attempt(one, metrics.started, secrets) for one in ctx.attempts])
        if ctx.losses:
            row["losses"] = [f"{loss.side}: {loss}" for loss in ctx.losses]
        if ctx.metadata and (tags := _tags(ctx.metadata, self._settings.capture.metadata)):
            row["tags"] = tags
        return row

    def _request(self, ctx: RequestContext) -> LLMRequest | None:
        if not ctx.has_request:
            return None
        try:
            return ctx.request
        except (DialectError, GatewayError, ValueError, LookupError):
            return None  # the client's body made no sense, and the row's error says so

    def _response(self, ctx: RequestContext) -> LLMResponse | None:
        try:
            return ctx.response
        except (DialectError, GatewayError, ValueError, LookupError):
            self._counters.unreadable += 1
            return None

    def _add_request(self, row: dict[str, Any], request: LLMRequest, *, text: bool) -> None:
        row["messages"] = len(request.messages)
        row["tools_offered"] = min(65535, len(request.tools))
        if text:
            row["prompt"] = last_user_text(request)[:_EXCERPT_CHARACTERS]
            row["request"] = self._body(dump_request(request), row)

    def _add_response(self, row: dict[str, Any], ctx: RequestContext, response: LLMResponse, *, text: bool) -> None:
        row["model_answered"] = response.model
        row["tool_calls"] = [call.name for choice in response.choices for call in choice.message.tool_calls]
        if response.choices:
            row["finish_reason"] = response.choices[0].finish_reason or ""
            row["raw_finish_reason"] = response.choices[0].raw_finish_reason or ""
        if text:
            row["answer"] = response.text[:_EXCERPT_CHARACTERS]
            row["response"] = self._body(dump_response(response), row)
            if ctx.attempt_data.get("reply_truncated"):
                row["truncated"] = True  # the gateway could not keep all of it

    def _add_usage(self, row: dict[str, Any], ctx: RequestContext, usage: Usage | None) -> None:
        metrics = ctx.metrics
        found = usage or Usage()
        input_tokens = metrics.input_tokens if metrics.input_tokens is not None else found.input_tokens
        output_tokens = metrics.output_tokens if metrics.output_tokens is not None else found.output_tokens
        cache_read = metrics.cache_read_tokens if metrics.cache_read_tokens is not None else found.cache_read_tokens
        cache_write = metrics.cache_write_tokens if metrics.cache_write_tokens is not None else found.cache_write_tokens
        reasoning = metrics.reasoning_tokens if metrics.reasoning_tokens is not None else found.reasoning_tokens
        row["input_tokens"] = input_tokens
        row["output_tokens"] = output_tokens
        row["cache_read_tokens"] = cache_read
        row["cache_write_tokens"] = cache_write
        row["reasoning_tokens"] = reasoning
        row["usage_estimated"] = metrics.usage_estimated or found.estimated
        if input_tokens is not None:
            counts = TokenCounts(input_tokens, output_tokens, cache_read, cache_write)
            target = ctx.attempts[-1].target.partition("/")[2] if ctx.attempts else ""
            cost = self._prices.cost(counts, str(row.get("model_answered", "")), target, row["model_routed"])
            if cost is not None:
                row["cost_usd"] = str(cost)

    def _body(self, value: dict[str, Any], row: dict[str, Any]) -> str:
        """JSON that is cut inside its longest strings, so that it stays JSON."""
        text = json.dumps_text(value)
        limit = self._settings.capture.max_bytes
        for longest in _SHORTENED_TO:
            if len(text) <= limit:
                return text
            row["truncated"] = True
            text = json.dumps_text(_shortened(value, longest))
        return self._cut(text, row)

    def _cut(self, text: str, row: dict[str, Any]) -> str:
        if len(text) > self._settings.capture.max_bytes:
            row["truncated"] = True
            return text[: self._settings.capture.max_bytes]
        return text


def _outcome(ctx: RequestContext) -> tuple[str, int]:
    """(status, HTTP status). The gateway notes the status that went out in `metadata`."""
    error = ctx.error
    sent = ctx.metadata.get("status")
    if error is None:
        return "ok", sent if isinstance(sent, int) and sent else 200
    http_status = sent if isinstance(sent, int) and sent else int(getattr(error, "status", None) or 500)
    left = getattr(error, "code", None) == "client_disconnected" or http_status == _CLIENT_CLOSED
    if left or isinstance(error, asyncio.CancelledError | ConnectionError):
        return "cancelled", _CLIENT_CLOSED
    refused = isinstance(error, GatewayError) and not isinstance(error, ModelError) and http_status < 500
    return "refused" if refused else "error", http_status


def _provider(ctx: RequestContext, last: Attempt | None) -> str:
    return (last.target.partition("/")[0] if last is not None else "") or ctx.target_model_provider or ""


def _attempt(attempt: Attempt, started: float, secrets: list[str]) -> dict[str, Any]:
    line: dict[str, Any] = {
        "model": attempt.model,
        "target": attempt.target,
        "start_ms": round((attempt.started - started) * 1000, 3),
    }
    if attempt.first_token is not None:
        line["first_token_ms"] = round((attempt.first_token - started) * 1000, 3)
    if attempt.ended is not None:
        line["end_ms"] = round((attempt.ended - started) * 1000, 3)
    if attempt.status is not None:
        line["status"] = attempt.status
    if attempt.error is not None:
        line["error"] = without_secrets(attempt.error, secrets)[:_EXCERPT_CHARACTERS]
        line["kind"] = attempt.kind
    if attempt.resent:
        line["resent"] = True
    return line


def _tags(metadata: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, str]:
    tags: dict[str, str] = {}
    for name in names:
        value: Any = metadata
        for key in name.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        if isinstance(value, str | int | float | bool):
            tags[name] = str(value)[:1000]
        elif isinstance(value, Mapping):
            tags.update({f"{name}.{key}": str(one)[:1000] for key, one in value.items() if isinstance(one, str | int)})
        elif isinstance(value, list | tuple):
            tags[name] = ", ".join(str(one) for one in value)[:1000]
    return tags


def _shortened(value: Any, longest: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= longest else f"{value[:longest]}… [{len(value) - longest} characters cut]"
    if isinstance(value, dict):
        return {key: _shortened(one, longest) for key, one in value.items()}
    if isinstance(value, list):
        return [_shortened(one, longest) for one in value]
    return value


def _line(row: dict[str, Any]) -> bytes:
    line = json.dumps(row)
    if b"\\ud" in line:
        # Half a surrogate pair, which ClickHouse refuses; escapes inside the bodies' own JSON are left as text.
        line = json.dumps(_without_surrogates(row))
    return line + b"\n"


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_without_surrogates(one) for one in value]
    return value
