"""Streams of `chat.completion.chunk`: events without names, ended by `data: [DONE]`.

Decoder: whatever servers of the format do differently (ids or indices left out or repeated, several calls at one index,
usage on the finish chunk, empty lists next to text) becomes parts of stable index. Encoder: role first, calls numbered
densely and each begun by id and name, one finish reason at the very end, usage only where it was asked for.

The decoder's state is one `_ChoiceDecoder` for each choice, and in it the part that is growing (`_kind`):

    none ── text ──▶ text ── reasoning ──▶ thinking ── a call's piece ──▶ none ── …

A fragment of the kind that is growing continues that part; one of another kind begins the next, whose index is one
higher. Calls differ: several grow at once, so that each piece is matched to its call by index, else by id, else by
being the last (servers leave out or repeat any of the three), and a call ends what was growing before it.

What always holds:

- A part's index never changes and never has two types; parts are numbered in the order in which they began.
- Fields that every event repeats are given on once, and again only when they change (`_known`).
- A finish reason does not end a choice: what a server sends after it is read too.
- `finished` means that the stream is whole: `[DONE]`, or its end after a finish reason of every choice.

The short ways: nearly all events of a stream begin with the same bytes. `EventHead` is that beginning with the chunk
that it decodes to, and an event that begins likewise is decoded from there on. It is only taken where the rest has no
field that the head could have (`AFTER_HEAD`), so that both ways give the same chunk. Most of these are a piece of text
in an event that is otherwise the same: a `TextShape` reads nothing but the text. It is given up with the first event
that has another shape.
"""

from __future__ import annotations

from typing import Any

from llm_gateway_sdk.dialect import Mint, StreamDecoder
from llm_gateway_sdk.dialects.answer import broken_output
from llm_gateway_sdk.dialects.bare_errors import error_data
from llm_gateway_sdk.errors import DialectError
from llm_gateway_sdk.parts import (
    OpaquePart,
    Part,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
)
from llm_gateway_sdk.request import Message
from llm_gateway_sdk.response import Choice, LLMResponse
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.wire.long_texts import LONG_BODY
from llm_gateway_sdk.wire.sse import EventSplitter, SSEError, bare_data, parse_event

from .errors import error_in, error_of_choice
from .fields import NAME, as_object, describe, metadata, optional_list, optional_object, optional_str
from .parts import (
    decode_content,
    decode_thinking,
    read_extra_content,
)
from .response import (
    CHOICE_FIELDS,
    FINISH_REASONS,
    MESSAGE_FIELDS,
    REPLY_FIELDS,
    citation_of,
    decode_body,
    decode_finish,
    decode_image,
    text_of,
)
from .sources import citations_in, sources_of
from .text_events import AFTER_HEAD, EventHead, TextShape
from .tools import LEGACY, arguments_text
from .usage import usage_in

__all__ = ["ChatStreamDecoder"]


