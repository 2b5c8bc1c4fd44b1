"""What becomes of each field of the vendors' own types, for docs/losses.md.

Every field of a request and of a reply is set once and sent to every other dialect (`field_crossing.py`,
`reply_crossing.py`). Fields that every other API takes are not listed. Where all fields below a place fare alike, the
place is listed in their stead.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field
from functools import cache, partial
from importlib.metadata import version
from typing import Any

from field_crossing import NO_LOSS_TO, SENDERS, cross, fields_of, names, steps_of
from reply_crossing import NO_LOSS_OF_REPLIES_TO, cross_reply, reply_fields_of
from sdk_types import Field

from llm_gateway_sdk import DialectError, Loss

__all__ = ["SDKS", "field_rows", "reply_field_rows", "sdk_versions"]

SDKS = ("openai", "anthropic", "google-genai", "botocore")

Row = tuple[str, tuple[str, ...]]
"""A field, and what becomes of it at each receiver, in the order of `SENDERS`."""


def sdk_versions() -> str:
    """The packages whose types are listed, with their versions."""
    return ", ".join(f"{name} {version(name)}" for name in SDKS)


@cache
def field_rows(sender: str) -> tuple[Row, ...]:
    """The fields of the dialect's requests that some receiver does not take as they are. Outcomes are `kept`,
    `converted`, `clamped`, `in part`, `dropped`, `refused`, `left out`, or `lost` where a field is lost unreported; an
    outcome is empty where the request is refused without the field too."""
    return _rows(fields_of(sender), partial(cross, sender), sender, NO_LOSS_TO)


@cache
def reply_field_rows(sender: str) -> tuple[Row, ...]:
    """Likewise of replies; an outcome is empty where the reply cannot be read, as of an error."""
    return _rows(reply_fields_of(sender), partial(cross_reply, sender), sender, NO_LOSS_OF_REPLIES_TO)


@dataclass(frozen=True)
class _Fate:
    outcome: str
    whole: bool = False
    """What holds the field is lost as a whole."""


def _judge(crossing: Callable[[Any], tuple[Any, list[Loss]]], found: Field, *, left_out: bool) -> _Fate:
    try:
        without, known = crossing(found.absent)
    except DialectError:
        without, known = None, []
    try:
        written, losses = crossing(found.present)
    except DialectError:
        return _Fate("refused" if without is not None else "")
    named = [loss for loss in losses if names(loss, found.path)]
    if written != without:
        # What the body loses without the field too is not the field's.
        named = [loss for loss in named if loss not in known]
    own = ".".join(step for step, _ in steps_of(found.path))
    for kind in ("dropped", "clamped", "converted"):
        paths = [loss.path for loss in named if loss.kind == kind]
        if paths:
            inside = written != without and all(len(path) > len(own) for path in paths)
            return _Fate(
                "in part" if inside and kind == "dropped" else kind, all(len(path) < len(own) for path in paths)
            )
    if written != without:
        return _Fate("kept")
    return _Fate("left out" if left_out else "lost")


# Rows.


@dataclass
class _Place:
    """A step of paths, with what is below it."""

    fates: tuple[_Fate, ...] | None = None
    below: dict[tuple[str, str], _Place] = field(default_factory=dict)

    def all_fates(self) -> list[tuple[_Fate, ...]]:
        own = [] if self.fates is None else [self.fates]
        return own + [fates for place in self.below.values() for fates in place.all_fates()]

    def fares_as_one(self) -> bool:
        """All fields here fare alike, and those who lose them lose this place as a whole."""
        found = self.all_fates()
        if len({tuple(fate.outcome for fate in fates) for fates in found}) > 1:
            return False
        if self.fates is not None:
            return True
        return len(found) > 1 and all(fate.whole or fate.outcome != "dropped" for fates in found for fate in fates)


def _rows(
    fields: Iterable[Field],
    crossing: Callable[[str, Any], tuple[Any, list[Loss]]],
    sender: str,
    left_out: Container[tuple[str, str]],
) -> tuple[Row, ...]:
    root = _Place()
    receivers = [name for name in SENDERS if name != sender]
    for found in fields:
        place = root
        for step in steps_of(found.path):
            place = place.below.setdefault(step, _Place())
        place.fates = tuple(
            _judge(partial(crossing, receiver), found, left_out=(found.path, receiver) in left_out)
            for receiver in receivers
        )
    merged: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for path, alternatives, fates in _walk(root, "", ()):
        outcomes = tuple(fate.outcome for fate in fates)
        if set(outcomes) - {"kept", ""}:
            merged.setdefault((path, outcomes), []).append(" ".join(alternatives))
    rows = []
    for (path, outcomes), kinds in sorted(merged.items(), key=lambda one: one[0][0]):
        listed = ", ".join(dict.fromkeys(kind for kind in kinds if kind))
        rows.append((f"`{path}`" + (f" ({listed})" if listed else ""), outcomes))
    return tuple(rows)


def _walk(
    place: _Place, path: str, alternatives: tuple[str, ...]
) -> Iterable[tuple[str, tuple[str, ...], tuple[_Fate, ...]]]:
    if path and place.fares_as_one():
        yield path, alternatives, place.all_fates()[0]
        return
    if place.fates is not None:
        yield path, alternatives, place.fates
    for (step, alternative), below in place.below.items():
        more = (*alternatives, alternative) if alternative else alternatives
        yield from _walk(below, f"{path}.{step}" if path else step, more)
