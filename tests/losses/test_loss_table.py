"""docs/losses.md matches the dialects, and what they lose they report."""

from __future__ import annotations

import pytest
from field_losses import field_rows, reply_field_rows, sdk_versions
from loss_features import DIALECTS, REPLIES, REQUESTS, dialects
from loss_table import PAGE, cross_reply, cross_request, page

for _sdk in ("openai", "anthropic", "google.genai", "botocore"):
    pytest.importorskip(_sdk)

PAIRS = [(sender, receiver) for sender in DIALECTS for receiver in DIALECTS if sender != receiver]
each_pair = pytest.mark.parametrize(("sender", "receiver"), PAIRS, ids=[f"{a} to {b}" for a, b in PAIRS])

pytestmark = pytest.mark.skipif(
    not {"gemini", "bedrock"} <= dialects().keys(), reason="the dialects gemini and bedrock are not installed"
)


def test_the_page_states_what_the_code_does() -> None:
    """The vendors' types are as of the versions that the page names; of other versions, the fields known by both."""
    written, fresh = PAGE.read_text(), page()
    if sdk_versions() not in written:
        listed, found = _field_rows(written), _field_rows(fresh)
        known = listed.keys() & found.keys()
        assert len(known) > 300
        assert {row: listed[row] for row in known} == {row: found[row] for row in known}
        written, fresh = _features(written), _features(fresh)
    assert written == fresh, "python tools/loss_table.py --write"


def _features(text: str) -> str:
    return text.partition("## Every field")[0]


def _field_rows(text: str) -> dict[tuple[str, str], str]:
    """Outcomes by section and field."""
    section, rows = "", {}
    for line in text.partition("## Every field")[2].splitlines():
        if line.startswith("### "):
            section = line
        elif line.startswith("| `"):
            field, _, outcomes = line[2:].partition(" | ")
            rows[section, field] = outcomes
    return rows


@pytest.mark.parametrize("sender", DIALECTS)
def test_no_field_is_lost_unreported(sender: str) -> None:
    rows = [*field_rows(sender), *reply_field_rows(sender)]

    assert [field for field, outcomes in rows if "lost" in outcomes] == []
    assert {outcome for _, outcomes in rows for outcome in outcomes} >= {"kept", "dropped"}


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
