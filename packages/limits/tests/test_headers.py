"""Limits in the words of each API."""

from __future__ import annotations

from typing import Any

import pytest
from llm_gateway_limits.headers import LimitState, limit_headers
from llm_gateway_limits.rules import compile_rules


def shown(remaining: int, resets: float | None, **limit: Any) -> LimitState:
    (rule,) = compile_rules([{"name": 'a "b"', "requests": 100, "window": "1m", **limit}])
    return LimitState(rule, 100, remaining, resets)


def test_of_several_limits_the_tightest_is_shown() -> None:
    headers = limit_headers([shown(90, 6), shown(5, 57), shown(50, 30)], "openai_chat", 0)

    assert headers["x-ratelimit-remaining-requests"] == "5"
    assert headers["ratelimit"] == '"a \\"b\\"";r=5;t=57'
    assert headers["x-llm-gateway-limit-warning"] == '"a \\"b\\"";used=95'


@pytest.mark.parametrize(("seconds", "text"), [(0.02, "20ms"), (1, "1s"), (360, "6m0s"), (3602, "1h0m2s")])
def test_resets_are_written_as_openai_does(seconds: float, text: str) -> None:
    assert limit_headers([shown(90, seconds)], "openai_chat", 0)["x-ratelimit-reset-requests"] == text


def test_resets_are_times_for_anthropic_and_left_out_where_there_is_none() -> None:
    assert limit_headers([shown(9, 6)], "anthropic", 0)["anthropic-ratelimit-requests-reset"] == "1970-01-01T00:00:06Z"
    assert "anthropic-ratelimit-requests-reset" not in limit_headers([shown(9, None)], "anthropic", 0)


def test_shadow_limits_are_not_shown() -> None:
    assert limit_headers([shown(9, 6, mode="shadow")], "anthropic", 0) == {}
