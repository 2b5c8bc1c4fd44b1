"""The Messages API of Anthropic, as client and as provider."""

from .dialect import Anthropic

__all__ = ["Anthropic"]
