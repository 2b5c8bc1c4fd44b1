"""What Anthropic's Messages API refuses. Sources: platform.claude.com, and its answers in public reports."""

from __future__ import annotations

import re
from typing import Any

from anthropic.types import message_create_params
from anthropic.types.beta import message_create_params as beta_params
from strictness import Issued, need, need_image, need_keys, need_tool_schema

__all__ = ["check_messages"]

_KEYS = {
    *message_create_params.MessageCreateParamsBase.__annotations__,
    *beta_params.MessageCreateParamsBase.__annotations__,
    "stream",
    "temperature",
    "top_p",
    "top_k",
} - {"betas"}
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_ID = re.compile(r"[a-zA-Z0-9_-]+")
_BLOCKS = {
    "text": {"type", "text", "cache_control", "citations"},
    "image": {"type", "source", "cache_control"},
    "document": {"type", "source", "cache_control", "title", "context", "citations"},
    "tool_use": {"type", "id", "name", "input", "cache_control", "caller"},
    "tool_result": {"type", "tool_use_id", "content", "is_error", "cache_control"},
    "thinking": {"type", "thinking", "signature"},
    "redacted_thinking": {"type", "data"},
}
_OF_ROLE = {
    "user": {"text", "image", "document", "tool_result"},
    "assistant": {"text", "tool_use", "thinking", "redacted_thinking"},
}


def check_messages(body: dict[str, Any], issued: Issued, *, newest: bool = False) -> None:
    """`newest`: the model takes system turns, but no last turn of the assistant, and neither temperature nor top_p."""
    need_keys(body, _KEYS, "Extra inputs are not permitted")
    issued.check_strangers("anthropic", body)
    need(isinstance(body.get("max_tokens"), int) and body["max_tokens"] >= 1, "max_tokens: Field required")
    messages = body["messages"]
    need(messages, "messages: at least one message is required")
    need(messages[0]["role"] == "user", 'messages: first message must use the "user" role')
    turns = [_turn(message, place, system=newest) for place, message in enumerate(messages)]
    turns = [turn for turn in turns if turn[0] != "system"]
    _check_calls(turns)
    for place, (role, blocks) in enumerate(turns):
        for block in blocks:
            _check_block(block, role, issued, f"messages.{place}")
    last_role, last = turns[-1]
    if last_role == "assistant":
        need(not newest, "This model does not support assistant message prefill.")
        need(last[-1]["type"] != "text" or last[-1]["text"] == last[-1]["text"].rstrip(), "trailing whitespace")
    _check_thinking(body, turns, samples=not newest)
    _check_tools(body)
    _check_cache(body)
    user = (body.get("metadata") or {}).get("user_id")
    need(user is None or (len(user) <= 256 and "@" not in user), "metadata.user_id")


_SYSTEM = (
    'messages: Unexpected role "system". The Messages API accepts a top-level `system` parameter, not "system" as an '
    "input message role."
)


