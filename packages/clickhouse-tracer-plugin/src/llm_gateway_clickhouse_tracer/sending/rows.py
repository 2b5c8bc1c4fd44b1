"""Frames become rows: JSON objects whose keys are the columns of `database/schema.py`.

Runs where it delays no request: in the process or thread that sends (`shipper.py`). Bodies are decoded here by their
dialects; what does not decode is recorded as it is on the wire.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import entry_points
from typing import Any, Final

from llm_gateway_sdk import (
    Accumulator,
    Dialect,
    DialectError,
    Headers,
    LLMResponse,
    Mint,
    Usage,
    WireReply,
    WireRequest,
)
from llm_gateway_sdk.charges import Charge
from llm_gateway_sdk.wire import json

from ..capture.canonical import dump_request, dump_response
from ..capture.frames import Frame, decode_frame
from ..capture.redaction import HIDDEN
from ..counters import Counters
from ..prices import PriceTable
from ..rare_warning import RareWarning
from ..settings import TracerSettings
from ..spool.framing import records_of
from .interactions import interaction_id, last_user_text, session_id, text_of, user_id

__all__ = ["Dialects", "Recorder"]

logger = logging.getLogger(__name__)

_EXCERPT_CHARACTERS: Final = 2000
_SHORTENED_TO: Final = (65_536, 4_096, 256)
_MINT: Final = Mint(lambda prefix: prefix, lambda: 0)
"""Ids and times that a reply lacks are of no interest in a record."""

_ROW_AT_ONCE: Final = b'{"row":'
"""A record that was made a row before it went into the spool."""

_NANO: Final = Decimal("0.000000001")
_USAGE: Final = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")

_PAID: Final = (
    "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens",
    "input_audio_tokens", "output_audio_tokens", "input_image_tokens", "output_image_tokens", "service_tier",
    "tool_calls", "pieces", "requests", "cache_read_audio_tokens", "cache_read_image_tokens",
)  # fmt: skip


class Dialects:
    """The installed dialects by name, loaded when first needed."""

    def __init__(self, known: Mapping[str, Dialect] | None = None) -> None:
        self._known: dict[str, Dialect | None] = dict(known or {})

    def find(self, name: str) -> Dialect | None:
        if name not in self._known:
            found = [one for one in entry_points(group="llm_gateway.dialects") if one.name == name]
            self._known[name] = found[0].load()() if found else None
        return self._known[name]


class Recorder:
    """Holds no state of requests."""

    def __init__(
        self, settings: TracerSettings, prices: PriceTable, counters: Counters, dialects: Dialects | None = None
    ) -> None:
        self._settings = settings
        self._prices = prices
        self._counters = counters
        self._dialects = dialects or Dialects()
        self._gateway = socket.gethostname()
        self._warn = RareWarning(logger)

    def rows(self, segment: bytes) -> bytes:
        """A segment's records as rows, one line each, in order."""
        return b"".join([self.line(record) for record in records_of(segment)])

    def line(self, record: bytes) -> bytes:
        """The row with its line feed; nothing for a record that is none. Never raises."""
        if record.startswith(_ROW_AT_ONCE):
            return record[len(_ROW_AT_ONCE) : -2] + b"\n"
        try:
            frame = decode_frame(record)
        except ValueError as error:
            self._counters.unreadable += 1
            self._warn("a record of the spool can't be read and is left out: %s", error, exc_info=True)
            return b""
        try:
            return _line(self.row(frame))
        except Exception:  # a dialect of somebody else's may raise anything
            self._counters.unreadable += 1
            self._warn("a trace is recorded without its bodies (request %s)", frame["id"], exc_info=True)
            return _line(self._bare_row(frame))

    def row(self, frame: Frame) -> dict[str, Any]:
        row = self._bare_row(frame)
        capture, headers = self._settings.capture, row["headers"]
        held, answered, original = frame["request"], frame["response"], frame["original"]
        request = self._request(frame, held) if held is not None else None
        response = self._response(frame, answered) if answered is not None else None
        row["interaction_id"] = interaction_id(
            request, response, scope=f"{frame['project']}\0{frame['caller'] or ''}", request_id=frame["id"]
        )
        row["session_id"] = session_id(headers, request)
        row["user_id"] = user_id(headers, request)
        if request is not None:
            self._add_request(row, request, text=capture.request == "all")
        elif held is not None and capture.request == "all":
            row["request"] = self._raw(frame, held, row)
        if response is not None:
            self._add_response(row, response, text=capture.response == "all")
        elif answered is not None and capture.response == "all":
            row["response"] = self._raw(frame, answered, row)
        if original is not None:
            row["original"] = self._raw(frame, original, row)
        self._add_usage(row, frame, response)
        return row

    def _bare_row(self, frame: Frame) -> dict[str, Any]:
        """What needs no body."""
        started, first_token, headers = frame["started"], frame["first_token"], _joined(frame["headers"])
        attempts = frame["attempts"]
        last = attempts[-1] if attempts else None
        row: dict[str, Any] = {
            "ts": datetime.fromtimestamp(started, UTC).isoformat(timespec="microseconds"),
            "request_id": frame["id"],
            "interaction_id": frame["id"],
            "project": frame["project"],
            "adapter": frame["adapter"],
            "dialect": frame["dialect"],
            "operation": frame["operation"],
            "caller": frame["caller"] or "",
            "client_ip": frame["client_ip"] or "",
            "user_agent": headers.get("user-agent", ""),
            "model_requested": frame["asked"] or "",
            "model_routed": last["model"] if last else frame["routed"] or "",
            "provider": (last["target"].partition("/")[0] if last else "") or frame["provider"] or "",
            "status": frame["status"],
            "http_status": frame["http_status"],
            "error_kind": frame.get("error_kind", ""),
            "error": frame.get("error", ""),
            "attempts": min(255, len(attempts)),
            "stream": frame["stream"],
            "duration_us": max(0, round((frame["ended"] - started) * 1e6)),
            "losses": frame.get("losses", []),
            "tags": frame.get("tags", {}),
            "method": frame["method"],
            "path": frame["path"],
            "headers": headers,
            "gateway": self._gateway,
            "timings": {name: round(seconds * 1e6) for name, seconds in frame["timings"].items()},
        }
        if "who" in frame:
            row["principal"], row["team"], row["org"], row["labels"] = frame["who"]
        if first_token is not None:
            row["ttft_us"] = max(0, round((first_token - started) * 1e6))
        if attempts:
            row["attempt_log"] = json.dumps_text([_attempt(one, started) for one in attempts])
        if frame.get("cut"):
            row["truncated"] = True
        return row

    def _request(self, frame: Frame, held: Any) -> dict[str, Any] | None:
        if isinstance(held, dict):
            return held
        dialect = self._dialects.find(frame["dialect"])
        if dialect is None:
            return None
        headers = Headers.of([(name, value) for name, value in frame["headers"]])
        wire = WireRequest(frame["method"], frame["path"], "", headers, frame["bodies"][held])
        try:
            return dump_request(dialect.decode_request(wire)[0])
        except DialectError:
            return None  # the client's body made no sense, and the frame's error reports it

    def _response(self, frame: Frame, held: Any) -> dict[str, Any] | None:
        if isinstance(held, dict):
            return held
        dialect = self._dialects.find(frame["dialect"])
        if dialect is None:
            return None
        try:
            return dump_response(_decoded(dialect, frame, frame["bodies"][held]))
        except DialectError:
            self._counters.unreadable += 1
            return None

    def _add_request(self, row: dict[str, Any], request: Mapping[str, Any], *, text: bool) -> None:
        row["messages"] = len(request["messages"])
        row["tools_offered"] = min(65535, len(request.get("tools") or ()))
        if text:
            row["prompt"] = last_user_text(request)[:_EXCERPT_CHARACTERS]
            row["request"] = self._body(request, row)

    def _add_response(self, row: dict[str, Any], response: Mapping[str, Any], *, text: bool) -> None:
        choices = response["choices"]
        row["model_answered"] = response.get("model", "")
        row["tool_calls"] = [
            str(part.get("name", ""))
            for choice in choices
            for part in choice["message"]["content"]
            if part["type"] == "tool_call"
        ]
        if choices:
            row["finish_reason"] = choices[0].get("finish_reason") or ""
            row["raw_finish_reason"] = choices[0].get("raw_finish_reason") or ""
        if text:
            row["answer"] = text_of(choices[0]["message"])[:_EXCERPT_CHARACTERS] if choices else ""
            row["response"] = self._body(response, row)

    def _add_usage(self, row: dict[str, Any], frame: Frame, response: Mapping[str, Any] | None) -> None:
        """Null where it is unknown; what the gateway booked goes before the counts of the reply."""
        *booked, estimated = frame["usage"]
        reported = (response or {}).get("usage") or {}
        for name, count in zip(_USAGE, booked, strict=True):
            row[name] = count if count is not None else reported.get(name)
        row["usage_estimated"] = bool(estimated or reported.get("estimated"))
        if row["input_tokens"] is not None and (charges := self._charges(row, frame["attempts"])):
            row["cost_usd"] = str(sum(each.nanos for each in charges) * _NANO)
            row["unpriced"] = sorted({kind for each in charges for kind in each.unpriced})

    def _charges(self, row: Mapping[str, Any], attempts: Sequence[Mapping[str, Any]]) -> list[Charge]:
        """Of all attempts, each at the price of its model; empty where that of one is unknown."""
        used = [each for each in attempts if each.get("usage")]
        if used:
            charges = [self._charge(_paid(each["usage"]), each, row, last=each is attempts[-1]) for each in used]
        else:
            # The gateway has booked nothing; the reply reports it.
            usage = Usage(**{name: row[name] for name in _USAGE})
            charges = [self._charge(usage, attempts[-1] if attempts else {}, row, last=True)]
        known = [each for each in charges if each is not None]
        return known if len(known) == len(charges) else []

    def _charge(self, usage: Usage, attempt: Mapping[str, Any], row: Mapping[str, Any], *, last: bool) -> Charge | None:
        provider, _, target = attempt.get("target", "").partition("/")
        answered = str(row.get("model_answered", "")) if last else ""
        return self._prices.charge(usage, answered, target, attempt.get("model", ""), provider=provider)

    def _body(self, value: Mapping[str, Any], row: dict[str, Any]) -> str:
        """JSON that is cut inside its longest strings, so that it stays JSON."""
        text = json.dumps_text(value)
        limit = self._settings.capture.max_bytes
        for longest in _SHORTENED_TO:
            if len(text) <= limit:
                return text
            row["truncated"] = True
            text = json.dumps_text(_shortened(value, longest))
        return self._cut(text, row)

    def _raw(self, frame: Frame, place: int, row: dict[str, Any]) -> str:
        return self._cut(frame["bodies"][place].decode(errors="replace"), row)

    def _cut(self, text: str, row: dict[str, Any]) -> str:
        if len(text) > self._settings.capture.max_bytes:
            row["truncated"] = True
            return text[: self._settings.capture.max_bytes]
        return text


