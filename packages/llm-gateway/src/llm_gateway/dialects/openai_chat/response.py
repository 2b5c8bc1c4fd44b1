"""Whole replies. OpenAI API reference, "The chat completion object", and what other servers add to it."""

from __future__ import annotations

from typing import Any

from llm_gateway_sdk.conventions import unwrap_custom_input
from llm_gateway_sdk.dialect import Headers, Mint, WireReply
from llm_gateway_sdk.dialects.answer import broken_end, finish_that_fits
from llm_gateway_sdk.dialects.reply_coverage import drop_part
from llm_gateway_sdk.errors import DialectError
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.parts import (
    Citation,
    MediaPart,
    OpaquePart,
    Part,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
)
from llm_gateway_sdk.request import Message
from llm_gateway_sdk.response import Choice, LLMResponse, refusal_of
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.wire.media import build_data_url, split_data_url

from .errors import error_in, error_of_choice
from .fields import (
    NAME,
    as_object,
    extras,
    form_of,
    optional_list,
    optional_object,
    optional_str,
    own,
    read_object,
)
from .parts import (
    THINKING_FIELDS,
    decode_content,
    decode_thinking,
    read_extra_content,
    thinking_block,
    thinking_detail,
    write_extra_content,
)
from .request import ChatEcho
from .sources import SOURCES, cite, sources_of
from .tools import decode_call, decode_function_call, encode_call, is_legacy
from .usage import encode_usage, usage_in

__all__ = [
    "CHOICE_FIELDS",
    "FINISH_REASONS",
    "MESSAGE_FIELDS",
    "REPLY_FIELDS",
    "SERVICE_TIERS",
    "annotation_of",
    "citation_of",
    "decode_body",
    "decode_finish",
    "decode_response",
    "encode_finish",
    "encode_response",
]


def decode_response(wire: WireReply, mint: Mint) -> LLMResponse:
    return decode_body(read_object(wire.body), mint)


def decode_body(body: dict[str, Any], mint: Mint) -> LLMResponse:
    choices = optional_list(body.get("choices"), "choices")
    if not choices:
        error = error_in(body)
        if error is None:
            raise DialectError("the reply holds no answer", path="choices")
        # OpenRouter answers 200 with a body that reports that its provider failed.
        return LLMResponse(model=text_of(body.get("model")), error=error)
    identity, model, created = body.get("id"), body.get("model"), body.get("created")
    response = LLMResponse(
        identity if type(identity) is str else text_of(identity),
        model if type(model) is str else text_of(model),
        created if type(created) is int else _time(created),
        [_decode_choice(choice, place, mint) for place, choice in enumerate(choices)],
        usage_in(body),
        optional_str(body.get("service_tier"), "service_tier"),
    )
    response.error = broken_end(response.choices)
    if response.error is not None:
        response.error = error_of_choice(choices[0]) or response.error
    rest = extras(body, REPLY_FIELDS)
    if rest:
        response.provider_metadata = {NAME: rest}
        for choice in response.choices if not SOURCES.isdisjoint(rest) and (sources := sources_of(rest)) else ():
            cite(choice, sources)
    return response


REPLY_FIELDS = frozenset(
    {"id", "model", "created", "object", "choices", "usage", "service_tier", "obfuscation", "error"}
)
CHOICE_FIELDS = frozenset({"index", "message", "delta", "finish_reason", "logprobs"})
MESSAGE_FIELDS = frozenset(
    {
        "role", "content", "name", "refusal", "audio", "annotations", "tool_calls", "function_call", "extra_content",
        "images", *THINKING_FIELDS,
    }
)  # fmt: skip


def text_of(value: Any) -> str:
    """Ids and names as they come; some servers number them."""
    if isinstance(value, str):
        return value
    return "" if value is None or isinstance(value, bool | dict | list) else str(value)


def _time(value: Any) -> int | None:
    if type(value) is int:
        return value
    return int(value) if type(value) is float else None


def _decode_choice(wire: Any, place: int, mint: Mint) -> Choice:
    path = f"choices[{place}]"
    wire = as_object(wire, path)
    index = wire.get("index")
    wire_message = as_object(wire.get("message"), f"{path}.message")
    message = _decode_spoken(wire_message) or _decode_message(wire_message, f"{path}.message", mint)
    word = optional_str(wire.get("finish_reason"), f"{path}.finish_reason")
    finish, raw = decode_finish(word, answered=bool(message.content))
    choice = Choice(index if type(index) is int else place, message, finish, raw)
    if (logprobs := wire.get("logprobs")) is not None:
        choice.logprobs = as_object(logprobs, f"{path}.logprobs")
    rest = extras(wire, CHOICE_FIELDS)
    if raw is not None and finish is not None and FINISH_REASONS.get(finish) != raw:
        rest["finish_reason"] = raw
    if rest:
        choice.provider_metadata = {NAME: rest}
    return choice


