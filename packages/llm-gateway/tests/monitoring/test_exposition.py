"""The metrics page, as Prometheus' own parsers read it."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from llm_gateway.monitoring.exposition import render
from llm_gateway.monitoring.families import DURATION_BUCKETS

OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def snapshot(requests: float, in_flight: float, name: str = "p") -> dict[str, Any]:
    buckets = [requests, *[0] * len(DURATION_BUCKETS), requests * 0.005]
    return {
        "values": {
            "llm_gateway_requests_in_flight": [[[], in_flight]],
            "llm_gateway_config_reloads_total": [[["taken"], requests]],
            "llm_gateway_upstream_duration_seconds": [[[name, "m", "echo"], buckets]],
        },
        "plugins": {},
    }


@pytest.mark.parametrize(
    ("accept", "parse"), [("", parse_text), (OPEN, parse_openmetrics)], ids=["text", "OpenMetrics"]
)
def test_figures_of_all_workers_are_read_by_prometheus(accept: str, parse: Any) -> None:
    body, _ = render([snapshot(3, 2), snapshot(4, 1)], accept)
    families = {family.name: family for family in parse(body.decode())}

    (reloads,) = families["llm_gateway_config_reloads"].samples
    assert (reloads.name, reloads.labels, reloads.value) == (
        "llm_gateway_config_reloads_total", {"result": "taken"}, 7.0,
    )  # fmt: skip
    assert [sample.value for sample in families["llm_gateway_requests_in_flight"].samples] == [3.0]
    samples = {
        (sample.name.rpartition("_")[2], sample.labels.get("le")): sample.value
        for sample in families["llm_gateway_upstream_duration_seconds"].samples
    }
    assert (samples["bucket", "0.01"], samples["bucket", "+Inf"], samples["count", None]) == (7.0, 7.0, 7.0)
    assert samples["sum", None] == pytest.approx(0.035)


@pytest.mark.parametrize(
    "name", ['quote " in it', "back\\slash", "line\nend", "é"], ids=["quote", "backslash", "line", "é"]
)
def test_names_with_signs_of_the_format_come_through(name: str) -> None:
    body, _ = render([snapshot(1, 0, name)], "")

    found = {sample.labels["project"] for family in parse_text(body.decode()) for sample in family.samples
             if "project" in sample.labels}  # fmt: skip
    assert found == {name}


@pytest.mark.parametrize(
    ("accept", "open_metrics"),
    [("", False), ("text/plain", False), (OPEN, True), ("application/openmetrics-text;version=x", False)],
)
def test_the_format_is_the_one_that_was_asked_for(accept: str, open_metrics: bool) -> None:
    body, content_type = render([], accept)

    assert content_type.startswith("application/openmetrics-text" if open_metrics else "text/plain")
    if open_metrics:
        assert list(parse_openmetrics(body.decode())) == []
