"""What watches the exchanges is what the configuration asks for, and nothing else is imported."""

from __future__ import annotations

import pytest

from llm_gateway.loading import load_text
from llm_gateway.monitoring.failure_log import FailureLog
from llm_gateway.server.observers import make_observers

MODEL = "models: [{name: m, isDefault: true, provider: {type: echo}}]\n"


@pytest.mark.parametrize(
    ("text", "with_metrics"),
    [
        ("monitoring: {enabled: true, metrics: {enabled: true}}", True),
        ("monitoring: {enabled: true, metrics: {enabled: false}}", False),
        ("monitoring: {enabled: false, metrics: {enabled: true}}", False),
    ],
)
def test_metrics_are_made_where_they_are_enabled(text: str, with_metrics: bool) -> None:
    observers, metrics = make_observers(load_text(MODEL + text, environ={}))
    try:
        assert (metrics is not None) is with_metrics
        assert (metrics in observers) is with_metrics
        assert [type(observer) for observer in observers if observer is not metrics] == [FailureLog]
    finally:
        if metrics is not None:
            metrics.close()
