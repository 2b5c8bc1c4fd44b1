"""Token counts. OpenAI API reference, "The chat completion object", `usage`, and what other servers add to it."""

from __future__ import annotations

import re
from typing import Any

from llm_gateway_sdk.operations.reading import count
from llm_gateway_sdk.response import Usage
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.wire.pieces import PIECE_BYTES, last_place

from .fields import NAME, own

__all__ = ["decode_usage", "encode_usage", "find_usage"]


def decode_usage(wire: Any) -> Usage | None:
    """None where nothing is counted. Counts that are no whole numbers from 0 on are taken as absent."""
    if not isinstance(wire, dict):
        return None
    prompt, completion = wire.get("prompt_tokens"), wire.get("completion_tokens")
    if type(prompt) is not int or type(completion) is not int or prompt < 0 or completion < 0:
        prompt, completion = count(prompt), count(completion)
    if prompt is None and completion is None:
        return None
    usage = Usage(prompt, completion)
    rest = {} if _FIELDS.issuperset(wire) else {key: value for key, value in wire.items() if key not in _FIELDS}
    details = wire.get("prompt_tokens_details")
    if isinstance(details, dict):
        read, written = details.get("cached_tokens"), details.get("cache_write_tokens")
        heard = details.get("audio_tokens")
        usage.cache_read_tokens = read if read is None or (type(read) is int and read >= 0) else count(read)
        usage.cache_write_tokens = None if written is None else count(written)
        known = heard is None or (type(heard) is int and heard >= 0)
        usage.input_audio_tokens = heard if known else count(heard)
        if not _PROMPT_DETAILS.issuperset(details):
            _keep_more(rest, "prompt_tokens_details", details, _PROMPT_DETAILS)
    if rest and usage.cache_read_tokens is None:
        usage.cache_read_tokens = _first(wire.get("prompt_cache_hit_tokens"), wire.get("cached_tokens"))
    details = wire.get("completion_tokens_details")
    if isinstance(details, dict):
        thought, spoken = details.get("reasoning_tokens"), details.get("audio_tokens")
        usage.reasoning_tokens = thought if type(thought) is int and thought >= 0 else count(thought)
        usage.output_audio_tokens = spoken if spoken is None or (type(spoken) is int and spoken >= 0) else count(spoken)
        if not _COMPLETION_DETAILS.issuperset(details):
            accepted, rejected = details.get("accepted_prediction_tokens"), details.get("rejected_prediction_tokens")
            if accepted is not None and rejected is not None and details.keys() == _OPENAI_COMPLETION:
                # All that OpenAI's own replies have.
                more = {"accepted_prediction_tokens": accepted, "rejected_prediction_tokens": rejected}
                rest["completion_tokens_details"] = more
            else:
                _keep_more(rest, "completion_tokens_details", details, _COMPLETION_DETAILS)
    if prompt is not None and usage.cache_read_tokens:
        _reconcile(usage, prompt, usage.cache_read_tokens)
    reasoning = usage.reasoning_tokens
    if reasoning and wire.get("total_tokens") == (prompt or 0) + (completion or 0) + reasoning:
        # xAI counts reasoning in addition to `completion_tokens`, not within.
        usage.output_tokens = (completion or 0) + reasoning
    if rest:
        usage.provider_metadata = {NAME: rest}
    return usage


def _reconcile(usage: Usage, prompt: int, read: int) -> None:
    """Makes counts of the cache parts of the prompt where a server counts them in another way."""
    written = usage.cache_write_tokens or 0
    if read > prompt:
        # Some (Grok on Azure) count what was read from the cache next to the prompt, not within.
        usage.input_tokens = prompt + read + written
    elif read + written > prompt and written <= read:
        # OpenRouter counts what was just written among what is cached.
        usage.cache_read_tokens = read - written


