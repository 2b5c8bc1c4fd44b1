"""Texts from outside that UTF-8 can not write: JSON can name half a letter (`"\\ud800"`), and so can a client's id."""

from __future__ import annotations

__all__ = ["readable", "writable"]

_LONGEST = 2000
"""Characters of a message, whose list of known names may be long."""


def writable(text: str) -> str:
    """The text, half letters in it as the escapes that name them: for keys of stores, names of callers, and whatever
    else is written as UTF-8. Other texts are returned as they are."""
    if text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode()


def readable(message: str) -> str:
    """One line for a person, whatever text it quotes: signs that a terminal would not show, or would obey, as their
    escapes, and the middle of what is very long left out."""
    if len(message) > _LONGEST:
        message = f"{message[: _LONGEST // 2]} … {message[-_LONGEST // 4 :]}"
    if message.isprintable():
        return message
    return "".join(sign if sign.isprintable() or sign == " " else _escaped(sign) for sign in message)


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape").decode()
