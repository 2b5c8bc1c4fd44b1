"""System prompts and prompt experiments for LLM Gateway."""

from .plugin import PromptManager

__version__ = "0.1.0"

__all__ = ["PromptManager"]
