"""Figures by the labels that the configuration names."""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace
from typing import Any

from llm_gateway.config.schema import MetricsConfig, MonitoringConfig
from llm_gateway.monitoring.labels import MAX_VALUES, LabelFigures
from llm_gateway.server.observers import make_observers
from llm_gateway_sdk import Principal, RequestContext


class Fold:
    def __init__(self) -> None:
        self.sums: dict[Any, float] = defaultdict(float)

    def add(self, name: str, labels: tuple[str, ...], value: float) -> None:
        self.sums[(name.removeprefix("llm_gateway_label_"), *labels)] += value


def request(**labels: str) -> Any:
    metrics = SimpleNamespace(input_tokens=10, output_tokens=5)
    return SimpleNamespace(project="p", principal=Principal("i", "n", labels=labels), metrics=metrics)


def figures(of: LabelFigures) -> dict[Any, float]:
    fold = Fold()
    of.fold_into(fold)
    return fold.sums


def test_only_the_named_labels_are_counted_each_by_its_values() -> None:
    labels = LabelFigures(["env", "cost_center"])
    labels.add(request(env="prod", cost_center="4711", ticket="secret"), 3_000_000_000)
    labels.add(request(env="prod"), None)
    labels.add(request(env="dev", cost_center=""), 1)
    labels.add(SimpleNamespace(project="p", principal=None), 1)  # type: ignore[arg-type]

    found = figures(labels)
    assert found[("requests_total", "p", "env", "prod")] == 2
    assert found[("requests_total", "p", "env", "dev")] == 1
    assert found[("tokens_total", "p", "env", "prod", "input")] == 20
    assert found[("tokens_total", "p", "env", "prod", "output")] == 10
    assert found[("cost_usd_total", "p", "cost_center", "4711")] == 3.0
    assert {key[2] for key in found} == {"env", "cost_center"}
    assert len([key for key in found if key[2] == "cost_center"]) == 4


def test_the_values_of_a_label_are_a_closed_set() -> None:
    labels = LabelFigures(["run"])
    for number in range(3 * MAX_VALUES):
        labels.add(request(run=f"run-{number}"), 1)

    found = figures(labels)
    assert len({key[3] for key in found}) == MAX_VALUES + 1
    assert found[("requests_total", "p", "run", "other")] == 2 * MAX_VALUES


def test_the_metrics_page_has_the_labels_of_the_configuration() -> None:
    monitoring = MonitoringConfig(metrics=MetricsConfig(labels=["env"]))
    config = SimpleNamespace(monitoring=monitoring, projects={})
    _, metrics = make_observers(SimpleNamespace(config=config))  # type: ignore[arg-type]
    ctx = RequestContext(request_id="r", project="default")
    ctx.caller = "ann"
    ctx.principal = Principal("ann", "ann", "who", labels={"env": "prod", "ticket": "T-1"})
    metrics.ended(ctx, 200)
    page = metrics.render([metrics.snapshot()], "")[0].decode()
    assert 'llm_gateway_label_requests_total{label="env",project="default",value="prod"} 1.0' in page
    assert "T-1" not in page
