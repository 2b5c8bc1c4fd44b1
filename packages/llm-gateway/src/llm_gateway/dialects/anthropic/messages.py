"""Writing messages: a conversation as the turns of a Messages request."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from llm_gateway_sdk import (
    LLMRequest,
    Losses,
    MediaPart,
    Message,
    OpaquePart,
    RefusalPart,
    Target,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
)
from llm_gateway_sdk.dialects.coverage import drop_block, drop_from_system, drop_message

from .parts import (
    NAME,
    Block,
    encode_extras,
    encode_input,
    encode_media,
    encode_own,
    encode_text,
    is_bare_text,
    is_plain_text,
    own,
    with_cache,
)
from .versions import VERSION_2026

__all__ = ["ConversationEncoder", "Turn"]

_UNCACHED = frozenset({"thinking", "redacted_thinking"})
_FILES_BETA = "files-api-2025-04-14"
_ID = re.compile(r"[a-zA-Z0-9_-]+")
_NO_ID = re.compile(r"[^a-zA-Z0-9_-]")


@dataclass(slots=True)
class Turn:
    role: str
    blocks: list[Block] = field(default_factory=list)
    as_string: bool = False
    extra: Block = field(default_factory=dict)
    raw: Block | None = None
    """A message that stays as it is."""

    def write(self) -> Block:
        if self.raw is not None:
            return self.raw
        if self.role == "user" and len(self.blocks) > 1:
            # The API wants the results of the turn before first.
            self.blocks.sort(key=_is_other_than_result)
        content: Any = self.blocks[0]["text"] if self.as_string else self.blocks
        return {"role": self.role, "content": content, **self.extra}


def _is_other_than_result(block: Block) -> bool:
    kind: str = block["type"]
    return kind != "tool_result"


_CLAUDES = frozenset({"bedrock"})
"""Other platforms whose signatures of thinking hold here: Claude's hold wherever it is served (Anthropic, "Extended
thinking")."""


