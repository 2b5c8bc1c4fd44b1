"""Bodies of the Responses API at `/chat/completions`, as Cursor sends them for some models: read as Chat bodies.

OpenAI API reference, "Create a model response": `input` in place of `messages`, flat tools, `text.format`, `reasoning`.
"""

from __future__ import annotations

from typing import Any

from llm_gateway_sdk.errors import DialectError

from .fields import as_object

__all__ = ["as_chat_body", "is_responses_body"]

_STORED = ("previous_response_id", "conversation", "prompt")
_LEFT_OUT = frozenset({"include", "truncation", "background", "prompt_cache_retention", "client_metadata"})
"""Fields without a meaning for a model that is asked by Chat Completions."""
_RENAMED = {"max_output_tokens": "max_completion_tokens"}


def is_responses_body(body: dict[str, Any]) -> bool:
    return "messages" not in body and isinstance(body.get("input"), str | list)


def as_chat_body(body: dict[str, Any]) -> dict[str, Any]:
    """The same request as a Chat body. Raises DialectError for a conversation that the vendor has stored."""
    for key in _STORED:
        if body.get(key):
            raise DialectError(f"`{key}` can't be used here: send the whole conversation", path=key)
    chat: dict[str, Any] = {"messages": _messages(body)}
    for key, value in body.items():
        if key in ("input", "instructions", "text", "reasoning") or key in _LEFT_OUT or key in _STORED:
            continue
        if key == "tools" and isinstance(value, list):
            value = [_tool(tool) for tool in value]
        elif key == "tool_choice" and isinstance(value, dict):
            value = _tool(value)
        chat[_RENAMED.get(key, key)] = value
    reasoning = body.get("reasoning")
    if isinstance(reasoning, dict) and reasoning.get("effort") is not None:
        chat["reasoning_effort"] = reasoning["effort"]
    text = body.get("text")
    if isinstance(text, dict):
        if text.get("verbosity") is not None:
            chat["verbosity"] = text["verbosity"]
        if isinstance(text.get("format"), dict):
            chat["response_format"] = _format(text["format"])
    return chat


def _tool(tool: Any) -> Any:
    """A function or custom tool, or the choice of one, in Chat's form; others as they are."""
    if not isinstance(tool, dict):
        return tool
    kind = tool.get("type")
    if kind not in ("function", "custom") or kind in tool:
        return tool
    return {"type": kind, kind: {key: value for key, value in tool.items() if key != "type"}}


def _format(form: dict[str, Any]) -> dict[str, Any]:
    if form.get("type") != "json_schema" or "json_schema" in form:
        return form
    return {"type": "json_schema", "json_schema": {key: value for key, value in form.items() if key != "type"}}


def _messages(body: dict[str, Any]) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    if body.get("instructions") is not None:
        messages.append({"role": "system", "content": body["instructions"]})
    given = body["input"]
    if isinstance(given, str):
        return [*messages, {"role": "user", "content": given}]
    for place, value in enumerate(given):
        path = f"input[{place}]"
        item = as_object(value, path)
        match item.get("type", "message" if "role" in item else None):
            case "message":
                messages.append(_message(item, path))
            case "function_call" | "custom_tool_call" as kind:
                _call(item, kind, messages)
            case "function_call_output" | "custom_tool_call_output":
                output = _content(item.get("output"), f"{path}.output")
                messages.append({"role": "tool", "tool_call_id": item.get("call_id"), "content": output})
            case "reasoning":
                continue
            case kind:
                raise DialectError(f"an item of type {kind!r} can't be read at /chat/completions", path=path)
    return messages


def _message(item: dict[str, Any], path: str) -> dict[str, Any]:
    """Messages of Chat's own form may be among the items; what they have beyond Responses stays."""
    rest = {key: value for key, value in item.items() if key not in ("type", "id", "status", "phase")}
    return {**rest, "content": _content(item.get("content"), f"{path}.content")}


def _call(item: dict[str, Any], kind: str, messages: list[dict[str, Any]]) -> None:
    """A call belongs to the assistant's message before it, where there is one."""
    call: dict[str, Any] = {"id": item.get("call_id"), "type": "function"}
    if kind == "custom_tool_call":
        call = {**call, "type": "custom", "custom": {"name": item.get("name"), "input": item.get("input")}}
    else:
        call["function"] = {"name": item.get("name"), "arguments": item.get("arguments")}
    if not messages or messages[-1].get("role") != "assistant":
        messages.append({"role": "assistant", "content": None})
    messages[-1].setdefault("tool_calls", []).append(call)


def _content(content: Any, path: str) -> Any:
    if not isinstance(content, list):
        return content
    return [_part(as_object(part, f"{path}[{place}]"), f"{path}[{place}]") for place, part in enumerate(content)]


def _part(part: dict[str, Any], path: str) -> dict[str, Any]:
    rest: dict[str, Any] = {key: part[key] for key in ("cache_control", "prompt_cache_breakpoint") if key in part}
    match part.get("type"):
        case "input_text" | "output_text" | "summary_text":
            return {"type": "text", "text": part.get("text"), **rest}
        case "input_image" if isinstance(part.get("image_url"), str):
            image = {"url": part["image_url"]}
            if part.get("detail") is not None:
                image["detail"] = part["detail"]
            return {"type": "image_url", "image_url": image, **rest}
        case "input_file":
            file = {key: part[key] for key in ("filename", "file_id", "file_data") if part.get(key) is not None}
            if "file_data" not in file and isinstance(part.get("file_url"), str):
                file["file_data"] = part["file_url"]
            return {"type": "file", "file": file, **rest}
        case str() as kind if kind.startswith("input_") and kind != "input_audio":
            raise DialectError(f"a part of type {kind!r} can't be read here", path=path)
    return part
