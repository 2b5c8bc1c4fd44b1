"""What tokens cost, in whole pico-dollars per token, so that no rounding adds up; results are nano-dollars, rounded up
once per request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

__all__ = ["Price", "decode_price"]

_PICO_PER_TOKEN = 10**6
"""A dollar per million tokens, in pico-dollars per token."""


@dataclass(frozen=True, slots=True)
class Price:
    """Pico-dollars per token. Cache prices that are not given are those of plain input, which is never too little for
    reading; writing is a quarter dearer where the vendor charges for it at all."""

    input: int
    output: int
    cache_read: int
    cache_write: int

    def cost(self, input_tokens: int, output_tokens: int, cache_read: int = 0, cache_write: int = 0) -> int:
        """Nano-dollars. `input_tokens` includes what the cache held."""
        plain = max(0, input_tokens - cache_read - cache_write)
        pico = (
            plain * self.input
            + output_tokens * self.output
            + cache_read * self.cache_read
            + cache_write * self.cache_write
        )
        return -(-pico // 1000)

    def most(self, input_tokens: int, output_tokens: int) -> int:
        """What it may cost at most, in nano-dollars, whatever of the input is written to a cache."""
        return -(-(input_tokens * max(self.input, self.cache_write) + output_tokens * self.output) // 1000)


def decode_price(written: Mapping[str, Any]) -> Price:
    """`{input, output, cacheRead, cacheWrite}` in US dollars per million tokens. Raises ValueError."""
    found: dict[str, int] = {}
    for key in ("input", "output", "cacheRead", "cacheWrite"):
        value = written.get(key)
        if value is None:
            continue
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            raise ValueError(f"{key}: expected US dollars per million tokens, found {value!r}") from None
        if isinstance(value, bool) or not number.is_finite() or number < 0:
            raise ValueError(f"{key}: expected US dollars per million tokens, found {value!r}")
        found[key] = int((number * _PICO_PER_TOKEN).to_integral_value(rounding="ROUND_CEILING"))
    if "input" not in found:
        raise ValueError("`input` is missing")
    plain = found["input"]
    return Price(plain, found.get("output", 0), found.get("cacheRead", plain), found.get("cacheWrite", plain * 5 // 4))
