"""Amazon Bedrock Converse dialect and provider for LLM Gateway."""

__version__ = "0.1.0"
