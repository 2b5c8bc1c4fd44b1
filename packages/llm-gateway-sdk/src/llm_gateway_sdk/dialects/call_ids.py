"""Ids of tool calls that fit the receiver: the same in, the same out, a call and its result alike.

An id that does not fit becomes a readable beginning and a hash of the whole. Where the receiver wants ids to be unique
in a conversation, a later call of the same id gets a number, and within one turn it always does; a result belongs to
the oldest call of its id that has none yet. A call without an id gets one by its place.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque

from ..losses import Losses
from ..parts import Part, ToolCallPart, ToolResultPart
from ..request import Message
from ..values import replace
from ..wire.digests import text_digest
from .receiver import CallIds

__all__ = ["fit_ids", "id_fitting"]

_DIGITS = 10
_ANY = CallIds()
_NOT_ALNUM = re.compile(r"[^a-zA-Z0-9]")


def id_fitting(identity: str, rule: CallIds) -> str:
    """The id itself where the receiver takes it, else one made of it."""
    if rule.takes(identity):
        return identity
    digest = text_digest(identity)
    if rule.exactly is not None:
        return digest[: rule.exactly]
    clean = rule.forbidden.sub("_", identity) if rule.forbidden is not None else identity
    room = (rule.length or 64) - _DIGITS - 1
    return f"{clean[:room]}_{digest[:_DIGITS]}"


def fit_ids(messages: list[Message], rule: CallIds | None, losses: Losses) -> list[Message]:
    """The messages with fitting ids; the same list where all fit."""
    if _all_fit(messages, rule or _ANY):
        return messages
    ids = _Ids(rule or _ANY)
    changed = False
    fitted = []
    for message in messages:
        if message.role != "assistant":
            ids.end_turn()
        content = [_fitted(part, ids) for part in message.content]
        if any(new is not old for new, old in zip(content, message.content, strict=True)):
            changed = True
            message = replace(message, content=content)
        fitted.append(message)
    if changed:
        losses.converted("messages[*].content[*].id", "an id that the provider takes")
    return fitted


def _all_fit(messages: list[Message], rule: CallIds) -> bool:
    seen: set[str] = set()
    for message in messages:
        if seen and not rule.unique and message.role != "assistant":
            seen = set()
        for part in message.content:
            if type(part) is ToolCallPart:
                if part.id in seen or not rule.takes(part.id):
                    return False
                seen.add(part.id)
            elif type(part) is ToolResultPart and not rule.takes(part.tool_call_id):
                return False
    return True


class _Ids:
    def __init__(self, rule: CallIds) -> None:
        self._rule = rule
        self._count = 0
        self._times: dict[str, int] = defaultdict(int)
        self._open: dict[str, deque[str]] = defaultdict(deque)
        self._last: dict[str, str] = {}
        self._given: set[str] = set()

    def end_turn(self) -> None:
        if not self._rule.unique and self._given:
            self._given = set()

    def of_call(self, identity: str) -> str:
        self._count += 1
        given = id_fitting(identity or f"call_{self._count}", self._rule)
        while given in self._given:
            self._times[identity] += 1
            given = id_fitting(f"{identity or 'call'}_{self._times[identity] + 1}", self._rule)
        self._given.add(given)
        self._open[identity].append(given)
        self._last[identity] = given
        return given

    def of_result(self, identity: str) -> str:
        waiting = self._open[identity]
        if waiting:
            return waiting.popleft()
        return self._last.get(identity) or id_fitting(identity or "call", self._rule)


def _fitted(part: Part, ids: _Ids) -> Part:
    if type(part) is ToolCallPart:
        identity = ids.of_call(part.id)
        return part if identity == part.id else replace(part, id=identity)
    if type(part) is ToolResultPart:
        identity = ids.of_result(part.tool_call_id)
        return part if identity == part.tool_call_id else replace(part, tool_call_id=identity)
    return part
