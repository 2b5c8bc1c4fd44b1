"""What the tracer counts about itself."""

from __future__ import annotations

import pytest
from llm_gateway_clickhouse_tracer.counters import Counters


def test_a_snapshot_has_every_figure_and_does_not_change() -> None:
    counters = Counters()
    before = counters.snapshot()
    counters.sent += 3

    assert set(before.values()) == {0}
    assert before["sent"] == 0
    assert counters.snapshot() == {**before, "sent": 3}


def test_a_misspelt_counter_is_an_error() -> None:
    with pytest.raises(AttributeError):
        Counters().snet = 1  # type: ignore[attr-defined]
