"""docs/losses.md says what the dialects do, and what they lose they tell."""

from __future__ import annotations

import pytest
from loss_features import DIALECTS, REPLIES, REQUESTS, dialects
from loss_table import PAGE, cross_reply, cross_request, page

PAIRS = [(sender, receiver) for sender in DIALECTS for receiver in DIALECTS if sender != receiver]
each_pair = pytest.mark.parametrize(("sender", "receiver"), PAIRS, ids=[f"{a} to {b}" for a, b in PAIRS])

pytestmark = pytest.mark.skipif(
    not {"gemini", "bedrock"} <= dialects().keys(), reason="the dialects gemini and bedrock are not installed"
)


def test_the_page_states_what_the_code_does() -> None:
    assert PAGE.read_text() == page(), "python tools/loss_table.py --write"


@each_pair
def test_what_a_request_loses_is_reported(sender: str, receiver: str) -> None:
    for _, features in REQUESTS:
        for feature in features:
            crossing = cross_request(sender, receiver, feature)
            assert crossing.outcome != "unreported", (feature.name, crossing.detail)


@each_pair
def test_what_a_reply_loses_is_reported(sender: str, receiver: str) -> None:
    for _, features in REPLIES:
        for feature in features:
            crossing = cross_reply(sender, receiver, feature)
            assert crossing.outcome != "unreported", (feature.name, crossing.detail)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_nothing_is_lost_within_one_api(dialect: str) -> None:
    for _, asked in REQUESTS:
        for feature in asked:
            outcome = cross_request(dialect, dialect, feature).outcome
            assert outcome in ("kept", ""), feature.name
    for _, replied in REPLIES:
        for reply in replied:
            outcome = cross_reply(dialect, dialect, reply).outcome
            assert outcome in ("kept", ""), reply.name


@each_pair
def test_the_essentials_cross_everywhere(sender: str, receiver: str) -> None:
    """Text, system prompt, images, tools, calls, their results, and thinking in replies."""
    names = {
        "system prompt", "several texts in one message", "image", "tool with schema", "tool call and result",
        "parallel calls", "image in a tool's result", "failed tool", "`max_tokens`",
    }  # fmt: skip
    for _, asked in REQUESTS:
        for feature in asked:
            if feature.name in names:
                assert cross_request(sender, receiver, feature).outcome in ("kept", "converted", ""), feature.name
    names = {"text", "tool call", "text and parallel calls", "thinking", "signed thinking", "input tokens"}
    for _, replied in REPLIES:
        for reply in replied:
            if reply.name in names:
                assert cross_reply(sender, receiver, reply).outcome in ("kept", ""), reply.name
