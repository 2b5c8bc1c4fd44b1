"""Ollama for LLM Gateway: the dialect, an adapter for its clients and a provider of its native API."""

from .adapter import OllamaAdapter
from .dialect import Ollama
from .provider import OllamaNativeProvider

__version__ = "0.1.0"

__all__ = ["Ollama", "OllamaAdapter", "OllamaNativeProvider"]
