import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.wire.headers import bearer_or_key, translate_limits

NOW = 1_700_000_000.0


A, X = "anthropic-ratelimit-", "x-ratelimit-"


def translated(name, value, client):
    return translate_limits([(name, value)], client, now=NOW)


@pytest.mark.parametrize(
    ("name", "value", "client", "expected"),
    [
        ("retry-after", "7", "anthropic", [("retry-after", "7")]),
        ("retry-after", "Tue, 14 Nov 2023 22:13:30 GMT", "openai_chat", [("retry-after", "10")]),
        ("retry-after", "99999999", "openai_chat", [("retry-after", "2678400")]),
        ("retry-after", "inf", "openai_chat", []),
        ("retry-after-ms", "1500", "openai_chat", [("retry-after-ms", "1500")]),
        ("retry-after-ms", "inf", "openai_chat", []),
        ("x-should-retry", "false", "anthropic", [("x-should-retry", "false")]),
        (X + "limit-tokens", "100", "anthropic", [(A + "tokens-limit", "100")]),
        (X + "limit-tokens", "100", "openai_chat", [(X + "limit-tokens", "100")]),
        (X + "limit-tokens", "1e400", "openai_chat", []),
        (
            X + "reset-requests",
            "1m10s",
            "anthropic",
            [(A + "requests-reset", "2023-11-14T22:14:30Z")],
        ),
        (X + "reset-requests", "6m0s", "openai_chat", [(X + "reset-requests", "6m0s")]),
        (
            X + "reset-tokens",
            "300000000d",
            "anthropic",
            [(A + "tokens-reset", "2023-12-15T22:13:20Z")],
        ),
        (X + "reset-tokens", "300000000d", "openai_chat", [(X + "reset-tokens", "2678400s")]),
        (X + "reset-tokens", "never", "anthropic", []),
        (
            A + "tokens-reset",
            "2023-11-14T22:13:50Z",
            "openai_chat",
            [(X + "reset-tokens", "30s")],
        ),
        (
            A + "tokens-reset",
            "9999-12-31T23:59:59Z",
            "openai_chat",
            [(X + "reset-tokens", "2678400s")],
        ),
        (A + "input-tokens-limit", "5", "openai_chat", []),
        (A + "input-tokens-limit", "5", "anthropic", [(A + "input-tokens-limit", "5")]),
        ("location", "http://x", "anthropic", []),
    ],
)
def test_limits_in_the_clients_terms(name, value, client, expected):
    assert translated(name, value, client) == expected


NAMES = [
    "retry-after",
    "retry-after-ms",
    "x-should-retry",
    X + "limit-tokens",
    X + "reset-tokens",
    X + "remaining-requests",
    A + "requests-reset",
    A + "tokens-remaining",
]
VALUES = st.text(st.characters(max_codepoint=255), max_size=40) | st.from_regex(
    r"[+-]?[0-9.]{0,25}(e[0-9]{1,4})?(ms|s|m|h|d)?|\d{4,5}-\d\d-\d\dT\d\d:\d\d:\d\dZ", fullmatch=True
)


@given(st.sampled_from(NAMES), VALUES, st.sampled_from(["anthropic", "openai_chat", "gemini"]))
def test_no_value_raises_and_what_comes_out_is_well_formed(name, value, client):
    for _, written in translated(name, value, client):
        assert re.fullmatch(
            r"-?[\d.]+|true|false|(?:[\d.]+(?:ms|s|m|h|d))+|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", written.strip(), re.I
        )


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ([("authorization", "Bearer  k ")], "k"),
        ([("x-api-key", "k")], "k"),
        ([("api-key", "k")], "k"),
        ([("authorization", "Basic abc")], None),
        ([], None),
    ],
)
def test_the_callers_credential(headers, key):
    assert bearer_or_key(headers) == key
