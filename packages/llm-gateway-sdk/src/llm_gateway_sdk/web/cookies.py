"""Cookies of a page, read in time that is linear in the length of the header.

The standard library's reader, which Starlette uses too, needs minutes for 60 kB of backslashes between quotes
(CVE-2024-7592), which anybody who reaches a page may send.
"""

from __future__ import annotations

__all__ = ["cookie_in"]


def cookie_in(header: str, name: str) -> str:
    """The value of the last cookie of this name in a `Cookie` header; "" where there is none, and for a value with
    escapes, which no cookie of ours has."""
    found = ""
    for pair in header.split(";"):
        key, _, value = pair.partition("=")
        if key.strip() == name:
            found = value.strip()
    if len(found) > 1 and found[0] == found[-1] == '"':
        found = found[1:-1]
    return "" if "\\" in found or '"' in found else found
