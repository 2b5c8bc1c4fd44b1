"""A call into C that reads a whole body lets no other thread go on until it ends, for up to a tenth of a second.

So where bodies are worked on, they are searched, counted, split and decoded by the helpers of `llm_gateway_sdk.wire`,
which do it in pieces. What does it by itself is listed, with the reason why its body is short.
"""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGES = Path(__file__).resolve().parent.parent / "packages"
CALLS = {"count", "decode", "find", "index", "lower", "lstrip", "partition", "replace", "rfind", "rindex", "rpartition",
         "rsplit", "rstrip", "split", "splitlines", "strip", "translate", "upper"}  # fmt: skip
SEARCHES = {"findall", "finditer", "fullmatch", "match", "search", "split", "sub", "subn"}
SHORT = {
    "clickhouse-tracer-plugin": {},
    "bedrock": {
        "errors.py": "an error",
        "invoke.py": "the end of a reply",
        "request_encoder.py": "a dictionary",
    },
    "gemini": {"errors.py": "an error", "batch_forms.py": "the parts of an upload, of which the first is looked at"},
    "llm-gateway": {
        "dialects/anthropic/dialect.py": "up to a piece, else `has_any`",
        "dialects/openai_responses/errors.py": "an error",
        "exchange/delivery/whole.py": "the beginning of a reply",
        "exchange/errors.py": "an error",
        "exchange/exchange.py": "the beginning of a reply",
        "exchange/forms.py": "a field of a form",
        "exchange/references.py": "one byte, or a short body",
        "exchange/reply_texts.py": "one byte; a reply of a file, aside",
        "exchange/signed_reasoning.py": "up to 16 KB",
        "exchange/text_edits.py": "a body that is not heavy",
        "exchange/upstream.py": "a body that is not long",
        "memory/endpoints.py": "white space at the ends",
    },
    "llm-gateway-sdk": {"request_estimate.py": "one byte, near the place"},
    "ollama": {"errors.py": "an error"},
    "regex-hider": {"redaction/bodies.py": "an error"},
}
"""Files of a package, and why what they read by one call is short."""
ROOMS = {
    "llm-gateway": ("exchange", "dialects", "memory", "operations", "server"),
    "llm-gateway-sdk": ("", "dialects", "operations", "wire"),
}
"""Where bodies are worked on; of other packages everywhere."""


def _is_body(node: ast.expr) -> bool:
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    return name == "body"


def _reads_whole(node: ast.AST) -> bool:
    if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn) and _is_body(node.comparators[0]):
        left = node.left  # of a dictionary keys are asked for, by a string or a variable of that name
        is_key = isinstance(left, ast.Constant) and isinstance(left.value, str)
        return not (is_key or (isinstance(left, ast.Name) and left.id == "key"))
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return False
    if node.func.attr in CALLS and _is_body(node.func.value):
        # A payload and a client's body are decoded by a method of that name, too.
        return not (node.func.attr == "decode" and not node.args)
    has_bounds = len(node.args) > 2
    return node.func.attr in SEARCHES and not has_bounds and any(map(_is_body, node.args[:2]))


def _files(package: str) -> list[tuple[str, Path]]:
    (source,) = (PACKAGES / package / "src").glob("llm_gateway*")
    rooms = [source / room for room in ROOMS.get(package, ("",))]
    found = [file for room in rooms for file in room.rglob("*.py") if "testing" not in file.parts]
    return [(file.relative_to(source).as_posix(), file) for file in sorted(set(found))]


def test_whole_bodies_are_read_in_pieces() -> None:
    found = {
        f"{package}/{name}:{node.lineno}"
        for package in SHORT
        for name, file in _files(package)
        if name not in SHORT[package]
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.expr) and _reads_whole(node)
    }

    assert not found, f"use the helpers of llm_gateway_sdk.wire.pieces, or list why the body is short: {sorted(found)}"


def test_each_exception_is_needed() -> None:
    unused = [
        f"{package}/{name}"
        for package, listed in SHORT.items()
        for name, file in _files(package)
        if name in listed and not any(_reads_whole(node) for node in ast.walk(ast.parse(file.read_text("utf-8"))))
    ]

    assert not unused
