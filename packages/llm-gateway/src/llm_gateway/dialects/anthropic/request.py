"""Messages requests ↔ LLMRequest, after docs.anthropic.com/en/api/messages and …/api/migration-2026-10-21.

`encode_request(decode_request(body))` says the same as `body`, with these normalisations: null and empty optional
fields, `is_error: false`, `strict: false`, `stream: false` and `disable_parallel_tool_use: false` are left out;
blank texts are left out; tool results stand first in their message.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from llm_gateway_sdk import (
    DialectError,
    Echo,
    Headers,
    LLMRequest,
    Losses,
    MediaPart,
    Message,
    OpaquePart,
    OpaqueTool,
    Part,
    Reasoning,
    RefusalPart,
    ResponseFormat,
    Target,
    TextPart,
    ThinkingPart,
    Tool,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
    WireRequest,
)
from llm_gateway_sdk.conventions import custom_tool_parameters
from llm_gateway_sdk.dialects.model_limits import limits_of
from llm_gateway_sdk.dialects.schemas import structured_schema
from llm_gateway_sdk.estimate import estimate_tokens
from llm_gateway_sdk.reasoning import MIN_BUDGET, budget_of_effort, effort_of_budget, lower_effort
from llm_gateway_sdk.wire import json

from .parts import (
    NAME,
    Block,
    decode_cache,
    decode_content,
    encode_cache,
    encode_extras,
    encode_input,
    encode_media,
    encode_own,
    encode_text,
    extras,
    fail,
    is_bare_text,
    is_plain_text,
    own,
    read_list,
    read_object,
    read_optional_string,
    read_string,
    with_cache,
)

VERSION_2023 = "2023-06-01"
VERSION_2026 = "2026-10-21"
"""Refuses sampling parameters, documents of the assistant and citations of the user."""

DEFAULT_MAX_TOKENS = 4096


@dataclass(slots=True)
class AnthropicEcho(Echo):
    api_version: str = VERSION_2023


# Reading.


def decode_request(wire: WireRequest) -> tuple[LLMRequest, AnthropicEcho]:
    """Reads `/v1/messages` and `/v1/messages/count_tokens`. Raises DialectError."""
    try:
        body = json.loads(wire.body)
    except ValueError as error:
        raise DialectError(f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise DialectError("the body is not a JSON object")
    request = LLMRequest(
        read_optional_string(body.get("model"), "model") or "",
        _decode_messages(body.get("messages"), _decode_system(body.get("system"))),
        [_decode_tool(tool, f"tools[{at}]") for at, tool in enumerate(_list(body, "tools"))],
    )
    for key, value in body.items():
        if value is not None and (field := _FIELDS.get(key)) is not None:
            name, read = field
            setattr(request, name, read(value, key))
    kept = dict(own(extras(body, _KNOWN)))
    if "tool_choice" in body:
        _decode_tool_choice(request, body["tool_choice"])
    if not _OUTPUT.isdisjoint(body):
        _decode_output(request, body, kept)
    if (metadata := body.get("metadata")) is not None:
        metadata = read_object(metadata, "metadata")
        request.user = read_optional_string(metadata.get("user_id"), "metadata.user_id")
        if rest := {key: value for key, value in metadata.items() if key != "user_id"}:
            kept["metadata"] = rest
    version = wire.headers.get("anthropic-version")
    if version is not None and version != VERSION_2023:
        kept["_version"] = version
    lines = wire.headers.get_all("anthropic-beta")
    if lines and (betas := [beta for line in lines for beta in _words(line)]):
        kept["_betas"] = betas
    request.provider_metadata = {NAME: kept} if kept else {}
    return request, AnthropicEcho(request.model, request.stream, version or VERSION_2023)


def _decode_system(value: object) -> list[Message]:
    parts, as_string = decode_content(value, "system", from_client=True)
    if not parts:
        return []
    return [Message("system", parts, provider_metadata={NAME: {"_string": True}} if as_string else {})]


def _decode_messages(value: object, messages: list[Message]) -> list[Message]:
    """Adds them to `messages`, which hold the system prompt."""
    if value is None:
        return messages
    before = ""
    for at, item in enumerate(read_list(value, "messages")):
        message = _decode_spoken(item, before)
        if message is not None:
            messages.append(message)
            before = message.role
            continue
        source = read_object(item, f"messages[{at}]")
        role = read_string(source.get("role"), f"messages[{at}].role")
        if role not in ("user", "assistant", "system"):
            # A role of the vendor's that is not known here.
            messages.append(Message("opaque", [OpaquePart(dialect=NAME, data=source)]))
            continue
        parts, as_string = decode_content(source.get("content"), f"messages[{at}].content", from_client=True)
        kept = dict(own(extras(source, _MESSAGE_KEYS)))
        if as_string:
            kept["_string"] = True
        if role in ("system", before):
            # The client chose a turn of its own: not to say it in `system`, or not to go on in the turn before.
            kept["_turn"] = True
        before = role
        messages.append(Message(role, parts, provider_metadata={NAME: kept} if kept else {}))
    return messages


def _decode_spoken(source: object, before: str) -> Message | None:
    """A turn of one side, said in one string and not twice in a row, as most are: what the general way makes of it, in
    a few steps. None for any other."""
    if type(source) is not dict or len(source) != 2:
        return None
    role, text = source.get("role"), source.get("content")
    if type(text) is not str or not text or (role != "user" and role != "assistant") or role == before:
        return None
    return Message(role, [TextPart(text, [])], None, {NAME: {"_string": True}})


def _decode_tool(value: object, path: str) -> Tool | OpaqueTool:
    source = read_object(value, path)
    kind, name = source.get("type"), source.get("name")
    if kind not in (None, "custom"):
        return OpaqueTool(NAME, source, name if isinstance(name, str) else None)
    schema, strict = source.get("input_schema"), source.get("strict")
    tool = Tool(
        read_string(name, f"{path}.name"),
        read_optional_string(source.get("description"), f"{path}.description"),
        None if schema is None else read_object(schema, f"{path}.input_schema"),
        strict if isinstance(strict, bool) else None,
    )
    if "cache_control" in source:
        tool.cache = decode_cache(source["cache_control"], f"{path}.cache_control")
    if not _TOOL_KEYS.issuperset(source):
        tool.provider_metadata = extras(source, _TOOL_KEYS)
    if kind == "custom":
        tool.provider_metadata = {NAME: {**own(tool.provider_metadata), "_custom": True}}
    return tool


def _decode_tool_choice(request: LLMRequest, value: object) -> None:
    if value is None:
        return
    source = read_object(value, "tool_choice")
    match source.get("type"):
        case "auto" | "none" as mode:
            request.tool_choice = ToolChoice(mode)
        case "any":
            request.tool_choice = ToolChoice("required")
        case "tool":
            request.tool_choice = ToolChoice("tool", read_string(source.get("name"), "tool_choice.name"))
        case str():
            request.tool_choice = ToolChoice("opaque", provider_metadata={NAME: {"tool_choice": source}})
            return
        case kind:
            raise fail("tool_choice.type", "a string", kind)
    single = source.get("disable_parallel_tool_use")
    if isinstance(single, bool):
        request.parallel_tool_calls = not single


def _decode_output(request: LLMRequest, body: dict[str, Any], kept: dict[str, Any]) -> None:
    """`thinking`, `output_config` and the latter's forerunner `output_format`."""
    reasoning = Reasoning()
    if (thinking := body.get("thinking")) is not None:
        source = read_object(thinking, "thinking")
        reasoning.mode = read_string(source.get("type"), "thinking.type")
        reasoning.enabled = reasoning.mode != "disabled"
        budget = source.get("budget_tokens")
        if budget is not None and (not isinstance(budget, int) or isinstance(budget, bool)):
            raise fail("thinking.budget_tokens", "an integer", budget)
        reasoning.budget_tokens = budget
        reasoning.summary = read_optional_string(source.get("display"), "thinking.display")
        reasoning.provider_metadata = extras(source, _THINKING_KEYS)
    if (config := body.get("output_config")) is not None:
        source = read_object(config, "output_config")
        reasoning.effort = read_optional_string(source.get("effort"), "output_config.effort")
        if reasoning.effort is not None and reasoning.mode is None:
            reasoning.provider_metadata = {NAME: {"_effort": True}}
        if (format := source.get("format")) is not None:
            request.response_format = _decode_format(format, "output_config.format")
        if rest := {key: value for key, value in source.items() if key not in ("effort", "format")}:
            kept["output_config"] = rest
    if (format := body.get("output_format")) is not None:
        request.response_format = _decode_format(format, "output_format")
        request.response_format.provider_metadata = {
            NAME: {**own(request.response_format.provider_metadata), "_output_format": True}
        }
    if reasoning != Reasoning():
        request.reasoning = reasoning


