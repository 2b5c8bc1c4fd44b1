"""Edits of texts in plain conversations give the bytes that the general way gives, or none."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.dialects.anthropic import Anthropic
from llm_gateway.dialects.openai_chat import OpenAIChat
from llm_gateway.exchange.client_body import ClientBody
from llm_gateway.exchange.patch import merge_edit
from llm_gateway.exchange.text_edits import TextEdits
from llm_gateway_sdk import Dialect, Headers, LLMRequest, Losses, Message, Target, TextPart, WireRequest
from llm_gateway_sdk.values import replace

TARGET = Target("m")
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
_ANTHROPIC_TOOLS = [{"name": "f", "input_schema": {"type": "object", "properties": {}}}]

_TEXTS = st.sampled_from(["a", "two words", 'a "quote"', "\\", "\n", "ü😀", " ", "", "\u2028"])


def chat(texts: list[str], **fields: Any) -> dict[str, Any]:
    roles = ["system", *["user", "assistant"] * len(texts)]
    messages = [{"role": role, "content": text} for role, text in zip(roles, texts, strict=False)]
    return {"model": "m", "temperature": 0.7, "tools": TOOLS, "messages": messages, **fields}


def claude(texts: list[str], **fields: Any) -> dict[str, Any]:
    body = chat(texts, tools=_ANTHROPIC_TOOLS, max_tokens=9, **fields)
    return {**body, "system": texts[0], "messages": body["messages"][1:]}


BODIES: list[tuple[Dialect, Callable[..., dict[str, Any]]]] = [(OpenAIChat(), chat), (Anthropic(), claude)]


class Asked:
    """A request of a client, and what a plugin makes of it."""

    def __init__(self, dialect: Dialect, body: dict[str, Any] | bytes, *, spaced: bool = True) -> None:
        separators = None if spaced else (",", ":")
        data = body if isinstance(body, bytes) else json.dumps(body, separators=separators).encode()
        headers = Headers.of([("content-type", "application/json"), ("anthropic-version", "2023-06-01")])
        self.dialect = dialect
        self.wire = WireRequest("POST", "/v1", "", headers, data)
        self.request: Any = SimpleNamespace(
            dialect=dialect, wire=self.wire, client_body=ClientBody(dialect, self.wire), is_heavy=False
        )
        self.value: LLMRequest = self.request.client_body.decode()

    def edit(self, texts: list[str]) -> Asked:
        for message, text in zip(self.value.messages, texts, strict=False):
            for part in message.content:
                assert isinstance(part, TextPart)
                part.text = text
        return self

    def generally(self) -> bytes:
        def written(value: LLMRequest) -> bytes:
            return self.dialect.encode_request(value, TARGET, Losses("request")).body

        return merge_edit(self.wire.body, written(self.request.client_body.decode()), written(self.value))

    def teach(self, edits: TextEdits) -> None:
        edits.learn(self.request, TARGET, self.value, self.generally())

    def written_by(self, edits: TextEdits) -> bytes | None:
        return edits.body(self.request, TARGET, self.value)


def taught(*asked: Asked) -> TextEdits:
    edits = TextEdits()
    for each in asked:
        each.teach(edits)
    return edits


@pytest.mark.parametrize(("dialect", "body"), BODIES)
@given(first=st.lists(_TEXTS, min_size=4, max_size=4), came=st.lists(_TEXTS, min_size=4, max_size=4), data=st.data())
def test_what_is_written_is_what_the_general_way_writes(
    dialect: Dialect, body: Callable[..., dict[str, Any]], first: list[str], came: list[str], data: st.DataObject
) -> None:
    edits = taught(*(Asked(dialect, body(first)).edit(came) for _ in range(2)))
    asked = Asked(dialect, body(came), spaced=data.draw(st.booleans()))
    asked.edit(data.draw(st.lists(_TEXTS, max_size=4)))
    assert asked.written_by(edits) in (None, asked.generally())


@pytest.mark.parametrize(("dialect", "body"), BODIES)
def test_ordinary_texts_take_the_short_way_from_the_third_request_on(
    dialect: Dialect, body: Callable[..., dict[str, Any]]
) -> None:
    texts, other = ["Be kind.", "My mail is a@b.example", "Oh", "So"], ["Be kind.", "My mail is [x]", "Oh", "So"]
    edits = TextEdits()
    for turn in range(3):
        asked = Asked(dialect, body(texts)).edit(other)
        written = asked.written_by(edits)
        assert (written is None) == (turn < 2)
        asked.teach(edits)
    assert written == asked.generally()
    assert b"a@b" not in written
    assert b"[x]" in written
    untouched = Asked(dialect, body(["other", "texts", "in", "it"]))
    assert untouched.written_by(edits) is untouched.wire.body


_CHANGES: dict[str, Callable[[LLMRequest], None]] = {
    "temperature": lambda value: setattr(value, "temperature", 0.1),
    "tools": lambda value: value.tools.clear(),
    "role": lambda value: setattr(value.messages[1], "role", "system"),
    "part": lambda value: value.messages[1].content.append(TextPart("more")),
    "message": lambda value: value.messages.append(Message("user", [TextPart("more")])),
    "blank": lambda value: setattr(value.messages[1].content[0], "text", " "),
}


@pytest.mark.parametrize(("dialect", "body"), BODIES)
@pytest.mark.parametrize("name", _CHANGES)
def test_other_edits_need_the_general_way(dialect: Dialect, body: Callable[..., dict[str, Any]], name: str) -> None:
    edits = taught(*(Asked(dialect, body(["a", "b", "c", "d"])) for _ in range(2)))
    asked = Asked(dialect, body(["e", "f", "g", "h"]))
    assert asked.written_by(edits) == asked.wire.body
    _CHANGES[name](asked.value)
    assert asked.written_by(edits) is None


@pytest.mark.parametrize(("dialect", "body"), BODIES)
def test_a_key_that_is_there_twice_needs_the_general_way(dialect: Dialect, body: Callable[..., dict[str, Any]]) -> None:
    edits = taught(*(Asked(dialect, body(["a", "b", "c", "d"])) for _ in range(2)))
    data = json.dumps(body(["e", "f", "g", 'h "'])).encode()
    for doubled in (
        data.replace(b'"messages"', b'"messages": [], "messages"'),
        data.replace(b'"role": "user"', b'"role": "secret", "role": "user"').replace(b'"secret"', b'"user"'),
        data.replace(b'"messages"', b'"messages": [], "messages"').replace(b'\\"', b"\\u0022"),
    ):
        assert doubled != data
        assert Asked(dialect, doubled).written_by(edits) is None


class Forgetful(OpenAIChat):
    """Does not write the tools."""

    def encode_request(self, request: LLMRequest, target: Target, losses: Losses) -> WireRequest:
        return super().encode_request(replace(request, tools=[]), target, losses)


def test_a_kind_with_words_that_the_dialect_does_not_write_is_not_kept() -> None:
    body = chat(["a", "b", "c", "d"])
    edits = taught(*(Asked(Forgetful(), body) for _ in range(2)))
    assert Asked(Forgetful(), body).written_by(edits) is None
