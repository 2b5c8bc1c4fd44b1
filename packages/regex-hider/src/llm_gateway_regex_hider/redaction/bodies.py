"""Redaction of whole requests, replies and errors, in place."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from operator import attrgetter
from typing import Any

import regex

from llm_gateway_sdk import (
    Choice,
    ErrorInfo,
    LLMRequest,
    LLMResponse,
    Loss,
    Message,
    ModelError,
    Part,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
)
from llm_gateway_sdk.heavy import is_in_slices
from llm_gateway_sdk.text_exclusions import CANONICAL, PAYLOADS
from llm_gateway_sdk.texts import TextPlace, is_text_alone, walk_json, walk_part, walk_value
from llm_gateway_sdk.values import replace
from llm_gateway_sdk.wire.json import dumps_text
from llm_gateway_sdk.wire.pieces import joined_text, text_has_any
from llm_gateway_sdk.wire.text_bound import TextTooLarge

from ..patterns import RuleSet
from .bounds import Budget, Findings, OnLimit
from .joined import JoinedTexts
from .json_text import redact_json
from .whole_texts import redact


class BodyRedactor:
    """One request, reply or error: counts what it hides, and what it had to leave out."""

    def __init__(self, rules: RuleSet, *, on_limit: OnLimit = "mask", side: str = "request") -> None:
        self._rules = rules
        self._on_limit: OnLimit = on_limit
        self._budget = Budget()
        self._side = side
        self.findings = Findings()
        self.losses: list[Loss] = []

    def text(self, text: str) -> str:
        return redact(text, self._rules, on_limit=self._on_limit, findings=self.findings, budget=self._budget)

    def json_text(self, text: str) -> str:
        return redact_json(text, self._rules, on_limit=self._on_limit, findings=self.findings, budget=self._budget)

    def request(self, request: LLMRequest) -> None:
        messages = [
            message
            for message in request.messages
            if self._redacts_alone(message) or not self._is_emptied(message, "messages[*]")
        ]
        if len(messages) < len(request.messages):
            request.messages = messages
        if self._may_match_in(_rest_of_request(request)) or (request.model and not _is_model(request.model)):
            for place in walk_value(request, "", without=("messages", "tools")):
                self._place(place)
        for start in range(0, len(request.tools), _TOGETHER):
            tools = request.tools[start : start + _TOGETHER]
            if self._may_match_in(tools):
                for tool in tools:
                    for place in walk_value(tool, ""):
                        self._place(place)

    def response(self, response: LLMResponse) -> None:
        for choice in response.choices:
            self._choice(choice)
        if self._may_match_in(_rest_of_response(response)) or not is_named_plainly(response):
            for place in walk_value(response, "", without=("choices",)):
                self._place(place)

    def error(self, error: ModelError) -> ModelError:
        """The error with its text redacted: a copy, or the same if nothing matched."""
        message = self.text(error.message)
        info = error.info()
        changed_info = copy.deepcopy(info)
        self.error_info(changed_info)
        body = error.body
        if body is not None:
            old = body.decode("utf-8", "surrogateescape")
            new = self.json_text(old)
            body = body if new == old else new.encode("utf-8", "surrogateescape")
        headers = [(name, self.text(value)) for name, value in error.headers]
        if message == error.message and changed_info == info and body == error.body and headers == error.headers:
            return error
        changed = copy.copy(error)
        changed.message, changed.args, changed.body, changed.headers = message, (message,), body, headers
        changed._info = changed_info
        return changed

    def error_info(self, info: ErrorInfo) -> None:
        for place in walk_value(info, ""):
            self._place(place)

    def vendor_json(self, value: Any) -> None:
        """Texts in a vendor's own JSON."""
        if value and self._may_match_in(value):
            for place in walk_json(value, ""):
                self._place(place)

    def _may_match_in(self, value: Any) -> bool:
        """Whether any string in a value may hold a match. An escape may spell any character, and base64 a text."""
        try:
            text = dumps_text(_opened(value) if is_in_slices() else value)
        except (TypeError, ValueError, RecursionError):
            return True
        # A slice costs less than a call of `len`.
        if text_has_any(text, "\\", '" ') if text[_LARGE:_BEYOND] else "\\" in text or '" ' in text:
            return True
        may_spell = _MAY_SPELL_IN_LARGE if len(text) > _LARGE else _MAY_SPELL
        return may_spell.search(text) is not None or self._rules.candidates(text) is not None

    def part(self, part: Part) -> None:
        """Every text of one part."""
        if type(part) is TextPart and is_text_alone(part):
            # Nearly all parts are of this kind.
            part.text = self.text(part.text)
            return
        if type(part) is ToolResultPart and len(part.content) > 1:
            self._across(part.content)
        for place in walk_part(part, "", "user"):
            self._place(place)

    def _place(self, place: TextPlace) -> None:
        old = place.text
        if not old:
            return
        match place.kind:
            case "tool_arguments":
                is_json = not isinstance(place.part, ToolCallPart) or place.part.kind == "function"
            case "tool_result" | "document":
                is_json = _looks_like_json(old)
            case _:
                is_json = place.kind == "opaque" and (place.key in _JSON_FIELDS or _looks_like_json(old))
        new = self.json_text(old) if is_json else self.text(old)
        if new != old:
            place.text = new

    def _choice(self, choice: Choice) -> None:
        before = self.findings.total
        self._message(choice.message, "choices[*].message")
        if self._may_match_in(_rest_of_choice(choice)):
            for place in walk_value(choice, "", without=("message",)):
                self._place(place)
        if choice.logprobs is not None and (self.findings.total > before or self.is_spelled(choice.logprobs)):
            choice.logprobs = None
            self.dropped("choices[*].logprobs", "they spell out text that was redacted")
        elif choice.logprobs is not None:
            choice.logprobs = self.without_alternatives(choice.logprobs)

    def without_alternatives(self, logprobs: dict[str, Any]) -> dict[str, Any]:
        """Log probabilities of the tokens that were chosen. The others spell texts that were not searched."""
        if not any(_alternatives(logprobs)):
            return logprobs
        self.dropped("choices[*].logprobs.top_logprobs", "alternatives may spell out what is redacted")
        return {
            name: [{**entry, "top_logprobs": []} if isinstance(entry, dict) else entry for entry in entries]
            if isinstance(entries, list)
            else entries
            for name, entries in logprobs.items()
        }

    def is_spelled(self, logprobs: dict[str, Any]) -> bool:
        """Whether the tokens hold what is to be hidden, although the answer may not."""
        for entries in logprobs.values():
            tokens = [entry.get("token") for entry in entries if isinstance(entry, dict)] if entries else []
            joined = "".join([token for token in tokens if isinstance(token, str)])
            if self.text(joined) != joined:
                return True
        return False

    def _redacts_alone(self, message: Message) -> bool:
        """Redacts a message that is one text, as nearly all are. False, and nothing done, for any other."""
        content = message.content
        if len(content) != 1 or type(part := content[0]) is not TextPart or message.name or message.provider_metadata:
            return False
        if not is_text_alone(part):
            return False
        part.text = self.text(part.text)
        return True

    def _is_emptied(self, message: Message, path: str) -> bool:
        had_content = bool(message.content)
        self._message(message, path)
        return had_content and not message.content

    def _message(self, message: Message, path: str) -> None:
        kept: list[Part] = []
        for part in message.content:
            if isinstance(part, ThinkingPart) and part.signature is not None and self.text(part.text) != part.text:
                # With another text the signature would not fit, and the provider would refuse the block.
                self.dropped(f"{path}.content[*]", "signed thinking in which text had to be redacted")
                continue
            kept.append(part)
        several = len(kept) > 1 and self._across(kept)
        for part in kept:
            if not (several and isinstance(part, (TextPart, RefusalPart, ThinkingPart))):
                self.part(part)
            elif type(part) is not TextPart or not is_text_alone(part):
                for place in walk_value(part, "", without=("text",)):
                    self._place(place)
        if len(kept) < len(message.content):
            message.content = kept
        if message.name or message.provider_metadata:
            for place in walk_value(replace(message, content=[]), ""):
                self._place(place)
            message.name = self.text(message.name) if message.name else message.name

    def _across(self, parts: list[Part]) -> bool:
        """Redacts texts that clients and providers join, so that no match crosses from one to another. False where
        there are no two of a kind, and nothing has been done."""
        texts = [part for part in parts if isinstance(part, (TextPart, RefusalPart, ThinkingPart))]
        kinds = {type(part) for part in texts}
        if len(kinds) == len(texts):
            return False
        for kind in kinds:
            if self._may_match_together([part.text for part in texts if type(part) is kind]):
                self._row([part for part in parts if isinstance(part, (kind, ToolCallPart))])
        return True

    def _may_match_together(self, texts: list[str]) -> bool:
        try:
            whole = "".join(texts) if sum(map(len, texts)) <= _LARGE else joined_text(texts)
        except TextTooLarge:  # one of them makes the letters of all wider
            return True
        return self._rules.candidates(whole) is not None

    def _row(self, parts: list[Part]) -> None:
        """Texts of one kind, and the tool calls between them."""
        row = JoinedTexts(
            self._rules, max_size=None, on_limit=self._on_limit, findings=self.findings, budget=self._budget
        )
        slots = []
        for part in parts:
            if not isinstance(part, (TextPart, RefusalPart, ThinkingPart)):
                row.let_go()  # as on streams
                continue
            slots.append((part, row.push(part.text)))
            if part.signature is None:
                row.end()
            else:
                row.close()  # a proof ends a text for good
        row.close()
        for part, slot in slots:
            part.text = slot.take()

    def dropped(self, path: str, detail: str) -> None:
        side: Any = self._side
        loss = Loss("dropped", path, side, detail)
        if loss not in self.losses:
            self.losses.append(loss)


