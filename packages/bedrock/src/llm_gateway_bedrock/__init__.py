"""Amazon Bedrock and SageMaker for LLM Gateway: dialects of Bedrock's API, an adapter for its clients, providers."""

from .adapter import BedrockAdapter
from .dialect import Bedrock
from .invoke_dialect import BedrockInvoke
from .provider import BedrockProvider
from .sagemaker import SageMakerProvider

__version__ = "0.1.0"

__all__ = ["Bedrock", "BedrockAdapter", "BedrockInvoke", "BedrockProvider", "SageMakerProvider"]
