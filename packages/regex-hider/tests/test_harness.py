"""The plugin on the SDK's own harness: every cut of a stream, interleaved streams, every kind of content."""

import pytest
from llm_gateway_regex_hider import RegexHider

from llm_gateway_sdk import TextPart, ThinkingPart
from llm_gateway_sdk.testing import PluginHarness, assert_stream_invariant, tool_call

SSN = {"patterns": [{"pattern": r"\b\d{3}-\d{2}-\d{4}\b", "replacement": "[SSN]"}]}
NUMBER = "123-45-6789"


def test_a_number_split_across_chunks_is_hidden_and_text_before_it_is_not_delayed():
    reply = PluginHarness(RegexHider, SSN).stream(["my ssn is 123-4", "5-6789", " ok"])

    assert reply.text == "my ssn is [SSN] ok"
    assert "123-4" not in reply.chunks[0].text


@pytest.mark.parametrize(
    "content",
    [
        f"my ssn is {NUMBER}, not {NUMBER[:-1]}",
        f"{NUMBER}",
        [ThinkingPart(f"they said {NUMBER}"), TextPart(f"it is {NUMBER}"), tool_call("file", {"ssn": NUMBER})],
    ],
)
def test_however_a_stream_is_cut_the_client_sees_the_redaction_of_the_whole(content):
    contents = [content] if isinstance(content, str) else [list(content)]
    assert_stream_invariant(RegexHider, SSN, contents, forbidden=[NUMBER, "45-6789"])


def test_blocking_patterns_end_every_cut_of_the_stream_alike():
    config = {"patterns": [{"pattern": "nightfall", "description": "code name", "blockOnMatch": True}]}

    assert_stream_invariant(RegexHider, config, "this is nightfall, you see", forbidden="nightfall")


def test_the_model_never_sees_what_is_hidden_from_it():
    reply = PluginHarness(RegexHider, SSN).ask(f"Mine is {NUMBER}.", reply=NUMBER)

    assert reply.requests[0].messages[0].text == "Mine is [SSN]."
    assert reply.text == "[SSN]"
