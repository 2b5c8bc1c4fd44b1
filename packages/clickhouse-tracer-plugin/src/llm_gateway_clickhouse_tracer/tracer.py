"""Puts the pieces together: frames → writer → spool → sink, the last in its own process or in a thread."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from llm_gateway_sdk import RequestContext
from llm_gateway_sdk.wire import json

from .capture.frames import FrameTaker, decode_frame
from .counters import Counters
from .database.schema import open_database
from .prices import PriceTable
from .rare_warning import RareWarning
from .sending.rows import Recorder
from .sending.shipper import Shipper
from .sending.sink import Sink
from .settings import TracerSettings
from .spool.folder import DiskSpool, MemorySpool, SegmentLimits, Spool
from .spool.framing import Record, encode_record
from .spool.writer import Writer

__all__ = ["Tracer", "open_spool"]

logger = logging.getLogger(__name__)

SHUTDOWN_SECONDS: Final = 5.0


class Tracer:
    """One target table. `record` takes some ten microseconds, and longer for what is long: it may run in any thread.

    `config` is the plugin's configuration. The sink runs in its own process for a server, so that decoding,
    compressing and sending take nothing from this interpreter; in a thread for the embedded engine, which only its own
    process can read, and for a spool in memory.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.settings = settings = TracerSettings.load(config)
        self.counters = Counters()
        self._spool = open_spool(settings, self.counters)
        self._frames = FrameTaker(settings)
        self._recorder = Recorder(
            settings, PriceTable.load(settings.price_file, settings.price_overrides), self.counters
        )
        # Where a text must not be kept it must not wait on the disk either: the row is made at once.
        self._rows_at_once = "metadata" in (settings.capture.request, settings.capture.response)
        self._warn = RareWarning(logger)
        self._sender: Shipper | Sink
        if isinstance(self._spool, DiskSpool) and settings.clickhouse.embedded_path is None and sys.executable:
            self._sender = Shipper(config, self._spool.base, self._spool.folder, self.counters)
        else:
            self._sender = Sink(
                self._spool.segments,
                lambda: open_database(settings),
                self._recorder.rows,
                counters=self.counters,
                poll_seconds=settings.poll_seconds,
            )
        self._writer = Writer(
            self._spool,
            counters=self.counters,
            max_bytes=settings.spool.max_bytes,
            on_full=settings.spool.on_full,
            when_stuck=self._sender.hurry,
            tick_seconds=min(0.25, settings.flush_interval_seconds / 5),
        )

    def start(self) -> None:
        self._writer.start()
        self._sender.start()

    def record(self, ctx: RequestContext, acknowledged: Callable[[bool], None] | None = None) -> bool:
        """Takes a finished request; False where it is dropped. `acknowledged` is called from another thread when the
        record is in the spool, or given up."""
        return self._writer.submit(self._record(ctx), acknowledged)

    def _record(self, ctx: RequestContext) -> Record:
        try:
            record = self._frames.take(ctx)
            if self._rows_at_once:
                row = self._recorder.row(decode_frame(b"".join(record.pieces)))
                return encode_record(json.dumps({"row": row}))
            return record
        except Exception:  # any plugin or dialect may have left anything in the context
            self.counters.unreadable += 1
            self._warn("a trace is recorded without its bodies (request %s)", ctx.request_id, exc_info=True)
            return self._frames.take(ctx, with_bodies=False)

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
        self._sender.close(max(0.5, SHUTDOWN_SECONDS - (time.monotonic() - started)))
        if self._spool.segments.sealed():
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
            "traces are buffered only in memory and are lost if the process dies: %s cannot be written (%s); "
            "set spool.path",
            settings.spool_folder,
            error,
        )
        return MemorySpool(limits=limits)
