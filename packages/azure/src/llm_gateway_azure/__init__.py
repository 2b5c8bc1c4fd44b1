"""Entra ID (Azure Active Directory) for LLM Gateway: `auth: {type: entra}` of any HTTP provider."""

from .entra import EntraCredential

__version__ = "0.1.0"

__all__ = ["EntraCredential"]
