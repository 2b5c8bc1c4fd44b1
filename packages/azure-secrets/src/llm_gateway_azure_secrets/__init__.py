"""Secrets of Azure Key Vault for LLM Gateway."""

from .source import AzureSecrets

__version__ = "0.1.0"

__all__ = ["AzureSecrets"]
