"""Redaction of sensitive text by regular expressions, streams included, for LLM Gateway."""

__version__ = "0.1.0"
