"""Redaction of whole requests, replies and errors, in place."""

from __future__ import annotations

import copy
from typing import Any

from llm_gateway_sdk import (
    Choice,
    Citation,
    ErrorInfo,
    LLMRequest,
    LLMResponse,
    Loss,
    Message,
    ModelError,
    OpaquePart,
    Part,
    RefusalPart,
    TextPart,
    ThinkingPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
)
from llm_gateway_sdk.texts import TextPlace, walk_part

from .json_text import redact_json
from .patterns import RuleSet
from .redactor import Budget, Findings, OnLimit, redact


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
        if self._rules.candidates(text) is None:
            return text
        return redact(text, self._rules, on_limit=self._on_limit, findings=self.findings, budget=self._budget)

    def json_text(self, text: str) -> str:
        return redact_json(text, self._rules, on_limit=self._on_limit, findings=self.findings, budget=self._budget)

    def request(self, request: LLMRequest) -> None:
        messages = [message for message in request.messages if not self._is_emptied(message, "messages[*]")]
        if len(messages) < len(request.messages):
            request.messages = messages
        for tool in request.tools:
            if isinstance(tool, Tool):
                if tool.description:
                    tool.description = self.text(tool.description)
                if tool.parameters:
                    self._descriptions(tool.parameters)
        self.vendor_json(request.provider_metadata)

    def response(self, response: LLMResponse) -> None:
        for choice in response.choices:
            self._choice(choice)
        self.vendor_json(response.provider_metadata)
        for _, event in response.provider_deltas:
            self.vendor_json(event)
        if response.error is not None:
            self.error_info(response.error)

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
        if message == error.message and changed_info == info and body == error.body:
            return error
        changed = copy.copy(error)
        changed.message, changed.args, changed.body = message, (message,), body
        changed._info = changed_info
        return changed

    def error_info(self, info: ErrorInfo) -> None:
        info.message = self.text(info.message)
        self.vendor_json(info.provider_metadata)

    def vendor_json(self, value: Any) -> None:
        """Texts in a vendor's own JSON, as far as they can be told from structure."""
        if value and self._may_match_in(value):
            for place in walk_part(OpaquePart(data=value), "", "opaque"):
                self._place(place)

    def _may_match_in(self, value: Any) -> bool:
        """Whether any string in JSON may hold a match. A backslash may be an escape that spells any character."""
        todo = [value]
        while todo:
            value = todo.pop()
            if isinstance(value, str):
                if "\\" in value or self._rules.candidates(value) is not None:
                    return True
            elif isinstance(value, dict):
                todo.extend(value.values())
            elif isinstance(value, list):
                todo.extend(value)
        return False

    def part(self, part: Part) -> None:
        """Every text of one part."""
        if isinstance(part, (TextPart, RefusalPart, ThinkingPart)):
            self._plain_part(part)
        else:
            for place in walk_part(part, "", "user"):
                self._place(place)
        if part.provider_metadata:
            self.vendor_json(part.provider_metadata)

    def _plain_part(self, part: TextPart | RefusalPart | ThinkingPart) -> None:
        # Most parts are of this kind, and have no other text than this one and what is cited.
        part.text = self.text(part.text)
        if isinstance(part, TextPart) and part.citations:
            for citation in part.citations:
                self._citation(citation)

    def _citation(self, citation: Citation) -> None:
        if citation.cited_text:
            citation.cited_text = self.text(citation.cited_text)
        if citation.title:
            citation.title = self.text(citation.title)
        self.vendor_json(citation.provider_metadata)

    def _place(self, place: TextPlace) -> None:
        old = place.text
        if not old:
            return
        match place.kind:
            case "tool_arguments":
                is_json = not isinstance(place.part, ToolCallPart) or place.part.kind == "function"
            case "tool_result":
                is_json = _looks_like_json(old)
            case _:
                is_json = place.kind == "opaque" and place.key in _JSON_FIELDS
        new = self.json_text(old) if is_json else self.text(old)
        if new != old:
            place.text = new

    def _choice(self, choice: Choice) -> None:
        before = self.findings.total
        self._message(choice.message, "choices[*].message")
        self.vendor_json(choice.provider_metadata)
        if choice.finish_message is not None:
            choice.finish_message = self.text(choice.finish_message)
        if choice.logprobs is not None and self.findings.total > before:
            # The tokens spell out what was hidden.
            choice.logprobs = None
            self.dropped("choices[*].logprobs", "they spell out text that was redacted")

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
            self.part(part)
            if isinstance(part, ToolResultPart):
                for inner in part.content:
                    self.vendor_json(inner.provider_metadata)
            kept.append(part)
        if len(kept) < len(message.content):
            message.content = kept
        self.vendor_json(message.provider_metadata)

    def _descriptions(self, schema: dict[str, Any] | list[Any]) -> None:
        """The prose of a JSON Schema; names, types and allowed values are structure."""
        if isinstance(schema, dict):
            for key, value in schema.items():
                if isinstance(value, (dict, list)):
                    self._descriptions(value)
                elif key in _PROSE_FIELDS and isinstance(value, str):
                    schema[key] = self.text(value)
        else:
            for value in schema:
                if isinstance(value, (dict, list)):
                    self._descriptions(value)

    def dropped(self, path: str, detail: str) -> None:
        side: Any = self._side
        loss = Loss("dropped", path, side, detail)
        if loss not in self.losses:
            self.losses.append(loss)


# Of blocks that are not understood: fields that hold JSON text.
_JSON_FIELDS = ("partial_json", "arguments")

_PROSE_FIELDS = ("description", "title", "$comment")
"""Of a JSON Schema."""


def _looks_like_json(text: str) -> bool:
    return text.lstrip()[:1] in ("{", "[")
