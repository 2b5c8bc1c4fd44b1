"""Finds the calls that keep the interpreter from all other threads, in a gateway that is started with this folder on
`PYTHONPATH`.

A thread wakes every millisecond. Where it has had to wait for much longer, but not for a processor, and the process has
worked meanwhile, some call has not let go of the interpreter; where the other threads are just afterwards shows which.
Each such call is a line of the file HEAVY_HELD: milliseconds, and the places in the code, the innermost first.
"""

from __future__ import annotations

import linecache
import os
import re
import sys
import threading
import time
from types import FrameType

_LEAST_SECONDS = float(os.environ.get("HEAVY_HELD_MS", "5")) / 1000
_PAUSE = 0.001
_DEPTH = 6
_STANDARD_LIBRARY = os.path.dirname(os.__file__)
_WAITS = re.compile(r"\b(wait|get|acquire|select|sleep|result|join)\(|= work_queue\.")


def _watch(path: str) -> None:
    me = threading.get_ident()
    with open(path, "a", buffering=1) as out, open(f"/proc/self/task/{threading.get_native_id()}/schedstat") as own:

        def queued() -> float:
            """Seconds that this thread has waited for a processor."""
            own.seek(0)
            return int(own.read().split()[1]) / 1e9

        worked, woken, waited = time.process_time(), time.perf_counter(), queued()
        while True:
            time.sleep(_PAUSE)
            now, used = time.perf_counter(), time.process_time()
            held = min(now - woken - _PAUSE - (queued() - waited), used - worked)
            if held > _LEAST_SECONDS:
                places = [_places(frame) for thread, frame in sys._current_frames().items() if thread != me]
                out.write(f"{held * 1000:.0f} ms: {' | '.join(filter(None, places))}\n")
            worked, woken, waited = time.process_time(), time.perf_counter(), queued()


def _places(frame: FrameType | None) -> str:
    """Where a thread is; nothing for one that waits."""
    if frame is None or _WAITS.search(linecache.getline(frame.f_code.co_filename, frame.f_lineno or 0)):
        return ""
    places = []
    while frame is not None and len(places) < _DEPTH:
        code = frame.f_code
        if not places or not code.co_filename.startswith(_STANDARD_LIBRARY):
            places.append(f"{'/'.join(code.co_filename.rsplit('/', 2)[1:])}:{frame.f_lineno} {code.co_name}")
        frame = frame.f_back
    return " < ".join(places)


if (_path := os.environ.get("HEAVY_HELD")) and "start" in sys.orig_argv:
    threading.Thread(target=_watch, args=(_path,), name="held", daemon=True).start()
