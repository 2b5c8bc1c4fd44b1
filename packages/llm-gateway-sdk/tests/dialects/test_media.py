"""What a medium is, by its bytes."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway_sdk import DialectError, Losses, MediaPart, Message, TextPart, ToolResultPart
from llm_gateway_sdk.dialects.media import fit_media, labelled, plain_base64, refuse_audio, sniff

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0" * 30).decode()
JPEG = base64.b64encode(b"\xff\xd8\xff\xe0" + b"\0" * 30).decode()
WEBP = base64.b64encode(b"RIFF\x16\0\0\0WEBPVP8L" + b"\0" * 30).decode()
WAV = base64.b64encode(b"RIFF\x16\0\0\0WAVEfmt " + b"\0" * 30).decode()
PDF = base64.b64encode(b"%PDF-1.4\n").decode()


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (PNG, "image/png"),
        (JPEG, "image/jpeg"),
        (base64.b64encode(b"GIF89a").decode(), "image/gif"),
        (WEBP, "image/webp"),
        (WAV, "audio/wav"),
        (PDF, "application/pdf"),
        (base64.b64encode(b"ID3\x04").decode(), "audio/mpeg"),
        (base64.b64encode(b"plain text").decode(), None),
        ("not base64 at all!", None),
        ("", None),
    ],
)
def test_first_bytes_say_what_it_is(data: str, media_type: str | None) -> None:
    assert sniff(data) == media_type


@pytest.mark.parametrize(
    ("part", "kind", "media_type"),
    [
        (MediaPart("image", "image/png", JPEG), "image", "image/jpeg"),
        (MediaPart("image", "image/JPEG;charset=utf-8", JPEG), "image", "image/jpeg"),
        (MediaPart("image", "image/jpg", JPEG), "image", "image/jpeg"),
        (MediaPart("image", "text/plain", PNG), "image", "image/png"),
        (MediaPart("image", None, WEBP), "image", "image/webp"),
        (MediaPart("document", "image/png", PNG), "image", "image/png"),
        (MediaPart("document", "application/pdf", PNG), "image", "image/png"),
        (MediaPart("image", "image/png", PDF), "document", "application/pdf"),
        (MediaPart("audio", "audio/mp3", base64.b64encode(b"ID3\x04").decode()), "audio", "audio/mp3"),
        (MediaPart("audio", "audio/mpeg", WAV), "audio", "audio/wav"),
        (MediaPart("image", "image/heic", base64.b64encode(b"\0\0\0 ftypheic").decode()), "image", "image/heic"),
    ],
)
def test_a_wrong_label_is_put_right(part: MediaPart, kind: str, media_type: str) -> None:
    right = labelled(part)

    assert (right.kind, right.media_type, right.data) == (kind, media_type, part.data)


def test_a_right_label_is_the_same_part() -> None:
    for part in (
        MediaPart("image", "image/png", PNG),
        MediaPart("document", text="x"),
        MediaPart("image", url="http://a"),
    ):
        assert labelled(part) is part


def test_a_receiver_that_compares_nothing_gets_the_label_that_was_sent() -> None:
    assert labelled(MediaPart("image", "image/png", JPEG), checked=False).media_type == "image/png"
    assert labelled(MediaPart("image", "text/plain", JPEG), checked=False).media_type == "image/jpeg"


def test_media_within_results_are_labelled_too() -> None:
    result = ToolResultPart("call_1", [TextPart("seen"), MediaPart("image", "image/png", JPEG)])
    messages, losses = [Message("user", [TextPart("hi")]), Message("tool", [result])], Losses()

    fitted = fit_media(messages, losses)

    assert fitted[0] is messages[0]
    assert fitted[1].content[0].content[1].media_type == "image/jpeg"  # type: ignore[union-attr]
    assert result.content[1].media_type == "image/png"  # type: ignore[union-attr]
    assert [loss.path for loss in losses] == ["messages[*].content[*].media_type"]


def test_audio_is_refused_where_there_is_none() -> None:
    with pytest.raises(DialectError, match="audio") as caught:
        refuse_audio([Message("user", [TextPart("listen"), MediaPart("audio", "audio/wav", WAV)])])
    assert caught.value.path == "messages[0].content[1]"


@given(st.binary(max_size=70), st.booleans(), st.booleans(), st.sampled_from(("", "\n", "\r\n", " ")))
def test_base64_of_any_kind_is_the_one_that_all_receivers_read(raw: bytes, safe: bool, bare: bool, line: str) -> None:
    written = (base64.urlsafe_b64encode if safe else base64.b64encode)(raw).decode()
    sent = line.join(written[place : place + 20] for place in range(0, len(written), 20))
    sent = sent.rstrip("=") if bare else sent
    losses = Losses()
    label = sniff(written) or "application/x-own"

    [message] = fit_media([Message("user", [MediaPart("document", label, data=sent)])], losses)

    assert [part.data for part in message.content if isinstance(part, MediaPart)] == [base64.b64encode(raw).decode()]


def test_white_space_of_long_data_is_left_out_piece_by_piece() -> None:
    words = "aGVsbG8h \n" * 60_000

    assert plain_base64(words) == "aGVsbG8h" * 60_000
