"""What Bedrock's Converse refuses. Sources: AWS's API reference, botocore's description, answers in public reports."""

from __future__ import annotations

import json
import re
from typing import Any

from strictness import Issued, need, need_image, need_keys, need_tool_schema

__all__ = ["check_converse"]

_KEYS = {
    "messages", "system", "inferenceConfig", "toolConfig", "guardrailConfig", "additionalModelRequestFields",
    "additionalModelResponseFieldPaths", "promptVariables", "requestMetadata", "performanceConfig", "serviceTier",
    "outputConfig",
}  # fmt: skip
_BLOCKS = {
    "text", "image", "document", "video", "audio", "toolUse", "toolResult", "guardContent", "cachePoint",
    "reasoningContent", "citationsContent", "searchResult",
}  # fmt: skip
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")


def check_converse(body: dict[str, Any], issued: Issued) -> None:
    need_keys(body, _KEYS, "Unexpected field")
    issued.check_strangers("bedrock", body)
    messages = body["messages"]
    need(messages and messages[0]["role"] == "user", "A conversation must start with a user message.")
    waiting: list[str] = []
    used = False
    for place, message in enumerate(messages):
        where = f"messages.{place}"
        need_keys(message, {"role", "content"}, where)
        role, blocks = message["role"], message["content"]
        need(place == 0 or role != messages[place - 1]["role"], f"{where}: roles must alternate")
        need(blocks, f"{where}: The content field is empty")
        results = [block["toolResult"]["toolUseId"] for block in blocks if "toolResult" in block]
        need(sorted(results) == sorted(waiting), f"{where}: toolResult blocks are not those of the turn before")
        waiting = [block["toolUse"]["toolUseId"] for block in blocks if "toolUse" in block]
        need(len(set(waiting)) == len(waiting), f"{where}: an id twice")
        used = used or bool(results or waiting)
        for block in blocks:
            _check_block(block, role, issued, where)
    need(not waiting, "Expected toolResult blocks after toolUse")
    need(messages[-1]["role"] == "user", "This model does not support assistant message prefill.")
    need(not used or body.get("toolConfig"), "The toolConfig field must be defined with toolUse and toolResult blocks.")
    _check_tools(body)
    _check_thinking(body)
    for block in body.get("system") or ():
        need("text" not in block or block["text"].strip(), "system: The text field is blank")
    marks = json.dumps(body).count('"cachePoint"')
    need(marks <= 4, f"{marks} cachePoint blocks")


def _check_block(block: dict[str, Any], role: str, issued: Issued, where: str) -> None:
    need(len(block) == 1 and set(block) <= _BLOCKS, f"{where}: a union has one member: {sorted(block)}")
    if "text" in block:
        need(block["text"].strip(), f"{where}: The text field in the ContentBlock object is blank.")
    elif "image" in block:
        if "bytes" in block["image"]["source"]:
            need_image(f"image/{block['image']['format']}", block["image"]["source"]["bytes"])
    elif "toolUse" in block:
        need(role == "assistant", f"{where}: toolUse of the user")
        need(_ID.fullmatch(block["toolUse"]["toolUseId"]), f"{where}: id {block['toolUse']['toolUseId']!r}")
        need(_NAME.fullmatch(block["toolUse"]["name"]), f"{where}: name {block['toolUse']['name']!r}")
        need(isinstance(block["toolUse"]["input"], dict), f"{where}: input has to be an object")
    elif "toolResult" in block:
        need(role == "user", f"{where}: toolResult of the assistant")
        need(block["toolResult"].get("content") is not None, f"{where}: content of a result")
        for inner in block["toolResult"]["content"]:
            need("text" not in inner or inner["text"].strip(), f"{where}: a result's text is blank")
            need("json" not in inner or isinstance(inner["json"], dict), f"{where}: json has to be an object")
    elif "reasoningContent" in block:
        need(role == "assistant", f"{where}: reasoning of the user")
        reasoning = block["reasoningContent"]
        if "reasoningText" in reasoning:
            issued.check("bedrock", reasoning["reasoningText"].get("signature", ""), reasoning["reasoningText"]["text"])
        else:
            issued.check("bedrock", reasoning["redactedContent"])


def _check_thinking(body: dict[str, Any]) -> None:
    """Claude wants the reasoning that led to the calls which are answered now."""
    if ((body.get("additionalModelRequestFields") or {}).get("thinking") or {}).get("type") != "enabled":
        return
    for message in reversed(body["messages"]):
        if message["role"] == "assistant":
            first = "reasoningContent" in message["content"][0]
            need(first or not any("toolUse" in block for block in message["content"]), "Expected `thinking`")
            return
        if not any("toolResult" in block for block in message["content"]):
            return


def _check_tools(body: dict[str, Any]) -> None:
    config = body.get("toolConfig")
    if config is None:
        return
    specs = [tool["toolSpec"] for tool in config["tools"] if "toolSpec" in tool]
    need(specs, "toolConfig.tools: length less than valid range, 1")
    for spec in specs:
        need(_NAME.fullmatch(spec["name"]), f"tools: name {spec['name']!r}")
        need(spec.get("description") is None or spec["description"], f"{spec['name']}: an empty description")
        need_tool_schema(spec["inputSchema"]["json"], spec["name"])
    names = [spec["name"] for spec in specs]
    need(len(set(names)) == len(names), "tools: a name twice")
    thinking = (body.get("additionalModelRequestFields") or {}).get("thinking") or {}
    if thinking.get("type") == "enabled":
        need(not {"any", "tool"} & set(config.get("toolChoice") or {}), "Thinking and a forced tool")
