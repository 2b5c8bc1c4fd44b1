"""Amazon Bedrock for LLM Gateway: the Converse dialect and a provider that speaks it."""

from .adapter import BedrockAdapter
from .dialect import Bedrock
from .invoke_dialect import BedrockInvoke
from .provider import BedrockProvider

__version__ = "0.1.0"

__all__ = ["Bedrock", "BedrockAdapter", "BedrockInvoke", "BedrockProvider"]
