"""Messages of a request, in both directions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from llm_gateway_sdk.conventions import TOOL_ERROR_PREFIX, media_marker
from llm_gateway_sdk.dialects.coverage import drop_from_system, drop_message
from llm_gateway_sdk.errors import DialectError
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.parts import (
    MediaPart,
    OpaquePart,
    Part,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
)
from llm_gateway_sdk.request import Message
from llm_gateway_sdk.values import replace

from .fields import (
    NAME,
    as_list,
    as_object,
    describe,
    extras,
    form_of,
    metadata,
    optional_list,
    optional_object,
    optional_str,
    own,
)
from .parts import (
    PLAIN_FIELDS,
    THINKING_FIELDS,
    decode_content,
    decode_thinking,
    encode_part,
    encode_texts,
    is_kept,
    is_packed_detail,
    keep_media,
    read_extra_content,
    thinking_block,
    thinking_detail,
    write_extra_content,
)
from .tools import LEGACY, decode_call, decode_function_call, encode_call, is_legacy

__all__ = ["decode_messages", "encode_messages"]


ACKNOWLEDGEMENT = "Understood."
"""The assistant's text where a server takes no user's message right after a tool's."""


def decode_messages(value: Any) -> tuple[list[Message], bool]:
    """(messages, whether all are bare, see `Echo`)."""
    open_calls = _OpenCalls()
    messages: list[Message] = []
    before, is_bare = None, True
    for place, wire in enumerate(as_list(value, "messages")):
        # A role and a text and nothing else, which most messages are: what `_decode_message` makes of it, in a few
        # steps.
        if type(wire) is dict and len(wire) == 2:
            role, text = wire.get("role"), wire.get("content")
            if type(text) is str and text and role in _SPEAKERS:
                messages.append(Message(role, [TextPart(text, [])], None, {}))
                if role == before:
                    is_bare = False
                before = role
                continue
        is_bare = False
        messages.append(_decode_message(wire, f"messages[{place}]", open_calls))
    return messages, is_bare


@dataclass(slots=True)
class _OpenCalls:
    """Calls that wait for their result, so that results without an id find theirs."""

    ids: list[tuple[str, str]] = field(default_factory=list)
    """(name, id), oldest first."""
    functions: int = 0

    def open(self, part: ToolCallPart) -> None:
        if not part.id:
            # By place, so that every later request of the conversation gives it the same id.
            part.id = f"call_{self.functions}"
            self.functions += 1
        self.ids.append((part.name, part.id))

    def close(self, call_id: str) -> None:
        self.ids = [item for item in self.ids if item[1] != call_id]

    def waiting(self, name: str | None) -> str | None:
        for called, call_id in self.ids:
            if name is None or called == name:
                return call_id
        return self.ids[0][1] if self.ids else None


def _decode_message(wire: Any, path: str, open_calls: _OpenCalls) -> Message:
    wire = as_object(wire, path)
    role = wire.get("role")
    if not isinstance(role, str):
        raise DialectError(f"expected a string, found {describe(role)}", path=f"{path}.role")
    match role:
        case "system" | "developer" | "user":
            return _decode_plain(wire, role, path)
        case "assistant":
            return _decode_assistant(wire, path, open_calls)
        case "tool" | "function":
            return _decode_result(wire, role, path, open_calls)
        case _:
            return Message("opaque", [OpaquePart(dialect=NAME, data=wire)])


def _decode_plain(wire: dict[str, Any], role: str, path: str) -> Message:
    content, form = decode_content(wire.get("content"), f"{path}.content")
    name = optional_str(wire.get("name"), f"{path}.name")
    rest = extras(wire, _PLAIN_FIELDS)
    return Message(role, content, name, metadata(rest, form))


