"""Edits of images: a form with files, or JSON with the images in it."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from llm_gateway.operations.images.edits import OpenAIImageEdits
from llm_gateway_sdk import DialectError, WireRequest
from llm_gateway_sdk.operations.form import UploadedFile
from llm_gateway_sdk.operations.images import Image, ImageRequest
from llm_gateway_sdk.wire import json

FORM = OpenAIImageEdits()
INLINE = {"image_url": "data:image/png;base64,YQ=="}


def read(**body: Any) -> ImageRequest:
    return FORM.decode_request(
        WireRequest(body=json.dumps({"model": "m", "prompt": "a hat", "images": [INLINE], **body}))
    )


def uploaded(*files: UploadedFile, **fields: Any) -> ImageRequest:
    return FORM.decode_upload(WireRequest(body=json.dumps({"model": "m", "prompt": "a hat", **fields})), files)


def file(name: str, content: bytes = b"a", media_type: str = "image/png") -> UploadedFile:
    return UploadedFile(name, "a.png", media_type, content)


def test_images_and_mask_are_in_the_body() -> None:
    request = read(images=[INLINE, {"image_url": "data:image/jpeg;base64,Yg=="}], mask=INLINE, size="512x256")

    assert request.images == [Image("YQ==", "image/png"), Image("Yg==", "image/jpeg")]
    assert request.mask == Image("YQ==", "image/png")
    assert (request.width, request.height) == (512, 256)


@pytest.mark.parametrize("images", [None, [], {}, "text"], ids=["null", "none", "object", "text"])
def test_an_edit_needs_images(images: Any) -> None:
    with pytest.raises(DialectError, match="expected images to edit"):
        read(images=images)


@pytest.mark.parametrize(
    "image",
    [{"image_url": "https://example.com/a.png"}, {"file_id": "f"}, "data:image/png;base64,YQ==", None,
     {"image_url": "data:text/html;base64,YQ=="}],
    ids=["address", "file", "text", "null", "not an image"],
)  # fmt: skip
def test_an_image_that_is_somewhere_else_is_refused(image: Any) -> None:
    with pytest.raises(DialectError, match="the image itself"):
        read(images=[image])
    with pytest.raises(DialectError, match="the image itself") if image is not None else pytest.raises(DialectError):
        read(mask=image or {})


def test_files_of_a_form_are_its_images() -> None:
    request = uploaded(file("image[]", b"one"), file("image[]", b"two", "image/webp"), file("mask", b"mask"), n="3")

    assert [image.data for image in request.images] == [b64encode(b"one").decode(), b64encode(b"two").decode()]
    assert request.images[1].media_type == "image/webp"
    assert request.mask == Image(b64encode(b"mask").decode(), "image/png")
    assert request.n == 3


def test_a_form_without_an_image_is_refused() -> None:
    with pytest.raises(DialectError, match="expected an image to edit"):
        uploaded(file("mask"))
    with pytest.raises(DialectError, match="not a file that an edit takes") as caught:
        uploaded(file("image"), file("video"))
    assert caught.value.path == "video"


@pytest.mark.parametrize("n", ["two", "-1", "0", "1.5"])
def test_a_number_of_a_form_that_is_not_one_is_refused(n: str) -> None:
    with pytest.raises(DialectError, match="n: expected a whole number"):
        uploaded(file("image"), n=n)