def _decode_spoken(wire: dict[str, Any]) -> Message | None:
    """A message of text whose other fields are null or empty, as in most replies: what `_decode_message` makes of it,
    in a few steps. None for any other."""
    text = wire.get("content")
    if type(text) is not str or not text:
        return None
    for key, value in wire.items():
        if value is not None and key != "content" and key != "role" and (value != [] or key not in _LISTS):
            return None
    return Message("assistant", [TextPart(text, [], index=0)])


_LISTS = frozenset({"annotations", "tool_calls", "images"})


def _decode_message(wire: dict[str, Any], path: str, mint: Mint) -> Message:
    spoken, _ = decode_content(wire.get("content"), f"{path}.content")
    content: list[Part] = [*decode_thinking(wire, path), *spoken]
    refusal = optional_str(wire.get("refusal"), f"{path}.refusal")
    if refusal:
        content.append(RefusalPart(refusal))
    carrier = next((part for part in reversed(spoken) if isinstance(part, TextPart)), None)
    annotations = [
        note for note in optional_list(wire.get("annotations"), f"{path}.annotations") if isinstance(note, dict)
    ]
    if carrier is None and (annotations or (wire.get("extra_content") and not wire.get("tool_calls"))):
        carrier = TextPart()
        content.append(carrier)
    if carrier is not None:
        carrier.citations = [citation_of(note) for note in annotations]
        read_extra_content(wire, carrier)
    audio = optional_object(wire.get("audio"), f"{path}.audio")
    if audio is not None:
        content.append(_decode_audio(audio))
    content.extend(decode_image(image) for image in optional_list(wire.get("images"), f"{path}.images"))
    for place, call in enumerate(optional_list(wire.get("tool_calls"), f"{path}.tool_calls")):
        content.append(decode_call(call, f"{path}.tool_calls[{place}]"))
    if wire.get("function_call") is not None:
        content.append(decode_function_call(wire["function_call"], f"{path}.function_call"))
    for index, part in enumerate(content):
        part.index = index
        if isinstance(part, ToolCallPart) and not part.id:
            part.id = mint.id("call_")
    message = Message("assistant", content)
    rest = extras(wire, MESSAGE_FIELDS)
    if rest:
        message.provider_metadata = {NAME: rest}
    return message


def _decode_audio(wire: dict[str, Any]) -> MediaPart:
    rest = {key: value for key, value in wire.items() if key != "data"}
    data = wire.get("data")
    return MediaPart("audio", data=data if isinstance(data, str) else "", provider_metadata={NAME: {"audio": rest}})


def decode_image(wire: Any) -> Part:
    """`images` of a reply: OpenRouter's way to hand over what a model drew."""
    url = wire.get("image_url") if isinstance(wire, dict) else None
    url = url.get("url") if isinstance(url, dict) else url
    if not isinstance(url, str):
        return OpaquePart(dialect=NAME, data=wire)
    data = split_data_url(url)
    return MediaPart("image", url=url) if data is None else MediaPart("image", media_type=data[0], data=data[1])


def encode_image(part: MediaPart, index: int) -> dict[str, Any] | None:
    url = build_data_url(part.media_type, part.data) if part.data is not None else part.url
    return None if url is None else {"type": "image_url", "image_url": {"url": url}, "index": index}


def citation_of(note: dict[str, Any]) -> Citation:
    """One of `annotations`."""
    kind, inner = note.get("type"), note.get("url_citation")
    if kind == "url_citation" and isinstance(inner, dict):
        rest = extras(inner, frozenset({"url", "title", "start_index", "end_index", "content"}))
        return Citation(
            "url",
            url=_text(inner.get("url")),
            title=_text(inner.get("title")),
            cited_text=_text(inner.get("content")),
            start=_integer(inner.get("start_index")),
            end=_integer(inner.get("end_index")),
            provider_metadata={NAME: rest} if rest else {},
        )
    return Citation(kind if isinstance(kind, str) else "unknown", provider_metadata={NAME: {"annotation": note}})


