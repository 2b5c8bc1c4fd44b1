"""Errors that are in no API's own form: what servers' frameworks, and what is between them and the gateway, write.

`{"detail": …}` (FastAPI), `{"message": …, "code": …}`, `{"object": "error", …}` (vLLM, Mistral), and plain text such as
`Internal Server Error`. They come under any status, under one that means success too, and within streams.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

from ..wire import json

__all__ = ["bare_error", "error_data", "named_error", "plain_error", "status_in", "title_of"]

_ENVELOPE = ("object", "request_id")
_ANSWERS = ("choices", "output", "content", "candidates", "usage", "usageMetadata")
"""What an answer, or an event of one, has in some API."""


def named_error(body: dict[str, Any]) -> dict[str, Any] | None:
    """The error object of a body or of a stream's event: that at `error`, or a bare one; None where it reports none."""
    error = body.get("error")
    if isinstance(error, dict):
        return error or None
    if error:
        return {"message": error if isinstance(error, str) else json.dumps_text(error)}
    return bare_error(body)


def bare_error(body: dict[str, Any]) -> dict[str, Any] | None:
    """The error object (`message`, perhaps `code`, `type`, `param`) that a body without `error` is; None for others."""
    if any(key in body for key in _ANSWERS):
        return None
    named = body.get("object") == "error" or "code" in body or "type" in body
    if body.get("message") and not isinstance(body["message"], dict) and (named or len(body) <= 3):
        return {key: value for key, value in body.items() if key not in _ENVELOPE}
    detail = body.get("detail")
    if isinstance(detail, list) and detail and isinstance(detail[0], dict) and detail[0].get("msg"):
        place = ".".join(str(step) for step in detail[0].get("loc") or [] if step != "body")
        return {"message": f"{place}: {detail[0]['msg']}" if place else str(detail[0]["msg"]), "param": place or None}
    if isinstance(detail, dict) and detail.get("message"):
        return detail
    if not isinstance(detail, str) or not detail:
        return None
    status = status_in(detail)
    return {"message": detail} if status is None else {"message": detail, "code": status}


_FIELDS = (b"data", b"event", b"id", b"retry", b":")
_LEAST = 10
"""Bytes of a text that counts as one: less may be what a cut left of an event."""
_TITLE = re.compile(r"<title\b[^<>]*>([^<]*)", re.I)


def title_of(page: str) -> str | None:
    """The title of a page of HTML, on one line; None where it has none."""
    title = _TITLE.search(page)
    return None if title is None else " ".join(title[1].split())


def plain_error(raw: bytes) -> dict[str, Any] | None:
    """The error object of a stream's event that is plain text or a page of HTML; None where it is an event, or the
    beginning of one."""
    if raw.startswith(_FIELDS):
        return None
    text = raw.strip()
    if len(text) < _LEAST or text.startswith(_FIELDS) or text[:1] in b"{[" or (b" " not in text and text[:1] != b"<"):
        return None
    words = text[:2000].decode("utf-8", "replace")
    if words[:1] == "<":
        title = title_of(words)
        words = "The provider sent a page of HTML." if title is None else title
    return {"message": words[:500], "code": status_in(words) or 502}


def error_data(raw: bytes) -> bytes | None:
    """`plain_error` as the JSON of an event with an `error`."""
    error = plain_error(raw)
    return None if error is None else json.dumps({"error": error})


_PHRASES = {
    status.phrase.lower(): int(status)
    for status in HTTPStatus
    if status >= 400 and status.phrase.lower() not in ("gone", "conflict", "locked")
}
_PHRASES |= {"rate limit": 429, "overloaded": 503, "upstream connect error": 503, "timed out": 504}
_NUMBER = re.compile(r"(?<![\d.])(4\d\d|5\d\d)(?![\d.])")


def status_in(words: str) -> int | None:
    """The status that a text names, by its phrase (`Bad Gateway`) or its number; None for none."""
    lower = words.lower()
    for phrase, status in _PHRASES.items():
        if phrase in lower:
            return status
    number = _NUMBER.match(words.removeprefix("HTTP ").lstrip("["))
    return int(number[1]) if number else None
