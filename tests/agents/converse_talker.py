"""A person's program with AWS's own client (botocore, which boto3 is a shell of): it keeps the conversation as the
documents of Converse show, each message as it came."""

from __future__ import annotations

import base64
import json
from contextlib import closing
from typing import Any

from botocore.config import Config  # type: ignore[import-untyped]
from botocore.session import Session  # type: ignore[import-untyped]
from served_gateway import ServedGateway
from talkers import MAX_TOKENS, PICTURE, SYSTEM, Heard, Result

__all__ = ["ConverseTalker"]

_IMAGE = {"image": {"format": "png", "source": {"bytes": base64.b64decode(PICTURE)}}}
_PLACE = {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]}


class ConverseTalker:
    """Asks for thinking by Claude's field, as AWS documents it, and sets a cache point after the system prompt."""

    tools = {"look": _PLACE, "a_tool-with-Everything_that_a_name_may_have__and_of_64_letters_x": _PLACE}

    def __init__(self, gateway: ServedGateway) -> None:
        client = Session().create_client(
            "bedrock-runtime",
            region_name="eu-central-1",
            endpoint_url=f"{gateway.url}/bedrock",
            aws_access_key_id="key",
            aws_secret_access_key="anything",
            config=Config(retries={"total_max_attempts": 1}, proxies={}, read_timeout=20),
        )
        self.client = gateway.closes(client)
        self.messages: list[dict[str, Any]] = []

    def say(self, text: str, *, picture: bool = False) -> None:
        self.messages.append({"role": "user", "content": [*([_IMAGE] if picture else []), {"text": text}]})

    def give(self, results: list[Result], words: str = "") -> None:
        blocks: list[dict[str, Any]] = []
        for result in results:
            content: list[dict[str, Any]] = [{"text": result.text}, *([_IMAGE] if result.picture else [])]
            status = "error" if result.failed else "success"
            blocks.append({"toolResult": {"toolUseId": result.identity, "content": content, "status": status}})
        if words:
            blocks.append({"text": words})
        self.messages.append({"role": "user", "content": blocks})

    def ask(self, model: str, *, streamed: bool, thinking: bool) -> Heard:
        specs = [{"toolSpec": {"name": name, "inputSchema": {"json": schema}}} for name, schema in self.tools.items()]
        asked: dict[str, Any] = {
            "modelId": model,
            "system": [{"text": SYSTEM}, {"cachePoint": {"type": "default"}}],
            "messages": self.messages,
            "inferenceConfig": {"maxTokens": MAX_TOKENS},
            "toolConfig": {"tools": specs},
        }
        if thinking:
            asked["additionalModelRequestFields"] = {"thinking": {"type": "enabled", "budget_tokens": 2000}}
        if streamed:
            with closing(self.client.converse_stream(**asked)["stream"]) as events:
                message = joined(events)
        else:
            message = self.client.converse(**asked)["output"]["message"]
        if message["content"]:
            self.messages.append(message)
        return _heard(message["content"])


def joined(events: Any) -> dict[str, Any]:
    """The message of a stream."""
    blocks: dict[int, dict[str, Any]] = {}
    ended = False
    for event in events:
        kind, body = next(iter(event.items()))
        ended = ended or kind == "messageStop"
        if kind == "contentBlockStart":
            blocks[body["contentBlockIndex"]] = {"toolUse": {**body["start"]["toolUse"], "input": ""}}
        elif kind == "contentBlockDelta":
            _add(blocks.setdefault(body["contentBlockIndex"], {}), body["delta"])
    if not ended:
        raise ConnectionError("the stream has no last event")
    for block in blocks.values():
        if "toolUse" in block:
            block["toolUse"]["input"] = json.loads(block["toolUse"]["input"] or "{}")
    return {"role": "assistant", "content": [blocks[index] for index in sorted(blocks)]}


def _add(block: dict[str, Any], delta: dict[str, Any]) -> None:
    if "text" in delta:
        block["text"] = block.get("text", "") + delta["text"]
    elif "toolUse" in delta:
        block["toolUse"]["input"] += delta["toolUse"]["input"]
    elif "redactedContent" in delta["reasoningContent"]:
        block["reasoningContent"] = delta["reasoningContent"]
    else:
        proven = block.setdefault("reasoningContent", {}).setdefault("reasoningText", {"text": ""})
        proven["text"] += delta["reasoningContent"].get("text", "")
        if "signature" in delta["reasoningContent"]:
            proven["signature"] = delta["reasoningContent"]["signature"]


def _heard(blocks: list[dict[str, Any]]) -> Heard:
    heard = Heard()
    for block in blocks:
        if "text" in block:
            heard.text += block["text"]
        elif "toolUse" in block:
            used = block["toolUse"]
            heard.calls.append((used["toolUseId"], used["name"], dict(used["input"])))
        elif "reasoningContent" in block:
            heard.thinking += block["reasoningContent"].get("reasoningText", {}).get("text", "")
    return heard