def annotation_of(citation: Citation, losses: Losses, *, text_length: int) -> dict[str, Any] | None:
    """The counterpart. An annotation is a link: what cites a document without an address has no place here."""
    kept = own(citation.provider_metadata)
    if "annotation" in kept:
        annotation: dict[str, Any] = kept["annotation"]
        return annotation
    if not citation.url:
        losses.dropped("choices[*].message.content[*].citations", f"{citation.kind} citation")
        return None
    inner: dict[str, Any] = {
        "url": citation.url,
        "title": citation.title or citation.url,
        "start_index": citation.start if citation.start is not None else 0,
        "end_index": citation.end if citation.end is not None else text_length,
    }
    if citation.cited_text is not None:
        inner["content"] = citation.cited_text
    return {"type": "url_citation", "url_citation": {**inner, **kept}}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _integer(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


# Finish reasons

FINISH_REASONS = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "content_filter",
    "pause": "stop",
    "error": "stop",
}
"""Canonical → Chat."""

_CANONICAL = {
    "stop": "stop", "length": "length", "tool_calls": "tool_calls", "content_filter": "content_filter",
    "function_call": "tool_calls", "error": "error",
    # Other servers' words: Mistral, Together, Fireworks, xAI, DeepSeek, and proxies that pass a vendor's own through.
    "eos": "stop", "eos_token": "stop", "end_turn": "stop", "stop_sequence": "stop", "complete": "stop", "end": "stop",
    "model_length": "length", "max_tokens": "length", "max_output_tokens": "length", "tool_use": "tool_calls",
    "tool_call": "tool_calls", "safety": "content_filter", "sensitive": "content_filter", "refusal": "refusal",
    "insufficient_system_resource": "error", "network_error": "error",
}  # fmt: skip


def decode_finish(raw: str | None, *, answered: bool = True) -> tuple[str | None, str | None]:
    """(canonical, raw). An unknown word is an end like any other where there is an answer, and else an error."""
    if not raw:
        return None, None
    return _CANONICAL.get(raw) or _CANONICAL.get(raw.lower()) or ("stop" if answered else "error"), raw


def encode_finish(choice: Choice, *, calls: bool, refused: bool, legacy: bool) -> str:
    """The finish reason that a client reads. `calls`, `refused`: the message has tool calls, a refusal in words."""
    reason = finish_that_fits(choice.finish_reason, calls=calls) or "stop"
    if reason == "tool_calls" and legacy:
        return "function_call"
    if reason == "refusal" and refused:
        return "stop"  # the words are in `refusal`
    return FINISH_REASONS.get(reason, "stop")


# Writing


def encode_response(response: LLMResponse, echo: ChatEcho, mint: Mint, losses: Losses) -> WireReply:
    body: dict[str, Any] = {
        "id": response.id or mint.id("chatcmpl-"),
        "object": "chat.completion",
        "created": response.created if response.created is not None else mint.now(),
        "model": response.model or echo.model,
        "choices": [_encode_choice(choice, echo, mint, losses) for choice in response.choices or [Choice()]],
    }
    usage = encode_usage(response.usage)
    if usage is not None:
        body["usage"] = usage
    if response.service_tier in SERVICE_TIERS or (response.service_tier and NAME in response.provider_metadata):
        body["service_tier"] = response.service_tier
    body.update(own(response.provider_metadata))
    return WireReply(200, Headers.of([("content-type", "application/json")]), json.dumps(body))


SERVICE_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast"})


def _encode_choice(choice: Choice, echo: ChatEcho, mint: Mint, losses: Losses) -> dict[str, Any]:
    message = _encode_message(choice.message, echo, mint, losses)
    legacy = "function_call" in message
    finish = encode_finish(
        choice, calls="tool_calls" in message or legacy, refused=bool(message["refusal"]), legacy=legacy
    )
    wire: dict[str, Any] = {
        "index": choice.index,
        "message": message,
        "logprobs": choice.logprobs,
        "finish_reason": finish,
    }
    if choice.finish_message is not None and not message["refusal"] and (words := refusal_of(choice)):
        message["refusal"] = words
    rest = own(choice.provider_metadata)
    raw = rest.pop("finish_reason", None)
    if choice.finish_reason in ("pause", "refusal", "error") and choice.raw_finish_reason is not None:
        rest.setdefault("native_finish_reason", raw or choice.raw_finish_reason)
    wire.update(rest)
    return wire


