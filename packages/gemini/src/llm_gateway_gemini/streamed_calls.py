"""Calls whose arguments come piece by piece, `functionCall.partialArgs`: Gemini API, "Streaming function calls".

The first part has the call's name and `willContinue`. Further ones, which have no name, hold values by their places in
the arguments, as RFC 9535 paths (`$.stops[0]['street name']`); a text may itself come in pieces. The part without
`willContinue` is the last. What is joined here is the part of a whole call, as it comes where nothing is streamed.
"""

from __future__ import annotations

import re
from typing import Any

from llm_gateway_sdk import DialectError

from .parts import fields

__all__ = ["StreamedCall", "is_streamed"]

_STEP = re.compile(r"""\.?([^.\[\]'"]+)|\[\s*(\d+)\s*\]|\[\s*'((?:[^'\\]|\\.)*)'\s*\]|\[\s*"((?:[^"\\]|\\.)*)"\s*\]""")
_VALUES = ("stringValue", "numberValue", "boolValue", "nullValue")
_MOST = 10_000
"""Elements of one list. No model writes a place beyond them."""


def is_streamed(call: dict[str, Any]) -> bool:
    """Whether a `functionCall` is a piece of one."""
    return bool(call.get("willContinue") or call.get("partialArgs"))


class StreamedCall:
    """One call, from its first part to its last."""

    __slots__ = ("_call", "_going_on", "_part")

    def __init__(self) -> None:
        self._part: dict[str, Any] = {}
        self._call: dict[str, Any] = {"args": {}}
        self._going_on: str | None = None
        """The place of a text whose next piece is to come."""

    def add(self, part: dict[str, Any], call: dict[str, Any], path: str) -> bool:
        """Adds a part and its `functionCall`, both in camelCase; whether that was the last one. Raises DialectError."""
        self._part.update((key, value) for key, value in part.items() if key != "functionCall")
        for key, value in call.items():
            if key == "args" and isinstance(value, dict):
                self._call["args"].update(value)
            elif key not in ("args", "partialArgs", "willContinue") and value is not None:
                self._call[key] = value
        pieces = call.get("partialArgs")
        for number, piece in enumerate(pieces if isinstance(pieces, list) else ()):
            self._put(fields(piece, f"{path}.partialArgs[{number}]"), f"{path}.partialArgs[{number}]")
        return not call.get("willContinue")

    def whole(self) -> dict[str, Any]:
        """The part of the whole call."""
        return {**self._part, "functionCall": self._call}

    def _put(self, piece: dict[str, Any], path: str) -> None:
        place = piece.get("jsonPath")
        kind = next((name for name in _VALUES if name in piece), None)
        if kind is None:
            return
        if not isinstance(place, str):
            raise DialectError(f"{path}: `{kind}` has no `jsonPath`, so its place in the arguments is unknown")
        value = None if kind == "nullValue" else piece[kind]
        steps = _steps(place)
        if steps:
            _set(self._call["args"], steps, value, joined=place == self._going_on and isinstance(value, str))
        self._going_on = place if piece.get("willContinue") else None


def _steps(place: str) -> list[str | int]:
    """`$.stops[0]['street name']` as `["stops", 0, "street name"]`."""
    steps: list[str | int] = []
    for match in _STEP.finditer(place.removeprefix("$")):
        name, number, single, double = match.groups()
        if number is not None:
            steps.append(int(number))
        elif name is not None:
            steps.append(name)
        else:
            steps.append(re.sub(r"\\(.)", r"\1", single if single is not None else double))
    return steps


def _set(holder: Any, steps: list[str | int], value: Any, *, joined: bool) -> None:
    """Puts a value at its place in the arguments, or after the text that is there; makes what holds it."""
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        if isinstance(holder, list):
            if not isinstance(step, int) or step >= _MOST:
                return
            holder.extend([None] * (step + 1 - len(holder)))
            held = holder[step]
        elif isinstance(holder, dict):
            step = str(step)
            held = holder.get(step)
        else:
            return
        if following is None:
            holder[step] = held + value if joined and isinstance(held, str) else value
            return
        if not isinstance(held, dict | list):
            held = holder[step] = [] if isinstance(following, int) else {}
        holder = held
