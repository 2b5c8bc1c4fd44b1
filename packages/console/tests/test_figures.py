"""The gateway's metrics, read back from their Prometheus text."""

from __future__ import annotations

import pytest
from llm_gateway_console.figures import Sample, samples, targets
from prometheus_client import CollectorRegistry, Counter, generate_latest

TEXT = """\
# HELP llm_gateway_requests_total Requests.
# TYPE llm_gateway_requests_total counter
llm_gateway_requests_total{project="p",model="a",provider="openai",status="200"} 8.0
llm_gateway_requests_total{project="p",model="a",provider="openai",status="502"} 2.0
llm_gateway_requests_total{project="p",model="b",provider="echo",status="200"} 20.0
llm_gateway_requests_total{project="p",model="idle",provider="echo",status="200"} 0.0
llm_gateway_errors_total{project="p",model="a",provider="openai",class="overloaded",source="upstream"} 2.0
llm_gateway_request_duration_seconds_sum{project="p",model="a",provider="openai"} 5.0
llm_gateway_request_duration_seconds_count{project="p",model="a",provider="openai"} 10.0
llm_gateway_cost_usd_total{project="p",model="a",provider="openai"} 0.25
llm_gateway_requests_in_flight 3
"""


def test_models_are_summed_up_the_busiest_first() -> None:
    first, second = targets(samples(TEXT))

    assert (first.model, first.requests, first.errors, first.mean, first.by_class) == ("b", 20.0, 0, None, None)
    assert (second.model, second.requests, second.errors, second.cost) == ("a", 10.0, 2.0, 0.25)
    assert (second.mean, second.by_class) == (0.5, {"overloaded": 2.0})


@pytest.mark.parametrize("value", ["plain", 'quote "', "back\\slash", "line\nend", "é", "{brace}", "a,b=c"])
def test_labels_come_back_from_prometheus_own_encoder(value: str) -> None:
    registry = CollectorRegistry()
    Counter("made", "Made.", ["label"], registry=registry).labels(value).inc(2)

    found = [each for each in samples(generate_latest(registry).decode()) if each.name == "made_total"]
    assert found == [Sample("made_total", {"label": value}, 2.0)]


@pytest.mark.parametrize("line", ["", "# comment", "not a sample", "name notanumber", "{} 3"])
def test_lines_that_are_not_samples_are_left_out(line: str) -> None:
    assert list(samples(line)) == []


def test_values_without_an_end_are_numbers_too() -> None:
    assert [each.value for each in samples("a +Inf\nb 1e3\nc 5 1700000000\n")] == [float("inf"), 1000.0, 5.0]


def test_failures_before_a_fallback_and_the_slowest_requests_are_counted() -> None:
    name = 'project="p",model="a",provider="openai"'
    text = "\n".join(
        [
            f'llm_gateway_upstream_attempts_total{{{name},outcome="ok"}} 5',
            f'llm_gateway_upstream_attempts_total{{{name},outcome="overloaded"}} 3',
        ]
        + [
            f'llm_gateway_request_duration_seconds_bucket{{{name},le="{edge}"}} {count}'
            for edge, count in (("1.0", 80), ("2.0", 90), ("4.0", 100), ("+Inf", 100))
        ]
    )

    (target,) = targets(samples(text))

    assert target.failed_attempts == 3
    assert target.slower_than(0.95) == 3.0
    assert target.slower_than(0.5) == 0.625
