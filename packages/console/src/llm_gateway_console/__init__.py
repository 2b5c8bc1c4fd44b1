"""A web console for the gateway: traces, keys, limits, playground and health on one screen."""

__version__ = "0.1.0"

from .plugin import Console

__all__ = ["Console"]
