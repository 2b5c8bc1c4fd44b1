"""Converse requests ↔ LLMRequest (Amazon Bedrock Runtime, `Converse`, service model 2023-09-30).

What re-encoding changes: neighbours of one role are one message, tool results first in it; empty texts, lists and
objects are left out; documents of equal names are distinguished.
"""

from __future__ import annotations

from typing import Any

from llm_gateway_sdk import (
    DialectError,
    Echo,
    LLMRequest,
    Message,
    OpaqueTool,
    Reasoning,
    ResponseFormat,
    Tool,
    ToolChoice,
    WireRequest,
)
from llm_gateway_sdk.wire import json

from .parts import (
    NAME,
    decode_cache_point,
    decode_content,
    expect,
)
from .paths import CONVERSE_STREAM, split_path

__all__ = ["decode_request"]

_READ = frozenset(
    {"messages", "system", "inferenceConfig", "toolConfig", "requestMetadata", "serviceTier", "outputConfig"}
)
ADDITIONAL = "additionalModelRequestFields"
RESPONSE_PATHS = "additionalModelResponseFieldPaths"
STOP_PATH = "/stop_sequence"


# Decoding.


def decode_request(wire: WireRequest) -> tuple[LLMRequest, Echo]:
    try:
        body = json.loads(wire.body)
    except ValueError as error:
        raise DialectError(f"the body is not valid JSON: {error}") from None
    body = expect(body, dict, "")
    if "input" in body and "messages" not in body:
        # CountTokens wraps the request.
        holder = expect(body["input"], dict, "input")
        body = expect(holder.get("converse"), dict, "input.converse")
    model, operation = split_path(wire.path)
    request = LLMRequest(model=model or "", stream=operation == CONVERSE_STREAM)
    system = decode_content(body.get("system"), "system")
    if system:
        request.messages.append(Message("system", system))
    for position, item in enumerate(expect(body.get("messages") or [], list, "messages")):
        path = f"messages[{position}]"
        message = expect(item, dict, path)
        role = expect(message.get("role", "user"), str, f"{path}.role")
        content = decode_content(message.get("content"), f"{path}.content")
        # A system turn within the conversation is one wherever it is.
        metadata = {NAME: {"_turn": True}} if role == "system" else {}
        request.messages.append(Message(role, content, provider_metadata=metadata))
    metadata = {key: value for key, value in body.items() if key not in _READ and value is not None}
    _decode_tools(body.get("toolConfig"), request, metadata)
    _decode_inference(body.get("inferenceConfig"), request, metadata)
    _decode_output(body.get("outputConfig"), request, metadata)
    _decode_additional(body.get(ADDITIONAL), request, metadata)
    _decode_rest(body, request)
    if metadata:
        request.provider_metadata = {NAME: metadata}
    return request, Echo(request.model, request.stream)


def _decode_tools(value: Any, request: LLMRequest, metadata: dict[str, Any]) -> None:
    if value is None:
        return
    config = expect(value, dict, "toolConfig")
    for position, item in enumerate(expect(config.get("tools") or [], list, "toolConfig.tools")):
        path = f"toolConfig.tools[{position}]"
        tool = expect(item, dict, path)
        if "cachePoint" in tool and request.tools and request.tools[-1].cache is None:
            request.tools[-1].cache = decode_cache_point(tool["cachePoint"], f"{path}.cachePoint")
        elif "toolSpec" in tool:
            request.tools.append(_decode_tool(expect(tool["toolSpec"], dict, f"{path}.toolSpec"), f"{path}.toolSpec"))
        else:
            request.tools.append(OpaqueTool(NAME, tool))
    choice = expect(config.get("toolChoice") or {}, dict, "toolConfig.toolChoice")
    if "any" in choice:
        request.tool_choice = ToolChoice("required")
    elif "auto" in choice:
        request.tool_choice = ToolChoice("auto")
    elif "tool" in choice:
        tool = expect(choice["tool"], dict, "toolConfig.toolChoice.tool")
        request.tool_choice = ToolChoice("tool", expect(tool.get("name"), str, "toolConfig.toolChoice.tool.name"))
    elif choice:
        request.tool_choice = ToolChoice("opaque", provider_metadata={NAME: choice})
    if rest := {key: inner for key, inner in config.items() if key not in ("tools", "toolChoice")}:
        metadata["toolConfig"] = rest


