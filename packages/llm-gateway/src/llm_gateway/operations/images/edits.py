"""OpenAI's edits of images: a form with files, or JSON with images in base64."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from llm_gateway_sdk import DialectError, WireRequest
from llm_gateway_sdk.numerals import whole_number
from llm_gateway_sdk.operations.form import UploadedFile
from llm_gateway_sdk.operations.images import Image, ImageRequest
from llm_gateway_sdk.operations.reading import object_of

from .openai import OpenAIImages, read_options

__all__ = ["OpenAIImageEdits"]

_INLINE = re.compile(r"data:(image/[a-z0-9.+-]+);base64,(.+)", re.DOTALL)


class OpenAIImageEdits(OpenAIImages):
    """The same operation as `generations`, for which images are given."""

    path = ""
    event = "image_edit"
    multipart = True

    def decode_request(self, wire: WireRequest) -> ImageRequest:
        body = object_of(wire.body)
        given, mask = body.pop("images", None), body.pop("mask", None)
        if not isinstance(given, list) or not given:
            raise DialectError("expected images to edit", path="images")
        request = read_options(body, self.name)
        request.images = [_inline(each, "images") for each in given]
        request.mask = None if mask is None else _inline(mask, "mask")
        return request

    def decode_upload(self, wire: WireRequest, files: Sequence[UploadedFile]) -> ImageRequest:
        body = object_of(wire.body)
        for file in files:
            body.pop(file.name, None)
        for name in ("n", "output_compression"):
            if isinstance(body.get(name), str) and (number := whole_number(body[name])) is not None:
                body[name] = number
        request = read_options(body, self.name)
        for file in files:
            image = Image(b64encode(file.content).decode("ascii"), file.media_type)
            if file.name in ("image", "image[]"):
                request.images.append(image)
            elif file.name == "mask":
                request.mask = image
            else:
                raise DialectError("is not a file that an edit takes", path=file.name)
        if not request.images:
            raise DialectError("expected an image to edit", path="image")
        return request


def _inline(value: Any, path: str) -> Image:
    url = value.get("image_url") if isinstance(value, dict) else None
    found = _INLINE.fullmatch(url) if isinstance(url, str) else None
    if found is None:
        raise DialectError("expected an image_url with the image itself, data:image/…;base64,…", path=path)
    return Image(found[2], found[1])
