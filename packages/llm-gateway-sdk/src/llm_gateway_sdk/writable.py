"""Texts from outside that UTF-8 can not write: JSON can name half a letter (`"\\ud800"`), and so can a client's id."""

from __future__ import annotations

__all__ = ["writable"]


def writable(text: str) -> str:
    """The text, half letters in it as the escapes that name them: for keys of stores, names of callers, and whatever
    else is written as UTF-8. Other texts are returned as they are."""
    if text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode()
