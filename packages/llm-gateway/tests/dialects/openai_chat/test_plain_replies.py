"""Replies that are one text are read as any others."""

from __future__ import annotations

import json
from typing import Any

import pytest
from chat_wire import mint
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.dialects.openai_chat import OpenAIChat
from llm_gateway.dialects.openai_chat.plain_replies import has_no_other_words, read_plain_reply
from llm_gateway.dialects.openai_chat.response import decode_response
from llm_gateway_sdk import DialectError, Headers, LLMResponse, WireReply

_ODD = st.sampled_from([None, 0, 1.5, -1, True, "", "word", [], {}, ["word"], {"word": "word"}, {"word": 1}])
_TEXTS = st.sampled_from(["a", 'a "quote"', "ü", "\n", ""])
_USAGE = st.fixed_dictionaries(
    {"prompt_tokens": st.sampled_from([3, 0, -1]), "completion_tokens": st.just(2)},
    optional={
        "total_tokens": st.sampled_from([5, 9]),
        "prompt_tokens_details": st.sampled_from([None, {"cached_tokens": 2}, {"cached_tokens": None, "new": 1}]),
        "completion_tokens_details": st.sampled_from([{"reasoning_tokens": 4}, {"word": 1}]),
        "word": _ODD,
    },
)


def plain(**changed: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": "An answer.", "refusal": None, "annotations": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return {
        "id": "c-1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}, "system_fingerprint": "fp", **changed,
    }  # fmt: skip


@st.composite
def _replies(draw: st.DrawFn) -> dict[str, Any]:
    reply = plain(usage=draw(_USAGE))
    choice = reply["choices"][0]
    choice["message"]["content"] = draw(_TEXTS)
    for holder in (reply, choice, choice["message"]):
        names = st.sampled_from([*holder, "service_tier", "tool_calls", "word"])
        for name in draw(st.lists(names, max_size=2)):
            if draw(st.booleans()):
                holder.pop(name, None)
            else:
                holder[name] = draw(_ODD)
    return reply


def _wire(reply: dict[str, Any]) -> WireReply:
    return WireReply(200, Headers(), json.dumps(reply).encode())


def _generally(wire: WireReply) -> LLMResponse | None:
    try:
        return decode_response(wire, mint())
    except DialectError:
        return None


@given(_replies())
def test_a_reply_is_read_as_by_the_general_way(reply: dict[str, Any]) -> None:
    wire = _wire(reply)
    read = read_plain_reply(wire.body)
    general = _generally(wire)
    assert read is None or read == general
    if read is not None and general is not None and read.usage is not None and general.usage is not None:
        assert repr(read.usage) == repr(general.usage)  # what only prices depend on is not compared


def _strings(value: Any) -> set[str]:
    if isinstance(value, dict):
        return {text for each in value.values() for text in _strings(each)}
    if isinstance(value, list | tuple):
        return {text for each in value for text in _strings(each)}
    return {value} if isinstance(value, str) else set()


@given(_replies())
def test_each_word_of_such_a_reply_is_in_the_canonical_form(reply: dict[str, Any]) -> None:
    wire = _wire(reply)
    if has_no_other_words(wire.body):
        read = OpenAIChat().decode_response(wire, mint())
        assert _strings(reply) - {"", "chat.completion", "assistant"} <= _strings(json.loads(_written(read)))


def _written(response: LLMResponse) -> bytes:
    import msgspec

    return msgspec.json.encode(response)


def test_the_replies_of_openai_are_read_so() -> None:
    wire = _wire(plain(service_tier="default"))
    assert read_plain_reply(wire.body) is not None
    assert has_no_other_words(wire.body)


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(plain()).replace('"id"', '"id": "secret", "id"'),
        json.dumps(plain()).replace('"content"', '"content": "secret", "content"'),
        json.dumps(plain()).replace('"id"', '"id": "\\u0022\\u0022\\u0022\\u0022", "id"'),
        json.dumps(plain(word="secret")),
    ],
)
def test_words_that_are_not_read_are_noticed(body: str) -> None:
    assert not has_no_other_words(body.encode())
