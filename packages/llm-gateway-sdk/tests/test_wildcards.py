import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway_sdk.wildcards import matches_wildcard


@pytest.mark.parametrize(
    ("text", "pattern", "matches"),
    [
        ("claude-sonnet-4-5[1m]", "claude-*[1m]", True),
        ("claude-sonnet-4-51", "claude-*[1m]", False),
        ("whatX", "what?", False),
        ("what?", "what?", True),
        ("anything", "*", True),
        ("", "*", True),
        ("a\nb", "a*b", True),
        ("gpt-4o", "gpt-4.*", False),
        ("GPT-4", "gpt-*", False),
        ("a.b.c", "a**c", True),
    ],
)
def test_only_the_star_is_special(text, pattern, matches):
    assert matches_wildcard(text, pattern) is matches


@given(st.text(max_size=30))
def test_a_text_without_a_star_matches_itself_alone(text):
    if "*" not in text:
        assert matches_wildcard(text, text)
        assert not matches_wildcard(text + "x", text)
