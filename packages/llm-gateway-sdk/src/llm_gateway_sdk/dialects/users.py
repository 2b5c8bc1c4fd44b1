"""An end user's id that fits the receiver. The vendors' own advice is a hash: one user stays one, two stay two."""

from __future__ import annotations

import re

from ..wire.digests import text_digest
from .receiver import UserIds

__all__ = ["names_a_person", "user_fitting"]

_MAIL = re.compile(r"[^\s@]@[^\s@]+\.[^\s@]")
_INTERNATIONAL = re.compile(r"\+\(?\d(?:[\s().\-/]{0,4}\d){6,14}(?!\d)")
_NATIONAL = re.compile(r"(?:tel:|\()?\d(?:[\s().\-/]{0,4}\d){6,14}")


def user_fitting(user: str, rule: UserIds) -> str:
    """The id itself, or 64 letters that represent it."""
    if len(user) <= rule.length and not (rule.anonymous and names_a_person(user)):
        return user
    return text_digest(user)


def names_a_person(user: str) -> bool:
    """Whether the id holds a mail address, or is a telephone number or holds one in international form."""
    if _MAIL.search(user) is not None or _INTERNATIONAL.search(user) is not None:
        return True
    bare = user.strip()
    if bare.isdigit():
        # Shorter and longer ones are keys of a database.
        return 10 <= len(bare) <= 15
    return _NATIONAL.fullmatch(bare) is not None