def _decode_assistant(wire: dict[str, Any], path: str, open_calls: _OpenCalls) -> Message:
    spoken, form = decode_content(wire.get("content"), f"{path}.content")
    content: list[Part] = [*decode_thinking(wire, path), *spoken]
    refusal = optional_str(wire.get("refusal"), f"{path}.refusal")
    if refusal:
        content.append(RefusalPart(refusal))
    audio = optional_object(wire.get("audio"), f"{path}.audio")
    if audio is not None:
        content.append(MediaPart("audio", file_id=optional_str(audio.get("id"), f"{path}.audio.id") or ""))
    carrier = next((part for part in reversed(spoken) if isinstance(part, TextPart)), None)
    if carrier is not None:
        read_extra_content(wire, carrier)
    calls = [
        decode_call(call, f"{path}.tool_calls[{place}]")
        for place, call in enumerate(optional_list(wire.get("tool_calls"), f"{path}.tool_calls"))
    ]
    if wire.get("function_call") is not None:
        calls.append(decode_function_call(wire["function_call"], f"{path}.function_call"))
    if form:
        # Anthropic's blocks, which are among the texts.
        for part in spoken:
            if type(part) is ToolCallPart:
                open_calls.open(part)
    for call in calls:
        open_calls.open(call)
    content.extend(calls)
    name = optional_str(wire.get("name"), f"{path}.name")
    return Message("assistant", content, name, metadata(extras(wire, _ASSISTANT_FIELDS), form))


def _decode_result(wire: dict[str, Any], role: str, path: str, open_calls: _OpenCalls) -> Message:
    content, form = decode_content(wire.get("content"), f"{path}.content")
    name = optional_str(wire.get("name"), f"{path}.name")
    call_id = optional_str(wire.get("tool_call_id"), f"{path}.tool_call_id") or open_calls.waiting(name)
    if not call_id:
        raise DialectError("expected the id of a preceding tool call, found none", path=f"{path}.tool_call_id")
    open_calls.close(call_id)
    if form:
        keep_media(content, wire["content"])
    part = ToolResultPart(call_id, content, name=name)
    first = content[0] if content else None
    if isinstance(first, TextPart) and first.text.startswith(TOOL_ERROR_PREFIX):
        first.text = first.text.removeprefix(TOOL_ERROR_PREFIX)
        part.is_error = True
    if role == "function":
        part.provider_metadata = metadata({}, LEGACY)
    elif name is not None:
        part.provider_metadata = metadata({}, {"named": True})
    return Message("tool", [part], None, metadata(extras(wire, _RESULT_FIELDS), form))


_SPEAKERS = ("user", "assistant", "system", "developer")
_PLAIN_FIELDS = frozenset({"role", "content", "name"})
_ASSISTANT_FIELDS = frozenset(
    {"role", "content", "name", "refusal", "audio", "tool_calls", "function_call", "extra_content", *THINKING_FIELDS}
)
_RESULT_FIELDS = frozenset({"role", "content", "name", "tool_call_id"})


def encode_messages(
    messages: list[Message], losses: Losses, quirks: Mapping[str, Any], model: str
) -> list[dict[str, Any]]:
    return _Writer(losses, quirks, model).write(messages)