def _decode_format(value: object, path: str) -> ResponseFormat:
    source = read_object(value, path)
    if source.get("type") != "json_schema":
        return ResponseFormat("text", provider_metadata={NAME: {"format": source}})
    schema = read_object(source.get("schema"), f"{path}.schema")
    return ResponseFormat(
        "json_schema", schema, provider_metadata={NAME: {**own(extras(source, _FORMAT_KEYS)), "_own": True}}
    )


def _list(body: dict[str, Any], key: str) -> list[Any]:
    value = body.get(key)
    return [] if value is None else read_list(value, key)


def _integer(value: Any, key: str) -> int:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise fail(key, "an integer", value)
    return value


def _number(value: Any, key: str) -> float:
    if type(value) is not float and type(value) is not int:
        raise fail(key, "a number", value)
    number: float = value
    return number


def _boolean(value: Any, key: str) -> bool:
    if not isinstance(value, bool):
        raise fail(key, "a boolean", value)
    return value


def _strings(value: Any, key: str) -> list[str]:
    return [read_string(word, f"{key}[{at}]") for at, word in enumerate(read_list(value, key))]


_FIELDS: dict[str, tuple[str, Callable[[Any, str], Any]]] = {
    "max_tokens": ("max_tokens", _integer),
    "temperature": ("temperature", _number),
    "top_p": ("top_p", _number),
    "top_k": ("top_k", _integer),
    "stop_sequences": ("stop", _strings),
    "service_tier": ("service_tier", read_string),
    "cache_control": ("cache", decode_cache),
    "stream": ("stream", _boolean),
}
"""Fields of the body that are each one field of the request, and what reads them."""
_OUTPUT = frozenset({"thinking", "output_config", "output_format"})


