"""A plugin that does nothing stays within its budget; `python -m benchmarks.plugins` prints the figures."""

import importlib.util
import sys
from pathlib import Path

import pytest

from llm_gateway_sdk import HookChain, MountedPlugin, Plugin, RequestContext, plugin_metadata

BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "plugins.py"


@pytest.fixture(scope="module")
def benchmark():
    if not BENCHMARK.is_file():
        pytest.skip("the benchmarks are in the repository")
    spec = importlib.util.spec_from_file_location("benchmark_of_plugins", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("asynchronous", [False, True])
def test_an_idle_plugin_costs_at_most_20_us_per_request_and_3_us_per_chunk(benchmark, asynchronous):
    assert benchmark.cost_per_request(asynchronous=asynchronous) <= 20
    assert benchmark.cost_per_chunk(asynchronous=asynchronous) <= 3


def test_a_plugin_without_after_chunk_is_not_in_the_chunk_loop():
    cls = plugin_metadata(name="idle")(type("Idle", (Plugin,), {"before_model": lambda self, ctx: None}))
    chain = HookChain([MountedPlugin("idle", cls())]).select(RequestContext(request_id="r1"))

    assert (chain.chunk, chain.after, chain.detached) == ([], [], [])
