"""Which requests belong together: a user's question and all the tool rounds that answer it are one interaction.

Clients seldom send an id for that, and the rounds may reach different workers, so that the id is computed from what all
rounds of one interaction share and no other has: the id of the *first tool call* after the user's last words. The round
that starts the interaction finds it in its reply, the later ones in their request. Where call ids are no ids (short or
absent), the user's words and the caller are mixed in. A request without tool calls is an interaction by itself.

Requests and replies are in the form of `capture/canonical.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

__all__ = ["interaction_id", "last_user_text", "session_id", "text_of", "user_id"]

Value: TypeAlias = Mapping[str, Any]

_UNIQUE_ID_LENGTH: Final = 12

_SESSION_HEADERS: Final = (
    "x-session-id",
    "x-llm-gateway-session",
    "x-conversation-id",
    "session_id",
    "x-claude-code-session-id",
    "x-thread-id",
    "helicone-session-id",
    "langfuse-session-id",
)
_SESSION_KEYS: Final = ("session_id", "sessionId", "conversation_id", "thread_id", "chat_id")


def interaction_id(request: Value | None, response: Value | None, *, scope: str, request_id: str) -> str:
    """`scope` distinguishes whose call ids these are: project and caller."""
    messages = request["messages"] if request is not None else []
    round_start = _after_last_user_words(messages)
    call_id = _first_call_id(messages[round_start:])
    if call_id is None and response is not None:
        call_id = _first_call_id([choice["message"] for choice in response["choices"]])
    if call_id is None:
        return request_id
    words = "" if len(call_id) >= _UNIQUE_ID_LENGTH or not round_start else text_of(messages[round_start - 1])
    return hashlib.sha256("\0".join((scope, call_id, words)).encode(errors="replace")).hexdigest()[:32]


def _after_last_user_words(messages: Sequence[Value]) -> int:
    for position in range(len(messages) - 1, -1, -1):
        if _is_user_words(messages[position]):
            return position + 1
    return 0


def _is_user_words(message: Value) -> bool:
    """Tool results travel in messages of the user too; those are not the user's words, nor is what is next to
    them."""
    return message["role"] == "user" and not any(part["type"] == "tool_result" for part in message["content"])


def _first_call_id(messages: Sequence[Value]) -> str | None:
    for message in messages:
        for part in message["content"]:
            if part["type"] == "tool_call":
                return str(part.get("id") or f"{part.get('name')}({part.get('arguments')})")
            if part["type"] == "tool_result" and part.get("tool_call_id"):
                return str(part["tool_call_id"])
    return None


def text_of(message: Value) -> str:
    """The message's text parts, joined."""
    return "".join(part.get("text", "") for part in message["content"] if part["type"] == "text")


def last_user_text(request: Value) -> str:
    """The user's last words, without what tools returned."""
    for message in reversed(request["messages"]):
        if _is_user_words(message) and (text := text_of(message)):
            return text
    return ""


def session_id(headers: Mapping[str, str], request: Value | None) -> str:
    """The client's own id of its session, from a header or the request's metadata; empty where there is none."""
    for name in _SESSION_HEADERS:
        if value := headers.get(name):
            return value[:256]
    if request is None:
        return ""
    metadata = request.get("metadata") or {}
    for key in _SESSION_KEYS:
        if value := metadata.get(key):
            return str(value)[:256]
    # Claude Code sends `user_<hash>_account_<id>_session_<id>` in metadata.user_id.
    _, found, session = str(request.get("user") or "").rpartition("_session_")
    return session[:256] if found else ""


def user_id(headers: Mapping[str, str], request: Value | None) -> str:
    value = headers.get("x-user-id") or (request.get("user") if request is not None else None) or ""
    head, found, _ = str(value).rpartition("_session_")
    return (head if found else str(value))[:256]
