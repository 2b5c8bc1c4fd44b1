"""The pages: each is a function from a view to a response."""

from .view import View

__all__ = ["View"]
