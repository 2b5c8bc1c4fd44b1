"""Mistakes in a plugin class that would otherwise go unnoticed: a hook that is never called, or can't be called."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

from llm_gateway_sdk.plugin import HOOKS, Plugin

_ARGUMENTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(HOOKS, ("ctx",)),
    "configure": ("config",),
    "validate_config": ("config",),
    "close": (),
    "wants": ("phase", "ctx"),
    "attempts_wanted": (),
}
"""What the gateway calls, and with how many arguments beside `self`."""

_SYNCHRONOUS = ("wants", "attempts_wanted")


def mistakes(cls: type[Any]) -> Iterator[str]:
    """Each mistake with its file and line, and what would be right."""
    for owner in cls.__mro__:
        if owner in (Plugin, object):
            continue
        for name, value in vars(owner).items():
            function = value.__func__ if isinstance(value, staticmethod | classmethod) else value
            if not inspect.isfunction(function) or name.startswith("_"):
                continue
            if name not in _ARGUMENTS:
                if meant := _meant(name):
                    told = f"{cls.__name__} has `{name}`, which is never called; did you mean `{meant}`?"
                    yield f"{_place(function)}: {told}"
            elif not isinstance(value, staticmethod | classmethod):
                yield from _unusable(cls, name, function)


def _meant(name: str) -> str | None:
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    if snake in _ARGUMENTS:
        return snake
    near = difflib.get_close_matches(snake, [known for known in _ARGUMENTS if "_" in known], n=1, cutoff=0.9)
    return near[0] if near else None


def _unusable(cls: type[Any], name: str, function: Callable[..., Any]) -> Iterator[str]:
    wanted = ("self", *_ARGUMENTS[name])
    signature = inspect.signature(function)
    try:
        signature.bind(*wanted)
    except TypeError:
        yield f"{_place(function)}: {cls.__name__}.{name} must take ({', '.join(wanted)}), not {signature}"
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        yield f"{_place(function)}: {cls.__name__}.{name} must return its result; with `yield` it never runs"
    elif name in _SYNCHRONOUS and inspect.iscoroutinefunction(function):
        yield f"{_place(function)}: {cls.__name__}.{name} must be a plain `def`, not `async def`"


def _place(function: Callable[..., Any]) -> str:
    code = function.__code__
    return f"{code.co_filename}:{code.co_firstlineno}"
