"""Authentication by JSON Web Tokens: an issuer's keys, its claims, and the principal that they make."""

from .plugin import JWTAuth

__version__ = "0.1.0"

__all__ = ["JWTAuth"]
