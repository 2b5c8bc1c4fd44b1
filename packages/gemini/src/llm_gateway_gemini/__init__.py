"""Google Gemini for LLM Gateway: the dialect, a provider that speaks it and an adapter for its clients."""

from .adapter import GeminiAdapter
from .dialect import Gemini
from .provider import GeminiProvider

__version__ = "0.1.0"

__all__ = ["Gemini", "GeminiAdapter", "GeminiProvider"]
