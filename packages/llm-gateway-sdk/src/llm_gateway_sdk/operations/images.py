"""Images in canonical form: made from a prompt, or from a prompt and other images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import gcd
from typing import Any

from ..errors import DialectError
from ..response import Usage

__all__ = ["Image", "ImageReply", "ImageRequest"]


@dataclass(slots=True)
class Image:
    data: str
    """Base64."""
    media_type: str = "image/png"
    revised_prompt: str | None = None


@dataclass(slots=True)
class ImageRequest:
    model: str
    prompt: str
    n: int = 1
    ratio: str | None = None
    """`16:9` and the like, where the client asked for a ratio rather than a size; `width` and `height` have it too."""
    width: int | None = None
    height: int | None = None
    quality: str | None = None
    """`low`, `medium` or `high`; None leaves it to the model."""
    output_format: str | None = None
    """`png`, `jpeg` or `webp`."""
    as_url: bool = False
    """The client wants addresses, not base64."""
    streamed: bool = False
    """The client wants events."""
    images: list[Image] = field(default_factory=list)
    """What is edited; empty where an image is made from the prompt alone."""
    mask: Image | None = None
    user: str | None = None
    provider_metadata: dict[str, Any] = field(default_factory=dict)
    """By form: fields that the canonical form has no name for."""

    @property
    def aspect_ratio(self) -> str | None:
        """`16:9` and the like; None where no size is asked for."""
        if self.ratio is not None:
            return self.ratio
        if self.width is None or self.height is None:
            return None
        ratio, known = self.width / self.height, ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9")
        divisor = gcd(self.width, self.height)
        exact = f"{self.width // divisor}:{self.height // divisor}"
        return exact if exact in known else min(known, key=lambda each: abs(_ratio(each) - ratio))

    def split(self, most: int) -> list[ImageRequest]:
        """The same request in parts of at most `most` images each."""
        counts = [most] * (self.n // most) + ([self.n % most] if self.n % most else [])
        return [replace(self, n=count) for count in counts] if len(counts) > 1 else [self]

    def join(self, replies: Sequence[ImageReply]) -> ImageReply:
        usage: Usage | None = None
        for each in replies:
            if each.usage is not None:
                usage = each.usage if usage is None else _sum(usage, each.usage)
        images = [image for each in replies for image in each.images]
        return ImageReply(images, replies[0].model, usage, replies[0].created)


@dataclass(slots=True)
class ImageReply:
    images: list[Image]
    model: str = ""
    usage: Usage | None = None
    created: int | None = None

    def checked(self) -> ImageReply:
        """Raises DialectError where there is none."""
        if not self.images:
            raise DialectError("the reply has no image")
        return self


def _ratio(text: str) -> float:
    width, _, height = text.partition(":")
    return int(width) / int(height)


def _sum(a: Usage, b: Usage) -> Usage:
    def added(x: int | None, y: int | None) -> int | None:
        return None if x is None and y is None else (x or 0) + (y or 0)

    return Usage(
        input_tokens=added(a.input_tokens, b.input_tokens),
        output_tokens=added(a.output_tokens, b.output_tokens),
        estimated=a.estimated or b.estimated,
        input_image_tokens=added(a.input_image_tokens, b.input_image_tokens),
        output_image_tokens=added(a.output_image_tokens, b.output_image_tokens),
    )
