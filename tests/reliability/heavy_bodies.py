"""Bodies that are as heavy as the bounds allow, in every place where a request's type has room for it.

The places are generated from the types of the vendors' SDKs: each list takes as many elements as fit, each free object
as many keys, or as deep a nesting, and each text as many letters. A body is made as bytes, from a small value with a
mark in it, so that making it costs next to nothing.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parent.parent.parent
sys.path += [str(_ROOT / "tests" / "losses"), str(_ROOT / "tools")]

from field_crossing import tree_of  # noqa: E402
from sdk_types import Node, minimal  # noqa: E402

__all__ = ["CLIENTS", "MODEL_IN_PATH", "Heavy", "as_stream", "heavy_bodies", "heavy_inputs"]

CLIENTS = {
    "openai_chat": "/openai/v1/chat/completions",
    "openai_responses": "/openai/v1/responses",
    "anthropic": "/anthropic/v1/messages",
    "gemini": "/gemini/v1beta/models/{model}:generateContent",
    "bedrock": "/bedrock/model/{model}/converse",
}
MODEL_IN_PATH = ("gemini", "bedrock")
_STREAMS = {":generateContent": ":streamGenerateContent", "/converse": "/converse-stream"}
_MARK = "@@heavy@@"
_TEXTS = {
    "one letter": b"a",
    "words": b"some words, and more ",
    "escapes": b"\\u0061",
    "half a letter": b"\\ud83d",
    "matches": b"ann@mail.example 123-45-6789 ",
    "letters of four bytes": "😀".encode(),
    "quotes": b'\\"',
}


_ODD = {
    "long numbers": (b'{"a":[1', b"," + b"7" * 4000, b"]}"),
    "numbers": (b'{"a":[1', b"," + b"7" * 500, b"]}"),
    "spaces": (b"{", b" \n", b"}"),
    "long key": (b'{"', b"k", b'":1}'),
    "escapes": (b'{"a":["a"', b',"' + b"\\n" * 30_000 + b'"', b"]}"),
    "half letters": (b'{"a":["a"', b',"' + b"\\ud83d" * 10_000 + b'"', b"]}"),
    "words": (b'{"a":["\xf0\x9f\x98\x80"', b',"' + b"some words, " * 5000 + b'"', b"]}"),
}
"""Values that are not long, but take long in other ways: what they begin with, what is repeated, and how they end. The
strings are a little too short to be read by themselves."""
_ODD_ARGUMENTS = (b'"[\\"ann@mail.example\\"', b',\\"a line\\\\n\\"', b']"')
"""The same of a text that is JSON."""


@dataclass(frozen=True)
class Heavy:
    """One body. `kind` is what is heavy about it: `list`, `keys`, `nested`, `text`, or `odd`, see `_ODD`."""

    path: str
    kind: str
    pieces: tuple[bytes, bytes, int, bytes]
    """What comes before, what is repeated, how often, and what comes after."""

    @property
    def body(self) -> bytes:
        before, piece, number, after = self.pieces
        if self.kind == "keys":
            middle = b",".join([b'"k%d":"v"' % index for index in range(number)])
        elif self.kind == "list":
            middle = b",".join([piece] * number)
        elif self.kind == "nested":
            middle = piece * number + b"1" + b"}" * number
        else:
            middle = piece * number
        return before + middle + after


def heavy_bodies(client: str, *, items: int, size: int, model: str) -> Iterator[Heavy]:
    """Bodies for the generating endpoint of an API, each with one place that has `items` values or `size` bytes.

    Texts differ from place to place, so that all kinds of text are tried in the course of the places.
    """
    number = 0
    odd: set[str] = set()
    for path, kind, value, element in _places(tree_of(client), ""):
        if client not in MODEL_IN_PATH:
            value = {**value, "model": model}
        before, _, after = json.dumps(value).encode().partition(json.dumps(_MARK).encode())
        if kind == "text":
            name, piece = list(_TEXTS.items())[number % len(_TEXTS)]
            number += 1
            yield Heavy(f"{path} ({name})", kind, (before + b'"', piece, size // len(piece), b'"' + after))
            if path.endswith(".arguments") and "arguments" not in odd:
                odd.add("arguments")
                begin, piece, end = _ODD_ARGUMENTS
                yield Heavy(f"{path} (JSON)", "odd", (before + begin, piece, size // 4 // len(piece), end + after))
        elif kind == "list":
            values = 1 + sum(element.count(sign) for sign in (b",", b":", b"{", b"["))
            yield Heavy(path, kind, (before, element, items // values, after))
        else:
            yield Heavy(path, "keys", (before + b"{", b"", items // 2, b"}" + after))
            yield Heavy(path, "nested", (before, b'{"a":', 900, after))
            if "value" not in odd:
                odd.add("value")
                for name, (begin, piece, end) in _ODD.items():
                    yield Heavy(f"{path} ({name})", "odd", (before + begin, piece, size // len(piece), end + after))


def as_stream(client: str, path: str, body: bytes) -> tuple[str, bytes]:
    """Path and body of the same request, for a streamed reply."""
    if client not in MODEL_IN_PATH:
        return path, body[:-1] + b',"stream":true}'
    for whole, stream in _STREAMS.items():
        path = path.replace(whole, stream)
    return path, body


def heavy_inputs(*, items: int, size: int, model: str) -> Iterator[Heavy]:
    """Embedding requests of OpenAI's shape."""
    head = b'{"model":"%s","input":' % model.encode()
    yield Heavy("input", "list", (head + b"[", b'"a"', items, b"]}"))
    yield Heavy("input.*", "list", (head + b"[[", b"17", items, b"]]}"))
    for name, piece in _TEXTS.items():
        yield Heavy(f"input ({name})", "text", (head + b'"', piece, size // len(piece), b'"}'))


def _places(node: Node, key: str) -> Iterator[tuple[str, str, Any, bytes]]:
    """(path, kind, smallest value with the mark in one place, element of a list) for each place below `node`."""
    if node.kind == "text" and key != "model":
        yield "", "text", _MARK, b""
    elif node.kind == "any":
        yield "", "keys", _MARK, b""
    elif node.kind == "object":
        smallest = minimal(node, key)
        for name, (inner, _) in node.fields.items():
            for path, kind, value, element in _places(inner, name):
                yield f".{name}{path}", kind, {**smallest, name: value}, element
    elif node.kind == "list":
        for inner in node.items:
            yield ".*", "list", [_MARK], json.dumps(minimal(inner, key)).encode()
            for path, kind, value, element in _places(inner, key):
                yield f".*{path}", kind, [value], element
    elif node.kind == "union":
        for number, inner in enumerate(node.items):
            for path, kind, value, element in _places(inner, key):
                yield f"<{number}>{path}", kind, value, element
