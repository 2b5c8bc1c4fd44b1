"""The end of a process; signals are in tests/reliability."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

SCRIPT = """
import asyncio
from llm_gateway.server.stopping import end_process

async def goes_on():
    while True:
        try:
            await asyncio.sleep({seconds})
            return
        except asyncio.CancelledError:
            if not {swallows}:
                raise

async def main():
    task = asyncio.create_task(goes_on())
    await asyncio.sleep(0.05)
    return 7

raise SystemExit(asyncio.run(end_process(main())))
"""


def ended(*, swallows: bool) -> tuple[int, float]:
    began = time.monotonic()
    script = SCRIPT.format(seconds=3600, swallows=swallows)
    found = subprocess.run([sys.executable, "-c", script], timeout=60, check=False)
    return found.returncode, time.monotonic() - began


def test_tasks_that_are_left_are_cancelled() -> None:
    assert ended(swallows=False)[0] == 7


def test_tasks_that_go_on_do_not_keep_the_process() -> None:
    code, seconds = ended(swallows=True)

    assert code == 7
    assert seconds < 30


THREADS = """
import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from llm_gateway.server.stopping import end_process

async def main():
    pool = ThreadPoolExecutor()
    pool.submit({work}, {seconds})
    asyncio.get_running_loop().run_in_executor(None, {work}, {seconds})
    await asyncio.sleep(0.05)
    return 7

raise SystemExit(asyncio.run(end_process(main())))
"""


@pytest.mark.parametrize(("seconds", "reported"), [(0, False), (0.4, False), (3600, True)])
def test_threads_that_block_do_not_keep_the_process(seconds: float, reported: bool) -> None:
    script = THREADS.format(work="time.sleep", seconds=seconds)

    found = subprocess.run([sys.executable, "-c", script], timeout=60, check=False, capture_output=True, text=True)

    assert found.returncode == 7
    assert ("threads that do not end: ThreadPoolExecutor" in found.stderr) == reported


HELD = """
import asyncio, os, signal, time
from llm_gateway.server import stopping

stopping._HELD_SECONDS = 0.3

async def main():
    stop = asyncio.Event()
    stopping.handle_stop_signals(asyncio.get_running_loop(), stop.set)
    os.kill(os.getpid(), signal.SIGTERM)
    await stop.wait()
    {work}
    print("ended by itself")
    return 7

raise SystemExit(asyncio.run(stopping.end_process(main())))
"""


@pytest.mark.parametrize(
    ("work", "code"), [("time.sleep(3600)", 128 + 15), ("await asyncio.sleep(1)", 7), ("time.sleep(0.1)", 7)]
)
def test_what_holds_the_event_loop_after_a_signal_does_not_keep_the_process(work: str, code: int) -> None:
    """A plugin that closes without ever waiting, for one."""
    found = subprocess.run([sys.executable, "-c", HELD.format(work=work)], timeout=60, check=False, capture_output=True)

    assert found.returncode == code, found.stderr
    assert (b"ended by itself" in found.stdout) == (code == 7)
