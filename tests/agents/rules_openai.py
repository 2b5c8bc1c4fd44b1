"""What OpenAI's servers refuse: Chat Completions and Responses.

Sources: OpenAI's API reference and OpenAPI description, and the texts of its answers in public reports.
"""

from __future__ import annotations

import re
from typing import Any

from openai.types.chat import completion_create_params as chat_params
from openai.types.responses import response_create_params as responses_params
from strictness import Issued, need, need_image, need_keys, need_tool_schema

__all__ = ["check_chat", "check_responses"]

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_CHAT_KEYS = {*chat_params.CompletionCreateParamsBase.__annotations__, "stream"}
_RESPONSES_KEYS = {*responses_params.ResponseCreateParamsBase.__annotations__, "stream", "client_metadata"}
_MESSAGE_KEYS = {
    "system": {"role", "content", "name"},
    "developer": {"role", "content", "name"},
    "user": {"role", "content", "name"},
    "assistant": {"role", "content", "name", "tool_calls", "refusal", "audio", "function_call"},
    "tool": {"role", "content", "tool_call_id"},
}
_PART_TYPES = {
    "system": {"text"},
    "developer": {"text"},
    "user": {"text", "image_url", "input_audio", "file"},
    "assistant": {"text", "refusal"},
    "tool": {"text"},
}


def check_chat(body: dict[str, Any], issued: Issued, *, own_keys: frozenset[str] = frozenset()) -> None:
    """`own_keys`: what a compatible server takes in an assistant's message in addition, such as `reasoning_content`."""
    need_keys(body, _CHAT_KEYS | own_keys, "Unrecognized request argument supplied")
    issued.check_strangers("openai_chat", body)
    need(body["messages"], "messages: array too short")
    waiting: list[str] = []
    for place, message in enumerate(body["messages"]):
        where = f"messages[{place}]"
        role = message["role"]
        need(role in _MESSAGE_KEYS, f"{where}.role: {role!r}")
        need_keys(message, _MESSAGE_KEYS[role] | (own_keys if role == "assistant" else set()), where)
        if role == "tool":
            identity = message["tool_call_id"]
            need(
                identity in waiting, f"{where}: 'tool' must follow a message with 'tool_calls' that names {identity!r}"
            )
            waiting.remove(identity)
        else:
            need(not waiting, f"{where}: tool_call_ids without response messages: {waiting}")
        _check_content(message, role, where)
        for call in message.get("tool_calls") or ():
            _check_call(call, where)
            need(call["id"] not in waiting, f"{where}: {call['id']!r} twice")
            waiting.append(call["id"])
        need(message.get("tool_calls") != [], f"{where}.tool_calls: array too short")
    need(not waiting, f"tool_call_ids without response messages: {waiting}")
    _check_tools([tool["function"] for tool in body.get("tools") or () if tool["type"] == "function"])
    need(body.get("tools") != [], "tools: array too short")
    need(body.get("tools") or not {"tool_choice", "parallel_tool_calls"} & set(body), "only allowed with 'tools'")
    need(body.get("stream") or "stream_options" not in body, "'stream_options' only with 'stream'")
    _check_identity(body)


def _check_content(message: dict[str, Any], role: str, where: str) -> None:
    content = message.get("content")
    if content is None:
        need(role == "assistant" and (message.get("tool_calls") or message.get("refusal")), f"{where}: content: null")
        return
    if isinstance(content, str):
        return
    need(content, f"{where}.content: array too short")
    for part in content:
        need(part["type"] in _PART_TYPES[role], f"{where}: no part {part['type']!r} in a message of {role}")
        need_keys(part, {"type", part["type"]}, where)
        if part["type"] == "image_url":
            _check_url(part["image_url"]["url"])


def _check_url(url: str) -> None:
    if url.startswith("data:"):
        kind, _, data = url.removeprefix("data:").partition(";base64,")
        need_image(kind, data)


def _check_call(call: dict[str, Any], where: str) -> None:
    need_keys(call, {"id", "type", "function"}, f"{where}.tool_calls")
    need(1 <= len(call["id"]) <= 40, f"{where}: string too long: {call['id']!r}")
    need(_NAME.fullmatch(call["function"]["name"]), f"{where}: name {call['function']['name']!r}")
    need(isinstance(call["function"]["arguments"], str), f"{where}: arguments have to be a string")


def _check_tools(functions: list[dict[str, Any]]) -> None:
    for function in functions:
        name = function["name"]
        need(_NAME.fullmatch(name), f"tools: name {name!r}")
        need(isinstance(function.get("description", ""), str), f"{name}: description")
        if "parameters" in function:
            need_tool_schema(function["parameters"], name)
            if function.get("strict"):
                _check_strict(function["parameters"], name)
    names = [function["name"] for function in functions]
    need(len(set(names)) == len(names), "tools: a name twice")