def _decode_tool(spec: dict[str, Any], path: str) -> Tool:
    description = spec.get("description")
    tool = Tool(
        expect(spec.get("name"), str, f"{path}.name"),
        None if description is None else expect(description, str, f"{path}.description"),
    )
    schema = expect(spec.get("inputSchema") or {}, dict, f"{path}.inputSchema").get("json")
    if schema is not None:
        tool.parameters = expect(schema, dict, f"{path}.inputSchema.json")
    if isinstance(spec.get("strict"), bool):
        tool.strict = spec["strict"]
    rest = {key: value for key, value in spec.items() if key not in ("name", "description", "inputSchema", "strict")}
    if rest:
        tool.provider_metadata = {NAME: rest}
    return tool


def _decode_inference(value: Any, request: LLMRequest, metadata: dict[str, Any]) -> None:
    if value is None:
        return
    path = "inferenceConfig"
    config = expect(value, dict, path)
    request.max_tokens = _whole(config.get("maxTokens"), f"{path}.maxTokens")
    request.temperature = _number(config.get("temperature"), f"{path}.temperature")
    request.top_p = _number(config.get("topP"), f"{path}.topP")
    stops = expect(config.get("stopSequences") or [], list, f"{path}.stopSequences")
    request.stop = [expect(stop, str, f"{path}.stopSequences") for stop in stops]
    known = ("maxTokens", "temperature", "topP", "stopSequences")
    if rest := {key: inner for key, inner in config.items() if key not in known}:
        metadata[path] = rest


def _number(value: Any, path: str) -> float | None:
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    raise DialectError("expected a number", path=path)


def _whole(value: Any, path: str) -> int | None:
    number = _number(value, path)
    if number is not None and int(number) != number:
        raise DialectError("expected a whole number", path=path)
    return None if number is None else int(number)


def _decode_output(value: Any, request: LLMRequest, metadata: dict[str, Any]) -> None:
    if value is None:
        return
    config = dict(expect(value, dict, "outputConfig"))
    effort = config.get("effort")
    if isinstance(effort, str):
        request.reasoning = Reasoning(effort=config.pop("effort"), provider_metadata={NAME: {"_effort": True}})
    format = config.get("textFormat")
    structure = format.get("structure") if isinstance(format, dict) else None
    definition = structure.get("jsonSchema") if isinstance(structure, dict) else None
    if isinstance(definition, dict) and isinstance(definition.get("schema"), str):
        try:
            schema = json.loads(definition["schema"])
        except ValueError:
            raise DialectError("expected JSON", path="outputConfig.textFormat.structure.jsonSchema.schema") from None
        if isinstance(schema, dict):
            request.response_format = ResponseFormat(
                "json_schema",
                schema,
                _text(definition.get("name")),
                _text(definition.get("description")),
                provider_metadata={NAME: {"_schema": definition["schema"]}},
            )
            del config["textFormat"]
    if config:
        metadata["outputConfig"] = config


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _decode_additional(value: Any, request: LLMRequest, metadata: dict[str, Any]) -> None:
    """Claude's own fields, as far as there are canonical ones; the rest stays in the metadata."""
    if value is None:
        return
    rest = dict(expect(value, dict, ADDITIONAL))
    thinking = rest.get("thinking")
    if isinstance(thinking, dict) and isinstance(thinking.get("type"), str):
        del rest["thinking"]
        reasoning = request.reasoning or Reasoning()
        reasoning.mode = thinking["type"]
        reasoning.enabled = thinking["type"] != "disabled"
        budget, display = thinking.get("budget_tokens"), thinking.get("display")
        reasoning.budget_tokens = budget if isinstance(budget, int) and not isinstance(budget, bool) else None
        reasoning.summary = _text(display)
        reasoning.provider_metadata.setdefault(NAME, {})["_thinking"] = thinking
        request.reasoning = reasoning
    top_k = rest.get("top_k")
    if isinstance(top_k, int) and not isinstance(top_k, bool):
        request.top_k = rest.pop("top_k")
    metadata.pop(ADDITIONAL, None)
    if rest:
        metadata[ADDITIONAL] = rest


def _decode_rest(body: dict[str, Any], request: LLMRequest) -> None:
    tier = body.get("serviceTier")
    if isinstance(tier, dict):
        request.service_tier = _text(tier.get("type"))
    labels = expect(body.get("requestMetadata") or {}, dict, "requestMetadata")
    request.metadata = {key: expect(value, str, f"requestMetadata.{key}") for key, value in labels.items()}
