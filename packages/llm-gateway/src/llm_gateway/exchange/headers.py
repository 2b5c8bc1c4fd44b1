"""The headers of a reply, as functions of the request and of the attempt that the reply comes from."""

from __future__ import annotations

import re
import time
from functools import lru_cache
from typing import Any

from llm_gateway_sdk import Dialect, GatewayError, ModelError, RequestContext, RequestRejected
from llm_gateway_sdk.losses import Losses

from ..wire.crossing import upstream_to_client
from ..wire.headers import translate_limits
from .attempt import HeaderPairs, LiveAttempt
from .outlet import Headers

__all__ = [
    "EVENT_STREAM",
    "JSON",
    "content_type",
    "encode",
    "find",
    "limits",
    "lines_of_plugins",
    "loss_text",
    "of_error",
    "of_plugins",
    "of_refusal",
    "own",
    "relayed",
    "relayed_lines",
    "request_id",
    "stream",
    "translated_limits",
    "with_source",
]

JSON = (b"content-type", b"application/json")
EVENT_STREAM = (b"content-type", b"text/event-stream; charset=utf-8")
_FOR_BROWSERS = ((b"x-content-type-options", b"nosniff"), (b"content-security-policy", b"sandbox"))
"""Of a provider's page or picture, which a browser may be led to: its scripts do not run as those of the console do."""
_HARMLESS = ("application/json", "text/event-stream")
_UNBUFFERED = ((b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no"))
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
_FRAMING = frozenset({"connection", "content-encoding", "content-length", "content-type", "transfer-encoding"})
_LONGEST_LOSSES = 1000


def own(ctx: RequestContext, attempt: LiveAttempt | None, *, timed: bool, with_plugins: bool = True) -> Headers:
    """The gateway's own, and those that plugins have set. `attempt` is the one that the reply comes from, or the last
    one where it comes from none. `timed`: with the times of the request's parts."""
    headers: Headers = [(b"x-request-id", ctx.request_id.encode("latin-1", "replace"))]
    attempts = ctx.attempts
    if attempts:
        headers += ((b"x-llm-gateway-model", _ascii(attempts[-1].model)),)
        if len(attempts) > 1:
            headers.append((b"x-llm-gateway-attempts", b"%d" % len(attempts)))
    if attempt is not None and attempt.losses is not None:
        headers.append((b"x-llm-gateway-losses", _ascii(attempt.losses)))
    if timed:
        headers.append((b"server-timing", _server_timing(ctx)))
    if with_plugins and ctx.reply_headers:
        headers.extend(of_plugins(ctx))
    return headers


def of_refusal(request_id: str) -> Headers:
    """The headers of an error without an exchange: there is none yet, or it could not even report its failure."""
    return [
        (b"x-request-id", request_id.encode("latin-1", "replace")),
        (b"x-llm-gateway-error-source", b"gateway"),
        JSON,
    ]


def relayed(upstream: HeaderPairs, kind: str) -> Headers:
    """A provider's, for a client of the same dialect. `kind` is the type of its content."""
    headers = encode(upstream_to_client(upstream))
    return [*headers, *_typed(kind or "application/json")]


def relayed_lines(upstream: HeaderPairs, kind: str) -> bytes:
    """The same as they are sent, each with its line end. Raises ValueError where one would break the head."""
    lines = []
    for item in upstream:
        line = _LINES.get(item)
        if line is None:
            line = _learn(item)
        if line:
            if line is _NAMES_OTHERS:
                pairs = relayed(upstream, kind)
                return b"".join([_line(name, value) for name, value in pairs])
            lines.append(line)
    kind = kind or "application/json"
    lines.append(_TYPES.get(kind) or _learn_type(kind))
    return b"".join(lines)


def _learn(item: tuple[str, str]) -> bytes:
    """The line of a provider's header for a client of the same dialect; empty where it does not go there."""
    name, value = item
    line = b""
    if name == "connection":
        line = b"" if value.lower() in ("keep-alive", "close") else _NAMES_OTHERS
    elif upstream_to_client([item]):
        line = _line(name.encode("latin-1"), value.encode("latin-1"))
    if len(value) <= _LONGEST_KNOWN:
        if len(_LINES) >= _MOST_LINES:
            _LINES.clear()  # of most, half are counts and times that do not come again
        _LINES[item] = line
    return line


def _line(name: bytes, value: bytes) -> bytes:
    line = b"%b: %b" % (name, value)
    if b"\n" in line or b"\r" in line or 0 in line:
        raise ValueError("a reply header holds a line break or NUL")
    return line + b"\r\n"


def _learn_type(kind: str) -> bytes:
    line = b"".join([_line(*header) for header in _typed(kind)])
    if len(kind) <= _LONGEST_KNOWN and len(_TYPES) < _MOST_LINES:
        _TYPES[kind] = line
    return line


_LINES: dict[tuple[str, str], bytes] = {}
"""By header of a provider: what a client gets of it. Providers send most of their headers again and again."""
_TYPES: dict[str, bytes] = {}
_MOST_LINES = 2048
_NAMES_OTHERS = b"connection"
"""Such a header makes others the business of one hop."""


def with_source(headers: Headers, ctx: RequestContext, error: GatewayError) -> Headers:
    """The headers of an error: who has refused, by which limit, and that the gateway has tried again already."""
    headers.append((b"x-llm-gateway-error-source", b"upstream" if isinstance(error, ModelError) else b"gateway"))
    if isinstance(error, RequestRejected) and error.limit is not None:
        headers.append((b"x-llm-gateway-limit", error.limit.encode("ascii", "replace")))
    if len(ctx.attempts) > 1:
        headers.append((b"x-should-retry", b"false"))
    return headers


def limits(ctx: RequestContext, client: Dialect, attempt: LiveAttempt | None) -> Headers:
    """What a client learns of the provider's reply next to its body: all of it in the same dialect, else its limits."""
    if attempt is None:
        return request_id(ctx, client)
    if attempt.same_dialect:
        return encode(upstream_to_client(attempt.headers))
    if not attempt.headers:
        return request_id(ctx, client)
    return [*translated_limits(client, attempt.headers), *request_id(ctx, client)]


def translated_limits(client: Dialect, upstream: HeaderPairs) -> Headers:
    """A provider's limits in the client's terms, without those that can't be read: a good reply stays one."""
    return encode(translate_limits(upstream, client.name, now=time.time()))


def stream(ctx: RequestContext, client: Dialect, attempt: LiveAttempt | None, *, timed: bool) -> Headers:
    """Of a streamed reply. `attempt` is the one whose content opens it; None where a keep-alive does, before it is
    known which attempt will answer."""
    writer = attempt.writer if attempt is not None else None
    kind = EVENT_STREAM if writer is None else (b"content-type", writer.content_type.encode("latin-1"))
    rest = [item for item in limits(ctx, client, attempt) if item[0] not in (b"cache-control", b"x-accel-buffering")]
    return [*own(ctx, attempt, timed=timed), kind, *_UNBUFFERED, *rest]


def request_id(ctx: RequestContext, client: Dialect, given: str | None = None) -> Headers:
    """The request's id where the client's API has its own header for it, which its SDK shows."""
    name = client.request_id_header
    if name == "x-request-id":
        return []
    value = _value(given) if given else ctx.request_id.encode("latin-1", "replace")
    return [(name.encode("latin-1"), value)]


def find(headers: HeaderPairs, name: str, default: str = "") -> str:
    for key, value in headers:
        if key == name:
            return value
    return default


def content_type(headers: HeaderPairs) -> Headers:
    """The type of a body that a provider has written, as a client gets it."""
    return _typed(find(headers, "content-type", "application/json"))


def _typed(kind: str) -> Headers:
    written = (b"content-type", kind.encode("latin-1", "replace"))
    return [written] if kind.startswith(_HARMLESS) else [written, *_FOR_BROWSERS]


def encode(headers: HeaderPairs) -> Headers:
    """Of headers that have come in a head."""
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]


def loss_text(losses: Losses) -> str | None:
    """What was lost, in one line that is not too long for a header; None where nothing was."""
    if not losses:
        return None
    listed = [str(loss) for loss in losses]
    text = "; ".join(listed)
    while len(text) > _LONGEST_LOSSES and listed:
        listed.pop()
        text = "; ".join(listed) + f"; … and {len(losses) - len(listed)} more"
    return _CONTROL.sub(" ", text)


def _value(text: str) -> bytes:
    """A header's value, whatever a provider's error named: what no head can hold is replaced."""
    return _CONTROL.sub(" ", text).encode("latin-1", "replace")


def _ascii(text: str) -> bytes:
    return text.encode("ascii", "replace")


def of_plugins(ctx: RequestContext) -> Headers:
    """What plugins add; what frames the body is not theirs to set. Raises GatewayError where a name is not a string."""
    given: dict[Any, Any] = ctx.reply_headers  # plugins are foreign code
    found: Headers = []
    for name, value in given.items():
        if type(name) is not str and not isinstance(name, str):
            raise GatewayError(f"A plugin has set a reply header whose name is {name!r}.", code="plugin_error")
        text = value if type(value) is str else str(value)
        header = _sendable(name, text) if text[_LONGEST_KNOWN:] else _known(name, text)
        if header is not None:
            found.append(header)
    return found


def lines_of_plugins(ctx: RequestContext) -> bytes:
    """The same as they are sent, each with its line end."""
    items = tuple(ctx.reply_headers.items())
    for name, value in items:
        if type(name) is not str or type(value) is not str:  # what is equal may be written differently: 1 and True
            return b"".join([_line(*header) for header in of_plugins(ctx)])
    lines = _GIVEN.get(items)
    if lines is None:
        lines = b"".join([_line(*header) for header in of_plugins(ctx)])
        if len(lines) <= _LONGEST_GIVEN:
            if len(_GIVEN) >= _MOST_LINES:
                _GIVEN.clear()
            _GIVEN[items] = lines
    return lines


_GIVEN: dict[tuple[tuple[str, str], ...], bytes] = {}
"""The lines of what plugins have set: many requests have the same limits."""
_LONGEST_GIVEN = 1024


def _sendable(name: str, value: str) -> tuple[bytes, bytes] | None:
    """A plugin's header as it is sent; None where the name is not one, or frames the body."""
    name = name.strip().lower()
    if name in _FRAMING or not _TOKEN.fullmatch(name):
        return None
    return _ascii(name), _ascii(_CONTROL.sub(" ", value))


_known = lru_cache(maxsize=2048)(_sendable)
"""The same for short values, of which most come again: limits, models, names."""
_LONGEST_KNOWN = 64


def _server_timing(ctx: RequestContext) -> bytes:
    now = time.time()
    entries = [f"total;dur={(now - ctx.metrics.started) * 1000:.2f}"]
    for attempt in ctx.attempts:
        ended = attempt.ended or now
        entries.append(f'upstream;desc="{attempt.model}";dur={(ended - attempt.started) * 1000:.2f}')
    entries.extend(f'plugin;desc="{name}";dur={seconds * 1000:.3f}' for name, seconds in ctx.timings.items())
    return _ascii(", ".join(entries))


def of_error(written: list[tuple[str, str]], present: Headers) -> Headers:
    """What a dialect writes of an error in headers, such as the error's type, beyond those that are there."""
    known = {name for name, _ in present} | {b"retry-after"}
    made = [(name.encode("latin-1"), _value(value)) for name, value in written]
    return [item for item in made if item[0] not in known]
