"""Is this a legal stream of Chat Completions? A checker that shares no code with the dialect.

It follows platform.openai.com/docs/api-reference/chat-streaming and what the official SDKs ask for: every event is an
unnamed `chat.completion.chunk` of one id; a choice begins with its role; a tool call begins with index, id and name,
indices are dense from 0, and an id never changes; nothing follows a choice's finish reason, which comes once;
usage is in its own chunk without choices; `[DONE]` is last.
"""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["violations"]

_LINE_END = re.compile(r"\r\n|\n|\r")
_FINISH_REASONS = {"stop", "length", "tool_calls", "content_filter", "function_call"}
_CONTENT = ("content", "refusal", "reasoning_content", "reasoning", "tool_calls", "function_call", "audio")


def violations(stream: bytes, *, complete: bool = True) -> list[str]:
    """What is wrong, in order; nothing for a legal stream.

    `complete` False is for a stream that broke off: its end is not asked for, but nothing may say that it is whole.
    """
    checker = _Checker()
    for at, (name, data) in enumerate(_events(stream)):
        checker.event(at, name, data)
    return checker.finish(complete=complete)


class _Checker:
    def __init__(self) -> None:
        self.found: list[str] = []
        self.ids: set[str] = set()
        self.choices: dict[int, _ChoiceState] = {}
        self.usage = 0
        self.done = False
        self.failed = False

    def event(self, at: int, name: str | None, data: str) -> None:
        def wrong(what: str) -> None:
            self.found.append(f"event {at}: {what}")

        if self.done:
            wrong("follows [DONE]")
        if self.failed:
            wrong("follows an error")
        if name is not None:
            wrong(f"has the name {name!r}")
        if data == "[DONE]":
            self.done = True
            return
        try:
            body = json.loads(data)
        except ValueError:
            wrong("is not valid JSON")
            return
        if not isinstance(body, dict):
            wrong("is not an object")
            return
        if "error" in body:
            self.failed = True
            error = body["error"]
            if not isinstance(error, dict) or not isinstance(error.get("message"), str) or "type" not in error:
                wrong("is an error of another shape")
            return
        self._chunk(body, wrong)

    def _chunk(self, body: dict[str, Any], wrong: Any) -> None:
        if body.get("object") != "chat.completion.chunk":
            wrong(f"has object {body.get('object')!r}")
        for key, kind in (("id", str), ("created", int), ("model", str), ("choices", list)):
            if not isinstance(body.get(key), kind):
                wrong(f"{key} is {body.get(key)!r}")
        self.ids.add(str(body.get("id")))
        choices = body.get("choices")
        if body.get("usage") is not None:
            self.usage += 1
            if choices:
                wrong("usage next to choices")
            if not isinstance(body["usage"].get("prompt_tokens"), int):
                wrong("usage without prompt_tokens")
        elif not choices and "usage" in body:
            wrong("is empty")
        if self.usage and choices:
            wrong("choices after usage")
        for choice in choices or ():
            index = choice.get("index")
            if not isinstance(index, int):
                wrong("a choice without index")
                continue
            state = self.choices.setdefault(index, _ChoiceState())
            state.choice(choice, lambda what, index=index: wrong(f"choice {index}: {what}"))

    def finish(self, *, complete: bool) -> list[str]:
        if len(self.ids) > 1:
            self.found.append(f"{len(self.ids)} ids: {sorted(self.ids)}")
        finished = [state for state in self.choices.values() if state.finished]
        if not complete or self.failed:
            if self.done:
                self.found.append("a broken stream ends with [DONE]")
            if finished:
                self.found.append("a broken stream has a finish reason")
            return self.found
        if not self.done:
            self.found.append("no [DONE] at the end")
        if not self.choices:
            self.found.append("no choices")
        if len(finished) != len(self.choices):
            self.found.append("a choice without finish reason")
        return self.found


class _ChoiceState:
    def __init__(self) -> None:
        self.begun = False
        self.finished = False
        self.calls: dict[int, str] = {}
        self.blocks = 0

    def choice(self, choice: dict[str, Any], wrong: Any) -> None:
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            wrong(f"delta is {delta!r}")
            return
        if not self.begun and delta.get("role") != "assistant":
            wrong("does not begin with its role")
        if self.begun and "role" in delta:
            wrong("its role comes again")
        self.begun = True
        if self.finished and any(delta.get(key) for key in _CONTENT):
            wrong("content after the finish reason")
        for key in ("content", "refusal", "reasoning_content", "reasoning"):
            if delta.get(key) is not None and not isinstance(delta[key], str):
                wrong(f"{key} is {delta[key]!r}")
        for call in delta.get("tool_calls") or ():
            self._call(call, wrong)
        for block in delta.get("thinking_blocks") or ():
            # The official SDKs sum lists by `index`.
            if block.get("index") != self.blocks:
                wrong(f"thinking block {block.get('index')} after {self.blocks}")
            self.blocks += 1
        finish = choice.get("finish_reason")
        if finish is not None:
            if finish not in _FINISH_REASONS:
                wrong(f"finish reason {finish!r}")
            if self.finished:
                wrong("a second finish reason")
            self.finished = True

    def _call(self, call: dict[str, Any], wrong: Any) -> None:
        index, function = call.get("index"), call.get("custom") if "custom" in call else call.get("function")
        if not isinstance(index, int) or not isinstance(function, dict):
            wrong(f"tool call {call!r}")
            return
        text = function.get("input") if "custom" in call else function.get("arguments")
        if text is not None and not isinstance(text, str):
            wrong(f"arguments of call {index} are {text!r}")
        if index not in self.calls:
            if index != len(self.calls):
                wrong(f"call {index} after {len(self.calls)} calls")
            if not call.get("id") or not function.get("name") or call.get("type") not in ("function", "custom"):
                wrong(f"call {index} begins without id, name or type")
            self.calls[index] = str(call.get("id"))
            return
        if call.get("id") not in (None, self.calls[index]):
            wrong(f"call {index} changes its id")
        if function.get("name"):
            wrong(f"call {index} is named again")


def _events(stream: bytes) -> list[tuple[str | None, str]]:
    """(name, data) of each event."""
    found: list[tuple[str | None, str]] = []
    name: str | None = None
    data: list[str] = []
    for line in _LINE_END.split(stream.decode()):
        if not line:
            if data:
                found.append((name, "\n".join(data)))
            name, data = None, []
        elif not line.startswith(":"):
            key, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if key == "data":
                data.append(value)
            elif key == "event":
                name = value
    if data:
        found.append((name, "\n".join(data)))
    return found
