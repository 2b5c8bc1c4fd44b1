"""Whom limits have counted for, as it is kept in the store, so that their state can be shown for all of them.

A document names many subjects, the first by its key and the others in its value: all readers of a store's changes hear
of each document that is written, and a gateway of many keys meets new ones all the time.
"""

from __future__ import annotations

from collections.abc import Sequence

from llm_gateway_sdk import Store
from llm_gateway_sdk.wire import json

from .rules import Rule, whom_of

__all__ = ["SUBJECTS", "document_of", "known_subjects", "subject_key"]

SUBJECTS = "limits/subjects/"
"""Beginning of the documents' keys."""
_PAGE = 500


def subject_key(rule: Rule, subject: Sequence[tuple[str, str]]) -> str:
    """The name of a limit's subject. Limits without conditions share one: what one of them has counted, all have that
    are per the same."""
    return f"{SUBJECTS}{rule.key(subject, '') if rule.when else f'|||{whom_of(tuple(subject))}|'}"


def document_of(names: Sequence[str]) -> tuple[str, bytes]:
    """Key and value of the document for these subjects."""
    others = [name.removeprefix(SUBJECTS) for name in names[1:]]
    return names[0], json.dumps(others) if others else b""


async def known_subjects(store: Store) -> set[str]:
    """The names of all subjects that any worker has written."""
    found, after = set[str](), ""
    while page := await store.scan(SUBJECTS, after=after, limit=_PAGE):
        after = page[-1].key
        for document in page:
            found.add(document.key)
            if document.value:
                others = json.loads(document.value)
                assert isinstance(others, list)
                found.update(f"{SUBJECTS}{each}" for each in others)
    return found
