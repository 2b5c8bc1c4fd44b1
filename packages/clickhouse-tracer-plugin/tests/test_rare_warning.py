"""A fault that comes with every record fills no log."""

from __future__ import annotations

import logging

import pytest
from llm_gateway_clickhouse_tracer.rare_warning import RareWarning

logger = logging.getLogger("llm_gateway_clickhouse_tracer.test")


def test_one_line_a_minute_the_first_at_once(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    warn = RareWarning(logger, lambda: now[0])

    for second in range(0, 125, 5):
        now[0] = float(second)
        warn("record %d is lost", second)

    assert caplog.messages == ["record 0 is lost", "record 60 is lost", "record 120 is lost"]


def test_the_cause_is_logged_where_it_is_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise ValueError("cut short")
    except ValueError:
        RareWarning(logger)("a record can't be read", exc_info=True)

    assert "ValueError: cut short" in caplog.text