def _words(line: str) -> list[str]:
    return [word for part in line.split(",") if (word := part.strip())]


_KNOWN = frozenset(
    {
        "model", "messages", "system", "tools", "tool_choice", "max_tokens", "temperature", "top_p", "top_k",
        "stop_sequences", "service_tier", "cache_control", "stream", "metadata", "thinking", "output_config",
        "output_format",
    }
)  # fmt: skip
_MESSAGE_KEYS = frozenset({"role", "content"})
_TOOL_KEYS = frozenset({"type", "name", "description", "input_schema", "strict", "cache_control"})
_THINKING_KEYS = frozenset({"type", "budget_tokens", "display"})
_FORMAT_KEYS = frozenset({"type", "schema"})


# Writing.


def encode_request(request: LLMRequest, target: Target, losses: Losses) -> WireRequest:
    """Writes `/v1/messages`. Raises DialectError for audio, video and several answers."""
    return _Encoder(request, target, losses).encode()


def encode_count(request: LLMRequest, target: Target, losses: Losses) -> WireRequest:
    """Writes `/v1/messages/count_tokens`: what fills the context, and nothing of how to answer."""
    wire = _Encoder(request, target, losses).encode()
    body = json.loads(wire.body)
    wire.path += "/count_tokens"
    wire.body = json.dumps({key: value for key, value in body.items() if key in _COUNTED})
    return wire


