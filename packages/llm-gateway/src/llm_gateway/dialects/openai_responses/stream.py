"""Provider events → chunks.

Source: OpenAI API reference, streaming events of `responses.create`. Every item and every part of it has a place in the
output (`output_index`, `content_index` or `summary_index`); parts are numbered as they first appear.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llm_gateway_sdk.dialect import Mint, StreamDecoder
from llm_gateway_sdk.dialects.bare_errors import error_data, named_error
from llm_gateway_sdk.errors import DialectError
from llm_gateway_sdk.parts import OpaquePart, Part, RefusalPart, TextPart, ThinkingPart, ToolCallPart
from llm_gateway_sdk.request import Message
from llm_gateway_sdk.response import Choice, LLMResponse
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.wire.sse import EventSplitter, SSEError, event_data

from .charges import add_charges
from .errors import decode_error_event, decode_response_error
from .fields import NAME, found, mapping, own
from .items import OF_TEXT, OF_TOOL, decode_item, set_reply_memo
from .parts import decode_annotation
from .response import created_of, decode_reply, decode_usage, finish_by_status, reply_metadata
from .tools import is_client_tool_search

__all__ = ["ResponsesStreamDecoder"]

_Handler = Callable[["ResponsesStreamDecoder", dict[str, Any]], LLMResponse | None]


class _Item:
    """One output item as far as it has come."""

    __slots__ = ("carried", "id", "kind", "parts", "raw", "searches", "seen")

    def __init__(self, raw: dict[str, Any]) -> None:
        kind = raw.get("type")
        self.kind = kind if isinstance(kind, str) else ""
        item_id = raw.get("id")
        self.id = item_id if isinstance(item_id, str) else None
        self.raw = raw
        self.searches = kind == "tool_search_call" and is_client_tool_search(raw)
        self.parts: dict[tuple[str, int], int] = {}
        """(list, position in it) of each part → its index in the message."""
        self.seen: dict[tuple[str, int], int] = {}
        """How many characters, or arguments, of each have come."""
        self.carried = False
        """Something of it has been given out."""


class ResponsesStreamDecoder(StreamDecoder):
    def __init__(self, mint: Mint) -> None:
        self._mint = mint
        self._splitter = EventSplitter()
        self._items: dict[int, _Item] = {}
        self._next = 0
        self._called = False
        self._failed = False
        self._text_index: int | None = None
        self._call_signature: tuple[str, str | None] | None = None
        self.finished = False

    def feed(self, data: bytes) -> list[LLMResponse]:
        try:
            return self._read_all(self._splitter.feed(data))
        except SSEError as error:
            raise DialectError(str(error)) from None

    def close(self) -> list[LLMResponse]:
        return self._read_all(self._splitter.close())

    def _read_all(self, events: list[bytes]) -> list[LLMResponse]:
        chunks: list[LLMResponse] = []
        for raw in events:
            data = event_data(raw) or error_data(raw)
            if data is not None and (chunk := self._read(data)) is not None:
                chunks.append(chunk)
        return chunks

    def _read(self, data: bytes) -> LLMResponse | None:
        if self.finished or self._failed or data[:6] == b"[DONE]" or not data:
            return None
        try:
            event = json.loads(data)
        except ValueError as error:
            raise DialectError(f"an event is not valid JSON: {error}") from None
        if not isinstance(event, dict):
            raise DialectError(f"expected an event object, found {found(event)}")
        kind = event.get("type")
        handler = _HANDLERS.get(kind) if isinstance(kind, str) else None
        if handler is not None:
            return handler(self, event)
        if kind is None and (failure := named_error(event)) is not None:
            return self._error({"error": failure})
        return self._other(event)

    # The envelope.

    def _created(self, event: dict[str, Any]) -> LLMResponse:
        body = mapping(event.get("response"), "response")
        return LLMResponse(
            id=_str(body, "id"),
            model=_str(body, "model"),
            created=created_of(body),
            provider_metadata=_without_status(reply_metadata(body)),
        )

    def _skip(self, event: dict[str, Any]) -> None:
        return None

    def _completed(self, event: dict[str, Any]) -> LLMResponse:
        body = mapping(event.get("response"), "response")
        self.finished = True
        content: list[Part] = []
        logprobs: dict[str, Any] | None = None
        if not any(item.carried for item in self._items.values()) and isinstance(body.get("output"), list):
            # A server that streams nothing but the end.
            whole = decode_reply({**body, "error": None}, self._mint).choices[0]
            content, logprobs = whole.message.content, whole.logprobs
            self._called = self._called or any(isinstance(part, ToolCallPart) for part in content)
        else:
            content = self._unfinished(body)
        reason, raw_reason = finish_by_status(_with_status(body, event), called=self._called)
        tier = body.get("service_tier")
        return LLMResponse(
            id=_str(body, "id"),
            model=_str(body, "model"),
            created=created_of(body),
            choices=[Choice(0, Message("assistant", content), reason, raw_reason, logprobs=logprobs)],
            usage=add_charges(decode_usage(body.get("usage")), body),
            service_tier=tier if isinstance(tier, str) else None,
            final=True,
            provider_metadata=reply_metadata(body),
        )

    def _unfinished(self, body: dict[str, Any]) -> list[Part]:
        """The ends of blocks which the server forgot to send, as the whole reply has them."""
        output = body.get("output")
        whole = (
            {_str(item, "id"): item for item in output if isinstance(item, dict)} if isinstance(output, list) else {}
        )
        parts: list[Part] = []
        for output_index, item in self._items.items():
            raw = whole.get(item.id) if item.id else None
            if raw is not None and ("opaque", 0) in item.parts and ("done", 0) not in item.seen:
                done = {"type": "response.output_item.done", "output_index": output_index, "item": raw}
                parts.append(OpaquePart(NAME, None, [done], index=item.parts["opaque", 0], item_id=item.id))
        return parts

    def _failure(self, event: dict[str, Any]) -> LLMResponse:
        body = mapping(event.get("response"), "response")
        self._failed = True
        error = decode_response_error({**body, "status": "failed"})
        return LLMResponse(
            id=_str(body, "id"), model=_str(body, "model"), usage=decode_usage(body.get("usage")), error=error
        )

    def _error(self, event: dict[str, Any]) -> LLMResponse:
        self._failed = True
        return LLMResponse(error=decode_error_event(event))

    # Items.

    def _item_added(self, event: dict[str, Any]) -> LLMResponse | None:
        raw = event.get("item")
        if raw is None:
            return None
        raw = mapping(raw, "item")
        output_index = _int(event, "output_index")
        item = self._items[output_index] = _Item(raw)
        if item.kind in ("function_call", "custom_tool_call") or item.searches:
            item.carried = self._called = True
            call = decode_item(raw, "item", None)[0]
            assert isinstance(call, ToolCallPart)
            if item.searches:
                # Its arguments are an object, which only the end has.
                call.arguments = ""
            call.index = self._index_of(item, ("call", 0))
            item.seen["call", 0] = len(call.arguments)
            self._sign(call)
            return _chunk(call)
        if item.kind == "reasoning" and isinstance(raw.get("encrypted_content"), str):
            return self._take_carrier(item, decode_item(raw, "item", None))
        if item.kind in ("message", "reasoning", "image_generation_call"):
            return None
        item.carried = True
        index = self._index_of(item, ("opaque", 0))
        part = OpaquePart(NAME, raw, index=index, item_id=item.id)
        # Its status may be "completed" already; what it holds still comes with `output_item.done`.
        part.provider_metadata = {NAME: {"_begun": True}}
        return _chunk(part)

    def _item_done(self, event: dict[str, Any]) -> LLMResponse | None:
        raw = mapping(event.get("item"), "item")
        output_index = _int(event, "output_index")
        item = self._items.get(output_index)
        if item is None:
            item = self._items[output_index] = _Item(raw)
        if ("opaque", 0) in item.parts:
            item.seen["done", 0] = 1
            return _chunk(OpaquePart(NAME, None, [event], index=item.parts["opaque", 0], item_id=item.id))
        whole = decode_item(raw, "item", None)
        match item.kind:
            case "message" | "reasoning":
                return self._finish_parts(item, whole)
            case _ if whole and isinstance(whole[0], ToolCallPart):
                return self._finish_call(item, whole[0])
            case _:
                item.carried = True
                part = whole[0]
                part.index = self._index_of(item, ("whole", 0))
                return _chunk(part)

    def _finish_parts(self, item: _Item, whole: list[Part]) -> LLMResponse | None:
        """What of a message or reasoning item did not come in deltas: a signature, the status, perhaps all of it."""
        carried = self._take_carrier(item, whole)
        if carried is not None:
            return carried
        parts: list[Part] = []
        counts: dict[str, int] = {}
        for part in whole:
            place = "summary" if isinstance(part, ThinkingPart) and part.summary else "content"
            position = counts.get(place, 0)
            counts[place] = position + 1
            seen = item.seen.get((place, position))
            memo = part.provider_metadata
            if seen is not None:
                if part.signature is None and own(part).get("_item", {}) in ({}, _given(item.raw)):
                    continue
                bare = type(part)(provider_metadata=memo, signature=part.signature, signed_by=part.signed_by)
                if isinstance(bare, ThinkingPart) and isinstance(part, ThinkingPart):
                    bare.summary = part.summary
                part = bare
            part.index = self._index_of(item, (place, position))
            part.item_id = item.id
            if isinstance(part, TextPart):
                self._text_index = part.index
            item.seen.setdefault((place, position), 1)
            parts.append(part)
        if not parts:
            return None
        item.carried = True
        return _chunk(*parts)

    def _take_carrier(self, item: _Item, whole: list[Part]) -> LLMResponse | None:
        """A reasoning item that only carries a neighbour's signature, as another gateway of ours writes it."""
        if ("carrier", 0) in item.seen:
            return LLMResponse()
        part = whole[0] if len(whole) == 1 else None
        if not isinstance(part, ThinkingPart) or part.text or part.signature is None or part.signed_by == NAME:
            return None
        if part.signature.startswith(OF_TEXT) and self._text_index is not None:
            item.seen["carrier", 0] = 1
            signature = part.signature[len(OF_TEXT) :]
            return _chunk(TextPart("", index=self._text_index, signature=signature, signed_by=part.signed_by))
        if part.signature.startswith(OF_TOOL):
            item.seen["carrier", 0] = 1
            self._call_signature = (part.signature[len(OF_TOOL) :], part.signed_by)
            return LLMResponse()
        return None

    def _finish_call(self, item: _Item, whole: Part) -> LLMResponse | None:
        assert isinstance(whole, ToolCallPart)
        started = ("call", 0) in item.parts
        if started and item.seen.get(("call", 0)):
            whole.arguments = ""
            if not whole.provider_metadata:
                return None
        if started:
            whole.id = whole.name = ""
            whole.namespace = None
        else:
            self._sign(whole)
        item.carried = self._called = True
        whole.index = self._index_of(item, ("call", 0))
        return _chunk(whole)

    def _sign(self, call: ToolCallPart) -> None:
        if self._call_signature is not None:
            call.signature, call.signed_by = self._call_signature
            self._call_signature = None

    # Parts.

    def _part_added(self, event: dict[str, Any]) -> LLMResponse | None:
        """Takes the part's number; no event is written before there is content."""
        self._index_of(self._item(event), ("content", _int(event, "content_index")))
        return None

    def _part_done(self, event: dict[str, Any]) -> LLMResponse | None:
        """A part without deltas, be it empty, is given out whole."""
        raw = mapping(event.get("part"), "part")
        item = self._item(event)
        key = ("content", _int(event, "content_index"))
        if item.kind != "message":
            return None
        part = decode_item({"type": "message", "role": "assistant", "content": [raw]}, "part", None)[0]
        noted = item.seen.get(("annotations", key[1]), 0)
        if key in item.seen:
            if not isinstance(part, TextPart) or len(part.citations) <= noted:
                return None
            part = TextPart("", part.citations[noted:])
        elif isinstance(part, TextPart) and noted:
            part.citations = part.citations[noted:]
        item.seen[key] = 1
        return self._give(item, key, part)

    def _text_delta(self, event: dict[str, Any]) -> LLMResponse | None:
        delta = event.get("delta")
        if not isinstance(delta, str):
            return None
        item = self._item(event)
        key = ("content", _int(event, "content_index"))
        if key in item.seen:
            # The common case: nothing but text.
            chunk = _chunk(TextPart(delta, [], index=item.parts[key], item_id=item.id))
        else:
            item.seen[key] = 1
            chunk = self._give(item, key, TextPart(delta))
        logprobs = event.get("logprobs")
        if logprobs and isinstance(logprobs, list):
            chunk.choices[0].logprobs = {"content": logprobs}
        return chunk

    def _refusal_delta(self, event: dict[str, Any]) -> LLMResponse | None:
        return self._delta(event, "content", "content_index", RefusalPart(_str(event, "delta")))

    def _reasoning_delta(self, event: dict[str, Any]) -> LLMResponse | None:
        return self._delta(event, "content", "content_index", ThinkingPart(_str(event, "delta")))

    def _summary_delta(self, event: dict[str, Any]) -> LLMResponse | None:
        return self._delta(event, "summary", "summary_index", ThinkingPart(_str(event, "delta"), summary=True))

    def _summary_added(self, event: dict[str, Any]) -> LLMResponse | None:
        self._index_of(self._item(event), ("summary", _int(event, "summary_index")))
        return None

    def _annotation(self, event: dict[str, Any]) -> LLMResponse | None:
        item = self._item(event)
        key = ("content", _int(event, "content_index"))
        noted = ("annotations", key[1])
        item.seen[noted] = item.seen.get(noted, 0) + 1
        item.seen.setdefault(key, 1)
        return self._give(item, key, TextPart("", [decode_annotation(event.get("annotation"), "annotation")]))

    def _arguments_delta(self, event: dict[str, Any]) -> LLMResponse | None:
        delta = event.get("delta")
        item = self._items.get(_int(event, "output_index"))
        if item is None or not isinstance(delta, str) or ("call", 0) not in item.parts:
            return self._other(event)
        kind = _CALL_KINDS.get(item.kind)
        if kind is None:
            return self._other(event)
        item.seen["call", 0] = item.seen.get(("call", 0), 0) + len(delta)
        return _chunk(ToolCallPart(arguments=delta, kind=kind, index=item.parts["call", 0], item_id=item.id))

    def _other(self, event: dict[str, Any]) -> LLMResponse | None:
        """An event of an item that we do not know stays with it; any other is separate."""
        output_index = event.get("output_index")
        item = self._items.get(output_index) if isinstance(output_index, int) else None
        if item is not None:
            if ("opaque", 0) in item.parts:
                return _chunk(OpaquePart(NAME, None, [event], index=item.parts["opaque", 0], item_id=item.id))
            return None
        kind = event.get("type")
        if not isinstance(kind, str) or kind == "keepalive":
            return None
        return LLMResponse(provider_deltas=[(NAME, event)])

    # Helpers.

    def _delta(self, event: dict[str, Any], place: str, key: str, part: Part) -> LLMResponse:
        item = self._item(event)
        position = _int(event, key)
        item.seen[place, position] = 1
        return self._give(item, (place, position), part)

    def _give(self, item: _Item, key: tuple[str, int], part: Part) -> LLMResponse:
        part.index = self._index_of(item, key)
        part.item_id = item.id
        if not item.carried:
            set_reply_memo(part, _given(item.raw))
        item.carried = True
        if isinstance(part, TextPart):
            self._text_index = part.index
        return _chunk(part)

    def _item(self, event: dict[str, Any]) -> _Item:
        output_index = _int(event, "output_index")
        item = self._items.get(output_index)
        if item is None:
            # A server that leaves out `output_item.added`.
            kind = "reasoning" if "reasoning" in str(event.get("type")) else "message"
            item = self._items[output_index] = _Item({"type": kind, "id": event.get("item_id")})
        return item

    def _index_of(self, item: _Item, key: tuple[str, int]) -> int:
        index = item.parts.get(key)
        if index is None:
            index = item.parts[key] = self._next
            self._next += 1
        return index


