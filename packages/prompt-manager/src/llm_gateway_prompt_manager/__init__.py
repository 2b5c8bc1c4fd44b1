"""System prompts and prompt experiments for LLM Gateway."""

__version__ = "0.1.0"
