"""An MCP server on standard input and output with forty tools of the oddest names and schemas that the field has.

Run as a program by agents. Each tool answers `NUMBER saw ARGUMENTS`.
"""

from __future__ import annotations

import json
import sys
from typing import Any

__all__ = ["COUNT", "tools"]

COUNT = 40
_NAMES = (
    "plain",
    "with.dots.in.it",
    "with/slashes/in/it",
    "with:colons:in:it",
    "get_the_simulator_application_path_by_its_name_in_the_workspace_of_the_project",
    "3d_print",
    "UPPER-and-lower",
    "a",
)
_SCHEMAS: tuple[dict[str, Any], ...] = (
    {"type": "object"},
    {"type": "object", "properties": {}, "additionalProperties": False},
    {"type": "object", "properties": {"q": {"type": "string", "format": "uri"}}, "required": ["q"]},
    {
        "type": "object",
        "properties": {"at": {"$ref": "#/$defs/At", "description": "where", "default": None}},
        "$defs": {"At": {"type": "object", "properties": {"x": {"type": "number"}}}},
        "$schema": "http://json-schema.org/draft-07/schema#",
    },
    {
        "type": "object",
        "properties": {"one": {"type": "string"}, "two": {"type": "integer", "minimum": 1}},
        "anyOf": [{"required": ["one"]}, {"required": ["two"]}],
    },
    {"type": "object", "properties": {"v": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}}},
    {"type": "object", "properties": {"list": {"type": "array"}, "any": {}, "map": {"type": "object"}}},
    {
        "type": "object",
        "properties": {"kind": {"enum": ["a", "b", ""]}, "fixed": {"const": "x"}, "many": {"type": ["string", "null"]}},
    },
    {
        "type": "object",
        "properties": {"node": {"$ref": "#/definitions/Node"}},
        "definitions": {
            "Node": {
                "type": "object",
                "properties": {
                    "next": {"$ref": "#/definitions/Node"},
                    "when": {"type": "string", "format": "date-time"},
                },
            }
        },
    },
)


def tools() -> list[dict[str, Any]]:
    return [
        {
            "name": f"{_NAMES[number % len(_NAMES)]}_{number}",
            "description": f"Odd tool number {number}.",
            "inputSchema": _SCHEMAS[number % len(_SCHEMAS)],
        }
        for number in range(COUNT)
    ]


def answer(method: str, given: dict[str, Any]) -> dict[str, Any]:
    if method == "initialize":
        return {
            "protocolVersion": given.get("protocolVersion", "2025-06-18"),
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "odd", "version": "1.0.0"},
        }
    if method == "tools/list":
        return {"tools": tools()}
    if method == "tools/call":
        number = given["name"].rpartition("_")[2]
        text = f"{number} saw {json.dumps(given.get('arguments') or {}, sort_keys=True)}"
        return {"content": [{"type": "text", "text": text}]}
    return {}


def main() -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        if "id" in asked:
            reply = {"jsonrpc": "2.0", "id": asked["id"], "result": answer(asked["method"], asked.get("params") or {})}
            sys.stdout.write(json.dumps(reply) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