def _opened(value: Any) -> Any:
    """The value with dictionaries in place of objects, whose texts can be written in slices."""
    if isinstance(value, list | tuple):
        return [_opened(item) for item in value]
    if isinstance(value, dict):
        return {key: _opened(item) for key, item in value.items()}
    if is_dataclass(value):
        return {field.name: _opened(getattr(value, field.name)) for field in fields(value)}
    return value


def is_named_plainly(response: LLMResponse) -> bool:
    """Whether id and model have the shapes of such, so that they are no texts."""
    return not (response.id and not _is_id(response.id)) and not (response.model and not _is_model(response.model))


_is_id, _is_model = CANONICAL["LLMResponse.id"], CANONICAL["LLMResponse.model"]


def _names(cls: type[Any], without: tuple[str, ...]) -> tuple[str, ...]:
    """The fields of a canonical type that may hold a string."""
    return tuple(
        field.name
        for field in fields(cls)
        if field.name not in without and str(field.type).partition(" | ")[0] not in ("int", "float", "bool")
    )


_rest_of_request = attrgetter(*_names(LLMRequest, ("messages", "tools", "model")))
_rest_of_response = attrgetter(*_names(LLMResponse, ("choices", "id", "model")))
_rest_of_choice = attrgetter(*_names(Choice, ("message", "logprobs")))

_MAY_SPELL = re.compile(r'"(?:(?:' + "|".join(PAYLOADS) + r')":["\\[]|(?i:data:))|%[0-9A-Fa-f]{2}')
_MAY_SPELL_IN_LARGE = regex.compile(_MAY_SPELL.pattern)
"""The same, by an engine that lets other threads go on meanwhile."""
_LARGE = 64 * 1024
_BEYOND = _LARGE + 1
_TOGETHER = 100
"""Tools that are looked through at once."""

# Of blocks that are not understood: fields that hold JSON text.
_JSON_FIELDS = ("partial_json", "arguments")


def _alternatives(logprobs: dict[str, Any]) -> Iterator[bool]:
    for entries in logprobs.values():
        for entry in entries if isinstance(entries, list) else ():
            yield isinstance(entry, dict) and bool(entry.get("top_logprobs"))


def _looks_like_json(text: str) -> bool:
    for start in range(0, len(text), _LARGE):
        piece = text[start : start + _LARGE].lstrip()
        if piece:
            return piece[0] in "{["
    return False
