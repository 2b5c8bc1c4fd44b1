"""What the lines of a batch may use at most, added up by model: what limits reserve when a batch is handed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["BatchBand", "BatchShare"]


@dataclass(slots=True)
class BatchBand:
    """Those of the lines of one model whose inputs have the same price."""

    above: int
    """The threshold that they pass, as of `Prices.threshold`."""
    lines: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    unbounded: int = 0


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
    bands: list[BatchBand] = field(default_factory=list)
    """The same lines by the length of their inputs, where that is known to matter; else none."""

    def add(self, above: int, input_tokens: int, output_tokens: int | None) -> None:
        """Counts a line. `above` is the threshold that its input passes; without `output_tokens` it sets no maximum."""
        band = next((each for each in self.bands if each.above == above), None)
        if band is None:
            band = BatchBand(above)
            self.bands.append(band)
        for each in (self, band):
            each.lines += 1
            each.input_tokens += input_tokens
            if output_tokens is None:
                each.unbounded += 1
            else:
                each.output_tokens += output_tokens

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "names": list(self.names)}

    @staticmethod
    def of_json(written: Mapping[str, Any]) -> BatchShare:
        """The inverse of `to_json`; what a later version has added is left out."""
        known = {name: written[name] for name in written if name in BatchShare.__slots__}
        places = BatchBand.__slots__
        bands = [BatchBand(**{key: each[key] for key in each if key in places}) for each in known.get("bands", ())]
        return BatchShare(**{**known, "names": tuple(known.get("names", ())), "bands": bands})
