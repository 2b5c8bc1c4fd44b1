"""API key authentication for LLM Gateway."""

from .plugin import BasicApiKeyAuth

__version__ = "0.1.0"

__all__ = ["BasicApiKeyAuth"]
