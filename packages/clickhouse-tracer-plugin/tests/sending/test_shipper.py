"""The process that sends: how it is started again, and how it makes way for others."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from llm_gateway_clickhouse_tracer.counters import Counters
from llm_gateway_clickhouse_tracer.sending import shipper
from llm_gateway_clickhouse_tracer.sending.shipper import Shipper

# Notes the order that it gets, and ends with each of these statuses in turn; then it stays.
PROGRAM = """
import json, pathlib, sys
folder = pathlib.Path(json.loads(line := sys.stdin.readline())["folder"])
number = len(list(folder.glob("order-*")))
(folder / f"order-{number}").write_text(line)
if number < len(STATUSES):
    sys.exit(STATUSES[number])
sys.stdin.readline()
"""


def eventually(condition: Callable[[], object], seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "not in time"
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("statuses", "urgent"),
    [((75,), [False, True]), ((1,), [False, False]), ((75, 1), [False, True, True])],
    ids=["starved", "died", "died after it had starved"],
)
def test_a_sender_that_got_no_time_is_started_again_as_an_ordinary_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statuses: tuple[int, ...], urgent: list[bool]
) -> None:
    monkeypatch.setattr(shipper, "_PROGRAM", f"STATUSES = {statuses}\n{PROGRAM}")
    monkeypatch.setattr(shipper, "_RESTART_SECONDS", 0.0)
    sender = Shipper({}, tmp_path, tmp_path, Counters())
    sender.start()
    eventually(lambda: len(list(tmp_path.glob("order-*"))) == len(urgent))
    sender.close(0.0)

    orders = [json.loads(file.read_text()) for file in sorted(tmp_path.glob("order-*"))]
    assert [order["urgent"] for order in orders] == urgent


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has this")
def test_only_the_thread_that_works_gives_way_to_all_others() -> None:
    policies: list[int] = []

    def work() -> None:
        shipper._give_way_to_all_others()
        policies.append(os.sched_getscheduler(0))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert policies == [os.SCHED_IDLE]
    assert os.sched_getscheduler(0) != os.SCHED_IDLE


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize(("sending", "policy", "niceness"), [("idle", "SCHED_IDLE", 10), ("normal", "SCHED_OTHER", 0)])
def test_the_configuration_chooses_what_priority_sending_has(
    tmp_path: Path, sending: str, policy: str, niceness: int
) -> None:
    expected = (getattr(os, policy), os.getpriority(os.PRIO_PROCESS, 0) + niceness)
    config = {"clickhouse": {"url": "http://127.0.0.1:1"}, "spool": {"path": str(tmp_path), "sending": sending}}
    sender = Shipper(config, tmp_path, tmp_path, Counters())
    sender.start()
    try:
        eventually(lambda: sender._process is not None)
        assert sender._process is not None
        pid = sender._process.pid

        def priority() -> tuple[int, int]:
            return os.sched_getscheduler(pid), os.getpriority(os.PRIO_PROCESS, pid)

        eventually(lambda: priority() == expected)
        time.sleep(0.5)
        assert priority() == expected
    finally:
        sender.close(0.0)
