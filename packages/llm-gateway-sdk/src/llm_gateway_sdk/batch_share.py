"""What the lines of a batch may use at most, added up by model: what limits reserve when a batch is handed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["BatchShare"]


@dataclass(slots=True)
class BatchShare:
    """The lines of one model."""

    model: str
    """The configured model."""
    provider_model: str
    """The provider's name of it."""
    names: tuple[str, ...] = ()
    """What the lines call it."""
    lines: int = 0
    input_tokens: int = 0
    """Estimated, of all lines."""
    output_tokens: int = 0
    """The most that is asked for, of the lines that set a maximum."""
    unbounded: int = 0
    """Lines that produce text and set no maximum."""

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "names": list(self.names)}

    @staticmethod
    def of_json(written: Mapping[str, Any]) -> BatchShare:
        """The inverse of `to_json`; what a later version has added is left out."""
        known = {name: written[name] for name in written if name in BatchShare.__slots__}
        return BatchShare(**{**known, "names": tuple(known.get("names", ()))})