def _encode_message(message: Message, echo: ChatEcho, mint: Mint, losses: Losses) -> dict[str, Any]:
    texts: list[TextPart] = []
    thinking: list[ThinkingPart] = []
    calls: list[ToolCallPart] = []
    refusals: list[str] = []
    wire: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    images: list[dict[str, Any]] = []
    for part in message.content:
        match part:
            case TextPart():
                texts.append(part)
            case ThinkingPart():
                thinking.append(part)
            case ToolCallPart():
                calls.append(part)
            case RefusalPart():
                refusals.append(part.text)
            case MediaPart(kind="audio") if part.data is not None:
                kept = own(part.provider_metadata).get("audio")
                wire["audio"] = audio_object(part.data, kept if isinstance(kept, dict) else {}, mint)
            case MediaPart(kind="image") if (image := encode_image(part, len(images))) is not None:
                images.append(image)
            case OpaquePart(dialect=dialect) if dialect == NAME and is_audio(part):
                wire["audio"] = fold_audio(part, mint)
            case _:
                drop_part(part, losses)
    text = "".join([part.text for part in texts])
    if texts and (text or not (calls or refusals)):
        wire["content"] = text
    elif not (calls or refusals or "audio" in wire):
        wire["content"] = ""
    if refusals:
        wire["refusal"] = "".join(refusals)
    if thinking:
        wire.update(_encode_thinking(thinking))
    notes = _annotations(texts, losses)
    if notes:
        wire["annotations"] = notes
    for part in texts:
        extra = write_extra_content(part, wrapped=True)
        if extra is not None:
            wire["extra_content"] = extra
    if images:
        wire["images"] = images
    if calls:
        if echo.legacy_functions or all(is_legacy(call.provider_metadata) for call in calls):
            wire["function_call"] = {"name": calls[0].name, "arguments": calls[0].arguments or "{}"}
            if len(calls) > 1:
                losses.dropped("choices[*].message.calls", "`function_call` holds one call")
        else:
            wire["tool_calls"] = [_encode_call(call, echo, mint) for call in calls]
    if message.provider_metadata:
        wire.update(own(message.provider_metadata))
    return wire


def _encode_call(part: ToolCallPart, echo: ChatEcho, mint: Mint) -> dict[str, Any]:
    wire = encode_call(part, wrapped=True, custom=True)
    if not wire["id"]:
        wire["id"] = mint.id("call_")
    if part.kind == "function" and part.name in echo.custom_tools:
        wire["type"] = "custom"
        del wire["function"]
        wire["custom"] = {"name": part.name, "input": unwrap_custom_input(part.arguments)}
    return wire


def _encode_thinking(parts: list[ThinkingPart]) -> dict[str, Any]:
    """Readable text under the name that it came by, and every block with its proof where there is one."""
    fields: dict[str, Any] = {}
    for part in parts:
        field = form_of(part.provider_metadata).get("field")
        name = "reasoning" if field in ("reasoning", "reasoning_details") else "reasoning_content"
        if part.text:
            fields[name] = fields.get(name, "") + part.text
        if field == "reasoning_details":
            fields.setdefault("reasoning_details", []).append(thinking_detail(part))
    if any((part.signature is not None or part.redacted is not None) and not _is_detail(part) for part in parts):
        fields["thinking_blocks"] = [thinking_block(part) for part in parts if not _is_detail(part)]
    return fields


def _is_detail(part: ThinkingPart) -> bool:
    return form_of(part.provider_metadata).get("field") == "reasoning_details"


def _annotations(texts: list[TextPart], losses: Losses) -> list[dict[str, Any]]:
    """Places are counted in the whole `content`, so they move by what is before their part."""
    notes, offset = [], 0
    for part in texts:
        for citation in part.citations:
            note = annotation_of(citation, losses, text_length=len(part.text))
            if note is not None:
                notes.append(moved_annotation(note, offset))
        offset += len(part.text)
    return notes


def moved_annotation(note: dict[str, Any], offset: int) -> dict[str, Any]:
    inner = note.get("url_citation")
    if not offset or not isinstance(inner, dict):
        return note
    places = {key: inner[key] + offset for key in ("start_index", "end_index") if isinstance(inner.get(key), int)}
    return {**note, "url_citation": {**inner, **places}}


# Audio


def is_audio(part: OpaquePart) -> bool:
    return isinstance(part.data, dict) and part.data.get("type") == "audio"


def fold_audio(part: OpaquePart, mint: Mint) -> dict[str, Any]:
    """The audio of a stream, whose base64 pieces are each whole in themselves."""
    data: list[str] = []
    rest: dict[str, Any] = {}
    for delta in part.deltas:
        for key, value in delta.items():
            if key == "data" and isinstance(value, str):
                data.append(value)
            elif key == "transcript" and isinstance(value, str):
                rest[key] = rest.get(key, "") + value
            elif value is not None:
                rest[key] = value
    return audio_object("".join(data), rest, mint)


def audio_object(data: str, rest: dict[str, Any], mint: Mint) -> dict[str, Any]:
    return {
        "id": rest.get("id") or mint.id("audio_"),
        "data": data,
        "expires_at": rest.get("expires_at") or 0,
        "transcript": rest.get("transcript") or "",
        **{key: value for key, value in rest.items() if key not in ("id", "data", "expires_at", "transcript")},
    }
