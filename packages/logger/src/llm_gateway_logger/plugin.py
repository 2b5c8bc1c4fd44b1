"""Writes one line per request, after its reply has left."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable
from typing import Any

from llm_gateway_sdk import GatewayError, Plugin, RequestContext, plugin_metadata
from llm_gateway_sdk.heavy import is_heavy_exchange, run_aside
from llm_gateway_sdk.secrets import is_secret_header

__all__ = ["RequestLogger"]

_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "level": {
            "enum": list(_LEVELS),
            "default": "info",
            "description": (
                "`debug` adds texts and headers, `warning` leaves out what went well, `error` logs only failures."
            ),
        },
        "include": {
            "type": "array",
            "items": {"enum": ["usage", "timings", "losses", "headers", "request", "response"]},
            "description": "What the line holds in addition to the outcome. Default: usage; at debug everything.",
        },
        "maxLength": {
            "type": "integer",
            "minimum": 0,
            "default": 2000,
            "description": "Characters of a request's or reply's text that are written.",
        },
    },
    "additionalProperties": False,
    "examples": [{"level": "info"}],
}


@plugin_metadata(
    name="logger",
    version="0.1.0",
    description="Logs each request with its outcome, secrets masked.",
    configuration_schema=_SCHEMA,
    keywords=("logging", "monitoring"),
)
class RequestLogger(Plugin):
    """Lines go to the logger `llm_gateway.requests`, with their fields as record attributes for JSON logs."""

    async def configure(self, config: Any) -> None:
        self._level = _LEVELS[config.get("level", "info")]
        everything = ["usage", "timings", "losses", "headers", "request", "response"]
        self._include = frozenset(config.get("include", everything if self._level == logging.DEBUG else ["usage"]))
        self._max_length: int = config.get("maxLength", 2000)
        self._log = logging.getLogger("llm_gateway.requests")

    def detached_after_response(self, ctx: RequestContext) -> Awaitable[None] | None:
        if is_heavy_exchange(ctx):
            return run_aside(self._write, ctx)
        self._write(ctx)
        return None

    def _write(self, ctx: RequestContext) -> None:
        status = ctx.status or 0
        failed = ctx.error is not None or status >= 400
        severity = (
            logging.ERROR if status >= 500 or (failed and status < 400) else logging.WARNING if failed else logging.INFO
        )
        if severity < min(self._level, logging.ERROR) or not self._log.isEnabledFor(severity):
            return
        fields = self._fields(ctx, status)
        line = " ".join(f"{name}={_written(value)}" for name, value in fields.items() if value is not None)
        summary = f"{ctx.operation} {status}"
        self._log.log(severity, "%s", line, extra={"request": fields, "summary": summary})

    def _fields(self, ctx: RequestContext, status: int) -> dict[str, Any]:
        last = ctx.attempts[-1] if ctx.attempts else None
        metrics = ctx.metrics
        fields: dict[str, Any] = {
            "request_id": ctx.request_id,
            "project": ctx.project,
            "adapter": ctx.adapter,
            "operation": ctx.operation,
            "status": status,
            "model_asked": ctx.requested_model,
            "model": last.model if last else None,
            "target": last.target if last else None,
            "caller": ctx.caller,
            "stream": ctx.streaming,
            "duration_ms": None if metrics.duration_ms is None else round(metrics.duration_ms, 1),
            "attempts": len(ctx.attempts),
        }
        if metrics.first_token is not None:
            fields["first_token_ms"] = round((metrics.first_token - metrics.started) * 1000, 1)
        if ctx.error is not None:
            fields["error"] = str(ctx.error)
            if isinstance(ctx.error, GatewayError):
                fields["error_kind"] = ctx.error.recorded_kind
        if len(ctx.attempts) > 1 or ctx.error is not None:
            failed = [each for each in ctx.attempts if each.error is not None or (each.status or 0) >= 400]
            fields["failed_attempts"] = [f"{each.model} ({each.target}): {each.outcome}" for each in failed] or None
        if "usage" in self._include:
            fields["input_tokens"] = metrics.input_tokens
            fields["output_tokens"] = metrics.output_tokens
        if "timings" in self._include and ctx.timings:
            fields["timings_ms"] = {name: round(seconds * 1000, 3) for name, seconds in ctx.timings.items()}
        if "losses" in self._include and ctx.losses:
            fields["losses"] = [str(loss) for loss in ctx.losses]
        if "headers" in self._include:
            fields["headers"] = _masked(ctx.headers)
        if "request" in self._include and ctx.has_request:
            fields["request"] = self._cut("\n".join(f"{message.role}: {message.text}" for message in _messages(ctx)))
        if "response" in self._include and (text := _reply_text(ctx)) is not None:
            fields["response"] = self._cut(text)
        return fields

    def _cut(self, text: str) -> str:
        return text if len(text) <= self._max_length else f"{text[: self._max_length]}… ({len(text)} characters)"


def _messages(ctx: RequestContext) -> list[Any]:
    try:
        return list(ctx.request.messages)
    except GatewayError:
        return []  # the client's body did not decode; the error reports it


def _reply_text(ctx: RequestContext) -> str | None:
    try:
        return None if ctx.response is None else ctx.response.text
    except GatewayError:
        return None  # bytes that passed through and are not what the provider's API promises


def _written(value: object) -> str:
    """One word, whatever a client has put into it: a line of the log stays one line with its own fields."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    plain = text.isprintable() and not any(sign in text for sign in ' "=') if isinstance(value, str) else True
    return text if plain else json.dumps(text, ensure_ascii=False)


def _masked(headers: dict[str, str]) -> dict[str, str]:
    return {name: "***" if is_secret_header(name) else value for name, value in headers.items()}
