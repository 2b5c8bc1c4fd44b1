"""Streams of servers that speak Chat Completions in their own ways: one answer, written with every liberty that such
servers take.

Seen in answers of Groq, Mistral, DeepSeek, OpenRouter, Perplexity, xAI, Together, vLLM, Ollama, LM Studio, llama.cpp,
Gemini's and Azure's compatible endpoints.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

__all__ = ["LIBERTIES", "Answer", "write"]

LIBERTIES: dict[str, tuple[str, ...]] = {
    "reasoning": ("reasoning_content", "reasoning", "reasoning_details", "both"),
    "arguments": ("pieces", "whole", "object", "empty first", "null first"),
    "index": ("there", "missing", "always 0", "null"),
    "id": ("first", "every", "empty later", "null later", "missing"),
    "name": ("first", "every", "empty later", "null later"),
    "type": ("first", "every", "missing"),
    "content": ("absent", "null", "empty"),
    "role": ("first", "every", "never", "with the first word"),
    "finish": ("own chunk", "with the last piece", "twice", "stop though it calls", "empty before"),
    "usage": ("after", "with the finish", "every chunk", "x_groq", "none"),
    "done": ("there", "missing", "no blank line"),
    "framing": ("plain", "crlf", "no space", "comments", "events", "ids"),
    "choices": ("only", "null deltas", "message too", "extra empty chunk", "no index"),
}
"""The first of each is OpenAI's own way."""


@dataclass(slots=True)
class Answer:
    thinking: str = ""
    text: str = ""
    calls: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    """Identifier, name, arguments."""
    usage: tuple[int, int] = (11, 7)


def write(answer: Answer, ways: dict[str, str], chance: random.Random) -> bytes:
    """The whole body of the stream."""
    chunks = list(_chunks(answer, ways, chance))
    return b"".join(_framed(chunk, ways) for chunk in chunks) + _end(ways)


def _chunks(answer: Answer, ways: dict[str, str], chance: random.Random) -> Iterator[dict[str, Any]]:
    deltas = list(_deltas(answer, ways, chance))
    if ways["role"] == "first":
        deltas.insert(0, {"role": "assistant", "content": ""})
    elif ways["role"] == "with the first word":
        deltas[0] = {"role": "assistant", **deltas[0]}
    elif ways["role"] == "every":
        deltas = [{"role": "assistant", **delta} for delta in deltas]
    finish = "tool_calls" if answer.calls and ways["finish"] != "stop though it calls" else "stop"
    usage = {"prompt_tokens": answer.usage[0], "completion_tokens": answer.usage[1], "total_tokens": sum(answer.usage)}
    last = ways["finish"] == "with the last piece"
    for place, delta in enumerate(deltas):
        ends = last and place == len(deltas) - 1
        chunk = _chunk(delta, finish if ends else ("" if ways["finish"] == "empty before" else None), ways, answer)
        if ways["usage"] == "every chunk" or (ends and ways["usage"] == "with the finish"):
            chunk["usage"] = usage
        yield chunk
    if not last:
        chunk = _chunk({}, finish, ways, answer)
        if ways["usage"] in ("with the finish", "every chunk"):
            chunk["usage"] = usage
        yield chunk
    if ways["finish"] == "twice":
        yield _chunk({}, finish, ways, answer)
    if ways["choices"] == "extra empty chunk":
        yield {**_head(), "choices": []}
    if ways["usage"] == "after":
        yield {**_head(), "choices": [], "usage": usage}
    elif ways["usage"] == "x_groq":
        yield {**_chunk({}, None, ways, answer), "x_groq": {"id": "req_1", "usage": usage}}


def _head() -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "a-model"}


