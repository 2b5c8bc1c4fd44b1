"""A request and its reply, in canonical JSON, as a conversation that people read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from llm_gateway_sdk.web import Child, Markup, tag
from llm_gateway_sdk.wire import json

from .markdown import markdown

__all__ = ["conversation", "load", "pretty"]

_LONG_TEXT: Final = 6000
_REDACTED: Final = re.compile(r"(\[(?:REDACTED|HIDDEN|MASKED|REMOVED)\b[^\[\]\n]{0,60}\])")
"""What redaction usually leaves in place of a secret."""
_SHOWN_HISTORY: Final = 6
_DEEPEST: Final = 40
"""Levels of JSON that are indented; clients may send a thousand."""


def load(text: str) -> dict[str, Any]:
    """A stored body; one that was cut short, or is none, is an empty object."""
    if not text:
        return {}
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def pretty(text: str) -> str:
    """Indented JSON; other text as it is."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return _indented(value)


def conversation(request: Mapping[str, Any], response: Mapping[str, Any]) -> Markup:
    """All messages in order, the reply last. A long history is folded."""
    messages = [message for message in request.get("messages") or [] if isinstance(message, dict)]
    bubbles = [_bubble(str(message.get("role", "")), message.get("content")) for message in messages]
    folded: Child = None
    if len(bubbles) > _SHOWN_HISTORY + 2:
        early, bubbles = bubbles[:-_SHOWN_HISTORY], bubbles[-_SHOWN_HISTORY:]
        folded = tag("details", tag("summary", f"{len(early)} earlier messages"), early, class_="earlier")
    for choice in response.get("choices") or []:
        message = choice.get("message") or {}
        note = choice.get("finish_reason")
        title = "assistant" if choice.get("index", 0) == 0 else f"assistant, choice {choice['index']}"
        bubbles.append(
            _bubble("assistant", message.get("content"), title=title, note=f"finished: {note}" if note else "")
        )
    if not bubbles and folded is None:
        return tag("p", "No text was kept for this request.", class_="empty")
    return tag("div", folded, bubbles, class_="conversation")


def _bubble(role: str, content: Any, *, title: str = "", note: str = "") -> Markup:
    parts = [_part(part, rich=True) for part in content or [] if isinstance(part, dict)]
    kind = role if role in ("system", "developer", "user", "assistant", "tool") else "other"
    results_only = bool(content) and all(
        isinstance(part, dict) and part.get("type") == "tool_result" for part in content
    )
    if results_only:
        kind, title = "tool", "tool"
    return tag(
        "section",
        tag("h3", title or role or "message", tag("small", note) if note else None),
        parts or tag("p", "(empty)", class_="empty"),
        class_=f"bubble {kind}",
    )


def _part(part: Mapping[str, Any], *, rich: bool = False) -> Markup:
    match part.get("type"):
        case "text":
            text = str(part.get("text", ""))
            plain = not rich or len(text) > _LONG_TEXT or _REDACTED.search(text)
            return _text(text) if plain else tag("div", markdown(text), class_="rich")
        case "refusal":
            return tag("div", tag("b", "Refusal: "), _text(part.get("text", "")), class_="refusal")
        case "thinking":
            text = part.get("text") or ("(encrypted)" if part.get("redacted") else "(signature only)")
            return tag("details", tag("summary", "thinking"), _text(text), class_="thinking")
        case "tool_call":
            return tag(
                "div",
                tag("h4", "→ ", tag("code", part.get("name", "")), tag("small", part.get("id", ""))),
                tag("pre", pretty(str(part.get("arguments", "")))),
                class_="call",
            )
        case "tool_result":
            failed = bool(part.get("is_error"))
            return tag(
                "div",
                tag(
                    "h4",
                    "← ",
                    tag("code", part.get("name") or "result"),
                    tag("small", part.get("tool_call_id", "")),
                    tag("span", "error", class_="badge error") if failed else None,
                ),
                [_result(inner) for inner in part.get("content") or [] if isinstance(inner, dict)],
                class_="result",
            )
        case "media":
            return _media(part)
        case _:
            return tag(
                "details", tag("summary", str(part.get("dialect", "other content"))), tag("pre", _indented(dict(part)))
            )


def _result(part: Mapping[str, Any]) -> Markup:
    """A part of a tool's result, which is most often JSON."""
    return _text(pretty(str(part.get("text", "")))) if part.get("type") == "text" else _part(part)


def _media(part: Mapping[str, Any]) -> Markup:
    # Shown as words, never fetched: an address in a prompt must not make the reader's browser call it.
    size = f"{len(part['data']) * 3 // 4:,} bytes" if part.get("data") else ""
    where = part.get("url") or part.get("file_id") or part.get("name") or ""
    words = " · ".join(str(one) for one in (part.get("kind", "image"), part.get("media_type"), size, where) if one)
    return tag("p", "▣ ", words, class_="media")


def _text(text: Any) -> Markup:
    words = str(text)
    if len(words) <= _LONG_TEXT:
        return tag("div", _marked(words), class_="text")
    return tag(
        "div",
        tag("div", _marked(words[:_LONG_TEXT]), class_="text"),
        tag(
            "details",
            tag("summary", f"{len(words) - _LONG_TEXT:,} more characters"),
            tag("div", _marked(words[_LONG_TEXT:]), class_="text"),
        ),
    )


def _marked(words: str) -> list[Child]:
    """The text with what redaction left in place of a secret marked."""
    parts: list[Child] = []
    for number, part in enumerate(_REDACTED.split(words)):
        parts.append(tag("mark", part, class_="redacted", title="hidden by redaction") if number % 2 else part)
    return parts


def _indented(value: Any, depth: int = 0) -> str:
    """JSON with line breaks, keeping short lists and objects on one line."""
    flat = json.dumps_text(value)
    if len(flat) + 2 * depth <= 100 or depth >= _DEEPEST or not isinstance(value, dict | list) or not value:
        return flat
    inner, outer = "  " * (depth + 1), "  " * depth
    if isinstance(value, dict):
        items = [f"{inner}{json.dumps_text(str(key))}: {_indented(one, depth + 1)}" for key, one in value.items()]
        return "{\n" + ",\n".join(items) + f"\n{outer}}}"
    return "[\n" + ",\n".join(inner + _indented(one, depth + 1) for one in value) + f"\n{outer}]"