def _decoded(dialect: Dialect, frame: Frame, body: bytes) -> LLMResponse:
    if not frame["stream"]:
        return dialect.decode_response(WireReply(frame["response_status"], Headers(), body), _MINT)
    decoder, total = dialect.stream_decoder(_MINT), Accumulator()
    for chunk in (*decoder.feed(body), *decoder.close()):
        total.add(chunk)
    return total.value()


def _joined(items: list[tuple[str, str]]) -> dict[str, str]:
    """Headers by name; several of one name in one line."""
    headers: dict[str, str] = {}
    for name, value in items:
        headers[name] = f"{headers[name]}, {value}" if name in headers and value != HIDDEN else value
    return headers


def _paid(booked: Mapping[str, Any]) -> Usage:
    """The counts of an attempt, as far as prices depend on them."""
    return Usage(**{name: booked[name] for name in _PAID if booked.get(name) is not None})


def _attempt(attempt: Mapping[str, Any], started: float) -> dict[str, Any]:
    line = {
        "model": attempt["model"],
        "target": attempt["target"],
        "start_ms": round((attempt["started"] - started) * 1000, 3),
    }
    for name, moment in (("first_token_ms", attempt["first_token"]), ("end_ms", attempt["ended"])):
        if moment is not None:
            line[name] = round((moment - started) * 1000, 3)
    for name in ("status", "error", "kind", "resent"):
        if attempt[name]:
            line[name] = attempt[name]
    return line


def _shortened(value: Any, longest: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= longest else f"{value[:longest]}… [{len(value) - longest} characters cut]"
    if isinstance(value, Mapping):
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
