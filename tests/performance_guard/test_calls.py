"""The hot path may get shorter, not longer: calls are counted, not milliseconds, so that any machine can judge.

`ceilings.json` holds the most that each scenario may need. Where a change needs less, it lowers the ceiling; a ceiling
is raised only for a feature that every request has to pay for, and the change that does so names it.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.count import calls_per_chunk, calls_per_request, calls_with_limits, circles_per_request

CEILINGS: dict[str, dict[str, float]] = json.loads((Path(__file__).parent / "ceilings.json").read_text())
SLACK = 0.75
"""A ceiling that is further away than this guards nothing any more."""

NOOP = """
from llm_gateway_sdk import Plugin, plugin_metadata


@plugin_metadata(name="noop")
class Noop(Plugin):
    async def before_model(self, ctx):
        return None

    async def after_chunk(self, ctx):
        return None


@plugin_metadata(name="gatekeeper")
class Gatekeeper(Plugin):
    async def before_model(self, ctx):
        return None
"""


@pytest.mark.parametrize("scenario", CEILINGS["calls per request"])
def test_a_request_needs_no_more_calls_than_before(scenario: str) -> None:
    _judge("calls per request", scenario, asyncio.run(calls_per_request(scenario)))


def test_a_key_and_three_limits_need_no_more_calls_than_before() -> None:
    calls = asyncio.run(calls_with_limits()) - asyncio.run(calls_per_request("P1"))
    _judge("calls more", "a key and three limits", calls)


@pytest.mark.parametrize("scenario", CEILINGS["calls per chunk"])
def test_a_chunk_needs_no_more_calls_than_before(scenario: str) -> None:
    _judge("calls per chunk", scenario, asyncio.run(calls_per_chunk(scenario)))


@pytest.mark.parametrize("scenario", ["P1", "P3", "P4", "P4t", "P8", "P8s"])
def test_a_finished_request_leaves_nothing_to_the_garbage_collector(scenario: str) -> None:
    assert asyncio.run(circles_per_request(scenario)) == 0


def test_a_closed_connection_leaves_nothing_to_the_garbage_collector() -> None:
    assert asyncio.run(circles_per_request("P1", once=True)) == 0


def test_a_plugin_that_does_nothing_costs_next_to_nothing_per_request(tmp_path: Path) -> None:
    one, three = (asyncio.run(calls_per_request("P1", _plugins(tmp_path, "gatekeeper", count))) for count in (1, 3))

    assert (three - one) / 2 <= CEILINGS["no-op plugin"]["calls per request"]


def test_a_plugin_that_does_nothing_costs_next_to_nothing_per_chunk(tmp_path: Path) -> None:
    one, three = (asyncio.run(calls_per_chunk("P4", _plugins(tmp_path, "noop", count))) for count in (1, 3))

    assert (three - one) / 2 <= CEILINGS["no-op plugin"]["calls per chunk"]


def test_a_plugin_without_after_chunk_costs_nothing_per_chunk(tmp_path: Path) -> None:
    without = asyncio.run(calls_per_chunk("P4"))
    # A call or two of a whole stream is the event loop's.
    assert abs(asyncio.run(calls_per_chunk("P4", _plugins(tmp_path, "gatekeeper", 3))) - without) <= 0.1


def _judge(kind: str, scenario: str, count: float) -> None:
    ceiling = CEILINGS[kind][scenario]
    assert count <= ceiling, f"{scenario}: {count} {kind}, at most {ceiling} are allowed"
    assert count >= SLACK * ceiling, f"{scenario}: {count} {kind}; lower the ceiling of {ceiling} in ceilings.json"


def _plugins(folder: Path, kind: str, count: int) -> str:
    (folder / "plugins.py").write_text(NOOP)
    configured: list[dict[str, Any]] = [{"name": f"plugin-{number}", "type": kind} for number in range(count)]
    found = [{"path": str(folder / "plugins.py")}]
    return f"plugins: {json.dumps(configured)}\navailablePlugins: {json.dumps(found)}\n"
