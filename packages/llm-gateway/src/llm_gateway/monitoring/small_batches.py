"""Spans with long texts, sent in batches that are small enough.

The SDK sends 512 spans at once, whatever is in them. With the contents of requests that may be a hundred megabytes:
written by one call of the Protobuf library, which lets no other thread go on meanwhile, and refused by collectors, most
of which take 20 MiB.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .otel_extra import without_otel

try:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
except ImportError as missing:
    raise without_otel(missing) from None

__all__ = ["SmallBatches"]

_MOST_LETTERS = 1 << 20
"""Of the texts of a batch: some five milliseconds of writing."""


class SmallBatches(SpanExporter):
    """Hands spans on to `exporter`, at a time those that have at most `most` letters together; one may have more."""

    def __init__(self, exporter: SpanExporter, most: int = _MOST_LETTERS) -> None:
        self._exporter = exporter
        self._most = most

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Ends with the first batch that fails: a collector that is away would be waited for again and again."""
        for batch in self._batches(spans):
            result = self._exporter.export(batch)
            if result is not SpanExportResult.SUCCESS:
                return result
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)

    def _batches(self, spans: Sequence[ReadableSpan]) -> Iterator[Sequence[ReadableSpan]]:
        batch: list[ReadableSpan] = []
        letters = 0
        for span in spans:
            more = _letters_of(span)
            if batch and letters + more > self._most:
                yield batch
                batch, letters = [], 0
            batch.append(span)
            letters += more
        if batch:
            yield batch


def _letters_of(span: ReadableSpan) -> int:
    found = 0
    for value in (span.attributes or {}).values():
        if isinstance(value, str):
            found += len(value)
        elif isinstance(value, Sequence):
            found += sum(len(one) if isinstance(one, str) else 1 for one in value)
    return found