class ChatStreamDecoder(StreamDecoder):
    __slots__ = (
        "_choices", "_head", "_heads_read", "_known", "_mint", "_shape", "_shapes_taken", "_splitter", "_stopped",
        "finished",
    )  # fmt: skip

    def __init__(self, mint: Mint) -> None:
        self._mint = mint
        self._splitter = EventSplitter()
        self._choices: dict[int, _ChoiceDecoder] = {}
        self._known: dict[str, Any] = {}
        """Fields that every chunk repeats; they are given on when they change."""
        self._head: EventHead | None = None
        self._heads_read = 0
        self._shape: TextShape | None = None
        self._shapes_taken = 0
        self._stopped = False
        self._sources: list[tuple[str, str | None]] = []
        """What the reply cites by number."""
        self._spoken: dict[int, list[str]] = {}
        """The text of each choice, where there are sources."""
        self.finished = False

    def feed(self, data: bytes) -> list[LLMResponse]:
        try:
            events = self._splitter.feed(data)
        except SSEError as error:
            raise DialectError(str(error)) from None
        return self._decode(events)

    def close(self) -> list[LLMResponse]:
        chunks = self._decode(self._splitter.close())
        if not self._stopped and self._choices and all(choice.finished for choice in self._choices.values()):
            # Some servers never send [DONE].
            self._stopped = self.finished = True
            chunks.append(LLMResponse(final=True))
        return chunks

    def _decode(self, events: list[bytes]) -> list[LLMResponse]:
        chunks: list[LLMResponse] = []
        for raw in events:
            if self._stopped:
                break
            is_long = raw[LONG_BODY:_BEYOND_LONG]  # costs less than a call
            if is_long:
                self._shape = None  # what spares work on small events copies a long one
            if self._shape is not None:
                chunk = self._shape.read(raw)
                if chunk is not None:
                    chunks.append(chunk)
                    continue
                self._shape = None
            head = self._head
            if head is not None and not is_long and raw.startswith(head.bytes):
                chunk = self._decode_after_head(head, raw)
                if chunk is not None:
                    chunks.append(chunk)
                    self._take_shape(raw, chunk)
                    continue
            if raw.startswith(b"data: {") and _LF not in raw:
                data = raw[6:]
            else:
                event = parse_event(raw)
                # A bare object is an error, or the whole reply, in place of a stream.
                data = event.data.strip() if event is not None else bare_data(raw) or error_data(raw) or b""
                if not data:
                    continue
                if data == b"[DONE]":
                    if not self._choices:
                        raise DialectError("the stream holds no answer", path="choices")
                    self._stopped = self.finished = True
                    chunks.append(LLMResponse(final=True))
                    break
            chunk = self._decode_event(data)
            if chunk is not None:
                chunks.append(chunk)
        return chunks

    def _decode_after_head(self, head: EventHead, raw: bytes) -> LLMResponse | None:
        """The chunk of an event that begins as the one before did; None where that has to be read as a whole."""
        rest = raw[len(head.bytes) :]
        if _LF in rest:
            return None
        try:
            body = json.loads(b"{" + rest)
        except ValueError:
            return None
        if "choices" not in body or not AFTER_HEAD.issuperset(body):
            # What else a server puts there, each of its events will have.
            self._heads_read = _MOST_HEADS
            return None
        chunk = LLMResponse(head.id, head.model, head.created, [], None, head.service_tier, None, False, {}, [])
        self._decode_choices(body, chunk)
        return chunk

    def _take_shape(self, raw: bytes, chunk: LLMResponse) -> None:
        """For the next events, where this one is a text alone. Texts that are cited are kept by the long way."""
        if self._shapes_taken < _MOST_SHAPES and not self._sources and TextShape.KEY in raw:
            self._shapes_taken += 1
            self._shape = TextShape.of(raw, chunk)

    def _decode_event(self, data: bytes) -> LLMResponse | None:
        self._head = None
        try:
            body = json.loads(data)
        except ValueError as error:
            raise DialectError(f"a stream event is not valid JSON: {error}") from None
        if not isinstance(body, dict):
            raise DialectError(f"a stream event is {describe(body)}, not an object")
        if body.get("error") or body.get("object") == "error":
            error_info = error_in(body)
            if error_info is not None:
                self._stopped = True
                return LLMResponse(model=text_of(body.get("model")), error=error_info, usage=usage_in(body))
        if body.get("object") == "chat.completion":
            self._stopped = self.finished = True
            whole = decode_body(body, self._mint)
            whole.final = True
            return whole
        if "choices" not in body and "usage" not in body and (bare := error_in(body)) is not None:
            self._stopped = True
            return LLMResponse(error=bare)
        created = body.get("created")
        tier = body.get("service_tier")
        chunk = LLMResponse(
            text_of(body.get("id")),
            text_of(body.get("model")),
            created if type(created) is int else None,
            [],
            None,
            tier if isinstance(tier, str) else None,
        )
        if "citations" in body or "search_results" in body:
            self._sources = sources_of(body) or self._sources
        self._decode_choices(body, chunk)
        for key, value in body.items():
            if key not in REPLY_FIELDS and value is not None and self._known.get(key) != value:
                self._known[key] = value
                chunk.provider_metadata.setdefault(NAME, {})[key] = value
        if self._heads_read < _MOST_HEADS and len(data) <= LONG_BODY:
            self._heads_read += 1
            self._head = EventHead.of(data, chunk)
        return chunk

    def _decode_choices(self, body: dict[str, Any], chunk: LLMResponse) -> None:
        """`choices`, and `usage`, which may come with them."""
        choices = body.get("choices")
        if choices:
            if not isinstance(choices, list):
                raise DialectError(f"expected a list, found {describe(choices)}", path="choices")
            for place, wire in enumerate(choices):
                if type(wire) is not dict:
                    wire = as_object(wire, f"choices[{place}]")
                index = wire.get("index")
                if type(index) is not int:
                    index = place
                decoder = self._choices.get(index)
                if decoder is None:
                    decoder = self._choices[index] = _ChoiceDecoder(index, self._mint)
                choice = decoder.decode(wire)
                chunk.choices.append(choice)
                if choice.finish_reason == "error":
                    chunk.error = error_of_choice(wire) or broken_output(choice.raw_finish_reason)
            if self._sources:
                self._cite(chunk.choices)
        if body.get("usage") or "x_groq" in body:
            chunk.usage = usage_in(body)
            if chunk.usage is not None:
                chunk.usage.service_tier = chunk.service_tier

    def _cite(self, choices: list[Choice]) -> None:
        """Gives citations to the text of a choice when it is whole, since their places are counted in all of it."""
        for choice in choices:
            spoken = self._spoken.setdefault(choice.index, [])
            spoken += [part.text for part in choice.message.content if type(part) is TextPart]
            at = self._choices[choice.index].last_text
            if choice.finish_reason is not None and at is not None:
                cited = citations_in("".join(spoken), self._sources)
                choice.message.content.append(TextPart("", cited, index=at))


