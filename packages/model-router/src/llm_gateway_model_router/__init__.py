"""Model routing with fallbacks and load balancing for LLM Gateway."""

from .plugin import ModelRouter

__version__ = "0.1.0"

__all__ = ["ModelRouter"]
