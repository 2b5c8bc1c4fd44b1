"""Images on Bedrock: Amazon's and Stability's bodies."""

from __future__ import annotations

from typing import Any

import pytest
from llm_gateway_bedrock.images import AmazonImages, StabilityImages, images_of

from llm_gateway_sdk import DialectError, Target, WireReply
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.operations.form import OperationForm
from llm_gateway_sdk.operations.images import Image, ImageRequest
from llm_gateway_sdk.wire import json

AMAZON, STABILITY = AmazonImages(), StabilityImages()
PICTURE = Image("YQ==")


def sent(form: OperationForm[Any, Any], **fields: Any) -> tuple[dict[str, Any], list[str]]:
    losses = Losses()
    wire = form.encode_request(ImageRequest("mine", "a cat", **fields), Target(model="m"), losses)
    return json.loads(wire.body), sorted(f"{loss.kind} {loss.path}" for loss in losses)


@pytest.mark.parametrize(
    ("model", "cls"),
    [
        ("amazon.titan-image-generator-v2:0", AmazonImages),
        ("amazon.nova-canvas-v1:0", AmazonImages),
        ("stability.sd3-5-large-v1:0", StabilityImages),
        ("amazon.nova-lite-v1:0", type(None)),
    ],
)
def test_the_form_follows_from_the_models_id(model: str, cls: type) -> None:
    assert type(images_of(model)) is cls


def test_amazon_makes_images_of_a_size_and_quality() -> None:
    body, lost = sent(AMAZON, n=3, width=512, height=256, quality="high", user="u", output_format="webp")

    assert body == {
        "taskType": "TEXT_IMAGE",
        "textToImageParams": {"text": "a cat"},
        "imageGenerationConfig": {"numberOfImages": 3, "width": 512, "height": 256, "quality": "premium"},
    }
    assert lost == ["dropped output_format", "dropped user"]


def test_amazon_edits_with_and_without_a_mask() -> None:
    assert sent(AMAZON, images=[PICTURE], mask=PICTURE)[0]["inPaintingParams"]["maskImage"] == "YQ=="
    assert sent(AMAZON, images=[PICTURE, PICTURE])[0]["imageVariationParams"]["images"] == ["YQ==", "YQ=="]


def test_stability_takes_an_aspect_ratio_in_place_of_a_size() -> None:
    body, lost = sent(STABILITY, width=1920, height=1080, output_format="jpeg", quality="high")

    assert body == {"prompt": "a cat", "output_format": "jpeg", "aspect_ratio": "16:9"}
    assert lost == ["converted size", "dropped quality"]


def test_stability_edits_without_a_mask_only() -> None:
    assert sent(STABILITY, images=[PICTURE])[0]["mode"] == "image-to-image"
    with pytest.raises(DialectError, match="no mask"):
        sent(STABILITY, images=[PICTURE], mask=PICTURE)


def test_replies_have_the_type_that_was_asked_for() -> None:
    wire = WireReply(200, body=b'{"images": ["YQ==", "Yg=="]}')

    assert AMAZON.decode_reply(wire, ImageRequest("m", "a cat")).images == [Image("YQ=="), Image("Yg==")]
    asked = ImageRequest("m", "a cat", output_format="webp")
    assert STABILITY.decode_reply(wire, asked).images[0].media_type == "image/webp"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"images": [], "error": "filtered by policy"}', "filtered by policy"),
        (b'{"images": [null]}', "has no image"),
        (b'{"images": "YQ=="}', "has no image"),
        (b"{}", "has no image"),
    ],
)
def test_a_reply_without_an_image_is_a_failure_with_the_vendors_reason(body: bytes, message: str) -> None:
    with pytest.raises(DialectError, match=message):
        AMAZON.decode_reply(WireReply(200, body=body), ImageRequest("m", "a cat"))
