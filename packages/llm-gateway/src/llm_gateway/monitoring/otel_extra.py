"""What is reported where the packages of OpenTelemetry, which are an extra, are not installed."""

from __future__ import annotations

import sys

from llm_gateway_sdk import ConfigError, ConfigProblem

__all__ = ["without_otel"]


def without_otel(missing: ImportError) -> ConfigError:
    """For `monitoring.otel`, with the command that installs them."""
    return ConfigError(
        [
            ConfigProblem(
                f"needs the extra `otel`, which is not installed ({missing.name or missing}): "
                f"{sys.executable} tools/install.py otel (docs/install.md)",
                path="monitoring.otel.enabled",
            )
        ]
    )