_FIELDS = frozenset(
    {"prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "completion_tokens_details"}
)
_PROMPT_DETAILS = frozenset({"cached_tokens", "cache_write_tokens", "audio_tokens"})
_COMPLETION_DETAILS = frozenset({"reasoning_tokens", "audio_tokens"})
_OPENAI_COMPLETION = _COMPLETION_DETAILS | {"accepted_prediction_tokens", "rejected_prediction_tokens"}


def _keep_more(rest: dict[str, Any], key: str, details: dict[str, Any], known: frozenset[str]) -> None:
    more = {name: value for name, value in details.items() if name not in known and value is not None}
    if more:
        rest[key] = more


def _first(*values: Any) -> int | None:
    for value in values:
        found = count(value)
        if found is not None:
            return found
    return None


def encode_usage(usage: Usage | None) -> dict[str, Any] | None:
    """None where input or output is unknown: the format has no way to say so but to leave usage out."""
    if usage is None or usage.input_tokens is None or usage.output_tokens is None:
        return None
    prompt: dict[str, Any] = {}
    if usage.cache_read_tokens is not None:
        prompt["cached_tokens"] = usage.cache_read_tokens
    if usage.cache_write_tokens is not None:
        prompt["cache_write_tokens"] = usage.cache_write_tokens
    if usage.input_audio_tokens is not None:
        prompt["audio_tokens"] = usage.input_audio_tokens
    completion: dict[str, Any] = {}
    if usage.reasoning_tokens is not None:
        completion["reasoning_tokens"] = usage.reasoning_tokens
    if usage.output_audio_tokens is not None:
        completion["audio_tokens"] = usage.output_audio_tokens
    rest = own(usage.provider_metadata)
    if rest:
        _add_details(prompt, rest.pop("prompt_tokens_details", None))
        _add_details(completion, rest.pop("completion_tokens_details", None))
    wire: dict[str, Any] = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
    if prompt:
        wire["prompt_tokens_details"] = prompt
    if completion:
        wire["completion_tokens_details"] = completion
    wire.update(rest)
    return wire


def _add_details(counts: dict[str, Any], more: Any) -> None:
    if isinstance(more, dict):
        counts.update(more)


class _Prompt(json.Shape, forbid_unknown_fields=True):
    cached_tokens: json.Count | None = None
    cache_write_tokens: json.Count | None = None
    audio_tokens: json.Count | None = None


class _Completion(json.Shape, forbid_unknown_fields=True):
    reasoning_tokens: json.Count | None = None
    audio_tokens: json.Count | None = None
    accepted_prediction_tokens: json.Count | None = None
    rejected_prediction_tokens: json.Count | None = None


class _Counts(json.Shape, forbid_unknown_fields=True):
    prompt_tokens: json.Count
    completion_tokens: json.Count
    total_tokens: json.Count = 0
    prompt_tokens_details: _Prompt | None = None
    completion_tokens_details: _Completion | None = None


class _End(json.Shape):
    """What follows in a reply from its usage on."""

    usage: _Counts


_read_end = json.reader(_End)


def _plain_usage(end: bytes) -> Usage | None:
    """The usage that begins here and is of a reply's top level, where it has OpenAI's own fields alone and nothing of
    it is counted in another way: what nearly all replies have, read without a dictionary. None leaves it to
    `decode_usage`."""
    found = _read_end(b"{" + end)
    if found is None:
        return None
    counts = found.usage
    usage = Usage(counts.prompt_tokens, counts.completion_tokens)
    prompt, completion = counts.prompt_tokens_details, counts.completion_tokens_details
    if prompt is not None:
        if (prompt.cached_tokens or 0) + (prompt.cache_write_tokens or 0) > counts.prompt_tokens:
            return None
        usage.cache_read_tokens, usage.cache_write_tokens = prompt.cached_tokens, prompt.cache_write_tokens
        usage.input_audio_tokens = prompt.audio_tokens
    if completion is not None:
        reasoning = completion.reasoning_tokens
        if reasoning and counts.total_tokens == counts.prompt_tokens + counts.completion_tokens + reasoning:
            return None
        usage.reasoning_tokens, usage.output_audio_tokens = completion.reasoning_tokens, completion.audio_tokens
        accepted, rejected = completion.accepted_prediction_tokens, completion.rejected_prediction_tokens
        if accepted is not None and rejected is not None:
            more = {"accepted_prediction_tokens": accepted, "rejected_prediction_tokens": rejected}
            usage.provider_metadata = {NAME: {"completion_tokens_details": more}}
        elif accepted is not rejected:
            return None
    return usage


def find_usage(tail: bytes) -> Usage | None:
    """The usage in a whole body, or in the last of a stream's events that has one."""
    if (last_place(tail, b'"usage"') if tail[PIECE_BYTES:_BEYOND_PIECE] else tail.rfind(b'"usage"')) < 0:
        return None
    if tail.lstrip()[:1] == b"{":
        return _usage_of(tail)
    for line in reversed(_LINE.split(tail)):
        if line.startswith(b"data:") and b'"usage"' in line:
            usage = _usage_of(line[5:])
            if usage is not None:
                return usage
    return None


_LINE = re.compile(rb"\r\n|\n|\r")
_BEYOND_PIECE = PIECE_BYTES + 1


def _usage_of(data: bytes) -> Usage | None:
    # It is near the end, as a rule, and what comes before needs no reading.
    is_long = data[PIECE_BYTES:_BEYOND_PIECE]
    place = last_place(data, b'"usage"') if is_long else data.rfind(b'"usage"')
    if place >= 0:
        usage = _plain_usage(data[place:])
        if usage is None:
            end = json.members_from(data, "usage")
            usage = decode_usage(end.get("usage")) if end is not None else None
        if usage is not None:
            # Inside of a JSON text a quote is escaped: this is a key.
            place = last_place(data, b'"service_tier"') if is_long else data.rfind(b'"service_tier"')
            if place >= 0 and (tier := _TIER.match(data, place)) is not None:
                usage.service_tier = tier[1].decode()
            return usage
    body = _pick(data)
    return usage_in(body) if body is not None else None


_TIER = re.compile(rb'"service_tier"\s*:\s*"([A-Za-z_-]+)"')
_pick = json.picker("usage", "x_groq", "service_tier")


def usage_in(body: dict[str, Any]) -> Usage | None:
    """The usage of a reply or chunk; Groq's older place is `x_groq`."""
    usage = decode_usage(body.get("usage"))
    if usage is None and "x_groq" in body and isinstance(body["x_groq"], dict):
        usage = decode_usage(body["x_groq"].get("usage"))
    if usage is not None and type(tier := body.get("service_tier")) is str:
        usage.service_tier = tier
    return usage