_LF = ord("\n")
_BEYOND_LONG = LONG_BODY + 1
_MOST_HEADS = 8
"""A server that makes a new id for each event has heads that are never seen again; after so many they are not kept."""
_MOST_SHAPES = 8
"""As many are taken before it is seen that a server's events differ in more than their text."""


class _ChoiceDecoder:
    __slots__ = (
        "_at",
        "_calls",
        "_kind",
        "_known",
        "_last_call",
        "_last_text",
        "_mint",
        "_next",
        "_text_seen",
        "finished",
        "index",
    )

    def __init__(self, index: int, mint: Mint) -> None:
        self.index = index
        self.finished = False
        self._mint = mint
        self._next = 0
        self._kind: object = None
        """What grows now: text, refusal, thinking (with its field), or nothing that can go on."""
        self._at = 0
        self._calls: dict[Any, _Call] = {}
        self._last_call: _Call | None = None
        self._last_text: int | None = None
        self._known: dict[str, Any] = {}
        self._text_seen = False
        """Reasoning has been reported as plain text, so that a block repeats it."""

    @property
    def last_text(self) -> int | None:
        """The index of the last text part."""
        return self._last_text

    def decode(self, wire: dict[str, Any]) -> Choice:
        delta = wire.get("delta")
        if delta is None:
            delta = wire.get("message") or {}
        if not isinstance(delta, dict):
            raise DialectError(f"expected an object, found {describe(delta)}", path="choices[*].delta")
        content: list[Part] = []
        text = delta.get("content")
        if type(text) is str and (len(delta) == 1 or (len(delta) == 2 and "role" in delta)):
            if text:
                at = self._at if self._kind == "text" else self._place("text")
                content.append(TextPart(text, [], index=at))
        else:
            self._decode_delta(delta, content)
        choice = Choice(self.index, Message("assistant", content))
        raw = wire.get("finish_reason")
        if raw:
            self._decode_finish(raw, choice)
        logprobs = wire.get("logprobs")
        if logprobs is not None:
            choice.logprobs = optional_object(logprobs, "choices[*].logprobs")
        if not CHOICE_FIELDS.issuperset(wire):
            self._decode_extra_fields(wire, choice)
        return choice

    def _decode_extra_fields(self, wire: dict[str, Any], choice: Choice) -> None:
        for key, value in wire.items():
            if key not in CHOICE_FIELDS and value is not None and self._known.get(key) != value:
                self._known[key] = value
                choice.provider_metadata.setdefault(NAME, {})[key] = value

    def _decode_finish(self, raw: Any, choice: Choice) -> None:
        finish, word = decode_finish(optional_str(raw, "choices[*].finish_reason"), answered=self._next > 0)
        self.finished = True
        choice.finish_reason, choice.raw_finish_reason = finish, word
        if finish is not None and FINISH_REASONS.get(finish) != word:
            choice.provider_metadata = {NAME: {"finish_reason": word}}

    def _place(self, kind: object) -> int:
        """The index of the part of this kind that grows, a new one where something else came between."""
        if self._kind != kind:
            self._kind = kind
            self._at = self._next
            self._next += 1
        if kind == "text":
            self._last_text = self._at
        return self._at

    def _new(self) -> int:
        self._kind = None
        self._next += 1
        return self._next - 1

    def _decode_delta(self, delta: dict[str, Any], content: list[Part]) -> None:
        if (
            delta.get("reasoning_content")
            or delta.get("reasoning")
            or delta.get("thinking_blocks")
            or delta.get("reasoning_details")
        ):
            self._decode_thinking(delta, content)
        text = delta.get("content")
        if isinstance(text, str):
            if text:
                content.append(TextPart(text, index=self._place("text")))
        elif text:
            self._decode_pieces(text, content)
        refusal = delta.get("refusal")
        if refusal:
            text = optional_str(refusal, "choices[*].delta.refusal") or ""
            content.append(RefusalPart(text, index=self._place("refusal")))
        audio = delta.get("audio")
        if audio:
            audio = as_object(audio, "choices[*].delta.audio")
            content.append(
                OpaquePart(
                    NAME,
                    {"type": "audio"},
                    deltas=[{k: v for k, v in audio.items() if v is not None}],
                    index=self._place("audio"),
                )
            )
        for image in optional_list(delta.get("images"), "choices[*].delta.images"):
            part = decode_image(image)
            part.index = self._new()
            content.append(part)
        if delta.get("tool_calls"):
            for call in optional_list(delta["tool_calls"], "choices[*].delta.tool_calls"):
                self._decode_call(as_object(call, "choices[*].delta.tool_calls[*]"), content)
        if delta.get("function_call"):
            function = as_object(delta["function_call"], "choices[*].delta.function_call")
            self._decode_piece("function_call", None, function, "function", content, legacy=True)
        self._decode_notes(delta, content)
        if len(delta) > 1:
            self._decode_rest(delta, content)

    def _decode_rest(self, delta: dict[str, Any], content: list[Part]) -> None:
        for key, value in delta.items():
            if key not in MESSAGE_FIELDS and value is not None and self._known.get(key) != value:
                self._known[key] = value
                if content:
                    # On the part, since a chunk's message is made by the choice.
                    part = content[-1]
                    part.provider_metadata = {NAME: {**part.provider_metadata.get(NAME, {}), key: value}}

    def _decode_pieces(self, pieces: Any, content: list[Part]) -> None:
        """Mistral's `content` as a list of parts, each a fragment."""
        parts, _ = decode_content(pieces, "choices[*].delta.content")
        for part in parts:
            match part:
                case TextPart():
                    if not part.text:
                        continue
                    part.index = self._place("text")
                case ThinkingPart():
                    part.index = self._place("thinking content")
                case RefusalPart():
                    part.index = self._place("refusal")
                case _:
                    part.index = self._new()
            content.append(part)

    def _decode_thinking(self, delta: dict[str, Any], content: list[Part]) -> None:
        for field in ("reasoning_content", "reasoning"):
            text = delta.get(field)
            if isinstance(text, str) and text and not delta.get("reasoning_details"):
                self._text_seen = True
                content.append(
                    ThinkingPart(
                        text, index=self._place(("thinking", field)), provider_metadata=metadata({}, {"field": field})
                    )
                )
                break
        else:
            text = None
        blocks = delta.get("thinking_blocks")
        if isinstance(blocks, list) and blocks:
            self._decode_blocks(blocks, content, has_text=text is not None)
        elif text is None and isinstance(delta.get("reasoning_details"), list):
            for part, wire in zip(decode_thinking(delta, "choices[*].delta"), delta["reasoning_details"], strict=False):
                place = wire.get("index") if isinstance(wire, dict) else None
                part.index = self._place(("detail", place, part.item_id))
                if part.signature is not None or part.redacted is not None:
                    self._kind = None
                content.append(part)

    def _decode_blocks(self, blocks: list[Any], content: list[Part], *, has_text: bool) -> None:
        """A block ends what `reasoning_content` has given of it so far; its own text counts only where it had none.

        LiteLLM gives text fragments in both fields at once, then the signature; this gateway gives whole blocks.
        """
        self._text_seen = self._text_seen or has_text
        for part in decode_thinking({"thinking_blocks": blocks}, "choices[*].delta"):
            growing = isinstance(self._kind, tuple) and self._kind[0] == "thinking"
            if part.redacted is not None:
                part.index = self._new()
            elif part.signature is None and self._text_seen:
                if growing and not has_text:
                    self._kind = None
                continue
            elif growing and self._kind != ("thinking", "thinking_blocks"):
                part.text = ""
                part.index = self._at
                self._kind = None
            else:
                part.index = self._place(("thinking", "thinking_blocks"))
                if part.signature is not None:
                    self._kind = None
            content.append(part)

    def _decode_call(self, wire: dict[str, Any], content: list[Part]) -> None:
        custom = wire.get("custom")
        kind = "custom" if wire.get("type") == "custom" or isinstance(custom, dict) else "function"
        call = wire.get(kind)
        call_id = wire.get("id")
        call_id = call_id if isinstance(call_id, str) else str(call_id) if isinstance(call_id, int) else None
        self._decode_piece(
            wire.get("index"), call_id or None, call if isinstance(call, dict) else {}, kind, content, wire=wire
        )

    def _decode_piece(
        self,
        key: Any,
        call_id: str | None,
        fields: dict[str, Any],
        kind: str,
        content: list[Part],
        *,
        legacy: bool = False,
        wire: dict[str, Any] | None = None,
    ) -> None:
        name = optional_str(fields.get("name"), "choices[*].delta.tool_calls[*].name")
        arguments = arguments_text(fields.get("input" if kind == "custom" else "arguments"))
        call = self._find_call(key, call_id, name, arguments)
        part = ToolCallPart(arguments=arguments)
        if call is None:
            call = _Call(call_id or self._mint.id("call_"), self._new(), kind)
            self._calls[key if isinstance(key, int | str) else ("place", call.place)] = call
            part.id = call.id
        self._last_call = call
        self._kind = None
        if name and not call.name:
            call.name = part.name = name
        if arguments:
            call.pieces += (arguments,)
        part.index = call.place
        if call.kind == "custom":
            part.kind = "custom"
        if legacy:
            part.provider_metadata = metadata({}, LEGACY)
        if wire is not None and "extra_content" in wire:
            read_extra_content(wire, part)
        content.append(part)

    def _find_call(self, key: Any, call_id: str | None, name: str | None, arguments: str) -> _Call | None:
        """The call that a fragment goes on with; None where it begins one.

        By the documentation, `index` alone identifies the call. But some servers leave it out, some give every call
        index 0 and another id, or none, and some repeat the name with each fragment.
        """
        if isinstance(key, int | str) and key in self._calls:
            call = self._calls[key]
            if call_id is None:
                # A name after a whole call is another call's, unless it is but repeated.
                begins = name and call.name and (name != call.name or arguments.strip()) and call.is_whole
                return None if begins else call
            if call_id == call.id:
                return call
            other = self._by_id(call_id)
            if other is not None:
                return other
            # Another id with a name begins another call; without a name it is a server that mints ids per chunk.
            return None if name else call
        if call_id is not None:
            return self._by_id(call_id) if key is None else None
        last = self._last_call
        if name and last is not None:
            repeats = last.name == name and (last.pieces or arguments) and not last.is_whole
            return last if repeats else None
        # Neither id nor a new name: nothing that could begin a call.
        return last

    def _by_id(self, call_id: str) -> _Call | None:
        return next((call for call in self._calls.values() if call.id == call_id), None)

    def _decode_notes(self, delta: dict[str, Any], content: list[Part]) -> None:
        notes = delta.get("annotations")
        extra = delta.get("extra_content")
        if not notes and not extra:
            return
        part = next((part for part in reversed(content) if isinstance(part, TextPart)), None)
        if part is None:
            if self._last_text is None:
                self._place("text")
            part = TextPart(index=self._last_text)
            content.append(part)
        part.citations = [
            citation_of(note) for note in optional_list(notes, "choices[*].delta.annotations") if isinstance(note, dict)
        ]
        read_extra_content(delta, part)
        if part.signature is not None:
            self._kind = None


class _Call:
    __slots__ = ("id", "kind", "name", "pieces", "place")

    def __init__(self, call_id: str, place: int, kind: str) -> None:
        self.id = call_id
        self.place = place
        self.kind = kind
        self.name = ""
        self.pieces: list[str] = []

    @property
    def is_whole(self) -> bool:
        """Whether its arguments so far are all that there can be."""
        try:
            return isinstance(json.loads("".join(self.pieces)), dict)
        except ValueError:
            return False
