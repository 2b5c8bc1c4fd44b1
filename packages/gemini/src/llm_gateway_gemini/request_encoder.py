"""Writing `generateContent` requests for a provider."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llm_gateway_sdk import (
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
from llm_gateway_sdk.dialects.coverage import drop_block, drop_from_system, drop_message, drop_tool, report_fields
from llm_gateway_sdk.request import ToolLike
from llm_gateway_sdk.wire import json

from .parts import (
    NAME,
    PLACEHOLDER_SIGNATURE,
    arguments_object,
    encode_media,
    only_text,
    own,
    signature_alone,
)
from .paths import STREAM_METHOD, build_path
from .request import SAMPLING, SPELLING
from .schema import AsWritten, for_json_schema_field, to_json_schema, to_openapi
from .spelling import respelled
from .thinking import encode_thinking, generation

__all__ = ["encode_count", "encode_request"]

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
    names = own(request).get(SPELLING)
    result: dict[str, Any] = respelled(body, names) if names else body
    return result


def _build_body(request: LLMRequest, target: Target, losses: Losses) -> dict[str, Any]:
    leading = 0
    while leading < len(request.messages) and request.messages[leading].role in ("system", "developer"):
        leading += 1
    contents = _Contents(target, losses).build(request.messages[leading:])
    if request.messages and not contents:
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
            report_fields(values, "", losses)
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
                losses.dropped("system.content[*].cache")
            if isinstance(part, TextPart | RefusalPart):
                parts.append({"text": part.text, **own(part)})
            elif isinstance(part, MediaPart):
                media = encode_media(part, "system.content[*]", losses)
                if media is not None:
                    parts.append(media)
            elif isinstance(part, OpaquePart) and part.dialect == NAME:
                parts.append(part.data)
            else:
                drop_from_system(part, losses)
    if not parts:
        return None
    return {"parts": parts, "role": role} if role is not None else {"parts": parts}


class _Contents:
    """Builds `contents`.

    Function responses are in one content right after the call's, which is all the service accepts; what else a user
    wrote goes into its own content. Contents that were Gemini's to begin with keep their form.
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
                    drop_message(message, self._losses)
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
                    signature = self._signature(part)
                    if part.text or native or own(part) or signature is not None:
                        encoded = {"text": part.text, **own(part)}
                    if isinstance(part, RefusalPart):
                        self._losses.converted("messages[*].content[*].refusal", "written as text")
                    if encoded is not None and signature is not None:
                        encoded["thoughtSignature"] = signature
                case ThinkingPart():
                    encoded = self._thought(part, parts)
                case ToolCallPart():
                    encoded = self._call(part, placeholder=not called and self._placeholder and _is_foreign(part))
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
                        drop_block(part, self._losses)
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
        return signature_alone(signature, metadata)

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
        if part.cache is not None:
            self._losses.dropped("messages[*].results[*].cache")
        if any(inner.cache is not None for inner in part.content):
            self._losses.dropped("messages[*].results[*].content[*].cache")
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
                    drop_block(inner, self._losses, "messages[*].results[*].content[*]")
            elif isinstance(inner, MediaPart):
                media = encode_media(inner, "messages[*].content[*].content[*]", self._losses)
                if media is not None:
                    (inline if native or (self._media_in_results and "inlineData" in media) else moved).append(media)
        if moved:
            self._losses.converted("messages[*].results[*].content[*]", "media of a tool result in a user turn")
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
                drop_tool(tool, losses)
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
    for key, attribute, _ in SAMPLING:
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


def _is_foreign(part: ToolCallPart) -> bool:
    """Whether another provider made the call, so that it has no signature of Gemini's."""
    return part.signed_by != NAME
