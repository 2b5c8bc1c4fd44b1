"""Messages in the form of `gen_ai.input.messages` and `gen_ai.output.messages`, for traces that are to hold content."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from llm_gateway_sdk import LLMRequest, LLMResponse, MediaPart, Message, TextPart, ThinkingPart, Tool
from llm_gateway_sdk.parts import RefusalPart, ToolCallPart, ToolResultPart
from llm_gateway_sdk.wire import json

from .conventions import FINISH_REASONS

__all__ = ["input_messages", "output_messages", "system_instructions", "tool_definitions"]

_SYSTEM = ("system", "developer")


def input_messages(request: LLMRequest) -> str:
    found = [{"role": message.role, "parts": _parts(message)} for message in _conversation(request)]
    return json.dumps_text(found)


def system_instructions(request: LLMRequest) -> str | None:
    """JSON of the instructions before the conversation; None where there are none."""
    parts = [part for message in request.messages if message.role in _SYSTEM for part in _parts(message)]
    return json.dumps_text(parts) if parts else None


def tool_definitions(request: LLMRequest) -> str | None:
    """JSON of the tools; None where there are none."""
    tools = [
        {"type": "function", "name": tool.name, "description": tool.description, "parameters": tool.parameters}
        for tool in request.tools
        if isinstance(tool, Tool)
    ]
    return json.dumps_text(tools) if tools else None


def output_messages(response: LLMResponse) -> str:
    found = [
        {
            "role": choice.message.role,
            "parts": _parts(choice.message),
            "finish_reason": FINISH_REASONS.get(choice.finish_reason or "", choice.finish_reason) or "unknown",
        }
        for choice in response.choices
    ]
    return json.dumps_text(found)


def _conversation(request: LLMRequest) -> Iterable[Message]:
    return (message for message in request.messages if message.role not in _SYSTEM)


def _parts(message: Message) -> list[dict[str, Any]]:
    return [part for part in map(_part, message.content) if part is not None]


def _part(part: object) -> dict[str, Any] | None:
    match part:
        case TextPart() | RefusalPart():
            return {"type": "text", "content": part.text}
        case ThinkingPart():
            return {"type": "reasoning", "content": part.text}
        case ToolCallPart():
            return {"type": "tool_call", "id": part.id, "name": part.name, "arguments": _arguments(part.arguments)}
        case ToolResultPart():
            return {
                "type": "tool_call_response",
                "id": part.tool_call_id,
                "response": [inner for inner in map(_part, part.content) if inner is not None],
            }
        case MediaPart():
            return _media(part)
    return None


def _arguments(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _media(part: MediaPart) -> dict[str, Any]:
    if part.data is not None:
        return {"type": "blob", "modality": part.kind, "mime_type": part.media_type, "content": part.data}
    if part.url is not None:
        return {"type": "uri", "modality": part.kind, "mime_type": part.media_type, "uri": part.url}
    if part.file_id is not None:
        return {"type": "file", "modality": part.kind, "mime_type": part.media_type, "file_id": part.file_id}
    return {"type": "text", "content": part.text or ""}
