"""What each API takes, by its reference."""

from __future__ import annotations

import pytest

from llm_gateway_sdk.dialects.model_limits import ANY_MODEL, limits_of
from llm_gateway_sdk.dialects.receiver import CHAT, CONVERSE, GENERATE_CONTENT, MESSAGES, RESPONSES, Receiver


@pytest.mark.parametrize(
    ("receiver", "name", "taken"),
    [
        (CHAT, "a" * 64, True),
        (CHAT, "a" * 65, False),
        (CHAT, "fs.read", False),
        (CHAT, "", False),
        (CHAT, "name\n", False),
        (RESPONSES, "get-it_2", True),
        (MESSAGES, "a" * 128, True),
        (MESSAGES, "a" * 129, False),
        (MESSAGES, "fs:read", False),
        (CONVERSE, "a" * 65, False),
        (CONVERSE, "3d", True),
        (GENERATE_CONTENT, "fs.read:file", True),
        (GENERATE_CONTENT, "3d", False),
        (GENERATE_CONTENT, "_3d", True),
        (GENERATE_CONTENT, "größe", False),
    ],
)
def test_names_of_tools(receiver: Receiver, name: str, taken: bool) -> None:
    assert receiver.tool_names is not None
    assert receiver.tool_names.takes(name) is taken


@pytest.mark.parametrize(
    ("receiver", "identity", "taken"),
    [
        (CHAT, "c" * 40, True),
        (CHAT, "c" * 41, False),
        (RESPONSES, "c" * 64, True),
        (RESPONSES, "c" * 65, False),
        (MESSAGES, "c" * 300, True),
        (MESSAGES, "functions.get:0", False),
        (CONVERSE, "functions.get:0", True),
        (CONVERSE, "", False),
    ],
)
def test_ids_of_calls(receiver: Receiver, identity: str, taken: bool) -> None:
    assert receiver.call_ids is not None
    assert receiver.call_ids.takes(identity) is taken


def test_a_receiver_without_a_known_model_is_the_same_object() -> None:
    assert CHAT.of_model(ANY_MODEL) is CHAT
    assert MESSAGES.of_model(limits_of("claude-opus-4-8")).model.sampling == "none"


def test_an_old_claude_compares_no_labels() -> None:
    assert not MESSAGES.of_model(limits_of("claude-3-5-sonnet-20240620")).checked_labels
    assert MESSAGES.of_model(limits_of("claude-sonnet-4-5")).checked_labels