def _check_strict(schema: Any, name: str) -> None:
    if isinstance(schema, list):
        for inner in schema:
            _check_strict(inner, name)
    elif isinstance(schema, dict):
        if schema.get("type") == "object":
            need(schema.get("additionalProperties") is False, f"{name}: strict wants additionalProperties false")
            need(set(schema.get("required", ())) == set(schema.get("properties", ())), f"{name}: strict: required")
        for inner in schema.values():
            _check_strict(inner, name)


def _check_identity(body: dict[str, Any]) -> None:
    for key in ("user", "safety_identifier", "prompt_cache_key"):
        need(len(body.get(key) or "") <= 64, f"{key}: string too long")
    for key, value in (body.get("metadata") or {}).items():
        need(len(key) <= 64 and isinstance(value, str) and len(value) <= 512, f"metadata.{key}")


# Responses.

_ITEMS = {
    "message": {"type", "id", "role", "content", "status", "phase"},
    "function_call": {"type", "id", "call_id", "name", "arguments", "status", "namespace", "caller"},
    "function_call_output": {"type", "id", "call_id", "output", "status", "caller"},
    "reasoning": {"type", "id", "summary", "content", "encrypted_content", "status"},
}
_IDS = {"message": "msg_", "function_call": "fc_", "reasoning": "rs_"}


def check_responses(body: dict[str, Any], issued: Issued) -> None:
    need_keys(body, _RESPONSES_KEYS, "Unknown parameter")
    issued.check_strangers("openai_responses", body)
    items = body.get("input")
    if isinstance(items, str):
        return
    need(items, "input: empty")
    called: list[str] = []
    answered: list[str] = []
    for place, item in enumerate(items):
        where = f"input[{place}]"
        kind = item.get("type", "message")
        need(kind in _ITEMS, f"{where}: no item {kind!r}")
        need_keys(item, _ITEMS[kind], where)
        if "id" in item:
            _check_id(item["id"], kind, item, where)
        if kind == "message":
            _check_message(item, where)
        elif kind == "function_call":
            need(1 <= len(item["call_id"]) <= 64, f"{where}: call_id: string too long")
            need(_NAME.fullmatch(item["name"]), f"{where}: name {item['name']!r}")
            need(isinstance(item["arguments"], str), f"{where}: arguments")
            called.append(item["call_id"])
        elif kind == "function_call_output":
            need(
                item["call_id"] in called, f"No tool call found for function call output with call_id {item['call_id']}"
            )
            answered.append(item["call_id"])
            for part in item["output"] if isinstance(item["output"], list) else ():
                _check_input_part(part, where)
        else:
            _check_reasoning(item, items[place + 1 :], issued, where)
    for identity in called:
        need(identity in answered, f"No tool output found for function call {identity}.")
    _check_tools([tool for tool in body.get("tools") or () if tool["type"] == "function"])
    need(body.get("tools") or "tool_choice" not in body or body["tool_choice"] in ("auto", "none"), "tool_choice")
    _check_identity(body)


def _check_id(identity: str, kind: str, item: dict[str, Any], where: str) -> None:
    need(isinstance(identity, str) and 1 <= len(identity) <= 64, f"{where}.id: string too long")
    if kind in _IDS and not (kind == "message" and item["role"] != "assistant"):
        need(identity.startswith(_IDS[kind]), f"{where}.id: expected an ID that begins with {_IDS[kind]!r}")


def _check_message(item: dict[str, Any], where: str) -> None:
    need(item["role"] in ("user", "assistant", "system", "developer"), f"{where}.role")
    if isinstance(item["content"], str):
        return
    need(item["content"], f"{where}.content: empty")
    for part in item["content"]:
        if item["role"] == "assistant":
            need(part["type"] in ("output_text", "refusal"), f"{where}: {part['type']!r} of an assistant")
            need(isinstance(part.get("text", part.get("refusal")), str), f"{where}: text")
        else:
            _check_input_part(part, where)


def _check_input_part(part: dict[str, Any], where: str) -> None:
    need(part["type"] in ("input_text", "input_image", "input_file"), f"{where}: {part['type']!r} of a user")
    if part["type"] == "input_image" and part.get("image_url"):
        _check_url(part["image_url"])


def _check_reasoning(item: dict[str, Any], following: list[Any], issued: Issued, where: str) -> None:
    """What is not kept has to come with its encrypted content, and with what it led to."""
    need(isinstance(item.get("summary"), list), f"{where}: missing summary")
    for part in item["summary"]:
        need(part["type"] == "summary_text", f"{where}: {part['type']!r}")
    need(item.get("encrypted_content"), f"Item with id '{item.get('id')}' not found. Items are not persisted.")
    issued.check("openai_responses", item["encrypted_content"])
    led_to = following[0] if following else {}
    own = led_to.get("type") in ("function_call", "reasoning") or led_to.get("role") == "assistant"
    need(own, f"Item '{item.get('id')}' of type 'reasoning' was provided without its required following item.")
