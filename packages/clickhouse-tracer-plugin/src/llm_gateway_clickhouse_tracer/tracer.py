"""Puts the pieces together: recorder → writer → spool → sink → ClickHouse."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from llm_gateway_sdk import RequestContext

from .client import Database, connect
from .counters import Counters
from .prices import PriceTable
from .record import Recorder
from .schema import ensure_table
from .settings import TracerSettings
from .sink import Sink
from .spool import DiskSpool, MemorySpool, SegmentLimits, Spool
from .writer import Writer

__all__ = ["Tracer", "open_database", "open_spool"]

logger = logging.getLogger(__name__)

SHUTDOWN_SECONDS: Final = 5.0


class Tracer:
    """One target table. `record` may be called from any thread and costs a few microseconds."""

    def __init__(self, settings: TracerSettings) -> None:
        self.settings = settings
        self.counters = Counters()
        self._spool = open_spool(settings, self.counters)
        recorder = Recorder(settings, PriceTable.load(settings.price_file, settings.price_overrides), self.counters)
        self._writer: Writer[RequestContext] = Writer(
            self._spool,
            recorder.line,
            counters=self.counters,
            max_bytes=settings.spool.max_bytes,
            on_full=settings.spool.on_full,
            when_stuck=lambda: self._sink.hurry(),
        )
        self._sink = Sink(
            self._spool,
            lambda: open_database(settings),
            counters=self.counters,
            poll_seconds=min(0.1, settings.flush_interval_seconds / 10),
        )

    def start(self) -> None:
        self._writer.start()
        self._sink.start()

    def record(self, ctx: RequestContext, acknowledged: Callable[[bool], None] | None = None) -> bool:
        """Takes a finished request. `acknowledged` is called from another thread when the record is in the spool."""
        return self._writer.submit(ctx, acknowledged)

    @property
    def crowded(self) -> bool:
        return self._writer.crowded

    def figures(self) -> dict[str, float]:
        return {
            **self.counters.snapshot(),
            "spool_bytes": self._spool.size,
            "oldest_seconds": self._spool.oldest_age_seconds,
        }

    async def aclose(self) -> None:
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        """Writes what is queued and sends what it can within a deadline; what is left stays in the spool."""
        started = time.monotonic()
        self._writer.close(SHUTDOWN_SECONDS / 2)
        self._spool.seal()
        if not self._sink.close(max(0.5, SHUTDOWN_SECONDS - (time.monotonic() - started))):
            logger.warning("%d bytes of traces stay in the spool and are sent after the next start", self._spool.size)
        self._spool.close()


def open_spool(settings: TracerSettings, counters: Counters) -> Spool:
    """The spool of these settings; in memory where they say so, or where no folder can be written."""
    limits = SegmentLimits(rows=settings.batch_size, age_seconds=settings.flush_interval_seconds * 0.7)
    if settings.spool.durability == "memory":
        return MemorySpool(limits=limits)
    try:
        return DiskSpool(
            settings.spool_folder,
            limits=limits,
            counters=counters,
            sync_each_append=settings.spool.durability == "power",
        )
    except OSError as error:
        if settings.spool.durability == "power" or settings.spool.path is not None:
            raise
        logger.warning(
            "traces wait in memory only and are lost if the process dies: %s cannot be written (%s); set spool.path",
            settings.spool_folder,
            error,
        )
        return MemorySpool(limits=limits)


def open_database(settings: TracerSettings) -> Database:
    """Connects and brings the table into shape. Raises DatabaseFailure."""
    database = connect(settings.clickhouse)
    ensure_table(database, settings.clickhouse.table, settings.retention_days)
    return database
