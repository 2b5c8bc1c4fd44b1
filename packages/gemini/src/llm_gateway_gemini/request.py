"""`generateContent` requests ↔ LLMRequest (Gemini API v1beta, `models.generateContent`).

What re-encoding changes: parts in their own tool entries, one entry of `functionDeclarations`, unset and empty objects
left out, base64 in the standard alphabet.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
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
from llm_gateway_sdk.conventions import custom_tool_parameters, media_marker
from llm_gateway_sdk.request import ToolLike
from llm_gateway_sdk.wire import json

from .parts import (
    NAME,
    PLACEHOLDER_SIGNATURE,
    arguments_object,
    decode_media,
    decode_part,
    encode_media,
    fields,
    objects,
    only_text,
    own,
    read_signature,
    text_of,
)
from .paths import STREAM_METHOD, build_path, split_path, wants_sse
from .schema import AsWritten, for_json_schema_field, to_json_schema, to_openapi
from .spelling import respelled, snake_names
from .thinking import decode_thinking, encode_thinking, generation

__all__ = ["GeminiEcho", "decode_request", "encode_count", "encode_request"]

_SPELLING = "_spelling"

_SAMPLING: tuple[tuple[str, str, type], ...] = (
    ("temperature", "temperature", float),
    ("topP", "top_p", float),
    ("topK", "top_k", int),
    ("maxOutputTokens", "max_tokens", int),
    ("candidateCount", "n", int),
    ("seed", "seed", int),
    ("presencePenalty", "presence_penalty", float),
    ("frequencyPenalty", "frequency_penalty", float),
    ("responseLogprobs", "logprobs", bool),
    ("logprobs", "top_logprobs", int),
)

_READ = frozenset({"contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "model"})
_READ_CONFIG = frozenset(name for name, _, _ in _SAMPLING) | {
    "stopSequences", "responseMimeType", "responseSchema", "responseJsonSchema", "thinkingConfig",
}  # fmt: skip


@dataclass(slots=True)
class GeminiEcho(Echo):
    sse: bool = True
    """The stream is asked for as server-sent events, not as one JSON array."""


def decode_request(wire: WireRequest) -> tuple[LLMRequest, Echo]:
    try:
        body = json.loads(wire.body) if wire.body else {}
    except ValueError as error:
        raise DialectError(f"the body is no JSON: {error}") from None
    if not isinstance(body, dict):
        raise DialectError("expected a JSON object")
    model, method = split_path(wire.path)
    top = fields(body, "")
    if "generateContentRequest" in top:
        body = top["generateContentRequest"]
        top = fields(body, "generateContentRequest")
    named = top.get("model")
    if model is None and isinstance(named, str):
        model = named.removeprefix("models/")
    request = LLMRequest(model=model or "", stream=method == STREAM_METHOD)
    _decode_system(top.get("systemInstruction"), request)
    _decode_contents(top.get("contents"), request)
    _decode_tools(top.get("tools"), request)
    metadata = {key: value for key, value in top.items() if key not in _READ}
    _decode_tool_config(top.get("toolConfig"), request, metadata)
    _decode_config(top.get("generationConfig"), request, metadata)
    if names := snake_names(body):
        metadata[_SPELLING] = names
    if metadata:
        request.provider_metadata = {NAME: metadata}
    return request, GeminiEcho(request.model, request.stream, wants_sse(wire.query))


def _decode_system(value: Any, request: LLMRequest) -> None:
    if value is None:
        return
    if isinstance(value, str):
        request.messages.append(Message("system", [TextPart(value)]))
        return
    content = fields(value, "systemInstruction")
    parts: list[Part] = []
    for position, part in enumerate(objects(content.get("parts"), "systemInstruction.parts")):
        parts.extend(decode_part(part, f"systemInstruction.parts[{position}]", keep_empty=True))
    message = Message("system", parts)
    if content.get("role") is not None:
        message.provider_metadata = {NAME: {"_role": content["role"]}}
    if parts:
        request.messages.append(message)


def _decode_contents(value: Any, request: LLMRequest) -> None:
    calls = _CallIds()
    for position, item in enumerate(objects(value, "contents")):
        path = f"contents[{position}]"
        content = fields(item, path)
        role = content.get("role")
        if role is not None and not isinstance(role, str):
            raise DialectError("expected a string", path=f"{path}.role")
        rest = {key: inner for key, inner in content.items() if key not in ("role", "parts")}
        message = Message(_ROLES.get(role or "", "user"), provider_metadata={NAME: {"_role": role, **rest}})
        for number, part in enumerate(objects(content.get("parts"), f"{path}.parts")):
            message.content.extend(_decode_content_part(part, f"{path}.parts[{number}]", calls))
        request.messages.append(message)


_ROLES = {"model": "assistant", "system": "system"}


class _CallIds:
    """Ids for calls that have none, the same whenever the same history comes again; results find theirs by name."""

    def __init__(self) -> None:
        self._count = 0
        self._open: dict[str, deque[str]] = defaultdict(deque)

    def of_call(self, part: ToolCallPart) -> None:
        self._count += 1
        if not part.id:
            part.id = f"call_{self._count}"
            part.provider_metadata = {NAME: {**own(part), "_no_id": True}}
        self._open[part.name].append(part.id)

    def of_result(self, name: str, identity: str | None) -> str:
        waiting = self._open[name]
        if identity:
            if identity in waiting:
                waiting.remove(identity)
            return identity
        if waiting:
            return waiting.popleft()
        self._count += 1
        return f"call_{self._count}"


def _decode_content_part(value: Any, path: str, calls: _CallIds) -> list[Part]:
    part = fields(value, path)
    response = part.get("functionResponse")
    if response is not None:
        return [_decode_result(part, fields(response, f"{path}.functionResponse"), f"{path}.functionResponse", calls)]
    parts = decode_part(value, path, keep_empty=True)
    for decoded in parts:
        if isinstance(decoded, ToolCallPart):
            calls.of_call(decoded)
    return parts


_WRAPS = ("output", "result", "error", "content", "return_value", "response", "text")
"""Keys under which clients put a result that is plain text."""


def _decode_result(part: dict[str, Any], response: dict[str, Any], path: str, calls: _CallIds) -> ToolResultPart:
    name = text_of(response.get("name", ""), f"{path}.name")
    identity = response.get("id")
    if identity is not None and not isinstance(identity, str):
        raise DialectError("expected a string", path=f"{path}.id")
    value = response.get("response")
    if value is not None and not isinstance(value, dict):
        raise DialectError("expected an object", path=f"{path}.response")
    metadata: dict[str, Any] = {}
    result = ToolResultPart(calls.of_result(name, identity), name=name or None)
    if not identity:
        metadata["_no_id"] = True
    if value is not None:
        key = next(iter(value)) if len(value) == 1 else None
        if key in _WRAPS and isinstance(value[key], str):
            metadata["_form"] = key
            result.is_error = key == "error"
            result.content.append(TextPart(value[key]))
        else:
            metadata["_form"] = ""
            result.content.append(TextPart(json.dumps_text(value)))
    for number, item in enumerate(objects(response.get("parts"), f"{path}.parts")):
        result.content.append(_decode_result_part(item, f"{path}.parts[{number}]"))
    rest = {key: inner for key, inner in response.items() if key not in ("id", "name", "response", "parts")}
    if rest:
        metadata["response"] = rest
    extra = {key: inner for key, inner in part.items() if key not in ("functionResponse", "thoughtSignature")}
    if extra:
        metadata["part"] = extra
    signed = read_signature(part.get("thoughtSignature"))
    if signed is not None:
        result.signature, result.signed_by = signed
    result.provider_metadata = {NAME: metadata} if metadata else {}
    return result


def _decode_result_part(value: Any, path: str) -> Part:
    part = fields(value, path)
    for key in ("inlineData", "fileData"):
        if part.get(key) is not None and len(part) == 1:
            return decode_media(key, fields(part[key], f"{path}.{key}"), f"{path}.{key}")
    return OpaquePart(NAME, value)


def _decode_tools(value: Any, request: LLMRequest) -> None:
    for position, item in enumerate(objects(value, "tools")):
        path = f"tools[{position}]"
        for key, inner in fields(item, path).items():
            if key != "functionDeclarations":
                if inner is not None:
                    request.tools.append(OpaqueTool(NAME, {key: inner}, name=key))
                continue
            for number, declaration in enumerate(objects(inner, f"{path}.{key}")):
                request.tools.append(_decode_tool(declaration, f"{path}.{key}[{number}]"))


def _decode_tool(value: Any, path: str) -> Tool:
    declaration = fields(value, path)
    description = declaration.get("description")
    if description is not None:
        text_of(description, f"{path}.description")
    tool = Tool(text_of(declaration.get("name"), f"{path}.name"), description)
    metadata: dict[str, Any] = {}
    schema = declaration.get("parametersJsonSchema")
    if schema is not None:
        if not isinstance(schema, dict):
            raise DialectError("expected an object", path=f"{path}.parametersJsonSchema")
        tool.parameters = schema
    elif declaration.get("parameters") is not None:
        parameters = declaration["parameters"]
        if not isinstance(parameters, dict):
            raise DialectError("expected an object", path=f"{path}.parameters")
        tool.parameters = to_json_schema(parameters)
        metadata["_parameters"] = AsWritten(parameters)
    rest = {
        key: inner
        for key, inner in declaration.items()
        if key not in ("name", "description", "parameters", "parametersJsonSchema")
    }
    if rest:
        metadata["declaration"] = rest
    if metadata:
        tool.provider_metadata = {NAME: metadata}
    return tool


def _decode_tool_config(value: Any, request: LLMRequest, metadata: dict[str, Any]) -> None:
    config = fields(value, "toolConfig")
    rest = {key: inner for key, inner in config.items() if key != "functionCallingConfig"}
    if rest:
        metadata["toolConfig"] = rest
    path = "toolConfig.functionCallingConfig"
    calling = fields(config.get("functionCallingConfig"), path)
    if not calling:
        return
    mode = str(calling.get("mode") or "").upper()
    names = [text_of(name, f"{path}.allowedFunctionNames") for name in _list(calling, "allowedFunctionNames", path)]
    choice = ToolChoice(provider_metadata={NAME: {"_mode": mode}})
    if mode == "NONE":
        choice.mode = "none"
    elif mode == "ANY":
        choice.mode = "tool" if len(names) == 1 else "allowed" if names and not _all(names, request) else "required"
        choice.allowed_mode = "required"
    elif names and not _all(names, request):
        choice.mode = "allowed"
    if choice.mode == "tool":
        choice.name = names[0]
    elif choice.mode == "allowed":
        choice.names = names
    elif names:
        choice.provider_metadata[NAME]["_names"] = names
    extra = {key: inner for key, inner in calling.items() if key not in ("mode", "allowedFunctionNames")}
    if extra:
        choice.provider_metadata[NAME]["config"] = extra
    request.tool_choice = choice


def _all(names: list[str], request: LLMRequest) -> bool:
    """Naming every function is naming none."""
    declared = {tool.name for tool in request.tools if isinstance(tool, Tool)}
    return bool(declared) and declared <= set(names)


def _list(holder: dict[str, Any], key: str, path: str) -> list[Any]:
    value = holder.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise DialectError("expected a list", path=f"{path}.{key}")
    return value


def _decode_config(value: Any, request: LLMRequest, metadata: dict[str, Any]) -> None:
    path = "generationConfig"
    config = fields(value, path)
    for key, attribute, kind in _SAMPLING:
        if config.get(key) is not None:
            setattr(request, attribute, _number(config[key], kind, f"{path}.{key}"))
    request.stop = [text_of(item, f"{path}.stopSequences") for item in _list(config, "stopSequences", path)]
    request.reasoning = decode_thinking(config.get("thinkingConfig"), f"{path}.thinkingConfig")
    rest = {key: inner for key, inner in config.items() if key not in _READ_CONFIG and inner is not None}
    _decode_format(config, request, rest)
    if rest.get("responseModalities") == ["TEXT"]:
        # What every other API does unasked is no loss there.
        metadata["_modalities"] = rest.pop("responseModalities")
    if rest:
        metadata[path] = rest


def _number(value: Any, kind: type, path: str) -> Any:
    if kind is bool:
        if not isinstance(value, bool):
            raise DialectError("expected a boolean", path=path)
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DialectError("expected a number", path=path)
    if kind is float:
        return value
    if isinstance(value, float) and not value.is_integer():
        raise DialectError("expected a whole number", path=path)
    return int(value)


def _decode_format(config: dict[str, Any], request: LLMRequest, rest: dict[str, Any]) -> None:
    kind = config.get("responseMimeType")
    if kind not in (None, "", "application/json", "text/plain"):
        # An enum as bare text has no counterpart.
        rest.update({key: config[key] for key in ("responseMimeType", "responseSchema") if config.get(key) is not None})
        return
    schema = config.get("responseJsonSchema")
    if isinstance(schema, dict):
        request.response_format = ResponseFormat("json_schema", schema)
    elif isinstance(config.get("responseSchema"), dict):
        raw = config["responseSchema"]
        request.response_format = ResponseFormat(
            "json_schema", to_json_schema(raw), provider_metadata={NAME: {"_responseSchema": raw}}
        )
    elif kind == "application/json":
        request.response_format = ResponseFormat("json_object")
    elif kind == "text/plain":
        request.response_format = ResponseFormat("text")
    if request.response_format is not None and kind != "application/json":
        request.response_format.provider_metadata.setdefault(NAME, {})["_responseMimeType"] = kind


# Encoding.


def encode_request(request: LLMRequest, target: Target, losses: Losses) -> WireRequest:
    body = _build_body(request, target, losses)
    config = _build_config(request, target, losses)
    if config:
        body["generationConfig"] = config
    method = STREAM_METHOD if request.stream else "generateContent"
    return _post(target.model, method, "alt=sse" if request.stream else "", _spelled(body, request))


def encode_count(request: LLMRequest, target: Target, losses: Losses) -> WireRequest:
    """The same request for `countTokens`, system instruction and tools included."""
    body = _spelled(_build_body(request, target, losses), request)
    whole = {"model": build_path(target.model, "")[1:-1], **body}
    return _post(target.model, "countTokens", "", {"generateContentRequest": whole})


def _post(model: str, method: str, query: str, body: dict[str, Any]) -> WireRequest:
    headers = Headers.of([("content-type", "application/json")])
    return WireRequest("POST", build_path(model, method), query, headers, json.dumps(body))


def _spelled(body: dict[str, Any], request: LLMRequest) -> dict[str, Any]:
    names = own(request).get(_SPELLING)
    result: dict[str, Any] = respelled(body, names) if names else body
    return result


def _build_body(request: LLMRequest, target: Target, losses: Losses) -> dict[str, Any]:
    leading = 0
    while leading < len(request.messages) and request.messages[leading].role in ("system", "developer"):
        leading += 1
    contents = _Contents(target, losses).build(request.messages[leading:])
    if leading and not contents:
        # Instructions alone are refused; with an empty turn they are not.
        contents.append({"role": "user", "parts": [{"text": ""}]})
    body: dict[str, Any] = {"contents": contents}
    system = _build_system(request.messages[:leading], losses)
    if system is not None:
        body["systemInstruction"] = system
    if request.tools:
        body["tools"] = _build_tools(request.tools, target, losses)
    metadata = own(request)
    tool_config = _build_tool_config(request, metadata, losses)
    if tool_config:
        body["toolConfig"] = tool_config
    for key, value in metadata.items():
        if key not in ("generationConfig", "toolConfig") and not key.startswith("_"):
            body[key] = value
    _tell_losses(request, losses)
    tier = _TIERS.get(request.service_tier or "")
    if tier is not None:
        body.setdefault("serviceTier", tier)
    return body


_TIERS = {"flex": "flex", "priority": "priority", "default": "standard", "standard": "standard"}


def _tell_losses(request: LLMRequest, losses: Losses) -> None:
    for dialect, values in request.provider_metadata.items():
        if dialect != NAME:
            for key in values:
                if not key.startswith("_"):
                    losses.dropped(key)
    for path, value in (
        ("user", request.user),
        ("cache_key", request.cache_key),
        ("metadata", request.metadata),
        ("cache", request.cache),
        ("verbosity", request.verbosity),
        ("store", request.store or None),
        ("parallel_tool_calls", None if request.parallel_tool_calls is not False else False),
        ("service_tier", request.service_tier if request.service_tier not in (*_TIERS, "auto") else None),
    ):
        if value is not None and value != {}:
            losses.dropped(path)


def _build_system(messages: list[Message], losses: Losses) -> dict[str, Any] | None:
    parts: list[dict[str, Any]] = []
    role = None
    for message in messages:
        role = own(message).get("_role", role)
        for part in message.content:
            if part.cache is not None:
                losses.dropped("messages[*].content[*].cache")
            if isinstance(part, TextPart | RefusalPart):
                parts.append({"text": part.text, **own(part)})
            elif isinstance(part, MediaPart):
                media = encode_media(part, "messages[*].content[*]", losses)
                if media is not None:
                    parts.append(media)
            elif isinstance(part, OpaquePart) and part.dialect == NAME:
                parts.append(part.data)
            else:
                losses.dropped("messages[*].content[*]")
    if not parts:
        return None
    return {"parts": parts, "role": role} if role is not None else {"parts": parts}


class _Contents:
    """Builds `contents`.

    Function responses stand in one content right behind the call's, which is all the service accepts; what else a user
    said goes into a content of its own. Contents that were Gemini's to begin with keep their form.
    """

    def __init__(self, target: Target, losses: Losses) -> None:
        version = generation(target.model)
        quirks = target.quirks
        self._losses = losses
        self._send_ids = not quirks.get("no_function_ids")
        self._placeholder = bool(quirks.get("placeholder_signature", version >= 3))
        self._media_in_results = bool(quirks.get("media_in_tool_results", version >= 3))
        self._names: dict[str, str] = {}
        self._contents: list[dict[str, Any]] = []
        self._results: list[dict[str, Any]] | None = None
        """Parts of the content that gathers results now."""
        self._moved: list[dict[str, Any]] = []
        """Media of results, which wait for the last result."""

    def build(self, messages: list[Message]) -> list[dict[str, Any]]:
        for message in messages:
            if message.name is not None:
                self._losses.dropped("messages[*].name")
            match message.role:
                case "assistant":
                    self._flush()
                    self._add_model(message)
                case "opaque":
                    self._losses.dropped("messages[*]", "an item of another vendor")
                case "system" | "developer" if NAME not in message.provider_metadata:
                    self._flush()
                    self._losses.converted("messages[*].role", "system text within the conversation")
                    self._put("user", self._parts(message))
                case _ if NAME in message.provider_metadata:
                    self._flush()
                    self._put(own(message).get("_role"), self._parts(message), own(message))
                case _:
                    self._add_user(message)
        self._flush()
        return self._contents

    def _put(self, role: str | None, parts: list[dict[str, Any]], metadata: dict[str, Any] | None = None) -> None:
        if not parts:
            return
        content: dict[str, Any] = {"parts": parts}
        if role is not None:
            content["role"] = role
        for key, value in (metadata or {}).items():
            if not key.startswith("_"):
                content[key] = value
        self._contents.append(content)

    def _flush(self) -> None:
        self._results = None
        if self._moved:
            self._put("user", self._moved)
            self._moved = []

    def _add_user(self, message: Message) -> None:
        results = [part for part in message.content if isinstance(part, ToolResultPart)]
        others = [part for part in message.content if not isinstance(part, ToolResultPart)]
        if results:
            encoded = [self._result(part) for part in results]
            if self._results is None:
                self._results = []
                self._contents.append({"parts": self._results, "role": "user"})
            self._results.extend(encoded)
        if others:
            moved, self._moved = self._moved, []
            self._results = None
            self._put("user", moved + self._encode(others))

    def _add_model(self, message: Message) -> None:
        metadata = own(message)
        role = metadata.get("_role", "model") if NAME in message.provider_metadata else "model"
        self._put(role, self._parts(message), metadata)

    def _parts(self, message: Message) -> list[dict[str, Any]]:
        return self._encode(message.content, native=NAME in message.provider_metadata)

    def _encode(self, content: Sequence[Part], *, native: bool = False) -> list[dict[str, Any]]:
        parts: list[dict[str, Any]] = []
        called = False
        for part in content:
            if part.cache is not None:
                self._losses.dropped("messages[*].content[*].cache")
            encoded: dict[str, Any] | None = None
            match part:
                case TextPart() | RefusalPart():
                    encoded = {"text": part.text, **own(part)} if part.text or native or own(part) else None
                    if isinstance(part, RefusalPart):
                        self._losses.converted("messages[*].content[*].refusal", "said as text")
                    signature = self._signature(part)
                    if encoded is not None and signature is not None:
                        encoded["thoughtSignature"] = signature
                case ThinkingPart():
                    encoded = self._thought(part, parts)
                case ToolCallPart():
                    encoded = self._call(part, placeholder=not called and not native and self._placeholder)
                    called = True
                case ToolResultPart():
                    encoded = self._result(part)
                case MediaPart():
                    encoded = encode_media(part, "messages[*].content[*]", self._losses)
                    if encoded is not None:
                        encoded.update(own(part).get("part", {}))
                        if (signature := self._signature(part)) is not None:
                            encoded["thoughtSignature"] = signature
                case OpaquePart():
                    if part.dialect == NAME:
                        encoded = part.data
                    else:
                        self._losses.dropped("messages[*].content[*]", f"a block of {part.dialect}")
            if encoded is not None:
                parts.append(encoded)
        return parts

    def _signature(self, part: Part) -> str | None:
        if part.signature is None:
            return None
        if part.signed_by not in (None, NAME):
            self._losses.dropped("messages[*].content[*].signature")
            return None
        return part.signature

    def _thought(self, part: ThinkingPart, before: list[dict[str, Any]]) -> dict[str, Any] | None:
        if part.redacted is not None:
            self._losses.dropped("messages[*].content[*].signature")
            return None
        signature = self._signature(part)
        metadata = own(part)
        if part.text or metadata.get("_thought"):
            extra = {key: value for key, value in metadata.items() if not key.startswith("_")}
            thought = {"text": part.text, "thought": True, **extra}
            return thought if signature is None else {**thought, "thoughtSignature": signature}
        if signature is None:
            return None
        last = before[-1] if before else {}
        if metadata.get("_on") != "part" and "text" in last and not {"thought", "thoughtSignature"} & last.keys():
            last["thoughtSignature"] = signature
            return None
        return {"thoughtSignature": signature} if metadata.get("_bare") else {"text": "", "thoughtSignature": signature}

    def _call(self, part: ToolCallPart, *, placeholder: bool) -> dict[str, Any]:
        metadata = own(part)
        self._names[part.id] = part.name
        call: dict[str, Any] = {"name": part.name}
        arguments = arguments_object(part, "messages[*].content[*]", self._losses, custom=part.kind == "custom")
        if arguments or not metadata.get("_no_args"):
            call["args"] = arguments
        if self._send_ids and part.id and not metadata.get("_no_id"):
            call["id"] = part.id
        encoded = {"functionCall": {**call, **metadata.get("call", {})}, **metadata.get("part", {})}
        signature = self._signature(part)
        if signature is None and (placeholder or metadata.get("_placeholder")):
            signature = PLACEHOLDER_SIGNATURE
        if signature is not None:
            encoded["thoughtSignature"] = signature
        return encoded

    def _result(self, part: ToolResultPart) -> dict[str, Any]:
        metadata = own(part)
        response: dict[str, Any] = {"name": part.name or self._names.get(part.tool_call_id) or part.tool_call_id}
        if self._send_ids and part.tool_call_id and not metadata.get("_no_id"):
            response["id"] = part.tool_call_id
        if any(inner.cache is not None for inner in part.content):
            self._losses.dropped("messages[*].content[*].content[*].cache")
        text = only_text(part.content)
        if text or "_form" in metadata or not metadata:
            response["response"] = _result_object(text, part.is_error, metadata.get("_form"))
        inline = self._result_media(part)
        if inline:
            response["parts"] = inline
        encoded = {"functionResponse": {**response, **metadata.get("response", {})}, **metadata.get("part", {})}
        signature = self._signature(part)
        return encoded if signature is None else {**encoded, "thoughtSignature": signature}

    def _result_media(self, part: ToolResultPart) -> list[dict[str, Any]]:
        inline: list[dict[str, Any]] = []
        moved: list[dict[str, Any]] = []
        native = NAME in part.provider_metadata
        for inner in part.content:
            if isinstance(inner, OpaquePart):
                if inner.dialect == NAME:
                    inline.append(inner.data)
                else:
                    self._losses.dropped("messages[*].content[*].content[*]", f"a block of {inner.dialect}")
            elif isinstance(inner, MediaPart):
                media = encode_media(inner, "messages[*].content[*].content[*]", self._losses)
                if media is not None:
                    (inline if native or (self._media_in_results and "inlineData" in media) else moved).append(media)
        if moved:
            self._losses.converted("messages[*].content[*].content[*]", "media of a tool result in a user turn")
            self._moved.append({"text": media_marker(part.tool_call_id)})
            self._moved.extend(moved)
        return inline


def _result_object(text: str, is_error: bool, form: str | None) -> dict[str, Any]:
    """`response` must be an object. Text stays text, under the key which the documentation names; an object that came
    as one goes as one."""
    if form == "":
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        if isinstance(value, dict):
            return value
    if is_error:
        return {"error": text}
    return {form if form and form != "error" else "output": text}


def _build_tools(tools: list[ToolLike], target: Target, losses: Losses) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    declarations: list[dict[str, Any]] | None = None
    for tool in tools:
        if tool.cache is not None:
            losses.dropped("tools[*].cache")
        if isinstance(tool, OpaqueTool):
            if tool.dialect == NAME:
                entries.append(tool.data)
            else:
                losses.dropped("tools[*]", str(tool.name or tool.data.get("type") or tool.dialect))
            continue
        if declarations is None:
            declarations = []
            entries.append({"functionDeclarations": declarations})
        declarations.append(_build_declaration(tool, target, losses))
    return entries


def _build_declaration(tool: Tool, target: Target, losses: Losses) -> dict[str, Any]:
    metadata = own(tool)
    declaration: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        declaration["description"] = tool.description
    parameters = tool.parameters
    if tool.kind == "custom":
        parameters = custom_tool_parameters(tool.format)
        losses.converted("tools[*]", "a custom tool as a function with one parameter")
    if tool.strict:
        losses.dropped("tools[*].strict")
    written = metadata.get("_parameters")
    raw = written.with_texts_of(parameters) if isinstance(written, AsWritten) else None
    if raw is not None:
        declaration["parameters"] = raw
    elif parameters is not None:
        if target.quirks.get("schema") == "openapi":
            declaration["parameters"] = to_openapi(parameters)
            losses.converted("tools[*].parameters", "to the OpenAPI subset")
        else:
            declaration["parametersJsonSchema"] = for_json_schema_field(parameters)
    return {**declaration, **metadata.get("declaration", {})}


def _build_tool_config(request: LLMRequest, metadata: dict[str, Any], losses: Losses) -> dict[str, Any]:
    config: dict[str, Any] = {}
    choice = request.tool_choice
    if choice is not None and choice.mode == "opaque":
        losses.dropped("tool_choice", "a choice of another vendor")
    elif choice is not None and (NAME in choice.provider_metadata or any(isinstance(t, Tool) for t in request.tools)):
        config["functionCallingConfig"] = _build_choice(choice)
    rest = metadata.get("toolConfig")
    return {**config, **rest} if isinstance(rest, dict) else config


def _build_choice(choice: ToolChoice) -> dict[str, Any]:
    metadata = own(choice)
    extra = metadata.get("config", {})
    if metadata.get("_names"):
        extra = {"allowedFunctionNames": metadata["_names"], **extra}
    match choice.mode:
        case "none":
            return {"mode": "NONE", **extra}
        case "required":
            return {"mode": "ANY", **extra}
        case "tool":
            return {"mode": "ANY", "allowedFunctionNames": [choice.name], **extra}
        case "allowed":
            # Only VALIDATED takes names and leaves it to the model whether to call.
            mode = "ANY" if choice.allowed_mode == "required" else metadata.get("_mode") or "VALIDATED"
            return {"mode": mode, "allowedFunctionNames": list(choice.names), **extra}
    native = metadata.get("_mode")
    if native == "":
        return dict(extra)
    return {"mode": native if native in ("VALIDATED", "MODE_UNSPECIFIED") else "AUTO", **extra}


def _build_config(request: LLMRequest, target: Target, losses: Losses) -> dict[str, Any]:
    config: dict[str, Any] = {}
    for key, attribute, _ in _SAMPLING:
        value = getattr(request, attribute)
        if value is not None:
            config[key] = value
    if config.get("logprobs") is not None and not config.get("responseLogprobs"):
        config["responseLogprobs"] = True
    if request.stop:
        config["stopSequences"] = list(request.stop)
    thinking = encode_thinking(request.reasoning, request.max_tokens, target, losses)
    if thinking is not None:
        config["thinkingConfig"] = thinking
    _put_format(config, request.response_format, target, losses)
    metadata = own(request)
    if "_modalities" in metadata:
        config["responseModalities"] = metadata["_modalities"]
    rest = metadata.get("generationConfig")
    return {**config, **rest} if isinstance(rest, dict) else config


def _put_format(config: dict[str, Any], format: ResponseFormat | None, target: Target, losses: Losses) -> None:
    if format is None:
        return
    metadata = own(format)
    kind = metadata.get("_responseMimeType", "application/json")
    if format.kind == "text":
        if kind == "text/plain":
            config["responseMimeType"] = kind
        return
    if kind is not None:
        config["responseMimeType"] = kind
    if format.kind != "json_schema" or format.schema is None:
        return
    raw = metadata.get("_responseSchema")
    if raw is not None and to_json_schema(raw) == format.schema:
        config["responseSchema"] = raw
    elif target.quirks.get("schema") == "openapi":
        config["responseSchema"] = to_openapi(format.schema)
        losses.converted("response_format.schema", "to the OpenAPI subset")
    else:
        config["responseJsonSchema"] = for_json_schema_field(format.schema)
