"""Chunks → events for a client.

Each item gets the next `output_index`; an item or part is announced before its first delta and closed with its whole
content. Messages and reasoning close when something else begins. A call stays open until its arguments are whole JSON
or the reply ends, for fragments of parallel calls may be mixed; items close in the order in which they began, which is
the order in which agents keep them. Text for a part that is closed already begins a new item: it is late, never lost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llm_gateway_sdk.conventions import CustomInputReader
from llm_gateway_sdk.dialect import Mint, StreamEncoder
from llm_gateway_sdk.dialects.answer import parts_of_later_choice
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
    ToolResultPart,
)
from llm_gateway_sdk.response import Choice, LLMResponse, Usage, merge_parts, merge_usage, refusal_of
from llm_gateway_sdk.signatures import wrap_signature
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.wire.pieces import PIECE_BYTES, joined

from .echo import ResponsesEcho
from .errors import encode_response_error
from .fields import NAME, own
from .items import OF_TEXT, OF_TOOL, unsigned_mark, wrap_thinking_signature
from .open_items import (
    OpenCall,
    OpenItem,
    OpenMessage,
    OpenOpaque,
    OpenReasoning,
    OpenText,
    OpenThought,
    is_whole,
    place_of,
    same_item,
    thought_place,
)
from .parts import encode_annotation, encode_logprobs
from .response import (
    PREFIXES,
    SERVICE_TIERS,
    encode_call,
    encode_usage,
    envelope,
    image_item,
    shown,
    status_of,
    tool_of,
)

__all__ = ["ResponsesStreamEncoder"]


class ResponsesStreamEncoder(StreamEncoder):
    def __init__(self, echo: ResponsesEcho, mint: Mint, losses: Losses) -> None:
        self._echo = echo
        self._mint = mint
        self._losses = losses
        self._out: list[bytes] = []
        self._is_long = False
        self._sequence = 0
        self._snapshot: dict[str, Any] | None = None
        self._memo: dict[str, Any] = {}
        self._items: list[OpenItem] = []
        self._open_from = 0
        """Position of the first item that is not closed."""
        self._output: list[dict[str, Any]] = []
        self._text: OpenText | None = None
        self._thought: OpenThought | None = None
        self._calls: dict[int | None, OpenCall] = {}
        self._nameless: dict[int | None, ToolCallPart] = {}
        """Beginnings of calls whose name has not come yet."""
        self._opaque: dict[int | None, OpenOpaque] = {}
        self._head = b""
        self._tail = b""
        self._usage: Usage | None = None
        self._tier: str | None = None
        self._finish: str | None = None
        self._words = ""
        """Why the provider refused or filtered the answer, in its own words."""
        self._refused = False
        self._ended = False

    def encode(self, chunk: LLMResponse) -> bytes:
        if self._ended:
            return b""
        if self._snapshot is None:
            self._begin(chunk)
        elif chunk.provider_metadata:
            self._memo.update(chunk.provider_metadata.get(NAME, {}))
            self._memo.pop("_id", None)
        if chunk.usage is not None:
            self._usage = merge_usage(self._usage, chunk.usage)
        if chunk.service_tier is not None:
            self._tier = chunk.service_tier
        for choice in chunk.choices:
            if choice.finish_reason is not None and (not choice.index or self._finish in (None, "stop", "tool_calls")):
                self._finish = choice.finish_reason
                self._words = refusal_of(choice)
            logprobs = choice.logprobs
            for part in choice.message.content if not choice.index else parts_of_later_choice(choice):
                if type(part) is TextPart:
                    self._write_text(part, logprobs)
                    logprobs = None
                else:
                    _WRITERS[type(part)](self, part)
            if logprobs is not None:
                self._losses.dropped("choices[*].logprobs", "of no text")
        for dialect, event in chunk.provider_deltas:
            self._write_event(dialect, event)
        if chunk.error is not None:
            self._fail(chunk.error)
        return self._flush()

    def close(self) -> bytes:
        if self._ended:
            return b""
        if self._snapshot is None:
            self._begin(LLMResponse())
        for index in list(self._nameless):
            self._start_call(self._nameless.pop(index), index)
        # A refusal in words is a whole reply here; only one without is an interrupted one.
        reason = "stop" if self._finish == "refusal" and self._refused else self._finish
        status, details = status_of(Choice(finish_reason=reason))
        if self._words and not self._refused:
            self._write_refusal(RefusalPart(self._words))
        self._close_items(complete=status == "completed")
        assert self._snapshot is not None
        body = {**self._snapshot, **self._memo}
        body["status"] = body.pop("_status", None) or status
        body["incomplete_details"] = body.pop("_incomplete_details", None) or details
        body["output"] = self._output
        body["usage"] = encode_usage(self._usage)
        if self._tier in SERVICE_TIERS or (self._tier and self._memo):
            body["service_tier"] = self._tier
        if status == "failed":
            body["error"] = {"code": "server_error", "message": "The provider ended the reply with an error."}
        self._event(f"response.{status}", {"response": body})
        self._ended = True
        return self._flush()

    def fail(self, error: ErrorInfo) -> bytes:
        if self._ended:
            return b""
        self._fail(error)
        return self._flush()

    def _fail(self, error: ErrorInfo) -> None:
        """`response.failed`: agents understand it, and the official readers take it as an end that is not whole."""
        if self._snapshot is None:
            self._begin(LLMResponse())
        assert self._snapshot is not None
        body = {**self._snapshot, **{key: value for key, value in self._memo.items() if key[:1] != "_"}}
        body["status"] = "failed"
        body["error"] = encode_response_error(error)
        body["output"] = self._output
        body["usage"] = encode_usage(self._usage)
        self._event("response.failed", {"response": body})
        self._ended = True

    # The envelope.

    def _begin(self, chunk: LLMResponse) -> None:
        created = chunk.created if chunk.created is not None else self._mint.now()
        self._memo = dict(chunk.provider_metadata.get(NAME, {}))
        self._snapshot = envelope(
            self._echo, self._echo.response_id or chunk.id or self._mint.id("resp_"), created, chunk.model
        )
        own_id = self._memo.pop("_id", self._snapshot["id"])
        self._snapshot["id"] = self._echo.response_id or own_id
        shown_ = {**self._snapshot, **{key: value for key, value in self._memo.items() if key[:1] != "_"}}
        self._event("response.created", {"response": shown_})
        self._event("response.in_progress", {"response": shown_})

    def _event(self, kind: str, fields: dict[str, Any]) -> None:
        data = json.dumps({"type": kind, "sequence_number": self._sequence, **fields})
        self._sequence += 1
        head = b"event: " + kind.encode(errors="replace") + b"\ndata: "
        if len(data) > PIECE_BYTES:  # what the request has, which is repeated here
            self._is_long = True
            self._out += [head, data, b"\n\n"]
        else:
            self._out.append(head + data + b"\n\n")

    def _flush(self) -> bytes:
        data = joined(self._out) if self._is_long else b"".join(self._out)
        self._out.clear()
        self._is_long = False
        return data

    # Text and refusals.

    def _write_text(self, part: TextPart, logprobs: dict[str, Any] | None) -> None:
        current = self._text
        if current is None or current.index != part.index or current.refusal or not same_item(current.item, part):
            if not (part.text or part.citations or part.signature or part.index is not None):
                return
            current = self._start_text(part, refusal=False)
        elif part.provider_metadata:
            current.item.memo.update(own(part).get("_item", {}))
        if part.text:
            current.pieces.append(part.text)
            current.length += len(part.text)
            entries = logprobs.get("content") if logprobs else None
            written = b"[]"
            if isinstance(entries, list) and entries:
                encoded = encode_logprobs(entries)
                current.logprobs.extend(encoded)
                written = json.dumps(encoded)
            self._out.append(
                b'%b%d%b%b,"logprobs":%b}\n\n'
                % (self._head, self._sequence, self._tail, json.dumps(part.text), written)
            )
            self._sequence += 1
        for citation in part.citations:
            if current.citations or (citation.end is None and NAME not in citation.provider_metadata):
                current.citations.append(citation)
            else:
                self._write_citation(current, citation)
        if part.signature is not None:
            current.signature = (part.signature, part.signed_by)

    def _write_citation(self, current: OpenText, citation: Citation) -> None:
        annotation = encode_annotation(citation, current.length)
        if annotation is None:
            self._losses.dropped("choices[*].message.content[*].citations", "sources without URL or file id")
            return
        place = {**place_of(current), "annotation_index": len(current.annotations), "annotation": annotation}
        current.annotations.append(annotation)
        self._event("response.output_text.annotation.added", place)

    def _write_refusal(self, part: Part) -> None:
        assert isinstance(part, RefusalPart)
        current = self._text
        if current is None or current.index != part.index or not current.refusal:
            current = self._start_text(part, refusal=True)
        self._refused = True
        if part.text:
            current.pieces.append(part.text)
            self._event("response.refusal.delta", {**place_of(current), "delta": part.text})

    def _start_text(self, part: TextPart | RefusalPart, *, refusal: bool) -> OpenText:
        """The next part of the open message, or of a new one."""
        last = self._items[-1] if self._items else None
        memo = own(part)
        # Nothing is appended after a text that is signed, so that only the last one may be.
        signed = isinstance(last, OpenMessage) and last.parts and last.parts[-1].signature is not None
        if not isinstance(last, OpenMessage) or last.finished or signed or not same_item(last, part) or "_item" in memo:
            self._finish_current()
            item_id = part.item_id or self._mint.id("msg_")
            last = OpenMessage(len(self._items), item_id, part.item_id, dict(memo.get("_item", {})))
            self._add(
                last, {"id": item_id, "type": "message", "status": "in_progress", "content": [], "role": "assistant"}
            )
        else:
            self._close_text()
        current = OpenText(last, part.index, refusal=refusal)
        last.parts.append(current)
        self._text = current
        self._event("response.content_part.added", {**place_of(current), "part": current.written()})
        head = 'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":'
        tail = f',"item_id":{json.dumps_text(last.id)},"output_index":{last.output_index}'
        self._head = head.encode()
        self._tail = f'{tail},"content_index":{current.position},"delta":'.encode()
        return current

    def _close_text(self) -> None:
        current, self._text = self._text, None
        if current is None:
            return
        for citation in current.citations:
            self._write_citation(current, citation)
        place, written = place_of(current), current.written()
        if current.refusal:
            self._event("response.refusal.done", {**place, "refusal": written["refusal"]})
        else:
            done = {**place, "text": written["text"], "logprobs": current.logprobs}
            self._event("response.output_text.done", done)
        self._event("response.content_part.done", {**place, "part": written})

    # Reasoning.

    def _write_thinking(self, part: Part) -> None:
        assert isinstance(part, ThinkingPart)
        current = self._thought
        if current is None or current.index != part.index or not same_item(current.item, part):
            current = self._start_thought(part)
        if part.text:
            current.pieces.append(part.text)
            if len(current.pieces) == 1:
                self._announce_thought(current)
            kind = "reasoning_summary_text" if current.summary else "reasoning_text"
            self._event(f"response.{kind}.delta", {**thought_place(current), "delta": part.text})
        if part.provider_metadata:
            current.item.memo.update(own(part).get("_item", {}))
        encrypted = wrap_thinking_signature(part)
        if encrypted is not None:
            current.item.encrypted = (current.item.encrypted or "") + encrypted if part.redacted else encrypted

    def _start_thought(self, part: ThinkingPart) -> OpenThought:
        last = self._items[-1] if self._items else None
        fresh = not isinstance(last, OpenReasoning) or last.finished or last.encrypted is not None
        if fresh or part.item_id is None or not same_item(last, part) or "_item" in own(part):
            self._finish_current()
            item_id = part.item_id or self._mint.id("rs_")
            last = OpenReasoning(len(self._items), item_id, part.item_id, {})
            self._add(last, {"id": item_id, "type": "reasoning", "summary": []})
        else:
            self._close_thought()
        assert isinstance(last, OpenReasoning)
        current = OpenThought(last, part.index, summary=shown(part))
        last.texts.append(current)
        self._thought = current
        return current

    def _announce_thought(self, current: OpenThought) -> None:
        # Only once there is text: an item of nothing but a signature has no parts.
        current.position = sum(text.summary == current.summary for text in current.item.texts if text.pieces) - 1
        place = thought_place(current)
        if current.summary:
            part = {"type": "summary_text", "text": ""}
            self._event("response.reasoning_summary_part.added", {**place, "part": part})
        else:
            self._event("response.content_part.added", {**place, "part": {"type": "reasoning_text", "text": ""}})

    def _close_thought(self) -> None:
        current, self._thought = self._thought, None
        if current is None or not current.pieces:
            return
        place, whole = thought_place(current), "".join(current.pieces)
        if current.summary:
            self._event("response.reasoning_summary_text.done", {**place, "text": whole})
            part = {"type": "summary_text", "text": whole}
            self._event("response.reasoning_summary_part.done", {**place, "part": part})
        else:
            self._event("response.reasoning_text.done", {**place, "text": whole})
            part = {"type": "reasoning_text", "text": whole}
            self._event("response.content_part.done", {**place, "part": part})

    # Calls.

    def _write_call(self, part: Part) -> None:
        assert isinstance(part, ToolCallPart)
        call = self._calls.get(part.index)
        if call is not None and (
            (part.item_id is not None and call.source_id not in (None, part.item_id))
            or (part.index is None and part.id not in ("", call.call_id))
        ):
            call = None
        if call is None:
            waiting = self._nameless.pop(part.index, None)
            if waiting is not None:
                merged = merge_parts(waiting, part)
                part = merged if isinstance(merged, ToolCallPart) else part
            if not part.name:
                self._nameless[part.index] = part
                return
            self._start_call(part, part.index)
            return
        if part.provider_metadata:
            call.memo.update(own(part).get("_item", {}))
        if part.signature is not None:
            self._losses.dropped("choices[*].message.calls[*].signature", "came after its call had begun")
        self._write_arguments(call, part.arguments)

    def _start_call(self, part: ToolCallPart, index: int | None) -> None:
        self._finish_current()
        if part.signature is not None:
            self._carry(OF_TOOL, part.signature, part.signed_by)
        tool = tool_of(part, self._echo)
        item_id = part.item_id or self._mint.id(PREFIXES[tool.kind])
        call_id = part.id or self._mint.id("call_")
        memo = dict(own(part).get("_item", {}))
        call = OpenCall(len(self._items), item_id, part.item_id, memo, tool, call_id)
        call.part = ToolCallPart(call_id, part.name, kind=part.kind)
        if tool.kind == "custom" and part.kind != "custom":
            call.reader = CustomInputReader()
        self._calls[index] = call
        added = encode_call(ToolCallPart(kind="custom"), tool, item_id, call_id, complete=True)
        if tool.kind != "custom" or "status" in added:
            added["status"] = "in_progress"
        if tool.kind == "function":
            added["arguments"] = ""
        self._add(call, added)
        self._write_arguments(call, part.arguments)

    def _write_arguments(self, call: OpenCall, fragment: str) -> None:
        if not fragment:
            return
        if call.finished:
            self._losses.dropped("choices[*].message.calls[*].arguments", "came after the call had ended")
            return
        call.pieces.append(fragment)
        if call.tool.kind == "tool_search":
            return
        delta = fragment
        if call.reader is not None:
            delta = call.reader.feed(fragment)
            call.given.append(delta)
        if delta:
            self._argument_delta(call, delta)

    def _argument_delta(self, call: OpenCall, delta: str) -> None:
        kind = "custom_tool_call_input" if call.tool.kind == "custom" else "function_call_arguments"
        place = {"item_id": call.id, "output_index": call.output_index}
        self._event(f"response.{kind}.delta", {**place, "delta": delta})

    def _close_call(self, call: OpenCall, *, complete: bool) -> dict[str, Any]:
        if call.reader is None:
            call.part.arguments = "".join(call.pieces)
        else:
            if rest := call.reader.close():
                call.given.append(rest)
                self._argument_delta(call, rest)
            call.part.kind, call.part.arguments = "custom", "".join(call.given)
        call.part.provider_metadata = {NAME: {"_item": call.memo}} if call.memo else {}
        item = encode_call(call.part, call.tool, call.id, call.call_id, complete=complete)
        place = {"item_id": call.id, "output_index": call.output_index}
        if call.tool.kind == "custom":
            self._event("response.custom_tool_call_input.done", {**place, "input": item["input"]})
        elif call.tool.kind == "function":
            if not call.pieces:
                self._argument_delta(call, item["arguments"])
            done = {**place, "name": item["name"], "arguments": item["arguments"]}
            self._event("response.function_call_arguments.done", done)
        return item

    # Blocks of the vendor's own, and media.

    def _write_opaque(self, part: Part) -> None:
        assert isinstance(part, OpaquePart)
        if part.dialect != NAME:
            if part.data is not None:
                drop_part(part, self._losses)
            return
        block = self._opaque.get(part.index)
        if block is None or (isinstance(part.data, dict) and (block.closed or part.data.get("id") != block.id)):
            if not isinstance(part.data, dict):
                return
            self._finish_current()
            item_id = part.data.get("id")
            block = OpenOpaque(len(self._items), item_id if isinstance(item_id, str) else "", part.item_id, part.data)
            self._opaque[part.index] = block
            # A block that comes whole is done already; of one in a stream the end is yet to come.
            begun = part.deltas or own(part).get("_begun")
            block.finished = not begun and part.data.get("status") in ("completed", "failed", "incomplete")
            self._add(block, part.data)
            self._close_ready()
        for delta in part.deltas:
            if not isinstance(delta, dict) or block.finished:
                continue
            if delta.get("type") == "response.output_item.done" and isinstance(delta.get("item"), dict):
                block.item = delta["item"]
                block.finished = True
                self._close_ready()
                continue
            self._replay(delta, block.output_index)

    def _write_event(self, dialect: str, event: Any) -> None:
        """An event that belongs to no item."""
        if dialect == NAME and isinstance(event, dict) and "output_index" not in event:
            self._replay(event, None)

    def _replay(self, event: dict[str, Any], output_index: int | None) -> None:
        kind = event.get("type")
        if not isinstance(kind, str) or "\n" in kind:
            return
        fields = {key: value for key, value in event.items() if key not in ("type", "sequence_number")}
        if output_index is not None:
            fields["output_index"] = output_index
        self._event(kind, fields)

    def _write_media(self, part: Part) -> None:
        assert isinstance(part, MediaPart)
        if part.kind != "image" or part.data is None:
            drop_part(part, self._losses)
            return
        self._finish_current()
        item_id = part.item_id or self._mint.id("ig_")
        item = image_item(part, item_id)
        block = OpenOpaque(len(self._items), item_id, part.item_id, item)
        block.finished = True
        self._add(block, {**item, "status": "in_progress", "result": None})
        self._close_ready()

    def _drop(self, part: Part) -> None:
        drop_part(part, self._losses)

    # Opening and closing.

    def _add(self, item: OpenItem, written: dict[str, Any]) -> None:
        if item.memo:
            written = {**written, **item.memo, "status": written.get("status", "in_progress")}
        self._items.append(item)
        self._event("response.output_item.added", {"output_index": item.output_index, "item": written})

    def _finish_current(self) -> None:
        """Something else begins: what can be closed is."""
        if self._text is not None:
            item = self._text.item
            self._close_text()
            item.finished = True
            self._carry_texts(item)
        if self._thought is not None:
            reasoning = self._thought.item
            self._close_thought()
            reasoning.finished = True
        for position in range(self._open_from, len(self._items)):
            item_ = self._items[position]
            if isinstance(item_, OpenCall) and not item_.finished:
                item_.finished = is_whole("".join(item_.pieces), item_)
        self._close_ready()

    def _carry_texts(self, item: OpenMessage) -> None:
        for text in item.parts:
            if text.signature is not None:
                self._carry(OF_TEXT, *text.signature)
                text.signature = None

    def _carry(self, prefix: str, signature: str, signed_by: str | None) -> None:
        """A signature without a home here travels as a reasoning item next to its part."""
        item_id = self._mint.id("rs_")
        item = OpenReasoning(len(self._items), item_id, None, {})
        item.encrypted = wrap_signature(prefix + signature, signed_by, NAME)
        item.finished = True
        self._add(item, {"id": item_id, "type": "reasoning", "summary": [], "encrypted_content": item.encrypted})
        self._close_ready()

    def _close_ready(self) -> None:
        while self._open_from < len(self._items) and self._items[self._open_from].finished:
            self._close_item(self._items[self._open_from], complete=True)
            self._open_from += 1

    def _close_items(self, *, complete: bool) -> None:
        self._finish_current()
        while self._open_from < len(self._items):
            item = self._items[self._open_from]
            self._close_item(item, complete=complete)
            self._open_from += 1

    def _close_item(self, item: OpenItem, *, complete: bool) -> None:
        written: dict[str, Any]
        status = "completed" if complete else "incomplete"
        match item:
            case OpenMessage():
                content = [part.written() for part in item.parts]
                written = {"id": item.id, "type": "message", "status": status, "content": content, "role": "assistant"}
                written.update(item.memo)
            case OpenReasoning():
                texts = [(text.summary, "".join(text.pieces)) for text in item.texts if text.pieces]
                summary = [{"type": "summary_text", "text": text} for short, text in texts if short]
                written = {"id": item.id, "type": "reasoning", "summary": summary}
                content = [{"type": "reasoning_text", "text": text} for short, text in texts if not short]
                if content:
                    written["content"] = content
                encrypted = item.encrypted or unsigned_mark(item.source_id)
                if encrypted is not None:
                    written["encrypted_content"] = encrypted
                written.update(item.memo)
            case OpenCall():
                written = self._close_call(item, complete=complete)
            case OpenOpaque():
                written = item.item
            case _:
                raise AssertionError(item.kind)
        item.closed = item.finished = True
        self._output.append(written)
        self._event("response.output_item.done", {"output_index": item.output_index, "item": written})


_Writer = Callable[[ResponsesStreamEncoder, Part], None]
_WRITERS: dict[type, _Writer] = {
    RefusalPart: ResponsesStreamEncoder._write_refusal,
    ThinkingPart: ResponsesStreamEncoder._write_thinking,
    ToolCallPart: ResponsesStreamEncoder._write_call,
    OpaquePart: ResponsesStreamEncoder._write_opaque,
    MediaPart: ResponsesStreamEncoder._write_media,
    ToolResultPart: ResponsesStreamEncoder._drop,
}
