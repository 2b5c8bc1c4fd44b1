"""Refuses names and ids of millions of characters.

Names of tools, ids of calls and the like are made to fit the provider letter by letter, and compared with each other:
work that no body's bound bounds well, and that has no use beyond some hundred letters. Which fields these are is the
list of `llm_gateway_sdk.text_exclusions`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import cache
from operator import attrgetter
from typing import Any

from llm_gateway_sdk import InvalidRequest, LLMRequest
from llm_gateway_sdk.text_exclusions import CANONICAL, is_name_or_id

__all__ = ["LONGEST_NAME", "may_have_long_name", "refuse_long_names"]

LONGEST_NAME = 64 * 1024


def may_have_long_name(body: bytes) -> bool:
    """Whether a string of a JSON text may be longer than `LONGEST_NAME` characters. Much quicker than a look at each
    field, and True for most texts that have a long string at all."""
    start, size = 0, len(body)
    while start + LONGEST_NAME < size:
        window = body[start : start + LONGEST_NAME + 1]
        if b'\\"' in window:
            window = window.replace(b'\\"', b"..")
        # The last quote within reach: what follows it can't have been the end of a longer string.
        quote = window.rfind(b'"')
        if quote < 0:
            return True
        start += quote + 1
    return False


def refuse_long_names(request: LLMRequest) -> None:
    """Raises InvalidRequest where a name or id is longer than `LONGEST_NAME` characters."""
    waiting: list[Any] = [request]
    while waiting:
        node = waiting.pop()
        read, names, others = _plan(node.__class__)
        for held in read(node):
            if held is not None and (held.__class__ is not str or len(held) > LONGEST_NAME):
                _refuse(request, node, names)
        for name in others:
            held = getattr(node, name)
            if held.__class__ is list:
                waiting += [inner for inner in held if is_dataclass(inner)]
            elif is_dataclass(held):
                waiting.append(held)


def _refuse(request: LLMRequest, node: Any, names: tuple[str, ...]) -> None:
    for name in names:
        held = getattr(node, name)
        for value in held if isinstance(held, list) else (held,):
            if isinstance(value, str) and len(value) > LONGEST_NAME:
                place = ".".join([piece for piece in (_place(request, node), name) if piece])
                raise InvalidRequest(
                    f"{place}: {len(value)} characters are more than a name or id may have ({LONGEST_NAME}).",
                    param=place,
                )


def _place(node: Any, wanted: Any, path: str = "") -> str | None:
    """Where `wanted` is below `node`."""
    if node is wanted:
        return path
    for name in _plan(node.__class__)[2]:
        held = getattr(node, name)
        for position, inner in enumerate(held if isinstance(held, list) else [held]):
            if is_dataclass(inner):
                place = f"{name}[{position}]" if isinstance(held, list) else name
                found = _place(inner, wanted, f"{path}.{place}" if path else place)
                if found is not None:
                    return found
    return None


@cache
def _plan(cls: type) -> tuple[Callable[[Any], tuple[Any, ...]], tuple[str, ...], tuple[str, ...]]:
    """(what reads the fields that hold a name or id, these fields, fields that may hold further nodes) of a type."""
    names, others = [], []
    for field in fields(cls):
        entry = next((key for key in (f"{cls.__name__}.{field.name}", f"*.{field.name}") if key in CANONICAL), None)
        if entry is not None:
            if is_name_or_id(entry):
                names.append(field.name)
        elif str(field.type).partition(" | ")[0] not in ("int", "float", "bool", "str"):
            others.append(field.name)
    return _reader(names), tuple(names), tuple(others)


def _reader(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    match names:
        case []:
            return lambda _node: ()
        case [name]:
            return lambda node: (getattr(node, name),)
    return attrgetter(*names)
