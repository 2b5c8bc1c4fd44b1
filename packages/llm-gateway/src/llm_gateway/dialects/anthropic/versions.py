"""Versions of the API (`anthropic-version`) that differ in what they take."""

from __future__ import annotations

__all__ = ["VERSION_2023", "VERSION_2026"]

VERSION_2023 = "2023-06-01"
VERSION_2026 = "2026-10-21"
"""Refuses sampling parameters, documents of the assistant and citations of the user."""
