"""Matches across the pieces of texts that are not known to come in pieces: fields of a vendor's own JSON in a stream.

Which of them a client joins is the vendor's affair. Known ones are held until they are decided (see `stream.py`). Of
all others the end is remembered, and a match that goes on in the next piece is hidden from there on: it never arrives
whole, and a field that is not text waits for nothing.
"""

from __future__ import annotations

import re
from typing import Any

from llm_gateway_sdk.texts import KeyText, walk_json

from ..patterns import RuleSet
from .bodies import BodyRedactor
from .bounds import Budget, Findings, OnLimit
from .whole_texts import redact_spans

__all__ = ["Seams"]

_REMEMBERED = 1024
"""Characters of a field's end."""
_FIELDS = 1000
"""Fields of one stream whose ends are remembered."""
_NUMBER = re.compile(r"\[\d+\]")


class Seams:
    """Of one stream."""

    def __init__(self, rules: RuleSet, whole: BodyRedactor, *, on_limit: OnLimit, budget: Budget) -> None:
        self._rules = rules
        self._whole = whole
        self._on_limit: OnLimit = on_limit
        self._budget = budget
        self._ends: dict[tuple[object, ...], str] = {}

    def redact(self, value: Any, name: tuple[object, ...]) -> None:
        """Redacts vendor's JSON in place. `name` is the same for what continues it in another event."""
        for place in walk_json(value, ""):
            if isinstance(place, KeyText):
                continue
            key, text = (*name, _NUMBER.sub("[]", place.path)), place.text
            end = self._ends.get(key, "")
            if end or len(self._ends) < _FIELDS:
                self._ends[key] = (end + text)[-_REMEMBERED:]
            if end:
                continued = self._continued(end, text)
                if continued != text:
                    place.text = continued
        self._whole.vendor_json(value)

    def _continued(self, end: str, text: str) -> str:
        """The text without what completes a match that began before it."""
        joined = end + text
        if self._rules.candidates(joined) is None:
            return text
        findings = Findings()
        spans = redact_spans(joined, self._rules, on_limit=self._on_limit, findings=findings, budget=self._budget)
        at = 0
        for piece, replacement in spans or ():
            until = at + len(piece)
            if at < len(end) < until and replacement is not None:
                self._whole.findings.masked += findings.masked
                for index in findings.matches:
                    self._whole.findings.add(index)
                return replacement + joined[until:]
            at = until
        return text
