"""A recorded request as a command and as a program, to send it again by hand.

Where the tracer kept the body as it arrived (`capture.original`) it is sent to the same API. Otherwise the canonical
form, which is as the plugins left it, is written as a body of Chat Completions.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from pprint import pformat
from typing import Any, Final

from llm_gateway_sdk.wire import json

from .conversation import load

__all__ = ["chat_body", "snippets"]

_LONGEST: Final = 100_000
_CHAT: Final = "/chat/completions"
_PLACES: Final = re.compile(r"/(messages|responses|chat/completions|models/[^/]+|generate|chat)$|/v1beta/.*$")
_SETTINGS: Final = ("temperature", "top_p", "seed", "stop", "max_tokens")
_CLIENTS: Final[Mapping[str, tuple[str, str, str]]] = {
    "/chat/completions": ("openai", "OpenAI", "chat.completions.create"),
    "/responses": ("openai", "OpenAI", "responses.create"),
    "/messages": ("anthropic", "Anthropic", "messages.create"),
}
"""By the end of a path: library, class and method that send such bodies."""


def snippets(row: Mapping[str, Any], origin: str) -> list[tuple[str, str]]:
    """(title, text) of each form; none where no body was kept, or one of great length. `origin` is the gateway's
    address (`https://gateway.example.com`)."""
    path, body = _sent(row)
    if not body or len(row["request"]) > _LONGEST:
        return []
    made = [("curl", _curl(origin, path, body))]
    end = next((end for end in _CLIENTS if path.endswith(end)), None)
    if end is not None:
        made.append(("Python", _python(origin, path.removesuffix(end), end, body)))
    return made


def chat_body(request: Mapping[str, Any]) -> dict[str, Any]:
    """A body of Chat Completions from the canonical form. Files and audio are left out."""
    body: dict[str, Any] = {"model": request.get("model", "")}
    body["messages"] = [made for message in _objects(request.get("messages")) for made in _messages(message)]
    tools = [tool for tool in _objects(request.get("tools")) if tool.get("name")]
    if tools:
        body["tools"] = [{"type": "function", "function": _function(tool)} for tool in tools]
    return body | {name: request[name] for name in _SETTINGS if request.get(name) is not None}


def _sent(row: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    original, path = load(row["original"]), str(row["path"])
    if original:
        return path, original
    request = load(row["request"])
    if not _objects(request.get("messages")):
        return path, {}
    return path if path.endswith(_CHAT) else _PLACES.sub("", path) + _CHAT, chat_body(request)


def _messages(message: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    parts = _objects(message.get("content"))
    for part in parts:
        if part.get("type") == "tool_result":
            text = "\n".join(str(each.get("text", "")) for each in _objects(part.get("content")))
            yield {"role": "tool", "tool_call_id": part.get("tool_call_id", ""), "content": text}
    calls = [
        {
            "id": part.get("id", ""),
            "type": "function",
            "function": {"name": part.get("name", ""), "arguments": part.get("arguments") or "{}"},
        }
        for part in parts
        if part.get("type") == "tool_call"
    ]
    content = [made for part in parts if (made := _content(part)) is not None]
    if not content and not calls:
        return
    plain = all(part["type"] == "text" for part in content)
    written: Any = "\n".join(part["text"] for part in content) if plain else content
    made = {"role": message.get("role", "user"), "content": written if content else None}
    yield {**made, "tool_calls": calls} if calls else made


def _content(part: Mapping[str, Any]) -> dict[str, Any] | None:
    if part.get("type") == "text":
        return {"type": "text", "text": str(part.get("text", ""))}
    if part.get("type") != "media" or part.get("kind", "image") != "image":
        return None
    data = f"data:{part.get('media_type', 'image/png')};base64,{part['data']}" if part.get("data") else None
    url = part.get("url") or data
    return {"type": "image_url", "image_url": {"url": url}} if url else None


def _function(tool: Mapping[str, Any]) -> dict[str, Any]:
    schema = tool.get("parameters") or tool.get("input_schema")
    found = {"name": tool["name"], "description": tool.get("description"), "parameters": schema}
    return {name: value for name, value in found.items() if value is not None}


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _curl(origin: str, path: str, body: Mapping[str, Any]) -> str:
    headers = ['-H "Authorization: Bearer $GATEWAY_KEY"', "-H 'Content-Type: application/json'"]
    if path.endswith("/messages"):
        headers.append("-H 'anthropic-version: 2023-06-01'")
    return " \\\n  ".join([f"curl {shlex.quote(origin + path)}", *headers, f"-d {shlex.quote(json.dumps_text(body))}"])


def _python(origin: str, base: str, end: str, body: Mapping[str, Any]) -> str:
    library, client, method = _CLIENTS[end]
    if library == "anthropic":
        base = base.removesuffix("/v1")
    return (
        f"import os\n\nfrom {library} import {client}\n\n"
        f"client = {client}(base_url={origin + base!r}, api_key=os.environ['GATEWAY_KEY'])\n"
        f"body = {pformat(dict(body), width=100, sort_dicts=False)}\n"
        f"reply = client.{method}(**body)\n"
        + ("for event in reply:\n    print(event)\n" if body.get("stream") else "print(reply)\n")
    )
