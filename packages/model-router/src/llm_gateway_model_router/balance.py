"""Chooses one of several models: by weight, by load, or always the same one for a key."""

from __future__ import annotations

import hashlib
import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence

__all__ = ["least_in_flight", "rotated", "sticky", "weighted"]


def weighted(weights: Mapping[str, float], *, draw: float | None = None) -> str:
    """By weight, at random; `draw` in [0, 1) makes the choice repeatable."""
    total = sum(weights.values())
    point = (random.random() if draw is None else draw) * total
    for name, weight in weights.items():
        point -= weight
        if point < 0:
            return name
    return list(weights)[-1]


def least_in_flight(weights: Mapping[str, float], in_flight: Counter[str]) -> str:
    """The one with the least running requests for its weight; among equals by weight at random."""
    candidates = {name: weight for name, weight in weights.items() if weight > 0}
    least = min(in_flight[name] / weight for name, weight in candidates.items())
    return weighted({name: weight for name, weight in candidates.items() if in_flight[name] / weight <= least})


def sticky(weights: Mapping[str, float], key: str) -> str:
    """The same name for the same key, by weighted rendezvous hashing: when a model is added or removed, only its own
    share of keys moves."""

    def score(name: str) -> float:
        digest = hashlib.blake2b(f"{name}\0{key}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
        uniform = (int.from_bytes(digest, "big") + 1) / (2**64 + 1)
        return -math.log(uniform) / weights[name]

    return min((name for name, weight in weights.items() if weight > 0), key=score)


def rotated(names: Sequence[str], first: str) -> list[str]:
    """`names` with `first` in front."""
    return [first, *(name for name in names if name != first)]
