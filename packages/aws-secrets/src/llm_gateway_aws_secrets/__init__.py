"""Secrets of AWS Secrets Manager for LLM Gateway."""

from .source import AWSSecrets

__version__ = "0.1.0"

__all__ = ["AWSSecrets"]
