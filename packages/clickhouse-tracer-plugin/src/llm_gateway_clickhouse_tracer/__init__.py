"""Durable request tracing to ClickHouse, with a dashboard, for LLM Gateway."""

__version__ = "0.1.0"

from .plugin import ClickHouseTracer

__all__ = ["ClickHouseTracer", "__version__"]