def _chunk(*parts: Part) -> LLMResponse:
    return LLMResponse("", "", None, [Choice(0, Message("assistant", list(parts)))])


def _given(raw: dict[str, Any]) -> dict[str, Any]:
    """What of a message item's fields is known, and given out, from its beginning."""
    return {name: value for name, value in raw.items() if name == "phase" and value is not None}


def _without_status(metadata: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    memo = metadata.get(NAME)
    if memo is not None:
        memo.pop("_status", None)
    return metadata


def _with_status(body: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    """Servers that leave the status out, or forget to change it, still name the event."""
    return {**body, "status": str(event["type"]).removeprefix("response.")}


def _str(holder: dict[str, Any], key: str) -> str:
    value = holder.get(key)
    return value if isinstance(value, str) else ""


def _int(holder: dict[str, Any], key: str) -> int:
    value = holder.get(key)
    return value if type(value) is int else 0


_CALL_KINDS: dict[str, Any] = {"function_call": "function", "custom_tool_call": "custom"}
_HANDLERS: dict[str, _Handler] = {
    "response.created": ResponsesStreamDecoder._created,
    "response.in_progress": ResponsesStreamDecoder._skip,
    "response.queued": ResponsesStreamDecoder._skip,
    "response.completed": ResponsesStreamDecoder._completed,
    "response.incomplete": ResponsesStreamDecoder._completed,
    "response.done": ResponsesStreamDecoder._skip,
    "response.failed": ResponsesStreamDecoder._failure,
    "error": ResponsesStreamDecoder._error,
    "response.output_item.added": ResponsesStreamDecoder._item_added,
    "response.output_item.done": ResponsesStreamDecoder._item_done,
    "response.content_part.added": ResponsesStreamDecoder._part_added,
    "response.content_part.done": ResponsesStreamDecoder._part_done,
    "response.output_text.delta": ResponsesStreamDecoder._text_delta,
    "response.output_text.done": ResponsesStreamDecoder._skip,
    "response.output_text.annotation.added": ResponsesStreamDecoder._annotation,
    "response.refusal.delta": ResponsesStreamDecoder._refusal_delta,
    "response.refusal.done": ResponsesStreamDecoder._skip,
    "response.reasoning_text.delta": ResponsesStreamDecoder._reasoning_delta,
    "response.reasoning_text.done": ResponsesStreamDecoder._skip,
    "response.reasoning_summary_part.added": ResponsesStreamDecoder._summary_added,
    "response.reasoning_summary_part.done": ResponsesStreamDecoder._skip,
    "response.reasoning_summary_text.delta": ResponsesStreamDecoder._summary_delta,
    "response.reasoning_summary_text.done": ResponsesStreamDecoder._skip,
    "response.function_call_arguments.delta": ResponsesStreamDecoder._arguments_delta,
    "response.function_call_arguments.done": ResponsesStreamDecoder._skip,
    "response.custom_tool_call_input.delta": ResponsesStreamDecoder._arguments_delta,
    "response.custom_tool_call_input.done": ResponsesStreamDecoder._skip,
}
