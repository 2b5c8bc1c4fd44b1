"""What each attempt has used, however it ended.

A provider that answers to the end reports its own counts. Where a reply broke off, or its client left, the count is
made from what was sent: the request's estimate for what went in, and the text that came for what came out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import ceil
from typing import Any

from llm_gateway_sdk import DialectError, GatewayError, LLMResponse, Usage
from llm_gateway_sdk.estimate import estimate_text
from llm_gateway_sdk.metering import estimate_output, record_cut
from llm_gateway_sdk.operations.form import OperationForm
from llm_gateway_sdk.operations.reading import count
from llm_gateway_sdk.values import replace
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.wire.json import JSON

from .attempt import LiveAttempt
from .kept_reply import KeptReply
from .request import ClientRequest

__all__ = ["count_broken_off", "count_unreported", "usage_in_body"]

_USAGE = re.compile(rb'"(usage|usageMetadata|meta)"\s*:\s*(\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\})')
_BARE = re.compile(rb'"prompt_eval_count"\s*:\s*(\d{1,15})\b')
"""Ollama's, which is in no object by itself."""
_TEXTS = re.compile(
    rb'"(?:text|thinking|reasoning|reasoning_content|content|partial_json|arguments|delta|input)"'
    rb'\s*:\s*"((?:[^"\\]|\\.)*)"'
)
"""What a reply's events write their text in, of any dialect."""
_DURATION = re.compile(rb'"duration"\s*:\s*"?(\d{1,9}(?:\.\d{1,20})?)')
_TIMES = re.compile(rb"-->\s*(?:(\d{1,9}):)?(\d\d):(\d\d)")
"""How long a recording was: of JSON with times, else the last time of subtitles."""
_UNCOUNTED = frozenset({"count_tokens", "models", "stored", "native", "file"})
_INPUT = ("prompt_tokens", "input_tokens", "promptTokenCount", "total_tokens", "totalTokenCount")
_OUTPUT = ("completion_tokens", "output_tokens", "candidatesTokenCount")


def usage_in_body(begin: bytes, end: bytes, form: OperationForm[Any, Any] | None = None) -> Usage | None:
    """What a JSON body that was handed on reports, found in its first and last bytes; None where it reports nothing.
    `form` is the provider's, where it has one."""
    for part in (end, begin):
        for match in reversed(list(_USAGE.finditer(part))):
            try:
                found = json.loads(match[2])
            except ValueError:
                continue
            own = form.usage_of({match[1].decode(): found}) if form is not None else None
            if own is not None and (own.input_tokens is not None or own.pieces):
                return own
            found = found.get("billed_units", found)  # Cohere's
            if not isinstance(found, dict):
                continue
            counted, produced = _first_count(found, _INPUT), _first_count(found, _OUTPUT)
            if counted is not None:
                return Usage(input_tokens=counted, output_tokens=produced)
    bare = _BARE.search(end) or _BARE.search(begin)
    if bare is not None:
        return Usage(input_tokens=int(bare[1]))
    if form is None or form.operation != "transcribe":
        return None
    length = _seconds_of(begin, end)
    return None if length is None else form.usage_of({"duration": length})


def _seconds_of(begin: bytes, end: bytes) -> float | None:
    written = _DURATION.search(begin) or _DURATION.search(end)
    if written is not None:
        return float(written[1])
    times = _TIMES.findall(end)
    if not times:
        return None
    hours, minutes, seconds = times[-1]
    # The last words of subtitles end a moment before the recording does.
    return float(int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + 1)


def _first_count(found: JSON, names: Sequence[str]) -> int | None:
    for name in names:
        value = count(found.get(name))
        if value is not None:
            return value
    return None


def count_broken_off(request: ClientRequest, attempt: LiveAttempt, *, bills_all: bool = False) -> None:
    """Notes what an attempt has used that ended before its reply did. Nothing was used where the request never went
    out, or was refused; and a count that a provider does not report is unknown, which is not zero. A provider that did
    not answer in time has the request, as one has whose client left. `bills_all`: the provider bills the most that the
    request allows."""
    ctx, entry = request.ctx, attempt.entry
    answered = entry.status is not None and 200 <= entry.status < 300
    left = attempt.given_up or (attempt.sent and entry.status is None and entry.kind is None)
    if ctx.operation in _UNCOUNTED or not (answered or left):
        return
    output = estimate_output(_what_came(request, attempt)) or _by_bytes(request, attempt)
    estimate = ctx.estimate()
    if bills_all:
        output = max(output, _most_output(request, attempt, estimate.output_tokens))
    record_cut(entry, attempt.reported, input_tokens=estimate.input_tokens, output_tokens=output)


def count_unreported(request: ClientRequest, attempt: LiveAttempt) -> None:
    """Estimates what the provider of a whole reply has not reported: some servers report no usage, some leave it out
    of their streams, and who keeps accounts needs a number for each reply."""
    ctx, entry = request.ctx, attempt.entry
    usage = entry.usage
    if ctx.operation != "generate":
        return
    if usage is not None and usage.input_tokens is not None and usage.output_tokens is not None:
        return
    counted = entry.usage = Usage() if usage is None else replace(usage)
    if counted.input_tokens is None:
        counted.input_tokens, entry.input_precision = ctx.estimate().input_tokens, "estimated"
    if counted.output_tokens is None:
        output = estimate_output(_whole_reply(request, attempt)) or _by_bytes(request, attempt)
        counted.output_tokens, entry.output_precision = output, "estimated"
    counted.estimated = True


def _whole_reply(request: ClientRequest, attempt: LiveAttempt) -> LLMResponse | None:
    ctx = request.ctx
    if ctx.accumulated_response is not None:
        return ctx.accumulated_response
    if ctx.response_payload is None or attempt.truncated:
        return None
    try:
        return ctx.response_payload.value
    except (DialectError, GatewayError, ValueError):
        return None


def _most_output(request: ClientRequest, attempt: LiveAttempt, asked: int | None) -> int:
    """The most output tokens that the request allows; where it sets no limit, what the model can produce at most."""
    if asked is not None:
        return asked
    facts = attempt.target.described(request.ctx.requested_model).facts
    ceiling = facts.max_output if facts is not None else None
    return ceiling or 0


def _what_came(request: ClientRequest, attempt: LiveAttempt) -> LLMResponse | None:
    if attempt.partial is not None:
        return attempt.partial
    if attempt.is_heavy and (came := request.ctx.accumulated_response) is not None:
        return came
    if not attempt.retained or attempt.truncated or attempt.dialect is None:
        return None
    try:
        return KeptReply(attempt.dialect, attempt.retained, request.services.mint).decode_begun()
    except (DialectError, GatewayError, ValueError):
        return None


def _by_bytes(request: ClientRequest, attempt: LiveAttempt) -> int:
    """Of a stream that was forwarded and not retained: its last events represent the others."""
    dialect, sample = attempt.dialect, attempt.ends_with
    if dialect is None or not attempt.sent_bytes or not sample:
        return 0
    # Of a short stream the first event is among the last ones.
    pieces = [sample] if attempt.begins_with in sample else [attempt.begins_with, sample]
    try:
        counted = float(estimate_output(KeptReply(dialect, pieces, request.services.mint).decode_begun()))
    except (DialectError, GatewayError, ValueError):
        counted = 0.0
    if not counted:
        # The middle is missing, and with it the beginning of the block that the last events belong to.
        found = [text for piece in pieces for text in _TEXTS.findall(piece)]
        counted = estimate_text(b"".join(found).decode(errors="replace"))
    return ceil(counted * max(1.0, attempt.sent_bytes / sum(map(len, pieces))))