def _chunk(delta: dict[str, Any], finish: str | None, ways: dict[str, str], answer: Answer) -> dict[str, Any]:
    if answer.calls and "tool_calls" in delta and ways["content"] != "absent":
        delta = {**delta, "content": None if ways["content"] == "null" else ""}
    choice: dict[str, Any] = {"index": 0, "delta": delta, "finish_reason": finish}
    if ways["choices"] == "null deltas" and not delta:
        choice["delta"] = None
    elif ways["choices"] == "message too":
        choice["message"] = {"role": "assistant", "content": answer.text}
    elif ways["choices"] == "no index":
        del choice["index"]
    return {**_head(), "choices": [choice]}


def _deltas(answer: Answer, ways: dict[str, str], chance: random.Random) -> Iterator[dict[str, Any]]:
    for piece in _cut(answer.thinking, chance):
        match ways["reasoning"]:
            case "both":
                details = [{"type": "reasoning.text", "text": piece, "index": 0}]
                yield {"reasoning": piece, "reasoning_details": details}
            case "reasoning_details":
                yield {"reasoning_details": [{"type": "reasoning.text", "text": piece, "index": 0}]}
            case name:
                yield {name: piece}
    for piece in _cut(answer.text, chance):
        yield {"content": piece}
    for number, call in enumerate(answer.calls):
        for place, piece in enumerate(_pieces(call, ways, chance)):
            yield {"tool_calls": [_marked(piece, call, number, place, ways)]}


def _pieces(call: tuple[str, str, dict[str, Any]], ways: dict[str, str], chance: random.Random) -> list[dict[str, Any]]:
    """The functions of a call's deltas; the name is in the first."""
    _, name, given = call
    text = json.dumps(given)
    match ways["arguments"]:
        case "object":
            return [{"name": name, "arguments": given}]
        case "whole":
            return [{"name": name, "arguments": text}]
        case "empty first":
            return [{"name": name, "arguments": ""}, *({"arguments": piece} for piece in _cut(text, chance))]
        case "null first":
            return [{"name": name, "arguments": None}, *({"arguments": piece} for piece in _cut(text, chance))]
    first, *rest = _cut(text, chance)
    return [{"name": name, "arguments": first}, *({"arguments": piece} for piece in rest)]


def _marked(
    function: dict[str, Any], call: tuple[str, str, dict[str, Any]], number: int, place: int, ways: dict[str, str]
) -> dict[str, Any]:
    later = {"empty later": "", "null later": None}
    if place and ways["name"] == "every":
        function = {"name": call[1], **function}
    elif place and ways["name"] in later:
        function = {"name": later[ways["name"]], **function}
    delta: dict[str, Any] = {"function": function}
    if ways["type"] == "every" or (ways["type"] == "first" and not place):
        delta = {"type": "function", **delta}
    if ways["id"] != "missing" and (not place or ways["id"] == "every"):
        delta = {"id": call[0], **delta}
    elif place and ways["id"] in later:
        delta = {"id": later[ways["id"]], **delta}
    match ways["index"]:
        case "there":
            delta = {"index": number, **delta}
        case "always 0":
            delta = {"index": 0, **delta}
        case "null":
            delta = {"index": None, **delta}
    return delta


def _cut(text: str, chance: random.Random) -> list[str]:
    pieces, at = [], 0
    while at < len(text):
        step = chance.randint(1, max(1, len(text) // 2))
        pieces.append(text[at : at + step])
        at += step
    return pieces


def _framed(chunk: dict[str, Any], ways: dict[str, str]) -> bytes:
    data = json.dumps(chunk).encode()
    match ways["framing"]:
        case "crlf":
            return b"data: " + data + b"\r\n\r\n"
        case "no space":
            return b"data:" + data + b"\n\n"
        case "comments":
            return b": OPENROUTER PROCESSING\n\ndata: " + data + b"\n\n"
        case "events":
            return b"event: message\ndata: " + data + b"\n\n"
        case "ids":
            return b"id: 1\nretry: 10\ndata: " + data + b"\n\n"
    return b"data: " + data + b"\n\n"


def _end(ways: dict[str, str]) -> bytes:
    return {"there": b"data: [DONE]\n\n", "missing": b"", "no blank line": b"data: [DONE]"}[ways["done"]]
