"""Google Gemini dialect, provider and adapter for LLM Gateway."""

__version__ = "0.1.0"
