"""Spans are sent in batches by the length of their texts."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from llm_gateway.monitoring.small_batches import SmallBatches


class Collector(SpanExporter):
    def __init__(self, fails_at: int = -1) -> None:
        self.batches: list[list[ReadableSpan]] = []
        self.calls: list[str] = []
        self._fails_at = fails_at

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.batches.append(list(spans))
        failed = len(self.batches) - 1 == self._fails_at
        return SpanExportResult.FAILURE if failed else SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        self.calls.append("shutdown")

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        self.calls.append(f"flush {timeout_millis}")
        return True


def spans(*sizes: int) -> list[ReadableSpan]:
    return [ReadableSpan(str(size), attributes={"text": "x" * size, "count": 3}) for size in sizes]


@given(st.lists(st.integers(0, 150), max_size=30))
def test_no_batch_has_more_letters_than_allowed_and_none_is_lost(sizes: list[int]) -> None:
    collector = Collector()
    sent = spans(*sizes)

    assert SmallBatches(collector, most=100).export(sent) is SpanExportResult.SUCCESS

    assert [span for batch in collector.batches for span in batch] == sent
    for batch in collector.batches:
        assert len(batch) == 1 or sum(int(span.name) for span in batch) <= 100


def test_lists_of_texts_count_too() -> None:
    collector = Collector()
    many = [ReadableSpan("s", attributes={"losses": ["x" * 30] * 3, "numbers": [1, 2]}) for _ in range(2)]

    SmallBatches(collector, most=100).export(many)

    assert len(collector.batches) == 2


@pytest.mark.parametrize("at", [0, 1])
def test_a_batch_that_fails_is_the_last(at: int) -> None:
    collector = Collector(fails_at=at)

    assert SmallBatches(collector, most=100).export(spans(90, 90, 90)) is SpanExportResult.FAILURE
    assert len(collector.batches) == at + 1


def test_the_end_is_that_of_the_exporter() -> None:
    collector = Collector()
    batches = SmallBatches(collector)

    assert batches.force_flush(5)
    batches.shutdown()

    assert collector.calls == ["flush 5", "shutdown"]