@dataclass(slots=True)
class _Turn:
    role: str
    blocks: list[Block] = field(default_factory=list)
    as_string: bool = False
    extra: Block = field(default_factory=dict)
    raw: Block | None = None
    """A message that stands as it is."""

    def write(self) -> Block:
        if self.raw is not None:
            return self.raw
        if self.role == "user" and len(self.blocks) > 1:
            # The API wants the results of the turn before first.
            self.blocks.sort(key=_is_no_result)
        content: Any = self.blocks[0]["text"] if self.as_string else self.blocks
        return {"role": self.role, "content": content, **self.extra}


def _is_no_result(block: Block) -> bool:
    kind: str = block["type"]
    return kind != "tool_result"


class _Encoder:
    def __init__(self, request: LLMRequest, target: Target, losses: Losses) -> None:
        self.request = request
        self.target = target
        self.losses = losses
        self.limits = limits_of(target.model, target.quirks, target.facts)
        self.own = own(request.provider_metadata)
        self.version: str = target.api_version or self.own.get("_version") or VERSION_2023
        self.betas: list[str] = list(self.own.get("_betas") or [])
        self.ids: dict[str, str] = {}
        self.nameless = 0
        self.answered = 0

    def encode(self) -> WireRequest:
        request = self.request
        if (request.n or 1) > 1:
            raise DialectError("this model's provider gives one answer per request", path="n")
        system, turns = self._conversation()
        body: dict[str, Any] = {"model": self.target.model or request.model}
        if request.response_format is not None and request.response_format.kind == "json_object":
            self.losses.converted("response_format", "asked for in the system prompt")
            system = system if isinstance(system, list) else [{"type": "text", "text": system}] if system else []
            system.append({"type": "text", "text": _JSON_PROMPT})
        self._limits(body, turns)
        if system:
            body["system"] = system
        body["messages"] = [turn.write() for turn in turns]
        self._tools(body)
        self._output(body)
        self._sampling(body)
        self._rest(body)
        headers = [("content-type", "application/json"), ("anthropic-version", self.version)]
        if self.betas:
            headers.append(("anthropic-beta", ",".join(dict.fromkeys(self.betas))))
        return WireRequest("POST", "/v1/messages", "", Headers.of(headers), json.dumps(body))

    # Messages.

    def _conversation(self) -> tuple[str | list[Block], list[_Turn]]:
        messages = self.request.messages
        start = 0
        while start < len(messages) and messages[start].role in ("system", "developer"):
            if own(messages[start].provider_metadata).get("_turn"):
                break
            start += 1
        system: list[Block] = []
        for at in range(start):
            system += self._system_blocks(messages[at], f"messages[{at}]")
        turns: list[_Turn] = []
        for at in range(start, len(messages)):
            self._turn(messages[at], f"messages[{at}]", system, turns)
        if start == 1 and len(system) == 1 and is_plain_text(messages[0]):
            text: str = system[0]["text"]
            return text, turns
        return system, turns

    def _turn(self, message: Message, path: str, system: list[Block], turns: list[_Turn]) -> None:
        if message.role == "opaque":
            part = message.content[0] if message.content else None
            if isinstance(part, OpaquePart) and part.dialect == NAME and isinstance(part.data, dict):
                turns.append(_Turn("opaque", raw=part.data))
            else:
                self.losses.dropped(path)
            return
        if message.name is not None:
            self.losses.dropped(f"{path}.name")
        kept = own(message.provider_metadata)
        extra = {key: value for key, value in kept.items() if not key.startswith("_")} if kept else {}
        if message.role in ("system", "developer"):
            blocks = self._system_blocks(message, path)
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
            turns.append(_Turn(role, blocks, as_string, extra))

    def _keeps_system_turns(self, kept: dict[str, Any]) -> bool:
        choice = self.target.quirks.get("system_turns")
        if choice == "keep":
            self.betas.append("mid-conversation-system-2026-04-07")
            return True
        return choice != "fold" and bool(kept.get("_turn"))

    def _system_blocks(self, message: Message, path: str) -> list[Block]:
        blocks: list[Block] = []
        for at, part in enumerate(message.content):
            place = f"{path}.content[{at}]"
            if isinstance(part, TextPart | RefusalPart):
                self._text(part, place, blocks)
            elif isinstance(part, OpaquePart) and part.dialect == NAME:
                blocks.append(encode_own(part))
            else:
                self.losses.dropped(place, "a system prompt holds text only")
        return blocks

    def _blocks(self, message: Message, path: str, role: str) -> list[Block]:
        blocks: list[Block] = []
        for at, part in enumerate(message.content):
            if is_bare_text(part) and part.text.strip():
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
            self.losses.converted(f"{path}.refusal", "said as text")
        if not part.text.strip():
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
            self.losses.dropped(f"{path}.cache_control")
        if part.signed_by != NAME and not (self.target.quirks.get("unsigned_thinking") and part.text):
            self.losses.dropped(f"{path}.signature" if part.signature or part.redacted else path, "thinking of another")
        elif part.redacted is not None:
            blocks.append(encode_extras({"type": "redacted_thinking", "data": part.redacted}, part.provider_metadata))
        else:
            signature = part.signature if part.signed_by == NAME else None
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
            self.losses.dropped(path, f"a block of {part.dialect}")

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
            self.losses.converted(f"{path}.id", "letters that an id may not have")
        return known

    # Settings.

    def _limits(self, body: dict[str, Any], turns: list[_Turn]) -> None:
        """`max_tokens`, and `thinking`, which has to stay below it."""
        request = self.request
        max_tokens = request.max_tokens
        thinking = self._thinking_config(turns)
        if max_tokens is None:
            max_tokens = self._ceiling(thinking)
            self.losses.converted("max_tokens", f"{max_tokens}, which the client left open")
        body["max_tokens"] = max_tokens
        if thinking is not None:
            body["thinking"] = thinking

    def _ceiling(self, thinking: Block | None) -> int:
        """The most that the model can answer, where its name tells."""
        most = self.limits.max_output
        if most is None:
            budget = thinking.get("budget_tokens") if thinking is not None else None
            return DEFAULT_MAX_TOKENS + (budget if isinstance(budget, int) else 0)
        context = self.limits.bounded_context
        if context is None:
            return most
        # These refuse a bound that does not fit into what the conversation leaves of the context.
        return max(DEFAULT_MAX_TOKENS, min(most, context - estimate_tokens(self.request)))

    def _thinking_config(self, turns: list[_Turn]) -> Block | None:
        reasoning = self.request.reasoning
        if reasoning is None:
            return None
        config: Block | None
        if _is_native(reasoning):
            if reasoning.mode is None:
                return None
            config = {"type": reasoning.mode}
            if reasoning.mode == "enabled":
                config["budget_tokens"] = reasoning.budget_tokens or self._budget(reasoning) or MIN_BUDGET
            elif reasoning.budget_tokens is not None:
                config["budget_tokens"] = reasoning.budget_tokens
            config = encode_extras(config, reasoning.provider_metadata)
        else:
            config = self._translated_thinking(reasoning, turns)
        if config is not None and reasoning.summary is not None and config["type"] in ("enabled", "adaptive"):
            config["display"] = "omitted" if reasoning.summary == "omitted" else "summarized"
        return config

    def _translated_thinking(self, reasoning: Reasoning, turns: list[_Turn]) -> Block | None:
        """Other vendors' effort. What a model takes depends on its version (docs: build-with-claude/thinking)."""
        off = reasoning.enabled is False or reasoning.effort == "none" or reasoning.budget_tokens == 0
        wanted = reasoning.enabled or reasoning.effort is not None or reasoning.budget_tokens is not None
        if not off and not wanted:
            return None
        form = self._thinking_form()
        if form == "none":
            if not off:
                self.losses.dropped("reasoning_effort", "this model does not think")
            return None
        if off:
            return {"type": "disabled"} if self.limits.thinking_off else None
        choice = self.request.tool_choice
        if choice is not None and (
            choice.mode in ("required", "tool") or (choice.mode, choice.allowed_mode) == ("allowed", "required")
        ):
            self.losses.dropped("reasoning_effort", "thinking and a forced tool exclude each other")
            return None
        if form == "adaptive":
            return {"type": "adaptive"}
        budget = self._budget(reasoning)
        if budget is None:
            self.losses.dropped("reasoning_effort", "max_tokens leaves no room for thinking")
            return None
        if _unthought_calls(turns):
            # The API wants the thinking that led to the calls; a client of another dialect may not have kept it.
            self.losses.dropped("reasoning_effort", "tool calls in the history came without their thinking")
            return None
        if reasoning.budget_tokens is None and reasoning.effort is not None:
            self.losses.converted("reasoning_effort", f"{reasoning.effort} became a budget of {budget} tokens")
        return {"type": "enabled", "budget_tokens": budget}

    def _budget(self, reasoning: Reasoning) -> int | None:
        most = self.request.max_tokens
        budget = reasoning.budget_tokens
        if budget is None or budget < 0:
            return budget_of_effort(reasoning.effort or "medium", most)
        if most is not None and most <= MIN_BUDGET:
            return None
        bounded = max(MIN_BUDGET, budget if most is None else min(budget, most - 1))
        if bounded != budget:
            self.losses.clamped("reasoning.budget_tokens", f"{budget} became {bounded}")
        return bounded

    def _thinking_form(self) -> str:
        """`budget`, `adaptive` or `none`: by the quirk `thinking`, else by the model."""
        form = self.limits.thinking
        if form == "both":
            return "adaptive"
        return "budget" if form == "unknown" else form

    def _tools(self, body: dict[str, Any]) -> None:
        request = self.request
        choice = request.tool_choice
        allowed = set(choice.names) if choice is not None and choice.mode == "allowed" else None
        tools: list[Block] = []
        for at, tool in enumerate(request.tools):
            if allowed is not None and tool.name not in allowed:
                self.losses.converted("tool_choice", "only the allowed tools are offered")
            elif isinstance(tool, Tool):
                tools.append(self._tool(tool, f"tools[{at}]"))
            elif tool.dialect == NAME:
                tools.append(tool.data)
            else:
                kind = tool.data.get("type") if isinstance(tool.data, dict) else None
                self.losses.dropped(f"tools[{at}]", f"{kind or 'a tool'} of {tool.dialect}")
        if tools:
            body["tools"] = tools
        if (tools or "mcp_servers" in self.own) and (encoded := self._tool_choice(choice)) is not None:
            body["tool_choice"] = encoded
        elif choice is not None and choice.mode in ("required", "tool", "allowed") and not tools:
            self.losses.dropped("tool_choice", "without tools")

    def _tool(self, tool: Tool, path: str) -> Block:
        if tool.kind == "custom":
            self.losses.converted(f"{path}.type", "a function with one parameter, `input`")
            schema = custom_tool_parameters(tool.format)
        else:
            schema = tool.parameters or {"type": "object", "properties": {}}
            if "type" not in schema:
                schema = {"type": "object", **schema}
        block: Block = {"name": tool.name}
        if own(tool.provider_metadata).get("_custom"):
            block["type"] = "custom"
        if tool.description is not None:
            block["description"] = tool.description
        block["input_schema"] = schema
        if tool.strict:
            block["strict"] = True
        return with_cache(encode_extras(block, tool.provider_metadata), tool.cache, self.losses, path)

    def _tool_choice(self, choice: ToolChoice | None) -> Block | None:
        single = self.request.parallel_tool_calls is False
        block: Block
        match choice.mode if choice is not None else None:
            case None:
                if not single:
                    return None
                block = {"type": "auto"}
            case "none":
                return {"type": "none"}
            case "required":
                block = {"type": "any"}
            case "tool":
                block = {"type": "tool", "name": choice.name if choice is not None else None}
            case "allowed":
                forced = choice is not None and choice.allowed_mode == "required"
                block = {"type": "any" if forced else "auto"}
            case "opaque":
                raw = own(choice.provider_metadata).get("tool_choice") if choice is not None else None
                if raw is None:
                    self.losses.dropped("tool_choice")
                return raw
            case _:
                block = {"type": "auto"}
        if single:
            block["disable_parallel_tool_use"] = True
        return block

    def _output(self, body: dict[str, Any]) -> None:
        request = self.request
        config: Block = dict(self.own.get("output_config") or {})
        reasoning, format = request.reasoning, request.response_format
        if reasoning is not None and (effort := self._effort(reasoning, body.get("thinking"))) is not None:
            config["effort"] = effort
        if format is not None:
            raw = own(format.provider_metadata)
            if "format" in raw:
                config["format"] = raw["format"]
            elif format.kind == "json_schema":
                schema = format.schema if raw else self._structured(format.schema or {})
                block = encode_extras({"type": "json_schema", "schema": schema or {}}, format.provider_metadata)
                if raw.get("_output_format"):
                    body["output_format"] = block
                else:
                    config["format"] = block
        if config:
            body["output_config"] = config

    def _effort(self, reasoning: Reasoning, thinking: Block | None) -> str | None:
        effort = reasoning.effort
        if _is_native(reasoning):
            return effort
        if self._thinking_form() != "adaptive" or (thinking is not None and thinking["type"] == "disabled"):
            # Said as a budget.
            return effort if thinking is None and self._speaks_effort(reasoning) else None
        if effort is None and reasoning.budget_tokens is not None and reasoning.budget_tokens > 0:
            effort = effort_of_budget(reasoning.budget_tokens)
            self.losses.converted("reasoning.budget_tokens", f"{reasoning.budget_tokens} became effort {effort}")
        if effort is None or effort == "none":
            return None
        lowered = lower_effort(effort, _EARLY_EFFORTS if self.limits.thinking == "both" else _EFFORTS)
        if lowered != effort:
            self.losses.converted("reasoning_effort", f"{effort} became {lowered}")
        return lowered

    def _speaks_effort(self, reasoning: Reasoning) -> bool:
        return self.target.quirks.get("effort") is True and reasoning.effort in _EFFORTS

    def _structured(self, schema: dict[str, Any]) -> dict[str, Any]:
        structured: dict[str, Any] = structured_schema(schema)
        if structured != schema:
            self.losses.converted("response_format.schema", "brought into the form of structured outputs")
        return structured

    def _sampling(self, body: dict[str, Any]) -> None:
        request = self.request
        values: dict[str, float | None] = {
            "temperature": request.temperature,
            "top_p": request.top_p,
            "top_k": request.top_k,
        }
        refused = self.version >= VERSION_2026 or bool(self.target.quirks.get("no_sampling"))
        thinking = body.get("thinking")
        # A client of this dialect answers for what it combines.
        translated = request.reasoning is not None and not _is_native(request.reasoning)
        thinks = translated and thinking is not None and thinking["type"] in ("enabled", "adaptive")
        for key, value in values.items():
            if value is None:
                continue
            if refused:
                self.losses.dropped(key, f"refused under {self.version}" if self.version >= VERSION_2026 else "refused")
            elif thinks and not (key == "top_p" and value >= 0.95):
                if (key, value) != ("temperature", 1):
                    self.losses.dropped(key, "not with thinking")
            elif key == "temperature" and not 0 <= value <= 1:
                body[key] = min(1.0, max(0.0, value))
                self.losses.clamped(key, f"{value} became {body[key]}")
            else:
                body[key] = value

    def _rest(self, body: dict[str, Any]) -> None:
        request, losses = self.request, self.losses
        stop = [word for word in request.stop if word.strip()]
        if len(stop) < len(request.stop):
            losses.dropped("stop", "blank stop words")
        if stop:
            body["stop_sequences"] = stop
        metadata: Block = dict(self.own.get("metadata") or {})
        if request.user is not None:
            metadata["user_id"] = request.user
        if metadata:
            body["metadata"] = metadata
        if request.cache is not None:
            body["cache_control"] = encode_cache(request.cache, losses, "")
        if request.service_tier is not None:
            tier = _TIERS.get(request.service_tier)
            if tier is None:
                losses.dropped("service_tier")
            else:
                if tier != request.service_tier:
                    losses.converted("service_tier", f"{request.service_tier} became {tier}")
                body["service_tier"] = tier
        if request.stream:
            body["stream"] = True
        for key in ("seed", "verbosity", "cache_key", "top_logprobs"):
            if getattr(request, key) is not None:
                losses.dropped(_SENDERS_NAMES.get(key, key))
        for key in ("frequency_penalty", "presence_penalty", "logprobs", "store", "metadata"):
            if getattr(request, key):
                losses.dropped(key)
        for dialect, values in request.provider_metadata.items():
            if dialect == NAME:
                body.update(
                    {key: value for key, value in values.items() if key not in _MERGED and not key.startswith("_")}
                )
            else:
                for key, value in values.items():
                    if value and not key.startswith("_") and key not in _COSMETIC:
                        losses.dropped(key)


