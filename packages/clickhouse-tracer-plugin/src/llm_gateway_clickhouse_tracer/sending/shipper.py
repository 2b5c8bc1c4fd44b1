"""Sending in its own process, so that turning frames into rows takes nothing from the gateway's interpreter.

The process reads one line of JSON from its standard input (`config`, `base`, `folder`, `urgent`), then commands:
`hurry`, `close SECONDS`. The end of the input is the end of the gateway: then it leaves at once, and what is left is
adopted by the next one. It writes its counters and its log to standard output, one JSON line each.

With `spool.sending: idle` (the default) it takes only the time that nothing else on the machine wants. Where it has
waited for that too long, it ends with the status 75 and is started again as an ordinary process, for a quarter of an
hour: without privileges a thread can't take back that it gives way to all others.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any, Final

from llm_gateway_sdk.wire import json

from ..counters import Counters
from ..database.schema import open_database
from ..prices import PriceTable
from ..settings import TracerSettings
from ..spool.segments import SegmentFolder
from .rows import Recorder
from .sink import Sink

__all__ = ["Shipper", "main"]

logger = logging.getLogger(__name__)

_PROGRAM: Final = "from llm_gateway_clickhouse_tracer.sending.shipper import main; main()"
_REPORT_SECONDS: Final = 1.0
_RESTART_SECONDS: Final = 1.0
_NICENESS: Final = 10
"""Where all cores are busy serving goes before sending; the spool holds what waits."""

_STARVED: Final = 75
_LEAST_PATIENCE_SECONDS: Final = 30.0
_PRESSED_PATIENCE_SECONDS: Final = 1.0
"""Where the spool has no room, and only sending makes some."""
_URGENT_SECONDS: Final = 900.0

_COUNTED_HERE: Final = ("sent", "dead", "retries", "unreadable", "adopted_segments", "torn")


class Shipper:
    """The gateway's hold on the process: starts it, starts it again if it dies, and reads its lines."""

    def __init__(self, config: Any, base: Path, folder: Path, counters: Counters) -> None:
        self._order = {"config": config, "base": str(base), "folder": str(folder)}
        self._urgent_until = -math.inf
        self._counters = counters
        self._before = counters.snapshot()
        self._process: subprocess.Popen[bytes] | None = None
        self._closing = False
        self._mutex = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="clickhouse-tracer-shipper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def hurry(self) -> None:
        self._say(b"hurry\n")

    def close(self, timeout_seconds: float) -> None:
        self._closing = True
        self._say(b"close %f\n" % timeout_seconds)
        self._thread.join(timeout_seconds + 2.0)
        with self._mutex:
            if self._process is not None and self._process.poll() is None:
                self._process.kill()

    def _run(self) -> None:
        while not self._closing:
            self._before = self._counters.snapshot()
            with self._mutex:
                # Safe to stop at any moment: what it had not finished is in the spool.
                self._process = process = subprocess.Popen(
                    [sys.executable, "-c", _PROGRAM],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            self._say(json.dumps({**self._order, "urgent": time.monotonic() < self._urgent_until}) + b"\n")
            assert process.stdout is not None
            for line in process.stdout:
                self._hear(line)
            process.wait()
            self._end(process)
            if process.returncode == _STARVED:
                self._urgent_until = time.monotonic() + _URGENT_SECONDS
                logger.warning("this machine has no idle time for sending traces; they are now sent at normal priority")
            elif not self._closing:
                logger.warning("the process that sends traces ended (status %s); starting it again", process.returncode)
                time.sleep(_RESTART_SECONDS)

    def _hear(self, line: bytes) -> None:
        try:
            line_read = json.loads(line)
        except ValueError:
            return
        if "log" in line_read:
            level, message = line_read["log"]
            logger.log(level, "%s", message)
        for name in _COUNTED_HERE:
            if name in line_read:
                setattr(self._counters, name, self._before[name] + line_read[name])

    def _say(self, words: bytes) -> None:
        with self._mutex:
            process = self._process
            if process is None or process.stdin is None:
                return
            try:
                process.stdin.write(words)
                process.stdin.flush()
            except OSError:
                pass  # it has died; `_run` notices

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        with self._mutex:
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    try:
                        stream.close()
                    except OSError:
                        pass  # what was not read is lost


class _Reports(logging.Handler):
    """Counters and log lines for the gateway."""

    def __init__(self, out: IO[bytes], counters: Counters) -> None:
        super().__init__()
        self._out = out
        self._counters = counters
        self._mutex = threading.Lock()

    def emit(self, record: logging.LogRecord) -> None:
        self._write({"log": [record.levelno, self.format(record)]})

    def report(self) -> None:
        counted = self._counters.snapshot()
        self._write({name: counted[name] for name in _COUNTED_HERE})

    def _write(self, value: dict[str, Any]) -> None:
        with self._mutex:
            try:
                self._out.write(json.dumps(value) + b"\n")
                self._out.flush()
            except OSError:
                pass  # the reader is gone


def main() -> None:
    # These reach the whole group; it is the gateway that decides when its sender ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    order = json.loads(sys.stdin.buffer.readline() or b"null")
    if order is None:
        return
    settings = TracerSettings.load(order["config"])
    yields = settings.spool.sending == "idle"
    if yields and hasattr(os, "nice"):
        os.nice(_NICENESS)
    counters = Counters()
    reports = _Reports(sys.stdout.buffer, counters)
    logging.basicConfig(level=logging.WARNING, handlers=[reports], format="%(message)s")
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # the sink itself reports what fails
    recorder = Recorder(settings, PriceTable.load(settings.price_file, settings.price_overrides), counters)
    sink = Sink(
        SegmentFolder(Path(order["base"]), Path(order["folder"]), counters),
        lambda: open_database(settings),
        recorder.rows,
        counters=counters,
        poll_seconds=settings.poll_seconds,
    )
    threading.Thread(target=_listen, args=(sink,), daemon=True).start()
    urgent = order["urgent"] or not yields
    patience = math.inf if urgent else max(_LEAST_PATIENCE_SECONDS, 3 * settings.flush_interval_seconds)
    threading.Thread(target=_watch, args=(sink, reports, patience), daemon=True).start()
    if not urgent:
        _give_way_to_all_others()
    sink.run()
    reports.report()


def _give_way_to_all_others() -> None:
    """This thread runs only where a core would be idle; what else runs there takes it back at once. The others of this
    process, which were started before, stay as they are: they are to notice when that is too little."""
    if hasattr(os, "SCHED_IDLE"):
        with contextlib.suppress(OSError):  # not every container allows it
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _listen(sink: Sink) -> None:
    for line in sys.stdin.buffer:
        command, _, argument = line.decode().strip().partition(" ")
        if command == "hurry":
            sink.hurry()
        elif command == "close":
            sink.stop(float(argument))
            return
    # The gateway is gone. The process that adopts the spool sends again what is under way here, with the same token.
    os._exit(0)


def _watch(sink: Sink, reports: _Reports, patience_seconds: float) -> None:
    while True:
        time.sleep(_REPORT_SECONDS)
        reports.report()
        pressed = sink.pressed and patience_seconds < math.inf
        if sink.starved_seconds > (_PRESSED_PATIENCE_SECONDS if pressed else patience_seconds):
            # Safe at any moment, like a kill.
            os._exit(_STARVED)
