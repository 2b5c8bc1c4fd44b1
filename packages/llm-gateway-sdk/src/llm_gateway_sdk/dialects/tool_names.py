"""Names of tools that fit the receiver, and the way back to the client's own.

A name that fits stays. Any other becomes a readable beginning and a hash of the whole, so that it is the same in every
turn, on every attempt and after every restart, and so that two names which begin alike stay two. Nothing is remembered:
the names are derived from the request, and so is the way back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..parts import Part, ToolCallPart, ToolResultPart
from ..request import LLMRequest, Message, Tool, ToolChoice, ToolLike
from ..response import LLMResponse
from ..values import replace
from ..wire.digests import text_digest
from .receiver import ToolNames

__all__ = [
    "fit_names",
    "name_fitting",
    "rename_calls",
    "rename_choice",
    "rename_tools",
    "restore_names",
    "restore_text",
]

_DIGITS = 10
"""Of the hash: two of a million names are alike with a chance of one in two."""


def name_fitting(name: str, rule: ToolNames, taken: Iterable[str] = ()) -> str:
    """`name` where the receiver takes it, else one made of it. `taken` are names that belong to other tools."""
    if rule.takes(name):
        return name
    digest = text_digest(name)
    clean = rule.forbidden.sub("_", name)
    if rule.first is not None and rule.first.match(clean) is None:
        clean = "_" + clean
    digits = _DIGITS
    while True:
        fitting = f"{clean[: rule.length - digits - 1]}_{digest[:digits]}"
        if digits >= rule.length - 1 or fitting not in taken:
            return fitting
        digits += 1


def fit_names(request: LLMRequest, rule: ToolNames, *, of_messages: bool = True) -> dict[str, str]:
    """Fitting names by the client's own, of those that have to change: of tools, the choice among them and history,
    unless no message has any (`of_messages`)."""
    if not _has_unfit(request, rule, of_messages=of_messages):
        return {}
    names: dict[str, None] = {tool.name: None for tool in request.tools if isinstance(tool, Tool)}
    for message in request.messages:
        for part in message.content:
            if isinstance(part, ToolCallPart | ToolResultPart) and part.name is not None:
                names[part.name] = None
    choice = request.tool_choice
    if choice is not None:
        names.update(dict.fromkeys(choice.names))
        if choice.name is not None:
            names[choice.name] = None
    wrong = [name for name in names if not rule.takes(name)]
    taken = {name for name in names if rule.takes(name)}
    fitting: dict[str, str] = {}
    for name in wrong:
        fitting[name] = name_fitting(name, rule, taken)
        taken.add(fitting[name])
    return fitting


def _has_unfit(request: LLMRequest, rule: ToolNames, *, of_messages: bool) -> bool:
    fits = rule.pattern.fullmatch
    for tool in request.tools:
        if type(tool) is Tool and not fits(tool.name):
            return True
    for message in request.messages if of_messages else ():
        for part in message.content:
            if type(part) is not ToolCallPart and type(part) is not ToolResultPart:
                continue
            if part.name is not None and not fits(part.name):
                return True
    choice = request.tool_choice
    if choice is None:
        return False
    return any(not fits(name) for name in (*choice.names, *(() if choice.name is None else (choice.name,))))


def rename_tools(tools: list[ToolLike], fitting: Mapping[str, str]) -> list[ToolLike]:
    return [
        replace(tool, name=fitting[tool.name]) if isinstance(tool, Tool) and tool.name in fitting else tool
        for tool in tools
    ]


def rename_choice(choice: ToolChoice | None, fitting: Mapping[str, str]) -> ToolChoice | None:
    if choice is None:
        return None
    name = fitting.get(choice.name, choice.name) if choice.name is not None else None
    return replace(choice, name=name, names=[fitting.get(one, one) for one in choice.names])


def rename_calls(messages: list[Message], fitting: Mapping[str, str]) -> list[Message]:
    """The messages with calls and results under their fitting names; those without any are the same objects."""
    renamed = []
    for message in messages:
        if any(_name_of(part) in fitting for part in message.content):
            message = replace(message, content=[_renamed(part, fitting) for part in message.content])
        renamed.append(message)
    return renamed


def _name_of(part: Part) -> str | None:
    return part.name if isinstance(part, ToolCallPart | ToolResultPart) else None


def _renamed(part: Part, fitting: Mapping[str, str]) -> Part:
    if isinstance(part, ToolCallPart | ToolResultPart) and part.name is not None and part.name in fitting:
        return replace(part, name=fitting[part.name])
    return part


# The way back.


def restore_names(response: LLMResponse, names: Mapping[str, str]) -> LLMResponse:
    """The reply, or a chunk of it, with the client's own names, which `names` holds by fitting ones; in place."""
    for choice in response.choices:
        for part in choice.message.content:
            if type(part) is ToolCallPart and part.name in names:
                part.name = names[part.name]
    return response


def restore_text(text: str, names: Mapping[str, str]) -> str:
    """A provider's message, such as an error's, about the client's own names."""
    for fitting, name in names.items():
        text = text.replace(fitting, name)
    return text
