"""Interfaces, data types and test harnesses for LLM Gateway plugins, adapters and providers."""

__version__ = "0.1.0"