class ConversationEncoder:
    """Writes the messages of one request: the system prompt, and turns whose roles alternate.

    `betas` gets the names of what the messages use and the API wants asked for.
    """

    def __init__(self, request: LLMRequest, target: Target, losses: Losses, version: str, betas: list[str]) -> None:
        self.request = request
        self.target = target
        self.losses = losses
        self.version = version
        self.betas = betas
        self.ids: dict[str, str] = {}
        self.nameless = 0
        self.answered = 0

    def encode(self) -> tuple[str | list[Block], list[Turn]]:
        """The system prompt and the turns after it."""
        messages = self.request.messages
        start = 0
        while start < len(messages) and messages[start].role in ("system", "developer"):
            if own(messages[start].provider_metadata).get("_turn"):
                break
            start += 1
        system: list[Block] = []
        for at in range(start):
            system += self._system_blocks(messages[at])
        turns: list[Turn] = []
        for at in range(start, len(messages)):
            self._turn(messages[at], f"messages[{at}]", system, turns)
        if start == 1 and len(system) == 1 and is_plain_text(messages[0]):
            text: str = system[0]["text"]
            return text, turns
        return system, turns

    def _turn(self, message: Message, path: str, system: list[Block], turns: list[Turn]) -> None:
        if message.role == "opaque":
            part = message.content[0] if message.content else None
            if isinstance(part, OpaquePart) and part.dialect == NAME and isinstance(part.data, dict):
                turns.append(Turn("opaque", raw=part.data))
            else:
                drop_message(message, self.losses)
            return
        if message.name is not None:
            self.losses.dropped(f"{path}.name")
        kept = own(message.provider_metadata)
        extra = {key: value for key, value in kept.items() if not key.startswith("_")} if kept else {}
        if message.role in ("system", "developer"):
            blocks = self._system_blocks(message)
            if not self._keeps_system_turns(kept):
                if blocks:
                    self.losses.converted(path, "a system turn moved into the system prompt")
                    system += blocks
                return
            role = "system"
        else:
            role = "assistant" if message.role == "assistant" else "user"
            blocks = self._blocks(message, path, role)
        if not blocks:
            return
        as_string = is_plain_text(message) and len(blocks) == 1
        last = turns[-1] if turns else None
        if last is not None and last.role == role and not kept.get("_turn"):
            last.blocks += blocks
            last.as_string = False
            last.extra.update(extra)
        else:
            turns.append(Turn(role, blocks, as_string, extra))

    def _keeps_system_turns(self, kept: dict[str, Any]) -> bool:
        choice = self.target.quirks.get("system_turns")
        if choice == "keep":
            self.betas.append("mid-conversation-system-2026-04-07")
            return True
        return choice != "fold" and bool(kept.get("_turn"))

    def _system_blocks(self, message: Message) -> list[Block]:
        blocks: list[Block] = []
        for part in message.content:
            if isinstance(part, TextPart | RefusalPart):
                self._text(part, "system.content[*]", blocks)
            elif isinstance(part, OpaquePart) and part.dialect == NAME:
                blocks.append(encode_own(part))
            else:
                drop_from_system(part, self.losses)
        return blocks

    def _blocks(self, message: Message, path: str, role: str) -> list[Block]:
        blocks: list[Block] = []
        for at, part in enumerate(message.content):
            if is_bare_text(part) and part.text and not part.text.isspace():
                blocks.append({"type": "text", "text": part.text})
                continue
            place = f"{path}.content[{at}]"
            match part:
                case TextPart() | RefusalPart():
                    self._text(part, place, blocks, role)
                case ThinkingPart():
                    self._thinking(part, place, blocks)
                case ToolCallPart():
                    self._tool_call(part, place, blocks)
                case ToolResultPart():
                    blocks.append(self._tool_result(part, place))
                case MediaPart():
                    if role == "assistant" and (part.kind == "image" or self.version >= VERSION_2026):
                        self.losses.dropped(place, f"{part.kind} in a turn of the assistant")
                    else:
                        blocks.append(self._media(part, place))
                case OpaquePart():
                    self._opaque(part, place, blocks)
        return blocks

    def _text(self, part: TextPart | RefusalPart, path: str, blocks: list[Block], role: str = "") -> None:
        if part.signature is not None and part.signed_by != NAME:
            self.losses.dropped(f"{path}.signature")
        if isinstance(part, RefusalPart) and part.text:
            self.losses.converted(f"{path}.refusal", "written as text")
        if not part.text or part.text.isspace():
            # Blank texts say nothing and are refused; a cache mark on one ends the prefix just before it.
            if part.cache is not None and blocks and blocks[-1]["type"] not in _UNCACHED:
                with_cache(blocks[-1], part.cache, self.losses, path)
            return
        block = encode_text(part, self.losses, path)
        if role == "user" and self.version >= VERSION_2026 and block.pop("citations", None):
            self.losses.dropped(f"{path}.citations")
        blocks.append(block)

    def _thinking(self, part: ThinkingPart, path: str, blocks: list[Block]) -> None:
        if part.cache is not None:
            self.losses.dropped(f"{path}.cache")
        issued = part.signed_by == NAME or (part.signed_by in _CLAUDES and part.signature is not None)
        if not issued and not (self.target.quirks.get("unsigned_thinking") and part.text):
            signed = part.signature or part.redacted
            self.losses.dropped(f"{path}.{'signature' if signed else 'thinking'}", "reasoning of another provider")
        elif part.redacted is not None:
            blocks.append(encode_extras({"type": "redacted_thinking", "data": part.redacted}, part.provider_metadata))
        else:
            signature = part.signature if issued else None
            block = {"type": "thinking", "thinking": part.text, "signature": signature or ""}
            blocks.append(encode_extras(block, part.provider_metadata))

    def _tool_call(self, part: ToolCallPart, path: str, blocks: list[Block]) -> None:
        if part.signature is not None:
            self.losses.dropped(f"{path}.signature")
        if part.kind == "custom":
            self.losses.converted(f"{path}.kind", "a call with one parameter, `input`")
        block: Block = {
            "type": "tool_use",
            "id": self._id(part.id, path, call=True),
            "name": part.name,
            "input": encode_input(part, self.losses, path),
        }
        blocks.append(with_cache(encode_extras(block, part.provider_metadata), part.cache, self.losses, path))

    def _tool_result(self, part: ToolResultPart, path: str) -> Block:
        block: Block = {"type": "tool_result", "tool_use_id": self._id(part.tool_call_id, path, call=False)}
        content: list[Block] = []
        for at, inner in enumerate(part.content):
            place = f"{path}.content[{at}]"
            match inner:
                case TextPart() | RefusalPart():
                    self._text(inner, place, content, "user")
                case MediaPart():
                    content.append(self._media(inner, place))
                case OpaquePart():
                    self._opaque(inner, place, content)
                case _:
                    self.losses.dropped(place)
        if is_plain_text(part) and len(content) == 1:
            block["content"] = content[0]["text"]
        elif content:
            block["content"] = content
        if part.is_error:
            block["is_error"] = True
        return with_cache(encode_extras(block, part.provider_metadata), part.cache, self.losses, path)

    def _media(self, part: MediaPart, path: str) -> Block:
        if part.file_id is not None and part.data is None and part.url is None and part.text is None:
            self.betas.append(_FILES_BETA)
        return encode_media(part, self.losses, path)

    def _opaque(self, part: OpaquePart, path: str, blocks: list[Block]) -> None:
        if part.dialect == NAME and part.position == "block":
            blocks.append(encode_own(part))
        else:
            drop_block(part, self.losses, path)

    def _id(self, id: str, path: str, *, call: bool) -> str:
        """Ids stay as they are where the API takes them; calls without one are paired with results without one."""
        if not id:
            if call:
                self.nameless += 1
                return f"toolu_{self.nameless:04d}"
            self.answered += 1
            return f"toolu_{self.answered:04d}"
        if _ID.fullmatch(id):
            return id
        known = self.ids.get(id)
        if known is None:
            known = _NO_ID.sub("_", id)
            while known in self.ids.values():
                known += "_"
            self.ids[id] = known
            self.losses.converted(f"{path}.id", "characters that an id may not have")
        return known
