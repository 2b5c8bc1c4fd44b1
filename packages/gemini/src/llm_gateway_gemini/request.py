"""`generateContent` requests ↔ LLMRequest (Gemini API v1beta, `models.generateContent`).

What re-encoding changes: parts in their own tool entries, one entry of `functionDeclarations`, unset and empty objects
left out, base64 in the standard alphabet.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Any

from llm_gateway_sdk import (
    DialectError,
    Echo,
    LLMRequest,
    Message,
    OpaquePart,
    OpaqueTool,
    Part,
    ResponseFormat,
    TextPart,
    Tool,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
    WireRequest,
)
from llm_gateway_sdk.wire import json

from .parts import (
    NAME,
    decode_media,
    decode_part,
    fields,
    objects,
    own,
    read_signature,
    text_of,
)
from .paths import STREAM_METHOD, split_path, wants_sse
from .schema import AsWritten, to_json_schema
from .spelling import snake_names
from .thinking import decode_thinking

__all__ = ["GeminiEcho", "decode_request"]

SPELLING = "_form"
"""The note on how a client spells names of fields: its entries are such names, and no texts."""

SAMPLING: tuple[tuple[str, str, type], ...] = (
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
_READ_CONFIG = frozenset(name for name, _, _ in SAMPLING) | {
    "stopSequences", "responseMimeType", "responseSchema", "responseJsonSchema", "thinkingConfig",
}  # fmt: skip


@dataclass(slots=True)
class GeminiEcho(Echo):
    sse: bool = True
    """The stream is asked for as server-sent events, not as one JSON array."""
    several: bool = False
    """More than one candidate is asked for. Where it is not, all that a provider sends belongs to one answer."""


def decode_request(wire: WireRequest) -> tuple[LLMRequest, Echo]:
    try:
        body = json.loads(wire.body) if wire.body else {}
    except ValueError as error:
        raise DialectError(f"the body is not valid JSON: {error}") from None
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
        metadata[SPELLING] = names
    if metadata:
        request.provider_metadata = {NAME: metadata}
    return request, GeminiEcho(request.model, request.stream, wants_sse(wire.query), (request.n or 1) > 1)


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
        if role is None and any(type(part) is ToolCallPart for part in message.content):
            message.role = "assistant"  # only the model calls
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
    for key, attribute, kind in SAMPLING:
        if config.get(key) is not None:
            setattr(request, attribute, _number(config[key], kind, f"{path}.{key}"))
    request.stop = [text_of(item, f"{path}.stopSequences") for item in _list(config, "stopSequences", path)]
    request.reasoning = decode_thinking(config.get("thinkingConfig"), f"{path}.thinkingConfig")
    rest = {key: inner for key, inner in config.items() if key not in _READ_CONFIG and inner is not None}
    _decode_format(config, request, rest)
    if rest.get("responseModalities") == ["TEXT"]:
        # What every other API does unasked is not a loss there.
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
