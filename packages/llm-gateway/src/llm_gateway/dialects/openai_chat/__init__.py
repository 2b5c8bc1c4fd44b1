"""OpenAI Chat Completions, as OpenAI documents it and as compatible servers implement it."""

from .dialect import OpenAIChat
from .request import ChatEcho

__all__ = ["ChatEcho", "OpenAIChat"]
