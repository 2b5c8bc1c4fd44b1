"""The files that all pages share, and the headers that every page is sent with."""

from __future__ import annotations

from importlib import resources
from typing import Final

__all__ = ["SAFE_HEADERS", "static_file"]

SAFE_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""Pages load nothing from elsewhere, run no inline script, and are shown in no frame."""

# The files of others are named in `static/vendored.json`, with version and hash, as their package has them.
_FILES: Final = {
    "style.css": "text/css; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "list.js": "text/javascript; charset=utf-8",
    "charts.js": "text/javascript; charset=utf-8",
    "uPlot.iife.min.js": "text/javascript; charset=utf-8",
    "uPlot.min.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


def static_file(name: str) -> tuple[bytes, str] | None:
    """The content and the media type of a shared file; None where there is no such file."""
    if name not in _FILES:
        return None
    return resources.files(__package__).joinpath("static", name).read_bytes(), _FILES[name]
