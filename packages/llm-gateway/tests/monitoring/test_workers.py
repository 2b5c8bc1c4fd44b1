"""Figures, health and versions of several worker processes, on one page."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from monitored_gateway import Process, value

ECHO = """
models: [{name: echo, isDefault: true, provider: {type: echo, config: {delay: 20}}}]
monitoring: {serverTiming: true}
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="workers need POSIX")
def test_one_page_reports_the_sum_of_all_workers_even_after_one_died(start: Callable[..., Process]) -> None:
    gateway = start(ECHO, "--workers", "2")
    ready = eventually(lambda: value(gateway.scrape(), "llm_gateway_workers") == 2)
    assert ready, gateway.log
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: gateway.chat("one two three", stream=True), range(40)))
    assert statuses == [200] * 40

    found = gateway.scrape()

    assert value(found, "llm_gateway_requests_total", stream="true") == 40
    assert value(found, "llm_gateway_request_duration_seconds_bucket", le="+Inf") == 40
    assert value(found, "llm_gateway_config_info") == 2
    assert value(found, "llm_gateway_requests_in_flight") == 0

    os.kill(children(gateway.process.pid)[0], signal.SIGKILL)
    restarted = eventually(
        lambda: (
            value(gateway.scrape(), "llm_gateway_workers") == 2
            and value(gateway.scrape(), "llm_gateway_worker_restarts_total") == 1
        )
    )

    assert restarted, gateway.log
    assert "ended with -9" in gateway.log
    found = gateway.scrape()
    assert value(found, "llm_gateway_requests_total", stream="true") == 40
    assert value(found, "llm_gateway_breaker_state", state="closed") == 2


def children(parent: int) -> list[int]:
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as stat:
                    fields = stat.read().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == parent:
                found.append(int(name))
    return found


def eventually(holds: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if holds():
                return True
        except OSError:
            pass  # the worker that was asked has just died
        time.sleep(0.1)
    return False
