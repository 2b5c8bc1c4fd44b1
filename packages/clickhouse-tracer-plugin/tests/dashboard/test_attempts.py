"""The calls of one request: what their table shows."""

from __future__ import annotations

from typing import Any

import pytest
from llm_gateway_clickhouse_tracer.dashboard.attempts import attempts, attempts_of

from llm_gateway_sdk.wire.json import dumps_text

FAILED = {"model": "gpt", "target": "openai/gpt", "start_ms": 10, "end_ms": 60, "status": 503, "error": "overloaded"}
ANSWERED = {"model": "claude", "target": "anthropic/claude", "start_ms": 70, "first_token_ms": 100, "end_ms": 200}


def row(*made: dict[str, Any]) -> dict[str, Any]:
    return {"attempt_log": dumps_text(list(made))}


def test_each_attempt_has_its_times_and_its_outcome() -> None:
    shown = str(attempts(attempts_of(row(FAILED, ANSWERED))))

    assert [word in shown for word in ("10 ms", "60 ms", "503 overloaded", "100 ms", "anthropic/claude")] == [True] * 5


def test_short_times_have_a_digit_more() -> None:
    shown = str(attempts(attempts_of(row({"model": "m", "start_ms": 0.42, "first_token_ms": 0.81, "end_ms": 9.96}))))

    assert [word in shown for word in ("0.4 ms", "0.8 ms", "10.0 ms")] == [True] * 3


@pytest.mark.parametrize("log", ["", "[]", "{}", "[1]", "{broken", "null"])
def test_a_log_without_attempts_shows_nothing(log: str) -> None:
    assert attempts(attempts_of({"attempt_log": log})) is None
