"""The short way for plain requests gives what the general way gives, for each client's dialect and each provider's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_gateway.dialects.anthropic import Anthropic
from llm_gateway.dialects.openai_chat import OpenAIChat
from llm_gateway_sdk import Dialect, DialectError, Headers, Losses, Target, WireRequest

CHAT, MESSAGES = OpenAIChat(), Anthropic()
TARGETS = {
    "openai_chat": [Target("gpt-4o-mini", "openai"), Target("o4-mini", "openai"), Target("m", "x", quirks={
        "max_tokens_field": "max_tokens", "system_turns": "first", "no_developer_role": True, "max_stop": 1,
        "no_user_after_tool": True, "string_content": True, "tool_name_length": 8,
    })],
    "anthropic": [Target("claude-sonnet-4-5", "anthropic"), Target("claude-opus-4-7", "anthropic"), Target("m", "x")],
}  # fmt: skip

_TEXTS = st.sampled_from(["a", "b c", 'é\n"\\u" \x7f', "two words", "", " ", "\n", "a ", "\ud83d"])
_SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
_OPTIONS: dict[str, Any] = {
    "model": ["m", "gpt-4o-mini"], "max_tokens": [5, 5.0, None, 10**9, "x"], "temperature": [0, 0.7, 1, 1.0, 2, None],
    "top_p": [0.5, 1], "stream": [True, False, None], "x": [None, 1],
}  # fmt: skip
_FURTHER: dict[str, dict[str, Any]] = {
    "openai_chat": {
        "max_completion_tokens": [7], "stop": ["x", ["x", " "], []], "stream_options": [{"include_usage": True}, {}],
        "tools": [[{"type": "function", "function": {"name": name, "parameters": _SCHEMA}}] for name in ("f", "a.b/c")],
        "tool_choice": ["auto", "required", {"type": "function", "function": {"name": "f"}}],
        "user": ["u", "a@b.example"],
    },
    "anthropic": {
        "system": ["be brief", "", " ", None, [{"type": "text", "text": "be brief"}]], "top_k": [3],
        "stop_sequences": [["x"], ["x", "y"]], "tool_choice": [{"type": "any"}, {"type": "auto"}],
        "tools": [[{"name": name, "input_schema": schema}] for name, schema in (("f", _SCHEMA), ("a.b", {}))],
        "metadata": [{"user_id": "u"}, {"other": 1}], "service_tier": ["auto"],
    },
}  # fmt: skip


def _bodies(client: str) -> st.SearchStrategy[dict[str, Any]]:
    roles = st.sampled_from(["user", "assistant"] * 4 + ["system", "developer"])
    message = st.fixed_dictionaries({"role": roles, "content": _TEXTS | st.just([{"type": "text", "text": "t"}])})
    talk = st.lists(_TEXTS, min_size=1, max_size=5).map(
        lambda texts: [
            {"role": "assistant" if place % 2 else "user", "content": text} for place, text in enumerate(texts)
        ]
    )
    led = talk.map(lambda turns: [{"role": "system", "content": "be brief"}, *turns])
    messages = talk | led | st.lists(message, max_size=4)
    options = {name: st.sampled_from(values) for name, values in sorted({**_OPTIONS, **_FURTHER[client]}.items())}
    return st.fixed_dictionaries({"messages": messages}, optional=options)


def general(client: Dialect, provider: Dialect, wire: WireRequest, target: Target) -> Any:
    losses = Losses("request", client.field_names, wire.body)
    try:
        request, echo = client.decode_request(wire)
        if not echo.is_bare:
            client.check_portable(request, losses)
        written = provider.translate(request, target, losses, client.name, is_bare=echo.is_bare)
    except (DialectError, ValueError) as error:
        return str(error), None, None, []
    return None, written, echo, list(losses)


PAIRS = [(CHAT, MESSAGES), (MESSAGES, CHAT)]


@pytest.mark.parametrize(("client", "provider"), PAIRS, ids=[f"{c.name}-{p.name}" for c, p in PAIRS])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_what_is_kept_of_one_request_writes_another_as_the_general_way_does(
    client: Dialect, provider: Dialect, data: st.DataObject
) -> None:
    body = data.draw(_bodies(client.name))
    target = data.draw(st.sampled_from(TARGETS[provider.name]))
    target.memo.pop("plain frames", None)
    headers = Headers([("anthropic-version", "2023-06-01")])

    def read(body: dict[str, Any]) -> WireRequest:
        return WireRequest("POST", "/", "", headers, json.dumps(body).encode())

    streaming = bool(body.get("stream"))
    first = read({**body, "messages": [{"role": "user", "content": "another text"}]})
    led = [{"role": "system", "content": "another"}, {"role": "user", "content": "another text"}]
    for learned in (first, read({**body, "messages": led}), read(body)):
        plain = client.read_plain(learned)
        problem, written, echo, losses = general(client, provider, learned, target)
        if plain is not None and problem is None and echo.is_bare and not losses:
            provider.learn_plain(plain, target, client.name, written, echo, streaming=streaming)

    wire = read(body)
    problem, written, echo, losses = general(client, provider, wire, target)
    plain = client.read_plain(wire)
    short = plain and provider.translate_plain(plain, target, client.name, streaming=streaming)

    if short:
        assert problem is None
        assert losses == []
        assert (short[0].method, short[0].path, short[0].query) == (written.method, written.path, written.query)
        assert short[0].headers == written.headers
        assert json.loads(short[0].body) == json.loads(written.body)
        assert short[1] == echo
        assert type(short[1]) is type(echo)


@pytest.mark.parametrize(("client", "provider"), PAIRS, ids=[f"{c.name}-{p.name}" for c, p in PAIRS])
def test_an_ordinary_conversation_goes_the_short_way(client: Dialect, provider: Dialect) -> None:
    target = Target("claude-sonnet-4-5" if provider is MESSAGES else "gpt-4o-mini")
    tools = {name: values["tools"][0] for name, values in _FURTHER.items()}[client.name]
    headers = Headers([("anthropic-version", "2023-06-01")])
    answers = []
    for text in ("one", "two"):
        body = {"model": "m", "max_tokens": 9, "tools": tools, "messages": [{"role": "user", "content": text}]}
        wire = WireRequest("POST", "/", "", headers, json.dumps(body).encode())
        plain = client.read_plain(wire)
        assert plain is not None
        answers.append(provider.translate_plain(plain, target, client.name, streaming=False))
        _, written, echo, _ = general(client, provider, wire, target)
        provider.learn_plain(plain, target, client.name, written, echo, streaming=False)

    assert answers[0] is None
    assert answers[1] is not None
    assert b'"two"' in answers[1][0].body
