"""Request logging for LLM Gateway."""

from .plugin import RequestLogger

__version__ = "0.1.0"

__all__ = ["RequestLogger"]
