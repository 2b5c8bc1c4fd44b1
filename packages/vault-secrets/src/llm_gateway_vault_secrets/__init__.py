"""Secrets of HashiCorp Vault and OpenBao for LLM Gateway."""

from .source import VaultSecrets

__version__ = "0.1.0"

__all__ = ["VaultSecrets"]
