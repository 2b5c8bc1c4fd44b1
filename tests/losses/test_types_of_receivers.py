"""What is sent is of the receiver's own types, whichever API it comes from.

Every field of the vendors' request types is set once and sent to every other dialect: the body that the provider gets
is valid by the types of the provider's SDK. Likewise replies, whole and event by event, by those that clients read.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from field_crossing import SENDERS, cross, fields_of, tree_of
from planted_replies import event_tree_of, reply_tree_of
from reply_crossing import cross_reply, reply_fields_of
from sdk_types import Node
from type_check import violations

from llm_gateway_sdk import DialectError

for _sdk in ("openai", "anthropic", "google.genai", "botocore"):
    pytest.importorskip(_sdk)

PAIRS = [(sender, receiver) for sender in SENDERS for receiver in SENDERS if sender != receiver]
each_pair = pytest.mark.parametrize(("sender", "receiver"), PAIRS, ids=[f"{a} to {b}" for a, b in PAIRS])

OUTSIDE_THE_TYPES = {
    # Models before Claude 4.7 take them; the types are those of the newest.
    ("anthropic", ".temperature: unknown"),
    ("anthropic", ".top_p: unknown"),
    ("anthropic", ".top_k: unknown"),
    # Vertex AI has it in its own types.
    ("gemini", ".serviceTier: unknown"),
    # A refusal of an earlier turn, which the API takes without the id that its types want.
    ("openai_responses", ".input: list, not text"),
    # The request repeats its `store` (API reference).
    ("openai_responses", ".store: unknown"),
    ("openai_responses", ".name: unknown"),
    # What compatible servers and OpenRouter add, which clients of theirs read.
    ("openai_chat", ".reasoning_content: unknown"),
    ("openai_chat", ".thinking_blocks: unknown"),
    ("openai_chat", ".images: unknown"),
    ("openai_chat", ".annotations: unknown"),
    ("openai_chat", ".url_citation.content: unknown"),
    # A call of a custom tool in a stream, as the API sends it.
    ("openai_chat", ".tool_calls[*].custom: unknown"),
    ("openai_chat", ".tool_calls[*].type: 'custom' is not one of ('function',)"),
}
"""Ends of what the types do not have and the APIs do."""

_SCHEMA = re.compile(r"\.input_schema\.")
"""The keys of a JSON Schema are not those of its type, which names some of them."""


def unexplained(receiver: str, found: list[str]) -> Iterator[str]:
    for each in found:
        known = any(name == receiver and each.endswith(end) for name, end in OUTSIDE_THE_TYPES)
        if not known and not _SCHEMA.search(each):
            yield each


@each_pair
def test_a_request_is_of_the_providers_types(sender: str, receiver: str) -> None:
    wrong: dict[str, str] = {}
    seen = 0
    for field in fields_of(sender):
        try:
            body, _ = cross(sender, receiver, field.present)
        except DialectError:
            continue
        seen += 1
        wrong |= dict.fromkeys(unexplained(receiver, violations(tree_of(receiver), body)), field.path)

    assert not wrong
    assert seen > 20


@each_pair
def test_a_reply_is_of_the_clients_types(sender: str, receiver: str) -> None:
    wrong: dict[str, str] = {}
    seen = 0
    for field in reply_fields_of(sender, exceptions=True):
        for body, node in _replies(sender, receiver, field.present):
            seen += 1
            wrong |= dict.fromkeys(unexplained(receiver, violations(node, body)), field.path)

    assert not wrong
    assert seen > 20


def _replies(sender: str, receiver: str, body: dict[str, Any]) -> Iterator[tuple[Any, Node]]:
    """The reply, and where it is read as text the events of it as a stream, each with its type."""
    try:
        whole, _ = cross_reply(sender, receiver, body)
    except DialectError:
        return
    yield whole, _reply(receiver)
    if receiver == "bedrock":
        return
    stream, _ = cross_reply(sender, receiver, body, stream=True)
    for line in stream.decode().splitlines():
        if line.startswith("data: ") and line != "data: [DONE]":
            yield json.loads(line[6:]), _event(receiver)


@cache
def _reply(receiver: str) -> Node:
    return reply_tree_of(receiver)


@cache
def _event(receiver: str) -> Node:
    return event_tree_of(receiver)


def test_a_body_that_is_not_of_its_type_is_found() -> None:
    body: dict[str, Any] = {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}, {"role": "tool", "content": "x"}],
        "reasoning_effort": "some",
        "temperature": "0.5",
        "nothing": 1,
    }

    found = violations(tree_of("openai_chat"), body)

    assert len(found) == 4
    assert any(each.startswith(".messages[*].tool_call_id") for each in found)


@each_pair
def test_several_fields_at_once_are_of_the_providers_types(sender: str, receiver: str) -> None:
    chance, fields = random.Random(f"{sender} {receiver}"), list(fields_of(sender))
    wrong: dict[str, list[str]] = {}
    sent = 0
    for _ in range(60):
        chosen = chance.sample(fields, chance.randint(2, 6))
        body: dict[str, Any] = {}
        for field in chosen:
            for key, value in field.present.items():
                held = body.get(key)
                if isinstance(held, list) and isinstance(value, list):
                    body[key] = [*held, *value]
                elif isinstance(held, dict) and isinstance(value, dict):
                    body[key] = {**held, **value}
                else:
                    body[key] = value
        try:
            written, _ = cross(sender, receiver, body)
        except DialectError:
            continue
        sent += 1
        found = unexplained(receiver, violations(tree_of(receiver), written))
        wrong |= {key_0: [field.path for field in chosen] for key_0 in found}

    assert not wrong
    assert sent > 5