def _turn(message: dict[str, Any], place: int, *, system: bool) -> tuple[str, list[dict[str, Any]]]:
    need_keys(message, {"role", "content"}, f"messages.{place}: Extra inputs are not permitted")
    need(system or message["role"] != "system", _SYSTEM)
    need(message["role"] in (*_OF_ROLE, "system"), f"messages: Unexpected role {message['role']!r}.")
    content = message["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    need(blocks, f"messages.{place}: all messages must have non-empty content")
    return message["role"], blocks


def _check_calls(turns: list[tuple[str, list[dict[str, Any]]]]) -> None:
    """Neighbours of one role count as one turn; each call is answered in the turn after it, results first."""
    joined: list[tuple[str, list[dict[str, Any]]]] = []
    for role, blocks in turns:
        if joined and joined[-1][0] == role:
            joined[-1][1].extend(blocks)
        else:
            joined.append((role, list(blocks)))
    seen: set[str] = set()
    waiting: list[str] = []
    for role, blocks in joined:
        if role == "user":
            results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
            for identity in results:
                need(identity in waiting, f"unexpected `tool_use_id` found in `tool_result` blocks: {identity}")
            need(set(results) == set(waiting), f"`tool_use` ids without `tool_result` blocks right after: {waiting}")
            need(len(set(results)) == len(results), "each tool_use must have a single result")
            first = [block["type"] == "tool_result" for block in blocks[: len(results)]]
            need(all(first), "`tool_result` blocks have to come first")
            waiting = []
        else:
            need(not waiting, "`tool_use` ids were found without `tool_result` blocks immediately after")
            for block in blocks:
                if block["type"] == "tool_use":
                    need(block["id"] not in seen, "`tool_use` ids must be unique")
                    seen.add(block["id"])
                    waiting.append(block["id"])
    need(not waiting, "`tool_use` ids were found without `tool_result` blocks immediately after")


def _check_block(block: dict[str, Any], role: str, issued: Issued, where: str) -> None:
    kind = block["type"]
    need(kind in _OF_ROLE[role], f"{where}: {kind!r} in a turn of {role}")
    need_keys(block, _BLOCKS[kind], f"{where}: Extra inputs are not permitted")
    if kind == "text":
        need(block["text"].strip(), f"{where}: text content blocks must contain non-whitespace text")
    elif kind == "image":
        if block["source"]["type"] == "base64":
            need_image(block["source"]["media_type"], block["source"]["data"])
    elif kind == "tool_use":
        need(_ID.fullmatch(block["id"]), f"{where}: tool_use.id: {block['id']!r}")
        need(_NAME.fullmatch(block["name"]), f"{where}: tool_use.name: {block['name']!r}")
        need(isinstance(block["input"], dict), f"{where}: tool_use.input: Input should be a valid dictionary")
    elif kind == "tool_result":
        content = block.get("content", "")
        for inner in content if isinstance(content, list) else ():
            need(inner["type"] in ("text", "image", "document"), f"{where}: {inner['type']!r} in a result")
            _check_block(inner, "user", issued, where)
    elif kind == "thinking":
        issued.check("anthropic", block["signature"], block["thinking"])
    elif kind == "redacted_thinking":
        issued.check("anthropic", block["data"])


def _check_thinking(body: dict[str, Any], turns: list[tuple[str, list[dict[str, Any]]]], *, samples: bool) -> None:
    thinking = body.get("thinking") or {"type": "disabled"}
    sampled = {"temperature", "top_p", "top_k"} & set(body)
    need(samples or not sampled, f"{sampled} is deprecated for this model")
    need(not {"temperature", "top_p"} <= set(body), "`temperature` and `top_p` cannot both be specified")
    if thinking["type"] == "disabled":
        return
    need(body.get("temperature", 1) == 1 and "top_k" not in body, "`temperature` may only be set to 1 with thinking")
    need((body.get("tool_choice") or {}).get("type") not in ("any", "tool"), "Thinking may not be enabled when forced")
    if thinking["type"] != "enabled":
        return
    need(1024 <= thinking["budget_tokens"] < body["max_tokens"], "`max_tokens` must be greater than the budget")
    for role, blocks in reversed(turns):
        kinds = [block["type"] for block in blocks]
        if role == "assistant":
            first = kinds[0] in ("thinking", "redacted_thinking")
            need(first or "tool_use" not in kinds, f"Expected `thinking`, but found `{kinds[0]}`.")
            return
        if "tool_result" not in kinds:
            return


def _check_tools(body: dict[str, Any]) -> None:
    tools = [tool for tool in body.get("tools") or () if tool.get("type", "custom") in (None, "custom")]
    for tool in tools:
        need(_NAME.fullmatch(tool["name"]), f"tools: name {tool['name']!r}")
        need_tool_schema(tool["input_schema"], f"tools.{tool['name']}.input_schema", properties=False)
    names = [tool["name"] for tool in tools]
    need(len(set(names)) == len(names), "tools: Tool names must be unique.")
    need(body.get("tools") or "tool_choice" not in body, "tool_choice may only be specified while providing tools")


def _check_cache(body: dict[str, Any]) -> None:
    marked = 0
    for node in _nodes([body.get("tools") or [], body.get("system") or [], body["messages"]]):
        if node.get("cache_control"):
            marked += 1
            need(node.get("type") not in ("thinking", "redacted_thinking"), "cache_control on thinking")
    need(marked <= 4, f"A maximum of 4 blocks with cache_control may be provided. Found {marked}.")


def _nodes(node: Any) -> list[dict[str, Any]]:
    if isinstance(node, list):
        return [found for inner in node for found in _nodes(inner)]
    if not isinstance(node, dict):
        return []
    return [node, *(found for inner in node.values() for found in _nodes(inner))]
