"""Where OpenTelemetry is not installed the package that is missing is named, and how it is had."""

from __future__ import annotations

from llm_gateway.monitoring.otel_extra import without_otel


def test_the_package_and_the_command_are_named() -> None:
    (problem,) = without_otel(ImportError("no module", name="opentelemetry.sdk")).problems

    assert problem.path == "monitoring.otel.enabled"
    assert "opentelemetry.sdk" in problem.message
    assert "install.py otel" in problem.message
