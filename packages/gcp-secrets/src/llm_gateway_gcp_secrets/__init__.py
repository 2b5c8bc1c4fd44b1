"""Secrets of Google Secret Manager for LLM Gateway."""

from .source import GoogleSecrets

__version__ = "0.1.0"

__all__ = ["GoogleSecrets"]
