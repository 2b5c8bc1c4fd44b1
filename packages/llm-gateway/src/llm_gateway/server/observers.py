"""What watches the exchanges: metrics, traces, the log of failures."""

from __future__ import annotations

from typing import Any

from ..gateway import Loaded
from ..monitoring.failure_log import FailureLog

__all__ = ["make_observers"]


def make_observers(result: Loaded) -> tuple[list[Any], Any]:
    """(all observers, the metrics among them) as configured; what is not configured is not imported."""
    monitoring = result.config.monitoring
    observers: list[Any] = []
    metrics: Any = None
    if monitoring.enabled and monitoring.metrics.enabled:
        from ..monitoring.metrics import Metrics

        metrics = Metrics(monitoring.metrics.labels)
        observers.append(metrics)
    if monitoring.otel.enabled and (monitoring.otel.traces or monitoring.otel.metrics):
        from ..monitoring.otel import open_telemetry

        observers.append(open_telemetry(monitoring.otel))
    logged = {
        project.name for project in result.config.projects.values() if any(p.type == "logger" for p in project.plugins)
    }
    observers.append(FailureLog(logged))
    return observers, metrics