class _Writer:
    __slots__ = ("_losses", "_model", "_moved", "_names", "_out", "_quirks")

    def __init__(self, losses: Losses, quirks: Mapping[str, Any], model: str) -> None:
        self._losses = losses
        self._quirks = quirks
        self._model = model
        self._out: list[dict[str, Any]] = []
        self._moved: list[dict[str, Any]] = []
        """Media of tool results, waiting for the user message after the last result of the turn."""
        self._names: dict[str, str] = {}

    def write(self, messages: list[Message]) -> list[dict[str, Any]]:
        leading, out = True, self._out
        for place, message in enumerate(messages):
            role, content = message.role, message.content
            if leading and role not in _LEADERS:
                leading = False
            if len(content) == 1 and role in _UNCHANGED_ROLES and not self._moved and message.name is None:
                # One bare text, which most messages are: it has nothing else to say in this dialect.
                part = content[0]
                if (
                    type(part) is TextPart
                    and not (part.citations or part.provider_metadata)
                    and part.cache is None
                    and part.signature is None
                    and NAME not in message.provider_metadata
                ):
                    out.append({"role": role, "content": part.text})
                    continue
            path = "system" if leading else f"messages[{place}]"
            match role:
                case "user" | "tool":
                    self._write_turn(message, path)
                case "assistant":
                    self._flush_moved()
                    self._write_assistant(message, path)
                case "opaque":
                    self._write_opaque(message)
                case _:
                    self._flush_moved()
                    self._write_system(message, path)
        self._flush_moved()
        if self._quirks and self._quirks.get("no_user_after_tool"):
            return self._with_acknowledgements()
        return self._out

    def _with_acknowledgements(self) -> list[dict[str, Any]]:
        """A message of the assistant's between each tool's and a user's that follows it."""
        spaced: list[dict[str, Any]] = []
        for wire in self._out:
            if wire.get("role") in ("user", "system") and spaced and spaced[-1].get("role") == "tool":
                self._losses.converted("messages[*]", "an assistant's message between a tool's and a user's")
                spaced.append({"role": "assistant", "content": ACKNOWLEDGEMENT})
            spaced.append(wire)
        return spaced

    def _flush_moved(self) -> None:
        if self._moved:
            self._out.append({"role": "user", "content": self._moved})
            self._moved = []

    def _content(self, parts: list[Part], message: Message, path: str) -> str | list[dict[str, Any]]:
        as_parts = form_of(message.provider_metadata).get("content") == "parts"
        return encode_texts(parts, f"{path}.content", self._losses, self._quirks, self._model, as_parts=as_parts)

    def _write_system(self, message: Message, path: str) -> None:
        role = message.role
        if role == "developer" and self._quirks.get("no_developer_role"):
            role = "system"
        content = message.content
        if NAME not in message.provider_metadata and any(type(part) is not TextPart for part in content):
            for part in content:
                if not isinstance(part, TextPart | RefusalPart):
                    drop_from_system(part, self._losses)
            content = [part for part in content if isinstance(part, TextPart | RefusalPart)]
        self._append(role, message, {"content": self._content(content, message, path)})

    def _write_opaque(self, message: Message) -> None:
        for part in message.content:
            if isinstance(part, OpaquePart) and part.dialect == NAME and isinstance(part.data, dict):
                self._out.append(part.data)
            else:
                drop_message(message, self._losses)

    def _write_turn(self, message: Message, path: str) -> None:
        results = [part for part in message.content if isinstance(part, ToolResultPart)]
        rest: list[Part] = [part for part in message.content if not isinstance(part, ToolResultPart)]
        if results:
            for part in results:
                self._write_result(part, message, path)
            if not rest:
                return
        content = self._content(rest, message, path)
        if self._moved:
            written_parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
            content = self._moved + [part for part in written_parts if part.get("text") != ""]
            self._moved = []
        self._append("user", message, {"content": content})

    def _write_result(self, part: ToolResultPart, message: Message, path: str) -> None:
        texts: list[Part] = []
        moved: list[dict[str, Any]] = []
        for place, inner in enumerate(part.content):
            if isinstance(inner, MediaPart) and inner.text is None and not is_kept(inner):
                wire = encode_part(
                    inner, f"{path}.results[*].content[{place}]", self._losses, self._quirks, self._model
                )
                if wire is not None:
                    moved.append(wire)
            else:
                texts.append(inner)
        if moved:
            # A tool message holds text alone.
            self._losses.converted(f"{path}.results[*].content", "media moved into a user message")
            self._moved += [{"type": "text", "text": media_marker(part.tool_call_id)}, *moved]
        if part.is_error:
            texts = _marked_as_error(texts)
        if part.cache is not None and texts and texts[-1].cache is None:
            texts[-1] = replace(texts[-1], cache=part.cache)
        elif part.cache is not None:
            self._losses.dropped(f"{path}.results[*].cache")
        content = self._content(texts, message, f"{path}.results[*]")
        if is_legacy(part.provider_metadata):
            name = part.name or self._names.get(part.tool_call_id, "")
            self._out.append({"role": "function", "name": name, "content": content, **own(message.provider_metadata)})
            return
        fields: dict[str, Any] = {"tool_call_id": self._call_id(part.tool_call_id), "content": content}
        if part.name is not None and form_of(part.provider_metadata).get("named"):
            fields["name"] = part.name
        self._append("tool", message, fields)

    def _write_assistant(self, message: Message, path: str) -> None:
        spoken: list[Part] = []
        thinking: list[ThinkingPart] = []
        fields: dict[str, Any] = {}
        calls: list[dict[str, Any]] = []
        for place, part in enumerate(message.content):
            where = f"{path}.content[{place}]"
            match part:
                case ThinkingPart() if form_of(part.provider_metadata).get("field") != "content":
                    thinking.append(part)
                case ToolCallPart():
                    self._write_call(part, where, calls, fields)
                case RefusalPart() if form_of(part.provider_metadata).get("field") != "content":
                    fields["refusal"] = fields.get("refusal", "") + part.text
                case MediaPart(kind="audio"):
                    self._write_audio(part, where, fields)
                case MediaPart() if part.text is None:
                    self._losses.dropped(where, f"{part.kind} of the assistant")
                case _:
                    spoken.append(part)
                    self._write_text_signature(part, where, fields)
        content = self._content(spoken, message, path)
        if calls:
            fields["tool_calls"] = calls
        if content == "" and (calls or fields.keys() & {"refusal", "audio", "function_call"}):
            content = "" if self._quirks.get("no_null_content") else None  # type: ignore[assignment]
        reasoning = self._thinking(thinking, path)
        if calls and self._quirks.get("reasoning_with_calls"):
            reasoning.setdefault(self._quirks.get("reasoning_field", "reasoning_content"), "")
        self._append("assistant", message, {"content": content, **reasoning, **fields})

    def _write_call(self, part: ToolCallPart, path: str, calls: list[dict[str, Any]], fields: dict[str, Any]) -> None:
        self._names[part.id] = part.name
        if part.cache is not None:
            self._losses.dropped(f"{path}.cache")
        if is_legacy(part.provider_metadata):
            fields["function_call"] = {"name": part.name, "arguments": part.arguments or "{}"}
            return
        if part.signature is not None and part.signed_by not in (None, NAME):
            self._losses.dropped(f"{path}.signature")
        wire = encode_call(part, wrapped=False, custom=not self._quirks.get("no_custom_tools"))
        wire["id"] = self._call_id(part.id)
        calls.append(wire)

    def _call_id(self, call_id: str) -> str:
        """The id, or where the server wants another form of ids, one made of it, alike for a call and its result."""
        length = self._quirks.get("call_id_length")
        if not length or (len(call_id) == length and call_id.isalnum() and call_id.isascii()):
            return call_id
        return blake2b(call_id.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()[: int(length)]

    def _write_audio(self, part: MediaPart, path: str, fields: dict[str, Any]) -> None:
        audio = own(part.provider_metadata).get("audio")
        audio_id = part.file_id or (audio.get("id") if isinstance(audio, dict) else None)
        if audio_id:
            fields["audio"] = {"id": audio_id}
        else:
            self._losses.dropped(path, "audio of the assistant")

    def _write_text_signature(self, part: Part, path: str, fields: dict[str, Any]) -> None:
        if part.signature is not None and part.signed_by not in (None, NAME):
            self._losses.dropped(f"{path}.signature")
        extra = write_extra_content(part, wrapped=False)
        if extra is not None:
            fields["extra_content"] = extra

    def _thinking(self, parts: list[ThinkingPart], path: str) -> dict[str, Any]:
        """Reasoning goes back only where it came from, or where the provider is known to want it."""
        fields: dict[str, Any] = {}
        wanted = self._quirks.get("reasoning_field")
        if parts and self._quirks.get("no_reasoning_history"):
            self._losses.dropped(f"{path}.content[*].thinking", "the server takes no reasoning of earlier answers")
            return fields
        for part in parts:
            signed = part.signature is not None or part.redacted is not None
            kept = not signed or part.signed_by in (None, NAME)
            field_: str | None = form_of(part.provider_metadata).get("field") or wanted
            if wanted and field_ in PLAIN_FIELDS:
                field_ = str(wanted)
            if signed and not kept:
                self._losses.dropped(f"{path}.content[*].signature")
            if field_ is None or (not kept and (part.redacted is not None or not wanted)):
                self._losses.dropped(f"{path}.content[*].thinking", "reasoning of another provider")
                continue
            if not kept:
                part, field_ = replace(part, signature=None, signed_by=None), str(wanted)
            if kept and signed and field_ == "reasoning" and is_packed_detail(part):
                field_ = "reasoning_details"
            if field_ == "thinking_blocks":
                fields.setdefault("thinking_blocks", []).append(thinking_block(part))
            elif field_ == "reasoning_details":
                fields.setdefault("reasoning_details", []).append(thinking_detail(part))
            else:
                fields[field_] = fields.get(field_, "") + part.text
        return fields

    def _append(self, role: str, message: Message, fields: dict[str, Any]) -> None:
        wire: dict[str, Any] = {"role": role, **fields}
        if message.name is not None and role != "tool" and not self._quirks.get("no_message_name"):
            wire["name"] = message.name
        wire.update(own(message.provider_metadata))
        self._out.append(wire)


_LEADERS = ("system", "developer")
_UNCHANGED_ROLES = ("user", "assistant", "system")


def _marked_as_error(texts: list[Part]) -> list[Part]:
    if texts and isinstance(texts[0], TextPart):
        first = texts[0]
        return [replace(first, text=TOOL_ERROR_PREFIX + first.text), *texts[1:]]
    return [TextPart(TOOL_ERROR_PREFIX), *texts]
