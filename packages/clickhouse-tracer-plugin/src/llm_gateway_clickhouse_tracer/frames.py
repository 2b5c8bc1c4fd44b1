"""A finished request as a frame: what the spool holds until it becomes a row.

Taken on the event loop, after the reply has left, so that everything here is a copy of references and one call of the
JSON engine: some ten microseconds. Bodies that nobody opened go in as they are on the wire and are decoded by whoever
turns frames into rows (`record.py`); opened ones go in as canonical JSON, as the plugins left them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final

from llm_gateway_sdk import Attempt, DialectError, GatewayError, ModelError, RequestContext
from llm_gateway_sdk.wire import json

from .canonical import dump_request, dump_response
from .redaction import Redactor
from .settings import TracerSettings

__all__ = ["FrameTaker", "encode_frame"]

_CLIENT_CLOSED: Final = 499
_LONGEST_MESSAGE: Final = 2000
_REQUEST_HEADERS: Final = ("anthropic-version", "anthropic-beta", "content-type")
"""What a dialect may want to know to read a body."""


class FrameTaker:
    def __init__(self, settings: TracerSettings) -> None:
        self._capture = settings.capture
        self._redactor = Redactor(settings)

    def take(self, ctx: RequestContext) -> dict[str, Any]:
        """The frame, as a value for the JSON engine.

        A text is taken only where every plugin had its turn: where one refused, those behind it did not hide what they
        would have hidden. So a request that was never sent is recorded without its text, and of a reply that was
        refused only that which had gone out.
        """
        frame = self.bare(ctx)
        capture = self._capture
        walked = ctx.error is None or isinstance(ctx.error, ModelError)
        if capture.request != "none" and ctx.has_request and ctx.attempts and walked:
            frame["request"] = _request(ctx)
        if capture.response != "none" and (response := _response(ctx, walked=walked)) is not None:
            frame["response"] = response
        if capture.original == "all":
            frame["original"] = ctx.http_request.body.decode(errors="replace")
        return frame

    def bare(self, ctx: RequestContext) -> dict[str, Any]:
        """The frame without bodies."""
        metrics, http, error = ctx.metrics, ctx.http_request, ctx.error
        status, http_status = _outcome(ctx)
        frame: dict[str, Any] = {
            "v": 1,
            "id": ctx.request_id,
            "project": ctx.project,
            "adapter": ctx.adapter,
            "dialect": ctx.client_dialect,
            "operation": ctx.operation,
            "caller": ctx.caller,
            "client_ip": ctx.client_ip,
            "asked": ctx.requested_model,
            "routed": ctx.target_model,
            "provider": ctx.target_model_provider,
            "stream": ctx.streaming,
            "status": status,
            "http_status": http_status,
            "started": metrics.started,
            "ended": metrics.ended if metrics.ended is not None else time.time(),
            "first_token": metrics.first_token,
            "usage": (
                metrics.input_tokens,
                metrics.output_tokens,
                metrics.cache_read_tokens,
                metrics.cache_write_tokens,
                metrics.reasoning_tokens,
                metrics.usage_estimated,
            ),
            "method": http.method,
            "path": http.path,
            "headers": self._redactor.headers(http.raw_headers),
            "timings": ctx.timings,
            "attempts": ctx.attempts,
        }
        if error is not None or any(attempt.error is not None for attempt in ctx.attempts):
            self._add_errors(frame, ctx)
        if ctx.losses:
            frame["losses"] = [f"{loss.side}: {loss}" for loss in ctx.losses]
        if len(ctx.metadata) > 1 or (ctx.metadata and "status" not in ctx.metadata):
            frame["tags"] = _tags(ctx.metadata, self._capture.metadata)
        if ctx.attempt_data.get("reply_truncated"):
            frame["cut"] = True  # the gateway could not keep all of the reply
        return frame

    def _add_errors(self, frame: dict[str, Any], ctx: RequestContext) -> None:
        secrets = self._redactor.secrets(ctx.http_request.raw_headers)
        hide = self._redactor.without_secrets
        if ctx.error is not None:
            frame["error_kind"] = str(getattr(ctx.error, "kind", None) or type(ctx.error).__name__)
            frame["error"] = hide(str(ctx.error), secrets)[:_LONGEST_MESSAGE]
        frame["attempts"] = [_without_secrets(one, hide(one.error or "", secrets)) for one in ctx.attempts]


def encode_frame(frame: dict[str, Any]) -> bytes:
    """The frame as one line."""
    try:
        return json.dumps(frame) + b"\n"
    except TypeError:
        # With half a surrogate pair in a text the JSON engine takes its slow way, which knows no dataclasses.
        frame["attempts"] = [_without_secrets(one, one.error or "") for one in frame["attempts"]]
        return json.dumps(frame) + b"\n"


def _request(ctx: RequestContext) -> dict[str, Any] | None:
    payload = ctx.request_payload
    if payload is not None and not payload.opened and not payload.replaced:
        http = ctx.http_request
        headers = [(name, value) for name, value in http.raw_headers.items if name in _REQUEST_HEADERS]
        return {"raw": http.body.decode(errors="replace"), "headers": headers}
    try:
        return {"value": dump_request(ctx.request)}
    except (DialectError, GatewayError, ValueError, LookupError):
        return None  # the client's body made no sense, and the frame's error says so


def _response(ctx: RequestContext, *, walked: bool) -> dict[str, Any] | None:
    if not walked:
        sent = ctx.accumulated_response
        return {"value": dump_response(sent)} if sent is not None else None
    payload, wire = ctx.response_payload, ctx.upstream_response
    if payload is not None and not payload.opened and not payload.replaced and wire is not None and wire.body:
        # Nobody looked, so that these very bytes went to the client, in the client's own dialect.
        return {"raw": wire.body.decode(errors="replace"), "stream": ctx.streaming, "status": wire.status}
    try:
        response = ctx.response
    except (DialectError, GatewayError, ValueError, LookupError):
        return None
    return {"value": dump_response(response)} if response is not None else None


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


def _without_secrets(attempt: Attempt, error: str) -> dict[str, Any]:
    return {
        "model": attempt.model,
        "target": attempt.target,
        "started": attempt.started,
        "first_token": attempt.first_token,
        "ended": attempt.ended,
        "status": attempt.status,
        "error": error[:_LONGEST_MESSAGE] or None,
        "kind": attempt.kind,
        "resent": attempt.resent,
    }


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
