"""The end of a process; signals are in tests/reliability."""

from __future__ import annotations

import subprocess
import sys
import time

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
