import re
import time

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


@given(st.text("ab*", max_size=8), st.text("ab\n", max_size=12))
def test_the_same_as_a_regular_expression_with_any_text_for_a_star(pattern, text):
    expression = ".*".join(map(re.escape, pattern.split("*")))

    assert matches_wildcard(text, pattern) is (re.fullmatch(expression, text, re.DOTALL) is not None)


@pytest.mark.parametrize("pattern", ["*a*a*a*a*a*b", "*ab*ab*ab*c", "a*" * 50 + "b"], ids=["letters", "pairs", "many"])
def test_no_pattern_takes_longer_than_the_text_is_long(pattern):
    began = time.process_time()

    assert not matches_wildcard("a" * 1_000_000, pattern)

    assert time.process_time() - began < 1
