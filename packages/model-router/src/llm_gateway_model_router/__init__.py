"""Model routing with fallbacks and load balancing for LLM Gateway."""

__version__ = "0.1.0"
