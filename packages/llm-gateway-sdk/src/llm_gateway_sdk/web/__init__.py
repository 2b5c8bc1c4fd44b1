"""What plugins with web pages share: escaped HTML, the frame around a page, style sheet, script, and safe headers."""

from .markup import Child, Markup, join, tag
from .shell import Link, Shell, SignedIn, current_shell, page
from .static import SAFE_HEADERS, static_file

__all__ = [
    "SAFE_HEADERS",
    "Child",
    "Link",
    "Markup",
    "Shell",
    "SignedIn",
    "current_shell",
    "join",
    "page",
    "static_file",
    "tag",
]
