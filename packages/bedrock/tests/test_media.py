"""Images, documents, video and audio in Converse's blocks."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llm_gateway_bedrock.media import MEDIA_KEYS, DocumentNames, decode_media, encode_media

from llm_gateway_sdk import DialectError, MediaPart

FORMATS = [
    *(("image", word) for word in ("png", "jpeg", "gif", "webp")),
    *(("document", word) for word in ("pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md")),
    *(("video", word) for word in ("mp4", "mov", "mkv", "webm", "flv", "mpeg", "mpg", "wmv", "three_gp")),
    *(("audio", word) for word in ("mp3", "wav", "ogg", "flac", "aac", "opus", "m4a", "webm", "pcm")),
    ("image", "avif"),  # one that Bedrock may come to know
]


def decoded(kind: str, block: dict[str, Any]) -> MediaPart:
    part = decode_media(kind, block, "content[0]")
    assert part is not None
    return part


def encoded(part: MediaPart) -> dict[str, Any]:
    return encode_media(part, DocumentNames(), "content[0]")


@pytest.mark.parametrize(("kind", "word"), FORMATS)
@pytest.mark.parametrize(
    "source", [{"bytes": "YQ=="}, {"s3Location": {"uri": "s3://b/k", "bucketOwner": "123"}}], ids=["bytes", "s3"]
)
def test_a_block_comes_back(kind: str, word: str, source: dict[str, Any]) -> None:
    block: dict[str, Any] = {"format": word, "source": source, "extra": {"kept": True}}
    if kind == "document":
        block["name"] = "Report 1"

    assert encoded(decoded(kind, block)) == {kind: block}


@pytest.mark.parametrize(
    "source", [None, {}, {"content": [{"text": "chunk"}]}, {"bytes": 1}, {"s3Location": {}}], ids=str
)
def test_a_source_without_a_canonical_form_is_left_to_its_own_dialect(source: Any) -> None:
    assert decode_media("document", {"format": "pdf", "source": source}, "content[0]") is None
    assert set(MEDIA_KEYS) == {kind for kind, _ in FORMATS}


@pytest.mark.parametrize(
    ("part", "kind", "word"),
    [
        (MediaPart("image", "image/jpg", data="YQ=="), "image", "jpeg"),
        (MediaPart("image", "IMAGE/PNG; a=b", data="YQ=="), "image", "png"),
        (MediaPart("image", data="YQ=="), "image", "png"),
        (MediaPart("image", url="s3://bucket/photo.JPG?v=1"), "image", "jpeg"),
        (MediaPart("document", data="YQ=="), "document", "pdf"),
        (MediaPart("document", name="table.csv", data="YQ=="), "document", "csv"),
        (MediaPart("document", "text/x-python", data="YQ=="), "document", "txt"),
        (MediaPart("document", text="plain"), "document", "txt"),
        (MediaPart("video", url="s3://bucket/clip.3gp"), "video", "three_gp"),
        (MediaPart("audio", "audio/x-wav", data="YQ=="), "audio", "wav"),
    ],
)
def test_the_format_is_found_from_type_name_or_address(part: MediaPart, kind: str, word: str) -> None:
    assert encoded(part)[kind]["format"] == word


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (MediaPart("image", "image/tiff", data="YQ=="), "no image of type 'image/tiff' .known: image/png"),
        (MediaPart("audio", data="YQ=="), "no audio of type ''"),
        (MediaPart("document", "application/zip", data="YQ=="), "no document of type"),
        (MediaPart("image", "image/png", url="https://example.com/a.png"), "image or its place in S3, not an address"),
        (MediaPart("document", "application/pdf", file_id="file-1"), "a document or .* not a file of another vendor"),
    ],
)  # fmt: skip
def test_what_converse_cannot_take_is_refused(part: MediaPart, message: str) -> None:
    with pytest.raises(DialectError, match=message) as caught:
        encoded(part)

    assert caught.value.path == "content[0]"


def test_text_is_sent_as_text_where_it_is_cited() -> None:
    plain = MediaPart("document", text="é")
    cited = MediaPart("document", text="é", provider_metadata={"bedrock": {"citations": {"enabled": True}}})

    assert encoded(plain)["document"]["source"] == {"bytes": b64encode("é".encode()).decode()}
    assert encoded(cited)["document"] == {
        "format": "txt", "source": {"text": "é"}, "name": "Document 1", "citations": {"enabled": True},
    }  # fmt: skip


@given(st.lists(st.one_of(st.none(), st.text(max_size=300)), max_size=12))
def test_names_of_documents_are_allowed_and_differ(wanted: list[str | None]) -> None:
    names = DocumentNames()
    given_names = [names.of(name) for name in wanted]

    assert len(set(given_names)) == len(given_names)
    for name in given_names:
        assert re.fullmatch(r"(?!.*\s\s)[A-Za-z0-9\s\-()\[\]]{1,200}", name)


def test_a_name_loses_its_suffix_and_keeps_its_words() -> None:
    part = MediaPart("document", "application/pdf", data="YQ==", name="Q3_results.final.pdf")

    assert encoded(part)["document"]["name"] == "Q3 results final"


def test_many_documents_of_one_name_take_linear_time() -> None:
    names = DocumentNames()

    given = [names.of("report") for _ in range(20_000)]

    assert given[:3] == ["report", "report (2)", "report (3)"]
    assert given[-1] == "report (20000)"


def test_of_a_name_of_megabytes_only_the_beginning_is_looked_at() -> None:
    assert DocumentNames().of("a%" * 10_000_000) == " ".join("a" * 95) + " "
