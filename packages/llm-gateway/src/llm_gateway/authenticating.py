"""Plugins that ask callers for a credential."""

from __future__ import annotations

from typing import Any

__all__ = ["is_authenticating"]


def is_authenticating(plugin: type[Any]) -> bool:
    """Whether a plugin class declares `authenticates = True`, or has the keyword `authentication` in its metadata."""
    keywords = getattr(getattr(plugin, "metadata", None), "keywords", ())
    return bool(getattr(plugin, "authenticates", False)) or "authentication" in keywords
