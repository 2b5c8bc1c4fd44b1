"""Chunks → `chat.completion.chunk` events for a client."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

from llm_gateway_sdk.conventions import CustomInputReader
from llm_gateway_sdk.dialect import Mint, StreamEncoder
from llm_gateway_sdk.dialects.reply_coverage import drop_part
from llm_gateway_sdk.errors import ErrorInfo
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
from llm_gateway_sdk.response import Choice, LLMResponse, Usage, merge_usage, refusal_of
from llm_gateway_sdk.wire import json

from .errors import error_body
from .fields import NAME, form_of, own
from .parts import (
    thinking_block,
    thinking_detail,
    write_extra_content,
)
from .request import ChatEcho
from .response import (
    SERVICE_TIERS,
    annotation_of,
    encode_finish,
    encode_image,
    is_audio,
    moved_annotation,
)
from .tools import is_legacy
from .usage import encode_usage

__all__ = ["ChatStreamEncoder"]


class ChatStreamEncoder(StreamEncoder):
    """Finish reasons and usage wait for `close`: a stream that breaks must not look whole, and what follows a finish
    reason (some servers send content, or a second one) would not be legal after it."""

    __slots__ = (
        "_choices", "_created", "_echo", "_extra", "_head", "_id", "_losses", "_mint", "_model", "_tail", "_tier",
        "_usage", "_written",
    )  # fmt: skip

    def __init__(self, echo: ChatEcho, mint: Mint, losses: Losses) -> None:
        self._echo = echo
        self._mint = mint
        self._losses = losses
        self._id = ""
        self._model = echo.model
        self._created: int | None = None
        self._tier: str | None = None
        self._extra: dict[str, Any] = {}
        self._head = b""
        self._tail = (
            b'},"logprobs":null,"finish_reason":null}]' + (b',"usage":null' if echo.include_usage else b"") + b"}\n\n"
        )
        self._usage: Usage | None = None
        self._choices: dict[int, _ChoiceEncoder] = {}
        self._written: _ChoiceEncoder | None = None
        """Whose text the last chunk was, where it was a text alone."""

    def encode_text(self, text: str) -> bytes | None:
        encoder = self._written
        if encoder is None:
            return None
        encoder.text_at += len(text)
        return b"%b%b%b" % (encoder.text_head, json.dumps(text), self._tail)

    def encode(self, chunk: LLMResponse) -> bytes:
        self._written = None
        if chunk.usage is not None:
            self._usage = merge_usage(self._usage, chunk.usage)
        if chunk.provider_metadata:
            fresh = {key: value for key, value in own(chunk.provider_metadata).items() if self._extra.get(key) != value}
            if fresh:
                self._extra.update(fresh)
                self._head = b""
        if chunk.service_tier is not None and chunk.service_tier != self._tier:
            self._tier = chunk.service_tier
            self._head = b""
        if not chunk.choices:
            return b""
        if not self._head or (chunk.model and chunk.model != self._model):
            self._begin(chunk)
        out: list[bytes] = []
        for choice in chunk.choices:
            index = choice.index
            encoder = self._choices.get(index)
            if encoder is None:
                encoder = self._choices[index] = _ChoiceEncoder(self._echo, self._mint, self._losses)
                out.append(self._event(index, {"role": "assistant", "content": "", "refusal": None}))
            content = choice.message.content
            if len(content) == 1 and choice.logprobs is None and not choice.provider_metadata:
                part = content[0]
                if type(part) is TextPart and part.text and part.signature is None and not part.citations:
                    if part.index != encoder.text_index:
                        encoder.begin_text(part)
                    encoder.text_at += len(part.text)
                    out += (encoder.text_head or self._text_head(index), json.dumps(part.text), self._tail)
                    if choice.finish_reason is not None:
                        encoder.finish(choice)
                    self._written = encoder
                    continue
            deltas = encoder.encode(choice)
            rest = own(choice.provider_metadata)
            rest.pop("finish_reason", None)
            if not deltas and (choice.logprobs is not None or rest):
                deltas = [{}]
            for place, delta in enumerate(deltas):
                out.append(
                    self._event(
                        choice.index, delta, choice.logprobs if place == 0 else None, rest if place == 0 else None
                    )
                )
        return b"".join(out)

    def close(self) -> bytes:
        if not self._head:
            self._begin(LLMResponse())
        if not self._choices:
            self._choices[0] = _ChoiceEncoder(self._echo, self._mint, self._losses)
            out = [self._event(0, {"role": "assistant", "content": "", "refusal": None})]
        else:
            out = []
        for index, encoder in self._choices.items():
            out.extend(self._event(index, delta) for delta in encoder.close())
            rest = {"native_finish_reason": encoder.native} if encoder.native is not None else None
            out.append(self._event(index, {}, None, rest, encoder.finish_reason()))
        usage = encode_usage(self._usage) if self._echo.include_usage else None
        if usage is not None:
            out.append(b"data: " + self._head + b'"choices":[],"usage":' + json.dumps(usage) + b"}\n\n")
        out.append(b"data: [DONE]\n\n")
        return b"".join(out)

    def fail(self, error: ErrorInfo) -> bytes:
        return b"data: " + json.dumps(error_body(error)) + b"\n\n"

    def _begin(self, chunk: LLMResponse) -> None:
        """The fields that every event repeats, up to `choices`."""
        self._id = self._id or chunk.id or self._mint.id("chatcmpl-")
        self._model = chunk.model or self._model
        if self._created is None:
            self._created = chunk.created if chunk.created is not None else self._mint.now()
        fields: dict[str, Any] = {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": self._model,
        }
        if self._tier in SERVICE_TIERS:
            fields["service_tier"] = self._tier
        for key, value in self._extra.items():
            # What is not a plain word is reported once, not with each chunk.
            fields[key] = value
        self._extra = {key: value for key, value in self._extra.items() if not isinstance(value, dict | list)}
        self._head = json.dumps(fields)[:-1] + b","
        for encoder in self._choices.values():
            encoder.text_head = b""

    def _text_head(self, index: int) -> bytes:
        head = b"data: " + self._head + b'"choices":[{"index":' + str(index).encode() + b',"delta":{"content":'
        self._choices[index].text_head = head
        return head

    def _event(
        self,
        index: int,
        delta: dict[str, Any],
        logprobs: dict[str, Any] | None = None,
        rest: dict[str, Any] | None = None,
        finish_reason: str | None = None,
    ) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason, **(rest or {})}
        end = b'],"usage":null}\n\n' if self._echo.include_usage else b"]}\n\n"
        return b"data: " + self._head + b'"choices":[' + json.dumps(choice) + end


_NO_TEXT = object()


class _ChoiceEncoder:
    __slots__ = (
        "_blocks", "_calls", "_citations", "_echo", "_ends", "_finish", "_images", "_indices", "_losses", "_mint",
        "_refused", "_texts", "_thinking", "native", "text_at", "text_head", "text_index",
    )  # fmt: skip

    def __init__(self, echo: ChatEcho, mint: Mint, losses: Losses) -> None:
        self._echo = echo
        self._mint = mint
        self._losses = losses
        self._calls: dict[int | None, _OutCall] = {}
        self._indices = count()
        self._finish = Choice()
        self._refused = False
        self._texts: dict[int | None, int] = {}
        """Where each text part begins in `content`."""
        self.text_at = 0
        """How long `content` is by now."""
        self.text_index: Any = _NO_TEXT
        """The part that the last text belongs to."""
        self.text_head = b""
        """What is before a plain text in its event; empty until there is one."""
        self._ends: dict[int | None, int] = {}
        """Where each text part that another one followed ends."""
        self._citations: list[tuple[int | None, Citation]] = []
        """With the text parts that they are about, whose length is known at their end: streams give citations first."""
        self._thinking: dict[int | None, _OutThinking] = {}
        self._blocks = 0
        self._images = 0
        self.native: str | None = None

    def begin_text(self, part: TextPart) -> None:
        """Another text part than the last one, perhaps a known one."""
        if self.text_index is not _NO_TEXT and self.text_index != part.index:
            self._ends[self.text_index] = self.text_at
        self.text_index = part.index
        self._texts.setdefault(part.index, self.text_at)

    def finish(self, choice: Choice) -> None:
        if choice.finish_reason is not None:
            self._finish.finish_reason = choice.finish_reason
            if choice.finish_reason in ("pause", "refusal", "error"):
                self.native = choice.raw_finish_reason
            self._finish.finish_message = choice.finish_message

    def encode(self, choice: Choice) -> list[dict[str, Any]]:
        """The deltas of a chunk's choice, one per part."""
        self.finish(choice)
        deltas: list[dict[str, Any]] = []
        for part in choice.message.content:
            match part:
                case ToolCallPart():
                    self._encode_call(part, deltas)
                case TextPart():
                    self._encode_text(part, deltas)
                case ThinkingPart():
                    self._encode_thinking(part, deltas)
                case RefusalPart():
                    if part.text:
                        self._refused = True
                        deltas.append({"refusal": part.text})
                case MediaPart(kind="image") if (image := encode_image(part, self._images)) is not None:
                    self._images += 1
                    deltas.append({"images": [image]})
                case MediaPart(kind="audio") if part.data is not None:
                    kept = own(part.provider_metadata).get("audio")
                    deltas.append({"audio": {**(kept if isinstance(kept, dict) else {}), "data": part.data}})
                case OpaquePart(dialect=dialect) if dialect == NAME and is_audio(part):
                    deltas.extend({"audio": delta} for delta in part.deltas)
                case _:
                    drop_part(part, self._losses)
        return deltas

    def _encode_text(self, part: TextPart, deltas: list[dict[str, Any]]) -> None:
        self.begin_text(part)
        self.text_at += len(part.text)
        if part.text:
            deltas.append({"content": part.text})
        self._citations += [(part.index, citation) for citation in part.citations]
        extra = write_extra_content(part, wrapped=True)
        if extra is not None:
            deltas.append({"extra_content": extra})

    def _encode_thinking(self, part: ThinkingPart, deltas: list[dict[str, Any]]) -> None:
        field = form_of(part.provider_metadata).get("field")
        if field == "reasoning_details":
            text = {"reasoning": part.text} if part.text else {}
            deltas.append({**text, "reasoning_details": [{"index": part.index, **thinking_detail(part)}]})
            return
        name = "reasoning" if field == "reasoning" else "reasoning_content"
        known = self._thinking.get(part.index)
        if known is None:
            # What came before is a separate block.
            self._flush_blocks(deltas)
            known = self._thinking[part.index] = _OutThinking()
        known.add(part)
        if part.text:
            deltas.append({name: part.text})
        if part.signature is not None or part.redacted is not None:
            self._flush_blocks(deltas)

    def _flush_blocks(self, deltas: list[dict[str, Any]]) -> None:
        """Names the blocks that are whole. One block without a proof is not named."""
        blocks = []
        for known in self._thinking.values():
            if not known.written:
                known.written = True
                blocks.append({"index": self._blocks, **thinking_block(known.part())})
                self._blocks += 1
        if blocks:
            deltas.append({"thinking_blocks": blocks})

    def _encode_call(self, part: ToolCallPart, deltas: list[dict[str, Any]]) -> None:
        call = self._calls.get(part.index)
        if call is None:
            legacy = self._echo.legacy_functions or is_legacy(part.provider_metadata)
            if legacy and self._calls:
                self._losses.dropped("choices[*].message.calls", "`function_call` holds one call")
            call = self._calls[part.index] = _OutCall(self._indices, legacy=legacy)
        delta = call.encode(part, self._echo, self._mint)
        if delta is not None:
            deltas.append(delta)

    def close(self) -> list[dict[str, Any]]:
        deltas = [delta for call in self._calls.values() if (delta := call.close(self._mint)) is not None]
        if self._blocks:
            self._flush_blocks(deltas)
        if not self._refused and (words := refusal_of(self._finish)):
            deltas.append({"refusal": words})
        notes = self._annotations() if self._citations else []
        if notes:
            deltas.append({"annotations": [{**note, "index": place} for place, note in enumerate(notes)]})
        return deltas

    def _annotations(self) -> list[dict[str, Any]]:
        if self.text_index is not _NO_TEXT:
            self._ends[self.text_index] = self.text_at
        notes = []
        for index, citation in self._citations:
            start = self._texts[index]
            note = annotation_of(citation, self._losses, text_length=self._ends.get(index, self.text_at) - start)
            if note is not None:
                notes.append(moved_annotation(note, start))
        return notes

    def finish_reason(self) -> str:
        legacy = any(call.legacy for call in self._calls.values())
        return encode_finish(self._finish, calls=bool(self._calls), refused=self._refused, legacy=legacy)


