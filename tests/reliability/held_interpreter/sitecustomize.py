"""Finds the calls that keep the interpreter from all other threads, in a gateway that is started with this folder on
`PYTHONPATH`.

A thread wakes every millisecond. Where it has had to wait for much longer, but not for a processor, and another thread
has worked meanwhile, some call has not let go of the interpreter; where that thread is just afterwards shows which.
Each such call is a line of the file HEAVY_HELD: milliseconds, the name of the thread, and the places in the code, the
innermost first.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from types import FrameType

_LEAST_SECONDS = float(os.environ.get("HEAVY_HELD_MS", "5")) / 1000
_PAUSE = 0.001
_DEPTH = 6
_STANDARD_LIBRARY = os.path.dirname(os.__file__)


def _watch(path: str) -> None:
    me = threading.get_native_id()
    with open(path, "a", buffering=1) as out:
        before, woken = _times(), time.perf_counter()
        while True:
            time.sleep(_PAUSE)
            gap = time.perf_counter() - woken - _PAUSE
            if gap > _LEAST_SECONDS:
                after = _times()
                held = gap - (after[me][1] - before.get(me, after[me])[1])
                worked = {thread: at[0] - before[thread][0] for thread, at in after.items() if thread in before}
                busiest = max(worked, key=worked.__getitem__)
                held = min(held, worked[busiest])
                if held > _LEAST_SECONDS and busiest != me:
                    out.write(f"{held * 1000:.0f} ms: {_described(busiest)}\n")
            before, woken = _times(), time.perf_counter()


def _times() -> dict[int, tuple[float, float]]:
    """Seconds that each thread has worked, and has waited for a processor."""
    found = {}
    for thread in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{thread}/schedstat") as figures:
                worked, waited, _ = figures.read().split()
        except OSError:
            continue  # it has ended
        found[int(thread)] = int(worked) / 1e9, int(waited) / 1e9
    return found


def _described(native_id: int) -> str:
    frames = sys._current_frames()
    for thread in threading.enumerate():
        if thread.native_id == native_id:
            return f"{thread.name}: {_places(frames.get(thread.ident or 0))}"
    return "a thread of a library"


def _places(frame: FrameType | None) -> str:
    places = []
    while frame is not None and len(places) < _DEPTH:
        code = frame.f_code
        if not places or not code.co_filename.startswith(_STANDARD_LIBRARY):
            places.append(f"{'/'.join(code.co_filename.rsplit('/', 2)[1:])}:{frame.f_lineno} {code.co_name}")
        frame = frame.f_back
    return " < ".join(places)


if (_path := os.environ.get("HEAVY_HELD")) and "start" in sys.orig_argv:
    threading.Thread(target=_watch, args=(_path,), name="held", daemon=True).start()
