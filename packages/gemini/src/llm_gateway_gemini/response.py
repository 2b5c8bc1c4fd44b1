"""`GenerateContentResponse` ↔ LLMResponse, whole or as the chunk of a stream.

The service leaves zeros out, counts thoughts next to the candidates' tokens, and sends STOP after function calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llm_gateway_sdk import (
    UNSIGNED,
    Accumulator,
    Choice,
    DialectError,
    Echo,
    ErrorInfo,
    Headers,
    LLMResponse,
    Losses,
    MediaPart,
    Mint,
    OpaquePart,
    Part,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
    Usage,
    WireReply,
)
from llm_gateway_sdk.dialects.answer import broken_end, broken_output, has_content, join_choices
from llm_gateway_sdk.dialects.reply_coverage import drop_part
from llm_gateway_sdk.operations.reading import count
from llm_gateway_sdk.response import refusal_of
from llm_gateway_sdk.wire import json

from .charges import add_grounding
from .citations import build_grounding, citations_of
from .errors import check_answer
from .parts import (
    NAME,
    arguments_object,
    decode_part,
    encode_media,
    fields,
    own,
    redacted_signature,
    signature_alone,
    write_signature,
)
from .request import GeminiEcho
from .streamed_calls import StreamedCall, is_streamed

__all__ = [
    "CandidateReader",
    "ReplyReader",
    "build_candidate",
    "build_usage",
    "decode_response",
    "decode_usage",
    "encode_finish",
    "encode_response",
    "reply_parts",
]

FINISH = {
    "STOP": "stop",
    "FINISH_REASON_UNSPECIFIED": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "CONTINUATION": "pause",
}
"""Every other word means that the model or its output broke: `error`."""

_BROKEN = frozenset(
    {
        "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE",
        "MALFORMED_RESPONSE", "OTHER",
    }
)  # fmt: skip
"""Words that mean an error after content too. A word that is not known here may be an end like any other."""

_WORDS = {
    "stop": "STOP",
    "tool_calls": "STOP",
    "length": "MAX_TOKENS",
    "content_filter": "SAFETY",
    "refusal": "SAFETY",
    "pause": "CONTINUATION",
    "error": "OTHER",
}

_COUNTED = frozenset(
    {"promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "cachedContentTokenCount", "totalTokenCount"}
)


def decode_response(wire: WireReply, mint: Mint) -> LLMResponse:
    try:
        body = json.loads(wire.body)
    except ValueError as error:
        raise DialectError(f"the reply is not valid JSON: {error}") from None
    if isinstance(body, list):  # `streamGenerateContent` without `alt=sse`
        reader, whole = ReplyReader(mint, joined=True), Accumulator()
        for item in body:
            whole.add(reader.read(_object(item)))
        return check_answer(whole.value(), body)
    return check_answer(ReplyReader(mint, joined=False).read(_object(body)), [body])


def _object(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise DialectError("expected a JSON object")
    return body


class ReplyReader:
    """Reads one reply: as a whole, or event by event. Numbers the parts of each candidate by first appearance."""

    __slots__ = ("_candidates", "_joined", "_mint", "_spoke", "ended")

    def __init__(self, mint: Mint, *, joined: bool) -> None:
        self._mint = mint
        self._joined = joined
        self._candidates: dict[int, CandidateReader] = {}
        self._spoke = False
        self.ended = False
        """A finish reason or a blocked prompt was reported."""

    def read(self, body: dict[str, Any]) -> LLMResponse:
        response = LLMResponse()
        finished = False
        for key, value in body.items():
            if value is None:
                continue
            match key:
                case "candidates":
                    if not isinstance(value, list):
                        raise DialectError("expected a list", path="candidates")
                    for position, candidate in enumerate(value):
                        choice = self._read_candidate(candidate, position)
                        finished = finished or choice.finish_reason is not None
                        response.choices.append(choice)
                case "usageMetadata":
                    pass
                case "modelVersion":
                    response.model = value if isinstance(value, str) else ""
                case "responseId":
                    response.id = value if isinstance(value, str) else ""
                case _:
                    response.provider_metadata.setdefault(NAME, {})[key] = value
        blocked = _block_reason(body)
        if blocked is not None and not response.choices:
            response.choices.append(
                Choice(
                    finish_reason="content_filter",
                    raw_finish_reason=blocked,
                    finish_message=_block_message(body),
                    provider_metadata={NAME: {"_prompt_blocked": True}},
                )
            )
            finished = True
        if finished:
            response.error = self._broken(response.choices, body)
        self._spoke = self._spoke or any(has_content(choice.message.content) for choice in response.choices)
        response.usage = add_grounding(decode_usage(body.get("usageMetadata"), final=finished), body)
        self.ended = self.ended or finished
        return response

    def _broken(self, choices: list[Choice], body: dict[str, Any]) -> ErrorInfo | None:
        """The error of an output that broke: without content under any such word, after content under known ones."""
        candidate = body["candidates"][0] if isinstance(body.get("candidates"), list) and body["candidates"] else {}
        written = candidate.get("finishMessage") if isinstance(candidate, dict) else None
        detail = written if isinstance(written, str) else None
        if not self._joined:
            return broken_end(choices, detail, sure=_BROKEN)
        for choice in choices:
            spoke = self._spoke or has_content(choice.message.content)
            if choice.finish_reason == "error" and (not spoke or choice.raw_finish_reason in _BROKEN):
                return broken_output(choice.raw_finish_reason, detail)
        return None

    def _read_candidate(self, value: Any, position: int) -> Choice:
        path = f"candidates[{position}]"
        if not isinstance(value, dict):
            raise DialectError("expected an object", path=path)
        index = value.get("index", position if len(self._candidates) <= position else 0)
        if not isinstance(index, int) or isinstance(index, bool):
            raise DialectError("expected a number", path=f"{path}.index")
        reader = self._candidates.get(index)
        if reader is None:
            reader = self._candidates[index] = CandidateReader(index, self._mint, joined=self._joined)
        return reader.read(value, path)


def _block_reason(body: dict[str, Any]) -> str | None:
    feedback = body.get("promptFeedback")
    reason = feedback.get("blockReason") if isinstance(feedback, dict) else None
    return reason if isinstance(reason, str) else None


def _block_message(body: dict[str, Any]) -> str | None:
    feedback = body.get("promptFeedback")
    words = feedback.get("blockReasonMessage") if isinstance(feedback, dict) else None
    return words if isinstance(words, str) and words else None


class CandidateReader:
    __slots__ = ("_called", "_index", "_joined", "_kind", "_last_text", "_mint", "_next", "_open", "_proof", "_texts")

    def __init__(self, index: int, mint: Mint, *, joined: bool) -> None:
        self._index = index
        self._mint = mint
        self._joined = joined
        self._next = 0
        self._kind: type[Part] | None = None
        """Of the part that may still grow."""
        self._called = False
        self._texts: list[str] = []
        """The visible text, for the byte offsets of grounding."""
        self._last_text: int | None = None
        self._open: StreamedCall | None = None
        """A call whose arguments are still coming."""
        self._proof: TextPart | None = None
        """The signature of a text that still goes on: it follows the whole text, as in a reply at once."""

    def read(self, candidate: dict[str, Any], path: str) -> Choice:
        choice = Choice(self._index)
        content = candidate.get("content")
        if content is not None:
            if not isinstance(content, dict):
                raise DialectError("expected an object", path=f"{path}.content")
            parts = content.get("parts")
            if parts is not None:
                if not isinstance(parts, list):
                    raise DialectError("expected a list", path=f"{path}.content.parts")
                for number, part in enumerate(parts):
                    self._add(choice.message.content, part, f"{path}.content.parts[{number}]")
        for key, value in candidate.items():
            if key in ("content", "index") or value is None:
                continue
            if key == "finishReason":
                self._finish(choice, value)
            elif key == "logprobsResult":
                choice.logprobs = _decode_logprobs(value)
            else:
                choice.provider_metadata.setdefault(NAME, {})[key] = value
                if key in ("groundingMetadata", "citationMetadata"):
                    self._cite(choice, value)
                elif key == "finishMessage" and isinstance(value, str) and value:
                    choice.finish_message = value
        return choice

    def _add(self, content: list[Part], value: Any, path: str) -> None:
        if isinstance(value, dict) and len(value) == 1:
            text = value.get("text")
            if type(text) is str:
                # The common event: a piece of text.
                if text:
                    self._append(content, TextPart(text))
                return
        if isinstance(value, dict) and ("functionCall" in value or "function_call" in value):
            value = self._gathered(content, value, path)
            if value is None:
                return
        elif self._open is not None:
            self._end_call(content, path)
        for part in decode_part(value, path):
            self._append(content, part)

    def _gathered(self, content: list[Part], value: dict[str, Any], path: str) -> dict[str, Any] | None:
        """The part of a call; None where more of its arguments are to come."""
        part = fields(value, path)
        call = fields(part.get("functionCall"), f"{path}.functionCall")
        if call.get("name"):
            self._end_call(content, path)
        if self._open is None and not is_streamed(call):
            return value
        if self._open is None:
            self._open = StreamedCall()
        if not self._open.add(part, call, f"{path}.functionCall"):
            return None
        whole, self._open = self._open.whole(), None
        return whole

    def _end_call(self, content: list[Part], path: str) -> None:
        """A call that another part or the end follows has no more to come."""
        if self._open is not None:
            whole, self._open = self._open.whole(), None
            for part in decode_part(whole, path):
                self._append(content, part)

    def _append(self, content: list[Part], part: Part) -> None:
        kind, proof = type(part), None
        if self._joined and part.signature is not None:
            proof = TextPart("", signature=part.signature, signed_by=part.signed_by)
            if kind is TextPart:
                self._release(content)
                part.signature = part.signed_by = None
            elif self._kind is TextPart and _is_mark(part):
                self._release(content)
                self._proof = proof
                return
            else:
                proof = None
        if self._joined and kind is self._kind and kind in (TextPart, ThinkingPart) and not _is_mark(part):
            part.index = self._next - 1
        else:
            self._release(content)
            part.index = self._next
            self._next += 1
        self._kind = None if part.signature is not None or _is_mark(part) else kind
        if isinstance(part, TextPart):
            self._texts.append(part.text)
            self._last_text = part.index
        elif isinstance(part, ToolCallPart):
            self._called = True
            if not part.id:
                part.id = self._mint.id("call_")
                part.provider_metadata = {NAME: {**own(part), "_no_id": True}}
        content.append(part)
        if proof is not None:
            self._proof = proof

    def _release(self, content: list[Part]) -> None:
        if self._proof is not None:
            self._proof.index = self._last_text
            self._kind = None
            content.append(self._proof)
            self._proof = None

    def _finish(self, choice: Choice, value: Any) -> None:
        self._end_call(choice.message.content, "candidates[*].content.parts[*]")
        self._release(choice.message.content)
        word = value if isinstance(value, str) else str(value)
        reason = FINISH.get(word, "error")
        if reason == "stop" and self._called:
            reason = "tool_calls"
        choice.finish_reason = reason
        choice.raw_finish_reason = word
        if _WORDS[reason] != word:
            choice.provider_metadata.setdefault(NAME, {})["finish_reason"] = word

    def _cite(self, choice: Choice, grounding: Any) -> None:
        if not isinstance(grounding, dict) or self._last_text is None:
            return
        citations = citations_of(grounding, "".join(self._texts))
        if not citations:
            return
        last = choice.message.content[-1] if choice.message.content else None
        if isinstance(last, TextPart) and last.index == self._last_text:
            last.citations.extend(citations)
        else:
            choice.message.content.append(TextPart("", citations, index=self._last_text))


def _is_mark(part: Part) -> bool:
    """A signature alone, or encrypted reasoning: its own part."""
    if not isinstance(part, ThinkingPart) or part.text:
        return False
    return part.redacted is not None or not own(part).get("_thought")


def _decode_logprobs(value: Any) -> dict[str, Any] | None:
    if not isinstance(value, dict):
        return None
    chosen = value.get("chosenCandidates")
    tops = value.get("topCandidates")
    content = []
    for position, candidate in enumerate(chosen if isinstance(chosen, list) else ()):
        if not isinstance(candidate, dict):
            continue
        top = tops[position] if isinstance(tops, list) and position < len(tops) else None
        others = top.get("candidates") if isinstance(top, dict) else None
        entry = _logprob(candidate)
        entry["top_logprobs"] = [_logprob(other) for other in others or () if isinstance(other, dict)]
        content.append(entry)
    return {"content": content}


def _logprob(candidate: dict[str, Any]) -> dict[str, Any]:
    token = str(candidate.get("token", ""))
    encoded = list(token.encode("utf-8", "surrogatepass"))
    return {"token": token, "logprob": candidate.get("logProbability", 0.0), "bytes": encoded}


def decode_usage(value: Any, *, final: bool) -> Usage | None:
    """With `final`, a count that is left out is a zero; before, it is not known yet."""
    if not isinstance(value, dict) or not value:
        return None
    prompt, tools = count(value.get("promptTokenCount")), count(value.get("toolUsePromptTokenCount"))
    candidates, thoughts = count(value.get("candidatesTokenCount")), count(value.get("thoughtsTokenCount"))
    usage = Usage(cache_read_tokens=count(value.get("cachedContentTokenCount")), reasoning_tokens=thoughts)
    if prompt is not None or tools is not None:
        usage.input_tokens = (prompt or 0) + (tools or 0)
    if candidates is not None or thoughts is not None:
        usage.output_tokens = (candidates or 0) + (thoughts or 0)
    elif final and usage.input_tokens:
        usage.output_tokens = 0
    if final and usage.input_tokens is None and usage.output_tokens:
        usage.input_tokens = 0
    usage.input_audio_tokens = _of_kind("AUDIO", value.get("promptTokensDetails"))
    usage.output_audio_tokens = _of_kind("AUDIO", value.get("candidatesTokensDetails"))
    usage.input_image_tokens = _of_kind("IMAGE", value.get("promptTokensDetails"))
    usage.output_image_tokens = _of_kind("IMAGE", value.get("candidatesTokensDetails"))
    if usage.cache_read_tokens:
        usage.cache_read_audio_tokens = _of_kind("AUDIO", value.get("cacheTokensDetails"))
        usage.cache_read_image_tokens = _of_kind("IMAGE", value.get("cacheTokensDetails"))
    tier = value.get("trafficType", value.get("serviceTier"))
    usage.service_tier = tier if isinstance(tier, str) else None
    rest = {key: inner for key, inner in value.items() if key not in _COUNTED and inner is not None}
    if rest:
        usage.provider_metadata = {NAME: rest}
    return usage


def _of_kind(modality: str, details: Any) -> int | None:
    for item in details if isinstance(details, list) else ():
        if isinstance(item, dict) and item.get("modality") == modality:
            return count(item.get("tokenCount"))
    return None


# Encoding.


def encode_response(response: LLMResponse, echo: Echo, mint: Mint, losses: Losses) -> WireReply:
    body: dict[str, Any] = {}
    choices = response.choices
    if len(choices) > 1 and isinstance(echo, GeminiEcho) and not echo.several:
        choices = [join_choices(choices)]
        losses.converted("choices[*]", "joined: one answer was asked for")
    candidates = [
        build_candidate(choice, reply_parts(choice.message.content, losses), losses)
        for choice in choices
        if not own(choice).get("_prompt_blocked")
    ]
    if candidates:
        body["candidates"] = candidates
    body.update(own(response))
    usage = build_usage(response.usage)
    if usage:
        body["usageMetadata"] = usage
    body["modelVersion"] = response.model or echo.model
    body["responseId"] = response.id or mint.id("resp_")
    return WireReply(200, Headers.of([("content-type", "application/json; charset=UTF-8")]), json.dumps(body))


def build_candidate(
    choice: Choice, parts: list[dict[str, Any]], losses: Losses, *, finish: bool = True
) -> dict[str, Any]:
    content: dict[str, Any] = {"parts": parts, "role": "model"} if parts else {"role": "model"}
    candidate: dict[str, Any] = {"content": content, "index": choice.index}
    metadata = own(choice)
    if finish and choice.finish_reason is not None:
        candidate["finishReason"] = encode_finish(choice)
        if choice.stop_sequence is not None:
            losses.dropped("choices[*].stop_sequence")
        if choice.finish_message is not None and not choice.message.refusal and (words := refusal_of(choice)):
            candidate["finishMessage"] = words
    for key, value in metadata.items():
        if key != "finish_reason" and not key.startswith("_"):
            candidate[key] = value
    if "groundingMetadata" not in metadata:
        grounding = build_grounding(choice.message.content)
        if grounding is not None:
            candidate["groundingMetadata"] = grounding
    if choice.logprobs is not None:
        candidate["logprobsResult"] = _build_logprobs(choice.logprobs)
    return candidate


def encode_finish(choice: Choice) -> str:
    native = own(choice).get("finish_reason")
    if isinstance(native, str) and FINISH.get(native, "error") == choice.finish_reason:
        return native
    return _WORDS.get(choice.finish_reason or "stop", "OTHER")


def reply_parts(content: Sequence[Part], losses: Losses, *, called: bool = False) -> list[dict[str, Any]]:
    """The parts of a reply for a client of this dialect; foreign signatures are wrapped.

    The first call of another provider's answer gets a mark where it has none, by which it is known when it comes back:
    Gemini refuses calls without one. `called`: an earlier piece of the answer had a call.
    """
    parts: list[dict[str, Any]] = []
    for part in content:
        encoded = _reply_part(part, losses)
        if encoded is None:
            continue
        if isinstance(part, ToolCallPart):
            if not called and part.signature is None and part.signed_by != NAME:
                encoded["thoughtSignature"] = write_signature("", UNSIGNED)
            called = True
        parts.append(encoded)
    return parts


def _reply_part(part: Part, losses: Losses) -> dict[str, Any] | None:
    signature = None if part.signature is None else write_signature(part.signature, part.signed_by)
    match part:
        case TextPart() | RefusalPart():
            encoded: dict[str, Any] | None = {"text": part.text, **own(part)} if part.text or own(part) else None
        case ThinkingPart():
            return _reply_thought(part, signature, losses)
        case ToolCallPart():
            encoded = _reply_call(part, losses)
        case MediaPart():
            encoded = encode_media(part, f"choices[*].message.{part.kind}[*]", losses)
            if encoded is not None:
                encoded.update(own(part).get("part", {}))
        case OpaquePart(dialect="gemini"):
            return part.data if isinstance(part.data, dict) else None
        case OpaquePart():
            drop_part(part, losses)
            return None
        case ToolResultPart():
            drop_part(part, losses)
            return None
    if signature is not None:
        return {**(encoded or {"text": ""}), "thoughtSignature": signature}
    return encoded


def _reply_call(part: ToolCallPart, losses: Losses) -> dict[str, Any]:
    metadata = own(part)
    call: dict[str, Any] = {"name": part.name}
    if part.id and not metadata.get("_no_id"):
        call["id"] = part.id
    arguments = arguments_object(part, "choices[*].message.content[*]", losses, custom=part.kind == "custom")
    if arguments or not metadata.get("_no_args"):
        call["args"] = arguments
    return {"functionCall": {**call, **metadata.get("call", {})}, **metadata.get("part", {})}


def _reply_thought(part: ThinkingPart, signature: str | None, losses: Losses) -> dict[str, Any] | None:
    if part.redacted is not None:
        signature = redacted_signature(part)
        if signature is None:
            losses.dropped("choices[*].message.thoughts[*].redacted")
    metadata = own(part)
    if not part.text and not metadata.get("_thought") and part.signed_by == NAME and part.redacted is None:
        return signature_alone(signature, metadata)
    if not part.text and signature is None:
        return None
    extra = {key: value for key, value in metadata.items() if not key.startswith("_")}
    encoded = {"text": part.text, "thought": True, **extra}
    return encoded if signature is None else {**encoded, "thoughtSignature": signature}


def _build_logprobs(logprobs: dict[str, Any]) -> dict[str, Any]:
    entries = _objects(logprobs.get("content"))
    result: dict[str, Any] = {"chosenCandidates": [_candidate(entry) for entry in entries]}
    if any(entry.get("top_logprobs") for entry in entries):
        result["topCandidates"] = [
            {"candidates": [_candidate(top) for top in _objects(entry.get("top_logprobs"))]} for entry in entries
        ]
    return result


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _candidate(entry: dict[str, Any]) -> dict[str, Any]:
    return {"token": entry.get("token", ""), "logProbability": entry.get("logprob", 0.0)}


def build_usage(usage: Usage | None) -> dict[str, Any]:
    if usage is None:
        return {}
    native = own(usage)
    tools = count(native.get("toolUsePromptTokenCount")) or 0
    result: dict[str, Any] = {}
    if usage.input_tokens is not None:
        result["promptTokenCount"] = max(0, usage.input_tokens - tools)
    if usage.output_tokens is not None:
        result["candidatesTokenCount"] = max(0, usage.output_tokens - (usage.reasoning_tokens or 0))
    if usage.reasoning_tokens is not None:
        result["thoughtsTokenCount"] = usage.reasoning_tokens
    if usage.cache_read_tokens is not None:
        result["cachedContentTokenCount"] = usage.cache_read_tokens
    if usage.total_tokens is not None:
        result["totalTokenCount"] = usage.total_tokens
    if usage.input_audio_tokens:
        result["promptTokensDetails"] = [{"modality": "AUDIO", "tokenCount": usage.input_audio_tokens}]
    if usage.output_audio_tokens:
        result["candidatesTokensDetails"] = [{"modality": "AUDIO", "tokenCount": usage.output_audio_tokens}]
    return {**result, **native}
