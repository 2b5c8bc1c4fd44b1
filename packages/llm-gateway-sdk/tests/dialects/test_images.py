"""Images beyond what a receiver takes: the oldest make room, the newest are never left out, and sizes are checked."""

from __future__ import annotations

import base64
import struct

import pytest

from llm_gateway_sdk import DialectError, Losses, MediaPart, Message, TextPart, ToolResultPart
from llm_gateway_sdk.dialects.images import fit_images, pixels
from llm_gateway_sdk.dialects.receiver import CHAT, CONVERSE, GENERATE_CONTENT, MESSAGES, RESPONSES, Images


def png(width: int, height: int) -> str:
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height) + bytes(20)
    return base64.b64encode(head).decode()


def jpeg(width: int, height: int, metadata: int = 0) -> str:
    segments = b"\xff\xe1" + struct.pack(">H", metadata + 2) + bytes(metadata) if metadata else b""
    frame = b"\xff\xc0" + struct.pack(">HBHH", 17, 8, height, width) + bytes(10)
    return base64.b64encode(b"\xff\xd8" + segments + b"\xff\xff\xdb\x00\x04ab" + frame).decode()


def gif(width: int, height: int) -> str:
    return base64.b64encode(b"GIF89a" + struct.pack("<HH", width, height) + bytes(10)).decode()


def webp(kind: bytes, body: bytes) -> str:
    return base64.b64encode(b"RIFF" + bytes(4) + b"WEBP" + kind + bytes(4) + body + bytes(30)).decode()


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (png(3000, 20), (3000, 20)),
        (jpeg(640, 480), (640, 480)),
        (jpeg(640, 9000, metadata=60_000), (640, 9000)),
        (gif(5, 6), (5, 6)),
        (webp(b"VP8X", bytes(4) + b"\xf3\x01\x00\x0a\x00\x00"), (500, 11)),
        (webp(b"VP8L", b"\x2f" + ((99 | 199 << 14).to_bytes(4, "little"))), (100, 200)),
        (webp(b"VP8 ", b"abc\x9d\x01\x2a" + b"\x40\x01\xf0\x00"), (320, 240)),
        (webp(b"VP8 ", b"x" * 40), None),
        (webp(b"VP8L", b"x" * 40), None),
        (base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"x" * 40).decode(), None),
        ("AAAA", None),
        ("not base64!", None),
        ("", None),
        (base64.b64encode(b"\xff\xd8\xff\xe0\x00\x00" + bytes(20)).decode(), None),
    ],
    ids=[
        "png",
        "jpeg",
        "long metadata",
        "gif",
        "vp8x",
        "vp8l",
        "vp8",
        "bad vp8",
        "bad vp8l",
        "bad png",
        "other",
        "letters",
        "empty",
        "broken jpeg",
    ],
)
def test_pixels_are_read_from_the_head(data: str, size: tuple[int, int] | None) -> None:
    assert pixels(data) == size


def conversation(turns: int, image: MediaPart, last: int = 1) -> list[Message]:
    messages: list[Message] = []
    for number in range(turns):
        result = ToolResultPart(f"call_{number}", [TextPart("seen"), image])
        messages += [Message("user", [result]), Message("assistant", [TextPart(f"I see {number}")])]
    return [*messages, Message("user", [image] * last)]


SMALL = MediaPart(data=png(10, 10), media_type="image/png")
WIDE = MediaPart(data=png(2560, 1440), media_type="image/png")


def images_of(messages: list[Message]) -> int:
    parts = [part for message in messages for part in message.content]
    inner = [one for part in parts if isinstance(part, ToolResultPart) for one in part.content]
    return sum(isinstance(one, MediaPart) and one.kind == "image" for one in (*parts, *inner))


def test_what_fits_is_the_very_same_list() -> None:
    messages, losses = conversation(19, WIDE), Losses()

    assert fit_images(messages, Images(count=100, many=20, many_side=2000), losses) is messages
    assert not losses


