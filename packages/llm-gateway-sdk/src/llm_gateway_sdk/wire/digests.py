"""Digests of texts that may be of any size."""

from __future__ import annotations

import hashlib

from .pieces import encoded

__all__ = ["text_digest"]


def text_digest(*texts: str) -> str:
    """The hexadecimal SHA-256 of the texts in UTF-8, with a zero between two of them. Of a long text it is made in
    pieces, between which other threads have their turn; half letters are taken as they are."""
    digest = hashlib.sha256()
    for number, text in enumerate(texts):
        if number:
            digest.update(b"\0")
        digest.update(encoded(text, "surrogatepass"))
    return digest.hexdigest()
