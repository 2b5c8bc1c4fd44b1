"""Images in canonical form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway_sdk import DialectError, Usage
from llm_gateway_sdk.operations.images import Image, ImageReply, ImageRequest


@pytest.mark.parametrize(
    ("width", "height", "ratio"),
    [
        (1024, 1024, "1:1"),
        (1536, 1024, "3:2"),
        (1024, 1536, "2:3"),
        (1920, 1080, "16:9"),
        (1792, 1024, "16:9"),  # 7:4, the nearest that models know
        (1080, 1920, "9:16"),
        (100, 1000, "9:16"),
        (None, 1024, None),
        (1024, None, None),
    ],
)
def test_a_size_is_the_nearest_aspect_ratio(width: int | None, height: int | None, ratio: str | None) -> None:
    assert ImageRequest("m", "a cat", width=width, height=height).aspect_ratio == ratio


@given(st.integers(1, 30), st.integers(1, 12))
def test_parts_make_as_many_images_as_were_asked_for(asked: int, most: int) -> None:
    parts = ImageRequest("m", "a cat", n=asked).split(most)

    assert sum(part.n for part in parts) == asked
    assert all(0 < part.n <= most for part in parts)
    assert all(part.prompt == "a cat" for part in parts)


def test_replies_to_parts_become_one() -> None:
    request = ImageRequest("m", "a cat", n=2)
    joined = request.join(
        [
            ImageReply([Image("YQ==")], "m-1", Usage(input_tokens=3, output_tokens=100), 7),
            ImageReply([Image("Yg==")], "m-1", Usage(output_tokens=50, estimated=True), 8),
            ImageReply([Image("Yw==")], "m-1"),
        ]
    )

    assert [image.data for image in joined.images] == ["YQ==", "Yg==", "Yw=="]
    assert (joined.model, joined.created) == ("m-1", 7)
    assert joined.usage == Usage(input_tokens=3, output_tokens=150, estimated=True)


def test_a_reply_without_an_image_is_a_failure() -> None:
    with pytest.raises(DialectError, match="has no image"):
        ImageReply([]).checked()

    reply = ImageReply([Image("YQ==")])
    assert reply.checked() is reply
