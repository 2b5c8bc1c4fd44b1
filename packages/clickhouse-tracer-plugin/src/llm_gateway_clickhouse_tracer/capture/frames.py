"""A finished request as a frame: what the spool holds until it becomes a row.

Taken on the event loop, after the reply has left, so that everything here is a copy of references and one call of the
JSON engine: some ten microseconds, however long the bodies are. Those that no plugin opened go in as they are on the
wire and are decoded where frames become rows (`sending/rows.py`); opened ones go in as canonical JSON, as the plugins
left them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final, TypeAlias

from llm_gateway_sdk import (
    Attempt,
    DialectError,
    GatewayError,
    ModelError,
    PluginError,
    RequestContext,
    RequestRejected,
)
from llm_gateway_sdk.wire import json

from ..settings import TracerSettings
from ..spool.framing import Record, encode_record, parts_of
from .canonical import dump_request, dump_response
from .redaction import Redactor

__all__ = ["Frame", "FrameTaker", "decode_frame"]

Frame: TypeAlias = dict[str, Any]
"""By the names of `_FIELDS`, `bodies`, and what there is of `error`, `error_kind`, `losses`, `tags`, `who`, `cut`."""

_FIELDS: Final = (
    "version", "id", "project", "adapter", "dialect", "operation", "caller", "client_ip", "asked", "routed", "provider",
    "stream", "status", "http_status", "started", "ended", "first_token", "usage", "method", "path", "headers",
    "timings", "attempts", "request", "response", "response_status", "original", "rest",
)  # fmt: skip
"""`request`, `response` and `original` are None, a canonical value, or the place of a body among the bodies."""

_VERSION: Final = 2
_CLIENT_CLOSED: Final = 499
_LONGEST_MESSAGE: Final = 2000

HIDDEN_COUNTS: Final = "hidden"
"""Where in `ctx.metadata` plugins count what they hid, by what it was: always recorded, as it holds no text."""


class FrameTaker:
    def __init__(self, settings: TracerSettings) -> None:
        self._capture = settings.capture
        self._redactor = Redactor(settings)

    def take(self, ctx: RequestContext, *, with_bodies: bool = True) -> Record:
        """The frame as a record for the spool.

        A text is taken only where every plugin had its turn: where one refused, those after it did not hide what they
        would have hidden. So a request that was never sent is recorded without its text, and of a reply that was
        refused only that which had gone out.
        """
        request = response = original = response_status = None
        bodies: tuple[bytes, ...] = ()
        error, capture = ctx.error, self._capture
        if with_bodies:
            # The context itself withholds what a plugin refused; of what failed otherwise, all plugins have had a look.
            walked = error is None or not isinstance(error, RequestRejected | PluginError)
            if capture.request != "none" and ctx.has_request and ctx.attempts and walked:
                request, bodies = _request(ctx)
            if capture.response != "none":
                response, response_status, bodies = _response(ctx, bodies, walked=walked)
            if capture.original == "all":
                original, bodies = len(bodies), (*bodies, ctx.http_request.body)
        metrics, http = ctx.metrics, ctx.http_request
        status, http_status = _outcome(ctx)
        attempts: list[Any] = ctx.attempts
        rest = self._rest(ctx)
        if rest and "attempts" in rest:
            attempts = rest.pop("attempts")
        # A tuple and no dictionary, for it costs half; the order is that of `_FIELDS`.
        head = (
            _VERSION, ctx.request_id, ctx.project, ctx.adapter, ctx.client_dialect, ctx.operation, ctx.caller,
            ctx.client_ip, ctx.requested_model, ctx.target_model, ctx.target_model_provider, ctx.streaming, status,
            http_status, metrics.started, metrics.ended if metrics.ended is not None else time.time(),
            metrics.first_token,
            (
                metrics.input_tokens, metrics.output_tokens, metrics.cache_read_tokens, metrics.cache_write_tokens,
                metrics.reasoning_tokens, metrics.usage_estimated,
            ),
            http.method, http.path, self._redactor.headers(http.raw_headers.items), ctx.timings, attempts, request,
            response, response_status, original, rest,
        )  # fmt: skip
        return encode_record(_encode(head), bodies)

    def _rest(self, ctx: RequestContext) -> dict[str, Any] | None:
        """What most requests have not."""
        attempts, metadata = ctx.attempts, ctx.metadata
        plain = ctx.error is None and (not attempts or (len(attempts) == 1 and attempts[0].error is None))
        tagged = len(metadata) > 1 or (metadata and "status" not in metadata)
        cut = ctx.reply_truncated
        principal = ctx.principal if ctx.caller is not None else None
        if principal is not None and principal.id == principal.name and not (principal.team or principal.labels):
            principal = None  # it is all in its name
        if plain and not tagged and not cut and not ctx.losses and principal is None:
            return None
        rest: dict[str, Any] = {}
        if principal is not None:
            rest["who"] = (principal.id, principal.team or "", principal.org or "", dict(principal.labels))
        if not plain:
            self._add_errors(rest, ctx)
        if ctx.losses:
            rest["losses"] = [f"{loss.side}: {loss}" for loss in ctx.losses]
        if tagged:
            rest["tags"] = _tags(metadata, (HIDDEN_COUNTS, *self._capture.metadata))
        if cut:
            rest["cut"] = True  # the gateway could not keep all of the reply
        return rest

    def _add_errors(self, rest: dict[str, Any], ctx: RequestContext) -> None:
        secrets = self._redactor.secrets(ctx.http_request.raw_headers)
        hide = self._redactor.without_secrets
        if ctx.error is not None:
            error = ctx.error
            rest["error_kind"] = error.recorded_kind if isinstance(error, GatewayError) else type(error).__name__
            rest["error"] = hide(str(ctx.error), secrets)[:_LONGEST_MESSAGE]
        rest["attempts"] = [_plain_attempt(one, hide(one.error or "", secrets)) for one in ctx.attempts]


def decode_frame(record: bytes) -> Frame:
    """Raises ValueError where the record is none of this version's."""
    head, bodies = parts_of(record)
    values = json.loads(head)
    if not isinstance(values, list) or values[:1] != [_VERSION] or len(values) != len(_FIELDS):
        raise ValueError("not a record of this version")
    frame: Frame = dict(zip(_FIELDS, values, strict=True))
    frame.update(frame.pop("rest") or {})
    frame["bodies"] = bodies
    return frame


