"""The calls of one request: what the table and the picture show."""

from __future__ import annotations

from typing import Any

import pytest
from llm_gateway_clickhouse_tracer.dashboard.attempts import attempts

from llm_gateway_sdk.wire.json import dumps_text

FAILED = {"model": "gpt", "target": "openai/gpt", "start_ms": 10, "end_ms": 60, "status": 503, "error": "overloaded"}
ANSWERED = {"model": "claude", "target": "anthropic/claude", "start_ms": 70, "first_token_ms": 100, "end_ms": 200}


def row(*made: dict[str, Any], duration_us: int = 200_000) -> dict[str, Any]:
    return {"attempt_log": dumps_text(list(made)), "duration_us": duration_us}


def test_each_attempt_has_its_times_and_its_outcome() -> None:
    shown = str(attempts(row(FAILED, ANSWERED)))

    assert [word in shown for word in ("10 ms", "60 ms", "503 overloaded", "100 ms", "anthropic/claude")] == [True] * 5


def test_short_times_are_distinguished() -> None:
    shown = str(attempts(row({"model": "m", "start_ms": 0.42, "first_token_ms": 0.81, "end_ms": 9.96})))

    assert [word in shown for word in ("0.4 ms", "0.8 ms", "10.0 ms")] == [True] * 3


def test_the_picture_divides_an_attempt_at_its_first_token() -> None:
    shown = str(attempts(row(FAILED, ANSWERED)))

    assert "claude: 30 ms to the first token" in shown
    assert "claude: 100 ms of stream" in shown
    assert 'x="5.00%"' in shown
    assert 'width="25.00%"' in shown
    assert shown.count("fill-errors") == 1


def test_an_attempt_without_an_end_lasts_as_long_as_the_request() -> None:
    assert "gpt: 190 ms" in str(attempts(row({"model": "gpt", "start_ms": 10})))


def test_a_request_without_a_duration_has_a_table_alone() -> None:
    shown = str(attempts(row(ANSWERED, duration_us=0)))

    assert "<svg" not in shown
    assert "anthropic/claude" in shown


@pytest.mark.parametrize("log", ["", "[]", "{}", "[1]", "{broken", "null"])
def test_a_log_without_attempts_shows_nothing(log: str) -> None:
    assert attempts({"attempt_log": log, "duration_us": 1}) is None