def test_the_oldest_images_make_room_for_the_newest() -> None:
    messages, losses = conversation(700, SMALL), Losses()
    assert MESSAGES.images is not None

    fitted = fit_images(messages, MESSAGES.images, losses)

    assert images_of(fitted) == 600
    assert images_of(messages) == 701
    assert fitted[-1] is messages[-1]
    assert "left out" in str(fitted[0])
    assert "seen" in str(fitted[0])
    assert [loss.kind for loss in losses] == ["dropped"]


def test_many_large_images_are_as_many_as_may_be_large() -> None:
    assert MESSAGES.images is not None

    fitted = fit_images(conversation(30, WIDE), MESSAGES.images, Losses())

    assert images_of(fitted) == 20


@pytest.mark.parametrize(
    ("bounds", "messages", "words"),
    [
        (MESSAGES.images, conversation(3, WIDE, last=21), "2000 pixels"),
        (MESSAGES.images, [Message("user", [MediaPart(data=png(9000, 10))])], "9000 x 10 pixels"),
        (MESSAGES.images, [Message("user", [MediaPart(data="A" * 5_300_000)])], "5 MB"),
        (CONVERSE.images, [Message("user", [SMALL] * 21)], "21 images"),
        (CONVERSE.images, [Message("user", [MediaPart(kind="document", data="JVBERi0=")] * 6)], "6 documents"),
        (CHAT.images, [Message("user", [MediaPart(url="https://a.example/b.png")] * 501)], "500 images"),
    ],
    ids=["large last turn", "pixels", "bytes", "per message", "documents", "by address"],
)
def test_what_cannot_be_left_out_is_refused(bounds: Images, messages: list[Message], words: str) -> None:
    with pytest.raises(DialectError, match=words) as caught:
        fit_images(messages, bounds, Losses())

    assert caught.value.path is not None
    assert caught.value.path.startswith("messages[")


def test_counts_of_a_message_are_not_those_of_a_conversation() -> None:
    assert CONVERSE.images is not None
    messages = conversation(60, SMALL, last=20)

    assert fit_images(messages, CONVERSE.images, Losses()) is messages


SVG = base64.b64encode(b"<svg/>").decode()
BMP = base64.b64encode(b"BM" + bytes(20)).decode()


def test_an_image_of_another_type_is_refused_in_the_last_turn_and_left_out_before_it() -> None:
    bmp = MediaPart("image", "image/bmp", data=BMP)
    result = ToolResultPart("c", [bmp, TextPart("seen")])
    for receiver in (CHAT, RESPONSES, MESSAGES, CONVERSE, GENERATE_CONTENT):
        assert receiver.images is not None
        with pytest.raises(DialectError, match="no image of type 'image/bmp'"):
            fit_images([Message("user", [bmp])], receiver.images, Losses())
        losses = Losses()

        fitted = fit_images(
            [Message("user", [bmp]), Message("tool", [result]), Message("assistant", [TextPart("I see.")])],
            receiver.images,
            losses,
        )

        assert not any(type(part) is MediaPart for message in fitted for part in message.content)
        assert [loss.kind for loss in losses] == ["dropped"]
        assert result.content == [bmp, TextPart("seen")]


def test_drawings_in_text_go_as_text_and_labels_are_not_believed() -> None:
    drawn = MediaPart("image", "image/svg+xml", data=SVG)
    wrong = MediaPart("image", "image/bmp", data=png(3, 3))
    assert MESSAGES.images is not None

    [message] = fit_images([Message("user", [drawn, wrong])], MESSAGES.images, Losses())

    assert message.content == [TextPart("<svg/>"), MediaPart("image", "image/png", data=png(3, 3))]


def test_what_one_receiver_takes_another_need_not() -> None:
    heic = [Message("user", [MediaPart("image", "image/heic", data="AAAA")])]
    assert GENERATE_CONTENT.images is not None
    assert CHAT.images is not None

    assert fit_images(heic, GENERATE_CONTENT.images, Losses()) is heic
    with pytest.raises(DialectError):
        fit_images(heic, CHAT.images, Losses())
