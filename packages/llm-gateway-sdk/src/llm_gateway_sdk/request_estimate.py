"""What a request may use at most, about, found in its bytes before anything is decoded.

It is what limits reserve before a request is sent, so it errs high, and it takes next to no time even for the largest
body: text is counted by its length, and media in base64 are recognised and counted by what they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from .estimate import estimate_tokens
from .request import LLMRequest
from .values import FrozenValue
from .wire import json

__all__ = ["CANONICAL_BELOW", "RequestEstimate", "estimate_request"]


class RequestEstimate(FrozenValue, frozen=True):
    """What a request may use, before it is sent."""

    input_tokens: int = 0
    """About, from the length of what is sent."""
    output_tokens: int | None = None
    """The most that the request allows, over all its choices; None where it sets no bound."""
    pieces: Mapping[str, int] | None = None
    """What is charged by the piece, by the kinds of `Prices.calls`: the images that are asked for, the characters to
    speak."""


BYTES_PER_TOKEN = 3
IMAGE_TOKENS = 1600
"""The most that a vendor counts for one image after scaling it down."""
MEDIA_BYTES_PER_TOKEN = 25
"""Documents and sound, by their decoded size: a dense page of PDF, or a second of speech, is smaller."""
CANONICAL_BELOW = 64 * 1024
_STRIDE = 2048
_SAMPLE = 64
_MEDIA_BEFORE = re.compile(rb'(?:"(?:data|bytes|file_data|fileData)"\s*:\s*"|;base64,)\Z')
"""What is in front of media: a text that happens to look like base64 is counted as text."""
_LONGEST_KEY = 64
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_IMAGES = (b"/9j/", b"iVBORw", b"R0lGOD", b"UklGR")
"""How JPEG, PNG, GIF and WebP begin in base64."""


def estimate_request(body: bytes, decoded: LLMRequest | None = None) -> RequestEstimate:
    """`decoded` is the value of `body`, where it was read already."""
    if decoded is not None and len(body) < CANONICAL_BELOW:
        ceiling = decoded.max_tokens
        if ceiling is not None:
            # One below 0 is the provider's to refuse, and must not take from what is reserved for the input.
            ceiling = ceiling * max(1, decoded.n or 1) if ceiling >= 0 else None
        return RequestEstimate(estimate_tokens(decoded), ceiling)
    text, tokens = len(body), 0
    if text <= _STRIDE + _SAMPLE:  # too short for media
        return RequestEstimate(text // BYTES_PER_TOKEN or 1, json.peek_ceiling(body))
    for start, end in _base64_runs(body):
        text -= end - start
        is_image = body[start : start + 8].startswith(_IMAGES)
        tokens += IMAGE_TOKENS if is_image else (end - start) * 3 // 4 // MEDIA_BYTES_PER_TOKEN
    return RequestEstimate(max(1, tokens + text // BYTES_PER_TOKEN), json.peek_ceiling(body))


def _base64_runs(body: bytes) -> Iterator[tuple[int, int]]:
    """Where long runs of base64 begin and end. Looks at a few bytes in every two thousand."""
    place, size = _STRIDE, len(body)
    while place + _SAMPLE < size:
        if body[place : place + _SAMPLE].translate(None, _BASE64):
            place += _STRIDE
            continue
        quote = body.rfind(b'"', 0, place) + 1
        start = body.rfind(b",", quote, place) + 1 or quote
        end = body.find(b'"', place)
        end = size if end < 0 else end
        if _MEDIA_BEFORE.search(body, max(0, start - _LONGEST_KEY), start):
            yield start, end
        place = end + _STRIDE