class _OutThinking:
    __slots__ = ("_item_id", "_redacted", "_signature", "_signed_by", "_summary", "_texts", "written")

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._signature: str | None = None
        self._signed_by: str | None = None
        self._redacted: str | None = None
        self._item_id: str | None = None
        self._summary = False
        self.written = False

    def add(self, part: ThinkingPart) -> None:
        self._texts.append(part.text)
        self._summary = self._summary or part.summary
        if part.signature is not None:
            self._signature = part.signature
        if part.signed_by is not None:
            self._signed_by = part.signed_by
        if part.redacted is not None:
            self._redacted = (self._redacted or "") + part.redacted
        if part.item_id is not None:
            self._item_id = part.item_id

    def part(self) -> ThinkingPart:
        return ThinkingPart(
            "".join(self._texts),
            summary=self._summary,
            redacted=self._redacted,
            item_id=self._item_id,
            signature=self._signature,
            signed_by=self._signed_by,
        )


class _OutCall:
    """One tool call on its way out. Its first piece waits for the name."""

    __slots__ = (
        "_begun",
        "_extra",
        "_has_arguments",
        "_held",
        "_id",
        "_index",
        "_indices",
        "_kind",
        "_reader",
        "legacy",
    )

    def __init__(self, indices: Iterator[int], *, legacy: bool) -> None:
        self._indices = indices
        self._index = -1
        self.legacy = legacy
        self._begun = False
        self._id = ""
        self._held = ""
        self._kind = "function"
        self._reader: CustomInputReader | None = None
        self._has_arguments = False
        self._extra: dict[str, Any] | None = None

    def encode(self, part: ToolCallPart, echo: ChatEcho, mint: Mint) -> dict[str, Any] | None:
        if part.id:
            self._id = part.id
        extra = write_extra_content(part, wrapped=True)
        if not self._begun:
            self._extra = extra or self._extra
            if not part.name:
                self._held += part.arguments
                return None
            if part.kind == "custom" or part.name in echo.custom_tools:
                self._kind = "custom"
                if part.kind != "custom":
                    self._reader = CustomInputReader()
            text, self._held = self._held + part.arguments, ""
            return self._begin(part.name, self._read(text), mint)
        text = self._read(part.arguments)
        if not text and extra is None:
            return None
        return self._delta(self._piece(text), extra)

    def close(self, mint: Mint) -> dict[str, Any] | None:
        if not self._begun:
            # The provider never named it; clients refuse a call without a name.
            return self._begin("unnamed", self._held or "{}", mint)
        if self._reader is not None:
            rest = self._reader.close()
            return self._delta(self._piece(rest), None) if rest else None
        if not self._has_arguments and self._kind == "function":
            # A call without arguments: clients parse this text.
            return self._delta(self._piece("{}"), None)
        return None

    def _read(self, text: str) -> str:
        if self._reader is not None:
            text = self._reader.feed(text) if text else ""
        if text:
            self._has_arguments = True
        return text

    def _begin(self, name: str, text: str, mint: Mint) -> dict[str, Any]:
        self._begun = True
        self._index = next(self._indices)
        self._has_arguments = self._has_arguments or bool(text)
        self._id = self._id or mint.id("call_")
        piece = {"name": name, **self._piece(text)}
        if self.legacy:
            return {"function_call": piece} if self._index == 0 else {}
        call: dict[str, Any] = {"index": self._index, "id": self._id, "type": self._kind, self._kind: piece}
        if self._extra is not None:
            call["extra_content"] = self._extra
        return {"tool_calls": [call]}

    def _piece(self, text: str) -> dict[str, Any]:
        return {"input" if self._kind == "custom" else "arguments": text}

    def _delta(self, piece: dict[str, Any], extra: dict[str, Any] | None) -> dict[str, Any] | None:
        if self.legacy:
            return {"function_call": piece} if self._index == 0 else None
        call: dict[str, Any] = {"index": self._index, self._kind: piece}
        if extra is not None:
            call["extra_content"] = extra
        return {"tool_calls": [call]}


def _name_of(part: Part) -> str:
    return f"{part.dialect} block" if isinstance(part, OpaquePart) else type(part).__name__
