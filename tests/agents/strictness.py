"""What the strict servers have in common: how they refuse, and what they remember of what they issued."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import jsonschema

__all__ = [
    "Issued",
    "Refused",
    "each_text",
    "need",
    "need_image",
    "need_keys",
    "need_tool_schema",
    "parsed",
]

_MAGIC = {"image/png": b"\x89PNG", "image/jpeg": b"\xff\xd8\xff", "image/gif": b"GIF8", "image/webp": b"RIFF"}


class Refused(Exception):
    """A vendor's server answers with status 400; the text names the rule."""


def need(condition: object, rule: str) -> None:
    if not condition:
        raise Refused(rule)


def need_keys(given: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    unknown = sorted(set(given) - set(known))
    need(not unknown, f"{where}: unknown {', '.join(unknown)}")


def need_image(kind: str, data: str) -> None:
    try:
        content = base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise Refused(f"image: {error}") from None
    need(kind in _MAGIC, f"image: no type {kind!r}")
    need(content.startswith(_MAGIC[kind]), f"image: not a {kind}")


def need_tool_schema(schema: Any, where: str, *, properties: bool = True) -> None:
    """The root that every vendor wants: an object without alternatives, and for most with `properties`."""
    need(isinstance(schema, dict), f"{where}: the schema has to be an object")
    need(schema.get("type") == "object", f"{where}: the schema's type has to be object")
    need(
        isinstance(schema.get("properties", None if properties else {}), dict),
        f"{where}: object schema missing properties",
    )
    need(not {"anyOf", "oneOf", "allOf", "not", "enum"} & set(schema), f"{where}: alternatives at the top level")
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise Refused(f"{where}: JSON schema is invalid: {error.message}") from None
    for reference in re.findall(r'"\$ref": "([^"]*)"', json.dumps(schema)):
        node: Any = schema
        for step in reference.removeprefix("#").split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            need(isinstance(node, dict) and step in node, f"{where}: {reference} leads nowhere")
            node = node[step]


def parsed(text: Any, where: str) -> Any:
    need(isinstance(text, str), f"{where}: has to be a string")
    try:
        return json.loads(text)
    except ValueError:
        raise Refused(f"{where}: not valid JSON: {text!r}") from None


def each_text(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for value in node.values():
            yield from each_text(value)
    elif isinstance(node, list):
        for value in node:
            yield from each_text(value)


def family(maker: str) -> str:
    """Who reads a maker's proofs: those of Claude hold on every platform that serves it ("Extended thinking")."""
    return "anthropic" if maker == "bedrock" else maker


class Issued:
    """The proofs that the servers gave, each to go back to its maker alone, with the text it was made of."""

    def __init__(self) -> None:
        self.proofs: dict[str, tuple[str, str]] = {}

    def add(self, maker: str, proof: str, text: str) -> None:
        self.proofs[proof] = (maker, text)

    def check(self, maker: str, proof: str, text: str | None = None) -> None:
        """Raises Refused where this maker did not make the proof, or not of this text (None: it does not matter)."""
        found = self.proofs.get(proof)
        need(
            found is not None and family(found[0]) == family(maker),
            f"{maker}: a signature of another maker: {proof[:60]!r}",
        )
        assert found is not None
        need(text is None or text == found[1], f"{maker}: thinking was modified: {text!r} is not {found[1]!r}")

    def check_strangers(self, maker: str, body: Any) -> None:
        """No proof of another maker is anywhere in what this one received, wrapped or not."""
        for text in each_text(body):
            need("gw1." not in text, f"{maker}: a wrapped signature: {text[:60]!r}")
            for proof, (made_by, _) in self.proofs.items():
                need(
                    family(made_by) == family(maker) or proof not in text,
                    f"{maker}: a signature of {made_by}: {proof[:60]!r}",
                )