def _is_native(reasoning: Reasoning) -> bool:
    """Whether a client of this dialect said it, who knows which forms its model takes."""
    return reasoning.mode in _MODES or NAME in reasoning.provider_metadata


def _unthought_calls(turns: list[_Turn]) -> bool:
    """Whether the tool calls which the last message answers were made without thinking before them."""
    for turn in reversed(turns):
        if turn.role == "assistant":
            calls = any(block["type"] == "tool_use" for block in turn.blocks)
            return calls and turn.blocks[0]["type"] not in ("thinking", "redacted_thinking")
        if turn.role == "user" and not any(block["type"] == "tool_result" for block in turn.blocks):
            return False
    return False


_MODES = frozenset({"enabled", "adaptive", "disabled", "between_tools"})
_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_EARLY_EFFORTS = ("low", "medium", "high", "max")
_TIERS = {"auto": "auto", "standard_only": "standard_only", "default": "standard_only", "priority": "auto"}
_SENDERS_NAMES = {"cache_key": "prompt_cache_key"}
# They ask for what this dialect gives anyway, or say nothing to a model.
_COSMETIC = frozenset({"stream_options", "client_metadata", "include"})
_MERGED = frozenset({"metadata", "output_config"})
_UNCACHED = frozenset({"thinking", "redacted_thinking"})
_COUNTED = frozenset(
    {
        "model", "messages", "system", "tools", "tool_choice", "thinking", "cache_control", "output_config",
        "output_format", "mcp_servers", "context_management",
    }
)  # fmt: skip
_FILES_BETA = "files-api-2025-04-14"
_JSON_PROMPT = "Answer with one JSON object and nothing else: no code fence, no text before or after it."
_ID = re.compile(r"[a-zA-Z0-9_-]+")
_NO_ID = re.compile(r"[^a-zA-Z0-9_-]")


def check_portable(request: LLMRequest, losses: Losses) -> None:
    """Lists what the texts within documents have of their own: another dialect gets them as one text."""
    for message in request.messages:
        for part in message.content:
            if type(part) is MediaPart or type(part) is ToolResultPart:
                _list_block_fields(part, losses)


def _list_block_fields(part: Part, losses: Losses) -> None:
    if type(part) is ToolResultPart:
        for inner in part.content:
            _list_block_fields(inner, losses)
    if type(part) is not MediaPart or not part.provider_metadata:
        return
    blocks = own(part.provider_metadata).get("_blocks")
    for block in blocks if isinstance(blocks, list) else ():
        for key in block:
            if key not in ("type", "text"):
                losses.dropped(f"messages[*].content[*].source.content[*].{key}")