def _encode(head: tuple[Any, ...]) -> bytes:
    try:
        return json.dumps(head)
    except TypeError:
        # With half a surrogate pair in a text the JSON engine takes its slow way, which knows no dataclasses.
        return json.dumps(
            [
                [_plain_attempt(one, one.error or "") if isinstance(one, Attempt) else one for one in value]
                if name == "attempts"
                else value
                for name, value in zip(_FIELDS, head, strict=True)
            ]
        )


def _request(ctx: RequestContext) -> tuple[Any, tuple[bytes, ...]]:
    """(place or value, bodies)"""
    payload = ctx.request_payload
    if payload is not None and not payload.opened and not payload.replaced:
        return 0, (ctx.http_request.body,)
    try:
        return dump_request(ctx.request), ()
    except (DialectError, GatewayError, ValueError, LookupError):
        return None, ()  # the client's body made no sense, and the frame's error reports it


def _response(
    ctx: RequestContext, bodies: tuple[bytes, ...], *, walked: bool
) -> tuple[Any, int | None, tuple[bytes, ...]]:
    """(place or value, status that came with the body, bodies)"""
    if not walked:
        sent = ctx.accumulated_response
        return (dump_response(sent) if sent is not None else None), None, bodies
    payload, wire = ctx.response_payload, ctx.upstream_response
    if payload is not None and not payload.opened and not payload.replaced and wire is not None and wire.body:
        # No plugin looked, so that these very bytes went to the client, in the client's own dialect.
        return len(bodies), wire.status, (*bodies, wire.body)
    try:
        response = ctx.response
    except (DialectError, GatewayError, ValueError, LookupError):
        return None, None, bodies
    return (dump_response(response) if response is not None else None), None, bodies


def _outcome(ctx: RequestContext) -> tuple[str, int]:
    """(status, HTTP status). `ctx.status` is the one that went out."""
    error = ctx.error
    sent = ctx.status
    if error is None:
        return "ok", sent if isinstance(sent, int) and sent else 200
    http_status = sent if isinstance(sent, int) and sent else int(getattr(error, "status", None) or 500)
    left = getattr(error, "code", None) == "client_disconnected" or http_status == _CLIENT_CLOSED
    if left or isinstance(error, asyncio.CancelledError | ConnectionError):
        return "cancelled", _CLIENT_CLOSED
    refused = isinstance(error, GatewayError) and not isinstance(error, ModelError) and http_status < 500
    return "refused" if refused else "error", http_status


def _plain_attempt(attempt: Attempt, error: str) -> dict[str, Any]:
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
        "usage": None if attempt.usage is None else asdict(attempt.usage),
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
